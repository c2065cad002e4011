"""The file of the gate's keys: made once, then replaced when a new key begins to sign. The rim: a file.

The node writes it, the gate's process reads it: its folder belongs to the gate's group and gives that group
to what is made in it, so mode 640 opens it to the two of them and to nobody else.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic import ValidationError

from rempart.model.gate import GateKey, GateKeys


def fresh_key(now: int) -> GateKey:
    return GateKey(kid=secrets.token_hex(4), secret=secrets.token_hex(32), created=now)


def read_keys(path: Path) -> GateKeys | None:
    """The keys; None when there are none that can be read (then new ones are made: clearances end)."""
    try:
        return GateKeys.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def read_or_make_keys(path: Path, now: int) -> GateKeys:
    keys = read_keys(path)
    if keys is None:
        keys = GateKeys(keys=(fresh_key(now),))
    elif keys.receipts:
        return keys
    keys = keys.model_copy(update={"receipts": secrets.token_hex(32)})
    write_keys(path, keys)
    return keys


def write_keys(path: Path, keys: GateKeys) -> None:
    """Replace the file; whoever reads sees the old or the new one."""
    path.parent.mkdir(mode=0o750, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o640)
        file.write(keys.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
