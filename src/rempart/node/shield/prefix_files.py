"""Prefixes that people give: a few on the command line, a million in a file. Pure.

A file has one address or prefix on a line; what follows a blank, a comma, ``;`` or ``#`` is a remark, so the
lists that others publish can be taken as they are.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield.entries import Batch, Network
from rempart.model.errors import InvalidInput

ENTRIES_MAX = 2_000_000
"""As many as the kernel's tables hold."""
CHUNK = 50_000
_REMARK = re.compile(r"[\s,;#]")
_DURATION = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What was given, each once: single IPv4 addresses as numbers, everything else as networks."""

    hosts4: NDArray[np.uint32]
    networks: tuple[Network, ...]

    def __len__(self) -> int:
        return len(self.hosts4) + len(self.networks)

    def __iter__(self) -> Iterator[Network]:
        yield from self.networks
        yield from (ipaddress.ip_network(int(one)) for one in self.hosts4)

    def batch(self, *, until: int, tag: int) -> Batch:
        """As the lists take them."""
        return Batch.of_hosts4(self.hosts4, until=until, tag=tag).joined(
            Batch.of(self.networks, until=until, tag=tag)
        )

    def those_with(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Network | None:
        """The shortest given prefix that holds this address."""
        found = [one for one in self.networks if one.version == address.version and address in one]
        if found:
            return min(found, key=lambda one: one.prefixlen)
        if address.version == 4 and bool(np.isin(np.uint32(int(address)), self.hosts4)):
            return ipaddress.ip_network(address)
        return None

    def few(self, count: int) -> tuple[Network, ...]:
        """At most ``count`` of them, spread over all."""
        hosts = self.hosts4[:: max(1, len(self.hosts4) // count)][:count]
        nets = self.networks[:: max(1, len(self.networks) // count)][:count]
        return (*nets, *(ipaddress.ip_network(int(one)) for one in hosts))[:count]


def read_prefixes(
    lines: Iterable[str], source: str, progress: Callable[[int], None] = lambda _: None
) -> Prefixes:
    """All prefixes of ``lines``. ``progress`` is told how many lines were read, now and then.

    Raises InvalidInput naming ``source`` and the line when one is none, or there are none, or too many.
    """
    hosts: list[bytes] = []
    networks: dict[Network, None] = {}
    for number, line in enumerate(lines, 1):
        if number % CHUNK == 0:
            progress(number)
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        try:
            # The usual case, and ten times faster than any other.
            hosts.append(socket.inet_pton(socket.AF_INET, text))
            continue
        except OSError:
            pass
        network = one_prefix(_REMARK.split(text, maxsplit=1)[0], f"{source}, line {number}")
        if network.version == 4 and network.prefixlen == 32:
            hosts.append(network.network_address.packed)
        else:
            networks[network] = None
    found = Prefixes(np.unique(np.frombuffer(b"".join(hosts), ">u4").astype(np.uint32)), tuple(networks))
    if not len(found):
        raise InvalidInput("there is no prefix in it", field=source)
    if len(found) > ENTRIES_MAX:
        raise InvalidInput(f"{len(found):,} prefixes, and {ENTRIES_MAX:,} fit", field=source)
    return found


def one_prefix(text: str, field: str = "PREFIX") -> Network:
    """An address or a prefix. InvalidInput says what is wrong with it."""
    if "%" in text:
        raise InvalidInput(
            f"{text!r} names an interface, and is no address for everybody", field=field, hint="leave %… out"
        )
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidInput(
            f"{text!r} is no address and no prefix", field=field, hint="like 203.0.113.7 or 2001:db8::/32"
        ) from None
    raise InvalidInput(
        f"{text!r} is an address inside of a prefix", field=field, hint=f"the prefix is {loose}"
    )


def duration(text: str) -> int:
    """Seconds of ``90s``, ``30m``, ``1h``, ``7d``, ``2w``. InvalidInput."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise InvalidInput(f"{text!r} is no duration", field="--for", hint="like 90s, 30m, 1h, 7d or 2w")
    return int(found[1]) * _UNITS[found[2]]
