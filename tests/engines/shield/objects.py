"""Small packet programs, compiled by the tests that need them."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from platform import machine

from rempart.engines.shield.libbpf import Object

BPF = Path(__file__).parents[3] / "bpf"


@cache
def binary(source: str, *changes: tuple[str, str]) -> bytes:
    """The object that clang makes of C. It can include what is in ``bpf/``, with ``changes`` to its text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for header in (*BPF.glob("*.h"), *BPF.glob("*.c")):
            text = header.read_text()
            for before, after in changes:
                text = text.replace(before, after)
            (path / header.name).write_text(text)
        (path / "program.c").write_text(source)
        subprocess.run(
            [
                "clang",
                *("-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall"),
                f"-idirafter/usr/include/{machine()}-linux-gnu",
                *("-c", "program.c", "-o", "program.o"),
            ],
            cwd=path,
            check=True,
        )
        return (path / "program.o").read_bytes()


SHIELD = '#include "shield.bpf.c"\n'


def compiled(source: str, name: str) -> Object:
    return Object(binary(source), name)
