"""What is written down about attacks and mitigations, and their numbers: one line of people's tables each.
Pure.

Numbers are unique on a node, across layers and restarts: ``P-12`` is the twelfth of packets, ``R-7`` the
seventh of requests. Times are times of day. What has ended keeps no address of a person: networks of /24
and /48 at the finest.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from pydantic import Field

from rempart.model.attacks import Action, Evidence, Layer, Mode, Signature, State, Term
from rempart.model.base import Value
from rempart.model.errors import InvalidInput

NODE_SUBJECT = "node"
"""The subject of what concerns the node's packets and no site."""
LETTERS: Mapping[Layer, str] = {Layer.PACKET: "P", Layer.REQUEST: "R"}
SHORT4, SHORT6 = 24, 48
STANDING_MOST = 1_024
"""More than the loop ever has at once."""
_IDENTITY = re.compile(r"([PR])-?([0-9]{1,10})", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*)(?:/[0-9]{1,3})?", re.I
)


class Entry(Value):
    """One mitigation."""

    id: str
    layer: Layer
    subject: str
    """A site's host name, or ``node``."""
    cause: str
    signature: Signature
    words: str
    """The signature for people."""
    action: Action
    per_second: float | None = None
    evidence: Evidence
    hits: int = 0
    since: datetime
    expires: datetime
    state: State
    service: int = 0
    """What the loop counts it under: the site, or class and port of packets."""
    ended: datetime | None = None
    why: str = ""
    """Why it ended."""
    shortened: bool = False
    """The signature named an address, and here names the network of it."""

    @property
    def number(self) -> int:
        return int(self.id.partition("-")[2])


class AttackEntry(Value):
    """One attack. ``end`` None: it goes on."""

    layer: Layer
    subject: str
    kind: str
    begin: datetime
    end: datetime | None = None
    peak: float = 0
    usual: float = 0
    signatures: tuple[str, ...] = ()
    """In words."""
    mitigations: tuple[str, ...] = ()
    """Those that stood against it, by their ids."""


class Account(Value):
    """What one layer's loop says of now."""

    layer: Layer
    at: datetime
    next: int = Field(default=1, ge=1)
    """The number that the next mitigation gets."""
    orders: int = 0
    """The last of a person's orders that it has followed."""
    mode: Mode = Mode.ENFORCE
    """What holds where nothing else was said."""
    modes: dict[str, Mode] = Field(default_factory=dict)
    """Subjects with a mode of their own."""
    standing: tuple[Entry, ...] = Field(default=(), max_length=STANDING_MOST)
    attacks: tuple[AttackEntry, ...] = Field(default=(), max_length=STANDING_MOST)


def identity(layer: Layer, number: int) -> str:
    """``P-12``."""
    return f"{LETTERS[layer]}-{number}"


def read_identity(text: str) -> tuple[Layer, int]:
    """The layer and number of ``P-12`` (``p12`` will do). Raises InvalidInput."""
    found = _IDENTITY.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(
            f"{text!r} is no mitigation's id",
            field="ID",
            hint="P-12 or R-7 is meant; rempart mitigations lists them",
        )
    layer = next(one for one, letter in LETTERS.items() if letter == found[1].upper())
    return layer, int(found[2])


def for_history(entry: Entry) -> Entry:
    """The same without anybody's address."""
    terms = tuple(_short(one) for one in entry.signature.terms)
    named = [one.field for one in entry.signature.terms if one not in terms]
    return entry.model_copy(
        update={
            "signature": entry.signature.model_copy(update={"terms": terms}),
            "cause": without_addresses(entry.cause),
            "words": without_addresses(entry.words),
            "why": without_addresses(entry.why),
            "shortened": entry.shortened or "source" in named,
        }
    )


def _short(term: Term) -> Term:
    if term.field not in ("source", "destination"):
        return term
    if term.text:
        return term.model_copy(update={"text": short_network(term.text)})
    # A request's source is a number: an IPv4 address, or the first half of an IPv6 address.
    number = term.first >> 8 << 8 if term.first < 2**32 else term.first >> 16 << 16
    return term.model_copy(update={"first": number, "last": number})


def attack_for_history(attack: AttackEntry) -> AttackEntry:
    """The same without anybody's address."""
    return attack.model_copy(update={"signatures": tuple(map(without_addresses, attack.signatures))})


def without_addresses(text: str) -> str:
    """``text`` with each address or long prefix in it shortened to its /24 or /48."""
    return _ADDRESS.sub(lambda found: short_network(found[0]), text)


def short_network(text: str) -> str:
    """The network of an address or prefix, no longer than SHORT4 or SHORT6; what is neither comes back."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return text
    most = SHORT4 if network.version == 4 else SHORT6
    return str(network if network.prefixlen <= most else network.supernet(new_prefix=most))


def highest(entries: Iterable[Entry]) -> int:
    """The highest number among them; 0 of none."""
    return max((one.number for one in entries), default=0)
