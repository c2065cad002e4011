"""That a report is meant: a form that was open for a while, or a small proof of work. Pure.

A ticket is issued with the form or with a refusal, and is good once. Whoever has a program answers it with
work (Hashcash's kind: SHA-256 of ``TICKET.ANSWER`` begins with zero bits); whoever has the form waits.
"""

from __future__ import annotations

import hashlib
import hmac
import re

WAIT_S = 20.0
"""After which a form is taken without work while there is a flood."""
LEAST_S = 2.0
"""Nobody fills a form in faster."""
LIFETIME_S = 6 * 3_600.0
"""A form may be open for long: evidence is gathered meanwhile."""
BITS = 18
"""260,000 hashes on average: a third of a second of one core."""
_TICKET = re.compile(r"([0-9]{1,15})\.([0-9a-f]{32})\.([0-9a-f]{64})")
_ANSWER = re.compile(r"[0-9a-f]{1,32}")


def ticket(key: bytes, random: bytes, now: float) -> str:
    """A fresh ticket. ``random``: 16 octets that nobody can guess; ``now``: seconds."""
    said = f"{int(now * 1000)}.{random.hex()}"
    return f"{said}.{_code(key, said)}"


def age(key: bytes, text: str, now: float) -> float | None:
    """Seconds since the ticket was issued; None when it is none of ours, or too old."""
    found = _TICKET.fullmatch(text)
    if found is None:
        return None
    said = f"{found[1]}.{found[2]}"
    seconds = now - int(found[1]) / 1000
    if not hmac.compare_digest(_code(key, said), found[3]) or not 0 <= seconds <= LIFETIME_S:
        return None
    return seconds


def is_work(text: str, answer: str, bits: int = BITS) -> bool:
    """Whether ``answer`` answers the ticket ``text``."""
    if not _ANSWER.fullmatch(answer):
        return False
    digest = hashlib.sha256(f"{text}.{answer}".encode()).digest()
    return int.from_bytes(digest) >> (256 - bits) == 0


def _code(key: bytes, said: str) -> str:
    return hmac.new(key, b"rempart report ticket v1\n" + said.encode(), hashlib.sha256).hexdigest()
