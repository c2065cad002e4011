"""URLs of reports: one form for what is the same, a clear word for what is no URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.model.abuse_reports import URLS_MAX
from rempart.model.errors import InvalidInput
from rempart.model.reported_urls import parse_reported_urls


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("HTTPS://Forum.Example.ORG", "https://forum.example.org/"),
        ("https://forum.example.org:443/a%7eb#c", "https://forum.example.org/a~b"),
        ("http://forum.example.org:8080/", "http://forum.example.org:8080/"),
        ("https://forum.example.org./%2f%c3%a9", "https://forum.example.org/%2F%C3%A9"),
        ("https://forum.example.org/é", "https://forum.example.org/%C3%A9"),
        ("https://forum.example.org/t?id=1&x=%41", "https://forum.example.org/t?id=1&x=%41"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_one_form(text: str, url: str) -> None:
    assert parse_reported_urls([text]).urls == (url,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("forum.example.org/x", "no URL of a page"),
        ("ftp://forum.example.org/", "no URL of a page"),
        ("https://jane@forum.example.org/", "user name"),
        ("https://192.0.2.1/", "address"),
        ("https://forum.example.org/a b", "spaces"),
        ("https://[forum/", "no URL"),
        ("https://forum.example.org:99999/", "no URL"),
        ("", "no URL of a page"),
    ],
)
def test_what_is_none_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        parse_reported_urls(["https://forum.example.org/", text])
    assert caught.value.field == "urls.1"


def test_all_are_of_one_host_and_each_counts_once() -> None:
    found = parse_reported_urls(["https://a.example/x", "https://A.example/x#y", "http://a.example/x"])
    assert found.urls == ("https://a.example/x", "http://a.example/x")
    with pytest.raises(InvalidInput, match="one report for each host"):
        parse_reported_urls(["https://a.example/", "https://b.example/"])
    with pytest.raises(InvalidInput, match="exact URL"):
        parse_reported_urls([])
    with pytest.raises(InvalidInput, match=str(URLS_MAX)):
        parse_reported_urls(f"https://a.example/{number}" for number in range(URLS_MAX + 1))


@given(st.text(max_size=60))
def test_the_form_is_its_own(path: str) -> None:
    try:
        (once,) = parse_reported_urls([f"https://a.example/{path}"]).urls
    except InvalidInput:
        return
    assert parse_reported_urls([once]).urls == (once,)
