"""Frames at random, thousands a second: well-formed ones of every kind the shield knows, and their ruins."""

from __future__ import annotations

from random import Random
from struct import pack, pack_into

from rempart.engines.shield.model.parse import ACK, FIN, PSH, RST, SYN, URG, parse
from rempart.engines.shield.model.tables import Sockets, Tables

from . import frames as f
from .worlds import (
    DNS,
    OURS4,
    OURS6,
    SECOND,
    SOURCES4,
    SOURCES6,
    STRANGE4,
    STRANGE6,
    TCP_PORTS,
    UDP_PORTS,
)

POOL = 192
MOST_BYTES = 1600
SEEDS = 64
"""ACKs that bring cookies back, kept at once."""

NAMES = (
    b"\0",
    f.name("example.org"),
    f.name("www.Example.ORG"),
    f.name("a.b.c.d.e.f.g.h.i.example.org"),
    f.name("x" * 63 + ".example.org"),
    f.name(".".join("abcdefgh"[i % 8] * 9 for i in range(20))),
    f.name(".".join("q" * 31 for _ in range(7)) + "." + "r" * 28),
    f.name(".".join("q" * 31 for _ in range(7)) + "." + "r" * 29),
    f.name(".".join("q" * 31 for _ in range(7)) + "." + "r" * 30),
    f.name(".".join("z" for _ in range(31))),
    f.name(".".join("z" for _ in range(32))),
    f.name(".".join("z" for _ in range(33))),
    f.name(".".join("z" for _ in range(127))),
    f.name(".".join("z" for _ in range(128))),
    f.name(".".join("y" * 63 for _ in range(3)) + "." + "w" * 61),
    f.name(".".join("y" * 63 for _ in range(3)) + "." + "w" * 62),
    b"\x03www\xc0\x0c",
    b"\xc0\x0c",
    b"\x40" + b"l" * 64 + b"\0",
    b"\x07exa\x80\xff.\0\0",
    b"\x05AZ@[`\0",
)
EXTENSIONS = (
    (0, b"\0" + bytes(6)),
    (0, b"\1" + bytes(14)),
    (60, b"\0" + bytes(6)),
    (60, b"\2" + bytes(22)),
    (43, b"\0\2\0" + bytes(4)),
    (43, b"\0\0\0" + bytes(4)),
    (43, b"\2\4\1" + bytes(20)),
    (51, b"\4" + bytes(22)),
    (51, b"\0" + bytes(6)),
    f.fragment_header(0, False),
    f.fragment_header(0, True),
    f.fragment_header(0, False),
    f.fragment_header(5, True),
    f.fragment_header(9, False),
    (0, b"\xff" + bytes(6)),
)
TCP_OPTIONS = (
    f.mss(1460),
    f.mss(1440),
    f.mss(1300),
    f.mss(536),
    f.mss(100),
    f.mss(0),
    f.mss(9000),
    f.SACK,
    f.NOP,
    f.NOP,
    f.scale(7),
    f.scale(0),
    f.scale(14),
    f.scale(15),
    f.scale(255),
    f.timestamp(0x11223344, 0x55667788),
    f.timestamp(0, 0),
    f.timestamp(0xFFFFFFFF, 1),
    b"\0",
    b"\2\3\1",
    b"\3\2",
    b"\3\4\1\1",
    b"\4\3\0",
    b"\x08\x09" + bytes(7),
    b"\xfd\x04\xf9\x89",
    b"\x22\x02",
    b"\x1e\x0c" + bytes(10),
    b"\x05\x00",
    b"\x05\x01",
    b"\x05\xff",
    b"\x13",
    f.NOP * 12,
)
FLAG_SETS = (
    SYN,
    ACK,
    ACK | PSH,
    FIN | ACK,
    RST,
    RST | ACK,
    SYN | ACK,
    SYN | 0xC0,
    SYN | PSH | URG,
    ACK | URG,
)
LINUX = f.mss(1460) + f.SACK + f.timestamp(0xCAFE0001) + f.NOP + f.scale(7)
WINDOWS = f.mss(1440) + f.NOP + f.scale(8) + f.NOP + f.NOP + f.SACK


class Generator:
    """An endless supply for one world after the other. Everything random comes from `random`."""

    def __init__(self, random: Random, sockets: Sockets) -> None:
        self.random = random
        self.flows = sorted(sockets.established)
        self.key = bytes(16)
        self.wall = 1_790_000_000
        self.acks: list[bytes] = []
        self.pool = [self._made() for _ in range(POOL)]

    def enter(self, tables: Tables, now: int) -> None:
        """From now on cookies are made for this world; those of the last are forgotten."""
        self.key, self.wall = tables.config.dns_cookie_key, tables.config.wall + now // SECOND
        self.acks.clear()

    def answered(self, frame: bytes, answer: bytes) -> None:
        """A SYN was answered with a cookie: now and then its ACK will come."""
        packet = parse(frame)
        at = packet.network + (20 if packet.family == 4 else 40)
        sequence = int.from_bytes(frame[packet.transport + 4 : packet.transport + 8], "big")
        cookie = int.from_bytes(answer[at + 4 : at + 8], "big")
        segment = f.tcp(
            packet.source_port,
            packet.destination_port,
            ACK,
            sequence=(sequence + 1) & 0xFFFFFFFF,
            acknowledgement=(cookie + 1) & 0xFFFFFFFF,
        )
        skip = 12 if packet.family == 4 else 0
        made = f.ethernet(f.ip(packet.source[skip:], packet.destination[skip:], 6, segment))
        if len(self.acks) < SEEDS:
            self.acks.append(made)
        else:
            self.acks[len(made) * cookie % SEEDS] = made

    def next(self) -> bytes:
        """One frame of 14 bytes or more."""
        random = self.random
        chance = random.random()
        if chance < 0.25:
            self.pool[int(chance * 4 * POOL)] = self._made()
        # Always drawn, so that how many cookies the kernel made does not change what comes after.
        which = random.random()
        if 0.25 < chance < 0.30 and self.acks:
            frame = self.acks[int(which * len(self.acks))]
        else:
            frame = self.pool[int(which * POOL)]
        if random.random() < 0.6:
            return frame
        frame = self._spoilt(frame)
        return frame if len(frame) >= 14 else frame.ljust(14, b"\0")

    def _spoilt(self, frame: bytes) -> bytes:
        random = self.random
        how = random.random()
        if how < 0.12:
            return frame[: int(random.random() * (len(frame) + 1))]
        if how < 0.18:
            return shortened(frame, int(random.random() * (len(frame) + 1)))
        if how < 0.22:
            return frame + random.randbytes(int(random.random() * 40))
        data = bytearray(frame)
        if how < 0.65:
            for _ in range(1 + int(random.random() * 3)):
                data[int(random.random() * len(data))] ^= 1 << int(random.random() * 8)
        elif how < 0.90:
            interesting = (0, 1, 2, 5, 6, 17, 44, 58, 63, 64, 127, 128, 255)
            for _ in range(1 + int(random.random() * 2)):
                at = 12 + int(random.random() * min(70, len(data) - 12))
                value = int(random.random() * 40)
                data[at] = interesting[value] if value < len(interesting) else int(random.random() * 256)
        elif how < 0.95:
            at = int(random.random() * len(data))
            del data[at : at + 1 + int(random.random() * 8)]
        else:
            at = int(random.random() * len(data))
            data[at:at] = random.randbytes(1 + int(random.random() * 8))
        return bytes(data)

    def _made(self) -> bytes:
        random = self.random
        make = random.choices(_KINDS, _WEIGHTS)[0]
        packet = make(self)
        if random.random() < 0.08:
            packet += bytes(random.randrange(1, 30))
        tags: tuple[int, ...] = ()
        if random.random() < 0.12:
            tags = random.choice(((0x8100,), (0x88A8,), (0x88A8, 0x8100), (0x8100, 0x8100), (0x8100,) * 3))
        return f.ethernet(packet, tags=tags)[:MOST_BYTES]

    def _addresses(self) -> tuple[bytes, bytes]:
        random = self.random
        if random.random() < 0.55:
            ours, sources, strange = OURS4, SOURCES4, STRANGE4
        else:
            ours, sources, strange = OURS6, SOURCES6, STRANGE6
        return random.choice(sources), random.choice(ours if random.random() < 0.93 else strange)

    def _packet(self, protocol: int, payload: bytes, *, hops: int | None = None) -> bytes:
        random = self.random
        source, destination = self._addresses()
        if random.random() < 0.03:
            payload = payload[: random.randrange(25)]
        plain = random.random() < 0.7
        hops = random.choice((57, 64, 1, 255, 128)) if hops is None else hops
        traffic = 0 if plain else random.randrange(256)
        if len(source) == 4:
            options = (
                b"" if random.random() < 0.94 else random.choice((b"\x94\x04\0\0", b"\1" * 40, b"\7\3\4"))
            )
            fragment = 0x4000 if plain else random.choice((0, 0, 0x2000, 0x4000, 0x8000, 0x0005, 0x2010))
            return f.ipv4(
                source,
                destination,
                protocol,
                payload,
                options=options,
                fragment=fragment,
                ttl=hops,
                tos=traffic,
            )
        extensions: tuple[tuple[int, bytes], ...] = ()
        if random.random() < 0.12:
            extensions = tuple(random.choices(EXTENSIONS, k=random.choice((1, 1, 1, 2, 2, 3, 6, 7))))
            if random.random() < 0.5:
                extensions = tuple(sorted(extensions, key=lambda one: one[0]))
        return f.ipv6(
            source, destination, protocol, payload, extensions=extensions, hops=hops, traffic_class=traffic
        )

    def _syn(self) -> bytes:
        random = self.random
        how = random.random()
        if how < 0.3:
            options = LINUX
        elif how < 0.45:
            options = WINDOWS
        else:
            options = b"".join(random.choices(TCP_OPTIONS, k=random.randrange(7)))[:40]
        payload = random.randbytes(random.choice((0, 0, 0, 1, 5, 8, 20, 600)))
        return self._packet(
            6,
            f.tcp(
                random.choice((1025, 40000, 50000)),
                random.choice(TCP_PORTS),
                SYN if random.random() < 0.85 else random.choice((SYN | 0xC0, SYN | PSH, SYN | URG)),
                sequence=random.choice((0, 1, 0xFFFFFFFF, random.getrandbits(32))),
                options=options,
                payload=payload,
                window=random.choice((64240, 0, 65535, 1024)),
            ),
        )

    def _tcp(self) -> bytes:
        random = self.random
        return self._packet(
            6,
            f.tcp(
                random.choice((1025, 40000, 50000, 0)),
                random.choice((*TCP_PORTS, 0, 40000)),
                random.choice(FLAG_SETS) if random.random() < 0.8 else random.randrange(256),
                options=b"".join(random.choices(TCP_OPTIONS, k=random.randrange(5)))[:40],
                payload=random.randbytes(random.choice((0, 1, 7, 8, 9, 100))),
                offset=None if random.random() < 0.9 else random.randrange(16),
            ),
        )

    def _flow(self) -> bytes:
        """A segment of a connection that is there, or almost."""
        random = self.random
        source, source_port, destination, destination_port = random.choice(self.flows or [_NO_FLOW])
        if random.random() < 0.15:
            source_port ^= 1
        flags = random.choice((ACK, ACK | PSH, SYN, RST, FIN | ACK, SYN | ACK))
        segment = f.tcp(source_port, destination_port, flags, payload=random.randbytes(random.randrange(9)))
        if source[:12] == bytes(10) + b"\xff\xff":
            source, destination = source[12:], destination[12:]
        return f.ip(source, destination, 6, segment)

    def _udp(self) -> bytes:
        random = self.random
        payload = random.randbytes(random.choice((0, 1, 4, 8, 9, 60, 1200)))
        length = None
        if random.random() < 0.15:
            length = random.choice((0, 7, 8, 9, len(payload), len(payload) + 9, 0xFFFF))
        port = random.choice((*UDP_PORTS, 0))
        return self._packet(17, f.udp(random.choice((0, 53, 123, 50000)), port, payload, length))

    def _dns(self) -> bytes:
        random = self.random
        source, destination = self._addresses()
        qname = random.choice(NAMES)
        rest, additional = b"", 0
        if random.random() < 0.6:
            rest, additional = self._opt(source), random.choice((1, 1, 1, 1, 0, 2))
        counts = (1, 0, 0, additional)
        if random.random() < 0.1:
            counts = random.choice(
                ((0, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 1), (1, 0, 2, 0), (1, 0, 0, 3))
            )
        flags = 0x0100
        if random.random() < 0.3:
            flags = random.choice((0, 0x8180, 0x2400, 0x2800, 0x0800, 0x01B0, 0x7800, 0x01FF, 0x0010, 0x0780))
        message = f.query(qname, flags=flags, counts=counts, rest=rest)
        if random.random() < 0.05:
            message = message[: random.randrange(len(message))]
        datagram = f.udp(random.choice((53, 1024, 50000)), DNS, message)
        if random.random() < 0.9:
            return f.ip(source, destination, 17, datagram)
        return self._packet(17, datagram)

    def _opt(self, source: bytes) -> bytes:
        random = self.random
        options = []
        for _ in range(random.choice((0, 0, 1, 2, 7, 8))):
            size = random.choice((0, 1, 8, 24, 24, 330))
            options.append(f.edns_option(random.choice((3, 8, 12, 15)), random.randbytes(size)))
        how = random.random()
        if how < 0.6:
            age = random.choice((0, 0, 0, 3600, 3601, -300, -301, 1 << 31, 100))
            one = f.cookie(self.key, source, self.wall - age, version=1 if random.random() < 0.95 else 2)
            if how < 0.05:
                one = one[: random.randrange(25)]
            elif how < 0.08:
                one += b"\0"
            options.insert(random.randrange(len(options) + 1), f.edns_option(10, one))
        elif how < 0.7:
            options.append(f.edns_option(10, random.randbytes(random.choice((8, 24, 40)))))
        data = b"".join(options)
        if random.random() < 0.06:
            return f.opt(data, random.choice((0, len(data) - 1, len(data) + 1, 0xFFFF)))
        return f.opt(data)

    def _icmp(self) -> bytes:
        random = self.random
        kind = random.choice((0, 3, 8, 11, 128, 129, 1, 2, 133, 135, 136, 137, 138))
        protocol = random.choice((1, 58))
        payload = random.randbytes(random.choice((0, 4, 8, 56)))
        return self._packet(protocol, f.icmp(kind, random.randrange(3), payload=payload))

    def _neighbour(self) -> bytes:
        random = self.random
        kind = random.choice((132, 133, 134, 135, 136, 137, 138))
        source = random.choice(SOURCES6)
        payload = f.icmp(kind, payload=random.choice(OURS6))
        destination = random.choice((*OURS6, *STRANGE6))
        return f.ipv6(source, destination, 58, payload, hops=random.choice((255, 255, 255, 254)))

    def _other(self) -> bytes:
        random = self.random
        protocol = random.choice((0, 47, 50, 59, 41, 4, 132, 2, 89, 255))
        payload = random.randbytes(random.randrange(40))
        if protocol in (4, 41):
            inner = (SOURCES4[0], OURS4[0]) if protocol == 4 else (SOURCES6[0], OURS6[0])
            payload = f.ip(*inner, 6, f.tcp(1, LISTENED_INSIDE))
        return self._packet(protocol, payload)

    def _chain(self) -> bytes:
        """IPv6 with extension headers."""
        random = self.random
        source, destination = random.choice(SOURCES6), random.choice(OURS6)
        extensions = tuple(random.choices(EXTENSIONS, k=random.choice((1, 1, 2, 2, 3, 5, 6, 7))))
        if random.random() < 0.6:
            extensions = tuple(sorted(extensions, key=lambda one: one[0]))
        protocol, payload = random.choice(
            (
                (6, f.tcp(40000, random.choice(TCP_PORTS), options=LINUX)),
                (17, f.udp(40000, DNS, f.query(random.choice(NAMES)))),
                (58, f.icmp(128)),
                (59, b""),
                (135, bytes(12)),
            )
        )
        return f.ipv6(source, destination, protocol, payload, extensions=extensions)

    def _length(self) -> bytes:
        """A packet whose IP length is a lie."""
        random = self.random
        packet = bytearray(self._syn() if random.random() < 0.5 else self._udp())
        at = 2 if packet[0] >> 4 == 4 else 4
        said = packet[at] << 8 | packet[at + 1]
        other = random.choice((0, 8, 19, 20, 39, 40, said - 1, said + 1, said + 8, 0xFFFF))
        pack_into("!H", packet, at, max(0, other))
        return bytes(packet)

    def _noise(self) -> bytes:
        random = self.random
        start = random.choice(
            (b"", b"\x45", b"\x60", b"\x46", b"\x45\0" + pack("!H", 60), b"\x60\0\0\0\0\x20\x06\x40")
        )
        return start + random.randbytes(random.randrange(120))


def shortened(frame: bytes, length: int) -> bytes:
    """A frame cut off whose IP header says so (untagged frames; others are only cut)."""
    cut = bytearray(frame[:length])
    if length >= 34 and frame[12:14] == b"\x08\x00":
        pack_into("!H", cut, 16, length - 14)
    elif length >= 54 and frame[12:14] == b"\x86\xdd":
        pack_into("!H", cut, 18, length - 54)
    return bytes(cut)


LISTENED_INSIDE = 80
_NO_FLOW = (SOURCES6[0], 1, OURS6[0], 80)
_KINDS = (
    Generator._syn,
    Generator._tcp,
    Generator._flow,
    Generator._udp,
    Generator._dns,
    Generator._icmp,
    Generator._neighbour,
    Generator._other,
    Generator._chain,
    Generator._length,
    Generator._noise,
)
_WEIGHTS = (22, 12, 5, 14, 26, 9, 2, 3, 6, 4, 3)
