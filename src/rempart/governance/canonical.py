"""The bytes that are signed, hashed and logged: one text for one value.

JSON in the manner of RFC 8785: keys sorted, no white space, UTF-8. Values hold no floating-point numbers, which are
that RFC's difficult part. Each kind of text begins with a line of its own, so that a signature on one
can never be one on another.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from rempart.model.base import Value
from rempart.model.cases import Motion, Statement

STATEMENT = b"rempart case statement v1\n"
MOTION = b"rempart case motion v1\n"
COMMITMENT = b"rempart commitment v1\n"


def canonical(value: Value | dict[str, Any]) -> bytes:
    """The one text of ``value``."""
    body = value.model_dump(mode="json") if isinstance(value, Value) else value
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def statement_bytes(statement: Statement) -> bytes:
    """What an arbiter signs (Ed25519, RFC 8032, no prehash)."""
    return STATEMENT + canonical(statement)


def motion_digest(motion: Motion) -> str:
    """SHA-256 of the motion, in hexadecimal: what statements name it by."""
    return hashlib.sha256(MOTION + canonical(motion)).hexdigest()


def commitment(salt: bytes, body: bytes) -> str:
    """SHA-256 over salt (16 bytes at least) and body: tells nothing of the body until the salt is shown."""
    if len(salt) < 16:
        raise ValueError("a salt of 16 bytes at least")
    return hashlib.sha256(COMMITMENT + salt + body).hexdigest()
