"""The edge's log on a real socket: bounded, one line each, and gone without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from rempart.node import edge_log
from rempart.node.edge_log import EdgeLog


async def until(look: Callable[[], bool]) -> None:
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def test_lines_arrive_one_each_and_control_characters_do_not(state: Path) -> None:
    state.mkdir()

    async def play() -> None:
        log = EdgeLog(state / "log.sock", state / "edge.log")
        log.start(asyncio.get_running_loop())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(str(state / "log.sock"))
                sender.send(b"one\ntwo\x1b[31m\x00\n")
            await until(lambda: log.lines == 1)
        finally:
            log.close()

    asyncio.run(play())
    assert (state / "edge.log").read_bytes() == b"one two [31m\n"
    assert not (state / "log.sock").exists()


def test_what_is_too_much_waits_and_costs_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.mkdir()
    monkeypatch.setattr(edge_log, "LINES_PER_SECOND", 3)

    async def play() -> None:
        log = EdgeLog(state / "log.sock", state / "edge.log")
        log.start(asyncio.get_running_loop())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.connect(str(state / "log.sock"))
                for _ in range(8):
                    with contextlib.suppress(BlockingIOError):
                        sender.send(b"line\n")
            await until(lambda: log.pauses == 1)
            assert log.lines == 3
            await until(lambda: log.lines >= 6)
        finally:
            log.close()

    asyncio.run(play())


def test_once_closed_the_loop_knows_nothing_of_it(state: Path) -> None:
    """Whoever gets the descriptor's number next must be heard: the loop must not think it knows it."""
    state.mkdir()

    async def play() -> None:
        loop = asyncio.get_running_loop()
        log = EdgeLog(state / "log.sock", state / "edge.log")
        number = log.fileno()
        log.start(loop)
        heard = asyncio.Event()
        here, there = socket.socketpair()
        log.close()
        with here, there, socket.socket(fileno=os.dup2(here.fileno(), number)) as successor:
            loop.add_reader(successor, heard.set)
            there.send(b"x")
            try:
                await asyncio.wait_for(heard.wait(), 5)
            finally:
                loop.remove_reader(successor)

    asyncio.run(play())


def test_a_line_that_the_disk_took_half_of_does_not_swallow_the_next(state: Path) -> None:
    state.mkdir()

    async def play() -> None:
        log = EdgeLog(state / "log.sock", state / "edge.log")
        log.start(asyncio.get_running_loop())
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(str(state / "log.sock"))
                # As a disk that is full after three more octets.
                resource.setrlimit(resource.RLIMIT_FSIZE, (3, limits[1]))
                try:
                    sender.send(b"begun and lost\n")
                    await until(lambda: log.lines == 1)
                finally:
                    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
                sender.send(b"whole\n")
                await until(lambda: log.lines == 2)
        finally:
            log.close()

    asyncio.run(play())
    assert (state / "edge.log").read_bytes() == b"beg\nwhole\n"
