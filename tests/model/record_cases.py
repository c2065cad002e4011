"""Tables and Hypothesis strategies of records, for the tests of this room."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from hypothesis import strategies as st

from rempart.model.records import RecordDraft, RecordType

ZONE = "example.org"
SHA256 = "0123456789abcdef" * 4
KEY = base64.b64encode(bytes(range(64))).decode()


class Good(NamedTuple):
    """A record in all its forms. ``data`` is None for types that Cloudflare gives by content only."""

    type: str
    content: str
    rdata: str
    data: dict[str, Any] | None = None
    priority: int | None = None


LONDON = {
    "lat_degrees": 51,
    "lat_minutes": 30,
    "lat_seconds": 12.748,
    "lat_direction": "N",
    "long_degrees": 0,
    "long_minutes": 7,
    "long_seconds": 39.612,
    "long_direction": "W",
    "altitude": -12.5,
    "size": 0.0,
    "precision_horz": 10_000.0,
    "precision_vert": 0.02,
}
LONDON_TEXT = "51 30 12.748 N 0 7 39.612 W -12.50m 0.00m 10000.00m 0.02m"

CANONICAL = [
    Good("A", "192.0.2.1", "192.0.2.1"),
    Good("AAAA", "2001:db8::1", "2001:db8::1"),
    Good("AAAA", "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    Good(
        "CAA",
        '0 issue "letsencrypt.org; validationmethods=dns-01"',
        '0 issue "letsencrypt.org; validationmethods=dns-01"',
        {"flags": 0, "tag": "issue", "value": "letsencrypt.org; validationmethods=dns-01"},
    ),
    Good("CAA", '128 issuewild ";"', '128 issuewild ";"', {"flags": 128, "tag": "issuewild", "value": ";"}),
    Good("CAA", '0 issue ""', '0 issue ""', {"flags": 0, "tag": "issue", "value": ""}),
    Good(
        "CERT",
        f"1 12345 8 {KEY}",
        f"1 12345 8 {KEY}",
        {"type": 1, "key_tag": 12345, "algorithm": 8, "certificate": KEY},
    ),
    Good("CNAME", "target.example.net", "target.example.net."),
    Good("CNAME", "_dkim.xn--bcher-kva.example", "_dkim.xn--bcher-kva.example."),
    Good(
        "DNSKEY",
        f"257 3 13 {KEY}",
        f"257 3 13 {KEY}",
        {"flags": 257, "protocol": 3, "algorithm": 13, "public_key": KEY},
    ),
    Good(
        "DS",
        f"12345 13 2 {SHA256}",
        f"12345 13 2 {SHA256}",
        {"key_tag": 12345, "algorithm": 13, "digest_type": 2, "digest": SHA256},
    ),
    Good(
        "HTTPS",
        '1 . alpn="h2,h3" ipv4hint="192.0.2.1"',
        '1 . alpn="h2,h3" ipv4hint="192.0.2.1"',
        {"priority": 1, "target": ".", "value": 'alpn="h2,h3" ipv4hint="192.0.2.1"'},
    ),
    Good(
        "HTTPS",
        "0 svc.example.net.",
        "0 svc.example.net.",
        {"priority": 0, "target": "svc.example.net.", "value": ""},
    ),
    Good(
        "SVCB",
        '1 svc.example.net. port="853" key7="/dns-query{?dns}" key65333="a b\\""',
        '1 svc.example.net. port="853" key7="/dns-query{?dns}" key65333="a b\\""',
        {
            "priority": 1,
            "target": "svc.example.net.",
            "value": 'port="853" key7="/dns-query{?dns}" key65333="a b\\""',
        },
    ),
    Good("LOC", LONDON_TEXT, LONDON_TEXT, LONDON),
    Good("MX", "mail.example.net", "10 mail.example.net.", None, 10),
    Good("MX", ".", "0 .", None, 0),
    Good(
        "NAPTR",
        '100 10 "U" "E2U+sip" "!^(.*)$!sip:\\\\1@example.net!" .',
        '100 10 "U" "E2U+sip" "!^(.*)$!sip:\\\\1@example.net!" .',
        {
            "order": 100,
            "preference": 10,
            "flags": "U",
            "service": "E2U+sip",
            "regex": "!^(.*)$!sip:\\1@example.net!",
            "replacement": ".",
        },
    ),
    Good(
        "NAPTR",
        '100 10 "" "" "" sip.example.net.',
        '100 10 "" "" "" sip.example.net.',
        {
            "order": 100,
            "preference": 10,
            "flags": "",
            "service": "",
            "regex": "",
            "replacement": "sip.example.net.",
        },
    ),
    Good("NS", "ns1.example.net", "ns1.example.net."),
    Good("OPENPGPKEY", KEY, KEY),
    Good("PTR", "host.example.net", "host.example.net."),
    Good(
        "SMIMEA",
        "3 0 0 aabbcc",
        "3 0 0 aabbcc",
        {"usage": 3, "selector": 0, "matching_type": 0, "certificate": "aabbcc"},
    ),
    Good(
        "SRV",
        "10 5 5060 sip.example.net",
        "10 5 5060 sip.example.net.",
        {"priority": 10, "weight": 5, "port": 5060, "target": "sip.example.net"},
    ),
    Good("SRV", "0 0 0 .", "0 0 0 .", {"priority": 0, "weight": 0, "port": 0, "target": "."}),
    Good("SSHFP", f"4 2 {SHA256}", f"4 2 {SHA256}", {"algorithm": 4, "type": 2, "fingerprint": SHA256}),
    Good(
        "TLSA",
        f"3 1 1 {SHA256}",
        f"3 1 1 {SHA256}",
        {"usage": 3, "selector": 1, "matching_type": 1, "certificate": SHA256},
    ),
    Good("TXT", '"v=spf1 -all"', '"v=spf1 -all"'),
    Good(
        "TXT",
        '"one" "two; \\"three\\" \\\\ \\195\\188\\000"',
        '"one" "two; \\"three\\" \\\\ \\195\\188\\000"',
    ),
    Good("TXT", '""', '""'),
    Good(
        "URI",
        '1 "https://example.net/a;b"',
        '10 1 "https://example.net/a;b"',
        {"weight": 1, "target": "https://example.net/a;b"},
        10,
    ),
]
"""At least one of every type, each already in its canonical form."""


def draft(kind: str, content: str | None = None, name: str = "host", **others: Any) -> RecordDraft:
    return RecordDraft(type=RecordType(kind), name=name, content=content, **others)


# --- strategies -------------------------------------------------------------------------------------------

_u8 = st.integers(0, 255).map(str)
_u16 = st.integers(0, 65_535).map(str)
_label = st.from_regex(r"[a-zA-Z0-9_]([a-zA-Z0-9-]{0,10}[a-zA-Z0-9])?", fullmatch=True).filter(
    lambda label: not label.lower().startswith("xn--")
)
_target = st.lists(_label, min_size=1, max_size=4).map(lambda labels: ".".join(labels) + ".example.NET.")
_octets = st.binary(min_size=1, max_size=80)
_hex = _octets.map(bytes.hex)
_base64 = _octets.map(lambda octets: base64.b64encode(octets).decode())
_graphic = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40).filter(
    lambda text: text.strip('"') == text
)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_quoted = _graphic.map(_quote)
_params = st.lists(
    st.sampled_from(["alpn=h2", 'alpn="h2,h3"', "port=443", "ipv4hint=192.0.2.1", "ipv6hint=2001:db8::1"]),
    unique_by=lambda param: param[:5],
    max_size=3,
).map(" ".join)
_angle = st.tuples(st.integers(0, 89), st.integers(0, 59), st.integers(0, 59_999)).map(
    lambda angle: f"{angle[0]} {angle[1]} {angle[2] / 1000:.3f}"
)
_altitude = st.integers(-10_000_000, 2**32 - 1 - 10_000_000).map(
    lambda centimetres: f"{centimetres / 100:.2f}m"
)
_metres = st.integers(0, 9_000_000_000).map(lambda centimetres: f"{centimetres / 100:.2f}m")


def _row(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda words: " ".join(word for word in words if word))


CONTENTS: dict[RecordType, st.SearchStrategy[str]] = {
    RecordType.A: st.ip_addresses(v=4).map(str),
    RecordType.AAAA: st.ip_addresses(v=6).map(str),
    RecordType.CAA: _row(_u8, st.from_regex(r"[a-zA-Z0-9]{1,15}", fullmatch=True), _quoted),
    RecordType.CERT: _row(_u16, _u16, _u8, _base64),
    RecordType.CNAME: _target,
    RecordType.DNSKEY: _row(_u16, st.just("3"), _u8, _base64),
    RecordType.DS: _row(_u16, _u8, st.just("2"), st.binary(min_size=32, max_size=32).map(bytes.hex)),
    RecordType.HTTPS: _row(st.integers(1, 65_535).map(str), st.one_of(st.just("."), _target), _params),
    RecordType.LOC: _row(
        *(_angle, st.sampled_from("NS"), _angle, st.sampled_from("EW")), _altitude, _metres, _metres, _metres
    ),
    RecordType.MX: _row(_u16, _target),
    RecordType.NAPTR: _row(_u16, _u16, _quoted, _quoted, st.just('""'), _target),
    RecordType.NS: _target,
    RecordType.OPENPGPKEY: _base64,
    RecordType.PTR: _target,
    RecordType.SMIMEA: _row(_u8, _u8, st.just("0"), _hex),
    RecordType.SRV: _row(_u16, _u16, _u16, _target),
    RecordType.SSHFP: _row(st.integers(5, 255).map(str), st.integers(3, 255).map(str), _hex),
    RecordType.SVCB: _row(st.integers(1, 65_535).map(str), _target, _params),
    RecordType.TLSA: _row(_u8, _u8, st.just("0"), _hex),
    RecordType.TXT: st.one_of(
        _graphic.filter(lambda text: text.strip() != ""), st.lists(_quoted, min_size=1).map(" ".join)
    ),
    RecordType.URI: _row(_u16, _u16, _graphic.filter(bool).map(_quote)),
}

owner_names = st.lists(_label, min_size=1, max_size=3).map(".".join)


@st.composite
def drafts(draw: st.DrawFn) -> RecordDraft:
    """Drafts that are nearly always good ones."""
    kind = draw(st.sampled_from(sorted(CONTENTS)))
    proxiable = kind in (RecordType.A, RecordType.AAAA, RecordType.CNAME)
    return RecordDraft(
        type=kind,
        name=draw(owner_names),
        content=draw(CONTENTS[kind]),
        ttl=draw(st.one_of(st.just(1), st.integers(30, 86_400))),
        proxied=proxiable and draw(st.booleans()),
        flatten_cname=kind is RecordType.CNAME and draw(st.booleans()),
        comment=draw(
            st.one_of(
                st.none(),
                st.text(st.characters(exclude_categories=["C", "Z"]), max_size=30),
                st.just("cf_tags=a:b, so"),
            )
        ),
        tags=draw(
            st.lists(
                st.tuples(
                    st.from_regex(r"[a-bd-z0-9_-]{1,5}", fullmatch=True),
                    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=9),
                ).map(":".join),
                max_size=3,
            ).map(tuple)
        ),
    )
