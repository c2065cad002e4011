"""From what the packet program shows (samples) to what the defence loop looks at (``PACKET``). Pure.

The program fills the costly parts of the header vector (digest of TCP options, payload) only when its
rules need them; here they are completed from the sampled octets, as docs/shield.md, step 1, defines them,
with numpy for all samples at once where that can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield.compile import options_digest
from rempart.engines.shield.layout import Reason, Verdict
from rempart.engines.shield.ring import Samples
from rempart.model.attacks import PACKET, Records
from rempart.model.packets import FRAGMENT_LATER, HEADER

_TCP, _UDP, _ICMP, _ICMP6, _DNS = 6, 17, 1, 58, 53
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_ETHERNET, _IPV6 = 14, 40
_TAGS = (0x8100, 0x88A8)
_EXTENSION_HEADERS = 2
"""Bit of ``extras``: there are IPv6 extension headers."""
_OPTIONS_MOST = 24
_DNS_HEADER, _NAME_MOST, _NAME_KEPT = 12, 255, 64
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_*")
NOT_JUDGED = frozenset(
    {Reason.PASS_OFF, Reason.PASS_NOT_IP, Reason.PASS_ALLOWED, Reason.PASS_RULE, Reason.PASS_NEIGHBOUR}
)
"""What no rule of the loop could ever meet: decided before its rules are asked."""
_BY_RULES = (Reason.DROP_RULE, Reason.DROP_RULE_LIMIT)

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rates:
    """What a sample stands for: one packet in ``passed`` (0: none was taken), one in ``dropped``; before
    ``since`` (nanoseconds of the program's clock) one in ``passed_before``."""

    passed: int
    dropped: int
    since: int = 0
    passed_before: int = 0


def packet_records(found: Samples, rates: Rates, *, cookies: bool, most: int) -> Records:
    """``PACKET`` records of the samples that the loop judges, at most ``most``, each of the others' weight
    too.

    ``cookies``: SYN cookies were made all the while, so that an ACK that passed belongs to a connection.
    """
    rows = found.rows
    reason = rows["reason"]
    taken = ~np.isin(reason, [int(one) for one in NOT_JUDGED])
    # Of what is dropped only what rules drop could be good; and a rule's own samples are extra ones.
    taken &= (rows["verdict"] != Verdict.DROP) | np.isin(reason, [int(one) for one in _BY_RULES])
    taken &= ~((rows["rule"] != 0) & (rows["verdict"] == Verdict.PASS))
    chosen = np.flatnonzero(taken)
    more = 1.0
    if chosen.size > most:
        thinned = chosen[np.linspace(0, chosen.size - 1, most).astype(np.int64)]
        more, chosen = chosen.size / thinned.size, thinned
    rows, frames = rows[chosen], found.frames[chosen]
    made = np.zeros(rows.size, PACKET)
    if not rows.size:
        return made
    made["header"] = np.ascontiguousarray(rows["vector"]).view(HEADER).reshape(rows.size)
    made["reason"], made["dropped"] = rows["reason"], rows["verdict"] == Verdict.DROP
    passed = np.where(rows["time"] < rates.since, rates.passed_before or rates.passed, rates.passed)
    made["weight"] = np.where(rows["verdict"] == Verdict.PASS, np.maximum(passed, 1), rates.dropped) * more
    made["good"] = _good(made, cookies=cookies)
    _complete(made, rows, frames)
    return made


def _good(records: Records, *, cookies: bool) -> Numbers:
    header, reason = records["header"], records["reason"]
    tcp = header["protocol"] == _TCP
    # An answer over UDP shows only that a socket is there, over TCP that the connection is.
    proven = (reason == Reason.PASS_PROVEN) | ((reason == Reason.PASS_REPLY) & tcp)
    if cookies:
        acks = (header["tcp_flags"] & (_SYN | _RST | _ACK)) == _ACK
        proven = proven | ((reason == Reason.PASS) & tcp & acks)
    return np.asarray(proven)


def _complete(records: Records, rows: Numbers, frames: Numbers) -> None:
    """Options, payload and names."""
    header = records["header"]
    transport, end = _transport(header, rows["captured"].astype(np.int64), frames)
    protocol, family = header["protocol"], header["family"]
    icmp = ((protocol == _ICMP) & (family == 4)) | ((protocol == _ICMP6) & (family == 6))
    start = transport + np.select(
        [protocol == _TCP, (protocol == _UDP) | icmp],
        [header["tcp_offset"].astype(np.int64) * 4, 8],
        0,
    )
    whole = (transport > 0) & (start > transport) & ((header["fragment"] & FRAGMENT_LATER) == 0)
    udp = whole & (protocol == _UDP)
    lengths = _two(frames, transport + 4)
    end = np.where(udp, np.minimum(end, transport + lengths), end)
    records["header"]["payload"] = np.where(whole, _eight(frames, start, end), 0)
    for i in np.flatnonzero(whole & (protocol == _TCP) & (header["tcp_offset"] > 5)).tolist():
        kinds = option_kinds(frames[i, transport[i] + 20 : start[i]].tobytes())
        records["options"][i] = kinds
        records["header"]["options_digest"][i] = _digest(kinds)
    for i in np.flatnonzero(udp & (header["destination_port"] == _DNS)).tolist():
        records["qname"][i] = asked_name(frames[i, start[i] : end[i]].tobytes())


def _transport(header: Numbers, captured: Numbers, frames: Numbers) -> tuple[Numbers, Numbers]:
    """Where each transport header begins (0: not known) and where what is there of the packet ends."""
    count = captured.size
    ip = np.full(count, _ETHERNET, np.int64)
    kind = _two(frames, ip - 2)
    for _ in range(2):
        ip = np.where(np.isin(kind, _TAGS), ip + 4, ip)
        kind = _two(frames, ip - 2)
    four, six = header["family"] == 4, header["family"] == 6
    every = np.arange(count)
    first = frames[every, np.minimum(ip, frames.shape[1] - 1)].astype(np.int64)
    transport = np.select([four, six], [ip + (first & 15) * 4, ip + _IPV6], 0)
    for i in np.flatnonzero(six & ((header["extras"] & _EXTENSION_HEADERS) != 0)).tolist():
        transport[i] = _behind_extensions(frames[i], int(ip[i]), int(header["protocol"][i]))
    end = np.minimum(ip + header["length"].astype(np.int64), captured)
    return np.where(transport + 8 <= end, transport, 0), end


def _behind_extensions(frame: Numbers, ip: int, protocol: int) -> int:
    """Where the extension headers of an IPv6 packet end; 0 when that was not captured."""
    following, at = int(frame[ip + 6]) if ip + 6 < frame.size else 59, ip + _IPV6
    while following != protocol:
        if at + 2 > frame.size or following not in (0, 43, 44, 51, 60):
            return 0
        size = int(frame[at + 1])
        length = 8 if following == 44 else (size + 2) * 4 if following == 51 else (size + 1) * 8
        following, at = int(frame[at]), at + length
    return at


def _two(frames: Numbers, at: Numbers) -> Numbers:
    """The 16 bits at a place of each frame; of what lies behind its end, anything."""
    every, last = np.arange(len(frames)), frames.shape[1] - 1
    high = frames[every, np.clip(at, 0, last)].astype(np.int64)
    return np.asarray(high << 8 | frames[every, np.clip(at + 1, 0, last)])


def _eight(frames: Numbers, start: Numbers, end: Numbers) -> Numbers:
    """Up to eight octets from ``start``, as a number, zeros behind ``end``."""
    places = start[:, None] + np.arange(8)
    octets = np.take_along_axis(frames, np.clip(places, 0, frames.shape[1] - 1), axis=1)
    octets = np.where(places < end[:, None], octets, 0).astype(np.uint8)
    return np.asarray(np.ascontiguousarray(octets).view(">u8").reshape(len(frames)).astype(np.uint64))


def option_kinds(options: bytes) -> bytes:
    """The kinds of TCP options in their order; 0xFF after one that cannot be."""
    kinds, at = bytearray(), 0
    while at < len(options) and options[at] and len(kinds) < _OPTIONS_MOST:
        kinds.append(options[at])
        if options[at] == 1:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            kinds.append(0xFF)
            break
        at += length
    return bytes(kinds)


@lru_cache(maxsize=4_096)
def _digest(kinds: bytes) -> int:
    return int.from_bytes(options_digest(kinds), "big")


def asked_name(message: bytes) -> bytes:
    """The first question's name of a DNS message in lower case, its last 64 characters; empty when there is
    none. Characters that names do not have are ``?``."""
    at, labels = _DNS_HEADER, []
    while True:
        size = message[at] if at < len(message) else 64
        if size == 0:
            break
        if size > 63 or at + 1 + size > len(message) or at - _DNS_HEADER > _NAME_MOST:
            return b""
        label = message[at + 1 : at + 1 + size].lower()
        labels.append(label if _PLAIN.issuperset(label) else bytes(c if c in _PLAIN else 63 for c in label))
        at += 1 + size
    return b".".join(labels)[-_NAME_KEPT:]
