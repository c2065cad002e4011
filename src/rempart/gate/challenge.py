"""Challenges: signed statements of what is asked of a visitor, and the check of what comes back. Pure.

A challenge is text, in the clear so that a browser can read what it must do:

    1.RUNG.ISSUED.EXPIRES.AMOUNT.NONCE.KID.HOST.MAC

times in seconds since the epoch, AMOUNT seconds to wait or zero bits to find, MAC the lower-case hex of
HMAC-SHA256 over everything before its dot. The edge makes it in the same form (engines.haproxy.clearance);
both challenges of one page carry the same nonce, so that a page is worth one clearance.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum

from rempart.gate.replay import ReplayMemory
from rempart.model.gate import CHALLENGE_LIFETIME_S, GateKey, GateKeys, Rung

VERSION = "1"
TEXT_MAX = 512
PROOF_LENGTH_MAX = 12
SKEW_S = 5
"""How far the edge's clock may be ahead of the gate's. On one machine they are the same."""

_TEXT = re.compile(
    r"(?P<signed>1\.(?P<rung>wait|proof)\.(?P<issued>[0-9]{1,12})\.(?P<expires>[0-9]{1,12})"
    r"\.(?P<amount>[0-9]{1,3})\.(?P<nonce>[0-9a-f-]{3,36})\.(?P<kid>[a-z0-9]{1,16})"
    r"\.(?P<host>[a-z0-9_.-]{1,255}))\.(?P<mac>[0-9a-f]{64})"
)
_PROOF = re.compile(r"[0-9]{1,12}")


class Why(StrEnum):
    """Why a challenge was not passed."""

    MALFORMED = "malformed"
    FORGED = "forged"
    OTHER_SITE = "other site"
    EXPIRED = "expired"
    CLOCK_SKEW = "clock skew"
    REPLAYED = "replayed"
    TOO_EARLY = "too early"
    WRONG_PROOF = "wrong proof"


@dataclass(frozen=True, slots=True)
class Refused:
    """The challenge was not passed. ``wait_s``: when to come back with the same one; only for TOO_EARLY."""

    why: Why
    wait_s: int = 0


@dataclass(frozen=True, slots=True)
class Passed:
    """The challenge was passed on this rung, and is used up."""

    rung: Rung


@dataclass(frozen=True, slots=True)
class Challenge:
    """What is asked of a visitor of ``host`` (lower case, no port)."""

    host: str
    rung: Rung
    issued: int
    expires: int
    amount: int
    nonce: str
    """3 to 36 characters out of 0-9, a-f and hyphen; never used twice. It need be no secret: the whole
    challenge is signed."""


def issue(
    host: str, rung: Rung, amount: int, nonce: str, now: int, *, lifetime_s: int = CHALLENGE_LIFETIME_S
) -> Challenge:
    return Challenge(host, rung, now, now + lifetime_s, amount, nonce)


def sign(challenge: Challenge, key: GateKey) -> str:
    """The challenge as text."""
    text = (
        f"{VERSION}.{challenge.rung.value}.{challenge.issued}.{challenge.expires}.{challenge.amount}"
        f".{challenge.nonce}.{key.kid}.{challenge.host}"
    )
    return f"{text}.{_mac(text, key)}"


def read(text: str, keys: GateKeys) -> Challenge | Refused:
    """The challenge in ``text`` when one of ``keys`` has signed it."""
    found = _TEXT.fullmatch(text) if len(text) <= TEXT_MAX else None
    if found is None:
        return Refused(Why.MALFORMED)
    key = keys.find(found["kid"])
    if key is None or not hmac.compare_digest(_mac(found["signed"], key), found["mac"]):
        return Refused(Why.FORGED)
    return Challenge(
        host=found["host"],
        rung=Rung(found["rung"]),
        issued=int(found["issued"]),
        expires=int(found["expires"]),
        amount=int(found["amount"]),
        nonce=found["nonce"],
    )


def verify(
    text: str, proof: str, host: str, keys: GateKeys, replays: ReplayMemory, now: float
) -> Passed | Refused:
    """Whether a visitor of ``host`` who sends ``text`` (and a ``proof`` when one is asked for) has passed.

    Cheap checks come first, and only a passed challenge is remembered: nobody fills the memory with rubbish.
    """
    challenge = read(text, keys)
    if isinstance(challenge, Refused):
        return challenge
    if challenge.host != host:
        return Refused(Why.OTHER_SITE)
    if now >= challenge.expires or replays.forgets(challenge.issued, now):
        return Refused(Why.EXPIRED)
    if challenge.issued > now + SKEW_S:
        return Refused(Why.CLOCK_SKEW)
    match challenge.rung:
        case Rung.WAIT:
            left = challenge.issued + challenge.amount - now
            if left > 0:
                return Refused(Why.TOO_EARLY, wait_s=int(left) + 1)
        case Rung.PROOF:
            if not proves(challenge.nonce, proof, challenge.amount):
                return Refused(Why.WRONG_PROOF)
    if not replays.first_time(challenge.nonce, challenge.expires, now):
        return Refused(Why.REPLAYED)
    return Passed(challenge.rung)


def proves(nonce: str, proof: str, bits: int) -> bool:
    """Whether SHA-256 of ``NONCE:PROOF`` begins with ``bits`` zero bits; ``proof`` is a decimal number."""
    if not _PROOF.fullmatch(proof):
        return False
    digest = hashlib.sha256(f"{nonce}:{proof}".encode()).digest()
    return int.from_bytes(digest, "big") >> (256 - bits) == 0


def _mac(text: str, key: GateKey) -> str:
    return hmac.new(key.challenge_key, text.encode(), hashlib.sha256).hexdigest()
