"""Commands against a controller that runs, and by users who may not use it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from rempart.node.state_folders import Owners, prepare, prepare_keys
from rempart.snapshot.feed import EngineState, NodeReport
from tests.cli.conftest import CommandLine

MAIN = """
import sys
from rempart.controller import service
from rempart.model.configuration import Configuration
configuration = Configuration.model_validate_json(sys.argv[1])
service.prepare(configuration)
service.run(configuration)
"""


@pytest.fixture
def controller(rempart: CommandLine) -> Iterator[subprocess.Popen[bytes]]:
    """The controller of ``rempart``'s instance, running as this user."""
    configuration = rempart.configuration
    is_root = os.geteuid() == 0
    prepare(configuration, is_root=is_root)
    prepare_keys(configuration.paths, Owners.of(configuration, is_root=is_root))
    with (rempart.folder / "controller.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, configuration.model_dump_json()], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 30
        while not configuration.paths.feed_socket.exists():
            assert process.poll() is None, (rempart.folder / "controller.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def state(name: str, revision: int, *, alive: bool = True) -> EngineState:
    return EngineState(name=name, alive=alive, revision=revision)


def report(
    rempart: CommandLine,
    revision: int,
    *refusals: tuple[str, str],
    engines: tuple[EngineState, ...] | None = None,
) -> None:
    """Say, as a node does, that ``revision`` was followed."""
    if engines is None:
        engines = (EngineState(name="haproxy", alive=True, refusals=refusals),)
    said = NodeReport(node="node-1", at=datetime.now(UTC), revision=revision, items=1, engines=engines)
    transport = httpx.HTTPTransport(uds=str(rempart.configuration.paths.feed_socket))
    with httpx.Client(transport=transport, base_url="http://feed") as feed:
        assert feed.post("/feed/v1/report", content=said.model_dump_json()).status_code == 204


@pytest.mark.usefixtures("controller")
def test_a_refusal_by_an_engine_is_a_failure_with_its_words(rempart: CommandLine) -> None:
    report(rempart, 1_000, ("site/www.example.org", "no slot is left"))
    ended = rempart("site", "add", "www.example.org", "--origin", "http://192.0.2.1", status=1)
    assert "haproxy on node-1 did not take it: no slot is left" in ended.err
    assert "www.example.org is behind the edge" in ended.out
    status = rempart("status", "--json", status=1).json()
    assert status["controller"]["refusals"][0]["reason"] == "no slot is left"


@pytest.mark.usefixtures("controller")
def test_live_and_lagging_are_said(rempart: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rempart.cli.session.WAIT_S", 0.3)
    report(rempart, 1_000)
    live = rempart("site", "add", "www.example.org", "--origin", "http://192.0.2.1").out
    assert "ms on 1 node" in live
    report(rempart, 0)
    lagging = rempart("site", "add", "a.example.org", "--origin", "http://192.0.2.1")
    assert "haproxy on node-1 has not confirmed it" in lagging.out
    assert "goes live by itself" in lagging.out


@pytest.mark.usefixtures("controller")
def test_what_a_silent_engine_has_not_confirmed_is_not_called_live(
    rempart: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rempart.cli.session.WAIT_S", 0.3)
    knot, haproxy = state("knot", 0, alive=False), state("haproxy", 1_000)
    report(rempart, 0, engines=(knot, haproxy))
    waiting = rempart("site", "add", "www.example.org", "--origin", "http://192.0.2.1").out
    assert "knot on node-1 does not answer" in waiting
    assert "log/knot.log" in waiting
    assert "live         after" not in waiting
    # What is none of its business does not wait for it.
    assert "ms on 1 node" in rempart("site", "change", "www.example.org", "--requests-per-client", "7").out


@pytest.mark.usefixtures("controller")
def test_status_names_the_sites_that_no_origin_serves(rempart: CommandLine) -> None:
    down = tuple(f"h{number:02}.example.org" for number in range(25))
    edge = state("haproxy", 1_000).model_copy(update={"sites_down": down, "sites_down_count": 27})
    report(rempart, 1_000, engines=(edge,))
    shown = rempart("status", status=1).err
    assert "h00.example.org: no origin is up" in shown
    assert "h19.example.org: no origin is up" in shown
    assert "7 more sites without an origin that is up" in shown
    told = rempart("status", "--json", status=1).json()
    assert told["controller"]["nodes"][0]["engines"][0]["sites_down"] == list(down)
    assert any("h00.example.org" in problem for problem in told["problems"])


@pytest.mark.slow
@pytest.mark.usefixtures("controller")
def test_many_at_once_all_succeed(rempart: CommandLine) -> None:
    report(rempart, 1_000)
    with ThreadPoolExecutor(4) as pool:
        hosts = [f"h{number}.example.org" for number in range(8)]
        add = [
            pool.submit(rempart.process, "site", "add", host, "--origin", "http://192.0.2.1")
            for host in hosts
        ]
        for one in add:
            one.result()
    assert [one["host"] for one in rempart("site", "list", "--json").json()["sites"]] == sorted(hosts)


@pytest.mark.slow
def test_many_at_once_without_a_controller_wait_for_each_other(rempart: CommandLine) -> None:
    with ThreadPoolExecutor(3) as pool:
        hosts = [f"h{number}.example.org" for number in range(4)]
        add = [
            pool.submit(rempart.process, "site", "add", host, "--origin", "http://192.0.2.1")
            for host in hosts
        ]
        for one in add:
            one.result()
    assert len(rempart("site", "list", "--json").json()["sites"]) == 4


@pytest.mark.slow
def test_what_was_written_offline_is_there_online(
    rempart: CommandLine, request: pytest.FixtureRequest
) -> None:
    rempart("site", "add", "www.example.org", "--origin", "http://192.0.2.1")
    process = request.getfixturevalue("controller")
    assert [one["host"] for one in rempart("site", "list", "--json").json()["sites"]] == ["www.example.org"]
    process.kill()
    process.wait(10)
    # A socket that nobody answers is as good as none.
    assert rempart.configuration.paths.admin_socket.exists()
    rempart("site", "remove", "www.example.org")


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_opens_nothing_in_the_controllers_folder_itself(rempart: CommandLine) -> None:
    """Whoever has taken over the controller's user puts links there, and waits for the operator."""
    assert rempart.process("site", "add", "www.example.org", "--origin", "http://192.0.2.1").status == 0
    assert "www.example.org" in rempart.process("site", "list").out
    paths = rempart.configuration.paths
    user = pwd.getpwnam(rempart.configuration.users.controller)
    owners = {path.name: path.stat().st_uid for path in paths.controller.rglob("*")}
    assert {"store.sqlite", "secrets.key", "lock", "root.key"} <= owners.keys()
    assert set(owners.values()) == {user.pw_uid}

    # Files that the user could neither read nor write.
    precious = rempart.folder / "precious"
    precious.write_bytes(b"k" * 32)
    precious.chmod(0o600)
    for name in ("secrets.key", "store.sqlite-journal", "store.sqlite-wal", "ca/root.key"):
        victim = paths.controller / name
        before = victim.read_bytes() if victim.exists() else None
        victim.unlink(missing_ok=True)
        victim.symlink_to(precious)
        said = rempart.process("zone", "add", f"z{len(name)}.example", status=None)
        assert (precious.read_bytes(), precious.stat().st_uid) == (b"k" * 32, 0), name
        if before is not None:
            assert said.status == 3, said
            assert "Permission denied" in said.err
        victim.unlink(missing_ok=True)
        if before is not None:
            victim.write_bytes(before)
            os.chown(victim, user.pw_uid, user.pw_gid)
            victim.chmod(0o600)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_second_command_waits_and_bad_input_is_said_in_the_same_words(rempart: CommandLine) -> None:
    said = rempart.process("zone", "add", "not a name", status=2)
    assert said.err == rempart("zone", "add", "not a name", status=2).err
    said = rempart.process("zone", "remove", "absent.example", status=None)
    assert said.status == rempart("zone", "remove", "absent.example", status=None).status != 0
    assert said.out == ""


@pytest.mark.root
@pytest.mark.usefixtures("controller")
def test_a_stranger_may_not_use_it(rempart: CommandLine) -> None:
    rempart.folder.chmod(0o755)
    ended = subprocess.run(
        [
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            sys.executable, "-m", "rempart", "--config", str(rempart.file), "site", "list",
        ],
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "HOME": "/nonexistent"},
    )  # fmt: skip
    assert ended.returncode == 3, ended
    assert "may not use the controller's socket" in ended.stderr
    assert ended.stdout == ""
