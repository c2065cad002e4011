"""The three hashes of the packet shield, written from their papers."""

from __future__ import annotations

from functools import lru_cache

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF
FNV_BASIS = 0x811C9DC5
FNV_PRIME = 0x01000193


def fnv1a(data: bytes) -> int:
    """FNV-1a, 32 bits (Fowler, Noll, Vo; draft-eastlake-fnv, section 5)."""
    digest = FNV_BASIS
    for byte in data:
        digest = ((digest ^ byte) * FNV_PRIME) & MASK32
    return digest


def mix(x: int) -> int:
    """MurmurHash3's finaliser of 64 bits (Appleby, `fmix64`)."""
    x ^= x >> 33
    x = (x * 0xFF51AFD7ED558CCD) & MASK64
    x ^= x >> 33
    x = (x * 0xC4CEB9FE1A85EC53) & MASK64
    return x ^ (x >> 33)


@lru_cache(maxsize=4096)
def bucket_hashes(seed: int, limit_class: int, a: int, b: int) -> tuple[int, int]:
    """Which two buckets a source has: two numbers of 32 bits, to be cut to the table's size."""
    x = mix(mix(mix(seed ^ limit_class) ^ a) ^ b)
    return x & MASK32, x >> 32


def siphash24(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4 (Aumasson, Bernstein: SipHash, a fast short-input PRF; 2012): 16 bytes of key, 8 out."""
    k0 = int.from_bytes(key[:8], "little")
    k1 = int.from_bytes(key[8:16], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    whole = len(data) - len(data) % 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append((len(data) & 0xFF) << 56 | int.from_bytes(data[whole:], "little"))
    for word in words:
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _rounds(v, 4)
    return (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")


def _rotated(x: int, by: int) -> int:
    return ((x << by) | (x >> (64 - by))) & MASK64


def _rounds(v: list[int], count: int) -> None:
    v0, v1, v2, v3 = v
    for _ in range(count):
        v0 = (v0 + v1) & MASK64
        v1 = _rotated(v1, 13) ^ v0
        v0 = _rotated(v0, 32)
        v2 = (v2 + v3) & MASK64
        v3 = _rotated(v3, 16) ^ v2
        v0 = (v0 + v3) & MASK64
        v3 = _rotated(v3, 21) ^ v0
        v2 = (v2 + v1) & MASK64
        v1 = _rotated(v1, 17) ^ v2
        v2 = _rotated(v2, 32)
    v[:] = v0, v1, v2, v3
