"""Steps are in the public log before they have an effect; remedies are whole, and are undone as a whole."""

from __future__ import annotations

import base64
import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from rempart.controller.cases.confidences import What
from rempart.controller.cases.docket import Docket
from rempart.controller.intents import OPERATOR
from rempart.controller.store.tables import RestrictionRow
from rempart.controller.transparency.public_log import PublicLog
from rempart.governance.charter import Adopted, Appointed, Retired
from rempart.governance.log.step import Step as LogStep
from rempart.governance.log.step import sealed_in
from rempart.governance.publishing import BODY, body_of
from rempart.model.cases import Act, MotionKind, Outcome, Phase, Rule
from rempart.model.cases_events import Notified, TookEffect, Triaged, Verified
from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput, NotFound
from rempart.model.log_settings import LogSection
from rempart.model.sites import Origin
from rempart.snapshot.items import RRsetItem, SiteItem
from tests.controller.cases.conftest import QUICK, Court, consented
from tests.controller.intents.conftest import dump, published
from tests.governance.cast import HOST, POLICY, arbiter

EDGE = ("192.0.2.80",)
ORIGIN = ("203.0.113.7",)
CHALLENGE = Measure(remedy=Remedy.CHALLENGE, target=Target(host=HOST))


def answered(court: Court, host: str = HOST) -> tuple[str, ...]:
    item = published(court.intents).get(f"rrset/example.org/{host}/A")
    return item.rrset.rdata if isinstance(item, RRsetItem) else ()


def test_from_report_to_effect_to_reversal_as_visitors_see_it(court: Court) -> None:
    before = published(court.intents)
    id_ = court.found().to_announced().id
    court.time(QUICK.notice_s - 1)
    assert published(court.intents) == before, "while the notice runs the site is protected as before"
    court.time(1)
    assert answered(court) == ORIGIN
    assert f"site/{HOST}" not in published(court.intents)
    court.docket.appeal(id_, "It was satire.")
    court.moves(id_, "cleo", MotionKind.APPEAL, outcome=Outcome.REVERSED)
    court.says(id_, Act.APPROVE, "dan")
    court.work()
    assert court.docket.get(id_).phase is Phase.LIFTED
    assert published(court.intents) == before, "undone, everything is as it was"


def test_every_step_is_in_the_log_and_what_is_not_public_is_sealed(court: Court) -> None:
    id_ = court.found().to_announced().id
    court.time(QUICK.notice_s)
    steps = court.docket.steps(id_)
    assert [one.log_index for one in steps] == list(range(7, 7 + len(steps)))
    for one in steps:
        assert one.log_index is not None
        entry = court.log.step(one.log_index)
        assert (entry.id, entry.kind) == (f"case/{id_}/{one.seq}", one.event.kind)
        if one.public:
            assert entry.public == one.event.model_dump(mode="json")
        else:
            assert entry.public == {}
            assert sealed_in(entry, BODY, body_of(one.event), base64.b64decode(one.salt))
    public = [one.event.kind for one in steps if one.public]
    assert public == ["announced", "took_effect"]


def test_who_reported_is_nowhere_but_under_seal(court: Court) -> None:
    court.found()
    secret = "Jane Q. Reporter <jane@example.net>"
    case = court.open(confidential=((What.REPORTER, secret), (What.REPORT, "They threaten me.")))
    assert "Jane" not in repr(dump(court.store))
    assert "Jane" not in repr(court.log.steps(0, 100))
    assert [one.text for one in court.docket.confidences(case.id)] == ["They threaten me."]
    everything = court.docket.confidences(case.id, with_reporter=True)
    assert {one.what: one.text for one in everything}[What.REPORTER] == secret


class Unreachable:
    """The real log behind a line that can be cut: before the step arrives, or after it did."""

    def __init__(self, court: Court) -> None:
        self.court = court
        self.cut: str = ""

    def append(self, step: LogStep) -> object:
        if self.cut == "before":
            raise EnvironmentLacks("public log", "it cannot be reached")
        appended = self.court.log.append(step)
        if self.cut == "after":
            raise EnvironmentLacks("public log", "the answer was lost")
        return appended


@pytest.fixture
def line(court: Court) -> Unreachable:
    made = Unreachable(court)
    court.docket = Docket(court.intents.context, made)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("cut", ["before", "after"])
def test_what_is_not_in_the_log_has_no_effect(court: Court, line: Unreachable, cut: str) -> None:
    case = court.found().to_announced()
    before = published(court.intents)
    court.clock.forward(QUICK.notice_s)
    line.cut = cut
    for _ in range(3):
        with pytest.raises(EnvironmentLacks):
            court.work()
    assert published(court.intents) == before
    assert court.docket.get(case.id).phase is Phase.ANNOUNCED
    assert "restrictions" in dump(court.store)
    assert dump(court.store)["restrictions"] == []
    with pytest.raises(EnvironmentLacks):
        court.says(case.id, Act.WITHDRAW, "ben")
    line.cut = ""
    court.work()
    assert answered(court) == ORIGIN
    ids = [one.id for one in court.log.steps(0, 100)]
    assert len(ids) == len(set(ids)), "no step is in the log twice"


def test_a_policy_that_the_log_would_not_take_is_refused_at_once(court: Court) -> None:
    case = court.found().to_announced()
    rules = tuple(Rule(id=f"r{at}", title="T", text="x" * 5_000, most=Remedy.FORWARD) for at in range(100))
    long = Adopted(policy=QUICK.model_copy(update={"version": "v2", "rules": rules}))
    before = dump(court.store)
    with pytest.raises(InvalidInput, match="an entry of the log holds"):
        court.docket.charter.amend(consented(court.docket, long, "ada", "ben"))
    assert dump(court.store) == before
    court.time(QUICK.notice_s)
    assert court.docket.get(case.id).phase is Phase.IN_EFFECT


def test_times_run_from_when_the_public_can_know(court: Court, line: Unreachable) -> None:
    """The log is away for longer than the time to answer, and for longer than the notice."""
    id_ = court.found().open().id
    court.docket.take(id_, Triaged(accepted=True, reason="It may be so.", by="operator"))
    line.cut = "before"
    with pytest.raises(EnvironmentLacks):
        court.docket.take(id_, Notified(by="operator"))
    court.clock.forward(QUICK.answer_s)
    line.cut = ""
    court.work()
    with pytest.raises(Conflict, match="may answer until"):
        court.moves(id_, "ada")
    court.clock.forward(QUICK.answer_s)
    court.moves(id_, "ada")
    decided = court.says(id_, Act.APPROVE, "ben")
    line.cut = "before"
    with pytest.raises(EnvironmentLacks):
        court.announces(decided)
    court.clock.forward(QUICK.notice_s)
    line.cut = ""
    court.work()
    assert answered(court) == EDGE
    court.time(QUICK.notice_s - 1)
    assert answered(court) == EDGE, "nobody could read of it before"
    court.docket.appeal(id_, "It was satire.")
    court.moves(id_, "cleo", MotionKind.APPEAL, outcome=Outcome.UPHELD)
    line.cut = "before"
    with pytest.raises(EnvironmentLacks):
        court.says(id_, Act.APPROVE, "dan")
    court.clock.forward(QUICK.notice_s)
    line.cut = ""
    court.work()
    assert answered(court) == EDGE
    court.time(QUICK.notice_s)
    assert answered(court) == ORIGIN


def test_an_emergency_is_not_held_up_by_a_log_that_was_away(court: Court, line: Unreachable) -> None:
    id_ = court.found().open().id
    court.moves(id_, "ada", MotionKind.EMERGENCY)
    line.cut = "before"
    with pytest.raises(EnvironmentLacks):
        court.says(id_, Act.APPROVE, "ben")
    court.clock.forward(3_600)
    line.cut = ""
    court.work()
    assert answered(court) == ORIGIN


def test_a_step_that_the_log_refuses_holds_up_its_own_case_only(court: Court, line: Unreachable) -> None:
    first, second = sorted((court.found().to_announced().id, court.to_announced().id))
    court.clock.forward(QUICK.notice_s)
    line.cut = "before"
    for id_ in (first, second):
        with pytest.raises(EnvironmentLacks):
            court.docket.tick(id_)
    line.cut = ""
    # Somebody else's step stands under the id of the first one's.
    seq = court.docket.get(first).seq + 1
    court.log.append(LogStep(id=f"case/{first}/{seq}", kind="other", at=court.clock.now))
    assert court.docket.resume() == 1
    assert court.docket.get(first).phase is Phase.ANNOUNCED
    assert court.docket.get(second).phase is Phase.IN_EFFECT


def test_a_step_that_comes_before_its_predecessor_in_the_log_has_no_effect(
    court: Court, line: Unreachable, tmp_path: Path
) -> None:
    """The store goes on with a log that began anew."""
    case = court.found().to_announced()
    settings = LogSection(origin="log.example/anew")
    with PublicLog(tmp_path / "anew", tmp_path / "anew-keeping", settings) as anew:
        line.court = dataclasses.replace(court, log=anew)
        court.clock.forward(QUICK.notice_s)
        with pytest.raises(Conflict, match="entry 0 of the log is before"):
            court.docket.tick(case.id)
    assert court.docket.get(case.id).phase is Phase.ANNOUNCED
    assert answered(court) == EDGE


def test_a_refused_step_changes_nothing_and_is_not_logged(court: Court) -> None:
    id_ = court.found().to_notified().id
    before, size = dump(court.store), court.log.size
    with pytest.raises(Conflict, match="may answer"):
        court.moves(id_, "ada")
    with pytest.raises(NotFound):
        court.docket.take("2026-none", Verified(in_force=True, seen=True, observations=()))
    assert dump(court.store) == before
    assert court.log.size == size


def test_nobody_has_a_case_take_effect_by_saying_so(court: Court) -> None:
    case = court.found().to_announced()
    assert case.decision is not None
    restriction = {
        "id": f"{case.id}-{case.seq + 1}", "case": case.id, "measure": CHALLENGE, "since": court.clock.now
    }  # fmt: skip
    with pytest.raises(Conflict):
        court.docket.take(
            case.id, TookEffect.model_validate({"decision": case.decision, "restriction": restriction})
        )


def test_an_owner_who_removes_and_adds_the_site_again_changes_nothing(court: Court) -> None:
    court.found().to_announced(measure=CHALLENGE)
    court.time(QUICK.notice_s)
    court.intents.sites.remove(OPERATOR, HOST)
    court.intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.9", port=80),))
    item = published(court.intents)[f"site/{HOST}"]
    assert isinstance(item, SiteItem)
    assert item.challenge
    zone = court.intents.zones.create(OPERATOR, HOST).value
    assert zone.name == HOST
    item = published(court.intents)[f"site/{HOST}"]
    assert isinstance(item, SiteItem)
    assert item.challenge, "nor does a zone of its own"


def test_a_whole_zone_and_zones_below_it(court: Court) -> None:
    court.intents.sites.add(OPERATOR, "a.b.example.org", (Origin(host="203.0.113.9", port=80),))
    court.intents.zones.create(OPERATOR, "b.example.org")
    before = published(court.intents)
    target = Target(host="example.org", whole_zone=True)
    id_ = court.found().open(targets=(target,)).id
    measure = Measure(remedy=Remedy.DROP_DNS, target=target, days=1)
    court.moves(id_, "ada", MotionKind.EMERGENCY, measure=measure)
    court.says(id_, Act.APPROVE, "ben")
    court.work()
    kinds = {key for key in published(court.intents) if key.split("/")[0] == "site"}
    assert kinds == set()
    assert "zone/b.example.org" in published(court.intents)
    court.time(86_400)
    assert published(court.intents) == before


def test_a_zone_whose_names_are_in_one_above_it(court: Court) -> None:
    """``b.example.org`` is asked for as a zone, and its names are in ``example.org`` here."""
    for host in ("b.example.org", "a.b.example.org"):
        court.intents.sites.add(OPERATOR, host, (Origin(host="203.0.113.9", port=80),))
    before = published(court.intents)
    target = Target(host="b.example.org", whole_zone=True)
    id_ = court.found().open(targets=(target,)).id
    measure = Measure(remedy=Remedy.DROP_DNS, target=target, days=1)
    court.moves(id_, "ada", MotionKind.EMERGENCY, measure=measure)
    court.says(id_, Act.APPROVE, "ben")
    court.work()
    sites = {key for key in published(court.intents) if key.split("/")[0] == "site"}
    assert sites == {f"site/{HOST}"}
    assert [answered(court, host) for host in ("b.example.org", "a.b.example.org", HOST)] == [(), (), EDGE]
    court.time(86_400)
    assert published(court.intents) == before


def test_two_cases_about_one_host_are_lifted_each_by_itself(court: Court) -> None:
    court.found()
    first, second = court.to_announced(measure=CHALLENGE).id, court.to_announced().id
    court.time(QUICK.notice_s)
    court.moves(second, "cleo", MotionKind.END)
    court.says(second, Act.APPROVE, "dan")
    court.work()
    item = published(court.intents)[f"site/{HOST}"]
    assert isinstance(item, SiteItem)
    assert item.challenge
    court.moves(first, "cleo", MotionKind.END)
    court.says(first, Act.APPROVE, "dan")
    court.work()
    item = published(court.intents)[f"site/{HOST}"]
    assert isinstance(item, SiteItem)
    assert not item.challenge


def test_the_emergency_path_is_not_repeated_from_case_to_case(court: Court) -> None:
    court.found()
    first = court.open().id
    court.moves(first, "ada", MotionKind.EMERGENCY)
    court.says(first, Act.APPROVE, "ben")
    court.work()
    assert answered(court) == ORIGIN
    court.time(72 * 3_600)
    assert answered(court) == EDGE
    second = court.open().id
    with pytest.raises(Conflict, match="emergency path was taken"):
        court.moves(second, "ada", MotionKind.EMERGENCY)
    court.clock.forward(timedelta(days=30).total_seconds())
    court.moves(second, "ada", MotionKind.EMERGENCY)


def test_the_emergency_path_is_not_taken_in_two_cases_side_by_side(court: Court) -> None:
    court.found()
    first, second, third = (court.open().id for _ in range(3))
    for id_ in (first, second, third):
        court.moves(id_, "ada", MotionKind.EMERGENCY)
    court.says(first, Act.APPROVE, "ben")
    with pytest.raises(Conflict, match="emergency path was taken"):
        court.says(second, Act.APPROVE, "ben")  # agreed to in the first, if not in effect yet
    court.work()
    with pytest.raises(Conflict, match="emergency path was taken"):
        court.says(third, Act.APPROVE, "ben")
    court.says(third, Act.REJECT, "ben")
    court.time(72 * 3_600)
    assert answered(court) == EDGE


def test_the_bench_is_not_filled_with_friends_once_there_is_a_case(court: Court) -> None:
    court.found()
    charter = court.docket.charter
    assert charter.is_founding()
    court.open()
    assert not charter.is_founding()
    friend = Appointed(arbiter=arbiter("mallory"))
    with pytest.raises(Conflict, match="2 arbiters must consent"):
        charter.amend(friend)
    other = consented(court.docket, Appointed(arbiter=arbiter("grace")), "ada", "ben")
    with pytest.raises(InvalidInput, match="signature"):
        charter.amend(friend.model_copy(update={"consents": other.consents}))
    with pytest.raises(Conflict):
        charter.amend(Adopted(policy=POLICY.model_copy(update={"version": "v2"})))
    agreed = consented(court.docket, friend, "ada", "ben")
    assert charter.amend(agreed).is_active("mallory")
    with pytest.raises((Conflict, InvalidInput)):
        charter.amend(agreed)


def test_who_retires_counts_in_no_case_any_more(court: Court) -> None:
    case = court.found().to_announced()
    court.docket.charter.amend(consented(court.docket, Retired(arbiter="ben"), "ben"))
    with pytest.raises(Conflict, match="no arbiter any more"):
        court.says(case.id, Act.WITHDRAW, "ben")
    court.time(QUICK.notice_s)
    assert court.docket.get(case.id).phase is Phase.NOTIFIED
    assert answered(court) == EDGE
    assert court.docket.due() == ()


def test_cases_are_listed_and_ask_to_be_verified(court: Court) -> None:
    court.found()
    case = court.to_announced()
    assert court.docket.to_verify() == ()
    court.time(QUICK.notice_s)
    assert [one.id for one, _ in court.docket.to_verify()] == [case.id]
    court.docket.verified(case.id, Verified(in_force=True, seen=True, observations=("seen",)))
    assert court.docket.to_verify() == ()
    assert [one.id for one in court.docket.list(phase=Phase.IN_EFFECT).items] == [case.id]
    assert court.docket.list(phase=Phase.CLOSED).items == ()


def test_a_row_that_no_step_wrote_does_not_come_from_here() -> None:
    """Only ``effects`` writes remedies."""
    import subprocess

    found = subprocess.run(
        ["grep", "-rln", "RestrictionRow(", "src/rempart"], capture_output=True, text=True
    ).stdout.split()
    assert sorted(found) == [
        "src/rempart/controller/cases/effects.py",
        "src/rempart/controller/store/tables.py",
    ]
    assert RestrictionRow.__tablename__ == "restrictions"
