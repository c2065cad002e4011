"""What became of one request that was refused: from the edge's log and the loop's journal. The rim: files.

The log has every refusal while few come, and the share that is sampled while many do, and is cut when it
grows long (see ``logs``): an id that is not found says nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rempart.engines.haproxy.verdicts import WHY
from rempart.model.attacks import Layer
from rempart.model.base import Value
from rempart.model.configuration import StatePaths
from rempart.node.defending.entries import Entry, identity
from rempart.node.defending.journal import read_account, read_history
from rempart.node.logs import LOG_COPIES

RULES = {
    "client-rate": ("limits", "more requests from one client than the site's owner allows within 10 s"),
    "site-rate": ("limits", "more requests to the site than its owner allows within 10 s"),
    "client-concurrency": ("limits", "more requests of one client at once than the site's owner allows"),
    "challenge": ("challenge", "a visitor without a clearance is asked to prove to be one"),
}
"""What the log's ``why`` means: layer and rule."""


class Receipt(Value):
    """One refusal in words."""

    request: str
    at: datetime
    host: str
    status: int
    layer: str
    rule: str
    mitigation: str | None = None
    """By its id (``R-7``), when one refused."""
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """When it ended, or ends unless it is met again."""


def receipt(paths: StatePaths, request: str) -> Receipt | None:
    """None when the log does not have the id."""
    for line in _lines(paths.log / "edge.log", f'"id":"{request}"'.encode()):
        try:
            found = json.loads(line)
            if found["id"] == request:
                return _explained(paths, found)
        except (ValueError, KeyError, TypeError):
            continue
    return None


def _explained(paths: StatePaths, line: dict[str, object]) -> Receipt:
    number, why = str(line.get("mitigation", "")), str(line.get("why", ""))
    entry = _entry(paths, int(number)) if number.isdigit() else None
    status = int(str(line["status"]))
    if why == WHY:
        layer, rule = (
            "defence loop",
            entry.words if entry is not None else "a mitigation that is forgotten by now",
        )
    elif why in RULES:
        layer, rule = RULES[why]
    else:
        layer, rule = "edge", f"answered with status {status}; no rule refused it"
    return Receipt(
        request=str(line["id"]),
        at=datetime.fromtimestamp(float(str(line["at"])), UTC),
        host=str(line.get("host", "")),
        status=status,
        layer=layer,
        rule=rule,
        mitigation=identity(Layer.REQUEST, int(number)) if number.isdigit() else None,
        action=str(entry.action) if entry is not None else None,
        since=entry.since if entry is not None else None,
        until=(entry.ended or entry.expires) if entry is not None else None,
    )


def _entry(paths: StatePaths, number: int) -> Entry | None:
    account = read_account(paths, Layer.REQUEST)
    past = (one.mitigation for one in reversed(read_history(paths, Layer.REQUEST)) if one.mitigation)
    every = (*(account.standing if account is not None else ()), *past)
    return next((one for one in every if one.number == number), None)


def _lines(path: Path, wanted: bytes) -> Iterator[bytes]:
    """Lines with ``wanted`` in them, of the log and its older copies."""
    for file in (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, LOG_COPIES + 1))):
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        with os.fdopen(descriptor, "rb") as log:
            for line in log:
                if wanted in line:
                    yield line
