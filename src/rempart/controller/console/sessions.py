"""Who is signed in: sessions in memory, known to the browser by a secret that is nowhere stored as such.

A session says who proved what and when; whether that person still may is asked at every request. It ends
after ``IDLE`` without a request, and after ``LONGEST`` in any case; it does not outlive the process.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

COOKIE = "__Host-rempart"
"""RFC 6265bis section 4.1.3.2: taken only with Secure, for this host alone, for all its paths."""
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=4)
SESSIONS_MAX = 5_000


class Role(StrEnum):
    ARBITER = "arbiter"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in."""

    role: Role
    who: str
    """The arbiter's id, or the token's."""
    proof: str
    """What was proven: the arbiter's public key, or the token's digest. Another one now: no session."""
    account_id: str
    """Of the token; empty for arbiters."""
    began: datetime
    seen: datetime


class Sessions:
    """All sessions of this process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._held: dict[bytes, Session] = {}
        self._used: dict[str, datetime] = {}

    def open(self, role: Role, who: str, proof: str, now: datetime, *, account_id: str = "") -> str:
        """A new session; the secret for the browser."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._forget(now)
            while len(self._held) >= SESSIONS_MAX:
                del self._held[min(self._held, key=lambda one: self._held[one].seen)]
            self._held[_name(secret)] = Session(role, who, proof, account_id, now, now)
        return secret

    def find(self, secret: str, now: datetime) -> Session | None:
        """The session with this secret, which was seen ``now``; None when there is none or it is over."""
        with self._lock:
            name = _name(secret)
            session = self._held.get(name)
            if session is None:
                return None
            if _over(session, now):
                del self._held[name]
                return None
            self._held[name] = replace(session, seen=now)
            return session

    def end(self, secret: str) -> None:
        with self._lock:
            self._held.pop(_name(secret), None)

    def guard(self, secret: str) -> str:
        """What forms of this session carry, and no other site can know."""
        return self.sealed(b"form", secret.encode())

    def sealed(self, what: bytes, content: bytes) -> str:
        """A code that only this process can make, for text that goes out and comes back."""
        return hmac.new(self._key, what + b"\n" + content, hashlib.sha256).hexdigest()

    def use_once(self, nonce: str, until: datetime, now: datetime) -> bool:
        """Whether ``nonce``, good until then, is used for the first time."""
        with self._lock:
            self._forget(now)
            if nonce in self._used:
                return False
            self._used[nonce] = until
            return True

    def _forget(self, now: datetime) -> None:
        self._used = {nonce: until for nonce, until in self._used.items() if until > now}
        self._held = {name: one for name, one in self._held.items() if not _over(one, now)}


def _over(session: Session, now: datetime) -> bool:
    return now - session.seen > IDLE or now - session.began > LONGEST


def _name(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
