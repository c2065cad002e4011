"""A request's text, read back, and the expressions by which HAProxy finds it: both mean the same requests."""

from __future__ import annotations

import random
import re
import zlib

import numpy as np
import pytest

from rempart.defence.matching import matching
from rempart.engines.haproxy import sight, verdicts
from rempart.model.attacks import (
    Action,
    Evidence,
    Layer,
    Mitigation,
    Signature,
    State,
    Term,
    Trial,
)

LINE = (
    b"54ec2ffbae26,C6336407,GET,1.1,4094734702,0000000000001001,2363233923,,858642284,2764425634,1084511090"
)
TRIAL = Trial(records=0, hit=0, own_records=0, own_hit=0, upper=0, bound=0.001, action=None)


def mitigation(number: int, action: Action, *terms: Term, per_second: float | None = None) -> Mitigation:
    return Mitigation(
        id=number,
        key=7,
        cause="a test",
        signature=Signature(layer=Layer.REQUEST, site=7, terms=terms),
        action=action,
        per_second=per_second,
        evidence=Evidence(rate=1, usual=1, covered=1, sampled=1, trial=TRIAL),
        since=0,
        expires=1,
        state=State.ENFORCED,
    )


def test_a_line_is_read() -> None:
    records, sites = sight.records([LINE + b" d.17 1 Ptoken 65536 16384\n"])
    assert sites == {0x54EC2FFB: "54ec2ffbae26"}
    one = records[0]
    assert (one["site"], one["weight"], one["mitigation"]) == (0x54EC2FFB, 4.0, 17)
    assert (one["source"], one["network"]) == (0xC6336407, 0xC6336400)
    assert one["client"] == 1 << 63 | zlib.crc32(b"Ptoken")
    assert (one["method"], one["version"], one["headers"]) == (sight.METHODS.index("GET"), 11, 0b1001)
    assert (one["tls"], one["agent"], one["language"]) == (4094734702, 2363233923, 0)
    assert (one["path"], one["path_shape"], one["query_shape"]) == (858642284, 2764425634, 1084511090)
    assert one["good"]
    assert one["refused"]


def test_an_ipv6_client_is_its_prefix_of_64() -> None:
    address = b"20010DB8000000120000000000000000"
    one = sight.records([LINE.replace(b"C6336407", address) + b"    65536 65536"])[0][0]
    assert one["source"] == 0x20010DB800000012
    assert one["network"] == 0x20010DB800000000
    assert one["client"] == one["source"]
    assert not one["good"]
    assert not one["refused"]
    assert one["mitigation"] == 0


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Connect from 127.0.0.1",
        LINE,
        LINE + b"    0 65536",
        LINE + b" d 1  65536 65536",
        LINE.replace(b"GET", b"GET,") + b"    65536 65536",
        LINE.replace(b"0000000000001001", b"x") + b"    65536 65536",
        b"\xff" + LINE + b"    65536 65536",
    ],
)
def test_a_line_that_is_none_of_ours_is_left_out(line: bytes) -> None:
    assert sight.records([line])[0].size == 0


def test_the_share_of_requests_follows_the_rate() -> None:
    assert sight.shares(1, standing=False) == (65_536, 65_536)
    assert sight.shares(16, standing=False) == (4_096, 65_536)
    # While anything stands, every request is compared, and as few are told of as before.
    assert sight.shares(16, standing=True) == (65_536, 4_096)
    assert sight.shares(0, standing=False) == (0, 0)


def test_what_the_loop_means_is_what_haproxy_finds() -> None:
    chance = random.Random(5)
    texts = [_text(chance) for _ in range(400)]
    records = sight.records([f"{text}    65536 65536".encode() for text in texts])[0]
    assert records.size == len(texts)
    met = 0
    for _ in range(300):
        like = records[chance.randrange(records.size)]
        terms = tuple(_term(name, like, chance) for name in chance.sample(_FIELDS, chance.randrange(1, 5)))
        if {"source", "network"} <= {one.field for one in terms}:
            continue
        signature = Signature(layer=Layer.REQUEST, site=int(like["site"]), terms=terms)
        found = re.compile(verdicts.key(signature.site, signature.terms))
        mine = np.array([found.search(text) is not None for text in texts])
        assert (mine == matching(signature, records)).all(), (found.pattern, signature.words())
        met += int(mine.sum())
    assert met > 300


_FIELDS = (
    "source", "network", "method", "version", "tls", "headers", "agent", "language", "path", "path_shape",
    "query_shape",
)  # fmt: skip


def _text(chance: random.Random) -> str:
    source = chance.choice(("C6336407", "C6336408", "C6336507", "20010DB8000000120000000000000000"))
    digests = [chance.choice(("", "0", "12", "123", "4094734702")) for _ in range(6)]
    return ",".join(
        (
            chance.choice(("54ec2ffbae26", "54ec2ffcae26")),
            source,
            chance.choice(("GET", "POST", "BREW", "")),
            chance.choice(("1.0", "1.1", "2.0", "0.9")),
            digests[0],
            f"{chance.choice((0, 1, 11, 65535)):016b}",
            *digests[1:],
        )
    )


def _term(name: str, like: np.void, chance: random.Random) -> Term:
    number = int(like[name])
    if name == "headers" and chance.random() < 0.5:
        mask = chance.randrange(1, 65_536)
        return Term(field=name, first=number & mask, last=number & mask, mask=mask)
    return Term(field=name, first=number, last=number)


@pytest.mark.parametrize(
    "term",
    [
        Term(field="path", first=1, last=2),
        Term(field="agent", first=1, last=1, mask=3),
        Term(field="tls", text="x"),
        Term(field="status", first=200, last=200),
    ],
)
def test_what_haproxy_cannot_find_is_said(term: Term) -> None:
    with pytest.raises(ValueError, match="request"):
        verdicts.key(7, (term,))


def test_the_strongest_is_asked_first() -> None:
    agent = Term(field="agent", first=5, last=5)
    found = verdicts.entries(
        [
            mitigation(1, Action.QUEUE),
            mitigation(2, Action.CHALLENGE, agent),
            mitigation(3, Action.LIMIT, agent, per_second=20.4),
            mitigation(4, Action.DROP, agent),
        ]
    )
    assert [value for _, value in found] == ["d.4", "l.3.20", "c.2", "q.1"]
    assert found[3][0] == "^00000007[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*$"
