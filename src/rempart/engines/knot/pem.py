"""Private keys as Knot writes them (GnuTLS), in the form that everybody reads. Pure.

GnuTLS puts a zero octet before the private value of an elliptic curve when its first bit is set, as if it
were an INTEGER; RFC 5915 section 3 wants exactly as many octets as the curve's order has, and OpenSSL insists
on it.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    derive_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CURVES: dict[int, type[EllipticCurve]] = {13: SECP256R1, 14: SECP384R1}
"""By DNSSEC algorithm."""
_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30


def readable_pem(text: str, algorithm: int) -> str:
    """The key as plain PKCS #8; as it is for algorithms without an elliptic curve of that kind.

    ValueError when it is no PKCS #8 key.
    """
    curve = CURVES.get(algorithm)
    if curve is None:
        return text
    lines = [line.strip() for line in text.strip().splitlines()]
    if (
        len(lines) < 3
        or lines[0] != "-----BEGIN PRIVATE KEY-----"
        or lines[-1] != "-----END PRIVATE KEY-----"
    ):
        raise ValueError("no PKCS #8 key in PEM form")
    try:
        der = base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        raise ValueError("no Base64") from None
    # RFC 5208 section 5: version, algorithm, and the octets of RFC 5915's version and private value.
    _, _, private = _parts(_only(der, _SEQUENCE), _INTEGER, _SEQUENCE, _OCTETS)
    _, value = _parts(_only(private, _SEQUENCE), _INTEGER, _OCTETS)
    key = derive_private_key(int.from_bytes(value, "big"), curve())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _only(der: bytes, tag: int) -> bytes:
    (content,) = _parts(der, tag)
    return content


def _parts(der: bytes, *tags: int) -> tuple[bytes, ...]:
    """The contents of the first elements (X.690 section 8.1), which have these tags."""
    found = []
    for tag in tags:
        if len(der) < 2 or der[0] != tag:
            raise ValueError("not the structure of a private key")
        length, start = der[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[2:start], "big")
        content = der[start : start + length]
        if len(content) != length:
            raise ValueError("the key is cut off")
        found.append(content)
        der = der[start + length :]
    return tuple(found)
