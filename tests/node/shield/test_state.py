"""What the packet shield says about itself, and what others make of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from rempart.cli.readiness import ready_line
from rempart.cli.status import judged
from rempart.model.configuration import Configuration
from rempart.model.shield_settings import ShieldSection
from rempart.node.parts import SHIELD, PartState, parts_folder, write_part
from rempart.node.processes import identify
from rempart.node.shield import preflight
from rempart.node.shield.metrics import shield_metrics
from rempart.node.shield.sampling import WINDOW_SECONDS, Seen, Sources
from rempart.node.shield.state import (
    STALE,
    InterfaceView,
    ReasonCount,
    ShieldState,
    off_state,
    off_words,
    problem,
    read_state,
    write_state,
)

GUARDED = InterfaceView(name="eth0", mode="native")
BARE = InterfaceView(name="eth1", mode="", reason="busy")


def now(**fields: object) -> ShieldState:
    base = ShieldState(
        wanted=True,
        on=True,
        at=datetime.now(UTC),
        interfaces=(GUARDED,),
        counts=(
            ReasonCount(reason="PASS", packets=90, bytes=900, packets_per_second=5),
            ReasonCount(reason="DROP_BLOCKED", packets=10, bytes=100, packets_per_second=17),
        ),
    )
    return base.model_copy(update=fields)


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    made = Configuration(state=tmp_path)
    made.paths.shield_state.parent.mkdir(parents=True)
    parts_folder(made.paths).mkdir()
    return made


def running(configuration: Configuration, pid: int) -> None:
    record = PartState(name=SHIELD, phase="running", process=identify(pid), since=datetime.now(UTC))
    write_part(configuration.paths, record)


def exposed(state: ShieldState | None) -> str:
    class Fixed(Collector):
        def collect(self) -> list[Metric]:
            return list(shield_metrics(state))

    registry = CollectorRegistry()
    registry.register(Fixed())
    return generate_latest(registry).decode()


def test_in_one_line() -> None:
    assert now().line == "on (eth0 native), 17 dropped/s"
    partly = now(on=False, interfaces=(GUARDED, BARE), reason="eth1: busy")
    assert partly.line == "on (eth0 native), 17 dropped/s; NOT everywhere: eth1: busy"
    anycast = now(unfiltered=("198.51.0.0/16 (65,536 addresses)",))
    assert anycast.line == "on (eth0 native), 17 dropped/s; NOT for 198.51.0.0/16 (65,536 addresses)"
    assert "rempart_shield_unfiltered 1.0" in exposed(anycast)
    assert off_state("no libbpf", wanted=True).line == "off — no libbpf"


def test_what_is_written_is_read_while_the_part_lives(configuration: Configuration) -> None:
    assert read_state(configuration.paths) is None
    state = now()
    write_state(configuration.paths.shield_state, state)
    running(configuration, os.getpid())
    assert read_state(configuration.paths) == state


def test_a_dead_or_silent_part_is_not_believed(configuration: Configuration) -> None:
    write_state(configuration.paths.shield_state, now())
    dead = read_state(configuration.paths)
    assert dead is not None
    assert not dead.on
    assert "its process is not running" in dead.reason
    running(configuration, os.getpid())
    write_state(configuration.paths.shield_state, now(at=datetime.now(UTC) - 2 * STALE))
    silent = read_state(configuration.paths)
    assert silent is not None
    assert not silent.on
    assert "has said nothing since" in silent.reason


def test_a_file_that_is_none_says_nothing(configuration: Configuration) -> None:
    configuration.paths.shield_state.write_text("{}")
    assert read_state(configuration.paths) is None
    configuration.paths.shield_state.unlink()
    os.mkfifo(configuration.paths.shield_state)
    assert read_state(configuration.paths) is None


def test_off_is_a_fault_where_it_is_wanted_and_said_everywhere() -> None:
    wanted, unwanted = off_state("no libbpf", wanted=True), off_state("not root", wanted=False)
    assert problem(wanted) == "packet shield: no libbpf"
    assert problem(unwanted) is None
    assert off_words(unwanted) == "packet shield: not root"
    assert off_words(now()) is None
    me = identify(os.getpid())
    parts = tuple(
        PartState(name=name, phase="running", process=me, since=datetime.now(UTC))
        for name in ("controller", "node", "gate", "defence", "haproxy", "knot")
    )
    faulty = judged(parts, None, "", wanted, watched=True)
    assert "packet shield: no libbpf" in faulty.problems
    calm = judged(parts, None, "", unwanted, watched=True)
    assert not any("shield" in words for words in calm.problems)
    assert calm.off == ("packet shield: not root",)


def test_metrics_say_on_off_and_why() -> None:
    text = exposed(now(interfaces=(GUARDED, BARE)))
    assert 'rempart_shield_up{reason=""} 1.0' in text
    assert 'rempart_shield_attached{interface="eth0",mode="native"} 1.0' in text
    assert 'rempart_shield_attached{interface="eth1",mode="native"} 0.0' in text
    assert 'rempart_shield_packets_total{reason="drop_blocked",verdict="dropped"} 10.0' in text
    assert 'rempart_shield_bytes_total{reason="pass",verdict="passed"} 900.0' in text
    assert 'rempart_shield_up{reason="no libbpf"} 0.0' in exposed(off_state("no libbpf", wanted=True))
    assert 'rempart_shield_up{reason="never started"} 0.0' in exposed(None)


def test_the_ready_line_says_it(configuration: Configuration) -> None:
    off = ("packet shield: not started as root", "well-known ports: moved")
    line = ready_line(configuration, off, "off — not started as root")
    assert "; packet shield: off — not started as root; off: well-known ports" in line
    assert "packet shield: on (eth0 native)" in ready_line(configuration, (), "on (eth0 native)")


def test_why_it_is_not_started(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    def planned(enabled: object, *, is_root: bool) -> preflight.Planned:
        section = ShieldSection.model_validate({"enabled": enabled})
        return preflight.planned(configuration.model_copy(update={"shield": section}), is_root=is_root)

    assert planned(False, is_root=True).reason == "switched off by shield.enabled = false"
    assert not planned(False, is_root=True).wanted
    assert "not started as root" in planned("auto", is_root=False).reason
    assert not planned("auto", is_root=False).wanted
    assert planned(True, is_root=False).wanted
    monkeypatch.setattr("rempart.node.privileges.capabilities", lambda: 1 << 12)
    assert "does not give CAP_PERFMON and CAP_BPF" in planned("auto", is_root=True).reason


def test_sources_are_estimated_from_samples_and_forgotten() -> None:
    sources = Sources()
    for second in range(10):
        sources.add([Seen("203.0.113.7", "DROP_BLOCKED", 64)] * 10, float(second))
    sources.add([Seen("203.0.113.8", "DROP_MARTIAN", 64)], 9.0)
    most = sources.most(2)
    assert most[0] == ("203.0.113.7", "DROP_BLOCKED", 640.0)
    assert most[1][0] == "203.0.113.8"
    sources.add([], 9.0 + WINDOW_SECONDS + 1)
    assert sources.most(2) == []


def test_stale_is_longer_than_any_beat() -> None:
    assert timedelta(seconds=5) < STALE
