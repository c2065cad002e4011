"""A refusal explained, from a log and a journal on disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rempart.model.attacks import Action, Evidence, Layer, Signature, State, Term, Trial
from rempart.model.configuration import Configuration, StatePaths
from rempart.node import state_folders
from rempart.node.defending.entries import Account, Entry, for_history
from rempart.node.defending.journal import Journal
from rempart.node.requests.receipts import logged as found_in_log
from rempart.node.requests.words import words

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    configuration = Configuration(state=tmp_path / "state")
    state_folders.prepare(configuration, is_root=False)
    return configuration


def logged(paths: StatePaths, **fields: Any) -> None:
    line = {
        "id": "123-7", "at": NOW.timestamp(), "client": "192.0.2.0", "host": "shop.test", "status": 403,
        "why": "defence", "mitigation": "17",
    }  # fmt: skip
    with (paths.log / "edge.log").open("a") as log:
        log.write(json.dumps({**line, **fields}, separators=(",", ":")) + "\n")


def entry(**fields: Any) -> Entry:
    trial = Trial(records=1, hit=0, own_records=1, own_hit=0, upper=0, bound=0.001, action=Action.DROP)
    return Entry(
        id="R-17",
        layer=Layer.REQUEST,
        subject="shop.test",
        cause="a test",
        signature=Signature(layer=Layer.REQUEST, site=7, terms=(Term(field="tls"),)),
        words="no TLS",
        action=Action.DROP,
        evidence=Evidence(rate=1, usual=1, covered=1, sampled=1, trial=trial),
        since=NOW,
        expires=NOW,
        state=State.ENFORCED,
    ).model_copy(update=fields)


def test_the_rule_that_stands_is_named(configuration: Configuration) -> None:
    paths = configuration.paths
    Journal(paths, Layer.REQUEST, configuration.defence).write(
        Account(layer=Layer.REQUEST, at=NOW, standing=(entry(),))
    )
    logged(paths, id="123-70")
    logged(paths)
    found = found_in_log(paths, "123-7")
    assert found is not None
    assert (found.host, found.status, found.at) == ("shop.test", 403, NOW)
    assert (found.layer, found.rule, found.mitigation) == ("defence loop", "no TLS", "R-17")
    assert (found.since, found.until) == (NOW, NOW)


def test_so_is_one_that_is_over(configuration: Configuration) -> None:
    paths = configuration.paths
    over = entry(state=State.EXPIRED, ended=datetime.now(UTC))
    Journal(paths, Layer.REQUEST, configuration.defence).over([over], [], NOW)
    logged(paths)
    found = found_in_log(paths, "123-7")
    assert found is not None
    assert (found.rule, found.until) == ("no TLS", over.ended)


@pytest.mark.parametrize(
    ("why", "layer"), [("client-rate", "limits"), ("challenge", "challenge"), ("", "edge")]
)
def test_other_layers_refuse_too(configuration: Configuration, why: str, layer: str) -> None:
    logged(configuration.paths, why=why, mitigation="")
    found = found_in_log(configuration.paths, "123-7")
    assert found is not None
    assert (found.layer, found.mitigation, found.until) == (layer, None, None)


def test_an_older_log_is_looked_through_and_a_torn_line_passed_over(configuration: Configuration) -> None:
    paths = configuration.paths
    logged(paths)
    log = paths.log / "edge.log"
    log.rename(paths.log / "edge.log.1")
    log.write_text('{"id":"123-7","at":\n')
    assert found_in_log(paths, "123-7") is not None
    assert found_in_log(paths, "123-8") is None


def test_the_history_keeps_networks_and_no_addresses(configuration: Configuration) -> None:
    address, prefix = 0xC6336407, 0x20010DB800001234
    for number, whole in ((address, address & ~0xFF), (prefix, prefix & ~0xFFFF)):
        terms = (Term(field="source", first=number, last=number), Term(field="agent", first=9, last=9))
        signature = Signature(layer=Layer.REQUEST, site=7, terms=terms)
        kept = for_history(entry(signature=signature, words=words(signature), cause=words(signature)))
        assert [one.first for one in kept.signature.terms] == [whole, 9]
        assert "198.51.100.7" not in kept.model_dump_json()
        assert "2001:db8:0:1234" not in kept.model_dump_json()
