"""Plays: an event in, instructions out."""

from __future__ import annotations

import signal

from hypothesis import given
from hypothesis import strategies as st

from rempart.node.supervision import (
    STABLE_SECONDS,
    Adopt,
    Event,
    Exited,
    Finish,
    Found,
    HandOver,
    Instruction,
    Part,
    PartRule,
    Phase,
    Ready,
    Send,
    Start,
    StopStep,
    Supervision,
    Terminate,
    Tick,
    backoff,
    next_due,
    step,
)

TERM, KILL, USR1 = signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1
LAST = (StopStep(TERM, 5.0), StopStep(KILL, 2.0))
EDGE = PartRule("edge", (StopStep(USR1, 25.0), *LAST), LAST, replace_outdated=False)
NODE = PartRule("node", LAST, LAST, replace_outdated=True)


def begin() -> Supervision:
    return Supervision((Part(EDGE), Part(NODE)))


def play(
    *events: tuple[float, Event], state: Supervision | None = None
) -> tuple[Supervision, list[Instruction]]:
    """The state after the events and all instructions given on the way."""
    state = state or begin()
    instructions: list[Instruction] = []
    for now, event in events:
        state, given_now = step(state, event, now)
        instructions += given_now
    return state, instructions


def running() -> Supervision:
    state, _ = play((0, Ready("edge")), (0, Ready("node")))
    return state


def test_a_part_starts_when_it_is_ready_and_only_once() -> None:
    _, instructions = play((0, Ready("edge")), (1, Ready("edge")))
    assert instructions == [Start("edge")]


def test_the_first_restart_is_immediate_and_the_next_ones_wait_longer_and_longer() -> None:
    state, first = play((1, Exited("edge")), state=running())
    assert first == [Start("edge")]
    state, second = play((2, Exited("edge")), state=state)
    assert second == []
    assert next_due(state) == 2.25
    state, third = play((2.2, Tick()), (2.25, Tick()), state=state)
    assert third == [Start("edge")]
    state, _ = play((3, Exited("edge")), state=state)
    assert next_due(state) == 3.5


def test_a_part_that_ran_long_enough_starts_at_once_again() -> None:
    state, _ = play((1, Exited("edge")), (2, Exited("edge")), (3, Tick()), state=running())
    _, instructions = play((3 + STABLE_SECONDS, Exited("edge")), state=state)
    assert instructions == [Start("edge")]


def test_a_part_that_must_leave_something_behind_is_told_that_its_next_process_follows() -> None:
    rule = PartRule("shield", LAST, LAST, replace_outdated=True, hand_over=(StopStep(signal.SIGUSR2, 5.0),))
    found = Supervision((Part(rule),))
    state, instructions = play((0, Found("shield", current=False)), state=found)
    assert instructions == [Adopt("shield"), Send("shield", signal.SIGUSR2)]
    _, instructions = play((1, Exited("shield")), state=state)
    assert instructions == [Start("shield")]
    _, instructions = play((0, Ready("shield")), (1, Terminate()), state=found)
    assert instructions == [Start("shield"), Send("shield", TERM)], "an orderly end is another thing"


def test_backoff_is_bounded() -> None:
    assert [backoff(n) for n in (0, 1, 2, 3, 4)] == [0.0, 0.0, 0.25, 0.5, 1.0]
    assert backoff(10_000) == 15.0


def test_an_engine_is_adopted_in_any_version_and_a_service_only_in_ours() -> None:
    _, instructions = play((0, Found("edge", current=False)), (0, Found("node", current=True)))
    assert instructions == [Adopt("edge"), Adopt("node")]
    state, instructions = play((0, Found("node", current=False)))
    assert instructions == [Adopt("node"), Send("node", TERM)]
    _, instructions = play((1, Exited("node")), state=state)
    assert instructions == [Start("node")]


def test_an_adopted_part_is_restarted_like_any_other() -> None:
    _, instructions = play((0, Found("edge", current=True)), (1, Exited("edge")))
    assert instructions == [Adopt("edge"), Start("edge")]


def test_draining_goes_one_by_one_and_ends() -> None:
    state, instructions = play((10, Terminate()), state=running())
    assert instructions == [Send("edge", USR1)]
    state, instructions = play((11, Exited("edge")), state=state)
    assert instructions == [Send("node", TERM)]
    state, instructions = play((12, Exited("node")), state=state)
    assert instructions == [Finish()]
    assert state.finished


def test_draining_is_bounded() -> None:
    state, _ = play((10, Terminate()), state=running())
    state, instructions = play((34.9, Tick()), (35, Tick()), (40, Tick()), (42, Tick()), state=state)
    assert instructions == [Send("edge", TERM), Send("edge", KILL), Send("edge", KILL)]


def test_the_second_request_hurries_everything() -> None:
    _, instructions = play((10, Terminate()), (11, Terminate()), (12, Terminate()), state=running())
    assert instructions == [Send("edge", USR1), Send("edge", TERM), Send("node", TERM)]


def test_nothing_is_started_while_draining() -> None:
    state, _ = play((1, Exited("edge")), (2, Exited("edge")), state=running())
    assert state.part("edge").phase is Phase.WAITING
    state, instructions = play((2.1, Terminate()), (60, Tick()), (60, Ready("edge")), state=state)
    assert instructions == [Send("node", TERM), Send("node", KILL)]


def test_handing_over_touches_no_part() -> None:
    state, instructions = play((5, HandOver()), (6, Terminate()), (6, Exited("edge")), state=running())
    assert instructions == [Finish()]
    assert state.finished


names = st.sampled_from(["edge", "node"])
events = st.one_of(
    st.builds(Found, names, st.booleans()),
    st.builds(Ready, names),
    st.builds(Exited, names),
    st.just(Tick()),
    st.just(Terminate()),
    st.just(HandOver()),
)


@given(st.lists(st.tuples(st.floats(0, 30), events), max_size=60))
def test_no_sequence_starts_a_part_twice(script: list[tuple[float, Event]]) -> None:
    state, now = begin(), 0.0
    lives = {"edge": False, "node": False}
    finished = False
    for passed, event in script:
        now += passed
        if isinstance(event, Exited) and not lives[event.part]:
            continue  # the shell reports an end only of what it watches
        if isinstance(event, Found) and (lives[event.part] or state.part(event.part).starts):
            continue  # it looks for leftovers once, before anything else
        if isinstance(event, Exited):
            lives[event.part] = False
        draining = state.draining
        state, instructions = step(state, event, now)
        for instruction in instructions:
            assert not finished
            match instruction:
                case Start(name) | Adopt(name):
                    assert not lives[name]
                    assert not draining
                    lives[name] = True
                case Send(name, _):
                    assert lives[name]
                case Finish():
                    assert isinstance(event, HandOver) or not any(lives.values())
                    finished = True
        assert state.finished == finished
        if finished:
            continue  # nobody watches any more
        for part in state.parts:
            assert lives[part.rule.name] == (part.phase in (Phase.RUNNING, Phase.STOPPING))
            assert (part.due is not None) == (part.phase in (Phase.WAITING, Phase.STOPPING))


@given(st.lists(st.tuples(st.floats(0, 30), events), max_size=30))
def test_draining_always_ends(script: list[tuple[float, Event]]) -> None:
    state, now = begin(), 0.0
    for passed, event in script:
        now += passed
        if not isinstance(event, HandOver):
            state, _ = step(state, event, now)
    state, _ = step(state, Terminate(), now)
    for _ in range(10):
        for part in state.parts:
            state, _ = step(state, Exited(part.rule.name), now)
    assert state.finished
