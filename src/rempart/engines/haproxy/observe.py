"""What the runtime API prints, read into values. Pure; ValueError for what it never prints."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping

from rempart.engines.haproxy.names import OPERATOR
from rempart.engines.haproxy.state import EdgeCertificate, Route, Server, parse_route

_OF_A_BACKEND = re.compile(r"(be_[0-9]+)(.*)")

SERVERS_ONLY = "show stat -1 4 -1"
"""Every server and nothing else (management guide, ``show stat``)."""


def map_entries(text: str) -> dict[str, str]:
    """``show map``: key -> value. Each line is a pointer, a key, a value."""
    entries = {}
    for line in text.splitlines():
        words = line.split(" ", 2)
        if len(words) == 3 and words[0].startswith("0x"):
            entries[words[1]] = words[2]
    return entries


def routes(sites: str, exempt: str, remedies: str = "") -> dict[str, Route]:
    """``show map`` of the sites map, of the exemptions map, and of the map of remedies."""
    spared: dict[str, set[str]] = {}
    for entry in map_entries(exempt):
        if (parts := _OF_A_BACKEND.fullmatch(entry)) is not None:
            spared.setdefault(parts[1], set()).add(parts[2])
    standing: dict[str, set[tuple[str, str]]] = {}
    for entry, value in map_entries(remedies).items():
        if (parts := _OF_A_BACKEND.fullmatch(entry)) is not None:
            standing.setdefault(parts[1], set()).add((parts[2], value))
    found = {}
    for host, value in map_entries(sites).items():
        if value.startswith(f"{OPERATOR}|"):
            continue  # the operator's own host, which no item is about
        backend = value.partition("|")[0]
        found[host] = parse_route(
            value, frozenset(spared.get(backend, ())), frozenset(standing.get(backend, ()))
        )
    return found


def statistics_rows(text: str) -> Iterable[Mapping[str, str]]:
    """``show stat``: one mapping of column to text per row (management guide, section 9.1)."""
    return csv.DictReader(text.strip().removeprefix("# ").splitlines())


def servers(text: str) -> dict[str, dict[str, Server]]:
    """``show stat`` restricted to servers: backend -> name -> server, of the pool's backends only."""
    found: dict[str, dict[str, Server]] = {}
    for row in statistics_rows(text):
        if not row["pxname"].startswith("be_"):
            continue
        found.setdefault(row["pxname"], {})[row["svname"]] = Server(
            name=row["svname"],
            weight=int(row["uweight"]),
            max_connections=int(row["slim"] or 0),
            enabled=not row["status"].startswith("MAINT"),
            # A server in maintenance has its checks paused; they go on when it is enabled.
            checked=row["check_status"] != "" or row["status"].startswith("MAINT"),
        )
    return found


def certificates(text: str) -> dict[str, EdgeCertificate]:
    """``show ssl crt-list FILE``: the files in it with the names they answer to."""
    held = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        held[words[0]] = EdgeCertificate(file=words[0], hosts=tuple(words[1:]))
    return held


def certificate_files(text: str) -> frozenset[str]:
    """``show ssl cert``: every certificate file that HAProxy holds; begun transactions are left out."""
    return frozenset(line for line in text.splitlines() if line.startswith("/"))


def information(text: str) -> dict[str, str]:
    """``show info``: name -> value."""
    pairs = (line.split(": ", 1) for line in text.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
