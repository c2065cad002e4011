"""What an attack is. The runner needs nothing else of it.

An attack is a value in ``catalogue.ATTACKS``: its name, what its rate counts, its default parameters, and a
pure function from an ``Order`` to the ``Sender`` that carries it out in the bots' namespace. A sender is an
existing generator's command, or one of our own modules, which writes its truth as it goes (``reporting``).
What was sent is always read from the sender's own count, never assumed from the rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from rempart.lab.network.addressing import Prefixes
from rempart.model.base import Value


class Unit(StrEnum):
    """What the rate of an attack counts."""

    PACKETS = "packets"
    REQUESTS = "requests"
    CONNECTIONS = "connections"
    QUERIES = "queries"
    FRAMES = "frames"


class Sources(StrEnum):
    """Where the packets say they come from."""

    SPOOFED = "spoofed"
    """Any address at all, visitors' own included; no answer ever comes back."""
    PREFIXES = "prefixes"
    """Tens of thousands of addresses that are really the bots', IPv4 and IPv6."""
    FEW = "few"
    """A handful of the bots' addresses."""


class Target(Value):
    """What is attacked, as the whole Internet knows it."""

    host: str
    zone: str
    v4: str
    v6: str
    http_port: int = 80
    https_port: int = 443
    dns_port: int = 53
    pages: tuple[str, ...]
    """Ordinary pages of the site."""
    costly_pages: tuple[str, ...]
    """Paths with ``{}`` in place of a free word; each answer costs the origin much more than an ordinary
    page."""
    form_page: str
    """A page that takes POST."""
    large_page: str
    """The largest thing that the site serves, for readers that read slowly."""


class AttackParameters(Value):
    """What every attack can be told. An attack with more of its own derives from this."""

    rate: float = Field(gt=0)
    """Units a second, all sources together."""
    sources: Sources
    source_count: int = Field(default=20_000, ge=1)
    """Distinct addresses under PREFIXES and FEW (never more than there are)."""
    v6_share: float = Field(default=0.0, ge=0, le=1)
    on_s: float = Field(default=0.0, ge=0)
    """With ``off_s``: a pulse wave of so many seconds on, so many off. 0: without pause."""
    off_s: float = Field(default=0.0, ge=0)
    rise_s: float = Field(default=0.0, ge=0)
    """The rate grows evenly from nothing for so long; of attacks that are said over HTTP."""


class Order(Value):
    """One attack, ordered: everything that its sender needs. Travels to our own senders as a JSON file."""

    attack: str
    parameters: dict[str, float | int | str | bool]
    """The attack's own parameters, dumped; the sender validates them with its own type."""
    target: Target
    bots: Prefixes
    interface: str
    """The bots' interface towards the router."""
    gateway_mac: str
    """The router's hardware address on that link: where built frames go."""
    begin_at: float
    """CLOCK_MONOTONIC at which the first unit leaves; all processes of a machine share this clock."""
    seconds: float = Field(gt=0)
    seed: int
    folder: Path
    """Where the sender writes; named after its place in the schedule."""


class Sample(Value):
    """What a sender had sent by a moment."""

    at: float
    """CLOCK_MONOTONIC."""
    units: int
    """Units of the attack, as its ``unit`` counts them."""
    packets: int | None = None
    bytes: int | None = None
    """Octets on the wire with Ethernet headers, as an interface counts them; None: the sender cannot know."""
    answered: int | None = None
    """Units that drew a full answer of the site, where a sender can tell."""


class Sent(Value):
    """The truth about one attack: samples in the order of time, the last one the total."""

    samples: tuple[Sample, ...] = ()

    @property
    def total(self) -> Sample | None:
        return self.samples[-1] if self.samples else None

    @property
    def first_at(self) -> float | None:
        """When the first unit had left, as closely as the samples tell."""
        return next((sample.at for sample in self.samples if sample.units > 0), None)


@dataclass(frozen=True, slots=True)
class Sender:
    """How an order is carried out: a command inside the bots' namespace, and how to read its truth afterwards
    (or meanwhile: ``read`` may be called at any time and gives what is known by then)."""

    argv: tuple[str, ...]
    read: Callable[[], Sent]
    lacks: Callable[[], str | None] = lambda: None
    """Why it cannot be carried out on this machine, None: it can."""
    programs: tuple[tuple[str, str], ...] = ()
    """(program, Debian package) that must be installed; what is missing leaves the drill out, with that
    reason."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of attack."""

    name: str
    unit: Unit
    summary: str
    defaults: AttackParameters
    sender: Callable[[Order], Sender]
    """Pure: says what would be run, starts nothing."""
    concerns_dns: bool = False
    """It is aimed at the name server; contenders without one take no part."""
