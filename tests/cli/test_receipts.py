"""What the operator sees of receipts and does about them, on files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rempart.engines.haproxy.gate_keys import read_or_make_keys
from rempart.gate.receipts.files import BoxFile
from rempart.model.attacks import Action, Evidence, Layer, Signature, State, Term, Trial
from rempart.model.receipts import Message, Refusal, issue
from rempart.node.defending.entries import Account, Entry
from rempart.node.defending.journal import Journal
from rempart.node.defending.orders import read_orders
from rempart.node.state_folders import prepare
from tests.cli.conftest import CommandLine

NOW = datetime.now(UTC)


@pytest.fixture
def known(rempart: CommandLine) -> CommandLine:
    """A mitigation of one address that stands, R-17, and one that is over, R-16."""
    configuration = rempart.configuration
    prepare(configuration, is_root=False)
    trial = Trial(records=1, hit=0, own_records=1, own_hit=0, upper=0, bound=0.001, action=Action.DROP)
    address = 0xC6336407
    terms = (Term(field="source", first=address, last=address), Term(field="agent", first=9, last=9))
    entry = Entry(
        id="R-17",
        layer=Layer.REQUEST,
        subject="shop.test",
        cause="a test",
        signature=Signature(layer=Layer.REQUEST, site=7, terms=terms),
        words="from 198.51.100.7",
        action=Action.DROP,
        evidence=Evidence(rate=1, usual=1, covered=1, sampled=1, trial=trial),
        since=NOW,
        expires=NOW + timedelta(minutes=1),
        state=State.ENFORCED,
    )
    journal = Journal(configuration.paths, Layer.REQUEST, configuration.defence)
    journal.opened(NOW)
    over = entry.model_copy(update={"id": "R-16", "ended": NOW, "state": State.EXPIRED})
    journal.over([over], [], NOW)
    journal.write(Account(layer=Layer.REQUEST, at=NOW, next=18, standing=(entry,)))
    read_or_make_keys(configuration.paths.gate_keys, int(NOW.timestamp()))
    return rempart


def made(known: CommandLine, **fields: object) -> str:
    keys = read_or_make_keys(known.configuration.paths.gate_keys, 0)
    plain = {"host": "shop.test", "status": 403, "at": int(NOW.timestamp()), "network": "198.51.100.0/24"}
    refusal = Refusal.model_validate({**plain, **fields})
    return issue(refusal, keys.receipt_key_base64, keys.receipt_key)


def said(known: CommandLine, receipt: str, address: str = "198.51.100.7") -> None:
    box = BoxFile(known.configuration.paths.receipts)
    message = Message(
        receipt=receipt,
        at=NOW,
        address=address,
        network="198.51.100.0/24",
        text="I only\nread.",
        contact="me@x",
    )
    box.write((*box.read(), message))


def test_a_mitigation_is_revoked_by_the_receipt_of_whom_it_met(known: CommandLine) -> None:
    receipt = made(known, why="defence", mitigation=17)
    said(known, receipt)
    assert "shop.test\tR-17\topen\t1\tI only read." in known("receipts").out
    shown = known("receipts", "show", f"https://edge.test:8443/receipt/{receipt}?lang=fr").out
    for words in (
        "layer     defence loop",
        "by        R-17 (drop)",
        "by 198.51.100.7, reach: me@x",
        "I only",
    ):
        assert words in shown
    known("receipts", "release", receipt)
    (one,) = read_orders(known.configuration.paths).revocations
    assert one.id == "R-17"
    assert known("receipts", "--json").json() == {"receipts": []}
    assert known("receipts", "--all", "--json").json()["receipts"][0]["state"] == "revoked"


def test_of_one_that_is_over_the_address_comes_from_the_message(known: CommandLine) -> None:
    receipt = made(known, why="defence", mitigation=16)
    assert "ask the visitor, and say --address" in known("receipts", "release", receipt, status=2).err
    said(known, receipt)
    known("receipts", "release", receipt)
    (one,) = read_orders(known.configuration.paths).revocations
    assert one.signature.terms[0].first == 0xC6336407


def test_one_visitor_is_released_for_a_time(known: CommandLine) -> None:
    receipt = made(known, status=429, why="client-rate")
    ended = known("receipts", "release", receipt, "--address", "192.0.2.1", status=2)
    assert "192.0.2.1 is not of 198.51.100.0/24" in ended.err
    known("receipts", "release", receipt, "--address", "198.51.100.9", "--hours", "2")
    (one,) = read_orders(known.configuration.paths).releases
    assert (one.host, one.address) == ("shop.test", "198.51.100.9")
    assert timedelta(hours=1.9) < one.until - datetime.now(UTC) <= timedelta(hours=2)
    known("receipts", "recall", receipt)
    assert read_orders(known.configuration.paths).releases == ()
    assert "no address is released" in known("receipts", "recall", receipt, status=1).err
    six = made(known, status=503, why="challenge", network="2001:db8:1::/48")
    known("receipts", "release", six, "--address", "2001:db8:1:2::77")
    assert read_orders(known.configuration.paths).releases[0].address == "2001:db8:1:2::/64"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": 429, "why": "site-rate"}, "rempart site change shop.test changes it"),
        ({"status": 502}, "there is nothing to release"),
        ({"status": 421}, "there is nothing to release"),
    ],
)
def test_what_nobody_was_refused_by_cannot_be_released(
    known: CommandLine, fields: dict[str, object], words: str
) -> None:
    assert words in known("receipts", "release", made(known, **fields), status=1).err


def test_a_forged_receipt_is_none(known: CommandLine) -> None:
    receipt = made(known, why="defence", mitigation=17)
    for wrong in (receipt.replace("-17.", "-16."), receipt[:-1] + ("0" if receipt[-1] != "0" else "1")):
        assert "not of this node" in known("receipts", "show", wrong, status=2).err
        assert "not of this node" in known("receipts", "release", wrong, status=2).err
    assert "this is no receipt" in known("receipts", "show", "a.b.c", status=2).err
    assert read_orders(known.configuration.paths).number == 0
