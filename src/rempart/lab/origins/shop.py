"""A small shop: light pages, pictures, a feed, an API, a form, and a search that costs the processor dearly.

Served as such applications are: files straight from the event loop, everything else by a few workers that
wait for each other. So a flood of searches starves the other pages too, which is the point of such floods.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from rempart.lab.origins.contract import ORIGIN_LOG, Origin, OriginScene, Page, SiteMap, mark

WORKERS = 8
SEARCH_MS, PAGE_MS = 10.0, 2.0
"""What a search and any other page that is made cost, in milliseconds of a processor, whichever it is: the
work is measured once at the start. It is PBKDF2, which lets other threads run meanwhile, as a database
does."""

ASSETS = {"/static/style.css": 18_000, "/static/shop.js": 36_000, "/static/logo.svg": 4_000}
LARGE = "/static/catalogue.pdf"
LARGE_SIZE = 4_000_000

_common = tuple(ASSETS)
SITE = SiteMap(
    pages=(
        Page(path="/", assets=_common, weight=4.0),
        *(
            Page(path=f"/category/{n}", assets=(*_common, f"/static/img/{n}.jpg", f"/static/img/{n + 8}.jpg"))
            for n in range(1, 9)
        ),
        *(
            Page(path=f"/product/{n}", assets=(*_common, f"/static/img/{n}.jpg"), weight=0.5)
            for n in range(1, 61)
        ),
    ),
    searches=("/search?q={}",),
    forms=("/comment",),
    feeds=("/feed.xml",),
    api=tuple(f"/api/stock/{n}" for n in range(1, 61)),
    large=LARGE,
)

SHOP = Origin(
    name="shop",
    summary="a small shop whose search costs about 10 ms of a processor",
    site=SITE,
    command=lambda scene: (sys.executable, "-m", "rempart.lab.origins.shop", scene.model_dump_json()),
)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Shop:
    """The application (ASGI)."""

    def __init__(self, secret: str, log: IO[str], rounds_per_ms: float) -> None:
        self._secret, self._log, self._rounds_per_ms = secret, log, rounds_per_ms
        self._workers = ThreadPoolExecutor(WORKERS)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = time.monotonic()
        path = scope["path"] + (
            "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
        )
        client = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"x-forwarded-for"), "-")
        sent = await body_of(receive) if scope["method"] == "POST" else ""
        status, kind, body = await self.answer(scope["method"], scope["path"], path, sent)
        self._log.write(f"{began:.6f}\t{client}\t{scope['method']}\t{path}\t{status}\n")
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if kind.startswith("text/html"):
            headers.append((b"set-cookie", f"session={secrets.token_hex(16)}; Path=/".encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def answer(self, method: str, name: str, path: str, sent: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of one request; ``name`` is the path without query."""
        signed = mark(self._secret, path, sent)
        if name in ASSETS or name.startswith("/static/img/"):
            return 200, "application/octet-stream", padded(signed, ASSETS.get(name, 12_000))
        if name == LARGE:
            return 200, "application/pdf", padded(signed, LARGE_SIZE)
        if name == "/robots.txt":
            return 200, "text/plain", f"# {signed}\nUser-agent: *\nDisallow: /search\n".encode()
        rounds = round(self._rounds_per_ms * (SEARCH_MS if name == "/search" else PAGE_MS))
        await asyncio.get_running_loop().run_in_executor(self._workers, work, path, rounds)
        if name.startswith("/api/"):
            return 200, "application/json", f'{{"mark": "{signed}", "path": "{name}"}}'.encode()
        if name == "/feed.xml":
            return 200, "application/rss+xml", padded(f"<!-- {signed} --><rss/>", 6_000)
        if name in ("/", "/search", "/comment") or name.startswith(("/category/", "/product/")):
            head = f"<!doctype html><!-- {signed} --><title>{method} {name}</title>"
            return 200, "text/html; charset=utf-8", padded(head, 9_000)
        return 404, "text/plain", b"no such page\n"


def work(text: str, rounds: int) -> None:
    """What making a page costs."""
    hashlib.pbkdf2_hmac("sha256", text.encode(), b"shop", rounds)


def measured_rounds_per_ms(tries: int = 8, rounds: int = 4_000) -> float:
    """How much work one processor does here, by the thread's own time; the best of some tries, since what
    disturbs can only slow."""
    best = float("inf")
    for _ in range(tries):
        began = time.thread_time()
        work("measured", rounds)
        best = min(best, time.thread_time() - began)
    return rounds / (best * 1000)


def padded(head: str, size: int) -> bytes:
    return head.encode().ljust(size, b".")


async def body_of(receive: Receive) -> str:
    """What a client posts, at most 64 KiB of it."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body") or sum(map(len, parts)) > 65_536:
            break
    return b"".join(parts).decode("utf-8", errors="replace")


def main() -> None:
    import uvicorn

    scene = OriginScene.model_validate_json(sys.argv[1])
    with (scene.folder / ORIGIN_LOG).open("a", buffering=1) as log:
        uvicorn.run(
            Shop(scene.secret, log, measured_rounds_per_ms()),
            host=scene.address,
            port=scene.port,
            log_level="warning",
            access_log=False,
            backlog=4096,
            timeout_keep_alive=60,
            server_header=False,
        )


if __name__ == "__main__":
    main()
