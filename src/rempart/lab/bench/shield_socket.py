"""Frames by a packet socket: ``sendmmsg`` with PACKET_QDISC_BYPASS (packet(7)), a batch with each call.

Over a veth such a frame arrives as a packet (skb) that exists already, not as a network card's driver has it.
"""

from __future__ import annotations

import ctypes
import socket

from rempart.lab.attacks.packets import Frames

_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_libc = ctypes.CDLL(None, use_errno=True)


class PacketSocket:
    """Sends rows of an array of equally long frames by one interface."""

    def __init__(self, interface: str, frames: Frames) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        self._socket.bind((interface, 0))
        count, length = frames.shape
        self._frames, self._vectors, self._headers = frames, (_Vector * count)(), (_Header * count)()
        for row in range(count):
            self._vectors[row].base = frames.ctypes.data + row * frames.strides[0]
            self._vectors[row].length = length
            self._headers[row].vectors = ctypes.addressof(self._vectors[row])
            self._headers[row].vector_count = 1

    def send(self, first: int, count: int) -> int:
        """Send ``count`` frames from the ``first`` on; how many were taken."""
        taken = 0
        while taken < count:
            at = ctypes.byref(self._headers, (first + taken) * ctypes.sizeof(_Header))
            done = _libc.sendmmsg(self._socket.fileno(), at, count - taken, 0)
            if done <= 0:
                break
            taken += done
        return taken

    def close(self) -> None:
        self._socket.close()


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Header(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p), ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("sent", ctypes.c_uint32),
    ]  # fmt: skip
