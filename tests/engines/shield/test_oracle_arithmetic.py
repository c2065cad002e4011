"""The oracle's arithmetic against answers that others published, or that can be had by hand."""

from __future__ import annotations

import pytest

from rempart.engines.shield.layout import Meter
from rempart.engines.shield.model.dns import cookie_holds
from rempart.engines.shield.model.hashing import bucket_hashes, fnv1a, mix, siphash24
from rempart.engines.shield.model.replies import checksum, syn_options
from rempart.engines.shield.model.state import Rate, State, charge_pair, charged
from rempart.engines.shield.model.tables import MAPPED, Limit, Prefixes
from rempart.engines.shield.model.vector import options_digest, qname_hash

from . import frames as f
from .worlds import prefix

MILLISECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", 0x811C9DC5),
        (b"a", 0xE40C292C),
        (b"b", 0xE70C2DE5),
        (b"foo", 0xA9F37ED7),
        (b"foobar", 0xBF9CF968),
    ],
)
def test_fnv1a_has_the_values_of_its_authors(text: bytes, digest: int) -> None:
    """Landon Noll's test suite, fnv_32a."""
    assert fnv1a(text) == digest


@pytest.mark.parametrize(
    ("length", "digest"),
    [
        (0, "310e0edd47db6f72"),
        (1, "fd67dc93c539f874"),
        (2, "5a4fa9d909806c0d"),
        (7, "37d1018bf50002ab"),
        (8, "6224939a79f5f593"),
        (15, "e545be4961ca29a1"),
    ],
)
def test_siphash_has_the_values_of_its_authors(length: int, digest: str) -> None:
    """vectors.h of the reference implementation; 15 bytes is the paper's appendix A."""
    assert siphash24(bytes(range(16)), bytes(range(length))).hex() == digest


def test_mix_is_murmurs_finaliser() -> None:
    assert mix(0) == 0
    assert mix(1) == 0xB456BCFC34C2CB2C


def test_the_two_hashes_are_halves_of_three_mixes() -> None:
    x = mix(mix(mix(0x1234 ^ 2) ^ 0xC6336401) ^ 4)
    assert bucket_hashes(0x1234, 2, 0xC6336401, 4) == (x & 0xFFFFFFFF, x >> 32)


COOKIES = [
    # RFC 9018, appendix A: secret, cookie, client address, the Unix time in it.
    (
        "e5e973e5a6b2a43f48e7dc849e37bfcf",
        "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
        "198.51.100.100",
        1559731985,
    ),
    (
        "e5e973e5a6b2a43f48e7dc849e37bfcf",
        "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
        "203.0.113.203",
        1559727985,
    ),
    (
        "445536bcd2513298075a5d379663c962",
        "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
        "2001:db8:220:1:59de:d0f4:8769:82b8",
        1559741961,
    ),
]


@pytest.mark.parametrize(("key", "cookie", "source", "made"), COOKIES)
def test_cookies_of_rfc_9018(key: str, cookie: str, source: str, made: int) -> None:
    def holds(wall: int, text: str = cookie, where: str = source) -> bool:
        return cookie_holds(bytes.fromhex(text), f.raw(where), bytes.fromhex(key), wall)

    assert holds(made)
    assert holds(made + 3600)
    assert not holds(made + 3601)
    assert holds(made - 300)
    assert not holds(made - 301)
    assert not holds(made, cookie[:-1] + "f" if cookie[-1] != "f" else cookie[:-1] + "0")
    assert not holds(made, where="192.0.2.99")


def test_checksum_of_rfc_1071_and_of_a_header() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
    assert checksum(bytes.fromhex("450000730000400040110000c0a80001c0a800c7")) == 0xB861
    assert checksum(b"\x01") == 0xFEFF


def test_a_bucket_by_hand() -> None:
    """10 ns a packet, three at once: at 0 three pass, the fourth does not; at 10 one more."""
    limit = Limit(10, 30)
    bucket = 0
    for expected in (10, 20, 30):
        after = charged(bucket, limit, 0)
        assert after == expected
        bucket = expected
    assert charged(bucket, limit, 0) is None
    assert charged(bucket, limit, 9) is None
    assert charged(bucket, limit, 10) == 40
    assert charged(bucket, limit, 1000) == 1010
    assert charged(77, Limit(0, 0), 5) == 77


def test_a_key_is_over_only_when_both_its_buckets_are() -> None:
    buckets: dict[int, int] = {}
    limit = Limit(10, 10)
    assert charge_pair(buckets, (1, 2), limit, 0)
    assert buckets == {1: 10, 2: 10}
    assert not charge_pair(buckets, (1, 2), limit, 0)
    assert charge_pair(buckets, (2, 3), limit, 0)
    assert buckets == {1: 10, 2: 10, 3: 10}
    assert charge_pair(buckets, (4, 4), limit, 0)
    assert buckets[4] == 10


def test_a_meter_counts_in_windows_of_100_ms() -> None:
    rate = Rate()
    for moment in (1000, 1001, 1002):
        rate.count(moment * MILLISECOND, threshold=2, hold=5 * MILLISECOND)
    assert (rate.seen, rate.active_until) == (3, 1007 * MILLISECOND)
    rate.count(1100 * MILLISECOND - 1, threshold=9, hold=1)
    assert rate.seen == 4
    rate.count(1100 * MILLISECOND, threshold=9, hold=1)
    assert (rate.window, rate.seen) == (1100 * MILLISECOND, 1)
    assert State().meters[Meter.DNS].seen == 0


def test_the_longest_prefix_is_found() -> None:
    table = Prefixes.of(
        32, [(prefix("10.0.0.0/8"), 1), (prefix("10.1.0.0/16"), 2), (prefix("10.1.2.3/32"), 3)]
    )
    for address, expected in (("10.1.2.3", 3), ("10.1.2.4", 2), ("10.2.0.0", 1), ("11.0.0.0", None)):
        found = table.longest(MAPPED + f.raw(address))
        assert (found and found[1]) == expected
    assert table.longest(MAPPED + f.raw("10.1.2.3"), (8,)) == (prefix("10.0.0.0/8"), 1)
    assert Prefixes.of(128, [(prefix("::/0"), 9)]).longest(f.raw("::1")) == (prefix("::/0"), 9)


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (f.mss(1460) + f.SACK + f.timestamp(1) + f.NOP + f.scale(7), b"\2\4\x08\1\3"),
        (f.NOP + b"\0" + f.SACK, b"\1"),
        (b"\0", b""),
        (b"\2\1", b"\2\xff"),
        (b"\2\4\5", b"\2\xff"),
        (f.NOP + b"\x13", b"\1\x13\xff"),
        (f.NOP * 40, b"\1" * 24),
        (f.NOP * 23 + b"\4\2\4\2", b"\1" * 23 + b"\4"),
    ],
)
def test_the_digest_is_of_the_kinds_in_their_order(options: bytes, kinds: bytes) -> None:
    assert options_digest(options) == fnv1a(kinds)


def test_no_options_have_no_digest() -> None:
    assert options_digest(b"") == 0


@pytest.mark.parametrize(
    ("qname", "labels", "hashed"),
    [
        (f.name("www.Example.ORG"), 2, b"\7example\3org"),
        (f.name("www.example.org"), 8, b"\3www\7example\3org"),
        (b"\0", 3, b""),
        (f.name("x" * 63 + ".org"), 2, (b"\x3f" + b"x" * 63 + b"\3org")[-64:]),
        (f.name(".".join("z" for _ in range(32))), 1, b"\1z"),
    ],
)
def test_the_end_of_a_name_is_hashed(qname: bytes, labels: int, hashed: bytes) -> None:
    assert qname_hash(f.query(qname), labels) == fnv1a(hashed)


@pytest.mark.parametrize(
    "payload",
    [
        f.query(f.name(".".join("z" for _ in range(33)))),
        f.query(b"\x40" + b"l" * 64 + b"\0"),
        f.query(b"\xc0\x0c"),
        f.query(f.name("example.org"))[:20],
        f.query(b"")[:12],
        # four labels of 63, 63, 63, 62 bytes and the root: 256 bytes
        f.query(f.name(".".join(["y" * 63] * 3 + ["w" * 62]))),
    ],
)
def test_what_is_no_name_has_no_hash(payload: bytes) -> None:
    assert qname_hash(payload, 2) == 0


def test_options_of_a_syn() -> None:
    said = syn_options(f.mss(1460) + f.SACK + f.timestamp(0xCAFE0001) + f.NOP + f.scale(7))
    assert (said.mss, said.scale, said.sack, said.timestamp) == (1460, 7, True, b"\xca\xfe\x00\x01")
    twice = syn_options(f.mss(1460) + f.mss(536) + f.scale(1) + f.scale(9))
    assert (twice.mss, twice.scale, twice.sack, twice.timestamp) == (536, 9, False, None)
    broken = syn_options(f.SACK + b"\x08\x00" + f.scale(3))
    assert (broken.sack, broken.scale) == (True, None)
    assert syn_options(f.NOP * 24 + f.SACK).sack is False
    assert syn_options(f.NOP * 23 + f.SACK).sack is True
