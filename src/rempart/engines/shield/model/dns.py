"""What step 9 asks of a DNS query: its sanity, its question, its server cookie."""

from __future__ import annotations

from dataclasses import dataclass

from rempart.engines.shield.layout import Reason
from rempart.engines.shield.model.hashing import siphash24

HEADER = 12
QUERY, NOTIFY, UPDATE = 0, 4, 5
MOST_NAME = 255
MOST_LABELS = 127
OPT = 41
COOKIE = 10
COOKIE_LENGTH = 24
MOST_EDNS_OPTIONS = 8
WITHIN = 1024
OLDEST, NEWEST = 3600, -300


@dataclass(frozen=True, slots=True)
class Query:
    """A message that may be sent to a server. `question_end`: where its question ends (0: NOTIFY, UPDATE)."""

    opcode: int
    question_end: int = 0


def read(payload: bytes) -> Query | Reason:
    """A message to our server port, or why it is dropped (RFC 1035, section 4.1)."""
    if len(payload) < HEADER:
        return Reason.DROP_DNS_MALFORMED
    if payload[2] & 0x80:
        return Reason.DROP_DNS_RESPONSE
    opcode = payload[2] >> 3 & 15
    if opcode not in (QUERY, NOTIFY, UPDATE):
        return Reason.DROP_DNS_OPCODE
    if opcode != QUERY:
        return Query(opcode)
    questions, answers, authorities, additional = (payload[at] << 8 | payload[at + 1] for at in (4, 6, 8, 10))
    if questions != 1 or answers != 0 or authorities > 1 or additional > 2:
        return Reason.DROP_DNS_MALFORMED
    end = _question_end(payload)
    return Reason.DROP_DNS_MALFORMED if end is None else Query(QUERY, end)


def _question_end(payload: bytes) -> int | None:
    at, labels = HEADER, 0
    while True:
        if at >= len(payload):
            return None
        size = payload[at]
        at += 1
        if size == 0:
            break
        labels += 1
        if size > 63 or labels > MOST_LABELS:
            return None
        at += size
    if at - HEADER > MOST_NAME or at + 4 > len(payload):
        return None
    return at + 4


def server_cookie(payload: bytes, query: Query) -> bytes | None:
    """The COOKIE option's 24 bytes (RFC 7873), if the OPT record directly follows the question; else None."""
    at = query.question_end
    if query.opcode != QUERY or payload[8:10] != b"\0\0" or payload[10:12] == b"\0\0":
        return None
    if at + 11 > len(payload):
        return None
    if payload[at] != 0 or payload[at + 1] << 8 | payload[at + 2] != OPT:
        return None
    end = at + 11 + (payload[at + 9] << 8 | payload[at + 10])
    if end > len(payload):
        return None
    at += 11
    for _ in range(MOST_EDNS_OPTIONS):
        if at + 4 > end:
            return None
        code = payload[at] << 8 | payload[at + 1]
        length = payload[at + 2] << 8 | payload[at + 3]
        at += 4
        if at + length > end:
            return None
        if code == COOKIE:
            return payload[at : at + length] if length == COOKIE_LENGTH and at + length <= WITHIN else None
        at += length
    return None


def cookie_holds(cookie: bytes, source: bytes, key: bytes, wall: int) -> bool:
    """Whether a server made this cookie for this source (4 or 16 bytes) lately (RFC 9018, section 4)."""
    if cookie[8] != 1:
        return False
    age = (wall - int.from_bytes(cookie[12:16], "big")) & 0xFFFFFFFF
    if age >= 0x80000000:
        age -= 0x100000000
    return NEWEST <= age <= OLDEST and siphash24(key, cookie[:16] + source) == cookie[16:]
