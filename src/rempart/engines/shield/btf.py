"""BPF Type Format: what the compiler says about structures, enumerations and maps. Pure.

Documentation/bpf/btf.rst of Linux. Read to hold our layouts equal to the program's, and to tell whether a map
that is pinned has what a new program expects in it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

_MAGIC = 0xEB9F
_INT, _POINTER, _ARRAY, _STRUCT, _UNION, _ENUM = 1, 2, 3, 4, 5, 6
_TYPEDEF, _VOLATILE, _CONST, _RESTRICT = 8, 9, 10, 11
_FUNC_PROTO, _VAR, _DATASEC, _FLOAT, _DECL_TAG, _TYPE_TAG, _ENUM64 = 13, 14, 15, 16, 17, 18, 19
_THROUGH = (_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG)


class Field(NamedTuple):
    """A member of a structure; ``offset`` in bytes."""

    name: str
    type: int
    offset: int


class _Type(NamedTuple):
    kind: int
    name: str
    size_or_type: int
    fields: tuple[Field, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    element: int = 0
    length: int = 0


class Types:
    """The types of one object, by number."""

    def __init__(self, raw: bytes) -> None:
        """Raises ValueError when ``raw`` is not BTF."""
        try:
            magic, _, _, header, types_at, types_length, names_at, names_length = struct.unpack_from(
                "=HBBIIIII", raw
            )
            if magic != _MAGIC:
                raise ValueError("not BTF of this byte order")
            self._names = raw[header + names_at : header + names_at + names_length]
            self._types = [_Type(0, "void", 0)]
            at, end = header + types_at, header + types_at + types_length
            while at < end:
                at = self._read(raw, at)
        except struct.error as error:
            raise ValueError(f"BTF is cut off: {error}") from None

    def _name(self, at: int) -> str:
        return self._names[at : self._names.index(b"\0", at)].decode()

    def _read(self, raw: bytes, at: int) -> int:
        name, info, size = struct.unpack_from("=III", raw, at)
        at += 12
        kind, many, flag = info >> 24 & 31, info & 0xFFFF, info >> 31
        fields: list[Field] = []
        values: list[tuple[str, int]] = []
        element = count = 0
        if kind == _ARRAY:
            element, _, count = struct.unpack_from("=III", raw, at)
            at += 12
        elif kind in (_STRUCT, _UNION):
            for index in range(many):
                label, type_, bits = struct.unpack_from("=III", raw, at + 12 * index)
                fields.append(Field(self._name(label), type_, (bits & 0xFFFFFF if flag else bits) // 8))
            at += 12 * many
        elif kind == _ENUM:
            for index in range(many):
                label, value = struct.unpack_from("=Ii" if flag else "=II", raw, at + 8 * index)
                values.append((self._name(label), value))
            at += 8 * many
        else:
            at += {_INT: 4, _VAR: 4, _DECL_TAG: 4}.get(kind, 0)
            if kind == _DATASEC:
                for index in range(many):
                    type_, offset, _ = struct.unpack_from("=III", raw, at + 12 * index)
                    fields.append(Field("", type_, offset))
            at += many * {_FUNC_PROTO: 8, _DATASEC: 12, _ENUM64: 12}.get(kind, 0)
        self._types.append(_Type(kind, self._name(name), size, tuple(fields), tuple(values), element, count))
        return at

    def _resolved(self, number: int) -> _Type:
        found = self._types[number]
        while found.kind in _THROUGH:
            found = self._types[found.size_or_type]
        return found

    def size(self, number: int) -> int:
        """In bytes."""
        found = self._resolved(number)
        if found.kind == _ARRAY:
            return found.length * self.size(found.element)
        return 8 if found.kind == _POINTER else found.size_or_type

    def structures(self) -> Mapping[str, tuple[int, tuple[Field, ...]]]:
        """Named structures: size and members."""
        return {
            one.name: (one.size_or_type, one.fields)
            for one in self._types
            if one.kind == _STRUCT and one.name
        }

    def variables(self, section: str) -> Mapping[str, tuple[int, int]]:
        """Global variables of a section such as ``.rodata``: offset and size in bytes."""
        found = {}
        for one in self._types:
            if one.kind == _DATASEC and one.name == section:
                for field in one.fields:
                    variable = self._types[field.type]
                    found[variable.name] = (field.offset, self.size(variable.size_or_type))
        return found

    def enumerations(self) -> Mapping[str, Mapping[str, int]]:
        """Named enumerations."""
        return {one.name: dict(one.values) for one in self._types if one.kind == _ENUM and one.name}

    def description(self, number: int) -> str:
        """The type written out, structures down to their numbers: equal text means equal memory."""
        found = self._resolved(number)
        if found.kind == _ARRAY:
            return f"{self.description(found.element)}[{found.length}]"
        if found.kind in (_STRUCT, _UNION):
            inside = ", ".join(
                f"{one.offset} {one.name} {self.description(one.type)}" for one in found.fields
            )
            return f"{{{inside}}}:{found.size_or_type}"
        return f"{found.kind}:{self.size(number)}"
