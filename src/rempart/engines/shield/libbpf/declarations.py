"""What libbpf and the kernel declare: enumerations, structures and the types of functions.

As in libbpf 1.1 (Debian 12) and Linux's ``uapi/linux/bpf.h``; option structures carry their own size, so that
newer libraries understand them too.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any

SONAME = "libbpf.so.1"
ATTACH_XDP = 37
"""enum bpf_attach_type."""


class MapType(IntEnum):
    """enum bpf_map_type, what the shield uses of it."""

    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    LPM_TRIE = 11
    ARRAY_OF_MAPS = 12
    RINGBUF = 27

    @property
    def per_cpu(self) -> bool:
        return self in (MapType.PERCPU_HASH, MapType.PERCPU_ARRAY)


NO_PREALLOCATION, MMAPABLE = 1, 1 << 10
"""Flags of a map: BPF_F_NO_PREALLOC, which a trie must have, and BPF_F_MMAPABLE."""


class Kind(IntEnum):
    """enum bpf_prog_type, what is loaded without an object."""

    XDP = 6
    RAW_TRACEPOINT = 17


class Mode(StrEnum):
    """How a program is attached: in the driver, or behind it with a copy of every packet."""

    NATIVE = "native"
    GENERIC = "generic"


class OpenOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("object_name", c.c_char_p),
        ("relaxed_maps", c.c_bool),
        ("pin_root_path", c.c_char_p),
        ("unused", c.c_uint32),
        ("kconfig", c.c_char_p),
        ("btf_custom_path", c.c_char_p),
        ("kernel_log_buf", c.c_void_p),
        ("kernel_log_size", c.c_size_t),
        ("kernel_log_level", c.c_uint32),
    ]


class LoadOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("attempts", c.c_int),
        ("expected_attach_type", c.c_uint32),
    ]


class TestRunOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("data_in", c.c_void_p),
        ("data_out", c.c_void_p),
        ("data_size_in", c.c_uint32),
        ("data_size_out", c.c_uint32),
        ("ctx_in", c.c_void_p),
        ("ctx_out", c.c_void_p),
        ("ctx_size_in", c.c_uint32),
        ("ctx_size_out", c.c_uint32),
        ("retval", c.c_uint32),
        ("repeat", c.c_int),
        ("duration", c.c_uint32),
        ("flags", c.c_uint32),
        ("cpu", c.c_uint32),
        ("batch_size", c.c_uint32),
    ]


class MapCreateOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("btf_fd", c.c_uint32),
        ("btf_key_type_id", c.c_uint32),
        ("btf_value_type_id", c.c_uint32),
        ("btf_vmlinux_value_type_id", c.c_uint32),
        ("inner_map_fd", c.c_uint32),
        ("map_flags", c.c_uint32),
        ("map_extra", c.c_uint64),
        ("numa_node", c.c_uint32),
        ("map_ifindex", c.c_uint32),
    ]


class LinkCreateOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("flags", c.c_uint32),
        ("iter_info", c.c_void_p),
        ("iter_info_len", c.c_uint32),
        ("target_btf_id", c.c_uint32),
        ("rest", c.c_uint64 * 4),
    ]


class XdpQueryOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("prog_id", c.c_uint32),
        ("drv_prog_id", c.c_uint32),
        ("hw_prog_id", c.c_uint32),
        ("skb_prog_id", c.c_uint32),
        ("attach_mode", c.c_uint8),
    ]


class MapInfo(c.Structure):
    _fields_ = [
        ("type", c.c_uint32),
        ("id", c.c_uint32),
        ("key_size", c.c_uint32),
        ("value_size", c.c_uint32),
        ("max_entries", c.c_uint32),
        ("map_flags", c.c_uint32),
        ("name", c.c_char * 16),
        ("ifindex", c.c_uint32),
        ("btf_vmlinux_value_type_id", c.c_uint32),
        ("netns_dev", c.c_uint64),
        ("netns_ino", c.c_uint64),
        ("btf_id", c.c_uint32),
        ("btf_key_type_id", c.c_uint32),
        ("btf_value_type_id", c.c_uint32),
        ("pad", c.c_uint32),
        ("map_extra", c.c_uint64),
    ]


class ProgramInfo(c.Structure):
    _fields_ = [
        ("type", c.c_uint32),
        ("id", c.c_uint32),
        ("tag", c.c_uint8 * 8),
        ("jited_prog_len", c.c_uint32),
        ("xlated_prog_len", c.c_uint32),
        ("jited_prog_insns", c.c_uint64),
        ("xlated_prog_insns", c.c_uint64),
        ("load_time", c.c_uint64),
        ("created_by_uid", c.c_uint32),
        ("nr_map_ids", c.c_uint32),
        ("map_ids", c.c_uint64),
        ("name", c.c_char * 16),
    ]


class LinkInfo(c.Structure):
    _fields_ = [
        ("type", c.c_uint32),
        ("id", c.c_uint32),
        ("prog_id", c.c_uint32),
        ("pad", c.c_uint32),
        ("ifindex", c.c_uint32),
        ("rest", c.c_uint8 * 60),
    ]


PRINT = c.CFUNCTYPE(c.c_int, c.c_int, c.c_char_p, c.c_void_p)

SIGNATURES: Mapping[str, tuple[Any, tuple[Any, ...]]] = {
    "libbpf_set_print": (c.c_void_p, (PRINT,)),
    "libbpf_num_possible_cpus": (c.c_int, ()),
    "libbpf_probe_bpf_map_type": (c.c_int, (c.c_int, c.c_void_p)),
    "bpf_object__open_mem": (c.c_void_p, (c.c_char_p, c.c_size_t, c.c_void_p)),
    "bpf_object__load": (c.c_int, (c.c_void_p,)),
    "bpf_object__close": (None, (c.c_void_p,)),
    "bpf_object__next_map": (c.c_void_p, (c.c_void_p, c.c_void_p)),
    "bpf_object__find_program_by_name": (c.c_void_p, (c.c_void_p, c.c_char_p)),
    "bpf_object__btf": (c.c_void_p, (c.c_void_p,)),
    "btf__raw_data": (c.c_void_p, (c.c_void_p, c.POINTER(c.c_uint32))),
    "bpf_map__name": (c.c_char_p, (c.c_void_p,)),
    "bpf_map__fd": (c.c_int, (c.c_void_p,)),
    "bpf_map__reuse_fd": (c.c_int, (c.c_void_p, c.c_int)),
    "bpf_map__is_internal": (c.c_bool, (c.c_void_p,)),
    "bpf_map__set_pin_path": (c.c_int, (c.c_void_p, c.c_char_p)),
    "bpf_map__initial_value": (c.c_void_p, (c.c_void_p, c.POINTER(c.c_size_t))),
    "bpf_map__type": (c.c_int, (c.c_void_p,)),
    "bpf_map__key_size": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__value_size": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__max_entries": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__map_flags": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__btf_key_type_id": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__btf_value_type_id": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__inner_map": (c.c_void_p, (c.c_void_p,)),
    "bpf_program__fd": (c.c_int, (c.c_void_p,)),
    "bpf_map_create": (c.c_int, (c.c_int, c.c_char_p, c.c_uint32, c.c_uint32, c.c_uint32, c.c_void_p)),
    "bpf_map_lookup_elem": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p)),
    "bpf_map_update_elem": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p, c.c_uint64)),
    "bpf_map_delete_elem": (c.c_int, (c.c_int, c.c_void_p)),
    "bpf_map_get_next_key": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p)),
    "bpf_map_update_batch": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p)),
    "bpf_map_delete_batch": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p, c.c_void_p)),
    "bpf_map_lookup_batch": (
        c.c_int,
        (c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p),
    ),
    "bpf_map_get_fd_by_id": (c.c_int, (c.c_uint32,)),
    "bpf_prog_get_fd_by_id": (c.c_int, (c.c_uint32,)),
    "bpf_obj_pin": (c.c_int, (c.c_int, c.c_char_p)),
    "bpf_obj_get": (c.c_int, (c.c_char_p,)),
    "bpf_obj_get_info_by_fd": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p)),
    "bpf_link_create": (c.c_int, (c.c_int, c.c_int, c.c_int, c.c_void_p)),
    "bpf_link_update": (c.c_int, (c.c_int, c.c_int, c.c_void_p)),
    "bpf_link_detach": (c.c_int, (c.c_int,)),
    "bpf_xdp_query": (c.c_int, (c.c_int, c.c_int, c.c_void_p)),
    "bpf_prog_load": (
        c.c_int,
        (c.c_int, c.c_char_p, c.c_char_p, c.c_char_p, c.c_size_t, c.c_void_p),
    ),
    "bpf_raw_tracepoint_open": (c.c_int, (c.c_char_p, c.c_int)),
    "bpf_prog_test_run_opts": (c.c_int, (c.c_int, c.c_void_p)),
}
