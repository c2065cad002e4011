"""Compiled files of programs and maps: opened, changed, loaded."""

from __future__ import annotations

import ctypes as c
import errno
import os
import re
import weakref
from typing import Self

from rempart.engines.shield.libbpf.declarations import OpenOptions
from rempart.engines.shield.libbpf.library import check, library, said
from rempart.engines.shield.libbpf.maps import Map, Shape
from rempart.engines.shield.libbpf.programs import Program
from rempart.engines.shield.refusals import BrokenObject, VerifierRefused, kernel_too_old, no_privileges

LOG_SIZE = 1 << 20
_NO_HELPER = re.compile(r"(?:unknown func|invalid func|cannot use helper) ([a-z0-9_#]+)")
"""The verifier's words, of older and newer kernels."""


class MapDefinition:
    """A map of an object that is not loaded yet."""

    def __init__(self, pointer: int) -> None:
        lib = library()
        self._pointer = pointer
        self.name: str = lib.bpf_map__name(pointer).decode()
        self.internal: bool = lib.bpf_map__is_internal(pointer)
        self.shape = Shape(
            lib.bpf_map__type(pointer),
            lib.bpf_map__key_size(pointer),
            lib.bpf_map__value_size(pointer),
            lib.bpf_map__max_entries(pointer),
            lib.bpf_map__map_flags(pointer),
        )
        self.btf_ids = (lib.bpf_map__btf_key_type_id(pointer), lib.bpf_map__btf_value_type_id(pointer))
        inner = lib.bpf_map__inner_map(pointer)
        self.inner: MapDefinition | None = MapDefinition(inner) if inner else None

    def reuse(self, existing: Map) -> None:
        """When the object is loaded it uses ``existing``."""
        check(library().bpf_map__reuse_fd(self._pointer, existing.fd), f"reuse map {self.name}")

    def open(self) -> Map:
        """The map, once the object is loaded; it stays when the object is closed."""
        return Map(os.dup(check(library().bpf_map__fd(self._pointer), f"open map {self.name}")))

    def initial_value(self) -> c.Array[c.c_char]:
        """Memory of an internal map (``.rodata``) before loading, to be written to."""
        size = c.c_size_t()
        pointer = library().bpf_map__initial_value(self._pointer, c.byref(size))
        if not pointer:
            raise BrokenObject(f"its section {self.name} has no value", ())
        return (c.c_char * size.value).from_address(pointer)


class Object:
    """A compiled file of programs and maps, opened, then loaded. Close it; what was opened from it stays."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises EnvironmentLacks without libbpf, BrokenObject when ``data`` is not such a file."""
        self.name = name
        self._log = c.create_string_buffer(LOG_SIZE)
        options = OpenOptions(
            sz=c.sizeof(OpenOptions),
            object_name=name.encode(),
            kernel_log_buf=c.addressof(self._log),
            kernel_log_size=len(self._log),
        )
        said.clear()
        pointer = library().bpf_object__open_mem(data, len(data), c.byref(options))
        if not pointer:
            raise BrokenObject("libbpf cannot read it", tuple(said))
        self._pointer: int = pointer
        self._data = data
        self._closing = weakref.finalize(self, library().bpf_object__close, pointer)
        self.maps: dict[str, MapDefinition] = {}
        # The kernel is told of pins by us alone.
        found = library().bpf_object__next_map(pointer, None)
        while found:
            definition = MapDefinition(found)
            self.maps[definition.name] = definition
            if not definition.internal:
                library().bpf_map__set_pin_path(found, None)
            found = library().bpf_object__next_map(pointer, found)

    def close(self) -> None:
        self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def btf(self) -> bytes:
        """Its type information, raw."""
        size = c.c_uint32()
        types = library().bpf_object__btf(self._pointer)
        raw = library().btf__raw_data(types, c.byref(size)) if types else None
        if not raw:
            raise BrokenObject("no type information (BTF) in it: compile with -g", ())
        return c.string_at(raw, size.value)

    def load(self) -> None:
        """Make maps and programs in the kernel.

        Raises EnvironmentLacks without privileges or with a kernel too old, VerifierRefused, BpfFailed.
        """
        said.clear()
        if library().bpf_object__load(self._pointer) < 0:
            number, log = c.get_errno(), self._log.value.decode(errors="replace")
            if number == errno.EPERM and os.geteuid() != 0:
                raise no_privileges(f"load {self.name}")
            missing = self._missing(log)
            if missing:
                raise kernel_too_old(missing)
            if number in (errno.EPERM, errno.EACCES) and not log:
                raise no_privileges(f"load {self.name}")
            raise VerifierRefused(self.name, number, log, tuple(said))

    def program(self, name: str) -> Program:
        """A loaded program. Raises BrokenObject when the object has none of this name."""
        pointer = library().bpf_object__find_program_by_name(self._pointer, name.encode())
        if not pointer:
            raise BrokenObject(f"no program {name} in it", ())
        return Program(os.dup(check(library().bpf_program__fd(pointer), f"open program {name}")))

    def _missing(self, log: str) -> tuple[str, ...]:
        """What the object uses and this kernel has not: helpers as the verifier names them, types of maps."""
        types = {one.shape.type for one in self.maps.values()}
        absent = [one for one in sorted(types) if library().libbpf_probe_bpf_map_type(one, None) == 0]
        return (
            *(f"helper {name}" for name in _NO_HELPER.findall(log)),
            *(f"map type {one}" for one in absent),
        )
