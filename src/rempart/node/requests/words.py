"""A request's signature in people's words. Pure.

Texts of requests are known by their digests only: neither paths nor what programs call themselves are
written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network

from rempart.engines.haproxy.sight import HEADERS, METHODS, VERSIONS
from rempart.model.attacks import Signature, Term

_DIGESTS = {
    "tls": "the TLS hello",
    "agent": "the User-Agent",
    "language": "the Accept-Language",
    "path": "the path",
    "path_shape": "paths of the shape",
    "query_shape": "queries of the shape",
}
_MISSING = {
    "tls": "no TLS",
    "agent": "no User-Agent",
    "language": "no Accept-Language",
    "query_shape": "no query",
}


def words(signature: Signature) -> str:
    """All conditions, as one line."""
    return ", ".join(_words(signature.terms)) or "every request"


def _words(terms: Iterable[Term]) -> Iterable[str]:
    for term in terms:
        match term.field:
            case "method":
                yield f"method {METHODS[term.first] or 'another than the usual'}"
            case "version":
                texts = [text for text, number in VERSIONS.items() if number == term.first]
                yield f"HTTP/{texts[0]}" if texts else "another version of HTTP"
            case "headers":
                yield _headers(term)
            case "source":
                yield f"from {address_words(term.first)}"
            case "network":
                yield f"from {network_words(term.first)}"
            case field if field in _DIGESTS:
                yield (
                    f"{_DIGESTS[field]} {term.first:08x}"
                    if term.first
                    else _MISSING.get(field, f"no {field}")
                )
            case _:
                yield term.words()


def _headers(term: Term) -> str:
    if term.mask is None:
        named = [name for bit, name in enumerate(HEADERS) if term.first >> bit & 1]
        return f"of headers only {', '.join(named)}" if named else "none of the usual headers"
    mask: int = term.mask
    there = [name for bit, name in enumerate(HEADERS) if mask >> bit & 1 and term.first >> bit & 1]
    missing = [name for bit, name in enumerate(HEADERS) if mask >> bit & 1 and not term.first >> bit & 1]
    parts = (f"with {', '.join(there)}" if there else "", f"without {', '.join(missing)}" if missing else "")
    return " and ".join(part for part in parts if part)


def address_words(number: int) -> str:
    """A request's source: an IPv4 address, or a /64."""
    if number < 2**32:
        return str(IPv4Address(number))
    return f"{IPv6Address(number << 64)}/64"


def network_words(number: int) -> str:
    """A request's network: a /24 or /48."""
    if number < 2**32:
        return str(ip_network((number, 24)))
    return str(ip_network((number << 64, 48)))
