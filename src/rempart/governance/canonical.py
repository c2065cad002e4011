"""The bytes that arbiters sign: one text for one value.

Canonical JSON, as in the public log (``log.canonical``). Each kind of text begins with a line of its own, so
that a signature on one can never be one on another.
"""

from __future__ import annotations

import hashlib

from rempart.governance.log.canonical import canonical
from rempart.model.cases import Motion, Statement
from rempart.model.sign_in import SignIn

STATEMENT = b"rempart case statement v1\n"
MOTION = b"rempart case motion v1\n"
SIGN_IN = b"rempart console sign-in v1\n"


def statement_bytes(statement: Statement) -> bytes:
    """What an arbiter signs (Ed25519, RFC 8032, no prehash)."""
    return STATEMENT + canonical(statement.model_dump(mode="json"))


def motion_digest(motion: Motion) -> str:
    """SHA-256 of the motion, in hexadecimal: what statements name it by."""
    return hashlib.sha256(MOTION + canonical(motion.model_dump(mode="json"))).hexdigest()


def sign_in_bytes(sign_in: SignIn) -> bytes:
    """What an arbiter signs to prove their key at the console. No statement: it decides nothing."""
    return SIGN_IN + canonical(sign_in.model_dump(mode="json"))
