"""What the defence loop sees, thinks and says: observations, signatures, trials, mitigations, attacks.

Where it stands: the node fills an ``Observation`` ten times a second from counters and samples, the pure room
``defence`` judges it, and what it says is carried out by the engines and shown to people. All figures of
rates are per second, all times in seconds of the clock that ``now`` is taken from, except ``wall``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rempart.model.base import Value
from rempart.model.packets import HEADER

Records = NDArray[Any]

PACKET: np.dtype[Any] = np.dtype(
    [
        ("header", HEADER),
        ("options", "S25"),
        ("qname", "S64"),
        ("weight", "f4"),
        ("reason", "u1"),
        ("dropped", "?"),
        ("good", "?"),
    ]
)
"""A sampled packet. Of the header, the parts that the program fills only when asked (options digest, payload)
are completed by the node from the sampled bytes. ``options`` are the kinds that the digest is made of,
``qname`` the name asked for, lower case, of which the last 64 characters are kept; ``weight`` how many
packets the sample stands for; ``dropped``: it got no further than the shield; ``good``: its source had proven
itself, or its connection stood."""

REQUEST: np.dtype[Any] = np.dtype(
    [
        ("site", "u4"),
        ("weight", "f4"),
        ("source", "u8"),
        ("network", "u8"),
        ("client", "u8"),
        ("path", "u4"),
        ("path_shape", "u4"),
        ("query_shape", "u4"),
        ("agent", "u4"),
        ("language", "u4"),
        ("tls", "u4"),
        ("headers", "u4"),
        ("mitigation", "u4"),
        ("status", "u2"),
        ("method", "u1"),
        ("version", "u1"),
        ("good", "?"),
        ("refused", "?"),
    ]
)
"""A request of the edge's log, integer-coded: texts are 32-bit digests that the node makes. ``source`` is the
address (IPv6: its /64), ``network`` the /24 (/48), ``client`` who is counted (clearance or source),
``headers`` which headers were there (a bit each), ``mitigation`` by which it was refused or delayed,
``good``: it came with a clearance within its budget."""

SITE: np.dtype[Any] = np.dtype(
    [
        ("site", "u4"),
        ("requests", "u4"),
        ("refused", "u4"),
        ("errors", "u4"),
        ("queue", "u4"),
        ("latency", "f4"),
    ]
)
"""Counters of a site since the observation before: requests, those refused at the edge, answers 5xx;
``queue`` are requests waiting now, ``latency`` the origin's mean seconds (0: none answered)."""

NODE = -1
"""The key of what concerns no one site: the node's packets."""


class Layer(StrEnum):
    """What a signature is of."""

    PACKET = "packet"
    REQUEST = "request"


class Mode(StrEnum):
    """Whether a site's mitigations act, or only say what they would do."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class Saturation:
    """Shares of what the node has that are used, 0 to 1."""

    link: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What was seen since the observation before, ``seconds`` ago."""

    seconds: float
    wall: float
    """Unix time, for the time of the week only."""
    packets: Records = field(default_factory=lambda: np.zeros(0, PACKET))
    """Samples, ``PACKET``."""
    passed: int = 0
    """Packets that the shield passed or answered, all of them: counted, not sampled."""
    offered_packets: int = 0
    offered_requests: int = 0
    """Everything that came, counted: from them the sample rates follow."""
    requests: Records = field(default_factory=lambda: np.zeros(0, REQUEST))
    """Samples, ``REQUEST``."""
    sites: Records = field(default_factory=lambda: np.zeros(0, SITE))
    """Counters, ``SITE``; a site that is missing had nothing."""
    hits: Mapping[int, int] = field(default_factory=dict)
    """Mitigation → what it has matched since it began."""
    saturation: Saturation = field(default_factory=Saturation)


@dataclass(frozen=True, slots=True)
class Revoke:
    """A person says that this mitigation is wrong. It sticks."""

    mitigation: int


@dataclass(frozen=True, slots=True)
class ModeChange:
    """A site (or ``NODE``) is from now on enforced or only observed."""

    key: int
    mode: Mode


class Term(Value):
    """One condition: ``field`` masked with ``mask`` (None: all of it) lies between ``first`` and ``last``.

    ``text`` is for fields that are no numbers: a network (``source``, ``destination``), the end of a name
    (``qname``), the kinds of TCP options, the first bytes of a payload in hexadecimal.
    """

    field: str
    first: int = 0
    last: int = 0
    mask: int | None = None
    text: str | None = None

    def words(self) -> str:
        if self.text is not None:
            return f"{self.field} {self.text}"
        if self.mask is not None:
            return f"{self.field} & {self.mask:#x} = {self.first:#x}"
        return (
            f"{self.field} {self.first}"
            if self.first == self.last
            else f"{self.field} {self.first}–{self.last}"
        )


class Signature(Value):
    """A conjunction: what the records of an attack have in common. ``site``: requests of that site only."""

    layer: Layer
    site: int | None = None
    terms: tuple[Term, ...] = ()

    def words(self) -> str:
        return ", ".join(one.words() for one in self.terms) or "everything"


@dataclass(frozen=True, slots=True)
class Forbid:
    """A person has revoked this signature, now or before a restart: what means it ends, and does not come
    back."""

    key: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Permit:
    """A person takes a revocation back."""

    key: int
    signature: Signature


Event = Observation | Revoke | ModeChange | Forbid | Permit


class Action(StrEnum):
    """What is done with what matches, strongest first."""

    DROP = "drop"
    LIMIT = "limit"
    CHALLENGE = "challenge"
    QUEUE = "queue"
    """Last in the queue: nobody is refused."""


class Trial(Value):
    """How a signature did against known-good records."""

    records: int
    """Known-good records that it was replayed against."""
    hit: int
    own_records: int
    own_hit: int
    """The same, of its own site or class of packets only."""
    upper: float
    """Upper 95 % confidence bound of the share of good records hit."""
    bound: float
    action: Action | None
    """The strongest that it passed for; None: none."""


class Evidence(Value):
    """The figures that a mitigation stands on, at the moment it began."""

    rate: float
    usual: float
    covered: float
    """Share of the excess that the signature covers."""
    sampled: int
    """Records of the attack that it was derived from."""
    trial: Trial
    harm: tuple[str, ...] = ()


class State(StrEnum):
    """Where a mitigation is in its life."""

    ENFORCED = "enforced"
    OBSERVED = "observed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Mitigation(Value):
    """One answer to one attack."""

    id: int = Field(ge=1, le=2**31)
    key: int
    """The site, or ``NODE``."""
    cause: str
    signature: Signature
    action: Action
    per_second: float | None = None
    """Of the limit."""
    evidence: Evidence
    hits: int = 0
    since: float
    expires: float
    state: State


class Attack(Value):
    """What befell a site or the node. ``end`` None: it goes on."""

    key: int
    kind: str
    begin: float
    end: float | None = None
    peak: float = 0
    usual: float = 0
    signatures: tuple[Signature, ...] = ()


class Measure(IntFlag):
    """What the shield can demand of sources without a rule."""

    SYN_COOKIES = 1
    DNS_CHALLENGE = 2
