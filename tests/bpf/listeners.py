"""TCP listeners in the network namespace of the caller."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address


@contextmanager
def listening(port: int, *addresses: bytes) -> Iterator[None]:
    with ExitStack() as stack:
        for address in addresses:
            family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
            made = stack.enter_context(socket.socket(family))
            made.bind((str(ip_address(address)), port))
            made.listen()
        yield
