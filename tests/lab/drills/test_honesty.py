"""The lab's own honesty: what it says happened is what happened. Real worlds, real contenders."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from rempart.lab.contenders.catalogue import CONTENDERS
from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.lab.contenders.none import NONE
from rempart.lab.contenders.rempart import start as start_rempart
from rempart.lab.drills.catalogue import DRILLS
from rempart.lab.drills.measures import judge
from rempart.lab.drills.running import rehearse, run
from rempart.lab.network.addressing import addressing
from rempart.lab.network.inside import NAMESPACES
from rempart.lab.network.remains import RUNS, Run
from rempart.lab.visitors.contract import Kind, Outcome, Population

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]

CALM = DRILLS["calm"].model_copy(update={"settle_s": 1.0, "calm_s": 1.0, "attack_s": 6.0, "after_s": 0.5})


@pytest.mark.parametrize("name", list(CONTENDERS))
def test_without_attack_everybody_serves_everybody(name: str) -> None:
    contender = CONTENDERS[name]
    if (why := contender.lacks()) is not None:
        pytest.skip(why)
    result = judge(rehearse(CALM, contender, seed=1).evidence)
    assert result.legit_total > 100
    assert result.goodput == 1.0
    assert result.false_positive_rate == 0.0


def test_the_truth_of_visitors_is_the_origins_log() -> None:
    seen = rehearse(CALM, NONE, seed=2).evidence
    visitors = addressing(2, visitor_networks=32, bot_networks=256, neighbours=0.25).visitors
    told = Counter(
        (one.address, one.method, one.path) for one in seen.truths if one.outcome is Outcome.SERVED
    )
    logged = Counter((one.client, one.method, one.path) for one in seen.origin if visitors.holds(one.client))
    assert told == logged
    assert sum(told.values()) == len(seen.truths)


REFUSING = """
daemon off; user www-data; worker_processes 1; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  ssl_certificate {pem}; ssl_certificate_key {pem};
  server {{ listen 443 ssl http2; listen [::]:443 ssl http2; return 403; }}
}}
"""


@contextlib.contextmanager
def refuse(scene: EdgeScene) -> Iterator[Standing]:
    config = scene.folder / "nginx.conf"
    config.write_text(REFUSING.format(folder=scene.folder, pem=scene.certificate))
    argv = ["nginx", "-c", str(config), "-p", str(scene.folder), "-e", str(scene.folder / "error.log")]
    with scene.place.running(argv, log=scene.folder / "log"):
        yield Standing(authority=scene.authority)


def test_who_refuses_everybody_serves_nobody_and_harms_all() -> None:
    outcome = run(CALM, [Contender(name="refusing", summary="", lacks=lambda: None, start=refuse)], seed=1)
    result = outcome.result.contenders[0]
    assert result.goodput == 0
    assert result.false_positive_rate == 1
    assert result.latency_ms.p50 is None


def test_visitors_pass_the_challenge_of_the_real_gate() -> None:
    """Rempart with its highest level set by hand: people get in, by proof or by waiting; programs that can do
    neither end where the truth says so."""
    guarded = Contender(
        name="guarded",
        summary="",
        lacks=lambda: None,
        start=partial(start_rempart, security_level="under_attack"),
    )
    drill = CALM.model_copy(
        update={"attack_s": 14.0, "visitors": Population(no_javascript=0.3, crawlers=0.1)}
    )
    seen = rehearse(drill, guarded, seed=3).evidence
    by_kind: dict[Kind, Counter[Outcome]] = {kind: Counter() for kind in Kind}
    for truth in seen.truths:
        by_kind[truth.kind][truth.outcome] += 1
    for kind in (Kind.BROWSER, Kind.API_CLIENT, Kind.FEED_READER):
        assert by_kind[kind][Outcome.SERVED] == by_kind[kind].total() > 0, by_kind
    assert any(truth.challenges == 1 for truth in seen.truths if truth.kind is Kind.BROWSER)
    waited = [truth for truth in seen.truths if truth.kind is Kind.NO_JAVASCRIPT and truth.challenges]
    assert any(truth.outcome is Outcome.SERVED and truth.latency > 4 for truth in waited), waited
    assert by_kind[Kind.CRAWLER][Outcome.DEAD_END] > 0


def test_resolvers_are_answered_and_who_is_no_name_server_is_left_out() -> None:
    drill = CALM.model_copy(update={"visitors": Population(visits_per_second=1, dns_queries_per_second=50)})
    outcome = run(drill, [NONE, CONTENDERS["rempart"]], seed=1)
    assert outcome.left_out == {"none": "it is no name server"}
    result = outcome.result.contenders[0]
    assert result.legit_total > 200
    assert result.goodput == 1.0
    assert result.false_positive_rate == 0.0


def test_a_contender_that_cannot_start_is_left_out_by_name() -> None:
    def broken(scene: EdgeScene) -> contextlib.AbstractContextManager[Standing]:
        raise OSError("no such engine")

    absent = Contender(name="absent", summary="", lacks=lambda: "nowhere to be had", start=broken)
    breaking = Contender(name="breaking", summary="", lacks=lambda: None, start=broken)
    outcome = run(CALM, [absent, breaking, NONE], seed=1)
    assert [one.name for one in outcome.result.contenders] == ["none"]
    assert outcome.left_out["absent"] == "nowhere to be had"
    assert "no such engine" in outcome.left_out["breaking"]


def test_the_same_seed_wants_the_same() -> None:
    one, other = (rehearse(CALM, NONE, seed=5).evidence for _ in range(2))
    wanted = [
        {(t.visit, t.path) for t in seen.truths if t.intended < seen.phases.begin + 5}
        for seen in (one, other)
    ]
    # Think time begins when a page is there: a step near the end may fall to either side of it.
    assert len(wanted[0] ^ wanted[1]) <= 0.05 * len(wanted[0])


def worlds_of(pid: int) -> set[Path]:
    """The namespaces that a process has noted as its own; other tests make some at the same time."""
    found = set()
    for file in RUNS.glob("*.json"):
        with contextlib.suppress(FileNotFoundError):
            run = Run.model_validate_json(file.read_text())
            if run.owner.pid == pid:
                found |= {NAMESPACES / name for name in run.namespaces}
    return found


def test_a_drill_that_is_ended_takes_its_world_down(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "rempart", "drill", "run", "calm", "--against", "none"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(argv, stderr=log) as ended:
        deadline = time.monotonic() + 60
        while "none: calm" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        made = worlds_of(ended.pid)
        assert all(namespace.exists() for namespace in made)
        ended.send_signal(signal.SIGTERM)
        assert ended.wait(timeout=60) == 130
    assert made
    assert not made & set(NAMESPACES.glob("rp-*"))


def test_a_drill_killed_in_the_middle_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "rempart", "drill", "run", "http-get-flood", "--against", "none", "--json"]
    with (tmp_path / "log").open("w") as log:
        killed = subprocess.Popen(argv, stderr=log, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while "under attack" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    left = worlds_of(killed.pid)
    assert left
    assert all(namespace.exists() for namespace in left)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = subprocess.run([*argv, "--duration", "3"], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["contenders"][0]["attack_total"] > 0
    assert not left & set(NAMESPACES.glob("rp-*"))
