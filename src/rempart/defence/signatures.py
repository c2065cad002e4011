"""What an attack's records have in common and good ones have not: contrast mining by sequential covering.

The window of an attack holds good records, too; how many is known from the usual rate. A conjunction is grown
term by term, each time the one that gains most in the odds, weighted by what it keeps (as FOIL's gain,
Quinlan 1990): records of the excess against good ones that it still means. Then everything that holds for
(almost) all it covers is added, so that it is as specific as the attack allows; what it covers is taken out,
and the rest is mined again, which takes mixtures apart. All terms are columns of one matrix, so a step is a
product of it with what is covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rempart.defence.classes import FIELDS, MEANING, PacketClass
from rempart.defence.matching import BITS, Flags
from rempart.defence.policy import Policy
from rempart.defence.trial import CLIENT_FIELDS
from rempart.model.attacks import Layer, Records, Signature, Term

MOST_RECORDS = 2_048
"""Of a window and of the good: enough for terms that cover a twentieth."""
TERMS_GROWN = 5
ODDS_LEAST = 1.5
"""A term makes the odds of attack to good so many times better."""
TERMS_MOST = 10
SUPPORT = 0.05
"""A term means at least so much of what is left to explain."""
KEPT = 0.97
"""A term that is added to be specific keeps so much of what was covered …"""
KEPT_OVERALL = 0.93
"""… and all of them together so much."""
COMMON = 0.9
"""What so many of the good have is no mark of an attack."""
VALUES_MOST = 12
SOURCES_FEW = 24
"""Sources are looked at when so many of them make most of an attack."""
SOURCES_COVER = 0.6
LABELS_MOST = 4
_RANGES = ("length", "ttl", "window", "source_port")
_REQUEST_FIELDS = (
    "method", "path", "path_shape", "query_shape", "agent", "language", "tls", "version", "headers",
    "source", "network",
)  # fmt: skip
HEADER_BITS = 16
_MAPPED = 0xFFFF

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signature and what it covers of the excess, 0 to 1; ``records`` are those of the window that it
    means."""

    signature: Signature
    covered: float
    share: float
    """Of the whole window."""
    records: int


@dataclass(frozen=True, slots=True, eq=False)
class _Atom:
    """A term as columns: which of the window's records and of the good it means. One per group in a
    signature."""

    term: Term
    group: str
    window: Flags
    good: Flags


def mined(
    layer: Layer,
    site: int | None,
    kind: PacketClass | None,
    window: Records,
    good: Records,
    usual_share: float,
    policy: Policy,
) -> list[Candidate]:
    """Signatures that cover the excess, most first.

    ``usual_share`` is the usual rate divided by the rate now: what of the window is expected to be good.
    ``kind`` is of packets, ``site`` of requests.
    """
    window, good = _thinned(window), _thinned(good)
    if window.size < policy.least_records:
        return []
    weights = window["weight"].astype(np.float64)
    weights /= weights.sum()
    excess = max(1e-6, 1 - usual_share)
    left: Flags = np.ones(window.size, bool)
    found: list[Candidate] = []
    taken: set[tuple[Term, ...]] = set()
    for _ in range(policy.signatures_at_once):
        remaining = float(weights[left].sum())
        if remaining - usual_share < policy.worth * excess or int(left.sum()) < policy.least_records // 2:
            break
        miner = _Miner(layer, kind, window[left], good, weights[left], usual_share, policy.bound)
        chosen = miner.conjunction()
        if not chosen:
            break
        means = miner.means(chosen)
        covered = miner.excess(means, miner.means_good(chosen)) / excess
        if covered < policy.worth:
            break
        base = MEANING[kind] if kind is not None else ()
        terms = joined((*base, *(one.term for one in chosen)))
        if terms in taken:
            break
        taken.add(terms)
        found.append(
            Candidate(
                Signature(layer=layer, site=site, terms=terms),
                min(1.0, covered),
                float(weights[left][means].sum()),
                int(means.sum()),
            )
        )
        rest = np.flatnonzero(left)
        left[rest[means]] = False
    return found


class _Miner:
    """One conjunction out of what is left."""

    def __init__(
        self,
        layer: Layer,
        kind: PacketClass | None,
        window: Records,
        good: Records,
        weights: Floats,
        usual_share: float,
        bound: float,
    ) -> None:
        self._layer = layer
        self._weights = weights
        self._good_size = good.size
        # With nothing known to be good, every record counts as of the attack.
        self._usual = usual_share if good.size else 0.0
        self._bound = bound
        self._left = max(1e-9, float(weights.sum()) - self._usual)
        self._floor = 1 / (good.size + 1)
        fields = _REQUEST_FIELDS if kind is None else FIELDS[kind]
        self._atoms = _atoms(layer, fields, window, good, weights, float(weights.sum()))
        self._of_window = _matrix([one.window for one in self._atoms], window.size)
        self._of_good = _matrix([one.good for one in self._atoms], good.size)

    def conjunction(self) -> list[_Atom]:
        clients = [i for i, one in enumerate(self._atoms) if one.term.field in CLIENT_FIELDS]
        every = list(range(len(self._atoms)))
        chosen: list[int] = []
        if self._layer is Layer.REQUEST:
            # Who asks decides whether it may be refused; what is asked only makes it more specific.
            chosen = self._grown(clients)
        if not chosen:
            chosen = self._grown(every)
        chosen = self._closed(chosen, every)
        return [self._atoms[one] for one in chosen]

    def means(self, atoms: Sequence[_Atom]) -> Flags:
        return np.asarray(np.logical_and.reduce([one.window for one in atoms]))

    def means_good(self, atoms: Sequence[_Atom]) -> Flags:
        return np.asarray(np.logical_and.reduce([one.good for one in atoms]))

    def excess(self, means: Flags, means_good: Flags) -> float:
        expected = self._usual * float(means_good.sum()) / self._good_size if self._good_size else 0.0
        return max(0.0, float(self._weights[means].sum()) - expected)

    def _grown(self, allowed: Sequence[int]) -> list[int]:
        """Terms one by one, until hardly a good record is meant or no further one is worth what it loses:
        of each conjunction the whole gain counts, or one name out of thirty that bots give themselves
        would be taken for a mark because none of the good has it."""
        if not allowed:
            return []
        window = np.ones(self._weights.size, bool)
        good = np.ones(self._good_size, bool)
        chosen: list[int] = []
        groups: set[str] = set()
        worth = 0.0
        for _ in range(TERMS_GROWN):
            p0, n0 = self._counts(window, good)
            if good.sum() <= self._bound * self._good_size / 2 and chosen:
                break
            means = (self._weights * window) @ self._of_window
            usual = (good.astype(np.float32) @ self._of_good) / max(1, self._good_size)
            # Both sides as shares: a flood of a hundred times the usual does not make the good negligible.
            p = np.maximum(means - self._usual * usual, 1e-9) / self._left
            n = usual + self._floor
            odds = (p / n) / (p0 / n0)
            gain = p * np.log2(p / n)
            ranked = [
                i
                for i in allowed
                if i not in chosen and self._atoms[i].group not in groups and odds[i] >= ODDS_LEAST
            ]
            if not ranked:
                break
            best = max(ranked, key=lambda i: (round(float(gain[i]), 9), -i))
            if gain[best] <= worth:
                break
            # Many small lifts that chance could bring would add up to a large one.
            if odds[best] < ODDS_LEAST or means[best] < SUPPORT * float(self._weights.sum()):
                break
            worth = float(gain[best])
            chosen.append(best)
            groups.add(self._atoms[best].group)
            window &= self._atoms[best].window
            good &= self._atoms[best].good
        return chosen

    def _counts(self, window: Flags, good: Flags) -> tuple[float, float]:
        usual = float(good.sum()) / self._good_size if self._good_size else 0.0
        excess = float(self._weights[window].sum()) - self._usual * usual
        return max(1e-9, excess) / self._left, usual + self._floor

    def _closed(self, chosen: list[int], allowed: Sequence[int]) -> list[int]:
        """With everything that holds for almost all it covers, the rarest among the good first."""
        if not chosen and self._good_size:
            return []
        window = np.logical_and.reduce([self._atoms[i].window for i in chosen]) if chosen else None
        covered = np.ones(self._weights.size, bool) if window is None else window
        at_first = float(self._weights[covered].sum())
        rarity = self._of_good.mean(axis=0) if self._good_size else np.zeros(len(self._atoms))
        groups = {self._atoms[i].group for i in chosen}
        for i in sorted(allowed, key=lambda i: (float(rarity[i]), i)):
            if len(chosen) >= TERMS_MOST:
                break
            if self._atoms[i].group in groups or rarity[i] > COMMON:
                continue
            both = covered & self._atoms[i].window
            kept, before = float(self._weights[both].sum()), float(self._weights[covered].sum())
            if kept >= KEPT * before and kept >= KEPT_OVERALL * at_first:
                chosen = [*chosen, i]
                groups.add(self._atoms[i].group)
                covered = both
        return chosen


def _matrix(columns: Sequence[Flags], height: int) -> NDArray[np.float32]:
    if not columns:
        return np.zeros((height, 0), np.float32)
    return np.stack(columns, axis=1).astype(np.float32)


def _thinned(records: Records) -> Records:
    if records.size <= MOST_RECORDS:
        return records
    return np.asarray(records[np.linspace(0, records.size - 1, MOST_RECORDS).astype(np.int64)])


def _atoms(
    layer: Layer, fields: Sequence[str], window: Records, good: Records, weights: Floats, total: float
) -> list[_Atom]:
    found: list[_Atom] = []
    for field in fields:
        if layer is Layer.PACKET:
            found += _packet_atoms(field, window, good, weights, total)
        elif field in ("source", "network"):
            found += _few_sources(field, window[field], good[field], weights, total)
        else:
            found += _equal(field, field, window[field], good[field], weights, total)
            if field == "headers":
                found += _bits(field, window[field], good[field], weights, total, HEADER_BITS)
    return found


def _packet_atoms(field: str, window: Records, good: Records, weights: Floats, total: float) -> list[_Atom]:
    ours, theirs = window["header"], good["header"]
    match field:
        case "source" | "destination":
            return _addresses(field, ours, theirs, weights, total)
        case "qname":
            return _names(window["qname"], good["qname"], weights, total)
        case "options":
            # Equal digests are equal kinds; numbers sort faster than texts.
            texts = dict(zip(ours["options_digest"].tolist(), window["options"].tolist(), strict=True))
            found = _equal(field, field, ours["options_digest"], theirs["options_digest"], weights, total)
            return [
                _Atom(Term(field=field, text=texts[one.term.first].hex()), field, one.window, one.good)
                for one in found
                if texts[one.term.first]
            ]
        case "payload":
            return _payloads(ours["payload"], theirs["payload"], weights, total)
        case "icmp_type":
            return _equal(field, field, ours["source_port"] >> 8, theirs["source_port"] >> 8, weights, total)
    found = _equal(field, field, ours[field], theirs[field], weights, total)
    if field in _RANGES:
        found += _ranges(field, ours[field], theirs[field], weights)
    if field in BITS and field != "tcp_flags":
        found += _bits(field, ours[field], theirs[field], weights, total, 8)
    return found


def _equal(
    field: str, group: str, window: NDArray[Any], good: NDArray[Any], weights: Floats, total: float
) -> list[_Atom]:
    """Values that enough of the window have."""
    mine, theirs = window.astype(np.int64), good.astype(np.int64)
    values, place = np.unique(mine, return_inverse=True)
    shares = np.bincount(place, weights=weights, minlength=values.size)
    order = np.argsort(-shares, kind="stable")[:VALUES_MOST]
    return [
        _Atom(
            Term(field=field, first=int(values[i]), last=int(values[i])),
            group,
            np.asarray(place == i),
            np.asarray(theirs == values[i]),
        )
        for i in order
        if shares[i] >= SUPPORT * total
    ]


def _bits(
    field: str, window: NDArray[Any], good: NDArray[Any], weights: Floats, total: float, count: int
) -> list[_Atom]:
    """Single bits, each set or not, that the window has otherwise than the good."""
    found = []
    for bit in range(count):
        mask = 1 << bit
        mine, theirs = (window & mask) != 0, (good & mask) != 0
        share = float(weights[mine].sum()) / total
        usual = float(theirs.mean()) if theirs.size else 0.5
        if abs(share - usual) < SUPPORT:
            continue
        set_ = share > usual
        value = mask if set_ else 0
        found.append(
            _Atom(
                Term(field=field, first=value, last=value, mask=mask),
                field if field != "headers" else f"headers:{bit}",
                mine if set_ else ~mine,
                theirs if set_ else ~theirs,
            )
        )
    return found


def _ranges(field: str, window: NDArray[Any], good: NDArray[Any], weights: Floats) -> list[_Atom]:
    """The interval in which the window exceeds the good most (Kadane's maximal sum over sorted values)."""
    mine, theirs = window.astype(np.int64), good.astype(np.int64)
    values, place = np.unique(np.concatenate([mine, theirs]), return_inverse=True)
    signed = np.concatenate(
        [weights / weights.sum(), np.full(theirs.size, -1 / theirs.size if theirs.size else 0.0)]
    )
    sums = np.concatenate(([0.0], np.cumsum(np.bincount(place, weights=signed, minlength=values.size))))
    lowest = np.minimum.accumulate(sums[:-1])
    end = int(np.argmax(sums[1:] - lowest))
    start = int(np.argmin(sums[: end + 1]))
    first, last = int(values[start]), int(values[end])
    spans = [(first, last)] if first < last else []
    # And where nearly all of the window lies.
    low, high = (int(one) for one in np.quantile(mine, (0.005, 0.995), method="nearest"))
    if low < high and (low, high) not in spans:
        spans.append((low, high))
    return [
        _Atom(
            Term(field=field, first=low, last=high),
            field,
            (mine >= low) & (mine <= high),
            (theirs >= low) & (theirs <= high),
        )
        for low, high in spans
    ]


def _payloads(window: NDArray[Any], good: NDArray[Any], weights: Floats, total: float) -> list[_Atom]:
    """First bytes, the longer before the shorter."""
    found = []
    for octets in (8, 4, 2):
        shift = np.uint64(64 - 8 * octets)
        mine, theirs = window.astype(np.uint64) >> shift, good.astype(np.uint64) >> shift
        for one in _equal("payload", "payload", mine, theirs, weights, total):
            text = (one.term.first % 2**64).to_bytes(8, "big")[-octets:].hex()
            if int(text, 16):
                found.append(_Atom(Term(field="payload", text=text), "payload", one.window, one.good))
    return found


def _names(window: NDArray[Any], good: NDArray[Any], weights: Floats, total: float) -> list[_Atom]:
    """Ends of names, the longer before the shorter."""
    mine = [name.split(b".") for name in window.tolist()]
    theirs = [name.split(b".") for name in good.tolist()]
    found = []
    for count in range(LABELS_MOST, 0, -1):
        codes: dict[bytes, int] = {}
        ours = np.array(
            [
                codes.setdefault(b".".join(one[-count:]), len(codes)) if len(one) >= count else -1
                for one in mine
            ]
        )
        known = np.array(
            [codes.get(b".".join(one[-count:]), -2) if len(one) >= count else -2 for one in theirs], np.int64
        )
        names = {number: name for name, number in codes.items()}
        for one in _equal("qname", "qname", ours, known, weights, total):
            name = names.get(one.term.first, b"")
            if name:
                text = name.decode("ascii", "replace")
                found.append(_Atom(Term(field="qname", text=text), "qname", one.window, one.good))
    return found


def _addresses(side: str, ours: Records, theirs: Records, weights: Floats, total: float) -> list[_Atom]:
    """Single addresses, where few of them make most of the window."""
    mine = _folded(ours[f"{side}_high"], ours[f"{side}_low"])
    good = _folded(theirs[f"{side}_high"], theirs[f"{side}_low"])
    highs, lows = ours[f"{side}_high"], ours[f"{side}_low"]

    def text(index: int) -> str:
        high, low = int(highs[index]), int(lows[index])
        if high == 0 and low >> 32 == _MAPPED:
            return f"{IPv4Address(low & 0xFFFFFFFF)}/32"
        return f"{IPv6Address(high << 64 | low)}/128"

    return [
        _Atom(Term(field=side, text=text(int(np.argmax(one.window)))), side, one.window, one.good)
        for one in _few_sources(side, mine, good, weights, total)
    ]


def _few_sources(
    field: str, window: NDArray[Any], good: NDArray[Any], weights: Floats, total: float
) -> list[_Atom]:
    mine, theirs = window.astype(np.uint64).view(np.int64), good.astype(np.uint64).view(np.int64)
    values, place = np.unique(mine, return_inverse=True)
    shares = np.bincount(place, weights=weights, minlength=values.size)
    order = np.argsort(-shares, kind="stable")[:SOURCES_FEW]
    if shares[order].sum() < SOURCES_COVER * total:
        return []
    return [
        _Atom(
            Term(field=field, first=int(values[i]) % 2**64, last=int(values[i]) % 2**64),
            "source" if field == "network" else field,
            np.asarray(place == i),
            np.asarray(theirs == values[i]),
        )
        for i in order
        if shares[i] >= SUPPORT * total
    ]


def _folded(high: NDArray[Any], low: NDArray[Any]) -> NDArray[np.uint64]:
    """128 bits in 64, for counting only (splitmix64's multiplier)."""
    return np.asarray(
        high.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ low.astype(np.uint64), dtype=np.uint64
    )


def joined(terms: Sequence[Term]) -> tuple[Term, ...]:
    """One term for each field: single bits of one byte are joined, an exact value makes ranges and bits
    needless."""
    kept: dict[str, Term] = {}
    for term in terms:
        before = kept.get(term.field)
        if before is None:
            kept[term.field] = term
        elif before.text is None and before.mask is not None and term.mask is not None:
            value = before.first | term.first
            kept[term.field] = Term(field=term.field, first=value, last=value, mask=before.mask | term.mask)
        elif term.mask is None and term.text is None and before.mask is not None:
            kept[term.field] = term
    return tuple(kept[name] for name in sorted(kept))
