"""Block lists for ``rempart bench shield``: prefixes that do not overlap, sources in them and beside them.
Pure.

Public lists hold single hosts, half and whole /24 networks; so does this one, one prefix in a /24 (IPv6: a
/48) and each as long as chance has it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import numpy as np
import numpy.typing as npt

from rempart.lab.bench.shield_frames import Sources

_V4_LENGTHS, _V4_SHARES = (24, 25, 28, 32), (0.25, 0.10, 0.05, 0.60)
_V6_LENGTHS, _V6_SHARES = (48, 56, 64, 128), (0.25, 0.15, 0.40, 0.20)
_MULTICAST = 224 << 16
"""The first /24 that no client has, as a number of 24 bits."""
_OURS = 0xCB0071
"""203.0.113.0/24, where the benchmark itself is."""
_V6_PART = 0x2600
"""Clients of IPv6 are in 2600::/16 here."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """A list of prefixes, one in each of its /24 (IPv6: /48) networks."""

    v6: bool
    addresses: Sources
    """The first address of each prefix."""
    lengths: npt.NDArray[np.uint32]
    spare: npt.NDArray[np.uint64]
    """Networks among them, as numbers, that have no prefix."""

    def __len__(self) -> int:
        return len(self.lengths)

    def inside(self, count: int, chosen: np.random.Generator) -> Sources:
        """Sources that the list holds, as many different ones as it has prefixes."""
        picked = chosen.choice(len(self), count, replace=count > len(self))
        octets = self.addresses[picked].copy()
        beyond = _masks(self.lengths[picked], octets.shape[1])
        found: Sources = octets | (chosen.integers(0, 256, octets.shape, dtype=np.uint8) & ~beyond)
        return found

    def only(self, *, hosts: bool) -> Prefixes:
        """Its single hosts (IPv6: /64 networks), or all others: the two kinds that the shield keeps apart."""
        chosen = (self.lengths == (64 if self.v6 else 32)) == hosts
        return Prefixes(self.v6, self.addresses[chosen], self.lengths[chosen], self.spare)

    def beside(self, count: int, chosen: np.random.Generator) -> Sources:
        """Sources that it does not hold, among those that it holds."""
        networks = self.spare[chosen.integers(0, len(self.spare), count)]
        octets = _octets(networks, v6=self.v6)
        kept = 6 if self.v6 else 3
        octets[:, kept:] = chosen.integers(1, 255, (count, octets.shape[1] - kept), dtype=np.uint8)
        return octets

    def texts(self) -> list[str]:
        """ADDRESS/LENGTH of all."""
        kind = IPv6Address if self.v6 else IPv4Address
        return [
            f"{kind(octets.tobytes())}/{length}"
            for octets, length in zip(self.addresses, self.lengths.tolist(), strict=True)
        ]


def prefixes(count: int, *, v6: bool, seed: int) -> Prefixes:
    """``count`` prefixes at most; a quarter as many networks beside them are spare."""
    chosen = np.random.default_rng(seed)
    wanted = count + max(64, count // 4)
    if v6:
        numbers = np.unique(chosen.integers(0, 1 << 32, wanted + wanted // 8 + 64, dtype=np.uint64))
    else:
        numbers = chosen.choice(np.arange(1 << 16, _MULTICAST, dtype=np.uint64), wanted, replace=False)
        numbers = numbers[(numbers >> np.uint64(16) != 127) & (numbers != _OURS)]
    chosen.shuffle(numbers)
    lengths, shares = (_V6_LENGTHS, _V6_SHARES) if v6 else (_V4_LENGTHS, _V4_SHARES)
    held, spare = numbers[:count], numbers[count:]
    drawn = chosen.choice(np.array(lengths, np.uint32), len(held), p=shares)
    octets = _octets(held, v6=v6)
    kept = 6 if v6 else 3
    octets[:, kept:] = chosen.integers(1, 255, (len(held), octets.shape[1] - kept), dtype=np.uint8)
    return Prefixes(v6, octets & _masks(drawn, octets.shape[1]), drawn, spare)


def _octets(networks: npt.NDArray[np.uint64], *, v6: bool) -> Sources:
    """The first addresses of networks, /24 or /48."""
    whole = networks.astype(">u8").view(np.uint8).reshape(-1, 8)
    made = np.zeros((len(networks), 16 if v6 else 4), np.uint8)
    if v6:
        made[:, :2] = list(_V6_PART.to_bytes(2, "big"))
        made[:, 2:6] = whole[:, 4:]
    else:
        made[:, :3] = whole[:, 5:]
    return made


def _masks(lengths: npt.NDArray[np.uint32], size: int) -> Sources:
    bits: npt.NDArray[np.bool_] = np.arange(size * 8)[None, :] < lengths[:, None]
    return np.packbits(bits, axis=1)
