"""Looks up the addresses behind origin host names and flattened CNAME targets.

A lookup is done before a name is first stored, so that the answer to the owner is complete at once, and
again by the background task (`resolving`) when its TTL runs out. What to make of an answer or of its
absence is decided by the pure `held_after`: a good answer is kept for its TTL (30 s … 1 h); while the
resolver fails, the last good answer serves on for up to three days (RFC 8767 section 5).
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from rempart.model.errors import InvalidInput

TTL_MIN_S = 30
TTL_MAX_S = 3600
RETRY_S = 30
LIFETIME_S = 5.0
ADDRESSES_MAX = 16
STALE_AFTER_FAILURE = timedelta(days=3)
STALE_AFTER_DENIAL = timedelta(hours=1)
"""A name that is said not to exist may soon be somebody else's address: its last good answer ends earlier."""
HOSTS_FILE = Path("/etc/hosts")


class Outcome(Enum):
    """How a lookup ended."""

    FOUND = "found"
    DENIED = "denied"  # NXDOMAIN, or neither A nor AAAA
    FAILED = "failed"  # no answer, SERVFAIL, refused


@dataclass(frozen=True, slots=True)
class Answer:
    """One lookup of ``host`` (absolute, no trailing dot)."""

    host: str
    outcome: Outcome
    addresses: tuple[str, ...] = ()
    """IPv4 and IPv6, sorted; at most ADDRESSES_MAX."""
    ttl: int = RETRY_S
    """Seconds until it should be asked again, bounded."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What is served for a host name, and why."""

    host: str
    addresses: tuple[str, ...] = ()
    answered_at: datetime | None = None
    """When the addresses were last confirmed by an answer."""
    refresh_at: datetime | None = None
    problem: str = ""
    """Why the last lookup brought nothing; empty when it did."""


def held_after(held: Held, answer: Answer, now: datetime) -> Held:
    """What to serve after ``answer`` came at ``now``, given what was served before."""
    refresh_at = now + timedelta(seconds=answer.ttl)
    if answer.outcome is Outcome.FOUND:
        return Held(answer.host, answer.addresses, answered_at=now, refresh_at=refresh_at)
    patience = STALE_AFTER_FAILURE if answer.outcome is Outcome.FAILED else STALE_AFTER_DENIAL
    fresh_enough = held.answered_at is not None and now - held.answered_at <= patience
    return replace(
        held,
        addresses=held.addresses if fresh_enough else (),
        refresh_at=refresh_at,
        problem=answer.problem,
    )


def addresses_in_hosts_file(text: str, host: str) -> tuple[str, ...]:
    """The addresses that a hosts(5) file gives ``host``, sorted."""
    found: set[str] = set()
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if host in (name.lower().rstrip(".") for name in names):
            try:
                found.add(str(ipaddress.ip_address(address)))
            except ValueError:
                continue
    return tuple(sorted(found))


class Resolver:
    """Asks the configured resolvers, or the system's (then /etc/hosts goes first, as everywhere else)."""

    def __init__(self, resolvers: tuple[str, ...] = (), *, hosts_file: Path = HOSTS_FILE) -> None:
        self._resolvers = resolvers
        self._hosts_file = None if resolvers else hosts_file
        self._dns: dns.asyncresolver.Resolver | None = None

    async def resolve(self, host: str) -> Answer:
        """Look ``host`` up. Never raises for what the network does: see ``Answer.outcome``."""
        local = await self._local_addresses(host)
        if local:
            return Answer(host, Outcome.FOUND, local, TTL_MIN_S)
        try:
            resolver = self._dns or dns_resolver(self._resolvers)
        except dns.exception.DNSException as error:
            return Answer(host, Outcome.FAILED, problem=f"no resolver is configured: {error}")
        self._dns = resolver
        ipv4, ipv6 = await asyncio.gather(_query(resolver, host, "A"), _query(resolver, host, "AAAA"))
        return _joined(host, ipv4, ipv6)

    async def resolve_all(self, hosts: set[str], *, at_once: int = 20) -> list[Answer]:
        """Look up all ``hosts``, at most ``at_once`` at a time; in the order of the names."""
        gate = asyncio.Semaphore(at_once)

        async def one(host: str) -> Answer:
            async with gate:
                return await self.resolve(host)

        return list(await asyncio.gather(*(one(host) for host in sorted(hosts))))

    async def _local_addresses(self, host: str) -> tuple[str, ...]:
        if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 section 6.3
            return ("127.0.0.1", "::1")
        if self._hosts_file is None:
            return ()
        try:
            text = await asyncio.to_thread(self._hosts_file.read_text, "utf-8", "replace")
        except OSError:
            return ()
        return addresses_in_hosts_file(text, host)


def dns_resolver(resolvers: tuple[str, ...]) -> dns.asyncresolver.Resolver:
    """Asks ``resolvers`` (ADDRESS or ADDRESS@PORT), or the system's when there are none."""
    resolver = dns.asyncresolver.Resolver(configure=not resolvers)
    if resolvers:
        resolver.nameservers = [name_server(text) for text in resolvers]
    resolver.lifetime = LIFETIME_S
    resolver.timeout = LIFETIME_S / 3
    return resolver


def name_server(text: str) -> dns.nameserver.Do53Nameserver:
    """A resolver written as ``ADDRESS`` or ``ADDRESS@PORT``; InvalidInput when it is neither."""
    address, at, port = text.partition("@")
    try:
        number = int(port) if at else 53
        if not 1 <= number <= 65535:
            raise ValueError(f"port {number}")
        return dns.nameserver.Do53Nameserver(str(ipaddress.ip_address(address)), number)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is no resolver: {error}", field="dns.resolvers", hint="write ADDRESS or ADDRESS@PORT"
        ) from error


async def _query(resolver: dns.asyncresolver.Resolver, host: str, kind: str) -> Answer:
    try:
        name = dns.name.from_text(host + ".")
        found = await resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
    except dns.resolver.NXDOMAIN:
        return Answer(host, Outcome.DENIED, problem="there is no such name")
    except dns.exception.Timeout:
        return Answer(host, Outcome.FAILED, problem="no resolver answered in time")
    except dns.resolver.NoNameservers as error:
        return Answer(host, Outcome.FAILED, problem=str(error)[:200])
    except (dns.exception.DNSException, OSError) as error:
        return Answer(host, Outcome.FAILED, problem=f"{type(error).__name__}: {error}"[:200])
    if found.rrset is None:
        return Answer(host, Outcome.DENIED, problem="the name has no address")
    ttl = min(TTL_MAX_S, max(TTL_MIN_S, found.chaining_result.minimum_ttl))
    return Answer(host, Outcome.FOUND, tuple(str(one.address) for one in found.rrset), ttl)


def _joined(host: str, ipv4: Answer, ipv6: Answer) -> Answer:
    found = [one for one in (ipv4, ipv6) if one.outcome is Outcome.FOUND]
    if found:
        addresses = sorted({address for one in found for address in one.addresses})
        # When one family failed it is asked again soon; what the other one said serves meanwhile.
        complete = Outcome.FAILED not in (ipv4.outcome, ipv6.outcome)
        ttl = min(one.ttl for one in found) if complete else TTL_MIN_S
        return Answer(host, Outcome.FOUND, tuple(addresses[:ADDRESSES_MAX]), ttl)
    failed = next((one for one in (ipv4, ipv6) if one.outcome is Outcome.FAILED), None)
    return failed or ipv4
