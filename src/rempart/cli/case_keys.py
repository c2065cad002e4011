"""Arbiters' keys, on the arbiter's own machine: Ed25519 in PEM, as openssl writes them."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from rempart.model.errors import InvalidInput


def make_key(path: Path) -> Ed25519PrivateKey:
    """A new key in a new file that only its owner may read. InvalidInput when there is such a file."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be made: {error.strerror}", field="FILE") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return key


def private_key(path: Path) -> Ed25519PrivateKey:
    """The key in a file. InvalidInput when it holds none."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="--key") from error
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{path} holds no private key without a passphrase (PEM)",
            field="--key",
            hint="sign elsewhere: rempart case sign --write FILE, then rempart case submit FILE",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(
            f"{path} holds no Ed25519 key", field="--key", hint="rempart case arbiter key FILE"
        )
    return key


def public_text(key: Ed25519PublicKey) -> str:
    """The key as arbiters' keys are written: 32 octets in Base64."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def public_key(text: str) -> str:
    """The key in Base64, given so or as the name of a PEM file (its private half serves as well)."""
    try:
        if len(base64.b64decode(text, validate=True)) == 32:
            return text
    except (binascii.Error, ValueError):
        pass
    path = Path(text)
    try:
        pem = path.read_bytes()
        if b"PRIVATE" in pem:
            return public_text(private_key(path).public_key())
        key = load_pem_public_key(pem)
    except OSError as error:
        raise InvalidInput(f"{text} is neither a key in Base64 nor a file", field="--key") from error
    except ValueError as error:
        raise InvalidInput(f"{text} holds no public key (PEM)", field="--key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput(f"{text} holds no Ed25519 key", field="--key")
    return public_text(key)


def sign(key: Ed25519PrivateKey, content: bytes) -> str:
    return base64.b64encode(key.sign(content)).decode()
