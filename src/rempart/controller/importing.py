"""A zone file becomes a zone's records: read and checked whole, then written in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from rempart.controller.assembly import Controller
from rempart.controller.intents import OPERATOR, Written
from rempart.controller.intents.record_values import ZoneImported
from rempart.model.base import Value
from rempart.model.errors import InvalidInput
from rempart.model.master_file import entries
from rempart.model.names import parse_zone_name
from rempart.model.reachability import record_warnings
from rempart.model.zonefile import read_zone_file

WARNINGS_MAX = 50


class ZoneImport(Value):
    """What is to be imported."""

    zone: str
    """Canonical."""
    text: str
    replace: bool = False
    """Delete what the file does not have."""
    confirm: str | None = None


@dataclass(frozen=True, slots=True)
class ImportDone:
    """What came of it."""

    written: Written[ZoneImported]
    warnings: tuple[str, ...]


def zone_named_in(text: str) -> str:
    """The zone that a file is of: the owner of its SOA, else its first ``$ORIGIN``.

    InvalidInput with ``field`` ``zone`` when it names neither.
    """
    origin = None
    for entry in entries(text.removeprefix("\ufeff")):
        first = entry.words[0]
        if first.upper() == "$ORIGIN" and len(entry.words) > 1:
            origin = _absolute(entry.words[1], origin)
        elif "SOA" in (word.upper() for word in entry.words[: 5 - entry.indented]) and not entry.indented:
            owner = _absolute(first, origin)
            if owner is not None:
                return parse_zone_name(owner)
        elif origin is not None and not first.startswith("$"):
            break
    if origin is not None:
        return parse_zone_name(origin)
    raise InvalidInput(
        "the file does not say which zone it is of", field="zone", hint="name it with --zone NAME"
    )


def carry_out(controller: Controller, wanted: ZoneImport) -> ImportDone:
    """Import, into a zone made now when there is none yet. Raises what is wrong; then nothing was changed."""
    file = read_zone_file(wanted.text, wanted.zone)
    written = controller.intents.records.import_zone(
        OPERATOR, wanted.zone, file.drafts, replace=wanted.replace, confirm=wanted.confirm
    )
    warnings = [f"line {one.line}: {one.name} {one.type}: {one.reason}" for one in file.skipped]
    warnings += [*file.notes, *record_warnings(file.records)]
    if len(warnings) > WARNINGS_MAX:
        warnings[WARNINGS_MAX:] = [f"… and {len(warnings) - WARNINGS_MAX} more"]
    return ImportDone(written, tuple(warnings))


def _absolute(name: str, origin: str | None) -> str | None:
    """``name`` as it stands in a file whose origin is ``origin``, without trailing dot."""
    if name.endswith("."):
        return name[:-1]
    if origin is None:
        return None
    return origin if name == "@" else f"{name}.{origin}"
