"""Small packet programs, compiled by the tests that need them."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from platform import machine

from rempart.engines.shield.libbpf import Object

BPF = Path(__file__).parents[3] / "bpf"
TYPES = """
typedef unsigned char u8; typedef unsigned short u16;
typedef unsigned int u32; typedef unsigned long long u64;
"""


@cache
def binary(source: str) -> bytes:
    """The object that clang makes of C; ``tables.h`` can be included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "program.c").write_text(source)
        include = [BPF]
        if not (BPF / "kernel.h").exists():
            (path / "kernel.h").write_text(TYPES)
            include.insert(0, path)
        subprocess.run(
            [
                "clang",
                *("-target", "bpf", "-O2", "-g", "-Wall"),
                *(f"-I{one}" for one in include),
                f"-idirafter/usr/include/{machine()}-linux-gnu",
                *("-c", "program.c", "-o", "program.o"),
            ],
            cwd=path,
            check=True,
        )
        return (path / "program.o").read_bytes()


def compiled(source: str, name: str) -> Object:
    return Object(binary(source), name)
