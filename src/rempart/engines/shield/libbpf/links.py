"""What is attached to interfaces."""

from __future__ import annotations

import ctypes as c
from typing import NamedTuple, Self

from rempart.engines.shield.libbpf.declarations import (
    ATTACH_XDP,
    LinkCreateOptions,
    LinkInfo,
    Mode,
    XdpQueryOptions,
)
from rempart.engines.shield.libbpf.library import Descriptor, check, library, read_info
from rempart.engines.shield.libbpf.programs import Program

_MODE_FLAGS = {Mode.GENERIC: 1 << 1, Mode.NATIVE: 1 << 2}
"""XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE (linux/if_link.h)."""


class Link(Descriptor):
    """A program's hold on an interface. It ends with its last descriptor, unless it is pinned."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.read()

    def read(self) -> None:
        """Look again: ``ifindex`` is 0 once the interface is gone."""
        info = LinkInfo()
        read_info(self.fd, info)
        self.id: int = info.id
        self.program_id: int = info.prog_id
        self.ifindex: int = info.ifindex

    @classmethod
    def attach(cls, program: Program, ifindex: int, mode: Mode) -> Self:
        """Raises BpfFailed; its ``errno`` tells why."""
        options = LinkCreateOptions(sz=LinkCreateOptions.rest.offset, flags=_MODE_FLAGS[mode])
        fd = library().bpf_link_create(program.fd, ifindex, ATTACH_XDP, c.byref(options))
        return cls(check(fd, f"attach to interface {ifindex} ({mode})"))

    def update(self, program: Program) -> None:
        """Another program, with no packet seen by neither."""
        check(library().bpf_link_update(self.fd, program.fd, None), "replace the program")
        self.read()

    def detach(self) -> None:
        check(library().bpf_link_detach(self.fd), "detach")


def attach_to_tracepoint(name: str, program: Program) -> Descriptor:
    """Run a program at each passing of a tracepoint, while what is returned is open."""
    fd = library().bpf_raw_tracepoint_open(name.encode(), program.fd)
    return Descriptor(check(fd, f"attach to the tracepoint {name}"))


class Attached(NamedTuple):
    """What is on an interface; program 0 is none."""

    program_id: int
    mode: Mode | None


def attached(ifindex: int) -> Attached:
    """What XDP program an interface of the current network namespace has."""
    options = XdpQueryOptions(sz=c.sizeof(XdpQueryOptions))
    check(library().bpf_xdp_query(ifindex, 0, c.byref(options)), f"ask interface {ifindex}")
    if options.drv_prog_id:
        return Attached(options.drv_prog_id, Mode.NATIVE)
    if options.skb_prog_id:
        return Attached(options.skb_prog_id, Mode.GENERIC)
    return Attached(options.prog_id, None)
