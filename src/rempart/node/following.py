"""How a node follows: which deltas fit where it is, and what each engine must do next. Pure.

Where it stands: ``service.py`` asks, carries out one step at a time for each engine, and tells the outcome.
Time is seconds on any monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from rempart.engines.contract import ApplyReport
from rempart.snapshot.feed import KINDS_OF
from rempart.snapshot.items import Delta, ItemChange

ALIVE_CHECK_SECONDS = 1.0
DOWN_CHECK_SECONDS = 0.1
RECONCILE_SECONDS = 180.0
BOOT_DEBOUNCE_SECONDS = 1.0
BOOT_COST_FACTOR = 10.0
"""Boot files are written at most this share of the time: a write of 2 s is followed by 20 s without one."""
RETRY_SECONDS = 0.5
RETRY_SECONDS_MAX = 10.0
RELOAD_SECONDS = 2.0
RELOAD_SECONDS_MAX = 60.0
QUEUE_MAX = 50_000
"""Changes kept for one engine; beyond it, the engine is compared as a whole instead."""
REFUSALS_MAX = 1_000


# --- deltas ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """A run of deltas of which more is to come."""

    full: bool
    since: int
    """The revision it was asked for from."""
    from_revision: int
    cursor: str
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the node is: its revision, the run it is in the middle of, and the epoch of the revision."""

    revision: int
    run: Run | None = None
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Take:
    """The delta fits: take it in, and be at ``position`` then."""

    position: Position
    full: bool
    begins: bool


@dataclass(frozen=True, slots=True)
class Resync:
    """The delta does not fit: change nothing and ask for everything anew."""

    reason: str


def fit(position: Position, delta: Delta) -> Take | Resync:
    """Whether a verified delta goes on where the node is."""
    run = position.run
    full = delta.full or delta.from_revision == 0
    if run is None:
        if not full and delta.from_revision != position.revision:
            return Resync(f"delta goes on from {delta.from_revision}, this node is at {position.revision}")
        if not full and delta.from_epoch != position.epoch:
            return Resync("delta goes on from another history of the store than this node's")
    elif (full, delta.from_revision, delta.epoch) != (run.full, run.from_revision, run.epoch):
        return Resync("delta does not belong to the run it was asked for")
    if not full and delta.to_revision < delta.from_revision:
        return Resync(f"delta goes back from {delta.from_revision} to {delta.to_revision}")
    if not delta.more:
        return Take(Position(delta.to_revision, epoch=delta.epoch), full, run is None)
    if delta.cursor is None or (run is not None and delta.cursor == run.cursor):
        return Resync("delta says that more follows, but not where")
    since = position.revision if run is None else run.since
    next_run = Run(full, since, delta.from_revision, delta.cursor, delta.epoch)
    return Take(Position(position.revision, next_run, position.epoch), full, run is None)


# --- engines -----------------------------------------------------------------------------------------


class Step(Enum):
    """One thing to do with an engine, in the engine's own thread."""

    CHECK = auto()
    APPLY = auto()
    RETRY = auto()
    RECONCILE = auto()
    WRITE_BOOT_FILES = auto()
    RELOAD = auto()
    """Write boot files, then reload."""


@dataclass(frozen=True, slots=True)
class Following:
    """One engine and how far it follows."""

    name: str
    target: int = 0
    """Revision of the desired state."""
    revision: int = 0
    """Revision up to which the engine follows, as it confirmed."""
    alive: bool | None = None
    """None before it was looked at, and when a step has failed since."""
    instance: object = None
    """The engine's process, as far as known; another one has only what its boot files say."""
    busy: bool = False
    queued: Mapping[str, ItemChange] = field(default_factory=dict)
    incomplete: bool = False
    """Something that was applied is not served yet: the revision stays until it is."""
    unsettled: Mapping[str, ItemChange] = field(default_factory=dict)
    """Changes whose application was reported as pending."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    reconcile: bool = True
    failures: int = 0
    """Steps in a row that could not be carried out by this process of the engine."""
    hold_until: float = 0.0
    """No reconciling before this moment, after failures."""
    check_due: float = 0.0
    reconcile_due: float = 0.0
    retry_due: float | None = None
    retry_whole: bool = False
    """What is to be tried again is comparing the engine as a whole, not single changes."""
    retry_after: float = RETRY_SECONDS
    boot_due: float | None = 0.0
    boot_not_before: float = 0.0
    reload_due: float | None = None
    reload_after: float = RELOAD_SECONDS
    reload_not_before: float = 0.0

    @property
    def pending(self) -> bool:
        return bool(self.queued) or self.retry_due is not None or self.reload_due is not None


def concerns(name: str, changes: Iterable[ItemChange]) -> dict[str, ItemChange]:
    """The changes an engine must hear of, the last one under each key."""
    prefixes = KINDS_OF.get(name)
    return {change.key: change for change in changes if prefixes is None or change.key.startswith(prefixes)}


def changed(
    state: Following, changes: Iterable[ItemChange], revision: int, now: float, *, anew: bool = False
) -> Following:
    """The desired state moved to ``revision`` by ``changes``. ``anew``: what the engine followed to before
    may have been a revision of another history."""
    fresh = concerns(state.name, changes)
    state = replace(state, target=revision, revision=0 if anew else state.revision)
    if not fresh:
        return _caught_up(state)
    unsettled = {key: change for key, change in state.unsettled.items() if key not in fresh}
    state = replace(
        state,
        unsettled=unsettled,
        boot_due=max(now + BOOT_DEBOUNCE_SECONDS, state.boot_not_before),
        reload_after=RELOAD_SECONDS,
    )
    if not state.alive or state.reconcile:
        # Reconciling brings it all; until then nothing needs to be remembered.
        return replace(state, queued={}, reconcile=True)
    queued = {**state.queued, **fresh}
    if len(queued) > QUEUE_MAX:
        return replace(state, queued={}, reconcile=True)
    return replace(state, queued=queued)


def next_step(state: Following, now: float) -> Step | None:
    """What to do now; None when nothing is due or a step is under way."""
    if state.busy:
        return None
    boot_is_due = state.boot_due is not None and state.boot_due <= now
    if not state.alive:
        # A dead engine starts from its boot files: these come first.
        if boot_is_due:
            return Step.WRITE_BOOT_FILES
        return Step.CHECK if state.check_due <= now else None
    if (state.reconcile or state.reconcile_due <= now) and state.hold_until <= now:
        return Step.RECONCILE
    if state.queued:
        return Step.APPLY
    if state.reload_due is not None and state.reload_due <= now:
        return Step.RELOAD
    if state.retry_due is not None and state.retry_due <= now:
        return Step.RECONCILE if state.retry_whole else Step.RETRY
    if state.check_due <= now:
        return Step.CHECK
    return Step.WRITE_BOOT_FILES if boot_is_due else None


def next_due(state: Following) -> float:
    """When to ask ``next_step`` again at the latest."""
    dues = [state.check_due]
    if state.boot_due is not None:
        dues.append(state.boot_due)
    if state.alive:
        reconcile_due = 0.0 if state.reconcile else state.reconcile_due
        dues.append(max(reconcile_due, state.hold_until))
        dues += [due for due in (state.reload_due, state.retry_due) if due is not None]
    return min(dues)


def begun(state: Following, step: Step) -> tuple[Following, tuple[ItemChange, ...]]:
    """The state while ``step`` is under way, and the changes that APPLY or RETRY carries out."""
    if step is Step.APPLY:
        return replace(state, busy=True, queued={}), tuple(state.queued.values())
    if step is Step.RETRY:
        return replace(state, busy=True, retry_due=None), tuple(state.unsettled.values())
    if step is Step.RECONCILE:
        return replace(state, busy=True, queued={}, reconcile=False, retry_due=None), ()
    if step is Step.RELOAD:
        return replace(state, busy=True, boot_due=None, reload_due=None), ()
    if step is Step.WRITE_BOOT_FILES:
        return replace(state, busy=True, boot_due=None), ()
    return replace(state, busy=True), ()


def checked(state: Following, alive: bool, instance: object, now: float) -> Following:
    """Whether the engine answered, and which process it is."""
    renewed = alive and (state.alive is False or instance != state.instance)
    return replace(
        state,
        busy=False,
        alive=alive,
        instance=instance if alive else state.instance,
        reconcile=state.reconcile or renewed,
        queued={} if renewed or not alive else state.queued,
        failures=0 if renewed else state.failures,
        hold_until=now if renewed else state.hold_until,
        check_due=now + (ALIVE_CHECK_SECONDS if alive else DOWN_CHECK_SECONDS),
    )


def carried_out(
    state: Following,
    step: Step,
    changes: tuple[ItemChange, ...],
    report: ApplyReport,
    revision: int,
    now: float,
) -> Following:
    """APPLY, RETRY or RECONCILE was done. ``revision`` is the target when the step began."""
    refused = {refusal.key: refusal.reason for refusal in report.refusals}
    if step is Step.RECONCILE:
        refusals, unsettled = refused, {}
        state = replace(state, reconcile_due=now + RECONCILE_SECONDS)
    else:
        settled = {change.key for change in changes}
        refusals = {key: why for key, why in state.refusals.items() if key not in settled} | refused
        unsettled = {key: change for key, change in state.unsettled.items() if key not in settled}
    if report.pending:
        # A newer change of the same key has overtaken the one that is to be tried again.
        again = {change.key: change for change in changes if change.key not in state.queued}
        unsettled = {**unsettled, **again}
    # What an earlier step left to be tried again is not done because another one went well.
    whole_left = step is not Step.RECONCILE and state.retry_whole and state.retry_due is not None
    retry_due = (state.retry_due or now + state.retry_after) if whole_left or unsettled else None
    left = report.incomplete or report.needs_reload
    incomplete = left or (state.incomplete and step is Step.APPLY)
    reload_due = state.reload_due
    if report.needs_reload and reload_due is None:
        reload_due = max(now, state.reload_not_before)
    state = replace(
        state,
        busy=False,
        failures=0,
        revision=state.revision if incomplete else revision,
        incomplete=incomplete,
        refusals=dict(list(refusals.items())[:REFUSALS_MAX]),
        unsettled=unsettled,
        retry_due=now + state.retry_after if report.pending else retry_due,
        retry_whole=step is Step.RECONCILE or whole_left,
        retry_after=min(state.retry_after * 2, RETRY_SECONDS_MAX) if report.pending else RETRY_SECONDS,
        reload_due=reload_due,
    )
    return _caught_up(state)


def boot_files_written(state: Following, took: float, now: float) -> Following:
    """Boot files are as the desired state was when the step began."""
    not_before = now + max(took * BOOT_COST_FACTOR, BOOT_DEBOUNCE_SECONDS)
    boot_due = None if state.boot_due is None else max(state.boot_due, not_before)
    return _caught_up(replace(state, busy=False, boot_not_before=not_before, boot_due=boot_due))


def reloaded(state: Following, took: float, now: float) -> Following:
    """The engine runs from new boot files; what came meanwhile is found by reconciling.

    A reload that leads to the next one without any change from outside comes ever more rarely.
    """
    state = boot_files_written(state, took, now)
    return replace(
        state,
        reconcile=True,
        queued={},
        check_due=now,
        reload_not_before=now + state.reload_after,
        reload_after=min(state.reload_after * 2, RELOAD_SECONDS_MAX),
    )


def failed(state: Following, step: Step, reachable: bool, now: float) -> Following:
    """A step could not be carried out: the engine was not ``reachable``, or took exception to all of it.

    What it holds is not known then; it is compared as a whole as soon as that can be done.
    """
    if step is Step.WRITE_BOOT_FILES:
        return replace(state, busy=False, boot_due=now + RETRY_SECONDS_MAX)
    if step is Step.RELOAD and reachable:
        # It refused the files and goes on as before; the same files are not better a moment later.
        return replace(
            state,
            busy=False,
            check_due=now,
            reload_due=now + state.reload_after,
            reload_after=min(state.reload_after * 2, RELOAD_SECONDS_MAX),
        )
    failures = state.failures + 1
    return replace(
        state,
        busy=False,
        alive=state.alive if reachable else None,
        reconcile=True,
        queued={},
        failures=failures,
        hold_until=now + min(RETRY_SECONDS * 2.0 ** min(failures - 1, 20), RETRY_SECONDS_MAX),
        check_due=now + DOWN_CHECK_SECONDS,
    )


def _caught_up(state: Following) -> Following:
    if state.alive and not (state.busy or state.queued or state.reconcile or state.incomplete):
        return replace(state, revision=state.target)
    return state
