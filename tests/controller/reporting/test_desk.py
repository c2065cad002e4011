"""Reports as they are taken, passed on, worked on and told of."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from typing import Any

import pytest

from rempart.controller.cases.confidences import What
from rempart.controller.intents import OPERATOR
from rempart.controller.intents.audit import AuditFilter
from rempart.controller.reporting.desk import reference_digest, settings_of
from rempart.controller.reporting.doorkeeping import Stranger
from rempart.controller.reporting.reading import Wanted
from rempart.governance.reports import proof
from rempart.governance.reports.outcomes import Stage
from rempart.model.abuse_reports import AnswerKind, Denial, Evidence, Standing
from rempart.model.cases import Act, Phase
from rempart.model.cases_events import Moved, Notified, Stated
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput, NotFound, TooMany
from rempart.model.sites import Origin
from tests.controller.cases.conftest import Court
from tests.controller.reporting.conftest import HOST, JANE, URL, WORDS, Desk


def test_a_report_is_received_passed_on_and_followed_by_its_reference(desk: Desk) -> None:
    receipt = desk.take()
    report = receipt.report
    assert report.urls == (URL,)
    assert (report.site, report.zone, report.anonymous) == (HOST, "example.org", True)
    assert report.forwarded_at is not None
    assert not receipt.same_as_another
    assert len(receipt.reference) == 32
    reading = desk.controller.desk.reading
    followed = reading.by_reference(reference_digest(receipt.reference))
    assert followed.report.id == report.id
    assert followed.told.stage is Stage.FORWARDED
    with pytest.raises(NotFound, match="reference"):
        reading.by_reference(reference_digest("x" * 32))
    seen = reading.for_site(report.account_id, report.id)
    assert (seen.content.explanation, seen.contact, seen.times_reported) == (WORDS, None, 1)


def test_what_is_not_served_here_is_said_clearly_and_kept_nowhere(desk: Desk) -> None:
    for host in ("other.example.net", "unknown.example.org", "x.forum.example.org"):
        with pytest.raises(InvalidInput, match="not served here") as caught:
            desk.take(urls=[f"https://{host}/"])
        assert caught.value.field == "urls"
    assert desk.controller.desk.reading.list(Wanted()).total == 0


def test_names_that_only_our_dns_serves_and_wildcards(desk: Desk) -> None:
    assert desk.take(urls=["https://direct.example.org/"]).report.site == "direct.example.org"
    desk.controller.intents.sites.add(OPERATOR, "*.pages.example.org", (Origin(host="203.0.113.8", port=80),))
    found = desk.take(urls=["https://joe.pages.example.org/x"]).report
    assert (found.host, found.site) == ("joe.pages.example.org", "*.pages.example.org")


def test_files_are_hashed_sealed_and_for_the_controller_alone(desk: Desk) -> None:
    content = b"a picture of the page, with a word to look for: SHIBBOLETH"
    file = Evidence(name="jane-quimby.png", media_type="image/png", content=content)
    report = desk.take(evidence=[file]).report
    (kept,) = report.files
    assert (kept.size, kept.media_type, len(kept.sha256)) == (len(content), "image/png", 64)
    folder = desk.controller.configuration.paths.evidence / report.id
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b"SHIBBOLETH" not in path.read_bytes()
    assert desk.controller.triage.file(report.id, 1) == content
    assert desk.controller.desk.reading.whole(report.id).file_names == ("jane-quimby.png",)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(EnvironmentLacks):
        desk.controller.triage.file(report.id, 1)
    with pytest.raises(NotFound):
        desk.controller.triage.file(report.id, 2)
    many = [file] * 6
    with pytest.raises(InvalidInput, match="5 files at most"):
        desk.take(evidence=many)
    big = file.model_copy(update={"content": b"x" * (5 * 2**20 + 1)})
    with pytest.raises(InvalidInput, match="at most are taken"):
        desk.take(evidence=[big])
    assert len(list(desk.controller.configuration.paths.evidence.iterdir())) == 1


def test_a_repeat_and_an_addition_go_the_way_of_the_first(desk: Desk) -> None:
    first = desk.take().report
    again = desk.take()
    assert again.same_as_another
    assert (again.report.standing, again.report.denial) == (Standing.REFUSED, Denial.DUPLICATE)
    joe = {"name": "Joe", "email": "joe@example.net"}
    added = desk.take(contact=joe, explanation="It looks like the page of my bank, too.")
    assert added.report.same_as == first.id
    assert added.report.standing is Standing.RECEIVED
    reading = desk.controller.desk.reading
    assert [one.id for one in reading.of_account(first.account_id, Wanted()).items] == [first.id]
    assert reading.for_site(first.account_id, first.id).times_reported == 2
    assert set(reading.whole(first.id).same) == {again.report.id, added.report.id}
    assert [one.id for one in reading.list(Wanted(waiting=True)).items] == [first.id]
    with pytest.raises(Conflict, match="goes the way"):
        desk.controller.triage.settle(added.report.id, "")
    case = desk.controller.triage.take_up(first.id, "It may be so.", "operator")
    for one in (again, added):
        told = reading.by_reference(reference_digest(one.reference)).told
        assert (told.stage, told.same_as_another) == (Stage.EXAMINED, True)
    assert {one.id for one in reading.of_case(case.id)} == {first.id, added.report.id}


def test_a_bad_report_that_is_refused_takes_nobody_with_it(desk: Desk) -> None:
    bad = desk.take(explanation="I do not like this site, take it away.").report
    joe = {"name": "Joe", "email": "joe@example.net"}
    good = desk.take(contact=joe)
    assert good.report.same_as == bad.id
    desk.controller.triage.refuse(bad.id, Denial.NO_ABUSE, "Dislike is no reason.")
    found = desk.controller.desk.reading.get(good.report.id)
    assert (found.same_as, found.standing) == (None, Standing.RECEIVED)
    assert found.forwarded_at is not None, "the site hears of the good one now"
    told = desk.controller.desk.reading.by_reference(reference_digest(good.reference)).told
    assert told.stage is Stage.FORWARDED


def test_what_would_warn_the_site_waits_for_a_person(desk: Desk) -> None:
    report = desk.take(category="threats", contact={}, anonymous=False).report
    assert (report.held, report.forwarded_at, report.anonymous) == (True, None, True)
    reading = desk.controller.desk.reading
    assert reading.of_account(report.account_id, Wanted()).total == 0
    with pytest.raises(NotFound):
        reading.for_site(report.account_id, report.id)
    with pytest.raises(NotFound):
        desk.controller.triage.answer(report.id, AnswerKind.DISPUTED, "No.", report.account_id)
    assert desk.controller.triage.release(report.id).forwarded_at is not None
    with pytest.raises(Conflict, match="already"):
        desk.controller.triage.release(report.id)


def test_a_report_becomes_a_case_and_both_know_of_each_other(desk: Desk) -> None:
    file = Evidence(name="x.png", media_type="image/png", content=b"png")
    receipt = desk.take(evidence=[file])
    docket, reading = desk.controller.docket, desk.controller.desk.reading
    case = desk.controller.triage.take_up(receipt.report.id, "It may be so.", "operator")
    assert case.phase is Phase.TRIAGED
    found = reading.get(receipt.report.id)
    assert (found.standing, found.case_id) == (Standing.CASE, case.id)
    assert [one.id for one in reading.of_case(case.id)] == [found.id]
    kept = {one.what: one.text for one in docket.confidences(case.id, with_reporter=True)}
    assert JANE["email"] in kept[What.REPORTER]
    assert WORDS in kept[What.REPORT]
    assert found.files[0].sha256 in kept[What.EVIDENCE]
    with pytest.raises(Conflict, match="decided"):
        desk.controller.triage.take_up(found.id, "Again.", "operator")
    other = desk.take(urls=[f"https://{HOST}/thread/8"], explanation=f"{WORDS} Another page.").report
    assert desk.controller.triage.join(other.id, case.id).case_id == case.id
    elsewhere = desk.take(urls=["https://direct.example.org/"]).report
    with pytest.raises(Conflict, match="not about"):
        desk.controller.triage.join(elsewhere.id, case.id)


def test_without_a_policy_a_report_stays_what_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    report = desk.take().report

    def full(*_: Any) -> Any:
        raise EnvironmentLacks("public log", "the disk is full")

    monkeypatch.setattr(desk.controller.docket, "_log", type("Full", (), {"append": full})())
    with pytest.raises(EnvironmentLacks):
        desk.controller.triage.take_up(report.id, "It may be so.", "operator")
    linked = desk.controller.desk.reading.get(report.id)
    assert linked.case_id is not None, "the case is intended, and linked in the same write"
    told = desk.controller.desk.reading.told(report.id)
    assert told.stage is Stage.EXAMINED
    monkeypatch.undo()
    assert desk.controller.docket.resume() == 0 or desk.controller.docket.get(linked.case_id)


def test_the_site_answers_and_how_fast_is_measured(desk: Desk) -> None:
    report = desk.take().report
    triage, reading = desk.controller.triage, desk.controller.desk.reading
    desk.clock.forward(3_600)
    with pytest.raises(NotFound):
        triage.answer(report.id, AnswerKind.REMOVED, "Gone.", "another-account")
    found = triage.answer(report.id, AnswerKind.LOOKING, "We look into it.", report.account_id)
    desk.clock.forward(3_600)
    triage.answer(report.id, AnswerKind.REMOVED, "It is gone.", report.account_id)
    now = reading.get(report.id)
    assert (now.answered_at, now.answer) == (found.answered_at, AnswerKind.REMOVED)
    assert reading.whole(report.id).answer == "We look into it.\n\nIt is gone."
    desk.take(urls=[f"https://{HOST}/other"], explanation=f"{WORDS} And here.")
    desk.clock.forward(25 * 3_600)
    seen = reading.answering(site=HOST)
    assert (seen.forwarded, seen.answered, seen.median_s, seen.overdue) == (2, 1, 3_600, 1)
    assert reading.answering(account_id="another-account").forwarded == 0
    triage.settle(report.id, "The site has removed it.")
    assert reading.told(report.id).stage is Stage.SETTLED


def test_letters_are_written_and_mailed_by_nobody(desk: Desk) -> None:
    receipt = desk.take(language="fr")
    triage = desk.controller.triage
    to_host, to_reporter = sorted(triage.outbox(), key=lambda one: one.recipient)
    assert to_reporter.to == JANE["email"]
    assert receipt.reference in to_reporter.body
    assert "de bonne foi" in to_reporter.body
    assert to_host.to == "abuse@host.example"
    assert URL in to_host.body
    assert "203.0.113.7" in to_host.body
    assert "Quimby" not in to_host.body
    mail = to_host.as_mail("desk@rempart.example").decode()
    assert "To: abuse@host.example\r\n" in mail
    assert desk.controller.desk.reading.get(receipt.report.id).host_told_at is None
    triage.sent(to_host.id)
    assert desk.controller.desk.reading.get(receipt.report.id).host_told_at is not None
    assert [one.id for one in triage.outbox()] == [to_reporter.id]
    desk.clock.forward(1)
    triage.refuse(receipt.report.id, Denial.NO_ABUSE, "Ce n’est qu’un forum.")
    assert (triage.tell(), triage.tell()) == (1, 0)
    outcome = triage.outbox()[-1]
    assert (outcome.about, outcome.to) == (Stage.REFUSED, JANE["email"])
    assert "Ce n’est qu’un forum." in outcome.body
    assert "art. 21" in outcome.body


def test_what_people_do_is_recorded_and_so_is_asking_who_it_was(desk: Desk) -> None:
    report = desk.take(category="threats").report
    triage = desk.controller.triage
    assert triage.who_reported(report.id).name == JANE["name"]
    triage.release(report.id)
    triage.refuse(report.id, Denial.NO_ABUSE, "")
    entries = desk.controller.intents.audit.list(AuditFilter(), page=1, per_page=50).items
    done = [one.action for one in entries if one.subject == report.id]
    assert sorted(done) == ["report.refuse", "report.release", "report.who"]
    assert all("Jane" not in one.model_dump_json() for one in entries)
    ours = AuditFilter(account_id=report.account_id)
    theirs = desk.controller.intents.audit.list(ours, page=1, per_page=50).items
    assert report.id not in [one.subject for one in theirs], "the site does not see who is asked about"


def test_reporters_follow_their_reports_at_the_operators_own_host() -> None:
    given: dict[str, Any] = {"state": "/tmp/x", "operator_host": "abuse.example.org"}
    assert settings_of(Configuration.model_validate(given)).status_url == "https://abuse.example.org/reports"
    edge = {"edge": {"https_port": 8443}}
    found = settings_of(Configuration.model_validate({**given, **edge}))
    assert found.status_url == "https://abuse.example.org:8443/reports"
    said = {"reports": {"status_url": "https://else.example/r"}}
    assert settings_of(Configuration.model_validate({**given, **said})).status_url == "https://else.example/r"
    assert settings_of(Configuration.model_validate({"state": "/tmp/x"})).status_url is None


def test_who_wants_to_be_named_is(desk: Desk) -> None:
    report = desk.take(anonymous=False, category="copyright", details={"original_work": "My book"}).report
    seen = desk.controller.desk.reading.for_site(report.account_id, report.id)
    assert seen.contact is not None
    assert seen.contact.name == JANE["name"]
    assert seen.content.details == {"original_work": "My book"}
    (letter,) = (one for one in desk.controller.triage.outbox() if one.recipient == "host")
    assert JANE["email"] in letter.body


def test_the_reporter_hears_of_a_decision_once_the_public_does(desk: Desk) -> None:
    receipt = desk.take()
    controller = desk.controller
    case = controller.triage.take_up(receipt.report.id, "It may be so.", "operator")
    court = Court(
        controller.docket, controller.intents, controller.log, desk.clock, controller.intents.context.store
    )
    controller.docket.take(case.id, Notified(by="operator"))
    desk.clock.forward(case.policy.answer_s)
    court.moves(case.id, "ada")
    decided = court.says(case.id, Act.APPROVE, "ben")
    told = controller.desk.reading.told(receipt.report.id)
    assert (told.stage, told.case) == (Stage.EXAMINED, None)
    assert controller.triage.tell() == 0
    announced = court.announces(decided)
    told = controller.desk.reading.told(receipt.report.id)
    assert (told.stage, told.case, told.effective_at) == (Stage.DECIDED, case.id, announced.effective_at)
    assert controller.triage.tell() == 1
    court.time(case.policy.notice_s)
    assert controller.desk.reading.told(receipt.report.id).stage is Stage.IN_EFFECT
    assert isinstance(controller.docket.steps(case.id)[3].event, Moved | Stated)


class TestFloods:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"per_source": 2, "per_target": 3, "in_all": 4}

    def test_one_source(self, desk: Desk) -> None:
        for number in range(2):
            desk.take(Stranger("192.0.2.7"), urls=[f"{URL}/{number}"])
        with pytest.raises(TooMany) as caught:
            desk.take(Stranger("192.0.2.200"), urls=[f"{URL}/9"])
        assert caught.value.retry_after_s == pytest.approx(1_800)
        desk.seconds[0] += 1_801
        desk.take(Stranger("192.0.2.200"), urls=[f"{URL}/9"])

    def test_one_site_waits_for_a_person(self, desk: Desk) -> None:
        held = [
            desk.take(Stranger(f"192.0.{n}.1"), urls=[f"{URL}/{n}"], explanation=f"{WORDS} {n}").report.held
            for n in range(4)
        ]
        assert held == [False, False, False, True]

    def test_everybody_shows_that_it_is_meant(self, desk: Desk) -> None:
        for n in range(4):
            desk.take(Stranger(f"192.0.{n}.1"), urls=[f"{URL}/{n}"])
        with pytest.raises(TooMany) as caught:
            desk.take(Stranger("198.51.100.1"))
        ticket = caught.value.ticket
        assert ticket is not None
        with pytest.raises(TooMany):
            desk.take(Stranger("198.51.100.1", ticket, "0"))
        work = next(f"{n:x}" for n in range(2**26) if proof.is_work(ticket, f"{n:x}"))
        desk.take(Stranger("198.51.100.1", ticket, work))
        with pytest.raises(Conflict, match="already"):
            desk.take(Stranger("198.51.101.1", ticket, work))

    def test_a_form_waits_instead(self, desk: Desk) -> None:
        for n in range(4):
            desk.take(Stranger(f"192.0.{n}.1"), urls=[f"{URL}/{n}"])
        ticket = desk.controller.desk.door.ticket()
        with pytest.raises(TooMany, match="so fast"):
            desk.take(Stranger("198.51.100.1", ticket, form=True))
        desk.seconds[0] += 5
        with pytest.raises(TooMany, match="meant"):
            desk.take(Stranger("198.51.100.1", ticket, form=True))
        desk.seconds[0] += proof.WAIT_S
        desk.take(Stranger("198.51.100.1", ticket, form=True))
        with pytest.raises(Conflict):
            desk.take(Stranger("198.51.100.1", form=True))


def test_who_sent_it_is_forgotten_long_after_the_end(desk: Desk) -> None:
    file = Evidence(name="x.png", media_type="image/png", content=b"png")
    receipt = desk.take(submitter="somebody", evidence=[file])
    evidence = desk.controller.configuration.paths.evidence
    orphan = evidence / "0123456789abcdef"
    orphan.mkdir()
    (orphan / "1").write_bytes(b"of a crash")
    os.utime(orphan, (0, 0))
    triage, reading = desk.controller.triage, desk.controller.desk.reading
    triage.refuse(receipt.report.id, Denial.NO_ABUSE, "")
    triage.tell()
    assert triage.forget() == 0
    assert [one.name for one in evidence.iterdir()] == [receipt.report.id]
    desk.clock.forward(timedelta(days=401).total_seconds())
    assert triage.forget() == 1
    assert reading.contact(receipt.report.id).is_empty
    assert reading.submitted(desk.controller.desk.mark_of("somebody"), Wanted()).total == 0
    assert not [one for one in triage.outbox(sent=True) if one.recipient == "reporter"]
    assert list(evidence.iterdir()) == []
    assert reading.by_reference(reference_digest(receipt.reference)).told.stage is Stage.REFUSED
