"""Frames that a program sends: all of them, in their order, counted for the process that sent them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from rempart.engines.shield.libbpf import Kind
from rempart.engines.shield.refusals import BpfFailed
from rempart.lab import bpf
from rempart.lab.attacks.live_frames import LiveFrames, Taken
from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network
from rempart.lab.network.world import INTERFACE, Role, WorldShape, world
from tests.lab.ground import fresh_run

EXPERIMENTS = 0x88B5
"""An EtherType for local use (IEEE 802)."""
LENGTH, COUNT = 61, 24
"""Few, since a page for each must have room in the receiving socket."""
ALL = COUNT + 10 + 5


def test_instructions_are_as_the_standard_encodes_them() -> None:
    program = bpf.Instructions().copy(6, 1).constant(2, 0xF0000001).load64(2, 6, 16).call(bpf.Helper.REDIRECT)
    assert bytes(program.exit()).hex() == (
        "bf1600000000000018020000010000f00000000000000000796210000000000085000000170000009500000000000000"
    )


@pytest.mark.root
def test_the_verifier_refuses_what_does_not_end() -> None:
    with pytest.raises(BpfFailed, match="load the program endless"):
        bpf.load(Kind.XDP, "endless", bpf.Instructions().copy(0, 1))


@pytest.fixture
def network() -> Iterator[Network]:
    with Network(
        world(WorldShape(visitor_networks=4, bot_networks=8), seed=1, run=fresh_run(), cores=2)
    ) as made:
        yield made


@pytest.mark.root
def test_frames_leave_in_their_order_and_from_where_they_were_told(network: Network) -> None:
    to = bytes.fromhex(network.bots_gateway.replace(":", ""))
    router = network.plan.namespace(Role.ROUTER)
    with inside(router, partial(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0)) as seen:
        seen.bind(("bots0", EXPERIMENTS))
        seen.settimeout(10)
        taken = inside(network.plan.namespace(Role.BOTS), partial(send_some, to))
        frames = [seen.recv(2_048) for _ in range(taken)]
    assert taken == ALL
    assert {len(frame) for frame in frames} == {LENGTH}
    # All once round; the last two and on from the beginning; what was written meanwhile.
    numbers = [*range(COUNT), *range(COUNT - 2, COUNT), *range(8), *range(200, 205)]
    assert [frame[14] for frame in frames] == numbers
    assert all(frame[-1] == 255 - frame[14] for frame in frames)


def send_some(to: bytes) -> int:
    taken = Taken()
    live = LiveFrames(INTERFACE, COUNT, LENGTH, taken)
    try:
        head = to + bytes.fromhex("020000000002") + EXPERIMENTS.to_bytes(2, "big")
        live.frames[:, :14] = np.frombuffer(head, dtype=np.uint8)
        number(live, 0)
        sent = live.send(0, COUNT) + live.send(COUNT - 2, 10)
        number(live, 200 - 7)
        return sent + live.send(7, 5)
    finally:
        live.close()
        taken.close()


def number(live: LiveFrames, first: int) -> None:
    live.frames[:, 14] = np.arange(first, first + COUNT)
    live.frames[:, -1] = 255 - live.frames[:, 14]


@pytest.mark.root
def test_what_another_process_sends_is_not_counted(network: Network) -> None:
    counted = Taken()
    try:
        child = os.fork()
        if child == 0:
            os._exit(
                0 if inside(network.plan.namespace(Role.BOTS), partial(send_some, bytes(6))) == ALL else 1
            )
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert counted.total == 0
        assert inside(network.plan.namespace(Role.BOTS), partial(send_some, bytes(6))) == ALL
        assert counted.total == ALL
    finally:
        counted.close()


@pytest.mark.root
def test_what_an_interface_does_not_take_is_not_counted(network: Network) -> None:
    # The host's own loopback takes no frames of programs.
    assert inside(network.plan.namespace(Role.BOTS), send_to_loopback) == 0


def send_to_loopback() -> int:
    taken = Taken()
    live = LiveFrames("lo", COUNT, LENGTH, taken)
    try:
        return live.send(0, COUNT)
    finally:
        live.close()
        taken.close()
