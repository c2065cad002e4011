"""Loaded programs, and running them over packets."""

from __future__ import annotations

import ctypes as c
import errno
from typing import NamedTuple, Self

from rempart.engines.shield.libbpf.declarations import (
    ATTACH_XDP,
    Kind,
    LoadOptions,
    ProgramInfo,
    TestRunOptions,
)
from rempart.engines.shield.libbpf.library import Descriptor, check, library, read_info

INSTRUCTION_BYTES = 8
_LIVE_FRAMES = 1 << 1
"""BPF_F_TEST_XDP_LIVE_FRAMES."""


class Run(NamedTuple):
    """What a program did with one packet."""

    verdict: int
    packet: bytes
    nanoseconds: int
    """For each run, averaged over the repetitions."""


class Program(Descriptor):
    """A loaded program."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        info = ProgramInfo()
        read_info(fd, info)
        self.id: int = info.id
        self.name: str = info.name.decode()
        self.tag = bytes(info.tag).hex()
        """A digest of its instructions."""

    @classmethod
    def load(cls, kind: Kind, name: str, code: bytes) -> Self:
        """Have the kernel verify and take ``code``, instructions as RFC 9669 encodes them.

        Raises EnvironmentLacks, BpfFailed.
        """
        # Named as libbpf names it, so that programs of both can call each other.
        options = LoadOptions(
            sz=c.sizeof(LoadOptions), expected_attach_type=ATTACH_XDP if kind is Kind.XDP else 0
        )
        found = library().bpf_prog_load(
            kind, name.encode(), b"GPL", code, len(code) // INSTRUCTION_BYTES, c.byref(options)
        )
        return cls(check(found, f"load the program {name}"))

    @classmethod
    def by_id(cls, number: int) -> Self:
        return cls(check(library().bpf_prog_get_fd_by_id(number), f"open program {number}"))

    def run(self, packet: bytes, repeat: int = 1) -> Run:
        """Run it over a frame of at least 14 bytes, as if that came in. Maps are changed as by a real one."""
        given = c.create_string_buffer(packet, len(packet))
        out = c.create_string_buffer(len(packet) + 512)
        options = TestRunOptions(
            sz=c.sizeof(TestRunOptions),
            data_in=c.addressof(given),
            data_size_in=len(packet),
            repeat=repeat,
        )
        if repeat == 1:
            options.data_out, options.data_size_out = c.addressof(out), len(out)
        check(library().bpf_prog_test_run_opts(self.fd, c.byref(options)), "run the program")
        return Run(options.retval, out.raw[: options.data_size_out], options.duration)

    def run_on_live_frames(self, frame: bytes, count: int) -> None:
        """Run an XDP program ``count`` times on a frame of this length; what it redirects is sent.

        Since Linux 5.18. A signal ends it early.
        """
        given = c.create_string_buffer(frame, len(frame))
        options = TestRunOptions(
            sz=c.sizeof(TestRunOptions),
            data_in=c.addressof(given),
            data_size_in=len(frame),
            repeat=count,
            flags=_LIVE_FRAMES,
        )
        done = library().bpf_prog_test_run_opts(self.fd, c.byref(options))
        # Who counts what was sent knows how much that was.
        if done >= 0 or c.get_errno() != errno.EINTR:
            check(done, "send frames from a program")
