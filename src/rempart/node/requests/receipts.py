"""What became of one request that was refused, in the operator's words: from its receipt, or from the
edge's log, and from the loop's journal. The rim: files.

A receipt says of itself what was refused (``model.receipts``). By its id (``X-Request-ID``) a request is
found in the log, which has every refusal while few come, and the share that is sampled while many do, and
is cut when it grows long (see ``logs``): an id that is not found there says nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from rempart.engines.haproxy.gate_keys import read_keys
from rempart.model.attacks import Layer
from rempart.model.base import Value
from rempart.model.configuration import StatePaths
from rempart.model.errors import EnvironmentLacks
from rempart.model.receipts import WHY_CHALLENGE, Refusal, read
from rempart.node.defending.entries import Entry, identity
from rempart.node.defending.journal import read_account, read_history
from rempart.node.logs import LOG_COPIES

RULES = {
    "client-rate": ("limits", "more requests from one client than the site's owner allows within 10 s"),
    "site-rate": ("limits", "more requests to the site than its owner allows within 10 s"),
    "client-concurrency": ("limits", "more requests of one client at once than the site's owner allows"),
    WHY_CHALLENGE: ("challenge", "a visitor without a clearance is asked to prove to be one"),
}
"""What the log's ``why`` means: layer and rule."""


class Receipt(Value):
    """One refusal in words."""

    id: str
    """The receipt, or the request's id."""
    at: datetime
    host: str
    status: int
    network: str = ""
    """The visitor's /24 or /48."""
    why: str = ""
    """As the log has it; empty: no rule."""
    layer: str
    rule: str
    mitigation: str | None = None
    """By its id (``R-7``), when one refused or challenged."""
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """When it ended, or ends unless it is met again."""


def refusal_of(paths: StatePaths, text: str) -> Refusal:
    """What a receipt of this node says. Raises InvalidInput, EnvironmentLacks without the node's key."""
    try:
        keys = read_keys(paths.gate_keys)
    except ValidationError:
        keys = None
    if keys is None or not keys.receipts:
        raise EnvironmentLacks(
            str(paths.gate_keys),
            f"the key of receipts, in {paths.gate_keys}, cannot be read",
            hint="run this as root; rempart up makes the key",
        )
    return read(text, keys.receipt_key)


def receipt(paths: StatePaths, text: str) -> Receipt:
    """A receipt in words. Raises like ``refusal_of``."""
    return explained(paths, text, refusal_of(paths, text))


def logged(paths: StatePaths, request: str) -> Receipt | None:
    """A request by its id; None when the log does not have it. Raises OSError."""
    for line in _lines(paths.log / "edge.log", f'"id":"{request}"'.encode()):
        try:
            found = json.loads(line)
            if found["id"] == request:
                return explained(paths, request, _refusal(found))
        except (ValueError, KeyError, TypeError):
            continue
    return None


def explained(paths: StatePaths, name: str, refusal: Refusal) -> Receipt:
    """The refusal with its rule."""
    number, why = refusal.by, refusal.why
    entry = _entry(paths, number) if number is not None else None
    if number is not None:
        layer = "defence loop"
        rule = entry.words if entry is not None else "a mitigation that is forgotten by now"
    elif why in RULES:
        layer, rule = RULES[why]
    elif why:
        layer, rule = "edge", f"the rule {why}"
    else:
        layer, rule = "edge", f"answered with status {refusal.status}; no rule refused it"
    return Receipt(
        id=name,
        at=refusal.when,
        host=refusal.host,
        status=refusal.status,
        network=refusal.network,
        why=why,
        layer=layer,
        rule=rule,
        mitigation=identity(Layer.REQUEST, number) if number is not None else None,
        action=str(entry.action) if entry is not None else None,
        since=entry.since if entry is not None else None,
        until=(entry.ended or entry.expires) if entry is not None else None,
    )


def _refusal(line: dict[str, object]) -> Refusal:
    number = str(line.get("mitigation", ""))
    return Refusal(
        host=str(line.get("host", "")),
        status=int(str(line["status"])),
        why=str(line.get("why", "")),
        mitigation=int(number) if number.isdigit() else None,
        at=int(float(str(line["at"]))),
        network=str(line.get("client", "")),
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
