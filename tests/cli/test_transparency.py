"""``rempart transparency`` as an operator uses it, and what belongs to it in ``case`` and ``log``."""

from __future__ import annotations

import csv
import hashlib
import json

from tests.cli.conftest import CommandLine
from tests.cli.test_case import HOST, court

__all__ = ["court"]


def test_an_order_is_in_the_report_of_its_member_state(court: CommandLine) -> None:
    document = court.write("order.pdf", "Remove it.")
    given = ("--kind", "dsa_9", "--authority", "BNetzA", "--country", "DE", "--reference", "1/26")
    demanded = ("--legal-basis", "§ 1", "--remedy", "drop_dns", "--deadline", "2099-01-01T00:00Z")
    made = court("case", "order", HOST, *given, *demanded, "--document", document, "--json").json()["case"]
    court("case", "inform", made["id"], "receipt")
    assert court("case", "inform", made["id"], "effect", status=1).err.count("not known yet") == 1
    year = made["opened_at"][:4]
    found = court("transparency", "report", "--year", year).json()
    german = next(one for one in found["orders"] if one["scope"] == "DE")
    assert (german["received"], german["informed"], german["given_effect"]) == (1, 1, 0)
    page = court("transparency", "report", "--year", year, "--format", "html", "--language", "fr").out
    assert page.startswith("<!doctype html>")
    assert "Injonctions des autorités" in page
    assert court("transparency", "publish", "--year", year, status=1).err.count("the period ends on") == 1


def test_a_report_is_published_with_its_files(rempart: CommandLine) -> None:
    assert (
        "name a folder"
        in rempart("transparency", "report", "--year", "2025", "--format", "csv", status=2).err
    )
    folder = rempart.folder / "report"
    made = rempart("transparency", "publish", "--year", "2025", "-o", str(folder), "--json").json()
    assert made["step"] == "report/2025/1"
    written = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}
    assert written == made["files"]
    entry = rempart("log", "show", str(made["index"])).json()
    assert entry["step"]["public"]["files"] == written
    rempart("transparency", "report", "--year", "2025", "--format", "csv", "-o", str(folder / "again"))
    table = (folder / "again/1_report_identification.csv").read_text()
    assert {row["Value"] for row in csv.DictReader(table.splitlines())} >= {"2025-01-01", "2025-12-31"}
    assert json.loads((folder / "report.json").read_text()) == made["report"]


def test_the_log_s_key_is_changed(rempart: CommandLine) -> None:
    before = rempart("log", "keys", "--json").json()["key"]
    assert "no new key was made" in rempart("log", "rotate-key", "--finish", status=1).err
    begun = rempart("log", "rotate-key", "--json").json()
    assert begun["previous_key"] == before != begun["key"]
    assert "key before" in rempart("log", "keys").out
    ended = rempart("log", "rotate-key", "--finish", "--json").json()
    assert (ended["key"], ended["previous_key"]) == (begun["key"], None)
    for key in (before, begun["key"]):
        assert rempart("log", "verify", "--key", key, "--json").json()["sound"]
