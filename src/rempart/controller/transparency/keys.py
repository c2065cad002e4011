"""Signing keys in files: made once, mode 600, never replaced."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from rempart.governance.log.note import KeyKind, SigningKey, parse_signing_key
from rempart.model.errors import EnvironmentLacks, InvalidInput


def key_in(path: Path, kind: KeyKind, name: str | None) -> SigningKey | None:
    """The key in a file; None when there is none. ``name``: what it must be called, if that is known.

    EnvironmentLacks when the file holds something else, or can be read by others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        if os.fstat(descriptor).st_mode & 0o077:
            raise _unusable(path, "others can read it", hint=f"chmod 600 {path}, if nobody has")
        try:
            key = parse_signing_key(file.read(4096))
        except (InvalidInput, UnicodeDecodeError, OSError) as error:
            raise _unusable(path, str(error)) from error
    if key.kind is not kind:
        raise _unusable(path, f"it is a key of type {key.kind.value}, not {kind.value}")
    if name is not None and key.name != name:
        raise EnvironmentLacks(
            str(path),
            f"{path} is the key of {key.name}, not of {name}",
            hint=f"a name stays for ever: go on as {key.name}, or begin anew in another folder",
        )
    return key


def make_key(path: Path, kind: KeyKind, name: str) -> SigningKey:
    """Make a new key where there is none; one that another process has made meanwhile is taken."""
    key = SigningKey(name, kind, secrets.token_bytes(32))
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(key.text + "\n")
                file.flush()
                os.fsync(descriptor)
            # A link, not a rename: it never takes the place of a key that is there.
            os.link(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        there = key_in(path, kind, name)
        if there is not None:
            return there
        raise _unusable(path, "it is there and is not") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    return key


def _unusable(path: Path, reason: str, *, hint: str | None = None) -> EnvironmentLacks:
    return EnvironmentLacks(
        str(path),
        f"the signing key {path} cannot be used: {reason}",
        hint=hint or "put it back from a copy: nobody believes another key",
    )
