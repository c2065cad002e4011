"""Steps 2 to 4: lists of sources, and sources that cannot be real."""

from __future__ import annotations

from rempart.engines.shield.layout import Reason
from rempart.engines.shield.model.passage import Passage
from rempart.engines.shield.model.state import Count
from rempart.engines.shield.model.tables import Flags, Prefix, Prefixes

NEIGHBOUR_DISCOVERY = range(133, 138)


def lists(p: Passage) -> Reason | None:
    """Steps 2 and 3: the allow list, then the block list, then neighbour discovery."""
    tables, four = p.tables, p.packet.family == 4
    allowed, blocked = (tables.allowed4, tables.blocked4) if four else (tables.allowed6, tables.blocked6)
    if p.config.flags & Flags.HAS_ALLOWED and _listed(p, allowed, p.state.allowed):
        return Reason.PASS_ALLOWED
    if _listed(p, blocked, p.state.blocked, _blocked_lengths(p.config.flags, four, blocked.lengths)):
        return Reason.DROP_BLOCKED
    packet = p.packet
    if not four and packet.is_icmp and packet.ttl == 255 and not packet.is_fragment:
        return Reason.PASS_NEIGHBOUR if packet.source_port >> 8 in NEIGHBOUR_DISCOVERY else None
    return None


def _blocked_lengths(flags: int, four: bool, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """The lengths that exist: hosts and networks of one subscriber have a map and a flag of their own."""
    alone = 32 if four else 64
    alone_flag = Flags.HAS_BLOCKED_HOSTS4 if four else Flags.HAS_BLOCKED_NETS6
    others_flag = Flags.HAS_BLOCKED4 if four else Flags.HAS_BLOCKED6
    return tuple(one for one in lengths if flags & (alone_flag if one == alone else others_flag))


def _listed(
    p: Passage,
    prefixes: Prefixes,
    hits: dict[tuple[int, Prefix], Count],
    lengths: tuple[int, ...] | None = None,
) -> bool:
    found = prefixes.longest(p.packet.source, lengths)
    if found is None:
        return False
    prefix, until = found
    if until != 0 and p.now >= until:
        return False
    hits.setdefault((p.packet.family, prefix), Count()).add(p.packet.frame)
    return True


def martians(p: Passage) -> Reason | None:
    """Step 4: sources from which nothing can come."""
    if not p.config.flags & Flags.DROP_MARTIANS:
        return None
    packet = p.packet
    found = (p.tables.martians4 if packet.family == 4 else p.tables.martians6).longest(packet.source)
    if (found is not None and found[1] == 1) or packet.source == packet.destination:
        return Reason.DROP_MARTIAN
    return None
