"""Which deltas fit, and what an engine must do next."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rempart.engines.contract import ApplyReport, Refusal
from rempart.node import following
from rempart.node.following import (
    BOOT_DEBOUNCE_SECONDS,
    QUEUE_MAX,
    RECONCILE_SECONDS,
    RETRY_SECONDS,
    Following,
    Position,
    Resync,
    Run,
    Step,
    Take,
    begun,
    boot_files_written,
    carried_out,
    changed,
    checked,
    failed,
    fit,
    next_due,
    next_step,
    reloaded,
)
from rempart.snapshot.items import Delta, ItemChange

GOOD = ApplyReport(commands=1)
WAITS = ApplyReport(commands=1, pending=True)


def gone(*keys: str) -> tuple[ItemChange, ...]:
    return tuple(ItemChange(key=key, item=None) for key in keys)


def delta(since: int, to: int, *, more: bool = False, full: bool = False, cursor: str | None = None) -> Delta:
    return Delta(from_revision=since, to_revision=to, changes=(), more=more, full=full, cursor=cursor)


class TestFit:
    def test_the_next_delta(self) -> None:
        assert fit(Position(4), delta(4, 6)) == Take(Position(6), full=False, begins=True)

    def test_a_gap_leads_to_everything_anew(self) -> None:
        assert isinstance(fit(Position(4), delta(5, 6)), Resync)
        assert isinstance(fit(Position(4), delta(3, 6)), Resync)
        assert isinstance(fit(Position(4), delta(4, 3)), Resync)

    def test_everything_fits_anywhere_even_backwards(self) -> None:
        assert fit(Position(9), delta(9, 3, full=True)) == Take(Position(3), full=True, begins=True)
        assert fit(Position(9), delta(0, 3)) == Take(Position(3), full=True, begins=True)

    def test_a_run_moves_the_revision_with_its_last_delta(self) -> None:
        first = fit(Position(4), delta(4, 9, more=True, cursor="a"))
        assert isinstance(first, Take)
        assert first == Take(Position(4, Run(False, 4, 4, "a")), full=False, begins=True)
        second = fit(first.position, delta(4, 10))
        assert second == Take(Position(10), full=False, begins=False)

    def test_a_run_does_not_change_its_kind(self) -> None:
        position = Position(4, Run(full=True, since=4, from_revision=4, cursor="a"))
        assert isinstance(fit(position, delta(4, 9)), Resync)
        assert isinstance(fit(position, delta(5, 9, full=True)), Resync)

    def test_a_run_that_does_not_get_on_is_left(self) -> None:
        position = Position(4, Run(full=False, since=4, from_revision=4, cursor="a"))
        assert isinstance(fit(position, delta(4, 9, more=True, cursor="a")), Resync)
        assert isinstance(fit(Position(4), delta(4, 9, more=True)), Resync)

    def test_another_history_is_not_gone_on_with(self) -> None:
        here = Position(4, epoch="old")
        on = Delta(from_epoch="old", from_revision=4, epoch="new", to_revision=6, changes=())
        assert fit(here, on) == Take(Position(6, epoch="new"), full=False, begins=True)
        other = Delta(from_epoch="new", from_revision=4, epoch="new", to_revision=6, changes=())
        assert isinstance(fit(here, other), Resync)
        everything = Delta(from_epoch="", from_revision=4, epoch="new", to_revision=3, changes=(), full=True)
        assert fit(here, everything) == Take(Position(3, epoch="new"), full=True, begins=True)

    def test_a_run_stays_in_one_history(self) -> None:
        position = Position(4, Run(full=True, since=0, from_revision=0, cursor="a", epoch="old"))
        assert isinstance(
            fit(position, Delta(from_revision=0, epoch="new", to_revision=9, changes=())), Resync
        )

    def test_what_was_followed_in_another_history_does_not_count(self) -> None:
        state = Following("knot", target=9, revision=9, alive=True, reconcile=False)
        moved = changed(state, gone("zone/a"), 5, 0.0, anew=True)
        assert (moved.target, moved.revision) == (5, 0)


def settled(name: str = "knot", now: float = 0.0) -> Following:
    """An engine that was started, looked at and compared at revision 5."""
    state = Following(name, target=5)
    assert next_step(state, now) is Step.WRITE_BOOT_FILES
    state = boot_files_written(begun(state, Step.WRITE_BOOT_FILES)[0], 0.01, now)
    assert next_step(state, now) is Step.CHECK
    state = checked(begun(state, Step.CHECK)[0], True, "first", now)
    assert next_step(state, now) is Step.RECONCILE
    state = carried_out(begun(state, Step.RECONCILE)[0], Step.RECONCILE, (), GOOD, 5, now)
    assert next_step(state, now) is None
    assert state.revision == 5
    return state


def test_a_change_is_applied_at_once_and_boot_files_follow_a_second_later() -> None:
    state = changed(settled(), gone("zone/a.example"), 6, 10.0)
    # The periodic look at the engine is due as well; a change goes first.
    assert next_step(state, 10.0) is Step.APPLY
    state, changes = begun(state, Step.APPLY)
    assert changes == gone("zone/a.example")
    assert next_step(state, 10.0) is None, "one step at a time"
    state = carried_out(state, Step.APPLY, changes, GOOD, 6, 10.0)
    assert state.revision == 6
    state = checked(state, True, "first", 10.0)
    assert next_step(state, 10.9) is None
    assert next_due(state) == 10.0 + BOOT_DEBOUNCE_SECONDS
    assert next_step(replace(state, check_due=99), 11.0) is Step.WRITE_BOOT_FILES


def test_changes_that_do_not_concern_an_engine_cost_it_nothing() -> None:
    state = changed(settled("haproxy"), gone("zone/a.example"), 6, 0.0)
    assert next_step(state, 0.0) is None
    assert state.revision == 6
    assert state.boot_due is None


def test_changes_that_come_during_a_step_are_done_next_and_once() -> None:
    state, first = begun(changed(settled(), gone("zone/a"), 6, 0.0), Step.APPLY)
    state = changed(state, gone("zone/b"), 7, 0.0)
    state = changed(state, gone("zone/b", "zone/c"), 8, 0.0)
    state = carried_out(state, Step.APPLY, first, GOOD, 6, 0.1)
    assert state.revision == 6
    state, second = begun(state, Step.APPLY)
    assert [change.key for change in second] == ["zone/b", "zone/c"]
    assert carried_out(state, Step.APPLY, second, GOOD, 8, 0.2).revision == 8


def test_changes_for_a_dead_engine_are_brought_by_comparing_it_later() -> None:
    state = checked(settled(), False, None, 1.0)
    state = changed(state, gone("zone/a"), 6, 2.0)
    assert not state.queued
    assert state.revision == 5
    state = checked(state, True, "second", 3.0)
    state = boot_files_written(state, 0.1, 3.0)
    assert next_step(state, 3.0) is Step.RECONCILE
    assert carried_out(begun(state, Step.RECONCILE)[0], Step.RECONCILE, (), GOOD, 6, 3.1).revision == 6


def test_a_dead_engines_boot_files_are_written_before_anything_else() -> None:
    state = changed(checked(settled(), False, None, 1.0), gone("zone/a"), 6, 2.0)
    assert next_step(state, 2.0 + BOOT_DEBOUNCE_SECONDS) is Step.WRITE_BOOT_FILES


def test_another_process_is_compared_even_if_nobody_saw_the_first_one_die() -> None:
    assert next_step(checked(settled(), True, "first", 1.0), 1.0) is None
    assert next_step(checked(settled(), True, "second", 1.0), 1.0) is Step.RECONCILE


def test_it_is_compared_from_time_to_time() -> None:
    state = replace(settled(), check_due=1e9)
    assert next_step(state, RECONCILE_SECONDS - 1) is None
    assert next_step(state, RECONCILE_SECONDS) is Step.RECONCILE


def test_pending_is_tried_again_ever_more_rarely_and_a_newer_change_overtakes_it() -> None:
    state, changes = begun(changed(settled(), gone("zone/a", "zone/b"), 6, 0.0), Step.APPLY)
    state = carried_out(state, Step.APPLY, changes, ApplyReport(pending=True), 6, 0.0)
    assert state.pending
    state = replace(state, check_due=1e9, boot_due=None)
    assert next_step(state, RETRY_SECONDS - 0.01) is None
    assert next_step(state, RETRY_SECONDS) is Step.RETRY
    newer = changed(state, gone("zone/a"), 7, 0.1)
    assert set(newer.unsettled) == {"zone/b"}
    state, again = begun(state, Step.RETRY)
    assert again == changes
    state = carried_out(state, Step.RETRY, again, ApplyReport(pending=True), 6, 1.0)
    assert state.retry_due == 1.0 + 2 * RETRY_SECONDS
    state = carried_out(begun(state, Step.RETRY)[0], Step.RETRY, again, GOOD, 6, 2.0)
    assert not state.pending
    assert not state.unsettled


def test_what_is_not_served_yet_does_not_move_the_revision() -> None:
    for report in (ApplyReport(pending=True, incomplete=True), ApplyReport(needs_reload=True)):
        before = settled()
        state, changes = begun(changed(before, gone("zone/a"), 6, 0.0), Step.APPLY)
        state = carried_out(state, Step.APPLY, changes, report, 6, 0.0)
        assert state.revision == before.revision
        # Another change that is served at once does not bring it along.
        state, others = begun(changed(state, gone("zone/b"), 7, 0.1), Step.APPLY)
        state = carried_out(state, Step.APPLY, others, GOOD, 7, 0.1)
        assert state.revision == before.revision
        # Nor does one that is another engine's.
        assert changed(state, gone("site/x"), 8, 0.2).revision == before.revision
        state = begun(state, Step.RECONCILE)[0]
        assert carried_out(state, Step.RECONCILE, (), GOOD, 7, 1.0).revision == 7


def test_tidying_up_holds_nothing_up() -> None:
    state, changes = begun(changed(settled(), gone("zone/a"), 6, 0.0), Step.APPLY)
    assert carried_out(state, Step.APPLY, changes, ApplyReport(pending=True), 6, 0.0).revision == 6


def test_refusals_last_until_the_item_is_taken() -> None:
    refused = ApplyReport(refusals=(Refusal(key="zone/a", reason="no"),))
    state, changes = begun(changed(settled(), gone("zone/a", "zone/b"), 6, 0.0), Step.APPLY)
    state = carried_out(state, Step.APPLY, changes, refused, 6, 0.0)
    assert state.refusals == {"zone/a": "no"}
    assert state.revision == 6, "asked, if in vain"
    other, changes = begun(changed(state, gone("zone/b"), 7, 0.0), Step.APPLY)
    assert carried_out(other, Step.APPLY, changes, GOOD, 7, 0.0).refusals == {"zone/a": "no"}
    same, changes = begun(changed(state, gone("zone/a"), 7, 0.0), Step.APPLY)
    assert carried_out(same, Step.APPLY, changes, GOOD, 7, 0.0).refusals == {}
    assert carried_out(state, Step.RECONCILE, (), GOOD, 6, 0.0).refusals == {}


def test_reloads_come_ever_more_rarely_unless_something_changed() -> None:
    wants = ApplyReport(needs_reload=True)
    state, changes = begun(changed(settled(), gone("zone/a"), 6, 0.0), Step.APPLY)
    state = carried_out(state, Step.APPLY, changes, wants, 6, 0.0)
    waits = []
    now = 0.0
    for _ in range(4):
        state = replace(state, check_due=1e9)
        due = state.reload_due
        assert due is not None
        waits.append(due - now)
        now = due
        assert next_step(state, now) is Step.RELOAD
        state = reloaded(begun(state, Step.RELOAD)[0], 0.1, now)
        assert next_step(state, now) is Step.RECONCILE
        state = carried_out(begun(state, Step.RECONCILE)[0], Step.RECONCILE, (), wants, 6, now)
    assert waits == [0.0, 2.0, 4.0, 8.0]
    state = changed(state, gone("zone/b"), 7, now)
    assert state.reload_after == following.RELOAD_SECONDS


def test_boot_files_of_a_large_edge_are_not_written_all_the_time() -> None:
    state = changed(settled(), gone("zone/a"), 6, 0.0)
    state = boot_files_written(begun(state, Step.WRITE_BOOT_FILES)[0], 4.0, 10.0)
    state = changed(state, gone("zone/a"), 7, 11.0)
    assert state.boot_due == 50.0


def test_an_engine_that_cannot_be_reached_is_looked_for() -> None:
    state, _ = begun(changed(settled(), gone("zone/a"), 6, 0.0), Step.APPLY)
    state = failed(state, Step.APPLY, False, 0.0)
    assert not state.alive
    assert next_step(state, following.DOWN_CHECK_SECONDS) is Step.CHECK


def test_an_engine_that_takes_exception_to_everything_is_not_asked_all_the_time() -> None:
    state, _ = begun(changed(settled(), gone("zone/a"), 6, 0.0), Step.APPLY)
    state = failed(state, Step.APPLY, True, 0.0)
    assert state.alive
    assert next_step(replace(state, check_due=1e9), 0.4) is None
    assert next_step(state, 0.5) is Step.RECONCILE
    state = failed(begun(state, Step.RECONCILE)[0], Step.RECONCILE, True, 1.0)
    assert next_step(replace(state, check_due=1e9, boot_due=None), 1.9) is None
    assert next_step(state, 2.0) is Step.RECONCILE


def test_one_that_answers_but_cannot_be_worked_with_is_not_asked_all_the_time_either() -> None:
    state, now, asked = settled(), 0.0, 0
    state = replace(state, reconcile=True)
    while now < 60.0:
        step = next_step(state, now)
        if step is None:
            now = max(next_due(state), now + 0.001)
            continue
        state, _ = begun(state, step)
        if step is Step.CHECK:
            state = checked(state, True, "first", now)
        else:
            asked += 1
            state = failed(state, step, False, now)
    assert asked < 12
    # A new process is another matter.
    assert next_step(checked(state, True, "second", now), now) is Step.RECONCILE


def test_a_change_that_goes_well_does_not_end_the_waiting_of_what_came_before() -> None:
    """An engine compared as a whole with something pending, then a change to something else."""
    state = carried_out(begun(settled(), Step.RECONCILE)[0], Step.RECONCILE, (), WAITS, 5, 0.0)
    state, changes = begun(changed(state, gone("zone/b"), 6, 0.1), Step.APPLY)
    state = carried_out(state, Step.APPLY, changes, GOOD, 6, 0.1)
    assert state.pending
    assert next_step(state, RETRY_SECONDS) is Step.RECONCILE

    state, changes = begun(changed(settled(), gone("zone/a"), 6, 0.0), Step.APPLY)
    state = carried_out(state, Step.APPLY, changes, WAITS, 6, 0.0)
    state, changes = begun(changed(state, gone("zone/b"), 7, 0.1), Step.APPLY)
    state = carried_out(state, Step.APPLY, changes, GOOD, 7, 0.1)
    assert next_step(state, RETRY_SECONDS) is Step.RETRY
    assert [change.key for change in begun(state, Step.RETRY)[1]] == ["zone/a"]


def test_too_many_changes_are_not_queued() -> None:
    many = gone(*(f"zone/{n}" for n in range(QUEUE_MAX + 1)))
    state = changed(settled(), many, 6, 0.0)
    assert not state.queued
    assert next_step(state, 0.0) is Step.RECONCILE


outcomes = st.sampled_from(["good", "pending", "reload", "unreachable", "exception"])
happenings = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(["zone/a", "zone/b", "site/c"])),
    st.tuples(st.just("step"), outcomes),
    st.tuples(st.just("dies"), st.just("")),
)


@given(st.lists(st.tuples(st.floats(0, 3), happenings), max_size=60))
def test_whatever_happens_an_engine_ends_at_the_target(script: list[tuple[float, tuple[str, str]]]) -> None:
    """The engine's contents are modelled: which revision of each key it was told."""
    wanted: dict[str, int] = {}
    holds: dict[str, int] = {}
    alive = True
    life = 0
    state, now, revision = Following("knot", target=0), 0.0, 0

    def take_a_step(outcome: str) -> None:
        nonlocal state, holds
        step = next_step(state, now)
        if step is None:
            return
        state, changes = begun(state, step)
        target = state.target
        if step is Step.CHECK:
            state = checked(state, alive, life, now)
        elif step is Step.WRITE_BOOT_FILES:
            state = boot_files_written(state, 0.0, now)
        elif not alive or outcome == "unreachable":
            state = failed(state, step, False, now)
        elif outcome == "exception":
            state = failed(state, step, True, now)
        elif step is Step.RELOAD:
            state = reloaded(state, 0.0, now)
        else:
            keys = wanted if step is Step.RECONCILE else {change.key: 0 for change in changes}
            if outcome == "good" or step is not Step.RECONCILE:
                holds |= {key: wanted[key] for key in keys}
            report = ApplyReport(pending=outcome == "pending", needs_reload=outcome == "reload")
            state = carried_out(state, step, changes, report, target, now)

    for passed, (what, detail) in script:
        now += passed
        if what == "change":
            revision += 1
            if detail.startswith("zone/"):
                wanted[detail] = revision
            state = changed(state, gone(detail), revision, now)
        elif what == "dies":
            alive, life = not alive, life + 1
            holds = {}
        else:
            take_a_step(detail)

    if not alive:
        alive, life = True, life + 1
    for _ in range(30):
        now = max(now, next_due(state)) + 0.001
        for _ in range(5):
            take_a_step("good")
    assert state.alive
    assert state.revision == state.target == revision
    assert holds == wanted
    assert not state.pending
    assert state.boot_due is None
