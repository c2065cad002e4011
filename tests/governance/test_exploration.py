"""No path to an effect without notice and quorum, but the emergency's and an order's, within their bounds.

Hypothesis plays anything at any time: right and wrong events, forged, replayed, doubled and withdrawn
signatures, clocks that jump and go back. Beside the case stands a record of what was said and accepted, kept
by other means (plain lists, searched anew each time); every effect is judged by that record alone.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rempart.governance.canonical import motion_digest
from rempart.governance.cases import step
from rempart.governance.deadlines import due
from rempart.governance.instructions import Lift, PutInForce
from rempart.governance.motions import BEFORE_A_DECISION
from rempart.model.cases import (
    EMERGENCY_HOURS,
    Act,
    Motion,
    MotionKind,
    Outcome,
    Phase,
    Signed,
    Source,
    Statement,
)
from rempart.model.cases_events import (
    Announced,
    Answered,
    Appealed,
    Closed,
    Event,
    Left,
    Lifted,
    Moved,
    Notified,
    Opened,
    Scrutinised,
    Stated,
    TookEffect,
    Triaged,
    Verified,
)
from rempart.model.cases_remedies import Measure, Remedy, Restriction, Target
from rempart.model.errors import RempartError
from tests.governance.cast import HOST, NAMES, NOW, POLICY, SALTED, Play, key_of, motion, opened, signed
from tests.governance.test_cases import NARROWER, order

people = st.sampled_from((*NAMES, "mallory"))
kinds = st.sampled_from(tuple(MotionKind))
acts = st.sampled_from(tuple(Act))
jumps = st.sampled_from(
    (0, 1, 60, 3_600, 6 * 3_600, 86_400, 2 * 86_400, 3 * 86_400, 40 * 86_400, -60, -86_400)
)
QUORUM = 3
PEOPLE = POLICY.model_copy(update={"quorum": QUORUM})


@dataclass(frozen=True)
class Said:
    """An accepted event and when, by a clock that does not go back."""

    at: datetime
    event: Event


def hash_of(*words: str) -> int:
    """A number that is the same in every run."""
    return zlib.crc32(" ".join(words).encode())


class Cases(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[Said] = []
        self.sent: list[Signed] = []
        self.held: dict[str, Restriction] = {}
        self.effects = 0

    @initialize(source=st.sampled_from((Source.REPORT, Source.OWN, Source.ORDER)))
    def begin(self, source: Source) -> None:
        event = opened(source, order=order() if source is Source.ORDER else None)
        self.play = Play(policy=PEOPLE).open(event)
        self.said.append(Said(NOW, event))

    # --- what anybody may try ------------------------------------------------------------------------

    @rule(seconds=jumps)
    def time_passes(self, seconds: int) -> None:
        self.play.now += timedelta(seconds=seconds)
        self.clock()

    @rule(author=st.sampled_from(NAMES))
    def onward(self, author: str) -> None:
        """The next right step, whatever it is: else hardly any run would come far."""
        case = self.play.case
        if case.motion is not None:
            self.all_agree(sorted(NAMES, key=lambda name: (hash_of(name, author), name)))
            return
        match case.phase:
            case Phase.REPORTED if case.source is Source.ORDER:
                self.scrutinised(True)
            case Phase.REPORTED:
                self.triaged(True)
            case Phase.TRIAGED if case.source is Source.ORDER:
                self.moves(author, MotionKind.ORDER, False, Outcome.UPHELD, None)
            case Phase.TRIAGED:
                self.offer(Notified(by="operator"))
            case Phase.NOTIFIED if case.answered:
                self.moves(author, MotionKind.DECISION, False, Outcome.UPHELD, None)
            case Phase.NOTIFIED:
                self.offer(Answered(confidential=SALTED))
            case Phase.DECIDED:
                self.announced(PEOPLE.notice_s)
            case Phase.ANNOUNCED if not case.suspended:
                self.time_passes(2 * 86_400)
            case Phase.ANNOUNCED | Phase.IN_EFFECT if case.appeal is not None:
                outcome = (Outcome.CHANGED, Outcome.UPHELD, Outcome.REVERSED)[hash_of(author, "") % 3]
                self.moves(author, MotionKind.APPEAL, True, outcome, None)
            case Phase.IN_EFFECT if case.emergency and not case.emergency.confirmed:
                self.moves(author, MotionKind.CONFIRMATION, False, Outcome.UPHELD, None)
            case Phase.LIFTED | Phase.DISMISSED if case.emergency and not case.emergency.reviewed:
                self.moves(author, MotionKind.REVIEW, False, Outcome.UPHELD, None)
            case Phase.LIFTED | Phase.DISMISSED:
                self.offer(Closed(by="operator"))
            case _:
                self.offer(Appealed(confidential=SALTED))

    @rule(author=st.sampled_from(NAMES))
    def onward_again(self, author: str) -> None:
        self.onward(author)

    @rule(author=st.sampled_from(NAMES), times=st.integers(2, 12))
    def far_onward(self, author: str, times: int) -> None:
        for _ in range(times):
            self.onward(author)

    @precondition(lambda self: self.play.case.phase in BEFORE_A_DECISION)
    @rule(author=st.sampled_from(NAMES), second=people, seconds=jumps)
    def two_see_a_threat_to_life(self, author: str, second: str, seconds: int) -> None:
        self.moves(author, MotionKind.EMERGENCY, False, Outcome.UPHELD, None)
        self.time_passes(seconds)
        self.states(second, Act.APPROVE)

    @precondition(lambda self: self.play.case.phase is Phase.NOTIFIED)
    @rule(author=st.sampled_from(NAMES))
    def hurried(self, author: str) -> None:
        """Right before the owner's time to answer is over."""
        self.moves(author, MotionKind.DECISION, False, Outcome.UPHELD, None)
        for _ in range(3):
            self.onward(author)

    @precondition(lambda self: self.play.case.phase is Phase.IN_EFFECT)
    @rule(hours=st.sampled_from((1, 71, 72, 73, 24 * 8)))
    def in_force_for_long(self, hours: int) -> None:
        self.time_passes(hours * 3_600)

    @precondition(lambda self: self.play.case.phase is Phase.DECIDED)
    @rule(back=st.sampled_from((60, 86_400, 3 * 86_400)))
    def announced_by_a_clock_that_went_back(self, back: int) -> None:
        self.play.now -= timedelta(seconds=back)
        self.announced(PEOPLE.notice_s)

    @precondition(lambda self: self.play.case.phase is Phase.ANNOUNCED)
    @rule(
        event=st.sampled_from((Appealed(confidential=SALTED), Answered(confidential=SALTED))), seconds=jumps
    )
    def at_the_last_moment(self, event: Event, seconds: int) -> None:
        self.offer(event)
        self.time_passes(seconds)

    @precondition(lambda self: self.play.case.phase in (Phase.DECIDED, Phase.ANNOUNCED))
    @rule(act=st.sampled_from((Act.WITHDRAW, Act.RECUSE, None)), choice=st.integers(0, 9), seconds=jumps)
    def a_signer_goes(self, act: Act | None, choice: int, seconds: int) -> None:
        signers = sorted(self.play.case.deciders)
        name = signers[choice % len(signers)]
        self.offer(Left(arbiter=name)) if act is None else self.states(name, act)
        self.time_passes(seconds)

    @precondition(lambda self: self.play.case.motion is not None)
    @rule(name=st.sampled_from(NAMES))
    def says_it_twice(self, name: str) -> None:
        said = self.sign(self.play.statement(name, Act.APPROVE))
        self.offer(Stated(signed=said))
        if self.play.case.motion is not None and any(
            one.statement.arbiter == name for one in self.play.case.standing
        ):
            self.never(Stated(signed=self.sign(self.play.statement(name, Act.APPROVE))))
            self.states(name, Act.WITHDRAW)
            self.never(Stated(signed=said))

    @rule(accepted=st.booleans())
    def triaged(self, accepted: bool) -> None:
        self.offer(Triaged(accepted=accepted, reason="x", by="operator"))

    @rule(complete=st.booleans())
    def scrutinised(self, complete: bool) -> None:
        self.offer(Scrutinised(complete=complete, findings="x", by="operator"))

    @rule(event=st.sampled_from((
        Notified(by="operator"), Answered(confidential=SALTED), Appealed(confidential=SALTED),
        Closed(by="operator"), Verified(in_force=True, seen=True, observations=()),
    )))  # fmt: skip
    def plain(self, event: Event) -> None:
        self.offer(event)

    @rule(source=st.sampled_from(tuple(Source)))
    def opened_again(self, source: Source) -> None:
        self.offer(opened(source))

    @rule(
        author=people,
        kind=kinds,
        narrow=st.booleans(),
        outcome=st.sampled_from(tuple(Outcome)),
        days=st.sampled_from((None, 7)),
    )
    def moves(self, author: str, kind: MotionKind, narrow: bool, outcome: Outcome, days: int | None) -> None:
        fields: dict[str, Any] = {}
        if kind is MotionKind.APPEAL:
            fields = {"outcome": outcome, "measure": NARROWER if outcome is Outcome.CHANGED else None}
        elif kind in (MotionKind.DECISION, MotionKind.EMERGENCY, MotionKind.ORDER):
            remedy = Remedy.CHALLENGE if narrow else Remedy.DROP_PROXY
            fields = {"measure": Measure(remedy=remedy, target=Target(host=HOST), days=days)}
        made = motion(self.play.case, author, self.play.now, kind, **fields)
        said = self.play.statement(author, Act.MOVE, motion=motion_digest(made))
        self.offer(Moved(motion=made, signed=self.sign(said)))

    @rule(name=people, act=acts)
    def states(self, name: str, act: Act) -> None:
        self.offer(Stated(signed=self.sign(self.play.statement(name, act))))

    @precondition(lambda self: self.play.case.motion is not None)
    @rule(names=st.permutations(NAMES))
    def all_agree(self, names: list[str]) -> None:
        """Without this, quorums would be rare."""
        for name in names[: QUORUM + 1]:
            if self.play.case.motion is not None:
                self.states(name, Act.APPROVE)

    @precondition(lambda self: self.play.case.phase is Phase.DECIDED)
    @rule(seconds=st.sampled_from((0, PEOPLE.notice_s - 1, PEOPLE.notice_s, PEOPLE.notice_s + 9)))
    def announced(self, seconds: int) -> None:
        decision = self.play.case.decision
        assert decision is not None
        at = self.play.now + timedelta(seconds=seconds)
        self.offer(Announced(decision=decision, effective_at=at, by="operator"))

    @rule(name=people)
    def left(self, name: str) -> None:
        if self.play.case.seq > 25:  # else nobody is left to decide anything
            self.offer(Left(arbiter=name))

    # --- what nobody may -----------------------------------------------------------------------------

    @rule(name=people, thief=st.sampled_from(("mallory", "ada")), act=acts)
    def forged(self, name: str, thief: str, act: Act) -> None:
        if name != thief:
            forged = signed(self.play.statement(name, act), key_of(thief))
            self.never(Stated(signed=forged))

    @precondition(lambda self: self.sent)
    @rule(choice=st.integers(0, 1_000))
    def replayed(self, choice: int) -> None:
        self.never_twice(self.sent[choice % len(self.sent)])

    @precondition(lambda self: self.sent)
    @rule(choice=st.integers(0, 1_000), name=people, act=acts)
    def altered(self, choice: int, name: str, act: Act) -> None:
        one = self.sent[choice % len(self.sent)]
        changed = one.statement.model_copy(update={"arbiter": name, "act": act})
        if changed != one.statement:
            self.never(Stated(signed=one.model_copy(update={"statement": changed})))

    @precondition(lambda self: self.play.case.decision is not None)
    @rule(choice=st.booleans())
    def effect_demanded(self, choice: bool) -> None:
        """The clock alone brings effects about, and it has done whatever was due."""
        decision = self.play.case.decision
        assert decision is not None
        measure = decision.motion.measure or NARROWER
        restriction = Restriction(
            id=f"c1-{self.play.case.seq + 1}",
            case="c1",
            measure=NARROWER if choice else measure,
            since=self.play.now,
        )
        self.never(TookEffect(decision=decision, restriction=restriction))

    @rule(ahead=st.integers(6, 10_000), name=people)
    def dated_ahead(self, ahead: int, name: str) -> None:
        late = max(self.play.now, self.play.case.last_at) + timedelta(minutes=ahead)
        self.never(Stated(signed=signed(self.play.statement(name, Act.APPROVE, at=late))))

    # --- the shell -----------------------------------------------------------------------------------

    def sign(self, statement: Statement) -> Signed:
        return signed(statement)

    def never(self, event: Event) -> None:
        with pytest.raises(RempartError):
            step(self.play.case, event, self.play.now)

    def never_twice(self, one: Signed) -> None:
        self.never(Stated(signed=one))

    def offer(self, event: Event) -> None:
        before = self.play.case
        try:
            after = step(before, event, self.play.now)
        except RempartError:
            return
        at = max(self.play.now, before.last_at)
        self.said.append(Said(at, event))
        if isinstance(event, Moved | Stated):
            self.sent.append(event.signed)
        self.play.case = after.case
        for one in after.instructions:
            if isinstance(one, PutInForce):
                assert isinstance(event, TookEffect)
                self.judge(one, event, at)
                if one.replaces:
                    del self.held[one.replaces]
                self.held[one.restriction.id] = one.restriction
                self.effects += 1
            elif isinstance(one, Lift):
                assert isinstance(event, Lifted)
                del self.held[one.restriction]
        self.clock()

    def clock(self) -> None:
        if (event := due(self.play.case, self.play.now)) is not None:
            self.offer(event)

    # --- the judgement -------------------------------------------------------------------------------

    def judge(self, put: PutInForce, event: TookEffect, at: datetime) -> None:
        """By the record alone: may this take effect now?"""
        made = event.decision.motion
        agreeing = self.agreeing(made)
        needed = 2 if made.kind in (MotionKind.EMERGENCY, MotionKind.ORDER) else QUORUM
        assert len(agreeing) >= needed
        assert agreeing - {made.author}
        assert put.restriction.measure == made.measure
        earlier = [one for one in self.said if one.event is not event]
        match made.kind:
            case MotionKind.DECISION:
                self.judge_notice(made, earlier, at)
            case MotionKind.EMERGENCY:
                assert made.criterion == "immediate-threat-to-life"
                effects = [one.event for one in earlier if isinstance(one.event, TookEffect)]
                kinds = [one.decision.motion.kind for one in effects]
                assert MotionKind.EMERGENCY not in kinds, "once in a case"
            case MotionKind.ORDER:
                opening = earlier[0].event
                assert isinstance(opening, Opened)
                assert opening.source is Source.ORDER
                assert any(isinstance(one.event, Scrutinised) and one.event.complete for one in earlier)
            case MotionKind.APPEAL:
                assert made.outcome is Outcome.CHANGED
                assert not agreeing & self.earlier_deciders(made, earlier)
                if put.replaces is None:
                    self.judge_notice(made, earlier, at, answer=False)
            case _:
                pytest.fail(f"a motion for {made.kind} has no effect")

    def judge_notice(self, made: Motion, earlier: list[Said], at: datetime, *, answer: bool = True) -> None:
        notices = [
            one for one in earlier if isinstance(one.event, Announced) and one.event.decision.motion == made
        ]
        assert notices, "no notice of the decision"
        assert at >= notices[-1].at + timedelta(seconds=PEOPLE.notice_s)
        assert isinstance(notices[-1].event, Announced)
        assert at >= notices[-1].event.effective_at
        if answer:
            moved = next(one for one in earlier if isinstance(one.event, Moved) and one.event.motion == made)
            told = [one.at for one in earlier if isinstance(one.event, Notified) and one.at <= moved.at]
            assert told, "the owner was not told"
            answered = [one for one in earlier if isinstance(one.event, Answered) and one.at <= moved.at]
            assert answered or moved.at >= told[-1] + timedelta(seconds=PEOPLE.answer_s)
        appeals = [one for one in earlier if isinstance(one.event, Appealed) and one.at >= notices[-1].at]
        if appeals and answer:
            ruled = [
                one for one in earlier
                if isinstance(one.event, Moved) and one.event.motion.outcome is Outcome.UPHELD
                and len(self.agreeing(one.event.motion)) >= QUORUM
            ]  # fmt: skip
            assert ruled, "an appeal during the notice holds the effect up"

    def agreeing(self, made: Motion, upto: int | None = None) -> set[str]:
        """Who stands by the motion, by what was said last; nobody twice, nobody who left or recused."""
        digest = motion_digest(made)
        last: dict[str, Act] = {}
        gone: set[str] = set()
        for one in self.said[:upto]:
            if isinstance(one.event, Left):
                gone.add(one.event.arbiter)
            if isinstance(one.event, Moved | Stated):
                statement = one.event.signed.statement
                if statement.act is Act.RECUSE:
                    gone.add(statement.arbiter)
                elif statement.motion == digest:
                    last[statement.arbiter] = statement.act
        return {name for name, act in last.items() if act in (Act.MOVE, Act.APPROVE)} - gone

    def earlier_deciders(self, made: Motion, earlier: list[Said]) -> set[str]:
        effects = [one.event for one in earlier if isinstance(one.event, TookEffect | Announced)]
        decided = [one.decision.motion for one in effects if one.decision.motion != made]
        return self.agreeing(decided[-1]) if decided else set()

    @invariant()
    def an_emergency_ends(self) -> None:
        for one in self.held.values():
            emergency = self.play.case.emergency
            decided = self.play.case.decision
            if emergency is None or decided is None or decided.motion.kind is not MotionKind.EMERGENCY:
                continue
            # At some time a quorum confirmed it; that one of them recuses later is for an appeal.
            confirmed = any(
                isinstance(said.event, Moved)
                and said.event.motion.kind is MotionKind.CONFIRMATION
                and len(self.agreeing(said.event.motion, upto)) >= QUORUM
                for said in self.said
                for upto in range(len(self.said) + 1)
            )
            latest = max(self.play.now, self.play.case.last_at)
            assert confirmed or latest < one.since + timedelta(hours=EMERGENCY_HOURS)

    @invariant()
    def one_remedy_at_most_and_the_case_knows_it(self) -> None:
        known = self.play.case.restriction
        assert list(self.held.values()) == ([] if known is None else [known])


def test_no_path_to_an_effect_but_through_the_process() -> None:
    run_state_machine_as_test(
        Cases,
        settings=settings(
            max_examples=200, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
