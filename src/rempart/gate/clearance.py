"""Clearances: JSON Web Tokens (RFC 7519) under HMAC-SHA256 (RFC 7518 section 3.2). Pure.

A clearance says that its bearer has passed a challenge for one host. It names no person and no address. The
edge counts requests by its ``jti``, whose first letter is the rung it was earned on, so a clearance that many
share has one visitor's budget.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any

from rempart.model.gate import CLEARANCE_LENGTH_MAX, CLEARANCE_LIFETIME_S, GateKey, GateKeys, Rung

_SKEW_S = 60
_ID = re.compile(r"[wp][A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Clearance:
    """What a clearance says. Times in seconds since the epoch."""

    id: str
    """``jti``: the letter of the rung, then 128 random bits in base64url."""
    host: str
    """``aud``: lower case, without port."""
    issued: int
    expires: int

    @property
    def rung(self) -> Rung:
        return Rung.WAIT if self.id.startswith(Rung.WAIT.letter) else Rung.PROOF


def issue(host: str, rung: Rung, random: bytes, now: int) -> Clearance:
    """A clearance for ``host``; ``random``: 16 unguessable bytes."""
    return Clearance(f"{rung.letter}{_encoded(random)}", host, now, now + CLEARANCE_LIFETIME_S)


def sign(clearance: Clearance, key: GateKey) -> str:
    """The clearance as a token."""
    claims = {
        "aud": clearance.host,
        "exp": clearance.expires,
        "iat": clearance.issued,
        "jti": clearance.id,
    }
    text = f"{key.token_header}.{_encoded(_json(claims))}"
    return f"{text}.{_encoded(_mac(text, key))}"


def verify(token: str, host: str, keys: GateKeys, now: float) -> Clearance | None:
    """The clearance in ``token`` when it holds for ``host`` now. The edge decides by the same conditions."""
    parts = token.split(".")
    if len(token) > CLEARANCE_LENGTH_MAX or len(parts) != 3:
        return None
    header, claims = _object(parts[0]), _object(parts[1])
    # RFC 8725 section 3.1: the algorithm is ours; what the token says must merely not contradict.
    if header is None or claims is None or header.get("alg") != "HS256":
        return None
    key = keys.find(str(header.get("kid")))
    signature = _decoded(parts[2])
    if key is None or signature is None:
        return None
    if not hmac.compare_digest(_mac(f"{parts[0]}.{parts[1]}", key), signature):
        return None
    id_, aud, exp, iat = (claims.get(name) for name in ("jti", "aud", "exp", "iat"))
    if not (isinstance(id_, str) and _ID.fullmatch(id_) and type(exp) is int and type(iat) is int):
        return None
    if aud != host or not iat - _SKEW_S <= now < exp:
        return None
    return Clearance(id_, host, iat, exp)


def _mac(text: str, key: GateKey) -> bytes:
    return hmac.digest(key.token_key.encode(), text.encode(), hashlib.sha256)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _object(text: str) -> dict[str, Any] | None:
    raw = _decoded(text)
    try:
        value = None if raw is None else json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if _encoded(raw) == text else None
