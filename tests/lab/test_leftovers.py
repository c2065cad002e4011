"""What a killed test leaves behind goes; what a living one has stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from rempart.lab.leftovers import OWNER, short_folder, sweep

SERVERS = """
import subprocess, sys, time
from rempart.lab.leftovers import short_folder
folder = short_folder()
sleep = ["sleep", "600"]
started = [
    subprocess.Popen(sleep, cwd=folder, start_new_session=True),
    subprocess.Popen(sleep, stdout=(folder / "log").open("w"), start_new_session=True),
    subprocess.Popen(sleep, env={"REMPART_STATE": f"{folder}/state"}, start_new_session=True),
    subprocess.Popen(["sh", "-c", "sleep 600; :", f"{folder}/x"], start_new_session=True),
]
time.sleep(0.5)
print(folder, *(one.pid for one in started), flush=True)
time.sleep(600)
"""

WHOLE = """
import time
from rempart.lab.instance import PARTS, Instance
with Instance() as instance:
    instance.start()
    print(instance.folder, *(instance.pid(part) for part in PARTS), flush=True)
    time.sleep(600)
"""


def eventually(look: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def killed(script: str, how: signal.Signals) -> tuple[Path, list[psutil.Process]]:
    """Its folder, and the processes it had started."""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            folder, *pids = process.stdout.readline().split()
            family = [
                member
                for pid in pids
                for member in (psutil.Process(int(pid)), *psutil.Process(int(pid)).children(recursive=True))
            ]
            assert Path(folder).is_dir()
        finally:
            process.send_signal(how)
    return Path(folder), family


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_servers_die_with_whoever_started_them(how: signal.Signals) -> None:
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        mine = short_folder()
        folder, family = killed(SERVERS, how)
        assert len(family) == 5
        eventually(lambda: not any(one.is_running() for one in family))
        eventually(lambda: not folder.exists())
        assert bystander.poll() is None
        assert mine.is_dir()
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.slow
def test_a_whole_instance_dies_with_its_test() -> None:
    folder, family = killed(WHOLE, signal.SIGKILL)
    eventually(lambda: not any(one.is_running() for one in family))
    eventually(lambda: not folder.exists())


def test_the_next_one_makes_up_for_a_watcher_that_died_too() -> None:
    left, foreign = short_folder(), short_folder()
    identity = (left / OWNER).read_text()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (left / OWNER).write_text(identity.replace(f'"pid":{os.getpid()}', f'"pid":{gone.pid}'))
    (foreign / OWNER).unlink()
    sweep()
    assert not left.exists()
    assert foreign.is_dir(), "nobody knows whose it is"
    foreign.rmdir()
