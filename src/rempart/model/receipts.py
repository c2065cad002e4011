"""Receipts: what a page of the edge says of a refusal, in a text that only this node can have made.

    HOST.STATUS-WHY-NUMBER.TIME.KEY.NETWORK.MAC

HOST as it was asked for (percent-encoded where it is no name, cut), WHY what the edge's log calls it
(empty: no rule), NUMBER the mitigation's (empty: none), TIME in hexadecimal seconds since the epoch, KEY
four digits of which key, NETWORK the visitor's /24 or /48 in hexadecimal, MAC twelve digits of HMAC-SHA256
over ``1.`` and all before it. So nothing is kept for a refusal, whoever causes how many of them: what the
page says follows from this text and from what is known of the mitigation. HAProxy makes it
(``engines.haproxy.receipts``), within the page, so that a request that is served pays nothing for it.
docs/decisions/0019 says why it is so. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import zlib
from datetime import UTC, datetime
from urllib.parse import unquote

from pydantic import Field

from rempart.model.base import Value
from rempart.model.errors import InvalidInput

HOST_MOST = 100
"""Characters of the host that a receipt has."""
MAC_DIGITS, KEY_VALUES, NETWORK_DIGITS = 12, 10_000, 12
LENGTH_MOST = 250
ANSWERED_DAYS = 30
"""So long a receipt says something; afterwards the mitigation may be forgotten."""
MESSAGE_MOST, CONTACT_MOST = 1_000, 120
"""Characters of what a visitor says."""
SHORT4, SHORT6, ONE6 = 24, 48, 64
"""How much of an address a receipt has; and how much of an IPv6 address is one visitor."""
WHY_DEFENCE, WHY_CHALLENGE = "defence", "challenge"
WHY_OF_ONE = frozenset({"client-rate", "client-concurrency", WHY_CHALLENGE})
"""Refusals that are about this visitor: an address can be released from them."""

_TEXT = re.compile(
    r"(?P<signed>(?P<host>[a-z0-9_.%~-]{0,100})\.(?P<status>[1-5][0-9]{2})-(?P<why>[a-z-]{0,40}?)-(?P<number>[0-9]{0,10})"
    r"\.(?P<time>[0-9a-f]{8})\.(?P<key>[0-9]{1,4})\.(?P<network>[0-9a-f]{8}|[0-9a-f]{12}))\.(?P<mac>[0-9a-f]{12})"
)


class Refusal(Value):
    """What a receipt says."""

    host: str
    status: int = Field(ge=100, le=599)
    why: str = ""
    """As in the edge's log; empty: no rule refused it."""
    mitigation: int | None = None
    """Its number, when one meant the request."""
    at: int
    """Seconds since the epoch."""
    network: str
    """The visitor's, /24 or /48."""

    @property
    def when(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    @property
    def by(self) -> int | None:
        """The mitigation that refused or challenged it; one that only slowed it did not."""
        return self.mitigation if self.why in (WHY_DEFENCE, WHY_CHALLENGE) else None

    def holds(self, address: str) -> bool:
        """Whether an address is of the network of this receipt."""
        try:
            return ipaddress.ip_address(address) in ipaddress.ip_network(self.network)
        except ValueError:
            return False


def key_number(key: str) -> int:
    """What a receipt names a key (in Base64) by."""
    return zlib.crc32(key.encode()) % KEY_VALUES


def issue(refusal: Refusal, key: str, mac_key: bytes) -> str:
    """The text, exactly as HAProxy makes it. ``key`` is ``mac_key`` in Base64."""
    number = "" if refusal.mitigation is None else str(refusal.mitigation)
    network = ipaddress.ip_network(refusal.network).network_address.packed.hex()[:NETWORK_DIGITS]
    signed = (
        f"{refusal.host}.{refusal.status}-{refusal.why}-{number}.{refusal.at:08x}.{key_number(key)}.{network}"
    )
    return f"{signed}.{_mac(signed, mac_key)}"


def read(text: str, mac_key: bytes) -> Refusal:
    """What the receipt says. InvalidInput for a text that was not made under this key."""
    found = _TEXT.fullmatch(text) if len(text) <= LENGTH_MOST else None
    if found is None:
        raise InvalidInput(
            "this is no receipt", field="ID", hint="the page that refused shows it, with the host's name"
        )
    if not hmac.compare_digest(_mac(found["signed"], mac_key), found["mac"]):
        raise InvalidInput("this receipt is not of this node, or a letter is wrong", field="ID")
    raw = bytes.fromhex(found["network"])
    address, length = (
        (ipaddress.ip_address(raw), SHORT4)
        if len(raw) == 4
        else (ipaddress.ip_address(raw + bytes(16 - len(raw))), SHORT6)
    )
    return Refusal(
        host=unquote(found["host"]),
        status=int(found["status"]),
        why=found["why"],
        mitigation=int(found["number"]) if found["number"] else None,
        at=int(found["time"], 16),
        network=f"{address}/{length}",
    )


def one_visitor(address: str) -> str:
    """What counts as one visitor of this address: itself, or its /64."""
    found = ipaddress.ip_address(address)
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, ONE6), strict=False))


def shortened(address: str) -> str:
    """Its /24 or /48."""
    found = ipaddress.ip_address(address)
    length = SHORT4 if found.version == 4 else SHORT6
    return str(ipaddress.ip_network((found, length), strict=False))


def _mac(signed: str, mac_key: bytes) -> str:
    return hmac.new(mac_key, f"1.{signed}".encode(), hashlib.sha256).hexdigest()[:MAC_DIGITS]


# --- what a visitor may know of what stands -----------------------------------------------------------


class Condition(Value):
    """One condition of a mitigation, for the visitor whose request fulfilled it."""

    field: str
    """``model.attacks.Term.field``."""
    value: str = ""
    """A method, a version, a network; empty for a digest, which only says "the same"."""
    missing: bool = False
    """What the request does not have."""
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    exactly: bool = False
    """These headers and no other of the usual ones."""


class Notice(Value):
    """A mitigation of requests, for those whom it met. Without evidence and without addresses."""

    number: int
    subject: str
    action: str
    """drop, limit, challenge or queue."""
    conditions: tuple[Condition, ...] = ()
    since: datetime
    until: datetime
    """When it ends unless it is met again, or when it ended."""
    ended: bool = False
    revoked: bool = False


class Released(Value):
    """An address that was let through, as its receipt's page may say it."""

    receipt: str
    until: datetime


class Notices(Value):
    """All of them, newest last; written by the defence loop's part, read by the gate."""

    at: datetime
    mitigations: tuple[Notice, ...] = Field(default=(), max_length=4_096)
    released: tuple[Released, ...] = Field(default=(), max_length=4_096)

    def mitigation(self, number: int) -> Notice | None:
        return next((one for one in reversed(self.mitigations) if one.number == number), None)


# --- what visitors say ----------------------------------------------------------------------------------


class Message(Value):
    """One "this is a mistake"."""

    receipt: str = Field(max_length=LENGTH_MOST)
    at: datetime
    address: str = ""
    """Who sent it, when it is of the receipt's network: an address, or a /64."""
    network: str
    """The sender's /24 or /48."""
    text: str = Field(max_length=MESSAGE_MOST)
    contact: str = Field(default="", max_length=CONTACT_MOST)
    language: str = "en"
