"""What stands for our code and settings, so that what runs from others can be told apart.

Where it stands: the supervisor compares the versions of running services and of the engines' boot files.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import rempart
from rempart.model.configuration import Configuration


@cache
def code_version() -> str:
    """Changes with any of our source files, also in a checkout that is worked on."""
    digest = hashlib.sha256()
    package = Path(rempart.__file__).parent
    for source in sorted((*package.rglob("*.py"), *package.rglob("*.bpf.o"))):
        found = source.stat()
        digest.update(f"{source.relative_to(package)} {found.st_size} {found.st_mtime_ns}\n".encode())
    return f"{rempart.__version__}+{digest.hexdigest()[:12]}"


def version_for(configuration: Configuration) -> str:
    """Our code with this configuration."""
    settings = hashlib.sha256(configuration.model_dump_json().encode()).hexdigest()
    return f"{code_version()}.{settings[:12]}"
