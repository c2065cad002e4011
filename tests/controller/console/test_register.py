"""The register of decisions: what everybody may see, what nobody may, how it is found and checked."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ElementTree
from datetime import timedelta

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from rempart.controller.cases.confidences import What
from rempart.controller.cases.register import Entry, Search
from rempart.controller.store.database import Store
from rempart.controller.store.tables import CaseTargetRow, RegisterRow
from rempart.governance.log.proof import parse_proof
from rempart.governance.register import State
from rempart.model.cases import Act, MotionKind, Outcome
from rempart.model.cases_events import Appealed, Notified, Triaged
from rempart.model.cases_remedies import Measure, Remedy, Target
from tests.controller.console.conftest import House
from tests.governance.cast import HOST, NAMES, arbiter

HOSTILE = "</div><script>alert(1)</script>{{ 7*7 }} & <img src=x onerror=alert(2)>"
ATOM = "{http://www.w3.org/2005/Atom}"


def _found(house: House, **wanted: object) -> list[str]:
    return [one.case for one in house.controller.register.search(Search(**wanted)).items]  # type: ignore[arg-type]


def _parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - our own


def test_a_case_is_public_from_the_notice_of_its_decision_on(house: House) -> None:
    reader = house.visitor()
    case = house.court.to_notified()
    house.clock.forward(case.policy.answer_s)
    house.court.moves(case.id, "ada", facts="What nobody knows yet.")
    decided = house.court.says(case.id, Act.APPROVE, "ben")
    assert reader.get(f"/decisions/{case.id}").status_code == 404
    assert case.id not in reader.get("/decisions").text
    assert case.id not in reader.get("/decisions.atom").text
    house.court.announces(decided)
    page = reader.get(f"/decisions/{case.id}")
    assert page.status_code == 200
    assert "What nobody knows yet." in page.text
    assert case.id in reader.get("/decisions").text
    assert case.id in reader.get("/").text
    assert case.id in reader.get("/decisions.atom").text


def test_what_is_confidential_is_in_no_public_page(house: House) -> None:
    secrets = {What.REPORTER: "Rosa Reporter", What.REPORT: "what-rosa-wrote", What.EVIDENCE: "the-evidence"}
    case = house.court.open(confidential=tuple(secrets.items()), urls=("https://forum.example.org/secret",))
    house.court.docket.take(case.id, Triaged(accepted=True, reason="the-triage", by="operator-olga"))
    house.court.docket.take(case.id, Notified(by="operator-olga"))
    house.court.docket.answer(case.id, "the-answer")
    house.court.moves(case.id, "ada")
    house.court.announces(house.court.says(case.id, Act.APPROVE, "ben"))
    house.court.time(case.policy.notice_s)
    house.court.docket.appeal(case.id, "the-appeal")
    reader = house.visitor()
    index = max(one.index for one in house.controller.register.steps(case.id))
    paths = ["/", "/decisions", "/decisions.atom", f"/decisions/{case.id}"]
    paths += [f"/log/entries/{number}" for number in range(index + 1)]
    paths += [f"/log/proofs/{number}" for number in range(index + 1)]
    for path in paths:
        answer = reader.get(path)
        assert answer.status_code == 200, path
        for secret in (*secrets.values(), "the-triage", "the-answer", "the-appeal", "/secret"):
            assert secret not in answer.text, (path, secret)
    assert "Confidential; sealed as" in reader.get(f"/decisions/{case.id}").text


def test_each_step_is_in_the_log_where_the_page_says(house: House) -> None:
    case = house.in_effect()
    reader = house.visitor()
    steps = house.controller.register.steps(case.id)
    page = reader.get(f"/decisions/{case.id}").text
    assert len(steps) == case.seq
    for step in steps:
        assert f"/log/entries/{step.index}" in page
        entry = reader.get(f"/log/entries/{step.index}").json()
        assert (entry["id"], entry["kind"]) == (f"case/{case.id}/{step.seq}", step.kind)
        assert step.seal is None or (entry["sealed"]["body"] == step.seal and step.seal in page)
        proof = parse_proof(reader.get(f"/log/proofs/{step.index}").content)
        assert proof.index == step.index
        assert json.loads(proof.extra or b"") == entry
    assert str(house.controller.log.key) in page
    assert reader.get("/log/entries/99999").status_code == 404
    assert reader.get("/log/proofs/99999").status_code == 404
    assert reader.get("/log/entries/x").status_code == 400


def test_what_arbiters_wrote_is_text_and_nothing_else(house: House) -> None:
    case = house.in_effect(facts=HOSTILE, why_not=dict.fromkeys(Remedy, HOSTILE))
    reader = house.visitor()
    page = reader.get(f"/decisions/{case.id}").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page
    feed = _parsed(reader.get("/decisions.atom").text)
    assert feed.findtext(f"{ATOM}entry/{ATOM}summary") == HOSTILE


def test_decisions_are_found_by_target_remedy_rule_state_and_day(house: House) -> None:
    first = house.in_effect(measure=Measure(remedy=Remedy.CHALLENGE, target=Target(host=HOST))).id
    day = house.controller.register.get(first).decided_on.replace(hour=0, minute=0)
    house.clock.forward(10 * 86_400)
    second = house.court.to_announced().id
    assert _found(house) == [second, first]
    assert _found(house, remedy=Remedy.CHALLENGE) == [first]
    assert _found(house, state=State.ANNOUNCED) == [second]
    assert _found(house, rule="violence") == [second, first]
    assert _found(house, rule="other") == []
    assert _found(house, until=day + timedelta(days=1)) == [first]
    assert _found(house, since=day + timedelta(days=1)) == [second]
    for text in (
        HOST,
        "FORUM.example.org",
        f"https://{HOST}:443/a?b",
        "example.org",
        "orum",
        f"{HOST}.",
    ):
        assert _found(house, target=text) == [second, first], text
    for text in ("other.org", "um.example.org", "www.forum.example.org", "%", "a..b", "*"):
        assert _found(house, target=text) == [], text
    reader = house.visitor()
    asked = {"target": HOST, "remedy": "challenge", "since": f"{day:%Y-%m-%d}", "until": f"{day:%Y-%m-%d}"}
    page = reader.get("/decisions", params=asked)
    assert first in page.text
    assert second not in page.text
    assert first in reader.get("/decisions.atom", params=asked).text
    for wrong in ({"remedy": "burn"}, {"since": "yesterday"}, {"until": "0001-01-01"}, {"state": "x"}):
        assert reader.get("/decisions", params=wrong).status_code == 400
        assert reader.get("/decisions.atom", params=wrong).status_code == 400
    for odd in ("0", "-1", "x", "9" * 5_000, "²"):
        assert reader.get("/decisions", params={"page": odd}).status_code == 200


def test_a_whole_zone_is_found_by_the_names_in_it(house: House) -> None:
    zone = Target(host="example.org", whole_zone=True)
    case = house.court.open(targets=(zone,))
    house.court.moves(
        case.id, "ada", MotionKind.EMERGENCY, measure=Measure(remedy=Remedy.CHALLENGE, target=zone)
    )
    house.court.says(case.id, Act.APPROVE, "ben")
    house.court.work()
    assert _found(house, target="deep.below.example.org") == [case.id]
    assert _found(house, target="example.com") == []
    assert "the zone example.org" in house.visitor().get("/decisions").text


def test_pages_follow_each_other_and_none_is_shown_twice(house: House) -> None:
    entries: list[Entry] = []
    with house.court.store.writing() as session:
        for number in range(45):
            made = RegisterRow(
                case_id=f"2026-{number:010d}", host="a.example", reversed_name="example.a", path=None,
                whole_zone=False, remedy="challenge", rule="violence", state="closed",
                decided_on=house.clock.now + timedelta(minutes=number), changed_on=house.clock.now,
            )  # fmt: skip
            session.add(made)
    for page in (1, 2, 3):
        entries += house.controller.register.search(page=page).items
    assert len({one.case for one in entries}) == 45
    assert [one.decided_on for one in entries] == sorted((one.decided_on for one in entries), reverse=True)
    reader = house.visitor()
    assert (
        'rel="next" href="/decisions?state=closed&amp;page=2"' in reader.get("/decisions?state=closed").text
    )
    last = reader.get("/decisions?page=3").text
    assert 'rel="next"' not in last
    assert "Page 3 of 3" in last


def test_the_state_follows_the_case(house: House) -> None:
    case = house.in_effect()
    register = house.controller.register

    def state() -> State:
        return register.get(case.id).listed.state

    assert state() is State.IN_EFFECT
    house.court.docket.appeal(case.id, "It was satire.")
    house.court.moves(case.id, "cleo", MotionKind.APPEAL, outcome=Outcome.REVERSED)
    house.court.says(case.id, Act.APPROVE, "dan")
    house.court.work()
    assert state() is State.LIFTED
    page = house.visitor(**{"accept-language": "fr"}).get(f"/decisions/{case.id}").text
    assert "Annulée sur recours." in page
    assert isinstance(house.court.docket.steps(case.id)[-4].event, Appealed)


def test_policies_and_arbiters_are_shown_with_what_verifies_them(house: House) -> None:
    reader = house.visitor()
    assert "Incitement to violence" in reader.get("/policies/v1").text
    assert "/policies/v1" in reader.get("/policies").text
    assert reader.get("/policies/none").status_code == 404
    page = reader.get("/arbiters").text
    for name in NAMES:
        assert arbiter(name).key in page.replace("&#43;", "+")
        key = load_pem_public_key(reader.get(f"/arbiters/{name}.pem").content)
        assert base64.b64encode(key.public_bytes_raw()).decode() == arbiter(name).key  # type: ignore[union-attr]
    assert reader.get("/arbiters/nobody.pem").status_code == 404
    log = reader.get("/log").text
    assert f"rempart log verify https://localhost/tlog --key '{house.controller.log.key}'" in log


def test_the_feed_is_one(house: House) -> None:
    case = house.in_effect()
    answer = house.visitor(**{"accept-language": "fr"}).get("/decisions.atom")
    assert answer.headers["content-type"] == "application/atom+xml"
    feed = _parsed(answer.text)
    assert feed.tag == f"{ATOM}feed"
    assert feed.find(f"{ATOM}updated") is not None
    [entry] = feed.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}id") == f"https://localhost/decisions/{case.id}"
    assert entry.findtext(f"{ATOM}title") == f"{HOST} – Protection levée (En vigueur)"
    assert entry.findtext(f"{ATOM}updated") == f"{case.last_at:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("remedy", [Remedy.DROP_PROXY, Remedy.CHALLENGE])
def test_an_older_store_gets_the_same_register(house: House, remedy: Remedy) -> None:
    house.in_effect(measure=Measure(remedy=remedy, target=Target(host=HOST)))
    house.court.open(targets=(Target(host="*.example.org"), Target(host="b.example", whole_zone=True)))

    def all_of() -> list[tuple[object, ...]]:
        found = []
        for table in (RegisterRow, CaseTargetRow):
            with house.court.store.reading() as session:
                rows = session.execute(sa.select(table.__table__)).all()
                found += sorted(tuple(row) for row in rows)
        return found

    before = all_of()
    assert len(before) == 4
    with house.court.store.writing() as session:
        later = ("report_letters", "report_files", "abuse_reports")
        for table in ("register", "case_targets", *later):
            session.execute(sa.text(f"DROP TABLE {table}"))
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0005'"))
    Store.open(house.controller.configuration).close()
    assert all_of() == before
