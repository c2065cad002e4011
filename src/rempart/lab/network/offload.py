"""Two switches of an interface that neither netlink nor sysfs has (ethtool's ioctl)."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

_SIOCETHTOOL = 0x8946
_SET_TSO, _SET_GRO = 0x1F, 0x2C


def aggregate_arrivals(interface: str) -> None:
    """Generic receive offload on, inside the caller's namespace. With it a veth takes packets through
    NAPI."""
    _switch(interface, _SET_GRO, on=True)


def send_whole_packets(interface: str) -> None:
    """TCP segmentation offload off: packets leave as a wire would carry them. A veth whose peer sends in
    larger pieces passes NAPI by."""
    _switch(interface, _SET_TSO, on=False)


def _switch(interface: str, command: int, *, on: bool) -> None:
    value = ctypes.create_string_buffer(struct.pack("=II", command, on))
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
