"""A case on a running instance: what visitors see during the notice, in force, and once it is reversed."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rempart.cli.main import run
from rempart.lab.instance import Instance
from rempart.lab.origin import LittleOrigin
from tests.e2e.clients import address_of, page

HOST = "forum.example.org"
POLICY = {
    "version": "2026-1",
    "rules": [{"id": "violence", "title": "Violence", "text": "Nobody calls for it.", "most": "drop_dns"}],
    "quorum": 2,
    "answer_s": 1,
    "notice_s": 15,
}
NARROWER = ("forward", "interstitial", "block_url", "challenge", "drop_proxy", "drop_dns")
pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def court() -> Iterator[Instance]:
    # The origin has another address than the edge, or nobody could tell what is answered.
    with LittleOrigin("127.0.0.2") as origin, Instance() as running:
        running.start()
        rempart(running, "site", "add", HOST, "--origin", origin.url, "--no-https-redirect")
        for name in ("ada", "ben", "cleo", "dan"):
            public = rempart(running, "case", "arbiter", "key", f"{running.folder}/{name}.pem").strip()
            rempart(running, "case", "arbiter", "add", name, "--name", name, "--key", public)
        (running.folder / "policy.json").write_text(json.dumps(POLICY))
        rempart(running, "case", "policy", "add", f"{running.folder}/policy.json")
        (running.folder / "facts").write_text("They call for killings.\n")
        yield running


def rempart(court: Instance, *arguments: str) -> str:
    """One call of the command line in this process: each of its own costs seconds on a busy machine."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(["--config", str(court.config_file), *arguments])
    assert status == 0, (arguments, err.getvalue())
    return out.getvalue()


def document(court: Instance, *arguments: str) -> Any:
    return json.loads(rempart(court, *arguments, "--json"))


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def proposes(court: Instance, id_: str, name: str, *more: str) -> None:
    facts = ("--facts", f"{court.folder}/facts")
    rempart(
        court, "case", "propose", id_, "--arbiter", name, "--key", f"{court.folder}/{name}.pem", *facts, *more
    )


def measure(remedy: str) -> tuple[str, ...]:
    whys = (f"--why-not={one}=It did not help." for one in NARROWER)
    return ("--remedy", remedy, "--rule", "violence", "--explanation", "It does.", *whys)


def agrees(court: Instance, id_: str, name: str) -> None:
    rempart(
        court, "case", "sign", id_, "--arbiter", name, "--key", f"{court.folder}/{name}.pem", "--impartial"
    )


def seen(court: Instance, id_: str) -> list[dict[str, Any]]:
    """What was recorded as seen from outside."""
    steps = document(court, "case", "show", id_, "--steps")["steps"]
    return [one["event"] for one in steps if one["event"]["kind"] == "verified"]


def test_a_decision_takes_effect_when_it_was_announced_for_and_an_appeal_undoes_it(court: Instance) -> None:
    edge = [court.ports.address]
    id_ = document(court, "case", "open", HOST, "--category", "threats")["case"]["id"]
    rempart(court, "case", "triage", id_, "--accept", "--reason", "It may be so.")
    rempart(court, "case", "notify", id_)
    (court.folder / "answer").write_text("It was satire.")
    rempart(court, "case", "answer", id_, f"{court.folder}/answer")
    proposes(court, id_, "ada", *measure("drop_proxy"))
    agrees(court, id_, "ben")
    rempart(court, "case", "announce", id_)
    # While the notice runs the site is protected as before; and for as long as the case says so, it is.
    until(lambda: address_of(court.ports, HOST) == edge and page(court.ports, HOST)[0] == 200)
    until(lambda: address_of(court.ports, HOST) == ["127.0.0.2"])
    until(lambda: page(court.ports, HOST)[0] == 421)
    until(lambda: [one["seen"] for one in seen(court, id_)] == [True])
    entry = document(court, "case", "show", id_, "--steps")["steps"][-1]
    assert entry["log_index"] is not None
    assert "127.0.0.2" not in json.dumps(seen(court, id_)), "the log does not tell where the origin is"
    rempart(court, "case", "appeal", id_, f"{court.folder}/answer")
    proposes(court, id_, "cleo", "--kind", "appeal", "--outcome", "reversed")
    agrees(court, id_, "dan")
    until(lambda: address_of(court.ports, HOST) == edge)
    until(lambda: page(court.ports, HOST)[0] == 200)
    until(
        lambda: [(one["in_force"], one["seen"]) for one in seen(court, id_)] == [(True, True), (False, True)]
    )


@pytest.mark.parametrize("remedy", ["challenge", "drop_dns"])
def test_an_emergency_takes_effect_at_once_and_ends_when_the_arbiters_say_so(
    court: Instance, remedy: str
) -> None:
    host = f"{remedy.replace('_', '-')}.example.org"
    rempart(court, "site", "add", host, "--origin", "http://127.0.0.2:1", "--no-https-redirect")
    id_ = document(court, "case", "open", host, "--category", "threats", "--own")["case"]["id"]
    proposes(court, id_, "ada", "--kind", "emergency", "--threat-to-life", *measure(remedy))
    until(lambda: address_of(court.ports, host) == [court.ports.address])
    agrees(court, id_, "ben")
    if remedy == "challenge":
        until(lambda: "/.rempart/gate" in page(court.ports, host)[1])
    else:
        until(lambda: address_of(court.ports, host) == [])
    until(lambda: [one["seen"] for one in seen(court, id_)] == [True])
    proposes(court, id_, "ada", "--kind", "end")
    agrees(court, id_, "cleo")
    until(lambda: address_of(court.ports, host) == [court.ports.address])
    until(lambda: len(seen(court, id_)) == 2 and bool(seen(court, id_)[1]["seen"]))
