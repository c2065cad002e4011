"""A NOTIFY that was lost is sent again: Knot by itself sends each one once."""

from __future__ import annotations

import socket

import dns.opcode
import pytest

from rempart.engines.knot.reminders import AT_ONCE_MAX, Reminders
from tests.engines.knot.server import ADDRESS, Server, eventually, plain_zone
from tests.engines.knot.test_secondaries import secondary

ZONE = "example.org"


def test_a_zone_is_due_after_each_delay_and_then_no_more() -> None:
    reminders = Reminders((5.0, 10.0))
    reminders.changed(["a."], 100.0)
    assert reminders.take(104.9) == ()
    assert reminders.take(105.0) == ("a.",)
    assert reminders.take(114.9) == ()
    assert reminders.take(115.0) == ("a.",)
    assert reminders.take(1e9) == ()


def test_another_change_begins_anew() -> None:
    reminders = Reminders((5.0, 10.0))
    reminders.changed(["a."], 100.0)
    assert reminders.take(105.0) == ("a.",)
    reminders.changed(["a."], 106.0)
    assert reminders.take(111.0) == ("a.",)
    assert reminders.take(121.0) == ("a.",)
    assert reminders.take(1e9) == ()


def test_very_many_are_told_in_turns_longest_due_first() -> None:
    reminders = Reminders((5.0,))
    reminders.changed([f"late{number}." for number in range(AT_ONCE_MAX)], 101.0)
    reminders.changed(["first."], 100.0)
    told = reminders.take(200.0)
    assert len(told) == AT_ONCE_MAX
    assert told[0] == "first."
    assert len(reminders.take(200.0)) == 1
    assert reminders.take(200.0) == ()


def test_a_secondary_that_did_not_answer_is_notified_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.engine, "_reminders", Reminders((2.0,)))
    item = secondary()
    with socket.create_server((ADDRESS, item.port), backlog=64) as deaf:
        deaf.settimeout(0.05)
        server.engine.apply(server.view.put(*plain_zone(ZONE), item), server.view)
        eventually(lambda: notified(deaf, ZONE), what="the first NOTIFY")
        eventually(lambda: f"[{ZONE}.] notify, outgoing" in server.log.read_text(), what="Knot gives up")
        while notified(deaf, ZONE):
            pass

        def looked_after() -> bool:
            server.engine.look_after()
            return notified(deaf, ZONE)

        eventually(looked_after, what="another NOTIFY")


def notified(deaf: socket.socket, zone: str) -> bool:
    """Whether the next connection, if there is one, brings a NOTIFY of ``zone``; it is never answered."""
    try:
        connection, _ = deaf.accept()
    except TimeoutError:
        return False
    with connection:
        connection.settimeout(5)
        wire = connection.recv(4096)[2:]
    # Read by hand: the key to check the signature with is not the matter here.
    opcode = dns.opcode.from_flags(int.from_bytes(wire[2:4], "big"))
    name = b"".join(bytes((len(label),)) + label.encode() for label in zone.split("."))
    return opcode == dns.opcode.NOTIFY and name in wire
