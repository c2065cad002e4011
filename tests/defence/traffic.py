"""Traffic of the plays: good packets and requests with the variety of life, and the lab's attacks, as
samples.

What the attacks send is what ``rempart.lab.attacks`` sends, field by field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield.compile import options_digest
from rempart.model.attacks import PACKET, REQUEST, SITE, Records

Chance = np.random.Generator
LINUX, WINDOWS, APPLE = b"\x02\x04\x08\x01\x03", b"\x02\x01\x03\x01\x01\x04", b"\x02\x01\x03\x01\x01\x08\x04"
SYN, ACK, PUSH = 0x02, 0x10, 0x18
HTTPS, DNS = 443, 53


def packets(count: int, weight: float = 1, **fields: Any) -> Records:
    """``count`` packets with the fields given; numbers or arrays."""
    made = np.zeros(count, PACKET)
    made["weight"] = weight
    header = made["header"]
    header["family"] = 4
    header["destination_low"] = 0xFFFF_CB00_7105
    for name, value in fields.items():
        if name in ("options", "qname", "dropped", "good", "reason"):
            made[name] = value
        else:
            header[name] = value
    kinds, place = np.unique(made["options"], return_inverse=True)
    digests = np.array([int.from_bytes(options_digest(one), "big") for one in kinds.tolist()], np.uint32)
    header["options_digest"] = digests[place]
    return made


def any_source(chance: Chance, count: int) -> NDArray[np.uint64]:
    """Spoofed: any IPv4 address."""
    return 0xFFFF_0000_0000 + chance.integers(1, 2**32, count, dtype=np.uint64)


def good_source(chance: Chance, count: int) -> NDArray[np.uint64]:
    """Of 20,000 visitors."""
    return np.uint64(0xFFFF_0A00_0000) + chance.integers(0, 20_000, count, dtype=np.uint64) * np.uint64(77)


def ports(chance: Chance, count: int) -> NDArray[np.int64]:
    return chance.integers(1_024, 65_536, count)


def good_packets(chance: Chance, count: int, weight: float = 1) -> Records:
    """People's connections, mostly, and questions of resolvers."""
    syns, questions = max(1, count // 12), max(1, count // 8)
    rest = count - syns - questions
    which = chance.integers(0, 3, syns)
    options = np.array([LINUX, WINDOWS, APPLE], "S25")[which]
    opened = packets(
        syns,
        weight,
        protocol=6,
        tcp_flags=SYN,
        fragment=1,
        length=np.array([60, 52, 64])[which],
        ttl=np.array([64, 128, 64])[which] - chance.integers(3, 25, syns),
        window=np.array([64_240, 65_535, 65_535])[which],
        options=options,
        tcp_offset=np.array([10, 8, 11])[which],
        source_port=ports(chance, syns),
        destination_port=HTTPS,
        source_low=good_source(chance, syns),
    )
    names = [b"www.shop.example", b"shop.example", b"mail.shop.example", b"blog.example", b"www.blog.example"]
    lengths = np.array([61, 57, 62, 58, 61])
    asked = chance.integers(0, len(names), questions)
    dns = packets(
        questions,
        weight,
        protocol=17,
        length=lengths[asked] + chance.choice([0, 11, 23], questions),
        ttl=chance.integers(40, 62, questions),
        fragment=chance.integers(0, 2, questions),
        source_port=ports(chance, questions),
        destination_port=DNS,
        qname=np.array(names)[asked],
        payload=chance.integers(0, 2**16, questions, dtype=np.uint64) << np.uint64(48)
        | np.uint64(0x0000_0100_0001_0000),
        source_low=good_source(chance, questions),
    )
    flowing = packets(
        rest,
        weight,
        protocol=6,
        tcp_flags=chance.choice([ACK, PUSH], rest),
        fragment=1,
        length=chance.choice([52, 52, 52, 120, 300, 589, 1400], rest) + chance.integers(0, 20, rest),
        ttl=chance.choice([64, 128], rest) - chance.integers(3, 25, rest),
        window=chance.integers(200, 4_000, rest),
        tcp_offset=8,
        options=b"\x01\x01\x08",
        source_port=ports(chance, rest),
        destination_port=HTTPS,
        source_low=good_source(chance, rest),
        payload=chance.integers(0, 2**62, rest, dtype=np.uint64),
        good=True,
    )
    every = np.concatenate([opened, dns, flowing])
    return np.asarray(every[chance.permutation(every.size)])


def syn_flood(chance: Chance, count: int, weight: float) -> Records:
    return packets(
        count, weight, protocol=6, tcp_flags=SYN, length=60, ttl=64, window=64_240, options=LINUX,
        tcp_offset=10, source_port=ports(chance, count), destination_port=HTTPS,
        source_low=any_source(chance, count),
    )  # fmt: skip


def perfect_syn_flood(chance: Chance, count: int, weight: float) -> Records:
    """SYNs that look like people's in everything."""
    everything = good_packets(chance, count * 14)
    syns = everything[everything["header"]["tcp_flags"] == SYN][:count].copy()
    syns["weight"] = weight
    syns["header"]["source_low"] = any_source(chance, syns.size)
    return np.asarray(syns)


def ack_flood(chance: Chance, count: int, weight: float) -> Records:
    return packets(
        count, weight, protocol=6, tcp_flags=ACK, length=40, ttl=64, tcp_offset=5,
        window=chance.integers(64, 65_536, count), source_port=ports(chance, count),
        destination_port=HTTPS, source_low=any_source(chance, count),
    )  # fmt: skip


def udp_flood(chance: Chance, count: int, weight: float) -> Records:
    return packets(
        count, weight, protocol=17, length=92, ttl=64, source_port=ports(chance, count),
        destination_port=chance.integers(1, 65_536, count), source_low=any_source(chance, count),
        payload=chance.integers(0, 2**63, count, dtype=np.uint64),
    )  # fmt: skip


def fragment_flood(chance: Chance, count: int, weight: float) -> Records:
    first = chance.random(count) < 0.5
    more = first | (chance.random(count) < 0.5)
    return packets(
        count, weight, protocol=17, length=148, ttl=64, fragment=2 * more + 4 * ~first,
        source_low=any_source(chance, count),
    )  # fmt: skip


def random_subdomains(chance: Chance, count: int, weight: float) -> Records:
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8)
    labels = letters[chance.integers(0, 36, (count, 12))]
    names = np.array([bytes(one) + b".shop.example" for one in labels])
    return packets(
        count, weight, protocol=17, length=70, ttl=64, destination_port=DNS, qname=names,
        source_port=ports(chance, count), source_low=any_source(chance, count),
        payload=chance.integers(0, 2**16, count, dtype=np.uint64) << np.uint64(48)
        | np.uint64(0x0000_0100_0001_0000),
    )  # fmt: skip


def reflected_answers(chance: Chance, count: int, weight: float) -> Records:
    servers = chance.integers(0, 3, count)
    first = np.array([0x0000_8180_0001_0005, 0xD700_032A_0010_0048, 0x0000_0001_03E8_0000], np.uint64)
    numbers = chance.integers(0, 2**16, count, dtype=np.uint64) << np.uint64(48)
    return packets(
        count, weight, protocol=17, length=1_228, ttl=64,
        source_port=np.array([53, 123, 11_211])[servers], destination_port=ports(chance, count),
        payload=np.where(servers == 0, first[0] | numbers, first[servers]),
        source_low=np.uint64(0xFFFF_C633_0000) + chance.integers(0, 5_000, count, dtype=np.uint64),
    )  # fmt: skip


BROWSERS = 24
PAGES = 400


def good_requests(
    chance: Chance,
    count: int,
    site: int = 1,
    weight: float = 1,
    visitors: int = 20_000,
    *,
    page: int | None = None,
) -> Records:
    """Readers with the browsers of life: a few popular, many rare; ``page``: what most of a crowd wants."""
    made = np.zeros(count, REQUEST)
    made["site"], made["weight"] = site, weight
    popular = 1 / np.arange(1, BROWSERS + 1)
    visitor = chance.integers(0, visitors, count)
    # A visitor keeps the browser.
    browser = np.searchsorted(np.cumsum(popular) / popular.sum(), (visitor * 0.6180339887) % 1.0)
    made["agent"], made["tls"] = 1_000 + browser, 2_000 + browser // 2
    made["headers"] = np.array([0b1111_0111, 0b1111_0011, 0b0111_0111])[browser % 3]
    made["language"] = 3_000 + visitor % 7
    made["version"] = np.where(browser % 5 == 4, 1, 2)
    pages = np.minimum(chance.geometric(0.02, count), PAGES)
    if page is not None:
        pages = np.where(chance.random(count) < 0.8, page, pages)
    made["path"], made["path_shape"] = 4_000 + pages, 4_000 + pages % 5
    made["query_shape"] = chance.choice([0, 0, 0, 5_001, 5_002], count)
    made["method"] = np.where(chance.random(count) < 0.03, 2, 1)
    made["source"] = made["client"] = 10_000_000 + visitor
    made["network"] = made["source"] >> 8
    made["good"] = visitor % 5 == 0
    made["status"] = 200
    return made


def bot_requests(
    chance: Chance, count: int, site: int = 1, weight: float = 1, *, sources: int = 50_000, **fields: Any
) -> Records:
    """A flood by one tool from many addresses."""
    made = np.zeros(count, REQUEST)
    made["site"], made["weight"], made["status"], made["method"], made["version"] = site, weight, 200, 1, 1
    made["agent"], made["tls"], made["language"], made["headers"] = 9_001, 9_002, 0, 0b0000_0011
    made["path"], made["path_shape"], made["query_shape"] = 4_010, 4_000, 0
    made["source"] = made["client"] = 90_000_000 + chance.integers(0, sources, count)
    made["network"] = made["source"] >> 8
    for name, value in fields.items():
        made[name] = value
    return made


def browser_copies(chance: Chance, count: int, site: int = 1, weight: float = 1) -> Records:
    """Bots that copy the most popular browser in all that can be seen, from rotating addresses."""
    made = good_requests(chance, count * 8, site, weight)
    made = made[(made["agent"] == 1_000) & (made["language"] == 3_000)][:count].copy()
    made["source"] = made["client"] = 80_000_000 + chance.integers(0, 2**24, made.size)
    made["network"], made["good"] = made["source"] >> 8, False
    return np.asarray(made)


def site(
    number: int = 1,
    requests: int = 0,
    refused: int = 0,
    errors: int = 0,
    queue: int = 0,
    latency: float = 0.05,
) -> Records:
    """One site's counters."""
    made = np.zeros(1, SITE)
    for name, value in (
        ("site", number), ("requests", requests), ("refused", refused), ("errors", errors), ("queue", queue),
        ("latency", latency),
    ):  # fmt: skip
        made[name] = value
    return made


def together(chance: Chance, parts: Sequence[Records]) -> Records:
    """Mixed as on the wire."""
    every = np.concatenate(list(parts))
    return np.asarray(every[chance.permutation(every.size)])
