"""Remedies on a URL, for a territory and of an account, on a running instance: put in force, seen, undone."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from rempart.lab.instance import Instance
from rempart.lab.leftovers import short_folder
from rempart.lab.origin import LittleOrigin
from tests.e2e.clients import address_of, page
from tests.e2e.test_case import agrees, document, measure, proposes, rempart, seen, until

HOST = "forum.example.org"
REGISTER = "https://operator.example/register"
POLICY = {
    "version": "2026-1",
    "rules": [
        {"id": "violence", "title": "Violence", "text": "Nobody calls for it.", "most": "close_account"}
    ],
    "quorum": 2,
    "answer_s": 1,
    "notice_s": 1,
}
pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def court() -> Iterator[Instance]:
    folder = short_folder()
    networks = folder / "networks.csv"
    networks.write_text("network,country\n127.0.0.0/8,FR\n192.0.2.0/24,BE\n")
    networks.chmod(0o644)
    folder.chmod(0o755)
    settings = {"territory": {"networks": str(networks)}, "cases": {"register_url": REGISTER}}
    with LittleOrigin("127.0.0.2") as origin, Instance(settings=settings) as running:
        running.start(seconds=60)
        rempart(running, "site", "add", HOST, "--origin", origin.url, "--no-https-redirect")
        for name in ("ada", "ben", "cleo", "dan"):
            public = rempart(running, "case", "arbiter", "key", f"{running.folder}/{name}.pem").strip()
            rempart(running, "case", "arbiter", "add", name, "--name", name, "--key", public)
        (running.folder / "policy.json").write_text(json.dumps(POLICY))
        rempart(running, "case", "policy", "add", f"{running.folder}/policy.json")
        (running.folder / "facts").write_text("They call for killings.\n")
        yield running
    shutil.rmtree(folder)


def decided(court: Instance, target: str, *more: str, zone: bool = False) -> str:
    """A case that has come to its effect."""
    given = ("--zone",) if zone else ()
    id_ = str(document(court, "case", "open", target, *given, "--category", "threats")["case"]["id"])
    rempart(court, "case", "triage", id_, "--accept", "--reason", "It may be so.")
    rempart(court, "case", "notify", id_)
    (court.folder / "answer").write_text("It was satire.")
    rempart(court, "case", "answer", id_, f"{court.folder}/answer")
    proposes(court, id_, "ada", *more)
    agrees(court, id_, "ben")
    rempart(court, "case", "announce", id_)
    until(lambda: [one["seen"] for one in seen(court, id_)] == [True])
    return id_


def ended(court: Instance, id_: str) -> None:
    proposes(court, id_, "cleo", "--kind", "end")
    agrees(court, id_, "dan")
    until(
        lambda: [(one["in_force"], one["seen"]) for one in seen(court, id_)] == [(True, True), (False, True)]
    )


def test_a_warning_and_a_block_of_a_url(court: Instance) -> None:
    warned = decided(court, f"{HOST}/thread/7", *measure("interstitial"))
    status, body = page(court.ports, HOST, "/thread/7/page-2")
    assert status == 403
    assert f"{REGISTER}/{warned}" in body
    assert "<form" in body
    assert page(court.ports, HOST, "/thread/77") == (200, "origin says /thread/77\n")
    blocked = decided(court, f"{HOST}/thread/7", "--territory", "FR", *measure("block_url"))
    assert "applied by   node-1\n" in rempart(court, "case", "show", blocked)
    notes = seen(court, blocked)[0]["observations"]
    assert "node-1 has applied it" in notes
    assert notes[0].count("status 403") == 6, "every spelling was looked at"
    assert not any("127.0.0" in note for note in notes)
    status, body = page(court.ports, HOST, "//x/../%74hread/7;a")
    assert status == 403
    assert "<form" not in body
    assert blocked in body
    ended(court, blocked)
    assert "<form" in page(court.ports, HOST, "/thread/7")[1], "the other case's warning stands"
    ended(court, warned)
    assert page(court.ports, HOST, "/thread/7") == (200, "origin says /thread/7\n")


def test_an_order_is_answered_451(court: Instance) -> None:
    order = (
        *("--authority", "Court of Somewhere", "--reference", "4 O 12/26", "--legal-basis", "Act 1"),
        *("--deadline", "2099-01-01", "--remedy", "block_url", "--document", f"{court.folder}/facts"),
    )
    id_ = str(document(court, "case", "order", f"{HOST}/post?id=5", *order)["case"]["id"])
    rempart(court, "case", "scrutinise", id_, "--complete", "--findings", "It is all there.")
    proposes(court, id_, "ada", "--kind", "order", *measure("block_url"), "--law", "Act 1")
    agrees(court, id_, "ben")
    until(lambda: [one["seen"] for one in seen(court, id_)] == [True])
    status, body = page(court.ports, HOST, "/post?x=1&id=5")
    assert status == 451
    assert "Court of Somewhere" in body
    assert page(court.ports, HOST, "/post?id=6")[0] == 200
    ended(court, id_)
    assert page(court.ports, HOST, "/post?id=5")[0] == 200


def test_a_country_that_the_table_does_not_have_is_refused(court: Instance) -> None:
    id_ = document(court, "case", "open", HOST, "--category", "threats", "--own")["case"]["id"]
    command = [
        "case",
        "propose",
        id_,
        "--arbiter",
        "ada",
        "--key",
        f"{court.folder}/ada.pem",
        "--kind",
        "emergency",
    ]
    more = [
        "--threat-to-life",
        "--facts",
        f"{court.folder}/facts",
        "--territory",
        "DE",
        *measure("challenge"),
    ]
    told = court.cli(*command, *more, check=False)
    assert told.returncode == 2
    assert "no network of DE" in told.stderr


def test_an_account_is_closed_and_open_again(court: Instance) -> None:
    rempart(court, "account", "add", "Mob Ltd")
    for name in ("mob.example", "other.example"):
        rempart(court, "zone", "add", name, "--account", "Mob Ltd")
        rempart(court, "site", "add", f"www.{name}", "--origin", "http://127.0.0.2:1", "--no-https-redirect")
    token = document(court, "token", "create", "all", "--account", "Mob Ltd")["token"]
    zones = api(court, token, "GET", "/zones")[1]["result"]
    path = f"/zones/{next(one['id'] for one in zones if one['name'] == 'other.example')}/dns_records"
    record = {"type": "TXT", "name": "a.other.example", "content": "x"}
    assert api(court, token, "POST", path, record)[0] == 200
    id_ = decided(court, "mob.example", *measure("close_account"), zone=True)
    assert address_of(court.ports, "www.other.example") == []
    assert address_of(court.ports, HOST) == [court.ports.address]
    status, answer = api(court, token, "POST", path, {**record, "content": "y"})
    assert status == 403
    assert id_ in answer["errors"][0]["message"]
    status, answer = api(court, token, "GET", path)
    assert (status, [one["content"] for one in answer["result"]]) == (200, ['"x"'])
    kit = path.replace("/dns_records", "/bundle?partial=true")
    assert api(court, token, "GET", kit) == (200, None), "its owner can leave with everything"
    ended(court, id_)
    until(lambda: address_of(court.ports, "www.other.example") == [court.ports.address])
    assert api(court, token, "POST", path, {**record, "content": "y"})[0] == 200


def api(court: Instance, token: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """One call of Cloudflare's API: status and answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{court.ports.api}/client/v4{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            octets = answer.read()
            return answer.status, None if octets.startswith(b"PK") else json.loads(octets)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
