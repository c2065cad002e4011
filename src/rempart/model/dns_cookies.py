"""The key that DNS cookies are made and checked with (RFC 7873, RFC 9018), as it stands in its file. Pure.

Where it stands: ``rempart up`` makes the file, the name server makes cookies with the key and the packet
shield checks them. Both compute RFC 9018's version 1 (SipHash-2-4), so a cookie that one gave the other
knows.
"""

from __future__ import annotations

import re

KEY_BYTES = 16
_TEXT = re.compile(rb"[0-9a-f]{32}\n", re.ASCII)


def key_text(key: bytes) -> bytes:
    """The file's content: 32 hexadecimal digits and a line end."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"{len(key)} bytes are no key of DNS cookies")
    return key.hex().encode() + b"\n"


def key_of(text: bytes) -> bytes | None:
    """The key in a file's content; None when there is none in it."""
    return bytes.fromhex(text.decode()) if _TEXT.fullmatch(text) else None
