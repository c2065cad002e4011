"""The dockets: a case decided and appealed through the pages alone; who sees what, and what nobody sees."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from rempart.controller.cases.confidences import What
from rempart.controller.console.words import WORDS
from rempart.controller.intents import OPERATOR
from rempart.controller.intents.tokens import Grant
from rempart.governance.deadlines import DeadlineKind
from rempart.governance.register import State
from rempart.governance.waiting import Awaited, OwnersTurn, awaited, possible
from rempart.model.cases import (
    Act,
    Case,
    Category,
    GroundKind,
    LiftReason,
    MotionKind,
    Outcome,
    Phase,
    Source,
)
from rempart.model.cases_events import EVENT, Notified, Triaged
from rempart.model.cases_remedies import Remedy, Target
from rempart.model.permissions import GROUPS_BY_SLUG, ZONE
from rempart.model.sites import Origin
from tests.controller.console.conftest import House, Visitor, bring, enter, fields_of
from tests.governance.cast import HOST

SECRETS = ((What.REPORTER, "Rosa Reporter"), (What.REPORT, "What <b>Rosa</b> wrote."))
MEASURE = {
    "facts": "They call for <script>killings</script>.",
    "remedy": "drop_proxy",
    "rule": "violence",
    "explanation": "It does.",
} | {f"why_not_{one}": "It did not help." for one in ("forward", "challenge", "interstitial", "block_url")}


@dataclass
class Bench:
    """Arbiters at their pages."""

    house: House
    case: str

    def __post_init__(self) -> None:
        self.at: dict[str, Visitor] = {}

    def page(self, name: str) -> Visitor:
        if name not in self.at:
            self.at[name] = enter(self.house, name)
        return self.at[name]

    def says(self, name: str, act: str, **fields: str) -> Any:
        """Choose, download, sign, bring."""
        visitor, path = self.page(name), f"/docket/{self.case}/statement"
        form = fields_of(visitor.get(f"/docket/{self.case}").text, path)
        answer = visitor.post(path, form | {"act": act} | fields)
        if answer.status_code != 200:
            return answer
        return bring(visitor, self.case, fields_of(answer.text, f"/docket/{self.case}/submit"), name)

    def moves(self, name: str, kind: str, **fields: str) -> Any:
        visitor, path = self.page(name), f"/docket/{self.case}/motion"
        form = fields_of(visitor.get(f"{path}?kind={kind}").text, path)
        answer = visitor.post(path, form | fields)
        if answer.status_code != 200:
            return answer
        return bring(visitor, self.case, fields_of(answer.text, f"/docket/{self.case}/submit"), name)

    def state(self) -> Case:
        return self.house.court.docket.get(self.case)


def test_a_case_goes_its_whole_way_through_the_pages(house: House) -> None:
    case = house.court.open(confidential=SECRETS, urls=(f"https://{HOST}/a", "https://other.example/b"))
    owner = enter(house)
    bench = Bench(house, case.id)
    assert owner.get(f"/cases/{case.id}").status_code == 404, "the owner was not told yet"
    assert case.id not in owner.get("/cases").text
    house.court.docket.take(case.id, Triaged(accepted=True, reason="It may be so.", by="operator"))
    house.court.docket.take(case.id, Notified(by="operator"))
    page = owner.get(f"/cases/{case.id}").text
    assert f"https://{HOST}/a" in page
    for unknown in ("Rosa", "wrote", "It may be so.", "https://other.example/b"):
        assert unknown not in page
    assert "The owner may answer" in owner.get("/cases").text
    guard = fields_of(page, f"/cases/{case.id}/answer")
    assert owner.post(f"/cases/{case.id}/answer", guard | {"text": "  "}).status_code == 400
    assert (
        owner.post(f"/cases/{case.id}/answer", guard | {"text": "It was <i>satire</i>."}).status_code == 303
    )
    assert "It was &lt;i&gt;satire&lt;/i&gt;." in owner.get(f"/cases/{case.id}").text

    docket = bench.page("ada").get("/docket").text
    assert "A decision can be proposed" in docket
    page = bench.page("ada").get(f"/docket/{case.id}").text
    assert "What &lt;b&gt;Rosa&lt;/b&gt; wrote." in page
    assert "It was &lt;i&gt;satire&lt;/i&gt;." in page
    assert "Rosa Reporter" not in page
    assert bench.moves("ada", "decision", **MEASURE).status_code == 303
    assert "Your word on a motion" in bench.page("ben").get("/docket").text
    assert "They call for" not in owner.get(f"/cases/{case.id}").text, "what is not announced is not told"
    assert bench.says("ben", "approve").status_code == 400, "without saying that they are impartial"
    assert bench.says("ben", "approve", impartial="yes").status_code == 303
    assert bench.state().phase is Phase.DECIDED
    house.court.announces(bench.state())
    house.court.time(case.policy.notice_s)
    assert bench.state().phase is Phase.IN_EFFECT

    page = owner.get(f"/cases/{case.id}").text
    assert "They call for &lt;script&gt;killings&lt;/script&gt;." in page
    reasons = owner.get(f"/cases/{case.id}/reasons.txt")
    assert reasons.headers["content-disposition"].startswith("attachment")
    assert f"Statement of reasons, case {case.id}" in reasons.text
    assert "Rosa" not in reasons.text
    assert json.loads(owner.get(f"/cases/{case.id}/reasons.json").text)["puid"] == f"{case.id}-decision"
    appeal = fields_of(page, f"/cases/{case.id}/appeal") | {"text": "It was satire after all."}
    assert owner.post(f"/cases/{case.id}/appeal", appeal).status_code == 303
    assert owner.post(f"/cases/{case.id}/appeal", appeal).status_code == 409, "there is one in a case"
    assert "An appeal is to be heard" in bench.page("cleo").get("/docket").text
    assert "An appeal is to be heard" not in bench.page("ada").get("/docket").text, "ada decided it"
    assert bench.moves("cleo", "appeal", outcome="reversed", facts="It was.").status_code == 303
    assert bench.says("dan", "approve", impartial="yes").status_code == 303
    house.court.work()
    assert bench.state().phase is Phase.LIFTED
    assert "Lifted" in owner.get("/cases").text
    assert house.controller.register.get(case.id).listed.state is State.LIFTED


def test_what_the_process_does_not_allow_is_said_and_changes_nothing(house: House) -> None:
    case = house.court.to_notified()
    bench = Bench(house, case.id)
    house.court.docket.answer(case.id, "No.")
    before = bench.state()
    for wrong, said in (
        ({"why_not_challenge": ""}, "narrower"),
        ({"rule": "phishing"}, "allows"),
        ({"rule": "", "law": ""}, "a rule of the policy, or a law"),
        ({"facts": ""}, "motion.facts"),
        ({"target": "other.example"}, "is not about"),
        ({"days": "soon"}, "whole number"),
        ({"remedy": "burn"}, "motion.measure.remedy"),
    ):
        answer = bench.moves("ada", "decision", **(MEASURE | wrong))
        assert answer.status_code == 400, wrong
        assert said in answer.text, wrong
        assert 'role="alert"' in answer.text
    for path in ("?kind=appeal", "?kind=nonsense", ""):
        assert "Motion for" not in bench.page("ada").get(f"/docket/{case.id}/motion{path}").text
    assert bench.says("ada", "approve", impartial="yes").status_code == 400, "no motion is open"
    assert bench.says("ada", "recuse").status_code == 400, "which conflict?"
    assert bench.says("ada", "dance").status_code == 400
    assert bench.state() == before
    # A signature of another's key, and one on something else.
    visitor, path = bench.page("ada"), f"/docket/{case.id}/motion"
    form = fields_of(visitor.get(f"{path}?kind=decision").text, path)
    sign = fields_of(visitor.post(path, form | MEASURE).text, f"/docket/{case.id}/submit")
    assert bring(visitor, case.id, sign, "ben").status_code == 400
    assert visitor.post(f"/docket/{case.id}/submit", sign | {"signature": "x"}).status_code == 400
    assert bench.state() == before
    assert bring(visitor, case.id, sign, "ada").status_code == 303
    assert bring(visitor, case.id, sign, "ada").status_code in (400, 409), "a statement is good once"


def test_who_has_no_part_in_a_case_reads_nothing_confidential_of_it(house: House) -> None:
    case = house.court.open(confidential=SECRETS)
    bench = Bench(house, case.id)
    assert "Rosa" in bench.page("ada").get(f"/docket/{case.id}").text
    assert bench.says("ada", "recuse", conflict="A friend runs it.").status_code == 303
    page = bench.page("ada").get(f"/docket/{case.id}")
    assert page.status_code == 200
    assert "You have no part in this case" in page.text
    assert "Rosa" not in page.text
    assert case.id not in bench.page("ada").get("/docket").text


def test_a_statement_of_the_command_line_can_be_brought(house: House) -> None:
    from rempart.controller.admin_api.case_messages import Unsigned
    from rempart.governance.canonical import statement_bytes
    from rempart.governance.speaking import statement_of
    from tests.governance.cast import key_of

    case = house.court.open()
    said = statement_of(case, "ada", Act.RECUSE, None, house.clock.now, "A friend runs it.")
    ada = enter(house, "ada")
    fields = fields_of(ada.get(f"/docket/{case.id}").text, f"/docket/{case.id}/submit")
    files = {
        "unsigned_file": ("said.json", Unsigned(statement=said).model_dump_json(indent=2)),
        "signature_file": ("said.sig", key_of("ada").sign(statement_bytes(said))),
    }
    assert ada.post(f"/docket/{case.id}/submit", fields, files=files).status_code == 303
    assert house.court.docket.get(case.id).recused == ("ada",)


def test_an_owner_sees_their_own_cases_and_no_others(house: House) -> None:
    intents = house.controller.intents
    stranger = intents.tokens.find(house.others)
    assert stranger is not None
    intents.zones.create(OPERATOR, "other.example", account_id=stranger.account_id)
    intents.zones.create(OPERATOR, "sub.example.org", account_id=stranger.account_id)
    mine = house.court.to_notified()
    both = house.court.open(
        targets=(Target(host=HOST), Target(host="www.other.example")),
        urls=(f"https://{HOST}/mine", "https://www.other.example/theirs"),
    )
    below = house.court.open(targets=(Target(host="a.sub.example.org"),))
    zone = house.court.open(targets=(Target(host="example.org", whole_zone=True),))
    for one in (both, below, zone):
        house.court.docket.take(one.id, Triaged(accepted=True, reason="So.", by="operator"))
        house.court.docket.take(one.id, Notified(by="operator"))
    house.court.docket.answer(both.id, "What one of them wrote.")
    owner, other = enter(house), enter(house, token=house.others)
    seen = {name: visitor.get("/cases").text for name, visitor in (("owner", owner), ("other", other))}
    for case, whose in ((mine, "owner"), (both, "owner other"), (below, "other"), (zone, "owner other")):
        for name, visitor in (("owner", owner), ("other", other)):
            expected = name in whose.split()
            assert (case.id in seen[name]) is expected, (case.targets, name)
            assert visitor.get(f"/cases/{case.id}").status_code == (200 if expected else 404)
    page = owner.get(f"/cases/{both.id}").text
    assert f"https://{HOST}/mine" in page
    for foreign in ("other.example", "What one of them wrote."):
        assert foreign not in page
    guard = fields_of(owner.get(f"/cases/{mine.id}").text, f"/cases/{mine.id}/answer")
    assert owner.post(f"/cases/{below.id}/answer", guard | {"text": "x"}).status_code == 404
    assert owner.get(f"/cases/{below.id}/reasons.txt").status_code == 404
    assert owner.get(f"/cases/{mine.id}/reasons.txt").status_code == 409


def test_a_token_for_one_zone_reads_it_and_one_that_may_only_read_does_not_answer(house: House) -> None:
    case = house.court.to_notified()
    intents = house.controller.intents
    zone = intents.zones.list().items[0]
    more = intents.zones.create(OPERATOR, "more.example", account_id=zone.account_id).value

    def token(slug: str, zone_id: str) -> str:
        grant = Grant(groups=(GROUPS_BY_SLUG[slug].id,), resources=(f"{ZONE}.{zone_id}",))
        return intents.tokens.create(OPERATOR, zone.account_id, slug, grants=(grant,)).value.secret

    elsewhere = enter(house, token=token("zone:edit", more.id))
    assert elsewhere.get(f"/cases/{case.id}").status_code == 404
    reader = enter(house, token=token("zone:read", zone.id))
    page = reader.get(f"/cases/{case.id}").text
    assert "This token may read only." in page
    guard = fields_of(page, "/sign-out")
    assert reader.post(f"/cases/{case.id}/answer", guard | {"text": "x"}).status_code == 409
    writer = enter(house, token=token("zone:edit", zone.id))
    guard = fields_of(writer.get(f"/cases/{case.id}").text, f"/cases/{case.id}/answer")
    assert writer.post(f"/cases/{case.id}/answer", guard | {"text": "It is mine."}).status_code == 303
    # Nothing of anybody's, and no zone at all.
    assert "There is no case about your zones." in enter(house, token=house.others).get("/cases").text


def test_what_waits_is_what_the_process_takes(house: House) -> None:
    """`possible` says of every motion what the machine would."""
    house.controller.intents.sites.add(OPERATOR, "b.example.org", (Origin(host="203.0.113.8", port=80),))
    case = house.court.to_notified()
    now = house.clock.now
    assert possible(case, "ada", now) == (MotionKind.EMERGENCY, MotionKind.END)
    assert awaited(case, "ada", now) == ()
    house.clock.forward(case.policy.answer_s)
    assert awaited(case, "ada", house.clock.now) == (Awaited.DECIDE,)
    assert awaited(case, "nobody", house.clock.now) == ()
    case = house.court.moves(case.id, "ada", MotionKind.EMERGENCY)
    assert awaited(case, "ada", house.clock.now) == ()
    assert awaited(case, "ben", house.clock.now) == (Awaited.SIGN,)
    assert possible(case, "ben", house.clock.now) == ()
    house.court.says(case.id, Act.APPROVE, "ben")
    house.court.work()
    case = house.court.docket.get(case.id)
    assert awaited(case, "cleo", house.clock.now) == (Awaited.CONFIRM, Awaited.REVIEW)


@pytest.mark.parametrize(
    ("room", "kinds"),
    [
        ("cases.remedy", Remedy),
        ("cases.what", Remedy),
        ("cases.state", State),
        ("cases.phase", Phase),
        ("cases.motion", MotionKind),
        ("cases.ground", GroundKind),
        ("cases.outcome", Outcome),
        ("cases.act", Act),
        ("docket.act", Act),
        ("cases.lift", LiftReason),
        ("cases.category", Category),
        ("cases.source", Source),
        ("cases.deadline", DeadlineKind),
        ("docket.awaited", Awaited),
        ("docket.text", What),
        ("owner.turn", OwnersTurn),
        ("owner.turn_text", OwnersTurn),
        ("owner.send", OwnersTurn),
        ("owner.taken", OwnersTurn),
    ],
)
def test_everything_that_can_be_said_of_a_case_has_words(room: str, kinds: Any) -> None:
    for one in kinds:
        assert f"{room}.{one.value}" in WORDS["en"].texts


def test_every_step_has_words() -> None:
    kinds = EVENT.json_schema()["discriminator"]["mapping"]
    assert len(kinds) > 10
    for kind in kinds:
        assert f"cases.step.{kind}" in WORDS["en"].texts
