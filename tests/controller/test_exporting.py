"""A zone leaves with the names of its sites, whether they have records or not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rempart.controller.exporting import with_sites
from rempart.model.record_parsing import parse_record
from rempart.model.records import RecordDraft, RecordType
from rempart.model.sites import Origin, Site

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def site(host: str, *origins: Origin) -> Site:
    return Site(id="s", zone_id="z", host=host, origins=origins, created_on=WHEN, modified_on=WHEN)


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ([Origin(host="192.0.2.1", port=80)], [("A", "192.0.2.1")]),
        ([Origin(host="2001:db8::1", port=80)], [("AAAA", "2001:db8::1")]),
        ([Origin(host="app.example.net", port=443)], [("CNAME", "app.example.net")]),
        (
            [Origin(host="192.0.2.1", port=80), Origin(host="192.0.2.1", port=81)],
            [("A", "192.0.2.1")],
        ),
        (
            [Origin(host="192.0.2.1", port=80), Origin(host="app.example.net", port=80)],
            [("CNAME", "app.example.net")],
        ),
        (
            [Origin(host="192.0.2.1", port=80), Origin(host="192.0.2.2", port=80, backup=True)],
            [("A", "192.0.2.1")],
        ),
        ([Origin(host="192.0.2.2", port=80, backup=True)], [("A", "192.0.2.2")]),
    ],
)
def test_a_site_without_a_record_leaves_as_its_origins(
    origins: list[Origin], expected: list[tuple[str, str]]
) -> None:
    records = with_sites("example.org", (), (site("shop.example.org", *origins),))
    assert [(record.type.value, record.content) for record in records] == expected
    assert all(record.proxied and record.name == "shop.example.org" for record in records)


def test_a_site_with_a_record_leaves_as_the_record() -> None:
    record = parse_record(
        "example.org", RecordDraft(type=RecordType.A, name="shop", content="192.0.2.9", proxied=True)
    )
    sites = (site("shop.example.org", Origin(host="192.0.2.1", port=80)),)
    assert with_sites("example.org", (record,), sites) == (record,)


def test_a_wildcard_site_and_text_beside_it() -> None:
    text = parse_record("example.org", RecordDraft(type=RecordType.TXT, name="*", content="x"))
    records = with_sites("example.org", (text,), (site("*.example.org", Origin(host="192.0.2.1", port=80)),))
    assert [record.type.value for record in records] == ["TXT", "A"]
