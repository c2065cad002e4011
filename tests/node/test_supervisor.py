"""The supervisor over real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from rempart.model.configuration import Configuration, StatePaths
from rempart.model.errors import EnvironmentLacks
from rempart.node import state_folders
from rempart.node.parts import NEEDED, read_part, read_parts, settings_mark, supervisor_pid
from rempart.node.processes import PART_VARIABLE, STATE_VARIABLE
from rempart.node.supervisor import left_running, remove_stale
from tests.node.conftest import eventually

Begin = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def begin(state: Path) -> Iterator[Begin]:
    """Starts a supervisor over the state folder."""
    with ExitStack() as stack:

        def start(version: str = "1", *, mark: bool = False) -> subprocess.Popen[bytes]:
            with (state.parent / "supervisor.log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.node.supervise", str(state), version, *["marked"] * mark],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def paths(state: Path) -> StatePaths:
    return StatePaths(root=state)


def up(paths: StatePaths) -> dict[str, int]:
    """Process numbers of all parts, once all run and have begun."""

    def look() -> dict[str, int]:
        parts = {part.name: part.pid for part in read_parts(paths) if part.up and part.pid}
        begun = all("begun" in log(paths, name) for name in parts)
        return parts if len(parts) == len(NEEDED) and begun else {}

    return eventually(look)


def pid_of(paths: StatePaths, name: str) -> int:
    """The process number of a part; 0 while it has none."""
    part = read_part(paths, name)
    return (part.pid if part else None) or 0


def another(paths: StatePaths, name: str, than: int) -> int:
    """The process number of a part once it is another than ``than``."""
    eventually(lambda: pid_of(paths, name) not in (0, than))
    return pid_of(paths, name)


def log(paths: StatePaths, name: str) -> str:
    path = paths.log / f"{name}.log"
    return path.read_text() if path.exists() else ""


def boot_files(paths: StatePaths) -> None:
    eventually(lambda: paths.knot.exists() and paths.haproxy.exists() and paths.run.exists())
    paths.haproxy_config.touch()
    paths.knot_config.touch()


def test_engines_wait_for_their_boot_files(begin: Begin, paths: StatePaths) -> None:
    begin()
    eventually(lambda: [part.phase for part in read_parts(paths)] == ["running"] * 4 + ["idle"] * 2)
    boot_files(paths)
    up(paths)


def test_a_killed_part_is_back_at_once_and_the_others_stay(begin: Begin, paths: StatePaths) -> None:
    begin()
    boot_files(paths)
    before = up(paths)
    for name in NEEDED:
        os.kill(before[name], signal.SIGKILL)
        another(paths, name, than=before[name])
    after = up(paths)
    assert all(after[name] != before[name] for name in NEEDED)
    record = read_part(paths, "knot")
    assert record is not None
    assert record.last_exit == "killed by SIGKILL"
    assert record.starts == 2


def test_parts_outlive_their_supervisor_and_the_next_one_adopts_them(begin: Begin, paths: StatePaths) -> None:
    first = begin()
    boot_files(paths)
    before = up(paths)
    first.kill()
    first.wait()
    assert supervisor_pid(paths) is None
    assert {part.name: part.pid for part in read_parts(paths)} == before

    second = begin()
    eventually(lambda: supervisor_pid(paths) == second.pid)
    eventually(lambda: all(part.adopted for part in read_parts(paths)))
    assert up(paths) == before

    # What was adopted is watched like a child.
    os.kill(before["haproxy"], signal.SIGKILL)
    eventually(lambda: up(paths)["haproxy"] != before["haproxy"])
    assert {k: v for k, v in up(paths).items() if k != "haproxy"} == {
        k: v for k, v in before.items() if k != "haproxy"
    }


def test_a_part_without_a_record_is_found_by_its_environment(begin: Begin, paths: StatePaths) -> None:
    first = begin()
    boot_files(paths)
    before = up(paths)
    first.kill()
    first.wait()
    (paths.run / "parts" / "knot.json").unlink()
    begin()
    eventually(lambda: (part := read_part(paths, "knot")) is not None and part.adopted)
    assert up(paths)["knot"] == before["knot"]


def test_services_of_another_version_are_replaced_and_engines_are_not(
    begin: Begin, paths: StatePaths
) -> None:
    first = begin("1")
    boot_files(paths)
    before = up(paths)
    first.kill()
    first.wait()
    begin("2")
    eventually(lambda: all(part.version in ("2", "engine") and part.pid for part in read_parts(paths)))
    after = up(paths)
    assert {name for name in NEEDED if after[name] != before[name]} == {
        "controller",
        "node",
        "gate",
        "defence",
    }
    eventually(lambda: log(paths, "node").splitlines() == ["begun", "ended by SIGTERM", "begun"])


def test_a_record_of_a_process_number_that_was_given_away_is_not_believed(
    begin: Begin, paths: StatePaths
) -> None:
    first = begin()
    boot_files(paths)
    up(paths)
    first.terminate()
    first.wait()
    # The next life of the record: some other process, here the one that runs this test.
    path = paths.run / "parts" / "knot.json"
    record = read_part(paths, "knot")
    assert record is not None
    me = psutil.Process().pid
    path.write_text(
        record.model_dump_json().replace('"process":null', f'"process":{{"pid":{me},"started":1,"boot":"x"}}')
    )
    begin()
    assert up(paths)["knot"] != me


def test_draining_stops_visitors_first_and_leaves_nothing(begin: Begin, paths: StatePaths) -> None:
    supervisor = begin()
    boot_files(paths)
    before = up(paths)
    supervisor.terminate()
    assert supervisor.wait(timeout=20) == 0
    assert not any(psutil.pid_exists(pid) for pid in before.values())
    assert log(paths, "haproxy").splitlines() == ["begun", "ended by SIGUSR1"]
    assert log(paths, "knot").splitlines() == ["begun", "ended by SIGTERM"]
    assert [part.phase for part in read_parts(paths)] == ["stopped"] * len(NEEDED)
    words = (paths.root.parent / "supervisor.log").read_text()
    ends = [words.index(f'"part": "{name}", "how": "exit status 0"') for name in ("haproxy", "knot", "node")]
    assert ends == sorted(ends)


def test_handing_over_leaves_all_parts(begin: Begin, paths: StatePaths) -> None:
    supervisor = begin()
    boot_files(paths)
    before = up(paths)
    supervisor.send_signal(signal.SIGUSR2)
    assert supervisor.wait(timeout=20) == 0
    assert up(paths) == before


def test_only_one_supervisor_for_a_state_folder(begin: Begin, paths: StatePaths) -> None:
    first = begin()
    eventually(lambda: supervisor_pid(paths) == first.pid)
    assert begin().wait(timeout=20) == 3
    assert supervisor_pid(paths) == first.pid


def test_a_part_that_cannot_live_is_not_tried_all_the_time(begin: Begin, paths: StatePaths) -> None:
    begin()
    boot_files(paths)
    up(paths)
    for _ in range(4):
        eventually(lambda: pid_of(paths, "knot"))
        before = pid_of(paths, "knot")
        os.kill(before, signal.SIGKILL)
        another(paths, "knot", than=before)
    assert "waiting before the next start" in (paths.root.parent / "supervisor.log").read_text()


def test_a_stale_pid_file_goes_and_nothing_is_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    folder = tmp_path / "run"
    folder.mkdir()
    stale = folder / "knot.pid"
    remove_stale(stale)
    stale.symlink_to(precious)
    remove_stale(stale)
    assert not stale.is_symlink()
    assert precious.read_text() == "kept"

    # A folder that somebody has turned into a link is not entered.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "knot.pid").write_text("1\n")
    folder.rmdir()
    folder.symlink_to(elsewhere)
    with pytest.raises(EnvironmentLacks):
        remove_stale(stale)
    assert (elsewhere / "knot.pid").exists()


def test_what_lies_in_the_place_of_a_pid_file_and_cannot_go_is_said(tmp_path: Path) -> None:
    stale = tmp_path / "knot.pid"
    stale.mkdir()
    with pytest.raises(EnvironmentLacks) as raised:
        remove_stale(stale)
    assert str(stale) in str(raised.value)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_stranger_with_a_parts_environment_is_not_taken_for_it(state: Path) -> None:
    """Anybody on the machine can start a process with any environment."""
    configuration = Configuration(state=state)
    state_folders.prepare(configuration, is_root=True)
    environment = {STATE_VARIABLE: str(state), PART_VARIABLE: "knot"}

    def posing(user: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["/usr/bin/sleep", "600"], env=environment, user=user, cwd="/")

    with posing("nobody") as stranger:
        try:
            assert left_running(configuration.paths, "knot") is None
        finally:
            stranger.kill()
    with posing(configuration.users.knot) as own:
        try:
            left = left_running(configuration.paths, "knot")
            assert left is not None
            assert left[0].pid == own.pid
        finally:
            own.kill()


@pytest.mark.slow
def test_the_supervisor_does_not_wait_for_what_the_node_has_put_in_place_of_a_mark(
    begin: Begin, paths: StatePaths
) -> None:
    begin(mark=True)
    eventually(lambda: paths.run.exists() and paths.node.exists())
    os.mkfifo(settings_mark(paths, "knot"))
    boot_files(paths)
    # It goes on with the others meanwhile, and with the old boot file in the end.
    up(paths)
