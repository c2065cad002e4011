"""Secrets at rest: private keys and TSIG secrets are stored only sealed (AES-256-GCM, NIST SP 800-38D).

The key lies in a file of its own beside the store (mode 600), so that a copy of the database alone, as
backups often are, gives nothing away. What is sealed is bound to its place (the associated data): a sealed
text moved to another row does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rempart.model.errors import EnvironmentLacks

_NONCE_BYTES = 12
_KEY_BYTES = 32
_PREFIX = "sealed:"


class Seal:
    """Seals and opens with one key."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._marking = hmac.new(key, b"rempart marks v1", hashlib.sha256).digest()

    @classmethod
    def from_file(cls, path: Path) -> Seal:
        """The seal whose key is in ``path``; a missing file is made with a fresh key.

        Raises EnvironmentLacks when the file cannot be read or holds no key.
        """
        try:
            return cls(_read(path))
        except FileNotFoundError:
            _create(path)
        return cls(_read(path))

    def close(self, text: str, place: str) -> str:
        """``text`` sealed for ``place``."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._aead.encrypt(nonce, text.encode(), place.encode())
        return _PREFIX + base64.b64encode(sealed).decode()

    def open(self, sealed: str, place: str) -> str:
        """What was sealed for ``place``. Raises EnvironmentLacks when this key did not seal it."""
        try:
            raw = base64.b64decode(sealed.removeprefix(_PREFIX), validate=True)
            return self._aead.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise EnvironmentLacks(
                "secrets key",
                f"{place}: not sealed with the key in use",
                hint="restore controller/secrets.key from the same backup as the store",
            ) from error

    def close_bytes(self, content: bytes, place: str) -> bytes:
        """As ``close``, for files."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, content, place.encode())

    def open_bytes(self, sealed: bytes, place: str) -> bytes:
        """As ``open``, for files."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise _other_key(place) from error

    def mark(self, text: str, place: str) -> str:
        """Tells equal texts from others without telling what they are: a keyed hash (HMAC-SHA-256, RFC 2104),
        in hexadecimal. Marks of different places never match."""
        return hmac.new(self._marking, f"{place}\n{text}".encode(), hashlib.sha256).hexdigest()


def _other_key(place: str) -> EnvironmentLacks:
    return EnvironmentLacks(
        "secrets key",
        f"{place}: not sealed with the key in use",
        hint="restore controller/secrets.key from the same backup as the store",
    )


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise EnvironmentLacks("secrets key", f"{path}: {error.strerror}") from error
    if len(key) != _KEY_BYTES:
        raise EnvironmentLacks("secrets key", f"{path}: {len(key)} bytes instead of {_KEY_BYTES}")
    return key


def _create(path: Path) -> None:
    """Write a fresh key; whoever is first wins, and nobody ever reads half of one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            return
    finally:
        fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
