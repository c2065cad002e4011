"""What a contender is: something that stands in the edge's namespace between the Internet and the origin.

It is given the same namespace, processor and link as every other, with a certificate for the site, and
starts from nothing. What is not installed is left out with its reason, never an error.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from rempart.lab.network.place import Place
from rempart.model.base import Value


class EdgeScene(Value):
    """What a contender is given."""

    place: Place
    """The edge's namespace with its caps: every process of the contender is started through it."""
    folder: Path
    """For its configuration and logs; readable by all, gone after the run."""
    host: str
    zone: str
    interface: str
    """Towards the Internet."""
    v4: str
    v6: str
    http_port: int = 80
    https_port: int = 443
    dns_port: int = 53
    origin_address: str
    origin_port: int
    certificate: Path
    """PEM for ``host``: chain, then key. Contenders that make their own leave it."""
    authority: Path
    """PEM of the authority that issued it."""


class Mitigation(Value):
    """Something a contender did against somebody, as its own log tells, for the plot."""

    at: float
    """CLOCK_MONOTONIC."""
    what: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A contender that stands: the site is served."""

    authority: Path
    """PEM of the authority whose certificate it shows."""
    mitigations: Callable[[], tuple[Mitigation, ...]] = field(default=tuple)


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to protect a site."""

    name: str
    summary: str
    lacks: Callable[[], str | None]
    """Why it cannot take part on this machine, or None."""
    start: Callable[[EdgeScene], AbstractContextManager[Standing]]
    """Stands while the block runs; no process and no file outside of the scene's folder outlives it."""
    answers_dns: bool = False
    versions: Callable[[], tuple[str, ...]] = field(default=tuple)
    """What it is made of, as the programs say themselves: ``nginx 1.22.1``, …"""
