"""Zone files in and out, judged by name servers that others run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rempart.model.errors import InvalidInput
from rempart.model.record_parsing import parse_record
from rempart.model.records import RecordDraft, RecordFields, RecordType
from rempart.model.zonefile import RECORDS_MAX, SIZE_MAX, Soa, ZoneFile, read_zone_file, write_zone_file
from tests.model.record_cases import CANONICAL, ZONE, draft, drafts

SOA = Soa(mname="ns1.example.net", rname="hostmaster.example.net", serial=2026112001)

FROM_ANOTHER_OPERATOR = r"""
; a zone as BIND users write it
$TTL 1h
@   IN SOA ns1.old.example. hostmaster.old.example. (
        2026010101 ; serial
        2h 15m 2w 1h )
    IN NS  ns1.old.example.
@   MX  10 mail
    MX  20 mail.backup.example.
www 300 IN A 192.0.2.1 ; web server
    IN 2m AAAA 2001:db8::1
ftp CNAME www
* TXT any thing "three strings"
c   CAA 0 issue letsencrypt.org
old TYPE65 \# 3 000100
sub NS ns.sub
sub DS 1 13 2 ( 0123456789abcdef0123456789abcdef
                0123456789ABCDEF0123456789ABCDEF )
$ORIGIN a.example.org.
_sip._tcp SRV 0 5 5060 sip
@   LOC 51 30 12.748 N 0 7 39.612 W 10m
$ORIGIN b
n   NAPTR 100 10 S SIP+D2U "" _sip._udp
$ORIGIN .
p.example.org PTR host.example.net
"""


def contents(file: ZoneFile) -> list[tuple[str, str, str, int]]:
    return [(record.name, record.type.value, record.rdata, record.ttl) for record in file.records]


def test_a_zone_from_another_operator() -> None:
    file = read_zone_file(FROM_ANOTHER_OPERATOR, ZONE)
    assert contents(file) == [
        ("example.org", "MX", "10 mail.example.org.", 3600),
        ("example.org", "MX", "20 mail.backup.example.", 3600),
        ("www.example.org", "A", "192.0.2.1", 300),
        ("www.example.org", "AAAA", "2001:db8::1", 120),
        ("ftp.example.org", "CNAME", "www.example.org.", 3600),
        ("*.example.org", "TXT", '"any" "thing" "three strings"', 3600),
        ("c.example.org", "CAA", '0 issue "letsencrypt.org"', 3600),
        ("old.example.org", "HTTPS", "1 .", 3600),
        ("sub.example.org", "NS", "ns.sub.example.org.", 3600),
        ("sub.example.org", "DS", "1 13 2 " + "0123456789abcdef" * 4, 3600),
        ("_sip._tcp.a.example.org", "SRV", "0 5 5060 sip.a.example.org.", 3600),
        ("a.example.org", "LOC", "51 30 12.748 N 0 7 39.612 W 10.00m 1.00m 10000.00m 10.00m", 3600),
        ("n.b.a.example.org", "NAPTR", '100 10 "S" "SIP+D2U" "" _sip._udp.b.a.example.org.', 3600),
        ("p.example.org", "PTR", "host.example.net.", 3600),
    ]
    assert [(skipped.line, skipped.type) for skipped in file.skipped] == [(4, "SOA"), (7, "NS")]
    assert file.records[2].comment == "web server"
    assert [parse_record(ZONE, each) for each in file.drafts] == list(file.records)


def test_cloudflares_export() -> None:
    file = read_zone_file(
        ";; SOA Record\n"
        "example.org\t3600\tIN\tSOA\tada.ns.cloudflare.com. dns.cloudflare.com. 2 10000 2400 604800 3600\n"
        "example.org.\t86400\tIN\tNS\tada.ns.cloudflare.com.\n"
        "example.org.\t1\tIN\tA\t192.0.2.1 ; cf_tags=cf-proxied:true\n"
        "www.example.org.\t1\tIN\tCNAME\texample.org. ; to the apex cf_tags=owner:web,cf-proxied:false\n"
        "f.example.org.\t60\tIN\tCNAME\ta.example.net. ; cf_tags=cf-flatten-cname\n",
        ZONE,
    )
    apex, www, flat = file.records
    assert (apex.proxied, apex.ttl, apex.comment) == (True, 1, None)
    assert (www.proxied, www.ttl, www.comment, www.tags) == (False, 1, "to the apex", ("owner:web",))
    assert (flat.flatten_cname, flat.ttl) == (True, 60)
    assert [skipped.type for skipped in file.skipped] == ["SOA", "NS"]


def test_a_forgotten_trailing_dot_is_noted() -> None:
    file = read_zone_file("www.example.org A 192.0.2.1\nwww.example.org.example.org. A 192.0.2.2\n", ZONE)
    assert [record.name for record in file.records] == ["www.example.org.example.org"] * 2
    assert file.notes == (
        "1 names end in example.org without a trailing dot and so are below it, the first in line 1",
    )


def test_records_that_say_nothing_may_be_proxied() -> None:
    text = "a A 192.0.2.1\nb A 192.0.2.1 ; cf_tags=cf-proxied:false\nc TXT x\n"
    assert [record.proxied for record in read_zone_file(text, ZONE, proxied=True).records] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("@ SOA a. b. 1 2 3 4 5", "SOA"),
        ("@ NS ns.example.net.", "name servers"),
        ("@ DS 1 13 2 aa", "DS records"),
        ("a RRSIG A 13 2 300 20260101000000 20250101000000 1 example.org. AAAA", "signed anew"),
        ("a NSEC b A RRSIG", "signed anew"),
        ("@ DNSKEY 257 3 13 AAAA", "signed anew"),
        ("@ TYPE65534 \\# 5 0D00000001", "signed anew"),
        ("@ CDS 0 0 0 00", "signed anew"),
        ("a DNAME b", "DNAME"),
        ("a SPF v=spf1", "TXT"),
        ("a TYPE4711 \\# 0", "TYPE4711"),
        ("a CH TXT x", "class IN"),
        ("a CLASS3 A \\# 0", "class IN"),
        ("a.example.net. A 192.0.2.1", "outside"),
    ],
)
def test_what_is_skipped_says_why(line: str, reason: str) -> None:
    file = read_zone_file(f"ok A 192.0.2.1\n{line}\n", ZONE)
    assert len(file.records) == 1
    assert len(file.skipped) == 1
    assert file.skipped[0].line == 2
    assert reason in file.skipped[0].reason


def test_duplicates_are_skipped() -> None:
    file = read_zone_file("a A 192.0.2.1\nA 60 A 192.0.2.1\n", ZONE)
    assert len(file.records) == len(file.skipped) == 1


def test_ttls_are_moved_into_bounds_with_a_note() -> None:
    text = "$TTL 1w\na A 192.0.2.1\nb A 192.0.2.1\nc 5 A 192.0.2.1\nd 1 A 192.0.2.1\n"
    file = read_zone_file(text, ZONE)
    assert [record.ttl for record in file.records] == [86_400, 86_400, 30, 1]
    assert file.notes == (
        "TTL 5 became 30 in 1 records, the first in line 4",
        "TTL 604800 became 86400 in 2 records, the first in line 2",
    )


def test_without_ttl_the_last_one_counts_and_else_it_is_automatic() -> None:
    file = read_zone_file("a A 192.0.2.1\nb 60 A 192.0.2.1\nc A 192.0.2.1\n", ZONE)
    assert [record.ttl for record in file.records] == [1, 60, 60]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a A 192.0.2.1\nb A 192.0.2.300\n", 2, "IPv4"),
        ("a MX (\n 10\n x..y )\n", 1, "empty"),
        ("$INCLUDE other.zone\n", 1, "INCLUDE"),
        ("$GENERATE 1-9 a$ A 192.0.2.$\n", 1, "GENERATE"),
        ("$WHAT\n", 1, "directive"),
        ("$TTL x\n", 1, "TTL"),
        ("$ORIGIN a..b.\n", 1, "empty"),
        ("  A 192.0.2.1\n", 1, "owner"),
        ("a 60\n", 1, "no type"),
        ("a 60 60 A 192.0.2.1\n", 1, "type"),
        ("a A\n", 1, "no data"),
        ("a\\.b A 192.0.2.1\n", 1, "solidus"),
        ("a/b A 192.0.2.1\n", 1, "solidus"),
        ("a TXT x ; cf_tags=" + ",".join(f"t{number}" for number in range(21)), 1, "tags"),
        ("a TYPE99999 \\# 0\n", 1, "type"),
    ],
)
def test_faults_name_their_line(text: str, line: int, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        read_zone_file(text, ZONE)
    assert caught.value.field == f"line {line}"


def test_all_faults_are_named_up_to_ten() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_zone_file("a A x\n" * 30, ZONE)
    assert "line 10: " in caught.value.message
    assert "line 11: " not in caught.value.message


def test_a_file_has_a_size() -> None:
    for text in ("; " + "x" * SIZE_MAX, "; " + "€" * (SIZE_MAX // 3)):
        with pytest.raises(InvalidInput) as caught:
            read_zone_file(text, ZONE)
        assert caught.value.field == "file"


@pytest.mark.slow
def test_a_file_has_a_number_of_records() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_zone_file("a NSEC b\n" * (RECORDS_MAX + 1), ZONE)
    assert caught.value.field == "file"


def test_long_and_unprintable_comments_are_cut() -> None:
    file = read_zone_file("a A 192.0.2.1 ; " + "x" * 600 + "\nb A 192.0.2.1 ; a\x07b\u2028c\n", ZONE)
    assert [record.comment for record in file.records] == ["x" * 500, "abc"]
    assert "line 1" in file.notes[0]


def _every_type() -> list[RecordFields]:
    return [
        parse_record(
            ZONE, draft(good.type, good.content, f"r{number}", priority=good.priority, comment="a; (b")
        )
        for number, good in enumerate(CANONICAL)
        if good.type not in ("DNSKEY",)
    ]


def test_every_type_is_read_as_it_was_written() -> None:
    records = _every_type()
    text = write_zone_file(ZONE, reversed(records), soa=SOA, name_servers=["ns1.example.net"])
    file = read_zone_file(text, ZONE)
    assert sorted(file.records, key=str) == sorted(records, key=str)
    assert [skipped.type for skipped in file.skipped] == ["SOA", "NS"]
    assert write_zone_file(ZONE, file.records, soa=SOA, name_servers=["ns1.example.net"]) == text


def test_an_automatic_ttl_can_be_written_in_seconds() -> None:
    record = parse_record(ZONE, draft("TXT", "x"))
    assert write_zone_file(ZONE, [record], auto_ttl=300).splitlines()[1:] == [
        'host.example.org.\t300\tIN\tTXT\t"x"'
    ]


CHECKS = {
    "knot": ["knotc", "-c", "{conf}", "zone-check", ZONE],
    "bind": ["named-checkzone", "-i", "none", ZONE, "{file}"],
    "nsd": ["nsd-checkzone", ZONE, "{file}"],
}


@pytest.mark.parametrize("server", sorted(CHECKS))
def test_name_servers_take_every_type(server: str, tmp_path: Path) -> None:
    command = CHECKS[server]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    file, conf = tmp_path / "zone", tmp_path / "knot.conf"
    dnskey = next(good for good in CANONICAL if good.type == "DNSKEY")
    records = [*_every_type(), parse_record(ZONE, draft("DNSKEY", dnskey.content, "@"))]
    text = write_zone_file(ZONE, records, soa=SOA, name_servers=["ns1.example.net"], auto_ttl=300)
    file.write_text(text, encoding="utf-8")
    conf.write_text(
        f"database:\n  storage: {tmp_path}\nzone:\n  - domain: {ZONE}\n    file: {file}\n", encoding="utf-8"
    )
    run = subprocess.run(
        [word.format(conf=conf, file=file) for word in command], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stdout + run.stderr
    file.write_text(text + "bad A 192.0.2.300\n", encoding="utf-8")
    again = subprocess.run(
        [word.format(conf=conf, file=file) for word in command], capture_output=True, text=True, timeout=60
    )
    assert again.returncode != 0, "the check finds nothing"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no record of example.org"),
        ("; nothing\n$TTL 300\n", "no record of example.org"),
        ("hello world\n", "records of type WORLD are not kept, nor known here"),
        ("www.example.net. 300 IN A 192.0.2.1\n", "outside the zone example.org"),
    ],
)
def test_a_file_without_a_record_of_the_zone_is_none_of_it(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read_zone_file(text, "example.org")


def test_a_zone_without_records_is_told_by_its_soa() -> None:
    assert read_zone_file("@ 300 SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n", "example.org").records == ()


@given(st.lists(drafts(), max_size=12), st.booleans())
@settings(max_examples=150)
def test_any_records_are_read_as_they_were_written(given_drafts: list[RecordDraft], default: bool) -> None:
    records = {
        (record.name, record.type, record.rdata): record
        for record in (parse_record(ZONE, each) for each in given_drafts)
        if record.type is not RecordType.DNSKEY
    }
    assume(records)
    file = read_zone_file(write_zone_file(ZONE, records.values()), ZONE, proxied=default)
    assert {(record.name, record.type, record.rdata): record for record in file.records} == records
    assert not file.skipped
    assert not file.notes


_pieces = st.sampled_from(
    [
        "a",
        "@",
        " ",
        "\n",
        "A",
        "TXT",
        "MX",
        "IN",
        "60",
        "192.0.2.1",
        '"',
        "\\",
        "(",
        ")",
        ";",
        "$ORIGIN",
        "$TTL",
        ".",
        "x.",
        "\\#",
        "é",
    ]
)


@given(
    st.lists(_pieces, max_size=20).map("".join)
    | st.lists(_pieces, max_size=20).map(" ".join)
    | st.text(max_size=80)
)
@settings(max_examples=400)
def test_any_text_is_a_zone_file_or_invalid_input(text: str) -> None:
    try:
        file = read_zone_file(text, ZONE)
    except InvalidInput as error:
        if not error.field:
            raise
        return
    again = read_zone_file(write_zone_file(ZONE, file.records), ZONE)
    assert sorted(again.records, key=str) == sorted(file.records, key=str)
