"""What the gate, the edge and the node must agree on: names, times and keys of challenges and clearances.

The edge states a challenge and checks clearances, the gate checks what comes back and issues clearances;
both do so under keys of the node's. Nobody asks anybody for a permission while visitors wait.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from enum import StrEnum

from pydantic import Field

from rempart.model.base import Value

COOKIE = "rempart_clearance"
GATE_PATH = "/.rempart/gate/"
"""Everything below belongs to the gate, on every site."""

READ_PATH = "/.rempart/read"
"""Where the form of a warning page (a case's remedy on a URL) is sent to; answered by the edge alone."""
READ_COOKIE = "rempart_read_"
"""What the cookie of who has read a warning is called; the warning's id follows."""
READ_LIFETIME_S = 12 * 3600

PROOF_BITS = 16
"""65,536 hashes on average: a median of about half a second at 100,000 hashes a second (a slow phone)."""
PROOF_MAX_S = 3
"""A browser that has not found a proof by then goes the way of the timed wait."""
WAIT_S = 5
CHALLENGE_LIFETIME_S = 300
CLEARANCE_LIFETIME_S = 4 * 3600
CLEARANCE_LENGTH_MAX = 600
"""Characters of a clearance in its cookie; what is longer is not looked at."""
KEY_LIFETIME_S = 24 * 3600
"""After this a new key signs. The one before it is honoured for as long again, so every clearance lasts."""
KEYS_KEPT = 2


class Rung(StrEnum):
    """How a challenge is passed. Each has one letter, which a clearance's id begins with."""

    WAIT = "wait"
    """Come back after WAIT_S seconds; works without JavaScript."""
    PROOF = "proof"
    """A SHA-256 hash with PROOF_BITS leading zero bits."""

    @property
    def letter(self) -> str:
        return self.value[0]


class GateKey(Value):
    """One secret, and what is derived from it, so that no text made for one purpose serves another."""

    kid: str = Field(pattern=r"^[a-z0-9]{1,16}$")
    secret: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    created: int
    """Seconds since the epoch."""

    @property
    def challenge_key(self) -> bytes:
        """HMAC-SHA256 key of challenges."""
        return self._derived("rempart challenge 1")

    @property
    def challenge_key_base64(self) -> str:
        return base64.b64encode(self.challenge_key).decode()

    @property
    def token_key(self) -> str:
        """HS256 key of clearances; text, because HAProxy takes it from a map."""
        return self._derived("rempart clearance 1").hex()

    @property
    def token_header(self) -> str:
        """The first part of every clearance under this key (RFC 7515 section 7.1). The edge finds the key by
        this very text, so no token can name another algorithm."""
        header = f'{{"alg":"HS256","kid":"{self.kid}","typ":"JWT"}}'
        return base64.urlsafe_b64encode(header.encode()).rstrip(b"=").decode()

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(bytes.fromhex(self.secret), purpose.encode(), hashlib.sha256)


class GateKeys(Value):
    """The keys that are honoured, newest first. The newest signs."""

    keys: tuple[GateKey, ...] = Field(min_length=1, max_length=KEYS_KEPT)
    receipts: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", repr=False)
    """The secret of receipts, which stays: a receipt is asked about days later. Empty: a file of an earlier
    version, which the node completes."""

    @property
    def receipt_key(self) -> bytes:
        """HMAC-SHA256 key of receipts."""
        return hmac.digest(bytes.fromhex(self.receipts), b"rempart receipt 1", hashlib.sha256)

    @property
    def receipt_key_base64(self) -> str:
        return base64.b64encode(self.receipt_key).decode()

    @property
    def current(self) -> GateKey:
        return self.keys[0]

    def find(self, kid: str) -> GateKey | None:
        return next((key for key in self.keys if key.kid == kid), None)

    def due(self, now: int) -> bool:
        """True when a new key should sign. Also when the newest was made in what now is the future."""
        return not 0 <= now - self.current.created < KEY_LIFETIME_S

    def rotated(self, fresh: GateKey) -> GateKeys:
        return GateKeys(keys=(fresh, *self.keys)[:KEYS_KEPT], receipts=self.receipts)
