"""Plays: what is found on the interfaces, and what is done about it."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from rempart.node.shield.guarding import (
    RETRY_SECONDS_MAX,
    Attach,
    Attached,
    Detach,
    Event,
    Guards,
    Instruction,
    Looked,
    Refused,
    Say,
    Wanted,
    retry_seconds,
    step,
)

OURS, THEIRS = 7, 99
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def play(*events: tuple[float, Event], guards: Guards = ()) -> tuple[Guards, list[Instruction]]:
    said: list[Instruction] = []
    for now, event in events:
        guards, instructions = step(guards, event, now)
        said += instructions
    return guards, said


def there(program: int | None, index: int = 2) -> Looked:
    return Looked({"eth0": (index, program)}, OURS)


def guarded() -> Guards:
    guards, _ = play((0, Wanted(("eth0",))), (0, there(None)), (0, Attached("eth0", 2, "native", THEN)))
    return guards


def test_an_interface_that_is_there_is_attached_to_and_then_left_alone() -> None:
    guards, said = play((0, Wanted(("eth0",))), (0, there(None)))
    assert said == [Attach("eth0", 2)]
    guards, said = play((0, Attached("eth0", 2, "native", THEN)), (2, there(OURS)), guards=guards)
    assert said == [Say("attached", "eth0", alarm=False, reason="native")]
    assert (guards[0].attached, guards[0].since, guards[0].reason) == (True, THEN, "")


def test_a_program_that_was_taken_off_is_put_back_at_once_and_an_alarm_says_so() -> None:
    guards, said = play((2, there(None)), guards=guarded())
    assert said == [
        Say("lost", "eth0", alarm=True, reason="the program was taken off"),
        Attach("eth0", 2),
    ]
    assert not guards[0].attached
    guards, said = play((2, Attached("eth0", 2, "native", THEN)), (4, there(THEIRS)), guards=guards)
    assert said[-2:] == [
        Say("lost", "eth0", alarm=True, reason="another program is attached"),
        Attach("eth0", 2),
    ]
    assert guards[0].lost == 2


def test_another_interface_of_the_same_name_is_attached_to() -> None:
    _, said = play((2, there(None, index=9)), guards=guarded())
    assert said[-1] == Attach("eth0", 9)


def test_an_interface_that_goes_and_comes_back() -> None:
    guards, said = play((2, Looked({}, OURS)), (4, Looked({}, OURS)), guards=guarded())
    assert said == [Say("cannot attach", "eth0", alarm=True, reason="there is no such interface")]
    assert not guards[0].attached
    _, said = play((6, there(None, index=5)), guards=guards)
    assert said == [Attach("eth0", 5)]


def test_what_is_refused_is_said_once_and_tried_ever_more_rarely() -> None:
    guards, _ = play((0, Wanted(("eth0",))), (0, there(None)))
    guards, said = play((0, Refused("eth0", "busy")), (1, there(None)), (2, there(None)), guards=guards)
    assert said == [Say("cannot attach", "eth0", alarm=True, reason="busy"), Attach("eth0", 2)]
    guards, said = play((2, Refused("eth0", "busy")), (5, there(None)), (6, there(None)), guards=guards)
    assert said == [Attach("eth0", 2)]
    assert guards[0].reason == "busy"


def test_what_is_no_longer_wanted_is_detached() -> None:
    guards, said = play((2, Wanted(("eth1",))), guards=guarded())
    assert said == [Detach("eth0")]
    assert [guard.name for guard in guards] == ["eth1"]


@given(st.lists(st.sampled_from([None, OURS, THEIRS, "gone", "refused", "attached"]), max_size=30))
def test_no_interface_is_without_the_program_unsaid(course: list[int | str | None]) -> None:
    """However it goes: whenever a guard changes from attached to not, an alarm was given in the same step."""
    guards, now = guarded(), 0.0
    for what in course:
        now += RETRY_SECONDS_MAX
        before = guards[0].attached
        event: Event
        match what:
            case "gone":
                event = Looked({}, OURS)
            case "refused":
                event = Refused("eth0", "busy")
            case "attached":
                event = Attached("eth0", 2, "generic", THEN)
            case _:
                event = there(what if isinstance(what, int) else None)
        guards, said = step(guards, event, now)
        lost = before and not guards[0].attached
        assert not lost or any(isinstance(one, Say) and one.alarm for one in said)
        assert guards[0].attached or guards[0].reason
        if isinstance(event, Looked) and event.found and not guards[0].attached:
            assert Attach("eth0", 2) in said


def test_retries_are_bounded() -> None:
    assert [retry_seconds(n) for n in (0, 1, 2, 3)] == [0.0, 2.0, 4.0, 8.0]
    assert retry_seconds(10_000) == RETRY_SECONDS_MAX
