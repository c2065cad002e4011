"""Somebody who has nothing to do with the flood: ``python -m rempart.lab.bench.shield_bystander ADDRESS
PORT SECONDS``.

Pings (ICMP, each with a number of its own) and fetches a page over HTTP, each over a connection of its own,
from where the flood comes from. It begins when told to, by a line. One line of JSON says how many were
asked and answered in time."""

from __future__ import annotations

import http.client
import socket
import struct
import sys
import threading
import time
from contextlib import suppress

from rempart.model.base import Value

PING_EVERY_S, FETCH_EVERY_S = 0.02, 0.1
PATIENCE_S = 1.0
"""After which an answer no longer counts."""


class Stood(Value):
    """How a bystander fared."""

    pings: int
    pings_answered: int
    fetches: int
    fetches_answered: int


class _Pings:
    """Echo requests and their answers (RFC 792)."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.settimeout(PATIENCE_S)
        self._number = struct.pack("!H", 0x5B5B)
        self.asked = self.answered = 0

    def once(self) -> None:
        self.asked += 1
        sequence = struct.pack("!H", self.asked & 0xFFFF)
        message = b"\x08\0\0\0" + self._number + sequence + bytes(56)
        words = sum(struct.unpack(f"!{len(message) // 2}H", message))
        words = (words & 0xFFFF) + (words >> 16)
        checksum = ~(words + (words >> 16)) & 0xFFFF
        self._socket.sendto(message[:2] + struct.pack("!H", checksum) + message[4:], (self._address, 0))
        deadline = time.monotonic() + PATIENCE_S
        with suppress(TimeoutError):
            while time.monotonic() < deadline:
                packet = self._socket.recv(256)
                # IP's 20 octets, then an echo reply: type 0.
                if packet[20] == 0 and packet[24:28] == self._number + sequence:
                    self.answered += 1
                    return


class _Fetches:
    """Pages over connections of their own."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self.asked = self.answered = 0

    def once(self) -> None:
        self.asked += 1
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(self._address, self._port, timeout=PATIENCE_S)
            try:
                connection.request("GET", "/")
                self.answered += connection.getresponse().status == 200
            finally:
                connection.close()


def _again(one: _Pings | _Fetches, every_s: float, until: float) -> None:
    while (began := time.monotonic()) < until:
        one.once()
        time.sleep(max(0.0, began + every_s - time.monotonic()))


def stand(address: str, port: int, seconds: float) -> Stood:
    pings, fetches = _Pings(address), _Fetches(address, port)
    until = time.monotonic() + seconds
    beside = threading.Thread(target=_again, args=(fetches, FETCH_EVERY_S, until))
    beside.start()
    _again(pings, PING_EVERY_S, until)
    beside.join()
    return Stood(
        pings=pings.asked,
        pings_answered=pings.answered,
        fetches=fetches.asked,
        fetches_answered=fetches.answered,
    )


if __name__ == "__main__":
    # Everything is there; the word to begin is a line.
    sys.stdin.readline()
    sys.stdout.write(stand(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])).model_dump_json() + "\n")
