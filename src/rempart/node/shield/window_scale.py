"""Which window scale this kernel gives to connections that begin with a cookie. The rim.

The SYN-ACK that the program writes must promise the same scale that the kernel computes when the ACK comes
back (``cookie_v4_check`` calls ``tcp_select_initial_window`` anew). It follows from the receive buffer's
maximum, so a connection over loopback shows it.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

_TCP_INFO_BYTES = 8
_SCALES = 6
"""struct tcp_info, linux/tcp.h: the byte of tcpi_snd_wscale (low half) and tcpi_rcv_wscale (high half)."""
SCALE_MAX = 14
"""RFC 7323, 2.3."""
RECEIVE_BUFFERS = Path("/proc/sys/net/ipv4/tcp_rmem")
RECEIVE_BUFFER_MAX = Path("/proc/sys/net/core/rmem_max")


def window_scale() -> int:
    """0 to 14, by a connection to ourselves; where loopback is down, by the kernel's own formula."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(1.0)
            with socket.create_connection(listener.getsockname(), timeout=1.0):
                accepted, _ = listener.accept()
                with accepted:
                    info = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:
        most = [int(RECEIVE_BUFFERS.read_text().split()[2])]
        with contextlib.suppress(OSError, ValueError):  # kept from namespaces but the first
            most.append(int(RECEIVE_BUFFER_MAX.read_text()))
        return computed(max(most))
    return info[_SCALES] >> 4


def computed(receive_buffer_max: int) -> int:
    """``tcp_select_initial_window``: as many shifts as bring the largest buffer below 64 KiB."""
    return min(max(receive_buffer_max.bit_length() - 1 - 15, 0), SCALE_MAX)
