"""Cases played through: the ordinary way, the emergency path, orders, appeals, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rempart.governance.cases import open_case
from rempart.governance.deadlines import deadlines
from rempart.governance.instructions import Addressee, Lift, PutInForce, Tell
from rempart.model.cases import (
    Act,
    Case,
    LiftReason,
    MotionKind,
    Order,
    OrderKind,
    Outcome,
    Phase,
    Source,
)
from rempart.model.cases_events import (
    Announced,
    Answered,
    Appealed,
    Closed,
    Left,
    Lifted,
    Moved,
    Notified,
    Opened,
    Scrutinised,
    Stated,
    TookEffect,
    Triaged,
)
from rempart.model.cases_remedies import Measure, Remedy, Restriction, Target
from rempart.model.errors import Conflict, InvalidInput
from tests.governance.cast import (
    DIGEST,
    HOST,
    NOW,
    POLICY,
    SALTED,
    Play,
    arbiter,
    key_of,
    motion,
    opened,
    signed,
)

TRIAGED = Triaged(accepted=True, reason="It may be so.", by="operator")
APPEALED = Appealed(confidential=SALTED)
NARROWER = Measure(remedy=Remedy.CHALLENGE, target=Target(host=HOST))


def in_force(play: Play) -> list[str]:
    """The restrictions that the instructions so far leave in force."""
    held: list[str] = []
    for one in play.done:
        if isinstance(one, PutInForce):
            held = [*(id_ for id_ in held if id_ != one.replaces), one.restriction.id]
        if isinstance(one, Lift):
            held.remove(one.restriction)
    return held


def phase(play: Play) -> Phase:
    return play.case.phase


def told(play: Play) -> list[tuple[Addressee, str]]:
    return [(one.whom, one.of) for one in play.done if isinstance(one, Tell)]


def test_the_ordinary_way_from_report_to_upheld() -> None:
    play = Play().open()
    play.to_notified()
    assert play.case.answer_by == NOW + timedelta(days=3)
    play.clock(days=1)
    play(Answered(confidential=SALTED)).moves("ada")
    play.says(Act.APPROVE, "ben").says(Act.REJECT, "dan")
    assert play.case.decision is None
    play.says(Act.APPROVE, "cleo")
    assert phase(play) is Phase.DECIDED
    assert not play.case.public
    play.announces(days=2).clock(days=1, hours=23)
    assert in_force(play) == []
    play.clock(hours=1)
    assert phase(play) is Phase.IN_EFFECT
    assert in_force(play) == [f"c1-{play.case.seq}"]
    play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.UPHELD).says(Act.APPROVE, "eve", "finn")
    assert play.case.outcome is Outcome.UPHELD
    assert len(in_force(play)) == 1
    assert told(play) == [
        (Addressee.REPORTER, "receipt"), (Addressee.REPORTER, "triage"), (Addressee.OWNER, "notice"),
        (Addressee.OWNER, "decision"), (Addressee.REPORTER, "decision"), (Addressee.OWNER, "effect"),
        (Addressee.REPORTER, "appealed"), (Addressee.OWNER, "appeal"), (Addressee.REPORTER, "appeal"),
    ]  # fmt: skip


def test_on_appeal_a_decision_is_reversed_by_others() -> None:
    play = Play().open().to_effect()
    play(APPEALED)
    for name in ("ada", "ben", "cleo"):
        with pytest.raises(Conflict, match="no part in an appeal"):
            play.moves(name, MotionKind.APPEAL, outcome=Outcome.REVERSED)
    play.moves("dan", MotionKind.APPEAL, outcome=Outcome.REVERSED).says(Act.APPROVE, "eve")
    with pytest.raises(Conflict, match="no part"):
        play.says(Act.APPROVE, "ada")
    play.says(Act.APPROVE, "finn")
    assert phase(play) is Phase.LIFTED
    assert in_force(play) == []
    assert isinstance(play.history[-1][1], Lifted)
    assert play.history[-1][1].why is LiftReason.REVERSED
    play(Closed(by="operator"))
    with pytest.raises(Conflict, match="closed"):
        play(APPEALED)


def test_on_appeal_a_decision_becomes_narrower_in_one_step() -> None:
    play = Play().open().to_effect()
    first = in_force(play)
    wider = NARROWER.model_copy(update={"remedy": Remedy.DROP_DNS})
    with pytest.raises(InvalidInput, match="narrower or shorter"):
        play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.CHANGED, measure=wider)
    play.moves("dan", MotionKind.APPEAL, outcome=Outcome.CHANGED, measure=NARROWER)
    play.says(Act.APPROVE, "eve", "finn")
    last = [one for one in play.done if isinstance(one, PutInForce)][-1]
    assert last.replaces == first[0]
    assert last.restriction.measure == NARROWER
    assert phase(play) is Phase.IN_EFFECT
    with pytest.raises(Conflict, match="one appeal"):
        play(APPEALED)


def test_an_appeal_during_the_notice_holds_the_effect_up() -> None:
    play = Play().open().to_decided().announces()
    play(APPEALED).clock(days=30)
    assert in_force(play) == []
    play.moves("dan", MotionKind.APPEAL, outcome=Outcome.UPHELD).says(Act.APPROVE, "eve", "finn")
    assert in_force(play) == [], "a notice period runs again"
    play.clock(days=2)
    assert len(in_force(play)) == 1


def test_a_decision_reversed_before_its_effect_never_has_one() -> None:
    play = Play().open().to_decided().announces()
    play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.REVERSED).says(Act.APPROVE, "eve", "finn")
    assert phase(play) is Phase.DISMISSED
    play.clock(days=100)
    assert not [one for one in play.done if isinstance(one, PutInForce)]


def test_a_decision_changed_before_its_effect_is_announced_again() -> None:
    play = Play().open().to_decided().announces()
    play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.CHANGED, measure=NARROWER)
    play.says(Act.APPROVE, "eve", "finn").clock(days=10)
    assert phase(play) is Phase.DECIDED
    assert in_force(play) == []
    play.announces().clock(days=2)
    assert [one.restriction.measure for one in play.done if isinstance(one, PutInForce)] == [NARROWER]


def test_a_measure_with_an_end_ends() -> None:
    play = Play().open().to_notified().clock(days=3)
    week = Measure(remedy=Remedy.CHALLENGE, target=Target(host=HOST), days=7)
    play.moves("ada", measure=week).says(Act.APPROVE, "ben", "cleo").announces().clock(days=2)
    play.clock(days=6, hours=23)
    assert len(in_force(play)) == 1
    play.clock(hours=1)
    assert in_force(play) == []
    assert phase(play) is Phase.LIFTED


def test_the_arbiters_end_a_remedy_when_its_cause_is_gone() -> None:
    play = Play().open().to_effect()
    play.moves("ada", MotionKind.END).says(Act.APPROVE, "ben")
    assert len(in_force(play)) == 1
    play.says(Act.APPROVE, "eve")
    assert in_force(play) == []


def test_nothing_is_proposed_before_the_owner_could_answer() -> None:
    play = Play().open()
    for before in (lambda: None, lambda: play(TRIAGED), lambda: play(Notified(by="operator"))):
        before()
        with pytest.raises(Conflict):
            play.moves("ada")
    play.clock(days=2, hours=23)
    with pytest.raises(Conflict, match="may answer until"):
        play.moves("ada")
    play.clock(hours=1).moves("ada")


def test_the_notice_period_is_kept() -> None:
    play = Play().open().to_decided()
    with pytest.raises(Conflict, match="notice period"):
        play.announces(days=1, hours=23)
    assert play.case.decision is not None
    other = play.case.decision.model_copy(update={"signatures": play.case.decision.signatures[:2]})
    with pytest.raises(Conflict, match="not what was decided"):
        play(Announced(decision=other, effective_at=play.now + timedelta(days=3), by="operator"))


def test_an_emergency_takes_two_people_and_ends_by_itself() -> None:
    play = Play().open().moves("ada", MotionKind.EMERGENCY)
    assert in_force(play) == []
    with pytest.raises(Conflict, match="has spoken"):
        play.says(Act.APPROVE, "ada")
    play.says(Act.APPROVE, "ben")
    assert len(in_force(play)) == 1
    assert play.case.emergency is not None
    play.clock(hours=71, minutes=59)
    assert len(in_force(play)) == 1
    play.clock(minutes=1)
    assert in_force(play) == []
    assert phase(play) is Phase.TRIAGED
    with pytest.raises(Conflict, match="once in a case"):
        play.moves("cleo", MotionKind.EMERGENCY)
    play.moves("cleo", MotionKind.END).says(Act.APPROVE, "dan", "eve")
    with pytest.raises(Conflict, match="review that first"):
        play(Closed(by="operator"))


def test_an_emergency_that_a_full_quorum_confirms_stays() -> None:
    play = Play().open().moves("ada", MotionKind.EMERGENCY).says(Act.APPROVE, "ben")
    play.clock(hours=70).moves("ada", MotionKind.CONFIRMATION).says(Act.APPROVE, "ben")
    assert play.case.emergency is not None
    assert not play.case.emergency.confirmed, "two are no full quorum"
    play.says(Act.APPROVE, "cleo").clock(days=365)
    assert len(in_force(play)) == 1


def test_an_emergency_is_reviewed_not_only_by_those_who_took_it() -> None:
    two = POLICY.model_copy(update={"quorum": 2})
    play = Play(policy=two).open().moves("ada", MotionKind.EMERGENCY).says(Act.APPROVE, "ben")
    play.moves("ada", MotionKind.REVIEW).says(Act.APPROVE, "ben")
    assert play.case.emergency is not None
    assert not play.case.emergency.reviewed
    play.says(Act.APPROVE, "cleo")
    assert play.case.emergency.reviewed


def test_an_emergency_does_not_wait_for_another_motion() -> None:
    play = Play().open().to_notified().clock(days=3).moves("ada").moves("dan", MotionKind.EMERGENCY)
    play.says(Act.APPROVE, "eve")
    assert len(in_force(play)) == 1


def test_nothing_but_a_threat_to_life_is_an_emergency() -> None:
    with pytest.raises(InvalidInput, match="threat to life"):
        Play().open().moves("ada", MotionKind.EMERGENCY, criterion=None)
    with pytest.raises(InvalidInput, match="threat to life"):
        Play().open().to_notified().clock(days=3).moves("ada", criterion="immediate-threat-to-life")


def order(**fields: Any) -> Order:
    made = {
        "kind": OrderKind.REMOVAL, "authority": "BKA", "reference": "7/26", "legal_basis": "2021/784 Art. 3",
        "document": DIGEST, "demanded": Measure(remedy=Remedy.DROP_DNS, target=Target(host=HOST)),
        "received_at": NOW, "deadline": NOW + timedelta(hours=1),
    }  # fmt: skip
    return Order.model_validate({**made, **fields})


def test_an_order_is_examined_signed_by_two_and_given_effect() -> None:
    play = Play().open(opened(Source.ORDER, order=order()))
    assert [one.what for one in deadlines(play.case)] == ["the order is to be given effect"]
    assert deadlines(play.case)[0].is_over(NOW + timedelta(hours=1, seconds=1))
    with pytest.raises(Conflict, match="examined"):
        play.moves("ada", MotionKind.ORDER)
    with pytest.raises(Conflict):
        play(TRIAGED)
    play(Scrutinised(complete=True, findings="All of Art. 3(4) is there.", by="ada")).clock(minutes=20)
    play.moves("ada", MotionKind.ORDER)
    assert in_force(play) == []
    play.says(Act.APPROVE, "ben")
    assert len(in_force(play)) == 1
    assert deadlines(play.case)[0].what == "the owner may appeal"
    assert (Addressee.OWNER, "effect") in told(play)
    assert told(play)[-1] == (Addressee.AUTHORITY, "effect")
    play(APPEALED)
    assert len(in_force(play)) == 1, "an appeal holds no order up"


def test_nothing_wider_than_ordered_and_nothing_on_a_faulty_order() -> None:
    play = Play().open(opened(Source.ORDER, order=order(demanded=NARROWER)))
    play(Scrutinised(complete=True, findings="x", by="ada"))
    with pytest.raises(InvalidInput, match="wider"):
        play.moves("ada", MotionKind.ORDER)
    play = Play().open(opened(Source.ORDER, order=order()))
    play(Scrutinised(complete=False, findings="No reasons are given.", by="ada"))
    assert phase(play) is Phase.DISMISSED
    assert told(play)[-1] == (Addressee.AUTHORITY, "scrutiny")
    with pytest.raises(ValueError, match="one hour"):
        order(deadline=NOW + timedelta(hours=2))


@pytest.mark.parametrize(
    ("demanded", "measure", "field"),
    [
        (
            {"remedy": "drop_dns", "target": {"host": HOST}},
            {"remedy": "drop_dns", "target": {"host": "other.example.org"}},
            "measure.target",
        ),
        (
            {"remedy": "drop_dns", "target": {"host": HOST}, "days": 7},
            {"remedy": "drop_dns", "target": {"host": HOST}, "days": 8},
            "measure.days",
        ),
        (
            {"remedy": "drop_dns", "target": {"host": HOST}, "days": 7},
            {"remedy": "challenge", "target": {"host": HOST}},
            "measure.days",
        ),
    ],
)
def test_an_order_is_given_effect_no_wider_and_no_longer_than_it_demands(
    demanded: dict[str, Any], measure: dict[str, Any], field: str
) -> None:
    targets = (Target(host=HOST), Target(host="other.example.org"))
    event = opened(Source.ORDER, order=order(demanded=Measure.model_validate(demanded)))
    play = Play().open(event.model_copy(update={"targets": targets}))
    play(Scrutinised(complete=True, findings="x", by="ada"))
    with pytest.raises(InvalidInput) as refused:
        play.moves("ada", MotionKind.ORDER, measure=Measure.model_validate(measure))
    assert refused.value.field == field
    play.moves("ada", MotionKind.ORDER, measure=Measure.model_validate(demanded)).says(Act.APPROVE, "ben")
    assert len(in_force(play)) == 1


def test_on_appeal_nothing_comes_to_last_longer() -> None:
    week = Measure(remedy=Remedy.DROP_PROXY, target=Target(host=HOST), days=7)
    play = Play().open().to_notified().clock(days=3)
    play.moves("ada", measure=week).says(Act.APPROVE, "ben", "cleo").announces().clock(days=2)
    ends_at = play.case.ends_at
    play.clock(days=5)
    play(APPEALED)
    for days in (None, 8):
        longer = NARROWER.model_copy(update={"days": days})
        with pytest.raises(InvalidInput, match="narrower or shorter"):
            play.moves("dan", MotionKind.APPEAL, outcome=Outcome.CHANGED, measure=longer)
    as_long = NARROWER.model_copy(update={"days": 7})
    play.moves("dan", MotionKind.APPEAL, outcome=Outcome.CHANGED, measure=as_long)
    play.says(Act.APPROVE, "eve", "finn")
    assert play.case.restriction is not None
    assert play.case.restriction.measure == as_long
    assert play.case.ends_at == ends_at, "its days do not begin anew"
    play.clock(days=2)
    assert in_force(play) == []


def test_an_emergency_that_becomes_narrower_on_appeal_still_ends_after_72_hours() -> None:
    play = Play().open().moves("ada", MotionKind.EMERGENCY).says(Act.APPROVE, "ben").clock(hours=1)
    play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.CHANGED, measure=NARROWER)
    play.says(Act.APPROVE, "eve", "finn").clock(hours=70, minutes=59)
    assert len(in_force(play)) == 1
    play.clock(minutes=1)
    assert in_force(play) == []


def test_an_emergency_changed_on_appeal_and_then_confirmed_lasts_no_longer_than_it_would_have() -> None:
    week = Measure(remedy=Remedy.DROP_PROXY, target=Target(host=HOST), days=7)
    play = Play().open().moves("ada", MotionKind.EMERGENCY, measure=week).says(Act.APPROVE, "ben")
    play.clock(hours=48)
    as_long = NARROWER.model_copy(update={"days": 7})
    play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.CHANGED, measure=as_long)
    play.says(Act.APPROVE, "eve", "finn")
    play.moves("ada", MotionKind.CONFIRMATION).says(Act.APPROVE, "ben", "cleo")
    assert play.case.ends_at == NOW + timedelta(days=7)


def test_what_is_decided_after_an_emergency_that_was_appealed_can_be_appealed_too() -> None:
    week = Measure(remedy=Remedy.DROP_PROXY, target=Target(host=HOST), days=7)
    play = Play().open().to_notified().moves("ada", MotionKind.EMERGENCY).says(Act.APPROVE, "ben")
    play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.UPHELD).says(Act.APPROVE, "eve", "finn")
    play.clock(hours=72)
    assert phase(play) is Phase.NOTIFIED
    play.moves("ada", measure=week).says(Act.APPROVE, "ben", "cleo").announces().clock(days=2)
    assert len(in_force(play)) == 1
    with pytest.raises(Conflict, match="waits for confirmation"):
        play.moves("ada", MotionKind.CONFIRMATION)
    play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.UPHELD).says(Act.APPROVE, "eve", "finn")
    play.clock(days=7)
    last = play.history[-1][1]
    assert isinstance(last, Lifted)
    assert last.why is LiftReason.ENDED, "it is no emergency that expired"
    assert phase(play) is Phase.LIFTED


def test_what_is_decided_after_a_decision_fell_can_be_appealed() -> None:
    play = Play().open().to_decided().announces()
    play(APPEALED).moves("dan", MotionKind.APPEAL, outcome=Outcome.UPHELD).says(Act.APPROVE, "eve", "finn")
    play.says(Act.WITHDRAW, "ben")
    assert phase(play) is Phase.NOTIFIED
    play.moves("ada").says(Act.APPROVE, "cleo", "dan").announces()
    play(APPEALED).clock(days=10)
    assert in_force(play) == []


def test_a_case_that_was_dismissed_meanwhile_has_no_emergency() -> None:
    play = Play().open().moves("ada", MotionKind.EMERGENCY)
    play(Triaged(accepted=False, reason="It is a quotation.", by="operator")).says(Act.APPROVE, "ben")
    assert phase(play) is Phase.DISMISSED
    assert play.case.motion is None
    assert in_force(play) == []


def test_what_has_expired_is_not_confirmed_before_the_clock_has_lifted_it() -> None:
    play = Play().open().moves("ada", MotionKind.EMERGENCY).says(Act.APPROVE, "ben")
    play.clock(hours=71).moves("ada", MotionKind.CONFIRMATION).says(Act.APPROVE, "ben")
    play.now += timedelta(hours=1)
    with pytest.raises(Conflict, match="emergency measure ended"):
        play.says(Act.APPROVE, "cleo")
    play.clock()
    assert in_force(play) == []


def test_policy_and_people_come_before_the_case() -> None:
    people = tuple(map(arbiter, ("ada", "ben", "cleo", "dan", "eve", "finn")))
    with pytest.raises(Conflict, match="no policy"):
        open_case("c1", opened(), None, people, NOW)
    with pytest.raises(Conflict, match="too few"):
        open_case("c1", opened(), POLICY, people[:5], NOW)
    with pytest.raises(Conflict, match="no policy"):
        open_case("c1", opened().model_copy(update={"policy": "v0"}), POLICY, people, NOW)


def test_every_narrower_remedy_that_exists_is_answered_for() -> None:
    play = Play().open().to_notified().clock(days=3)
    with pytest.raises(InvalidInput, match="forward, interstitial, block_url, challenge"):
        play.moves("ada", why_not={})
    with pytest.raises(InvalidInput, match="allows challenge at most"):
        play.moves("ada", rule="phishing")
    with pytest.raises(InvalidInput, match="no such rule"):
        play.moves("ada", rule="other")
    with pytest.raises(InvalidInput, match="not about"):
        play.moves("ada", measure=Measure(remedy=Remedy.CHALLENGE, target=Target(host="other.example.org")))
    whole = Measure(remedy=Remedy.DROP_DNS, target=Target(host=HOST, whole_zone=True))
    with pytest.raises(InvalidInput, match="not about the zone"):
        play.moves("ada", measure=whole)
    with pytest.raises(InvalidInput, match="too long for the public log"):
        play.moves(
            "ada",
            facts="\N{GRINNING FACE}" * 5_000,
            why_not=dict.fromkeys(Remedy, "\N{GRINNING FACE}" * 1_000),
        )
    with pytest.raises(InvalidInput, match="not there yet"):
        play.moves("ada", measure=Measure(remedy=Remedy.NO_CACHE, target=Target(host=HOST)))


def at_motion() -> Play:
    return Play().open().to_notified().clock(days=3).moves("ada")


def test_what_is_signed_counts_once_and_for_one_thing_only() -> None:
    play = at_motion()
    vote = signed(play.statement("ben", Act.APPROVE))
    play(Stated(signed=vote))
    with pytest.raises(Conflict, match="number 1, not 0"):
        play(Stated(signed=vote))
    with pytest.raises(Conflict, match="has spoken"):
        play.says(Act.REJECT, "ben")
    play.says(Act.WITHDRAW, "ben")
    with pytest.raises(Conflict, match="number"):
        play(Stated(signed=vote))
    assert play.case.motion is not None
    with pytest.raises(Conflict, match="nothing to withdraw"):
        play.says(Act.WITHDRAW, "ben")
    play.says(Act.APPROVE, "ben")


@pytest.mark.parametrize(
    "fields",
    [
        {"case": "c2"},
        {"motion": "00" * 32},
        {"number": 1},
        {"impartial": False},
        {"conflict": "My brother."},
        {"at": NOW + timedelta(days=4)},
        {"at": NOW},
        {"arbiter": "mallory"},
    ],
)
def test_a_statement_that_is_not_in_order_is_refused(fields: dict[str, Any]) -> None:
    play = at_motion()
    with pytest.raises((Conflict, InvalidInput)):
        play(Stated(signed=signed(play.statement("ben", Act.APPROVE, **fields))))


def test_another_keys_signature_and_a_changed_statement_are_refused() -> None:
    play = at_motion()
    with pytest.raises(InvalidInput, match="signature is not ben's"):
        play(Stated(signed=signed(play.statement("ben", Act.APPROVE), key_of("mallory"))))
    rejected = signed(play.statement("ben", Act.REJECT))
    approved = rejected.statement.model_copy(update={"act": Act.APPROVE})
    with pytest.raises(InvalidInput, match="signature"):
        play(Stated(signed=rejected.model_copy(update={"statement": approved})))
    made = motion(play.case, "ada", play.now, facts="Something else.")
    with pytest.raises(InvalidInput, match="not on this motion"):
        play(Moved(motion=made, signed=signed(play.statement("ada", Act.MOVE))))


def test_a_signature_withdrawn_before_the_effect_takes_the_decision_with_it() -> None:
    play = Play().open().to_decided().announces()
    play.says(Act.WITHDRAW, "ben").clock(days=10)
    assert phase(play) is Phase.NOTIFIED
    assert in_force(play) == []
    play = Play().open().to_effect()
    with pytest.raises(Conflict, match="has taken effect"):
        play.says(Act.WITHDRAW, "ben")


def test_a_conflict_of_interest_ends_an_arbiters_part() -> None:
    play = at_motion().says(Act.APPROVE, "ben").says(Act.RECUSE, "ben").says(Act.APPROVE, "cleo")
    assert play.case.decision is None
    with pytest.raises(Conflict, match="conflict of interest"):
        play.says(Act.APPROVE, "ben")
    play = Play().open().to_decided().announces().says(Act.RECUSE, "cleo").clock(days=9)
    assert in_force(play) == []


def test_who_is_an_arbiter_no_longer_counts_no_longer() -> None:
    play = Play().open().to_decided().announces()
    play(Left(arbiter="cleo")).clock(days=9)
    assert in_force(play) == []
    with pytest.raises(InvalidInput, match="no arbiter of this case"):
        play.says(Act.APPROVE, "cleo")


def test_a_motion_that_a_quorum_rejects_falls_and_one_that_grows_old_lapses() -> None:
    play = at_motion().says(Act.REJECT, "ben", "cleo", "dan")
    assert play.case.motion is None
    play.moves("eve").clock(days=31)
    with pytest.raises(Conflict, match="lapsed"):
        play.says(Act.APPROVE, "ben")
    play.moves("ada")


def test_effects_are_not_had_by_asking_for_them() -> None:
    play = Play().open().to_decided().announces()
    decision = play.case.decision
    assert decision is not None
    assert decision.motion.measure is not None
    restriction = Restriction(
        id=f"c1-{play.case.seq + 1}", case="c1", measure=decision.motion.measure, since=play.now
    )
    with pytest.raises(Conflict, match="nothing is to take effect"):
        play(TookEffect(decision=decision, restriction=restriction))
    with pytest.raises(Conflict, match="nothing is to be lifted"):
        play(Lifted(restriction="c1-1", why=LiftReason.ENDED))


def test_a_clock_that_goes_back_shortens_nothing() -> None:
    play = Play().open().to_decided()
    play.now -= timedelta(days=3)
    with pytest.raises(Conflict, match="notice period"):
        play.announces(days=2)
    play.now += timedelta(days=3)
    play.announces()


def test_a_case_survives_being_written_and_read() -> None:
    for play in (Play().open().to_effect(), Play().open(opened(Source.ORDER, order=order()))):
        assert Case.model_validate_json(play.case.model_dump_json()) == play.case


def test_opening_twice_and_an_order_without_one_are_refused() -> None:
    play = Play().open()
    with pytest.raises(Conflict):
        play(opened())
    with pytest.raises(InvalidInput):
        Play().open(Opened.model_validate({**opened().model_dump(), "source": "order"}))
