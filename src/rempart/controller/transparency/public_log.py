"""The public log as the rest of the controller uses it.

**The contract: a step that is not in the log has no effect.** Whoever acts for a case

1. makes the step, with its id and its time, and stores it as intended, in its own transaction;
2. calls `PublicLog.append`. When that returns, the step is in the log: on the disk, signed, cosigned by as
   many witnesses as are required, and published;
3. stores what it returned, and only then lets the step take effect.

After a crash, or an error, at any point the caller does 2 and 3 again with the very same step: ids occur once
in a log, so a step that is in it already is found and not appended again. A step whose append was tried must
never be changed or dropped, because it may be in the log; another content under the same id is a Conflict.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from rempart.controller.transparency.log_state import Appended, LogHealth, LogState, WitnessState
from rempart.controller.transparency.step_index import StepIndex
from rempart.controller.transparency.witnesses import Answer, Witness, ask_all, witness_of
from rempart.controller.transparency.writer import CHECKPOINT, LogWriter
from rempart.governance.log.checkpoint import Signed, opened
from rempart.governance.log.note import Note, VerifierKey
from rempart.governance.log.proof import Proof
from rempart.governance.log.rotation import rotation_step, step_id
from rempart.governance.log.step import Step, parse_step
from rempart.governance.log.tiles import WIDTH
from rempart.governance.log.tree import consistency_path, inclusion_path
from rempart.model.errors import Conflict, EnvironmentLacks, NotFound
from rempart.model.log_settings import LogSection

WITNESS_SECONDS = 5.0
"""How long witnesses are waited for in an append."""
REST_S = 60.0
"""A witness that did not answer is not asked again so soon, unless its cosignature is required."""
INDEX = "steps.sqlite"

_log = structlog.get_logger("public-log")


class PublicLog:
    """The log of this instance. Safe to use from any thread; opened at its first use."""

    def __init__(
        self, public: Path, keeping: Path, settings: LogSection, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._public = public
        self._keeping = keeping
        self._settings = settings
        self._clock = clock
        self._lock = threading.RLock()
        self._stack = ExitStack()
        self._writer: LogWriter | None = None
        self._index: StepIndex
        self._witnesses: tuple[Witness, ...] = ()
        self._states: dict[Witness, WitnessState] = {}
        self._rest: dict[Witness, float] = {}
        self._closed = False
        self._disputed: set[Witness] = set()
        """Witnesses that have seen another history: nothing is appended until they agree again. That one
        does not answer any more is no agreement."""
        self._trouble: tuple[str, datetime] | None = None

    def close(self) -> None:
        """Let others open it. It is not opened again."""
        with self._lock:
            self._writer, self._closed = None, True
            self._stack.close()

    def __enter__(self) -> PublicLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing -------------------------------------------------------------------------------

    def append(self, step: Step) -> Appended:
        """Append a step, or find it when it is there already; see the contract above.

        Raises EnvironmentLacks when the log cannot be written or too few witnesses answer, Conflict when the
        id is another step's or a witness has seen another history: the step must then have no effect (yet).
        """
        return self.append_all((step,))[0]

    def append_all(self, steps: Sequence[Step]) -> tuple[Appended, ...]:
        """Append several steps under one checkpoint: all of them or, after an error, perhaps none."""
        entries = {step.id: step.encode() for step in steps}
        if len(entries) < len(steps):
            raise Conflict("two steps have the same id", field="steps")
        with self._lock:
            with self._in_trouble(until_now=False):
                log = self._opened()
                self._index.catch_up(log)
            places = {step.id: self._place(log, step.id, entries[step.id]) for step in steps}
            new = [step.id for step in steps if places[step.id] is None]
            with self._in_trouble():
                if new and self._disputed:
                    self._publish(log, everybody=True)
                if new:
                    first = log.append([entries[one] for one in new])
                    places.update(zip(new, range(first, first + len(new)), strict=True))
                    self._index.add(((one, first + at) for at, one in enumerate(new)), log.size)
                published = self._publish(log)
            return tuple(
                Appended(index=place, checkpoint=published.note.encode().decode())
                for place in (places[step.id] for step in steps)
                if place is not None
            )

    def ask_witnesses(self) -> bool:
        """Ask the witnesses again whose cosignature is still missing; whether that has changed what is
        published. For the background: what was wrong is in the state."""
        with self._lock:
            with self._in_trouble(until_now=False):
                log = self._opened()
            before = log.published
            try:
                with self._in_trouble():
                    self._publish(log)
            except (Conflict, EnvironmentLacks) as error:
                _log.warning("the public log's newest checkpoint is not published", problem=str(error))
            return log.published is not before

    def _place(self, log: LogWriter, step_id: str, entry: bytes) -> int | None:
        """Where a step is already."""
        place = self._index.find(step_id)
        if place is not None and log.entry(place) != entry:
            raise Conflict(
                f"entry {place} of the log is another step with this id",
                field=step_id,
                hint="what is in the log stays as it is: a correction is a step of its own",
            )
        return place

    def _publish(self, log: LogWriter, *, everybody: bool = False) -> Signed:
        """Gather what cosignatures are missing for the newest checkpoint, or all of them anew, and publish
        it with them."""
        signed = log.signed
        keys = [witness.key for witness in self._witnesses]
        note = signed.note
        if log.published is not None and log.published.checkpoint == signed.checkpoint:
            note = log.published.note
        missing = list(self._witnesses) if everybody else self._missing(note)
        required = self._settings.witnesses_required
        if not everybody and len(keys) - len(missing) >= required:
            now = self._clock()
            missing = [one for one in missing if self._rest.get(one, now) <= now]
        # Who disputes the log is asked whatever it has cosigned before, and has no rest.
        asked = [one for one in self._witnesses if one in missing or one in self._disputed]
        if asked:
            answers = self._ask(log, note, asked)
            note = note.signed_also([one.signature for one in answers if one.signature is not None])
            self._disputed |= {one.witness for one in answers if one.refused}
            self._disputed -= {one.witness for one in answers if one.signature is not None}
            if self._disputed:
                raise Conflict(
                    "; ".join(
                        f"the witness {one.key.name} {self._states[one].problem}"
                        for one in self._witnesses
                        if one in self._disputed
                    ),
                    field="public log",
                    hint="an old copy of the log was put back, or its key is used elsewhere too; "
                    "nothing more is published until that is cleared up",
                )
        got = len(keys) - len(self._missing(note))
        if got < required:
            raise EnvironmentLacks(
                "witnesses",
                f"the step is in the log, but only {got} of {required} witnesses have cosigned it",
                hint="it has no effect until they have; rempart log keys says what is wrong with them",
            )
        if log.published is None or log.published.note != note:
            log.publish(note)
        return opened(note.encode(), log.key.verifier, keys, got)

    def _missing(self, note: Note) -> list[Witness]:
        there = {(one.name, one.key_id) for one in note.signatures}
        return [one for one in self._witnesses if (one.key.name, one.key.key_id) not in there]

    def _ask(self, log: LogWriter, note: Note, witnesses: Sequence[Witness]) -> tuple[Answer, ...]:
        size = log.size
        keys = {
            (key.verifier.name, key.verifier.key_id) for key in (log.key, log.next_key) if key is not None
        }
        own = Note(note.text, tuple(one for one in note.signatures if (one.name, one.key_id) in keys))
        lock, hashes = threading.Lock(), log.hashes()

        def path_from(old: int) -> tuple[bytes, ...]:
            with lock:
                return consistency_path(old, size, hashes)

        answers = ask_all(
            witnesses, own, size, path_from,
            lambda one: min(self._states[one].size or 0, size), WITNESS_SECONDS,
        )  # fmt: skip
        for one in answers:
            state = self._states[one.witness]
            size_now = state.size if one.size is None else one.size
            self._states[one.witness] = state.model_copy(update={"size": size_now, "problem": one.problem})
            if one.problem is None:
                self._rest.pop(one.witness, None)
            else:
                self._rest[one.witness] = self._clock() + REST_S
                _log.warning("a witness does not cosign", witness=one.witness.key.name, problem=one.problem)
        return answers

    @contextmanager
    def _in_trouble(self, *, until_now: bool = True) -> Iterator[None]:
        """What goes wrong with the log itself is remembered, until it goes right: ``until_now`` it did."""
        try:
            yield
        except (Conflict, EnvironmentLacks) as error:
            since = datetime.now(UTC) if self._trouble is None else self._trouble[1]
            self._trouble = str(error), since
            raise
        if until_now:
            self._trouble = None

    # --- its key -------------------------------------------------------------------------------

    def rotate_key(self, at: datetime) -> LogState:
        """Make a new key, and say so in the log, signed with both; from then on both sign checkpoints.

        Done again after a crash or an error, it goes on where it was.
        """
        with self._lock:
            log = self._opened()
            new = log.begin_rotation()
            if self.find(step_id(new.verifier)) is None:
                self.append(rotation_step(log.key, new, at))
            return self.state()

    def finish_rotation(self) -> LogState:
        """The old key signs no more, and is deleted. Conflict before the new one is in the published log."""
        with self._lock:
            log = self._opened()
            place = None if log.next_key is None else self.find(step_id(log.next_key.verifier))
            published = 0 if log.published is None else log.published.checkpoint.size
            if log.next_key is not None and (place is None or place >= published):
                raise Conflict(
                    "nobody can read of the new key yet", field="key", hint="rempart log rotate-key"
                )
            log.end_rotation()
            return self.state()

    # --- reading -------------------------------------------------------------------------------

    def health(self) -> LogHealth:
        """How it is, without waiting for whoever uses it just now."""
        trouble, log = self._trouble, self._writer
        published = None if log is None else log.published
        there = set() if published is None else {(one.name, one.key_id) for one in published.note.signatures}
        try:
            written = datetime.fromtimestamp((self._public / CHECKPOINT).stat().st_mtime, UTC)
        except OSError:
            written = None
        return LogHealth(
            size=None if log is None else log.size,
            published=None if published is None else published.checkpoint.size,
            published_at=written,
            cosigned=sum((one.key.name, one.key.key_id) in there for one in self._witnesses),
            required=self._settings.witnesses_required,
            witnesses=tuple(self._states.get(one, _unasked(one)) for one in self._witnesses),
            problem=None if trouble is None else trouble[0],
            since=None if trouble is None else trouble[1],
        )

    @property
    def size(self) -> int | None:
        """How many entries are signed; None while the log is not open."""
        log = self._writer
        return None if log is None else log.size

    @property
    def key(self) -> VerifierKey:
        """The key that everybody needs to verify the log; while two sign, the new one."""
        with self._lock:
            return self._keys()[0]

    def _keys(self) -> tuple[VerifierKey, VerifierKey | None]:
        """The key to be published, and the one before while it signs still."""
        log = self._opened()
        new = None if log.next_key is None else log.next_key.verifier
        if new is None or self._index.find(step_id(new)) is None:
            return log.key.verifier, None
        return new, log.key.verifier

    def find(self, step_id: str) -> int | None:
        """The entry of a step that is in the log."""
        with self._lock:
            log = self._opened()
            self._index.catch_up(log)
            return self._index.find(step_id)

    def under(self, beginning: str, limit: int = 1000) -> tuple[tuple[str, int], ...]:
        """Ids and entries of the steps whose id begins so, in order: those of one case, for example."""
        with self._lock:
            log = self._opened()
            self._index.catch_up(log)
            return tuple(self._index.under(beginning, limit))

    def step(self, index: int) -> Step:
        """One step. NotFound when the log has no entry of that number."""
        with self._lock:
            return parse_step(self._opened().entry(index))

    def steps(self, first: int, number: int) -> tuple[Step, ...]:
        """Steps from ``first`` on, at most ``number``, fewer at the end."""
        with self._lock:
            log = self._opened()
            first, last = max(first, 0), min(first + number, log.size)
            entries = [
                (bundle * WIDTH + at, entry)
                for bundle in range(first // WIDTH, -(-last // WIDTH))
                for at, entry in enumerate(log.entries(bundle))
            ]
            return tuple(parse_step(entry) for index, entry in entries if first <= index < last)

    def prove(self, index: int) -> Proof:
        """That an entry is in the published log. NotFound when it is not, or not yet published."""
        with self._lock:
            log = self._opened()
            published = log.published
            if published is None or not 0 <= index < published.checkpoint.size:
                raise NotFound(f"the published log has no entry {index}")
            path = inclusion_path(index, published.checkpoint.size, log.hashes())
            return Proof(index, path, published.note.encode())

    def state(self) -> LogState:
        """How the log is. EnvironmentLacks when it cannot be opened."""
        with self._lock:
            log = self._opened()
            published = log.published
            key, previous = self._keys()
            return LogState(
                origin=log.key.name,
                key=str(key),
                previous_key=None if previous is None else str(previous),
                size=log.size,
                published=None if published is None else published.checkpoint.size,
                checkpoint=None if published is None else published.note.encode().decode(),
                folder=str(self._public),
                witnesses=tuple(self._states[one] for one in self._witnesses),
                required=self._settings.witnesses_required,
            )

    # --- opening -------------------------------------------------------------------------------

    def _opened(self) -> LogWriter:
        if self._writer is not None:
            return self._writer
        if self._closed:
            raise Conflict("the public log is closed: the controller ends", hint="try again in a moment")
        witnesses = tuple(witness_of(one) for one in self._settings.witnesses)
        with ExitStack() as stack:
            writer = stack.enter_context(LogWriter(self._public, self._keeping, self._settings.origin))
            self._index = StepIndex(self._keeping / INDEX, writer)
            stack.callback(self._index.close)
            self._stack = stack.pop_all()
        self._writer, self._witnesses = writer, witnesses
        self._states = {one: _unasked(one) for one in witnesses}
        try:
            # What was missed before a crash, and: have the witnesses seen a longer log than this one?
            self._publish(writer, everybody=True)
        except (Conflict, EnvironmentLacks) as error:
            _log.warning("the public log's newest checkpoint is not published", problem=str(error))
        return writer


def _unasked(witness: Witness) -> WitnessState:
    return WitnessState(name=witness.key.name, url=witness.url, key=str(witness.key))
