"""``rempart report`` as the operator uses it, from a letter that came in to letters that go out."""

from __future__ import annotations

import email
import json
import stat
from email.policy import default
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_case import POLICY

HOST = "forum.example.org"
URL = f"https://{HOST}/thread/7"


@pytest.fixture
def desk(rempart: CommandLine) -> CommandLine:
    rempart("site", "add", HOST, "--origin", "http://192.0.2.1:3000")
    rempart.write("words", "The page asks for the password of my bank.\n")
    rempart.write("jane", "Jane Quimby\njane.quimby@example.net\n+33 6 12 34 56 78\n")
    return rempart


def entered(desk: CommandLine, *more: str, url: str = URL, category: str = "phishing") -> str:
    """A report that came by mail; its id."""
    given = ("--category", category, "--explanation", f"{desk.folder}/words", "--good-faith")
    desk("report", "new", url, *given, "--reporter-file", f"{desk.folder}/jane", *more)
    return str(desk("report", "list", "--json").json()["reports"][0]["id"])


def test_from_a_letter_to_a_case_and_letters_out(desk: CommandLine) -> None:
    for name in ("ada", "ben", "cleo", "dan"):
        public = desk("case", "arbiter", "key", f"{desk.folder}/{name}.pem").out.strip()
        desk("case", "arbiter", "add", name, "--name", name.title(), "--key", public)
    desk("case", "policy", "add", desk.write("policy.json", json.dumps(POLICY)))
    picture = desk.write("shot.txt", "what is to be seen")
    id_ = entered(desk, "--evidence", picture)
    shown = desk("report", "show", id_).out
    assert "password of my bank" in shown
    assert "no answer yet" in shown
    assert "Quimby" not in shown
    assert "jane.quimby@example.net" in desk("report", "show", id_, "--reporter").out
    out = f"{desk.folder}/opened"
    desk("report", "file", id_, "1", out)
    assert Path(out).read_text() == "what is to be seen"
    assert stat.S_IMODE(Path(out).stat().st_mode) == 0o600
    assert "is there already" in desk("report", "file", id_, "1", out, status=2).err
    desk("report", "answer", id_, "disputed", desk.write("said", "It is our own bank."))
    assert "answered 1 of 1 reports" in desk("report", "answering", HOST).out

    taken = desk("report", "triage", id_, "--accept", "--reason", "It may be so.", "--json").json()
    case = desk("case", "show", taken["case_id"], "--json").json()["case"]
    assert (taken["standing"], case["phase"], case["category"]) == ("case", "triaged", "phishing")
    assert f"reports      {id_}" in desk("case", "show", taken["case_id"]).out
    assert f"in case {case['id']}" in desk("report", "list", "--case", case["id"]).out

    letters = {one["recipient"]: one for one in desk("report", "outbox", "--json").json()["letters"]}
    folder = f"{desk.folder}/out"
    assert "mail them" in desk("report", "outbox", "--write", folder).err
    file = Path(folder) / f"{letters['host']['id']}.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    mail = email.message_from_bytes(file.read_bytes(), policy=default)
    assert "rdap" in mail["X-Rempart-Look-Up"]
    assert "Quimby" not in mail.get_content()
    assert URL in mail.get_content()
    desk("report", "sent", *(one["id"] for one in letters.values()))
    assert desk("report", "outbox").err.strip() == "no letters"
    assert "was written to" in desk("report", "show", id_).out


def test_held_released_refused_settled(desk: CommandLine) -> None:
    threat = entered(desk, category="threats")
    assert "held" in desk("report", "list", "--waiting").out
    assert "told" in desk("report", "release", threat).out
    assert "--because" in desk("report", "triage", threat, "--refuse", "--reason", "x", status=2).err
    refused = ("report", "triage", threat, "--refuse", "--because", "no_abuse_found", "--reason", "Satire.")
    assert "refused: no_abuse_found" in desk(*refused).out
    assert "is decided" in desk(*refused, status=1).err
    other = entered(desk, url=f"{URL}/2")
    assert "settled" in desk("report", "settle", other, "--reason", "Gone.").out
    assert desk("report", "list", "--waiting").err.strip() == "no reports"


def test_what_is_wrong_is_said(desk: CommandLine) -> None:
    given = ("--category", "phishing", "--explanation", f"{desk.folder}/words")
    nobody = desk("report", "new", URL, *given, "--good-faith", status=2)
    assert "name and e-mail address" in nobody.err
    jane = ("--reporter-file", f"{desk.folder}/jane")
    assert "good_faith" in desk("report", "new", URL, *given, *jane, status=2).err
    elsewhere = desk("report", "new", "https://x.example/", *given, *jane, "--good-faith", status=2)
    assert "not served here" in elsewhere.err
    assert "rempart report list" in desk("report", "show", "none", status=1).err
    assert "rempart report outbox" in desk("report", "sent", "none", status=1).err
