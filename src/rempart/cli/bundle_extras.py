"""What only the operator's command line reads, added to an exit kit: defence settings, mitigations, edge log.

Nobody's address is in it: the log has clients by network, mitigations are written as in the history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from rempart.controller.bundles.archive import OF_THE_NODE, File, read_archive, write_archive
from rempart.model.attacks import Layer
from rempart.model.bundle import Absent
from rempart.model.configuration import StatePaths
from rempart.model.errors import EnvironmentLacks
from rempart.model.names import within
from rempart.node.defending.entries import Entry, for_history
from rempart.node.defending.journal import read_accounts, read_history
from rempart.node.defending.orders import read_orders

LOG_OCTETS_MAX = 32 * 2**20
"""The newest of the log; more of it is not looked at."""


def with_extras(octets: bytes, paths: StatePaths) -> bytes:
    """The exit kit with what this node keeps about its zone."""
    archive = read_archive(octets)
    manifest = archive.manifest
    known = [File(one.path, one.what, archive.files[one.path]) for one in manifest.members]
    added, missing = _extras(manifest.zone, paths)
    absent = [one for one in manifest.absent if one.what != OF_THE_NODE.what]
    return write_archive(
        manifest.zone, manifest.made_at, manifest.made_by, [*known, *added], [*absent, *missing]
    )


def _extras(zone: str, paths: StatePaths) -> tuple[list[File], list[Absent]]:
    files, missing = [], []
    found = [_json(for_history(one)) for one in _mitigations(zone, paths)]
    what = "what the defence loop did for the zone's sites: what stands, and what is over"
    files.append(File("defence/mitigations.json", what, _document(found)))
    try:
        modes = {host: mode.value for host, mode in read_orders(paths).modes.items() if _is_in(host, zone)}
        files.append(File("defence/modes.json", "sites whose mitigations act, or only say", _document(modes)))
    except EnvironmentLacks as error:
        missing.append(Absent(what="modes of the defence loop", why=error.message[:900]))
    try:
        lines = list(_log_lines(paths.log / "edge.log", zone))
        what = "what the edge logged about the zone's sites, newest last: what went wrong, or was refused"
        files.append(File("logs/edge.jsonl", what, b"".join(lines)))
    except OSError as error:
        missing.append(Absent(what="the edge's log", why=f"it cannot be read: {error.strerror}"))
    return files, missing


def _mitigations(zone: str, paths: StatePaths) -> Iterator[Entry]:
    standing = (one for account in read_accounts(paths) for one in account.standing)
    past = (one.mitigation for layer in Layer for one in read_history(paths, layer) if one.mitigation)
    for one in (*past, *standing):
        if _is_in(one.subject, zone):
            yield one


def _log_lines(path: Path, zone: str) -> Iterator[bytes]:
    with path.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - LOG_OCTETS_MAX))
        if size > LOG_OCTETS_MAX:
            log.readline()
        yield from _about(log, zone)


def _about(lines: Iterable[bytes], zone: str) -> Iterator[bytes]:
    for line in lines:
        if zone.encode() not in line.lower():
            continue
        try:
            said = json.loads(line)
        except ValueError:
            continue
        host = said.get("host") if isinstance(said, dict) else None
        if isinstance(host, str) and _is_in(host.lower().partition(":")[0], zone):
            yield line if line.endswith(b"\n") else line + b"\n"


def _is_in(host: str, zone: str) -> bool:
    return within(host.removeprefix("*."), zone)


def _json(entry: Entry) -> object:
    return entry.model_dump(mode="json")


def _document(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
