"""The words in which origins are written on the command line."""

from __future__ import annotations

import pytest

from rempart.cli.origins import parse_origin, show_origin
from rempart.model.errors import InvalidInput
from rempart.model.sites import Origin, OriginTls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://192.0.2.1", Origin(host="192.0.2.1", port=80)),
        ("http://192.0.2.1:8080/", Origin(host="192.0.2.1", port=8080)),
        ("https://o.example.net", Origin(host="o.example.net", port=443, tls=OriginTls.STRICT)),
        ("https://o.example.net,tls=full", Origin(host="o.example.net", port=443, tls=OriginTls.FULL)),
        ("http://[2001:db8::1]:81", Origin(host="2001:db8::1", port=81)),
        (
            "http://h:1,weight=50,backup,max-connections=7",
            Origin(host="h", port=1, weight=50, backup=True, max_connections=7),
        ),
    ],
)
def test_understood(text: str, expected: Origin) -> None:
    assert parse_origin(text) == expected
    assert parse_origin(show_origin(expected)) == expected


def test_the_general_bound_holds_where_none_is_given() -> None:
    assert parse_origin("http://h", max_connections=9).max_connections == 9
    assert parse_origin("http://h,max-connections=3", max_connections=9).max_connections == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2.1",
        "192.0.2.1:8080",
        "ftp://h",
        "http://",
        "http://h:0",
        "http://h:70000",
        "http://h:x",
        "http://h/path",
        "http://h/?q",
        "http://user:secret@h",
        "http://[::1",
        "http://[v1.x]",
        "http://h,weight=257",
        "http://h,weight=-1",
        "http://h,weight",
        "http://h,backup=yes",
        "http://h,tls=full",
        "https://h,tls=off",
        "http://h,max-connections=0",
        "http://h,wieght=1",
        "http://h,",
    ],
)
def test_not_understood(text: str) -> None:
    with pytest.raises(InvalidInput, match="--origin"):
        parse_origin(text)
