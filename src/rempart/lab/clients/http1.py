"""HTTP/1.1 over one connection, one request after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import h11

from rempart.lab.clients.answers import Answer
from rempart.lab.clients.connecting import READ_LIMIT, Broken, hang_up

Headers = Sequence[tuple[str, str]]


class Http1:
    """A connection that speaks HTTP/1.1. ``usable`` tells whether another request may follow."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self._state = h11.Connection(our_role=h11.CLIENT)
        self.busy = False

    @property
    def usable(self) -> bool:
        return self._state.our_state is h11.IDLE and not self._reader.at_eof()

    async def ask(self, method: str, path: str, headers: Headers, body: bytes = b"") -> Answer:
        """Broken or OSError when no whole answer came; the connection is of no use then."""
        lines = [("Host", self._host), *headers]
        if body:
            lines.append(("Content-Length", str(len(body))))
        request = self._state.send(h11.Request(method=method, target=path, headers=lines))
        sent = self._state.send(h11.Data(data=body)) if body else b""
        self._writer.write((request or b"") + (sent or b"") + (self._state.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()
        status, parts = 0, list[bytes]()
        received: tuple[tuple[str, str], ...] = ()
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                status = event.status_code
                received = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in event.headers)
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed):
                raise Broken("closed before an answer")
        if self._state.our_state is h11.DONE and self._state.their_state is h11.DONE:
            self._state.start_next_cycle()
        return Answer(status=status, headers=received, body=b"".join(parts))

    async def _next(self) -> object:
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                self._state.receive_data(await self._reader.read(READ_LIMIT))
        except h11.RemoteProtocolError as error:
            raise Broken(str(error)) from error
        return event

    def close(self) -> None:
        hang_up(self._writer)
