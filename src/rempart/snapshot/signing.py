"""Signatures on deltas (Ed25519, RFC 8032): a node takes changes only from the controller it knows."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import ValidationError

from rempart.model.errors import InvalidInput
from rempart.snapshot.feed import DELTA_BYTES_MAX
from rempart.snapshot.items import SCHEMA_VERSION, Delta, SignedDelta


def new_key_pair() -> tuple[bytes, bytes]:
    """A fresh (private, public) pair as PEM, PKCS #8 and SubjectPublicKeyInfo."""
    private = Ed25519PrivateKey.generate()
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def private_key(pem: bytes) -> Ed25519PrivateKey:
    """The private key in ``pem``; InvalidInput when it is no Ed25519 key."""
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput("not an Ed25519 private key", field="feed key")
    return key


def public_key(pem: bytes) -> Ed25519PublicKey:
    """The public key in ``pem``; InvalidInput when it is no Ed25519 key."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput("not an Ed25519 public key", field="feed key")
    return key


def sign(delta: Delta, key: Ed25519PrivateKey) -> SignedDelta:
    """The delta as it travels."""
    payload = delta.model_dump_json()
    return SignedDelta(payload=payload, signature=base64.b64encode(key.sign(payload.encode())).decode())


def verify(signed: SignedDelta, key: Ed25519PublicKey) -> Delta:
    """The delta inside, once size, signature, schema and version have been checked, in this order.

    Raises InvalidInput naming which of them failed; nothing is read before the signature holds.
    """
    payload = signed.payload.encode()
    if len(payload) > DELTA_BYTES_MAX:
        raise InvalidInput(f"{len(payload)} bytes, more than {DELTA_BYTES_MAX}", field="delta size")
    try:
        key.verify(base64.b64decode(signed.signature, validate=True), payload)
    except (InvalidSignature, binascii.Error) as error:
        raise InvalidInput("not signed by this node's controller", field="delta signature") from error
    try:
        delta = Delta.model_validate_json(payload)
    except ValidationError as error:
        # Where and what, but never the input itself: it may be a private key, and this goes into a log.
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{where}: {first['msg']}", field="delta schema") from None
    if delta.schema_version != SCHEMA_VERSION:
        raise InvalidInput(
            f"version {delta.schema_version}, this node knows {SCHEMA_VERSION}",
            field="delta version",
            hint="update the older of node and controller",
        )
    return delta
