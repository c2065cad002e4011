"""``rempart case`` as operator, arbiters and owner use it, from a report to a reversal."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest

from rempart.governance.dsa_schema import DsaStatement
from tests.cli.conftest import CommandLine

POLICY = {
    "version": "2026-1",
    "rules": [{"id": "violence", "title": "Violence", "text": "Nobody calls for it.", "most": "drop_dns"}],
    "quorum": 2,
    "answer_s": 1,
    "notice_s": 1,
}
HOST = "forum.example.org"
MOVED = (
    "--remedy",
    "challenge",
    "--rule",
    "violence",
    "--explanation",
    "It does.",
    "--why-not",
    "interstitial=It is everywhere.",
    "--why-not",
    "block_url=It is everywhere.",
    "--why-not",
    "forward=It did not help.",
)


@pytest.fixture
def court(rempart: CommandLine) -> CommandLine:
    rempart("site", "add", HOST, "--origin", "http://192.0.2.1:3000")
    for name in ("ada", "ben", "cleo", "dan"):
        public = rempart("case", "arbiter", "key", f"{rempart.folder}/{name}.pem").out.strip()
        rempart("case", "arbiter", "add", name, "--name", name.title(), "--key", public)
    rempart("case", "policy", "add", rempart.write("policy.json", json.dumps(POLICY)))
    rempart.write("facts", "They call for killings.\n")
    return rempart


def key(court: CommandLine, name: str) -> tuple[str, ...]:
    return ("--arbiter", name, "--key", f"{court.folder}/{name}.pem")


def opened(court: CommandLine) -> str:
    report = court.write("report", "They threaten me.")
    given = ("--category", "threats", "--report", report, "--reporter", "Jane <jane@example.net>")
    id_ = str(court("case", "open", HOST, *given, "--json").json()["case"]["id"])
    court("case", "triage", id_, "--accept", "--reason", "It may be so.")
    court("case", "notify", id_)
    court("case", "answer", id_, court.write("answer", "It was satire."))
    return id_


def test_from_a_report_to_a_reversal(court: CommandLine) -> None:
    id_ = opened(court)
    facts = f"{court.folder}/facts"
    assert (
        "say why these narrower"
        in court("case", "propose", id_, *key(court, "ada"), "--facts", facts, *MOVED[:-2], status=2).err
    )
    court("case", "propose", id_, *key(court, "ada"), "--facts", facts, *MOVED)
    assert "--impartial" in court("case", "sign", id_, *key(court, "ben"), status=2).err
    assert "has spoken" in court("case", "sign", id_, *key(court, "ada"), "--impartial", status=1).err
    signed = court("case", "sign", id_, *key(court, "ben"), "--impartial")
    assert "They call for killings." in signed.err, "who signs reads what"
    assert "decided: the notice of it is to be given" in signed.out
    announced = court("case", "announce", id_, "--json").json()
    assert announced["case"]["phase"] == "announced"
    assert "Why nothing narrower serves" in court("case", "reasons", id_).out
    assert (
        DsaStatement.model_validate(court("case", "reasons", id_, "--dsa").json()).source_type
        == "SOURCE_ARTICLE_16"
    )
    court("case", "appeal", id_, court.write("appeal", "Satire, as I said."))
    assert "held up" in court("case", "show", id_).out
    refused = court(
        "case",
        "propose",
        id_,
        *key(court, "ada"),
        "--kind",
        "appeal",
        "--facts",
        facts,
        "--outcome",
        "upheld",
        status=1,
    )
    assert "no part in an appeal" in refused.err
    court(
        "case",
        "propose",
        id_,
        *key(court, "cleo"),
        "--kind",
        "appeal",
        "--facts",
        facts,
        "--outcome",
        "reversed",
    )
    assert "dismissed" in court("case", "sign", id_, *key(court, "dan"), "--impartial").out
    steps = court("case", "show", id_, "--steps").out
    assert "announced" in steps
    assert "not yet" not in steps
    assert "Jane" not in court("case", "show", id_, "--confidential").out
    assert "Jane" in court("case", "show", id_, "--reporter").out
    court("case", "close", id_)
    assert [one["case"]["phase"] for one in court("case", "list", "--json").json()["cases"]] == ["closed"]
    assert court("log", "verify", status=None).status in (0, 2)


def test_a_signature_made_elsewhere(court: CommandLine) -> None:
    id_ = opened(court)
    out = f"{court.folder}/said"
    court(
        "case", "propose", id_, "--arbiter", "ada", "--write", out, "--facts", f"{court.folder}/facts", *MOVED
    )
    subprocess.run(
        [
            "openssl",
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            f"{court.folder}/ada.pem",
            "-in",
            f"{out}.bytes",
            "-out",
            f"{out}.sig",
        ],
        check=True,
    )
    wrong = base64.b64encode(b"x" * 64).decode()
    assert "signature is not ada's" in court("case", "submit", out, "--signature", wrong, status=2).err
    assert "motion       decision by ada" in court("case", "submit", out, "--signature", f"{out}.sig").out
    assert "not 0" in court("case", "submit", out, "--signature", f"{out}.sig", status=1).err


def test_an_order_and_its_hour(court: CommandLine) -> None:
    given = ("--kind", "removal", "--authority", "BKA", "--reference", "7/26", "--legal-basis", "2021/784",
             "--remedy", "challenge", "--document", court.write("order", "By order."))  # fmt: skip
    made = court("case", "order", HOST, *given, "--json").json()
    assert made["deadlines"][0]["what"] == "the order is to be given effect"
    id_ = made["case"]["id"]
    court("case", "scrutinise", id_, "--complete", "--findings", "It is all there.")
    court("case", "propose", id_, *key(court, "ada"), "--kind", "order", "--facts", f"{court.folder}/facts",
          "--remedy", "challenge", "--law", "Regulation 2021/784", "--explanation", "Ordered.",
          *(f"--why-not={one}=Ordered." for one in ("forward", "interstitial", "block_url")))  # fmt: skip
    assert "in effect" in court("case", "sign", id_, *key(court, "ben"), "--impartial").out
    assert "no statement is due" in court("case", "reasons", id_, "--dsa", status=2).err
    assert court("site", "show", HOST, "--json").json()["site"]["security_level"] is None, (
        "the owner's settings stay"
    )


def test_the_bench_after_the_first_case(court: CommandLine) -> None:
    opened(court)
    public = court("case", "arbiter", "key", f"{court.folder}/eve.pem").out.strip()
    add = ("case", "arbiter", "add", "eve", "--name", "Eve", "--key", public)
    assert "2 arbiters must consent" in court(*add, status=1).err
    consents = [f"--consent={name}={court.folder}/{name}.pem" for name in ("ada", "ben")]
    court(*add, *consents)
    assert "eve" in court("case", "arbiter", "list").out
    assert base64.b64decode(court(*add, "--resolution", "ada").out)
    assert "2026-1" in court("case", "policy", "list").out


def test_what_is_wrong_is_said(court: CommandLine) -> None:
    assert "rempart case list" in court("case", "show", "none", status=1).err
    assert (
        "neither a key" in court("case", "arbiter", "add", "x", "--name", "X", "--key", "nokey", status=2).err
    )
    assert "a cache" in court(
        "case", "propose", opened(court), *key(court, "ada"), "--facts", f"{court.folder}/facts",
        "--remedy", "no_cache",
        "--rule", "violence", "--explanation", "x", status=2,
    ).err  # fmt: skip
    bad = court.write("bad.json", json.dumps({**POLICY, "quorum": 1}))
    assert "at least 2" in court("case", "policy", "add", bad, status=2).err


def test_who_reported_need_not_be_on_a_command_line(court: CommandLine) -> None:
    jane = "Jane <jane@example.net>"
    for file, given in ((court.write("jane", jane + "\n"), ""), ("-", jane + "\n")):
        made = court("case", "open", HOST, "--reporter-file", file, "--json", given=given)
        id_ = made.json()["case"]["id"]
        assert jane in court("case", "show", id_, "--reporter").out
        assert "Jane" not in court("case", "show", id_, "--confidential").out
    twice = court("case", "open", HOST, "--reporter-file", "-", "--reporter", jane, given=jane, status=2)
    assert "given twice" in twice.err
    both = court("case", "open", HOST, "--reporter-file", "-", "--report", "-", given=jane, status=2)
    assert "standard input already" in both.err
    long = court("case", "open", HOST, "--reporter-file", "-", given="J" * 1_001, status=2)
    assert "longer than 1000" in long.err
