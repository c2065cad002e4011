"""One connection to the site, from a given source address, over TLS or in the clear. The rim."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

from rempart.lab.attacks.contract import Target

READ_LIMIT = 1 << 18
_IP_BIND_ADDRESS_NO_PORT = 24


class Broken(ConnectionError):
    """The connection ended before the answer did, or what came was no HTTP."""


def tls(authority: Path, *protocols: str) -> ssl.SSLContext:
    """How a visitor speaks TLS: checks the certificate, offers these protocols (ALPN)."""
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols(list(protocols))
    return context


def careless_tls(*protocols: str) -> ssl.SSLContext:
    """How a bot speaks TLS: any certificate will do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    return context


async def connect(
    source: str, target: Target, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection from ``source`` to the site; in the clear without a context. OSError when there is
    none."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        # The port is chosen when the far end is known, so that one address can have many connections.
        plain.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        plain.bind((source, 0))
        to = target.v6 if family == socket.AF_INET6 else target.v4
        port = target.https_port if context else target.http_port
        await asyncio.get_running_loop().sock_connect(plain, (to, port))
        return await asyncio.open_connection(
            sock=plain, ssl=context, server_hostname=target.host if context else None, limit=READ_LIMIT
        )
    except BaseException:
        plain.close()
        raise


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close at once and forget; a client that leaves does not wait for the goodbye."""
    with contextlib.suppress(Exception):
        writer.transport.abort()
