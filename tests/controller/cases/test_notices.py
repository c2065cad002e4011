"""From the notice of a remedy that sends names away, answers are short-lived; what the owner wrote stays."""

from __future__ import annotations

import pytest

from rempart.controller.bundles.case_file import CaseFile, files_about, is_about
from rempart.controller.cases.confidences import What
from rempart.controller.intents import OPERATOR
from rempart.model.cases import Act, Case, MotionKind, Outcome, Phase
from rempart.model.cases_events import Notified, Triaged
from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.records import RecordDraft, RecordType
from rempart.snapshot.build import LEAVING_TTL, NS_TTL
from rempart.snapshot.items import RRsetItem
from tests.controller.cases.conftest import QUICK, Court
from tests.controller.intents.conftest import published
from tests.governance.cast import HOST

ZONE = "example.org"
DAY = 86_400


def ttls(court: Court) -> dict[str, int]:
    return {
        f"{item.rrset.name} {item.rrset.type}": item.rrset.ttl
        for item in published(court.intents).values()
        if isinstance(item, RRsetItem)
    }


@pytest.fixture
def lasting(court: Court) -> Court:
    """The zone has records that may be remembered for a day, at the host and beside it."""
    zone = court.intents.zones.get(ZONE)
    for name in (HOST, f"other.{ZONE}"):
        draft = RecordDraft(type=RecordType.TXT, name=f"{name}.", content='"x"', ttl=DAY)
        court.intents.records.create(OPERATOR, zone.id, draft)
    return court.found()


def test_a_host_that_is_to_go_is_remembered_for_minutes_from_the_notice_on(lasting: Court) -> None:
    before = ttls(lasting)
    assert before[f"{HOST} TXT"] == DAY
    case = lasting.to_announced()
    assert ttls(lasting) == {**before, f"{HOST} TXT": LEAVING_TTL}
    (record, _) = lasting.intents.records.export(lasting.intents.zones.get(ZONE).id)
    assert record.ttl == DAY
    lasting.time(QUICK.notice_s)
    assert lasting.docket.get(case.id).phase is Phase.IN_EFFECT
    in_force = ttls(lasting)
    assert max(ttl for name, ttl in in_force.items() if name.startswith(f"{HOST} ")) == LEAVING_TTL
    lasting.docket.appeal(case.id, "It was satire.")
    lasting.moves(case.id, "cleo", MotionKind.APPEAL, outcome=Outcome.REVERSED)
    lasting.says(case.id, Act.APPROVE, "dan")
    lasting.work()
    assert ttls(lasting) == before


def test_a_zone_that_is_to_go_is_remembered_for_minutes_in_all_its_names(lasting: Court) -> None:
    whole = Measure(remedy=Remedy.DROP_DNS, target=Target(host=ZONE, whole_zone=True))
    assert ttls(lasting)[f"{ZONE} NS"] == NS_TTL
    names = set(ttls(lasting))
    case = announced(lasting, whole)
    assert set(ttls(lasting)) == names, "it goes on being answered"
    assert set(ttls(lasting).values()) == {LEAVING_TTL}
    lasting.time(QUICK.notice_s - 1)
    assert set(ttls(lasting)) == names
    lasting.time(1)
    assert lasting.docket.get(case.id).phase is Phase.IN_EFFECT
    assert f"{HOST} TXT" not in ttls(lasting)


def test_a_challenge_sends_nobody_away(lasting: Court) -> None:
    before = ttls(lasting)
    announced(lasting, Measure(remedy=Remedy.CHALLENGE, target=Target(host=HOST)))
    assert ttls(lasting) == before


def test_what_is_reversed_before_its_effect_is_as_it_was(lasting: Court) -> None:
    before = ttls(lasting)
    case = lasting.to_announced()
    lasting.docket.appeal(case.id, "It was satire.")
    lasting.moves(case.id, "cleo", MotionKind.APPEAL, outcome=Outcome.REVERSED)
    lasting.says(case.id, Act.APPROVE, "dan")
    lasting.work()
    assert ttls(lasting) == before


def announced(court: Court, measure: Measure) -> Case:
    targets = (measure.target,)
    id_ = court.open(targets=targets).id
    court.docket.take(id_, Triaged(accepted=True, reason="It may be so.", by="operator"))
    court.docket.take(id_, Notified(by="operator"))
    court.clock.forward(QUICK.answer_s)
    court.moves(id_, "ada", measure=measure)
    return court.announces(court.says(id_, Act.APPROVE, "ben"))


# --- the case file -----------------------------------------------------------------------------------

REPORTER = "Jane Q. Reporter <jane@example.net>"
REPORTED = "They threaten me at my own flat in Gasse 7."
EVIDENCE = "a letter with my signature: J. Reporter"
SEEN = f"https://{HOST}/board?viewer=jane"


def case_file(court: Court, id_: str) -> CaseFile:
    docket = court.docket
    return CaseFile(
        case=docket.get(id_), steps=docket.steps(id_), confidences=docket.confidences(id_, with_reporter=True)
    )


def reported(court: Court) -> str:
    confidential = ((What.REPORTER, REPORTER), (What.REPORT, REPORTED), (What.EVIDENCE, EVIDENCE))
    return court.found().open(confidential=confidential, urls=(SEEN,)).id


def test_the_case_file_tells_everything_but_who_reported(court: Court) -> None:
    id_ = reported(court)
    assert files_about([case_file(court, id_)], ZONE) == [], "not told yet"
    court.docket.take(id_, Triaged(accepted=True, reason="Jane wrote us of it.", by="jane"))
    assert files_about([case_file(court, id_)], ZONE) == []
    court.docket.take(id_, Notified(by="operator"))
    court.docket.answer(id_, "It was satire.")
    court.clock.forward(QUICK.answer_s)
    court.moves(id_, "ada")
    court.announces(court.says(id_, Act.APPROVE, "ben"))
    files = {one.path: one.content.decode() for one in files_about([case_file(court, id_)], ZONE)}
    assert set(files) == {f"cases/{id_}.json", f"cases/{id_}-reasons.txt"}
    for text in files.values():
        for secret in ("Jane", "jane", "Reporter", "Gasse", "signature: J", "viewer"):
            assert secret not in text
    assert "It was satire." in files[f"cases/{id_}.json"]
    assert "What was seen." in files[f"cases/{id_}-reasons.txt"]
    assert files_about([case_file(court, id_)], "example.net") == []


def test_a_case_is_about_a_zone_when_one_of_its_targets_is(court: Court) -> None:
    court.found()
    elsewhere = court.open(targets=(Target(host="example.net"), Target(host=f"a.b.{ZONE}")))
    assert is_about(elsewhere, ZONE)
    assert is_about(elsewhere, f"b.{ZONE}")
    assert not is_about(elsewhere, f"c.{ZONE}")
    assert is_about(court.open(targets=(Target(host="org", whole_zone=True),)), ZONE)
