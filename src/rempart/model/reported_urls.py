"""The exact URLs of a report (DSA Art. 16(2)(b)), in one form, so that equal ones are seen to be. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes, urlsplit

from rempart.model.abuse_reports import URL_LENGTH_MAX, URLS_MAX
from rempart.model.base import Value
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_hostname, shown

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNRESERVED = "!$&'()*+,;=:@-._~"
"""Beside letters and digits, what stands as itself in a path (RFC 3986 section 3.3)."""
_ENCODED_SLASH = re.compile(r"(%2[Ff])")


class ReportedUrls(Value):
    """URLs of one host."""

    host: str
    urls: tuple[str, ...]
    """Each once, in the order given."""


def parse_reported_urls(texts: Iterable[str]) -> ReportedUrls:
    """The URLs in canonical form. InvalidInput names the first that is none, or is of another host."""
    found: dict[str, None] = {}
    first: str | None = None
    for number, text in enumerate(texts):
        field = f"urls.{number}"
        host, url = _parsed(text.strip(), field)
        if first is None:
            first = host
        elif host != first:
            raise InvalidInput(
                f"{host} is another host than {first}", field=field, hint="send one report for each host"
            )
        found[url] = None
    if first is None:
        raise InvalidInput("the exact URL is needed", field="urls")
    if len(found) > URLS_MAX:
        raise InvalidInput(f"more than {URLS_MAX} URLs", field="urls")
    return ReportedUrls(host=first, urls=tuple(found))


def _parsed(text: str, field: str) -> tuple[str, str]:
    if len(text) > URL_LENGTH_MAX:
        raise InvalidInput(f"longer than {URL_LENGTH_MAX} characters", field=field)
    if not text.isprintable() or " " in text:
        raise InvalidInput(f"{shown(text)} is no URL: it holds spaces or control characters", field=field)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"{shown(text)} is no URL", field=field) from error
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidInput(
            f"{shown(text)} is no URL of a page",
            field=field,
            hint="copy it from the browser's address bar: https://…",
        )
    if "@" in parts.netloc:
        raise InvalidInput("a user name in a URL is not taken", field=field)
    host = parse_hostname(parts.hostname.rstrip("."), field=field)
    bare = port is None or port == _DEFAULT_PORTS[scheme]
    place = host if bare else f"{host}:{port}"
    query = f"?{_normal(parts.query, '/?%')}" if parts.query else ""
    # What follows a # never comes to a server: it says nothing about what is served.
    return host, f"{scheme}://{place}{_path(parts.path)}{query}"


def _path(text: str) -> str:
    """RFC 3986 section 6.2.2: what need not be encoded is not, what is encoded is so in capitals."""
    return (
        "/".join(
            "".join(
                one.upper() if _ENCODED_SLASH.fullmatch(one) else quote(unquote_to_bytes(one), _UNRESERVED)
                for one in _ENCODED_SLASH.split(segment)
            )
            for segment in text.split("/")
        )
        or "/"
    )


def _normal(text: str, safe: str) -> str:
    """A query: what it holds is the application's to read, so nothing encoded is decoded."""
    return quote(text, safe=_UNRESERVED + safe)
