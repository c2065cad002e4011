"""Numbers that people type, addresses that history forgets, signatures in words."""

from __future__ import annotations

import pytest

from rempart.model.attacks import Layer, Signature, Term
from rempart.model.errors import InvalidInput
from rempart.node.defending.entries import read_identity, short_network, without_addresses
from rempart.node.defending.packet_words import packet_words


def words(*terms: Term) -> str:
    return packet_words(Signature(layer=Layer.PACKET, terms=terms))


def test_ids_are_read_as_people_type_them() -> None:
    assert read_identity("P-12") == read_identity("p12") == (Layer.PACKET, 12)
    assert read_identity(" R-7 ") == (Layer.REQUEST, 7)
    for wrong in ("12", "X-1", "P-", "P--1", ""):
        with pytest.raises(InvalidInput, match="no mitigation's id"):
            read_identity(wrong)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("from 203.0.113.77, TTL 64", "from 203.0.113.0/24, TTL 64"),
        ("from 203.0.113.77/32", "from 203.0.113.0/24"),
        ("from 10.0.0.0/8", "from 10.0.0.0/8"),
        ("from 2001:db8:1:2:3::9/128, length 60", "from 2001:db8:1::/48, length 60"),
        ("to ::1 and more", "to ::/48 and more"),
        ("udp-flood: 1,000/s where 200/s is usual; length 60–64", None),
        ("at 12:30:05 it ended", None),
        ("version 1.2.3", None),
    ],
)
def test_history_keeps_networks_and_no_addresses(text: str, short: str | None) -> None:
    assert without_addresses(text) == (text if short is None else short)


def test_what_is_no_network_stays() -> None:
    assert short_network("nobody") == "nobody"


def test_signatures_in_words() -> None:
    syn = (
        Term(field="protocol", first=6, last=6),
        Term(field="tcp_flags", first=2, last=2, mask=0x12),
        Term(field="destination_port", first=443, last=443),
        Term(field="window", first=1024, last=1024),
        Term(field="options", text=""),
        Term(field="length", first=40, last=44),
    )
    assert words(*syn) == "TCP, SYN without ACK, to port 443, window 1024, no TCP options, length 40–44"
    assert words(Term(field="qname", text="shop.example")) == "asking for names in shop.example"
    assert words(Term(field="source_port", first=1, last=19)) == "from ports 1–19"
    assert words(Term(field="options", text="020408")) == "TCP options MSS, SACK permitted, timestamps"
    assert words(Term(field="fragment", first=0, last=0)) == "no don't-fragment bit"
    assert words(Term(field="extras", first=0, last=0, mask=1)) == "without IP options"
    assert words(Term(field="payload", text="4d2d")) == "payload begins with 4d2d"
    assert words() == "every packet"
