"""Who reported is nowhere but under seal: everything that there is, is searched for it."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rempart.controller.bundles.gathering import make
from rempart.controller.delegation import Delegation
from rempart.controller.intents import OPERATOR
from rempart.controller.reporting.reading import Wanted
from rempart.governance.statements import text_of
from rempart.model.cases import Act
from rempart.model.cases_events import Notified
from rempart.node import logs
from tests.controller.cases.conftest import Court
from tests.controller.cloudflare_v4.conftest import Bearers
from tests.controller.reporting.conftest import HOST, URL, WORDS, Desk
from tests.controller.reporting.visitors import ADDRESS, visiting

SECRETS = ("quimby", "jane.quimby", "12 34 56 78", "12345678", "shibboleth")
"""As they are searched for: in lower case."""
OLDEST_FIRST = Wanted(oldest_first=True)
SIGNED = f"{WORDS} Yours, Jane Quimby (jane.quimby@example.net)"
CALLABLE = f"{SIGNED}, call me: 06.12 34 56 78"


def found_in(text: str) -> list[str]:
    return [one for one in SECRETS if one in text.lower()]


def files_with_a_secret(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file there is, its name and its bytes."""
    for path in folder.rglob("*"):
        for one in SECRETS:
            if one in str(path.relative_to(folder)).lower():
                yield path, one
        if path.is_file():
            content = path.read_bytes().lower()
            for one in SECRETS:
                if one.encode() in content:
                    yield path, one


def everything_is_done(desk: Desk) -> tuple[str, list[str]]:
    """Reports by every way, from receipt to a decision in effect; the case, and the references."""
    controller = desk.controller
    references = []
    form = {
        "category": "phishing",
        "urls": URL,
        "explanation": SIGNED,
        "name": "Jane Quimby",
        "email": "jane.quimby@example.net",
        "good_faith": "yes",
    }
    with visiting(controller) as visitors:
        ticket = visitors.ticket()
        desk.seconds[0] += 30
        assert visitors.send(**form, ticket=ticket, files=["jane quimby.png"]).status_code == 201
        notice = {
            **form,
            "urls": [f"{URL}/2"],
            "good_faith": True,
            "category": "privacy",
            "telephone": "+33 6 12 34 56 78",
            "explanation": CALLABLE,
        }
        answer = visitors.call("POST", "/reports", json=notice)
        references.append(answer.json()["reference"])
        assert visitors.send(**{**form, "urls": "https://x.example/"}, ticket="bad").status_code == 400
    with asyncio.Runner() as runner:
        bearers = Bearers(controller, runner)
        sender = bearers.of(bearers.theirs)
        body = {
            "act": "abuse_general",
            "name": "Jane Quimby",
            "email": "jane.quimby@example.net",
            "email2": "jane.quimby@example.net",
            "tele": "+33612345678",
            "company": "Shibboleth",
            "urls": f"{URL}/3",
            "justification": CALLABLE,
            "comments": "From Jane Quimby",
            "owner_notification": "send-anon",
            "host_notification": "send-anon",
        }
        path = f"/accounts/{bearers.theirs}/abuse-reports/abuse_general"
        assert sender.call("POST", path, json=body).status_code == 200
        error = sender.call("POST", path, json={**body, "urls": "https://x.example/"}).text
        assert found_in(error) == []
    first = desk.controller.desk.reading.list(OLDEST_FIRST).items[0]
    case = controller.triage.take_up(first.id, "It may be so.", "operator")
    court = Court(
        controller.docket, controller.intents, controller.log, desk.clock, controller.intents.context.store
    )
    controller.docket.take(case.id, Notified(by="operator"))
    desk.clock.forward(case.policy.answer_s)
    court.moves(case.id, "ada")
    court.announces(court.says(case.id, Act.APPROVE, "ben"))
    controller.triage.tell()
    court.time(case.policy.notice_s)
    controller.triage.tell()
    return case.id, references


def test_nowhere_but_under_seal(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    case_id, references = everything_is_done(desk)
    controller = desk.controller
    account = controller.desk.reading.list(OLDEST_FIRST).items[0].account_id
    reports = controller.desk.reading.of_account(account, OLDEST_FIRST).items
    assert len(reports) == 3

    # The disk: database with its journal, public log, evidence, whatever else there is.
    state = controller.configuration.state
    assert list(files_with_a_secret(state)) == []
    assert any(path.name.startswith("store") for path in state.rglob("*")), "something was searched"

    # What the site reads, by every way.
    with asyncio.Runner() as runner:
        client = Bearers(controller, runner, another="a third").of(account)
        said = []
        for path in ("", *(f"/{one.id}" for one in reports), *(f"/{one.id}/mitigations" for one in reports)):
            said.append(client.call("GET", f"/accounts/{account}/abuse-reports{path}").text)
        said.append(client.call("GET", f"/accounts/{account}/audit_logs").text)
    assert any("password of my bank" in one for one in said), "what was said is there"
    assert [found_in(one) for one in said if found_in(one)] == []

    with visiting(controller) as visitors:
        pages = [visitors.call("GET", f"/reports/{one}").text for one in references]
        secret = controller.intents.tokens.create(OPERATOR, account, "laptop").value.secret
        visitors.sign_in(secret)
        for path in ("/reports/own", *(f"/reports/own/{one.id}" for one in reports)):
            page = visitors.call("GET", path)
            assert page.status_code == 200
            pages.append(page.text)
    assert [found_in(one) for one in pages if found_in(one)] == []

    # The case, its statement, what of it is handed to the owner, and the operator's lists.
    docket = controller.docket
    case = docket.get(case_id)
    views = [
        case.model_dump_json(),
        json.dumps([one.model_dump(mode="json") for one in docket.steps(case_id)]),
        json.dumps([one.model_dump(mode="json") for one in docket.confidences(case_id)]),
        text_of(case),
        json.dumps([one.model_dump(mode="json") for one in reports]),
        *(one.body + one.subject for one in controller.triage.outbox() if one.recipient == "host"),
    ]
    assert [found_in(one) for one in views if found_in(one)] == []
    assert any(f"https://{HOST}/" in one for one in views[-2:])

    # The exit kit, from the words of its case file to the archive's names.
    zone = controller.intents.zones.get("example.org")
    kit = make(controller, OPERATOR, zone, Delegation(), partial=True).octets
    with zipfile.ZipFile(io.BytesIO(kit)) as archive:
        texts = [f"{name}\n{archive.read(name).decode()}" for name in archive.namelist()]
    assert any(case_id in one for one in texts), "the case file is among what is searched"
    assert [found_in(one) for one in texts if found_in(one)] == []

    # What the process prints. And that the search can find: who decides can ask who it was.
    printed = capfd.readouterr()
    assert "abuse report" in printed.out + printed.err
    assert found_in(printed.out + printed.err) == []
    assert ADDRESS not in printed.out + printed.err, "nor from where it came"
    assert found_in(controller.desk.reading.contact(reports[0].id).model_dump_json())
    assert found_in(json.dumps([one.text for one in docket.confidences(case_id, with_reporter=True)]))


def test_arbiters_judge_what_is_said_and_not_who_says_it(desk: Desk) -> None:
    report = desk.take(explanation=SIGNED, details={"comments": "Jane Quimby again"}).report
    with visiting(desk.controller) as visitors:
        visitors.sign_in_arbiter("ada")
        listed = visitors.call("GET", "/reports/waiting")
        assert report.id in listed.text
        page = visitors.call("GET", f"/reports/waiting/{report.id}")
    assert WORDS in page.text
    assert "rempart report triage" in page.text
    assert found_in(listed.text + page.text) == []


def test_an_unexpected_error_does_not_print_who_it_was(
    desk: Desk, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure()  # as the process has it

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("rempart.controller.reporting.desk.likeness", broken)
    with visiting(desk.controller) as visitors:
        body = {
            "category": "phishing",
            "urls": [URL],
            "explanation": SIGNED,
            "name": "Jane Quimby",
            "email": "jane.quimby@example.net",
            "good_faith": True,
        }
        assert visitors.call("POST", "/reports", json=body).status_code == 500
    printed = capfd.readouterr()
    assert "a fault of ours" in printed.out + printed.err
    assert found_in(printed.out + printed.err) == []
    assert list(files_with_a_secret(desk.controller.configuration.state)) == []
