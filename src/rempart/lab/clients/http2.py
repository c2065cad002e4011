"""HTTP/2 over one connection, many requests at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from rempart.lab.clients.answers import Answer
from rempart.lab.clients.connecting import READ_LIMIT, Broken, hang_up
from rempart.lab.clients.http1 import Headers

WINDOW = 6 << 20
"""What a browser lets a server send before it says that it has read (Chrome's value for a stream)."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What a client's HTTP/2 shows besides headers, by which some tell programs from browsers."""

    opening: bytes = b""
    """Preface, settings and window as they are to go out; empty: as the library writes them."""
    settings: tuple[tuple[int, int], ...] = ((4, WINDOW), (2, 0))
    """(identifier, value): INITIAL_WINDOW_SIZE and ENABLE_PUSH. An ``opening`` says the same."""
    window: int = 2 * WINDOW
    """By how much the connection's window is opened at once."""
    pseudo: tuple[str, ...] = (":method", ":scheme", ":authority", ":path")
    """In which order."""
    priority: bool = False
    """Requests come with the weight that Chrome gives to a page."""


PLAIN = Manner()


@dataclass(slots=True)
class _Stream:
    done: asyncio.Future[Answer]
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    parts: list[bytes] = field(default_factory=list)


class Http2:
    """A connection that speaks HTTP/2."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, manner: Manner = PLAIN
    ) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self._manner = manner
        self._state = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True, header_encoding="utf-8", validate_inbound_headers=False
            )
        )
        self._streams: dict[int, _Stream] = {}
        self._gone = False
        self._state.initiate_connection()
        self._state.update_settings(
            {h2.settings.SettingCodes(name): value for name, value in manner.settings}
        )
        self._state.increment_flow_control_window(manner.window)
        if manner.opening:
            # The library has taken note; what it would have said is said in other words.
            self._state.data_to_send()
            self._writer.write(manner.opening)
        self._flush()
        self._listening = asyncio.create_task(self._listen())

    @property
    def usable(self) -> bool:
        return not self._gone and not self._reader.at_eof()

    async def ask(self, method: str, path: str, headers: Headers, body: bytes = b"") -> Answer:
        """Broken or OSError when no whole answer came."""
        if self._gone:
            raise Broken("the connection is gone")
        pseudo = {":method": method, ":scheme": "https", ":authority": self._host, ":path": path}
        lines = [(name, pseudo[name]) for name in self._manner.pseudo]
        lines += [(name.lower(), value) for name, value in headers]
        if body:
            lines.append(("content-length", str(len(body))))
        number = self._state.get_next_available_stream_id()
        stream = self._streams[number] = _Stream(done=asyncio.get_running_loop().create_future())
        try:
            if self._manner.priority:
                self._state.send_headers(
                    number,
                    lines,
                    not body,
                    priority_weight=256,
                    priority_depends_on=0,
                    priority_exclusive=True,
                )
            else:
                self._state.send_headers(number, lines, end_stream=not body)
            if body:
                self._state.send_data(number, body, end_stream=True)
        except h2.exceptions.ProtocolError as error:
            del self._streams[number]
            raise Broken(str(error)) from error
        self._flush()
        try:
            return await stream.done
        finally:
            self._streams.pop(number, None)

    async def _listen(self) -> None:
        failure: Exception = Broken("closed before an answer")
        try:
            while data := await self._reader.read(READ_LIMIT):
                for event in self._state.receive_data(data):
                    self._take(event)
                self._flush()
        except h2.exceptions.ProtocolError as error:
            failure = Broken(str(error))
        except OSError as error:
            failure = error
        finally:
            self._gone = True
            for stream in self._streams.values():
                if not stream.done.done():
                    stream.done.set_exception(failure)

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self._gone = True
            return
        number = getattr(event, "stream_id", None)
        stream = self._streams.get(number) if number else None
        if isinstance(event, h2.events.DataReceived):
            self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            lines = tuple((str(name), str(value)) for name, value in event.headers)
            stream.status = int(next(value for name, value in lines if name == ":status"))
            stream.headers = lines
        elif isinstance(event, h2.events.DataReceived):
            stream.parts.append(event.data)
        elif isinstance(event, h2.events.StreamReset) and not stream.done.done():
            stream.done.set_exception(Broken(f"stream reset: {event.error_code}"))
        elif isinstance(event, h2.events.StreamEnded) and not stream.done.done():
            stream.done.set_result(Answer(stream.status, stream.headers, b"".join(stream.parts)))

    def _flush(self) -> None:
        waiting = self._state.data_to_send()
        if waiting:
            self._writer.write(waiting)

    def close(self) -> None:
        self._listening.cancel()
        hang_up(self._writer)
