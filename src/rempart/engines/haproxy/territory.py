"""Writes the map of networks and countries from the operator's table. The rim: files.

It is made again only when the table has changed: half a million networks take a few seconds. HAProxy reads it
when it starts.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from rempart.engines.haproxy.files import write_atomically
from rempart.model.configuration import TerritorySection
from rempart.model.errors import InvalidInput
from rempart.model.territory import networks

_log = structlog.get_logger("haproxy")


def write_territory(section: TerritorySection, target: Path) -> None:
    """Make ``target`` what the table says; empty without one. A table that cannot be read leaves what there
    is: the edge must start all the same."""
    if section.networks is None:
        write_atomically(target, "# no table\n")
        return
    try:
        about = section.networks.stat()
        first = f"# {section.networks} {about.st_size} {about.st_mtime_ns}\n"
        if target.exists():
            with target.open() as held:
                if held.readline() == first:
                    return
        with section.networks.open(newline="", encoding="utf-8") as table:
            lines = [f"{net} {code}\n" for net, code in networks(table, str(section.networks))]
    except (OSError, ValueError, InvalidInput) as error:
        _log.error("the table of countries cannot be read", file=str(section.networks), problem=str(error))
        if not target.exists():
            write_atomically(target, "# no table\n")
        return
    write_atomically(target, first + "".join(lines))
