"""The library itself, and what all of its objects share: descriptors, errors, pins."""

from __future__ import annotations

import ctypes as c
import errno
import os
import weakref
from functools import cache
from pathlib import Path
from typing import Self

from rempart.engines.shield.libbpf.declarations import PRINT, SIGNATURES, SONAME
from rempart.engines.shield.refusals import BpfFailed, library_missing, no_privileges

said: list[str] = []
"""What libbpf would have printed since the last call of ours that asks it to load."""


@cache
def library() -> c.CDLL:
    """libbpf with the types of its functions. Raises EnvironmentLacks when it is not installed."""
    try:
        found = c.CDLL(SONAME, use_errno=True)
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise library_missing(str(error)) from None
    found.libbpf_set_print(_listener)
    return found


def _listen(level: int, form: bytes, arguments: int) -> int:
    # A va_list is handed over as a pointer on every architecture that Debian's bpf target runs on.
    text = c.create_string_buffer(2_000)
    c.CDLL(None).vsnprintf(text, c.c_size_t(len(text)), c.c_char_p(form), c.c_void_p(arguments))
    if level <= 1:  # warnings, information; not debugging
        said.append(text.value.decode(errors="replace").strip())
        del said[:-50]
    return 0


_listener = PRINT(_listen)


def failure(what: str, number: int | None = None) -> Exception:
    number = number or c.get_errno()
    if number in (errno.EPERM, errno.EACCES):
        return no_privileges(what)
    return BpfFailed(what, number)


def check(result: int, what: str) -> int:
    if result < 0:
        raise failure(what)
    return result


class Descriptor:
    """A descriptor of the kernel's, closed when it is no longer referred to, or earlier by ``close``."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._closing = weakref.finalize(self, os.close, fd)

    @classmethod
    def pinned(cls, path: Path) -> Self:
        """What has this name on the bpf file system. Raises FileNotFoundError too."""
        fd: int = library().bpf_obj_get(os.fsencode(path))
        if fd < 0 and c.get_errno() == errno.ENOENT:
            raise FileNotFoundError(path)
        return cls(check(fd, f"open {path}"))

    def close(self) -> None:
        self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pin(self, path: Path) -> None:
        """Give it a name on the bpf file system, under which it outlives this process."""
        check(library().bpf_obj_pin(self.fd, os.fsencode(path)), f"pin {path}")


def read_info(fd: int, structure: c.Structure) -> None:
    size = c.c_uint32(c.sizeof(structure))
    check(library().bpf_obj_get_info_by_fd(fd, c.byref(structure), c.byref(size)), "read an object's info")


@cache
def possible_cpus() -> int:
    """How many values an entry of a per-CPU map has."""
    return check(library().libbpf_num_possible_cpus(), "count the CPUs")
