"""Who is challenged: security levels, and what an owner spares from challenges."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from rempart.model.base import Value

EXEMPTIONS_MAX = 50
"""Paths, and networks, that one site can exempt."""
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,199}")
_WIDEST = {4: 8, 6: 16}


class SecurityLevel(StrEnum):
    """How suspicious the edge is of visitors; Cloudflare's ``security_level``.

    UNDER_ATTACK challenges everybody. The other levels are kept, and alike: nobody is challenged.
    """

    OFF = "off"
    ESSENTIALLY_OFF = "essentially_off"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNDER_ATTACK = "under_attack"


def parse_exempt_path(text: str) -> str:
    """A path as requests carry it (RFC 3986 section 3.3); everything that begins with it is exempt.

    ValueError says what is wrong. Dot segments are refused: what an origin makes of them is not ours to know.
    """
    if not _PATH.fullmatch(text):
        raise ValueError("a path begins with / and has at most 200 characters, others percent-encoded")
    if ".." in text or "%2e" in text.lower():
        raise ValueError("a path that is exempt cannot contain dot segments")
    return text


def parse_exempt_network(text: str) -> str:
    """An address or network in CIDR notation, host bits cleared. ValueError says what is wrong."""
    try:
        if "%" in text:  # a zone index means something on one machine only
            raise ValueError
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("neither an IP address nor a network like 192.0.2.0/24") from None
    if network.prefixlen < _WIDEST[network.version]:
        raise ValueError(
            f"wider than /{_WIDEST[network.version]}; to challenge nobody, set another security level"
        )
    return str(network)


ExemptPaths = Annotated[
    tuple[Annotated[str, AfterValidator(parse_exempt_path)], ...], Field(max_length=EXEMPTIONS_MAX)
]
ExemptNetworks = Annotated[
    tuple[Annotated[str, AfterValidator(parse_exempt_network)], ...], Field(max_length=EXEMPTIONS_MAX)
]


class Exemptions(Value):
    """What a site under attack never challenges. It is counted and limited instead."""

    paths: ExemptPaths = ()
    networks: ExemptNetworks = ()
