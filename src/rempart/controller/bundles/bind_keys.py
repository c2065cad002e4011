"""DNSSEC keys in BIND's form (``Kzone.+013+12345.key`` and ``.private``), which most signers import. Pure.

The private format is documented nowhere but in BIND (lib/dns/dst_parse.c, "Private-key-format: v1.3");
PowerDNS, NSD's tools and Knot's keymgr read it. Of RSA keys only the PEM goes along.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from rempart.controller.bundles.archive import File
from rempart.model.zone_keys import ALGORITHMS, ZoneKey, ZoneKeys

_OCTETS = {13: 32, 14: 48}


def bind_files(held: ZoneKeys) -> list[File]:
    """For each key its PEM file, its DNSKEY record, and BIND's private file where it has one."""
    files = []
    for key in held.keys:
        stem = f"dnssec/K{held.zone}.+{key.algorithm:03}+{key.tag:05}"
        record = f"{held.zone}. 3600 IN DNSKEY {key.public}\n"
        files.append(
            File(f"{stem}.pem", "a DNSSEC key (PKCS #8), for keymgr import-pem", key.private_pem.encode())
        )
        files.append(File(f"{stem}.key", "its public half, as BIND names it", record.encode()))
        private = _private(key)
        if private is not None:
            files.append(File(f"{stem}.private", "its private half in BIND's form", private.encode()))
    return files


def _private(key: ZoneKey) -> str | None:
    number = _number(key)
    if number is None:
        return None
    lines = [
        "Private-key-format: v1.3",
        f"Algorithm: {key.algorithm} ({ALGORITHMS[key.algorithm]})",
        f"PrivateKey: {base64.b64encode(number).decode()}",
    ]
    times = (("Created", key.times.publish), ("Publish", key.times.publish), ("Activate", key.times.ready))
    lines += [f"{name}: {datetime.fromtimestamp(at, UTC):%Y%m%d%H%M%S}" for name, at in times if at]
    return "\n".join(lines) + "\n"


def _number(key: ZoneKey) -> bytes | None:
    private = load_pem_private_key(key.private_pem.encode(), password=None)
    if isinstance(private, EllipticCurvePrivateKey):
        return private.private_numbers().private_value.to_bytes(_OCTETS[key.algorithm], "big")
    if isinstance(private, Ed25519PrivateKey | Ed448PrivateKey):
        return private.private_bytes_raw()
    return None
