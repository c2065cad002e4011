"""URLs as a remedy means them: one spelling for all trivial variants of a path. Pure.

The edge compares a request in the same way, in Lua (``engines.haproxy.remedies``); a test holds the two to
each other. What is made alike:

* percent-encoding (RFC 3986 section 6.2.2), decoded once, of every octet;
* empty and dot segments, backslashes, a slash at the end;
* what follows ``;`` in a segment (path parameters), and ``#`` or a zero octet anywhere.

Upper and lower case of a path are not: ``/a`` and ``/A`` are two pages of most origins.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from rempart.model.challenges import parse_exempt_path

SEGMENTS_MAX = 256
"""Segments of a path that the edge walks through; one with more is refused where a URL is restricted."""
PARAMETERS_MAX = 10
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_QUERY = re.compile(r"[A-Za-z0-9._~!$'()*+,:@/%&=-]{1,200}")
_CUT = re.compile(rb"[;#\0].*", re.DOTALL)


def parse_restricted_path(text: str) -> str:
    """A path, perhaps with a query: ``/thread/7``, ``/viewtopic.php?t=7``. ValueError says what is wrong."""
    path, mark, query = text.partition("?")
    parse_exempt_path(path)
    if mark and not _QUERY.fullmatch(query):
        raise ValueError("a query has 1 to 200 characters, others percent-encoded")
    if mark and not 1 <= len(canonical_query(query)) <= PARAMETERS_MAX:
        raise ValueError(f"a query names 1 to {PARAMETERS_MAX} parameters")
    return text


def why_no_remedy(text: str) -> str | None:
    """Why a remedy on a URL cannot mean this one; None when it can."""
    path = text.partition("?")[0]
    if ";" in path or "%3b" in path.lower():
        return "a URL is meant with all its path parameters: name it without ; and what follows"
    if any(mark in path.lower() for mark in ("%00", "%23", "%2e%2e")):
        return "a path has neither # nor a zero octet nor dot segments"
    return None


def canonical_path(path: str) -> str:
    """The one spelling of a path without query: ``/`` or ``/a/b``, percent-encoded."""
    return visited(path)[-1]


def visited(path: str) -> tuple[str, ...]:
    """Every place that a path comes through, the last being where it ends; dot segments go back.

    Whoever answers at one of them may be asked by it (``/page.php/../x`` is a page of many programs).
    """
    raw = unquote_to_bytes(path.partition("#")[0]).replace(b"\\", b"/")
    stack: list[str] = []
    places = ["/"]
    for segment in raw.split(b"/"):
        plain = _CUT.sub(b"", segment)
        if plain in (b"", b"."):
            continue
        if plain == b"..":
            del stack[-1:]
        else:
            stack.append(_encoded(plain))
        places.append("/" + "/".join(stack))
    return tuple(places)


def canonical_query(query: str) -> tuple[str, ...]:
    """The parameters of a query, each spelled in one way, sorted; ``+`` is a space."""
    parts = re.split("[&;]", query.partition("#")[0])
    return tuple(sorted({_parameter(part) for part in parts if part}))


def is_within(path: str, above: str) -> bool:
    """Whether a canonical path is the other one or below it. Only the front page itself is at ``/``."""
    return path == above or (above != "/" and path.startswith(above + "/"))


def _parameter(text: str) -> str:
    name, equals, value = text.replace("+", " ").partition("=")
    return _encoded(unquote_to_bytes(name)) + (f"={_encoded(unquote_to_bytes(value))}" if equals else "")


def _encoded(octets: bytes) -> str:
    return "".join(chr(one) if one in _PLAIN else f"%{one:02X}" for one in octets)
