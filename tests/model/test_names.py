"""Names: what people write, and the one form it becomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.model.errors import InvalidInput
from rempart.model.names import (
    enclosing,
    parse_domain_name,
    parse_hostname,
    parse_owner,
    parse_target,
    parse_zone_name,
    registrable_domain,
    relative_to,
    to_unicode,
    within,
)

LONG_LABEL = "a" * 63
LONGEST = ".".join([LONG_LABEL] * 3 + ["a" * 61])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("www.example.org", "www.example.org"),
        ("WWW.Example.ORG.", "www.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),  # UTS 46 without transitional mappings: not fass
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｅｘａｍｐｌｅ．ｏｒｇ", "example.org"),
        ("пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"),
        ("אבג.example", "xn--4dbcd.example"),
        ("r3---sn-apo3qvuoxuxbt-j5pe.example.com", "r3---sn-apo3qvuoxuxbt-j5pe.example.com"),
        ("2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa"),
        ("localhost", "localhost"),
        (LONGEST, LONGEST),
        (f"{LONG_LABEL}.example", f"{LONG_LABEL}.example"),
    ],
)
def test_host_names_become_lower_case_a_labels(text: str, name: str) -> None:
    assert parse_hostname(text) == name
    assert parse_hostname(name) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a name is needed"),
        (".", r"label 1 \(''\)"),
        ("a..b", r"label 2 \(''\)"),
        (".example.org", r"label 1 \(''\)"),
        ("example.org..", "label 2|label 3"),
        ("-a.example", "hyphen"),
        ("a-.example", "hyphen"),
        ("_dmarc.example.org", "underscore"),
        ("a b.example", "space is not allowed"),
        ("a\n.example", "U\\+000A"),
        ("a\x00.example", "U\\+0000"),
        ("a/b.example", "solidus"),
        ("a\\.b.example", "reverse solidus"),
        ("*.example.org", "wildcard"),
        ("192.0.2.1", "IP address"),
        ("1.2.3", "IP address"),
        ("127.1", "IP address"),
        ("0x7f.0x1", "IP address"),
        ("2001:db8::1", "address"),
        ("[2001:db8::1]", "address"),
        ("https://example.org", "URL"),
        ("a" * 64 + ".example", "label 1 .*64"),
        (LONGEST + "a", "254"),
        ("a." * 5000 + "org", "characters"),
        ("i❤.example", "internationalised"),
        ("☃.example", "internationalised"),
        ("xn--ls8h.la", "internationalised"),  # an emoji: no IDNA 2008 label
        ("xn--zzzzzzzz.example", "internationalised"),
        ("xn--.example", "internationalised"),
        ("xn--abc.example", "internationalised|encoding"),
        ("xn--Bücher.example", "internationalised"),
        ("1א.example", "internationalised"),  # RFC 5893
        ("a\u200db.example", "internationalised"),
        ("\u0301a.example", "internationalised"),
        ("\u00ad.example", "nothing is left"),
        ("ü" * 60 + ".example", "label 1"),
    ],
)
def test_what_is_no_host_name_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        parse_hostname(text)
    assert caught.value.field == "name"


def test_underscores_are_for_record_owners_only() -> None:
    assert parse_domain_name("_dmarc.Example.org") == "_dmarc.example.org"
    assert parse_domain_name("a_b.-x-.example.org") == "a_b.-x-.example.org"


def test_a_wildcard_is_the_whole_first_label() -> None:
    assert parse_hostname("*.example.org", wildcard=True) == "*.example.org"
    for text in ("a.*.example.org", "*a.example.org", "**.example.org", "*", "＊.example.org"):
        with pytest.raises(InvalidInput, match="wildcard"):
            parse_hostname(text, wildcard=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("@", "example.org"),
        ("example.org", "example.org"),
        ("Example.ORG.", "example.org"),
        ("www", "www.example.org"),
        ("a.b", "a.b.example.org"),
        ("www.example.org", "www.example.org"),
        ("www.example.org.", "www.example.org"),
        ("www.example.com", "www.example.com.example.org"),  # without its dot it is a relative name
        ("myexample.org", "myexample.org.example.org"),
        ("*", "*.example.org"),
        ("*.a", "*.a.example.org"),
        ("_dmarc", "_dmarc.example.org"),
        ("1.2.3.4", "1.2.3.4.example.org"),
        ("bücher", "xn--bcher-kva.example.org"),
    ],
)
def test_owner_names_are_short_or_full(text: str, name: str) -> None:
    assert parse_owner(text, "example.org") == name


@pytest.mark.parametrize(
    "text", ["", "www.example.com.", "myexample.org.", "org.", "a.*", f"{LONGEST}", "a b"]
)
def test_owner_names_stay_in_their_zone(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_owner(text, "example.org")


def test_targets_are_full_names() -> None:
    assert parse_target("@", "example.org") == "example.org"
    assert parse_target("Mail.Example.com.", "example.org") == "mail.example.com"
    assert parse_target(".", "example.org", root=True) == "."
    with pytest.raises(InvalidInput, match="root"):
        parse_target(".", "example.org")
    with pytest.raises(InvalidInput) as caught:
        parse_target("mail", "example.org")
    assert caught.value.hint == "mail.example.org, if it is in this zone"
    with pytest.raises(InvalidInput, match="IP address"):
        parse_target("192.0.2.1", "example.org")


@pytest.mark.parametrize(
    "text", ["org", "localhost.", "*.example.org", "", "1.2.3.4", "0/26.2.0.192.in-addr.arpa"]
)
def test_zone_names_have_two_labels_and_no_wildcard(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_zone_name(text)


def test_enclosing_finds_the_longest_zone() -> None:
    zones = {"example.org", "sub.example.org", "org"}
    assert enclosing("a.sub.example.org", zones) == "sub.example.org"
    assert enclosing("example.org", zones) == "example.org"
    assert enclosing("*.example.org", zones) == "example.org"
    assert enclosing("notexample.org", zones) == "org"
    assert enclosing("example.com", zones) is None


def test_within_counts_whole_labels() -> None:
    assert within("a.example.org", "example.org")
    assert within("example.org", "example.org")
    assert not within("aexample.org", "example.org")
    assert not within("org", "example.org")


@pytest.mark.parametrize(
    ("name", "registrable"),
    [
        ("a.b.example.co.uk", "example.co.uk"),
        ("example.org", "example.org"),
        ("*.example.org", "example.org"),
        ("someone.github.io", "someone.github.io"),
        ("a.example.test", "example.test"),
        ("xn--bcher-kva.xn--p1ai", "xn--bcher-kva.xn--p1ai"),
    ],
)
def test_registrable_domains(name: str, registrable: str) -> None:
    assert registrable_domain(name) == registrable


@pytest.mark.parametrize("name", ["co.uk", "org", "github.io"])
def test_a_public_suffix_is_nobodys(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"public suffix|without a domain"):
        registrable_domain(name)


@pytest.mark.parametrize(
    ("name", "for_people"),
    [
        ("xn--bcher-kva.example", "bücher.example"),
        ("xn--wekz60nb2abz6g.example", "日本語ー.example"),
        ("xn--pple-43d.example", "xn--pple-43d.example"),  # a Cyrillic а before Latin letters
        ("xn--e1afmkfd.example", "пример.example"),
        ("xn--zzzzzzzz.example", "xn--zzzzzzzz.example"),
        ("*._tcp.example", "*._tcp.example"),
    ],
)
def test_display_shows_unicode_unless_scripts_are_mixed(name: str, for_people: str) -> None:
    assert to_unicode(name) == for_people


def test_relative_names() -> None:
    assert relative_to("example.org", "example.org") == "@"
    assert relative_to("a.b.example.org", "example.org") == "a.b"
    assert relative_to("example.com", "example.org") == "example.com"


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_invalid_input(text: str) -> None:
    for parse in (parse_hostname, parse_domain_name, parse_zone_name):
        try:
            name = parse(text)
        except InvalidInput:
            continue
        assert parse(name) == name == name.lower()
        assert name.isascii()
        assert len(name) <= 253
        assert all(0 < len(label) <= 63 for label in name.split("."))


@given(st.text(alphabet="aäßéжя日ー-.1xn", min_size=1, max_size=40))
def test_display_leads_back_to_the_name(text: str) -> None:
    try:
        name = parse_hostname(text)
    except InvalidInput:
        return
    assert parse_hostname(to_unicode(name)) == name


@given(st.text(max_size=100))
def test_owner_names_are_a_fixed_point_in_the_zone(text: str) -> None:
    try:
        name = parse_owner(text, "example.org")
    except InvalidInput:
        return
    assert within(name, "example.org")
    assert parse_owner(name, "example.org") == name
    assert parse_owner(relative_to(name, "example.org"), "example.org") == name
