"""Signatures as people bring them: a file of 64 octets, or Base64 in a file or as text."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import UploadFile

from rempart.model.cases import Arbiter
from rempart.model.errors import InvalidInput

SIGNATURE_BYTES = 64
FILE_MAX = 4_096


def signature_of(text: str, file: UploadFile | None) -> str:
    """The signature in Base64. InvalidInput when there is none, or it cannot be one."""
    content = file.file.read(FILE_MAX) if file is not None else b""
    raw = content if len(content) == SIGNATURE_BYTES else _decoded(content or text.encode())
    if len(raw) != SIGNATURE_BYTES:
        raise InvalidInput(
            f"a signature has {SIGNATURE_BYTES} octets", field="signature", hint="as a file, or in Base64"
        )
    return base64.b64encode(raw).decode()


def is_signed_by(arbiter: Arbiter, signature: str, content: bytes) -> bool:
    """Whether ``signature`` (Base64) is the arbiter's under exactly ``content``."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(arbiter.key))
    try:
        key.verify(base64.b64decode(signature), content)
    except InvalidSignature:
        return False
    return True


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return b""
