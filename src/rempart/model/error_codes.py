"""Cloudflare's numeric codes for the faults that this room finds; they travel as ``RempartError.code``.

Clients of that API act on some of them (certbot and lexicon count 81057 and 81058 as success).
There is no official list; these are the codes that clients and their issue trackers agree on.
"""

from __future__ import annotations

from enum import IntEnum


class CloudflareCode(IntEnum):
    """Named after what was wrong."""

    RECORD_INVALID = 9005
    TTL_INVALID = 9021
    PROXIED_INVALID = 9041
    ADDRESS_OR_CNAME_EXISTS = 81053
    CNAME_EXISTS = 81054
    RECORD_EXISTS = 81057
    IDENTICAL_RECORD_EXISTS = 81058
