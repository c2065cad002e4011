"""Drafts in, validated records out: every type, both of Cloudflare's forms, and everything that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import InvalidInput
from rempart.model.rdata import RDATA_MAX, has_data_form
from rempart.model.record_parsing import parse_record
from rempart.model.records import RecordDraft, RecordFields, RecordType
from tests.model.record_cases import CANONICAL, SHA256, ZONE, Good, draft, drafts


def parsed(*arguments: Any, **others: Any) -> RecordFields:
    return parse_record(ZONE, draft(*arguments, **others))


def again(record: RecordFields, **changes: Any) -> RecordFields:
    """The record parsed from its own fields, as a client sends back what it was given."""
    fields = record.model_dump(exclude={"rdata", "data"}) | changes
    return parse_record(ZONE, RecordDraft(**fields))


def test_every_type_has_a_case() -> None:
    assert {good.type for good in CANONICAL} == {kind.value for kind in RecordType}


@pytest.mark.parametrize("good", CANONICAL, ids=lambda good: f"{good.type} {good.content[:20]}")
def test_both_forms_of_a_record_become_one(good: Good) -> None:
    record = parsed(good.type, good.content, priority=good.priority)
    assert (record.content, record.rdata, record.data, record.priority) == good[1:]
    assert record.name == f"host.{ZONE}"
    assert again(record) == record
    assert has_data_form(record.type) == (good.data is not None)
    if good.data is not None:
        assert parsed(good.type, data=good.data, priority=good.priority) == record
        as_strings = {name: str(value) for name, value in good.data.items()}
        assert parsed(good.type, data=as_strings, priority=good.priority) == record


@pytest.mark.parametrize(
    ("kind", "content", "priority", "rdata"),
    [
        ("AAAA", " 2001:DB8:0::1\n", None, "2001:db8::1"),
        ("A", r"\# 4 c0000201", None, "192.0.2.1"),
        ("CNAME", "@", None, "example.org."),
        ("CNAME", "Target.Example.NET.", None, "target.example.net."),
        ("CNAME", "bücher.example", None, "xn--bcher-kva.example."),
        ("MX", "10 mail.example.net.", None, "10 mail.example.net."),
        ("MX", "10 mail.example.net", 10, "10 mail.example.net."),
        ("MX", "mail.example.net", 0, "0 mail.example.net."),
        ("SRV", "5 5060 sip.example.net", 10, "10 5 5060 sip.example.net."),
        ("URI", "10 1 https://example.net/", None, '10 1 "https://example.net/"'),
        ("CAA", "0 ISSUE letsencrypt.org", None, '0 issue "letsencrypt.org"'),
        ("CERT", "PKIX 1 RSASHA256 AA\n BB", None, "1 1 8 AABB"),
        ("DNSKEY", "257 3 ECDSAP256SHA256 " + "A" * 86 + "==", None, "257 3 13 " + "A" * 86 + "=="),
        ("DS", f"1 13 2 {SHA256.upper()[:30]} {SHA256.upper()[30:]}", None, f"1 13 2 {SHA256}"),
        ("HTTPS", "1 . port=443 alpn=h2", None, '1 . alpn="h2" port="443"'),  # in the wire's order
        (
            "SVCB",
            "1 dns.example.net ALPN=dot dohpath=/q ohttp",
            None,
            '1 dns.example.net. alpn="dot" key7="/q" key8',
        ),
        ("HTTPS", r"\# 3 000100", None, "1 ."),
        ("LOC", "51 N 0 W 10", None, "51 0 0.000 N 0 0 0.000 E 10.00m 1.00m 10000.00m 10.00m"),
        ("TXT", "v=spf1 include:_spf.example.net -all; x", None, '"v=spf1 include:_spf.example.net -all; x"'),
        ("TXT", 'say "hello"', None, '"say \\"hello\\""'),
        ("TXT", "back\\slash", None, '"back\\\\slash"'),
        ("TXT", '"v=x; \\"hello\\""', None, '"v=x; \\"hello\\""'),
        ("TXT", '"a"   "b"', None, '"a" "b"'),
        ("TXT", "ü", None, '"\\195\\188"'),
        ("TXT", '"\\065"', None, '"A"'),
        ("TXT", "x" * 300, None, f'"{"x" * 255}" "{"x" * 45}"'),
        ("TXT", f'"{"x" * 300}" "y"', None, f'"{"x" * 255}" "{"x" * 45}" "y"'),
    ],
)
def test_what_clients_write_becomes_canonical(
    kind: str, content: str, priority: int | None, rdata: str
) -> None:
    record = parsed(kind, content, priority=priority)
    assert record.rdata == rdata
    assert again(record) == record


@pytest.mark.parametrize(
    ("kind", "data", "priority", "rdata"),
    [
        # octodns repeats the owner; lexicon sends strings, and quotes within them
        (
            "SRV",
            {
                "priority": 1.0,
                "weight": "2",
                "port": 5060,
                "target": "sip.example.net.",
                "service": "_sip",
                "proto": "_tcp",
                "name": "example.org",
            },
            None,
            "1 2 5060 sip.example.net.",
        ),
        ("SRV", {"weight": 2, "port": 3, "target": "@"}, 9, "9 2 3 example.org."),
        (
            "CAA",
            {"flags": "0", "tag": "issue", "value": '"letsencrypt.org"'},
            None,
            '0 issue "letsencrypt.org"',
        ),
        ("CAA", {"flags": 0, "tag": "issue", "value": "a", "unknown": None}, None, '0 issue "a"'),
        ("HTTPS", {"priority": 1, "target": ".", "value": ' alpn="h2,h3"'}, None, '1 . alpn="h2,h3"'),
        ("HTTPS", {"priority": "1.0", "target": "svc.example.net"}, None, "1 svc.example.net."),
        ("URI", {"weight": 1, "target": "https://example.net/"}, 5, '5 1 "https://example.net/"'),
        (
            "URI",
            {"priority": 5, "weight": 1, "target": "https://example.net/"},
            None,
            '5 1 "https://example.net/"',
        ),
        (
            "LOC",
            {
                "lat_degrees": 1,
                "lat_direction": "s",
                "long_degrees": "2",
                "long_direction": "E",
                "altitude": "3",
            },
            None,
            "1 0 0.000 S 2 0 0.000 E 3.00m 1.00m 10000.00m 10.00m",
        ),
    ],
)
def test_data_as_clients_send_it(kind: str, data: dict[str, Any], priority: int | None, rdata: str) -> None:
    record = parsed(kind, data=data, priority=priority)
    assert record.rdata == rdata
    assert again(record, data=record.data) == record


def test_data_counts_when_content_is_given_too() -> None:
    data = {"flags": 0, "tag": "issue", "value": "new.example"}
    assert parsed("CAA", '0 issue "old.example"', data=data).rdata == '0 issue "new.example"'
    assert parsed("CAA", '0 issue "old.example"', data={}).rdata == '0 issue "old.example"'
    assert parsed("A", "192.0.2.1", data={"whatever": 1}).rdata == "192.0.2.1"


@pytest.mark.parametrize(
    ("kind", "content", "field"),
    [
        ("A", "", "content"),
        ("A", "192.0.2.01", "content"),
        ("A", "192.0.2.256", "content"),
        ("A", "192.0.2.1 192.0.2.2", "content"),
        ("A", "192.0.2.1 ; comment", "content"),
        ("A", "2001:db8::1", "content"),
        ("A", "example.net", "content"),
        ("A", "\u0661.2.3.4", "content"),
        ("A", r"\# 5 c000020100", "content"),
        ("A", r"\# 4 c0", "content"),
        ("AAAA", "192.0.2.1", "content"),
        ("AAAA", "fe80::1%eth0", "content"),
        ("AAAA", "2001:db8:::1", "content"),
        ("CAA", "0 issue", "content"),
        ("CAA", "256 issue a", "content"),
        ("CAA", "0 is-sue a", "content"),
        ("CAA", "0 issue letsencrypt.org; x=y", "content"),  # a comment to a zone file's reader
        ("CAA", '0 issue "a" b', "content"),
        ("CAA", '0 issue "a', "content"),
        ("CAA", '0 issue "a"b', "content"),
        ("CAA", '0 issue "\\"a\\""', "content"),
        ("CAA", '0 issue "\\999"', "content"),
        ("CAA", '0 issue "\\255"', "content"),
        ("CERT", "NONSENSE 1 1 AAAA", "content"),
        ("CERT", "1 1 1 A", "content"),
        ("CNAME", "192.0.2.1", "content"),
        ("CNAME", "mail", "content"),
        ("CNAME", ".", "content"),
        ("CNAME", "a.example.net b.example.net", "content"),
        ("CNAME", "a..example.net", "content"),
        ("CNAME", "*.example.net", "content"),
        ("CNAME", "host.example.org", "content"),  # itself
        ("CNAME", "a.example.net\nhost2 A 192.0.2.1", "content"),
        ("DNSKEY", "257 3 13", "content"),
        ("DNSKEY", "65536 3 13 AAAA", "content"),
        ("DS", "1 13 2 aabb", "content"),  # not SHA-256's length
        ("DS", "1 13 2 xx", "content"),
        ("HTTPS", "1", "content"),
        ("HTTPS", "1 . alpn", "content"),
        ("HTTPS", "1 . port=99999", "content"),
        ("HTTPS", "1 . port=1 port=2", "content"),
        ("HTTPS", "1 . mandatory=alpn", "content"),
        ("HTTPS", "1 . nonsense=1", "content"),
        ("HTTPS", "0 svc.example.net alpn=h2", "content"),
        ("LOC", "91 N 0 E 0m", "content"),
        ("LOC", "1 N 0 E nanm", "content"),
        ("LOC", "1 N 0 E infm", "content"),
        ("LOC", "1 N 0 E 1e9m", "content"),
        ("LOC", "1 N", "content"),
        ("MX", "mail.example.net", "priority"),
        ("MX", "70000 mail.example.net", "content"),
        ("MX", "10 192.0.2.1", "content"),
        ("NAPTR", '1 1 "U" "x" "!a!b" .', "content"),
        ("NAPTR", '1 1 "U" "x" "!a!\\\\1!" .', "content"),  # BIND refuses such a zone
        ("NAPTR", '1 1 "' + "x" * 256 + '" "" "" .', "content"),
        ("NS", ".", "content"),
        ("OPENPGPKEY", "-----BEGIN PGP PUBLIC KEY BLOCK-----", "content"),
        ("PTR", "1.2.3.4", "content"),
        ("SRV", "1 2", "content"),
        ("SRV", "5 5060 sip.example.net", "priority"),
        ("SRV", "1 2 65536 sip.example.net", "content"),
        ("SSHFP", f"4 1 {SHA256}", "content"),
        ("TLSA", "3 1 1 aabb", "content"),
        ("TLSA", "3 1 1 abc", "content"),
        ("TXT", '"a', "content"),
        ("TXT", '"a"b"c"', "content"),
        ("TXT", '"a" ; b', "content"),
        ("TXT", '"\\300"', "content"),
        ("TXT", "\ud800", "content"),
        ("TXT", "x" * (RDATA_MAX + 1), "content"),
        ("TXT", "x" * 1_000_000, "content"),
        ("URI", '1 "https://example.net/"', "priority"),
        ("URI", '1 2 ""', "content"),
    ],
)
def test_bad_content_is_refused(kind: str, content: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed(kind, content)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("A", {"address": "192.0.2.1"}, "data"),
        ("TXT", {"value": "x"}, "data"),
        ("CAA", {"flags": 0, "tag": "issue"}, "data.value"),
        ("CAA", {"flags": 0, "tag": "issue", "value": None}, "data.value"),
        ("CAA", {"flags": 0, "tag": "issue", "value": 5}, "data.value"),
        ("CAA", {"flags": True, "tag": "issue", "value": "x"}, "data.flags"),
        ("CAA", {"flags": 0.5, "tag": "issue", "value": "x"}, "data.flags"),
        ("CAA", {"flags": float("nan"), "tag": "issue", "value": "x"}, "data.flags"),
        ("CAA", {"flags": 10**5000, "tag": "issue", "value": "x"}, "data.flags"),
        ("CAA", {"flags": -1, "tag": "issue", "value": "x"}, "data.flags"),
        ("CAA", {"flags": [], "tag": "issue", "value": "x"}, "data.flags"),
        ("CAA", {"flags": 0, "tag": 'issue "x"', "value": "x"}, "data.tag"),
        ("CAA", {"flags": 0, "tag": "issue", "value": "x" * 1_000_000}, "data.value"),
        ("CAA", {"flags": 0, "tag": "issue", "value": "x", "more": 1}, "data.more"),
        ("DS", {"key_tag": 1, "algorithm": 13, "digest_type": 2, "digest": "xyz"}, "data.digest"),
        ("HTTPS", {"priority": 1, "target": ".", "value": "alpn=h2 ; x"}, "data.value"),
        ("HTTPS", {"priority": 1, "target": ".", "value": "alpn=h2\n@ NS x."}, "content"),
        ("LOC", {"lat_degrees": 91, "lat_direction": "N"}, "data.lat_degrees"),
        ("LOC", {"lat_degrees": 9, "lat_direction": "E"}, "data.lat_direction"),
        ("LOC", {"lat_degrees": 9}, "data.lat_direction"),
        ("LOC", {"latitude": 9}, "data.latitude"),
        (
            "LOC",
            {
                "lat_degrees": 9,
                "lat_direction": "N",
                "long_degrees": 9,
                "long_direction": "E",
                "size": float("inf"),
            },
            "data.size",
        ),
        ("SRV", {"priority": 1, "weight": 1, "port": 1, "target": "sip"}, "data.target"),
        ("SRV", {"weight": 1, "port": 1, "target": "sip.example.net"}, "data.priority"),
        ("URI", {"weight": 1, "target": "https://example.net/"}, "priority"),
    ],
)
def test_bad_data_is_refused(kind: str, data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed(kind, data=data)
    assert caught.value.field == field


def test_a_priority_that_contradicts_the_content_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed("MX", "10 mail.example.net", priority=20)
    assert caught.value.field == "priority"


@pytest.mark.parametrize("ttl", [1, 30, 60, 86_400])
def test_ttls_in_bounds_are_kept(ttl: int) -> None:
    assert parsed("A", "192.0.2.1", ttl=ttl).ttl == ttl


@pytest.mark.parametrize("ttl", [-1, 0, 2, 29, 86_401, 2**40])
def test_ttls_out_of_bounds_are_refused(ttl: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed("A", "192.0.2.1", ttl=ttl)
    assert (caught.value.field, caught.value.code) == ("ttl", CloudflareCode.TTL_INVALID)


@pytest.mark.parametrize(
    ("kind", "content"), [("A", "192.0.2.1"), ("AAAA", "::1"), ("CNAME", "a.example.net")]
)
def test_a_proxied_record_has_the_automatic_ttl(kind: str, content: str) -> None:
    record = parsed(kind, content, ttl=3600, proxied=True)
    assert (record.proxied, record.ttl) == (True, 1)


def test_other_types_are_not_proxied() -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed("TXT", "x", proxied=True)
    assert (caught.value.field, caught.value.code) == ("proxied", CloudflareCode.PROXIED_INVALID)


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("NS", "@", "ns1.example.net"),
        ("NS", "example.org", "ns1.example.net"),
        ("NS", "*", "ns1.example.net"),
        ("DS", "@", f"1 13 2 {SHA256}"),
        ("DS", "*.a", f"1 13 2 {SHA256}"),
        ("A", "a.*", "192.0.2.1"),
        ("A", "www.example.com.", "192.0.2.1"),
        ("A", "", "192.0.2.1"),
        ("A", "a/b", "192.0.2.1"),
    ],
)
def test_records_have_their_places(kind: str, name: str, content: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed(kind, content, name=name)
    assert caught.value.field == "name"


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("CNAME", "@", "a.example.net"),
        ("A", "*", "192.0.2.1"),
        ("NS", "sub", "ns.sub.example.org"),
        ("MX", "*", "1 a.b"),
    ],
)
def test_apex_cnames_wildcards_and_delegations_are_records(kind: str, name: str, content: str) -> None:
    assert parsed(kind, content, name=name).content


def test_an_srv_record_may_be_named_by_its_parts() -> None:
    data = {
        "service": "_sip",
        "proto": "_tcp",
        "name": "a",
        "priority": 1,
        "weight": 1,
        "port": 1,
        "target": ".",
    }
    assert parsed("SRV", data=data, name="").name == "_sip._tcp.a.example.org"
    with pytest.raises(InvalidInput):
        parsed("SRV", "1 1 1 .", name="")


def test_flattening_is_for_cnames() -> None:
    assert parsed("CNAME", "a.example.net", flatten_cname=True).flatten_cname
    with pytest.raises(InvalidInput) as caught:
        parsed("A", "192.0.2.1", flatten_cname=True)
    assert caught.value.field == "flatten_cname"


def test_comments_and_tags() -> None:
    record = parsed(
        "A", "192.0.2.1", comment="  hello; wörld ", tags=("Owner:joe", "team", "owner:joe", "a:b, c=d")
    )
    assert record.comment == "hello; wörld"
    assert record.tags == ("owner:joe", "team:", "a:b, c=d")
    assert again(record) == record
    assert parsed("A", "192.0.2.1", comment="").comment is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("comment", "x" * 501),
        ("comment", "a\nevil A 192.0.2.1"),
        ("comment", "a\u2028b"),
        ("comment", "\ud800"),
        ("tags", ("a:b",) * 21),
        ("tags", ("a b:c",)),
        ("tags", (":c",)),
        ("tags", ("cf-proxied:true",)),
        ("tags", ("a" * 33,)),
        ("tags", ("a:" + "b" * 101,)),
        ("tags", ("a:b\nc",)),
    ],
)
def test_bad_comments_and_tags_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed("A", "192.0.2.1", **{field: value})
    assert caught.value.field == field


@given(drafts())
@settings(max_examples=400)
def test_a_record_parsed_again_is_the_same(given_draft: RecordDraft) -> None:
    record = parse_record(ZONE, given_draft)
    assert again(record) == record
    if record.data is not None:
        assert again(record, content=None, data=record.data) == record
        floats = {
            name: float(value) if isinstance(value, int) else value for name, value in record.data.items()
        }
        assert again(record, content=None, data=floats) == record


@given(
    st.sampled_from(sorted(RecordType)),
    st.text(max_size=200),
    st.text(max_size=60),
    st.none() | st.integers(0, 65535),
)
@settings(max_examples=400)
def test_any_text_is_a_record_or_invalid_input(
    kind: RecordType, content: str, name: str, priority: int | None
) -> None:
    try:
        record = parse_record(ZONE, RecordDraft(type=kind, name=name, content=content, priority=priority))
    except InvalidInput:
        return
    assert again(record) == record
    assert "\n" not in record.rdata


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=2),
)
_member_names = sorted({name for good in CANONICAL for name in good.data or ()})


@given(
    st.sampled_from(CANONICAL),
    st.dictionaries(st.sampled_from(_member_names) | st.text(max_size=5), _json, max_size=4),
)
@settings(max_examples=400)
def test_any_data_is_a_record_or_invalid_input(good: Good, changes: dict[str, Any]) -> None:
    try:
        record = parsed(good.type, data=(good.data or {}) | changes, priority=good.priority)
    except InvalidInput:
        return
    assert again(record) == record


_fragments = st.sampled_from(
    [
        '"',
        "\\",
        "\\0",
        "\\#",
        "(",
        ")",
        ";",
        " ",
        "\n",
        "1",
        "0",
        ".",
        "a.b",
        "alpn=",
        "N",
        "E",
        "m",
        "é",
        "\x00",
        "@",
        "*",
    ]
)


@given(st.sampled_from(sorted(RecordType)), st.lists(_fragments, max_size=14).map("".join))
@settings(max_examples=600)
def test_the_signs_of_the_grammar_in_any_order(kind: RecordType, content: str) -> None:
    try:
        record = parsed(kind, content, priority=1)
    except InvalidInput:
        return
    assert again(record) == record
