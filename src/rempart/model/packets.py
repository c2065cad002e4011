"""What is looked at of a packet: the header vector, its fields and their places. Pure.

``bpf/tables.h`` (``struct vector``) says the same in C. Where it stands: rules of the shield are masks over
these 64 bytes, samples carry them, and the defence loop looks for what an attack's have in common. It lies
here so that the loop, which may not know an engine, and the engine speak of the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ADDRESS: np.dtype[Any] = np.dtype([("bytes", "u1", 16)], align=True)
"""16 bytes in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2)."""

VECTOR: np.dtype[Any] = np.dtype(
    [
        ("family", "u1"),
        ("protocol", "u1"),
        ("tcp_flags", "u1"),
        ("fragment", "u1"),
        ("source_port", "u1", 2),
        ("destination_port", "u1", 2),
        ("length", "u1", 2),
        ("window", "u1", 2),
        ("ttl", "u1"),
        ("traffic_class", "u1"),
        ("extras", "u1"),
        ("tcp_offset", "u1"),
        ("options_digest", "u1", 4),
        ("qname_hash", "u1", 4),
        ("payload", "u1", 8),
        ("source", ADDRESS),
        ("destination", ADDRESS),
    ],
    align=True,
)
"""As it lies in the maps: bytes."""

HEADER: np.dtype[Any] = np.dtype(
    [
        ("family", "u1"),
        ("protocol", "u1"),
        ("tcp_flags", "u1"),
        ("fragment", "u1"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("length", ">u2"),
        ("window", ">u2"),
        ("ttl", "u1"),
        ("traffic_class", "u1"),
        ("extras", "u1"),
        ("tcp_offset", "u1"),
        ("options_digest", ">u4"),
        ("qname_hash", ">u4"),
        ("payload", ">u8"),
        ("source_high", ">u8"),
        ("source_low", ">u8"),
        ("destination_high", ">u8"),
        ("destination_low", ">u8"),
    ]
)
"""The same 64 bytes as numbers: ``vectors.view(HEADER)``. Addresses are two halves."""

FRAGMENT_MORE, FRAGMENT_LATER = 2, 4
"""Bits of ``fragment``."""
