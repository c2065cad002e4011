"""Which language a visitor reads best, of those that we write. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_TAGS_MOST = 20


def preferred(accepted: str, codes: Sequence[str]) -> str:
    """What Accept-Language puts first of ``codes`` (RFC 9110 section 12.5.4); the first of them for everybody
    who reads none."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:_TAGS_MOST]):
        tag, _, parameter = part.strip().partition(";")
        code = tag.strip().partition("-")[0].lower()
        try:
            quality = float(parameter.partition("=")[2]) if parameter else 1.0
        except ValueError:
            continue
        if code in codes and quality > 0:
            wanted.append((-quality, place, code))
    return min(wanted)[2] if wanted else codes[0]
