"""knot.conf as text, and what may not get into it; the catalog; changes sorted; statistics."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rempart.engines.knot import catalog
from rempart.engines.knot.changes import ZoneChanges, sort_changes
from rempart.engines.knot.compile import (
    catalog_name,
    check_command,
    command_line,
    configuration_text,
    local_catalog_name,
    peers,
    pid_file,
)
from rempart.engines.knot.statistics import Counter, statistics
from rempart.model.configuration import Configuration, DnsSection
from rempart.model.errors import InvalidInput
from rempart.snapshot.items import ItemChange, SecondaryItem

STATE = Path("/var/lib/rempart")


def configuration(**dns: object) -> Configuration:
    return Configuration(state=STATE, dns=DnsSection.model_validate(dns))


def secondary(**changes: object) -> SecondaryItem:
    good = SecondaryItem(
        id="one",
        address="192.0.2.53",
        port=53,
        tsig_name="one.key.",
        tsig_algorithm="hmac-sha256",
        tsig_secret="MDEyMzQ1Njc4OWFiY2RlZg==",
    )
    return good.model_copy(update=changes)


def text_of(config: Configuration, *items: SecondaryItem) -> str:
    good, refused = peers(items)
    assert refused == ()
    return configuration_text(config, good)


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("config", "items"),
    [
        (configuration(), []),
        (configuration(rate_limit=0, listen=("127.0.0.1",), port=5353), []),
        (
            configuration(),
            [secondary(), secondary(id="two", tsig_name="two.key", address="2001:db8::53", port=54)],
        ),
        (configuration(listen=("192.0.2.1", "2001:db8::1")), [secondary()]),
    ],
)
def test_knot_takes_the_file(config: Configuration, items: list[SecondaryItem], tmp_path: Path) -> None:
    config = config.model_copy(update={"state": tmp_path})
    config.paths.knot_db.mkdir(parents=True)
    file = tmp_path / "knot.conf"
    file.write_text(text_of(config, *items))
    assert shutil.which("knotc")
    outcome = subprocess.run(check_command(file), capture_output=True, text=True, timeout=30)
    assert outcome.returncode == 0, outcome.stderr


def test_it_listens_where_it_is_told() -> None:
    text = text_of(configuration(listen=("127.0.0.1", "::1"), port=5300))
    assert 'listen: ["127.0.0.1@5300", "::1@5300"]' in lines_of(text)


def test_no_rate_limit_no_module() -> None:
    assert "mod-rrl" not in text_of(configuration(rate_limit=0))
    limited = lines_of(text_of(configuration(rate_limit=77)))
    assert {"rate-limit: 77", "slip: 2"} <= set(limited)
    assert "global-module: [mod-cookies/default, mod-rrl/default, mod-stats/default]" in limited


def test_transfers_are_for_secondaries_with_address_and_key_alone() -> None:
    assert "acl:" not in text_of(configuration()).splitlines()
    lines = lines_of(text_of(configuration(), secondary()))
    start = lines.index("acl:")
    assert lines[start + 1 : start + 5] == [
        '- id: "secondary-one"',
        'address: "192.0.2.53"',
        'key: "one.key."',
        "action: transfer",
    ]
    assert "action: update" not in lines
    # Unsigned, signed, the public catalog: and not the local one.
    assert lines.count('acl: ["secondary-one"]') == 3
    local = lines.index('- domain: "local.catalog.rempart."')
    assert 'acl: ["secondary-one"]' not in lines[local : local + 3]


def test_notify_comes_from_the_address_secondaries_know() -> None:
    assert 'via: ["192.0.2.1"]' in lines_of(text_of(configuration(listen=("192.0.2.1",)), secondary()))
    assert "via" not in text_of(configuration(listen=("0.0.0.0", "::")), secondary())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../x"),
        ("id", ""),
        ("id", "a" * 65),
        ("address", "ns.example.net"),
        ("address", "192.0.2.1@53"),
        ("tsig_name", 'a"\n    b: c'),
        ("tsig_name", "."),
        ("tsig_name", "a" * 64),
        ("tsig_algorithm", "hmac-md5"),
        ("tsig_algorithm", "none\nx"),
        ("tsig_secret", ""),
        ("tsig_secret", "not base 64"),
        ("tsig_secret", 'QQ=="'),
        ("port", 0),
        ("address", "not an address"),
        ("address", 'fe80::1%"\nserver:'),
    ],
)
def test_a_bad_secondary_is_refused_with_its_field(field: str, value: object) -> None:
    good, refused = peers([secondary(**{field: value}), secondary(id="other", tsig_name="other.key")])
    assert [one.id for one in good] == ["other"]
    assert len(refused) == 1
    assert field in refused[0].reason


def test_two_secondaries_do_not_share_a_key_name() -> None:
    good, refused = peers([secondary(id="b", tsig_name="ONE.key"), secondary(id="a")])
    assert [one.id for one in good] == ["a"]
    assert [refusal.key for refusal in refused] == ["secondary/b"]


@pytest.mark.parametrize("state", ['/var/"x', "/var/\nx", "/var/%s", "/var/back\\slash"])
def test_a_path_that_cannot_be_quoted_is_refused(state: str) -> None:
    with pytest.raises(InvalidInput):
        text_of(Configuration(state=Path(state)))


@pytest.mark.parametrize("name", ["", "a b", "x" * 64, 'a"b', "a..b"])
def test_a_catalog_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        catalog_name(configuration(catalog=name))


def test_names_and_commands() -> None:
    config = configuration(catalog="Catalog.Example.")
    assert (catalog_name(config), local_catalog_name(config)) == ("catalog.example", "local.catalog.example")
    assert command_line(config) == ["knotd", "-c", f"{STATE}/knot/knot.conf"]
    assert pid_file(config) == STATE / "run" / "knot" / "knot.pid"


def test_a_catalog_is_read_back_as_it_was_written() -> None:
    zones: dict[str, str | None] = {
        "example.org": catalog.SIGNED,
        "example.net": catalog.UNSIGNED,
        "example.com": None,
    }
    records = catalog.desired_records("catalog.rempart", zones)
    assert catalog.members(records.values()) == zones
    assert all(key[0].endswith("catalog.rempart.") for key in records)
    assert records["version.catalog.rempart.", "TXT"].rdata == ('"2"',)


def test_a_members_label_is_its_own_and_stays() -> None:
    labels = {catalog.member_label(f"z{number}.example") for number in range(1000)}
    assert len(labels) == 1000
    assert catalog.member_label("example.org") == "bfabc37432958b063360d3ad6461c9c4"


def test_changes_are_sorted_by_zone() -> None:
    keys = [
        "rrset/example.org/www.example.org/A",
        "site/www.example.org",
        "zone/example.net",
        "rrset/0.2.192.in-addr.arpa/0/25.0.2.192.in-addr.arpa/NS",
        "rrset/example.org/www.example.org/A",
        "rrset/example.org/example.org/MX",
        "zone/example.org",
    ]
    changes = sort_changes(ItemChange(key=key, item=None) for key in keys)
    assert not changes.secondaries
    assert changes.zones == (
        ZoneChanges("example.org", True, (("www.example.org", "A"), ("example.org", "MX"))),
        ZoneChanges("example.net", True, ()),
        ZoneChanges("0.2.192.in-addr.arpa", False, (("0/25.0.2.192.in-addr.arpa", "NS"),)),
    )
    assert sort_changes([ItemChange(key="secondary/one", item=None)]).secondaries


def test_statistics_of_what_knot_leaves_out_are_nought() -> None:
    assert statistics([]).zones == 0
    counted = statistics(
        [
            Counter("server", "zone-count", "", 3),
            Counter("mod-stats", "request-protocol", "udp4", 7),
            Counter("mod-stats", "request-protocol", "tcp6", 1),
            Counter("mod-stats", "response-code", "NXDOMAIN", 2),
            Counter("mod-stats", "request-bytes", "query", 100),
            Counter("mod-stats", "request-bytes", "other", 11),
            Counter("mod-rrl", "slipped", "", 5),
        ]
    )
    assert counted.zones == 3
    assert counted.requests == (("udp4", 7), ("tcp6", 1))
    assert counted.responses == (("NXDOMAIN", 2),)
    assert counted.request_bytes == 111
    assert (counted.rrl_slipped, counted.rrl_dropped, counted.cookies_present) == (5, 0, 0)
