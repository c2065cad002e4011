"""A site on loopback for the attacks' own tests: it writes down what it read, and answers. What the senders
say they sent is held against that."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from rempart.lab import certificates
from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import Order, Target
from rempart.lab.network.addressing import Prefixes

HOST = "www.shop.example"


@dataclass
class Request:
    """What came, as it came."""

    source: str
    method: str
    path: str
    lines: list[tuple[str, str]]
    body: bytes = b""


@dataclass
class Site:
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    resets: int = 0
    frames: list[tuple[int, int, bytes]] = field(default_factory=list)
    """(kind, flags, payload) of HTTP/2 frames, when only frames are wanted."""
    connections: int = 0
    sources: set[str] = field(default_factory=set)


Reply = Callable[[Request], tuple[int, list[tuple[str, str]], bytes]]


def page(request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
    """What the site says to everything, with a cookie."""
    return 200, [("content-type", "text/html"), ("set-cookie", "session=abc; Path=/")], b"hello"


@contextlib.contextmanager
def site(
    folder: Path,
    *,
    reply: Reply = page,
    frames_only: int | None = None,
    listening: socket.socket | None = None,
) -> Iterator[Site]:
    """The site while the block runs. ``frames_only``: HTTP/2 frames are counted, never answered, and the
    connection is ended after so many (0: never). ``listening``: a socket of another namespace, bound."""
    seen = Site()
    issued = certificates.issue(folder, HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.pem)
    context.set_alpn_protocols(["h2", "http/1.1"])
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.sources.add(_source(writer))
        agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        with contextlib.suppress(OSError, EOFError):
            if frames_only is not None:
                await _frames(reader, writer, seen, frames_only)
            elif agreed == "h2":
                await _http2(reader, writer, seen, reply)
            else:
                await _http1(reader, writer, seen, reply)
        writer.transport.abort()

    async def run() -> None:
        server = await asyncio.start_server(serve, sock=listening or loopback(), ssl=context)
        seen.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        # The last of what was sent may still be on its way in.
        await asyncio.sleep(0.2)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.05)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(30)
    try:
        yield seen
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


def loopback() -> socket.socket:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


async def _http1(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Site, reply: Reply
) -> None:
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        lines = [(line.partition(": ")[0], line.partition(": ")[2]) for line in head[1:-2]]
        length = int(next((value for name, value in lines if name.lower() == "content-length"), 0))
        request = Request(_source(writer), method, path, lines, await reader.readexactly(length))
        seen.requests.append(request)
        status, answer, body = reply(request)
        told = "".join(f"{name}: {value}\r\n" for name, value in answer)
        writer.write(f"HTTP/1.1 {status} x\r\n{told}content-length: {len(body)}\r\n\r\n".encode() + body)


async def _http2(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Site, reply: Reply
) -> None:
    state = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=False, header_encoding="utf-8", normalize_inbound_headers=False)
    )
    state.initiate_connection()
    writer.write(state.data_to_send())
    while data := await reader.read(1 << 16):
        for event in state.receive_data(data):
            if isinstance(event, h2.events.StreamReset):
                seen.resets += 1
            if isinstance(event, h2.events.RequestReceived):
                lines = [(str(name), str(value)) for name, value in event.headers]
                known = dict(lines)
                request = Request(_source(writer), known[":method"], known[":path"], lines)
                seen.requests.append(request)
                status, answer, body = reply(request)
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    state.send_headers(event.stream_id, [(":status", str(status)), *answer])
                    state.send_data(event.stream_id, body, end_stream=True)
        writer.write(state.data_to_send())


async def _frames(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Site, most: int) -> None:
    """Read as a parser of its own, which shares nothing with what wrote the frames."""
    await reader.readexactly(24)
    count = 0
    while not most or count < most:
        head = await reader.readexactly(9)
        seen.frames.append((head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))))
        count += 1


def _source(writer: asyncio.StreamWriter) -> str:
    return str(writer.get_extra_info("peername")[0])


def ordered(attack: str, folder: Path, port: int, changed: dict[str, object]) -> Order:
    """An order against the site on loopback, whose bots live there too."""
    defaults = ATTACKS[attack].defaults.model_dump(mode="json")
    target = Target(
        host=HOST, zone="shop.example", v4="127.0.0.1", v6="::1", https_port=port, pages=("/", "/product/1"),
        costly_pages=("/search?q={}",), form_page="/comment", large_page="/large",
    )  # fmt: skip
    return Order.model_validate(
        {
            "attack": attack,
            "parameters": {**defaults, "v6_share": 0.0, "source_count": 20, **changed},
            "target": target,
            "bots": Prefixes(v4=("127.0.9.0/25",), v6=()),
            "interface": "lo",
            "gateway_mac": "02:00:00:00:00:01",
            "begin_at": time.monotonic(),
            "seconds": 1.0,
            "seed": 1,
            "folder": folder,
        }
    )
