"""What an uploaded certificate must be before it is stored: parsed, checked, written back in one form. Pure.

Everything that HAProxy (OpenSSL, security level 2) or a browser would refuse later is refused here with
a sentence that says what to do, so that an upload either works at the edge or changes nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from rempart.model.certificates import Certificate, CertificateSource
from rempart.model.errors import InvalidInput

CHAIN_BYTES_MAX = 64 * 1024
KEY_BYTES_MAX = 16 * 1024
CHAIN_LENGTH_MAX = 8
NAMES_MAX = 200
RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192
"""A handshake with a longer key costs the edge more than the attacker who asks for it."""

_HOST = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)


def check_upload(
    chain_pem: str, key_pem: str, *, now: datetime, source: CertificateSource = CertificateSource.UPLOADED
) -> tuple[Certificate, str]:
    """The certificate in ``chain_pem`` (leaf first) with its private key, both rewritten as plain PEM.

    ``key_pem`` is PKCS #8, PKCS #1 or SEC 1, unencrypted. Raises InvalidInput with ``field``
    ``certificate`` or ``key`` for everything that could not serve a visitor at ``now``.
    """
    chain = _chain(chain_pem)
    key = _private_key(key_pem)
    leaf = chain[0]
    _check_key_matches(leaf, key)
    _check_order(chain)
    _check_times(chain, now)
    _check_signatures_strong(chain)
    _check_purpose(leaf)
    certificate = Certificate(
        id=hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest(),
        hosts=_dns_names(leaf),
        chain_pem="".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in chain),
        source=source,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )
    return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def covers(names: Iterable[str], host: str) -> bool:
    """True when one of ``names`` serves ``host`` (RFC 6125 section 6.4.3: a ``*`` stands for one label).

    A wildcard ``host`` is covered only by the same wildcard.
    """
    _, _, parent = host.partition(".")
    wildcard = f"*.{parent}"
    return any(name == host or (not host.startswith("*.") and name == wildcard) for name in names)


def _chain(text: str) -> list[x509.Certificate]:
    if len(text.encode()) > CHAIN_BYTES_MAX:
        raise InvalidInput(f"longer than {CHAIN_BYTES_MAX} bytes", field="certificate")
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(
            "no certificate in PEM form",
            field="certificate",
            hint="it begins with -----BEGIN CERTIFICATE-----; convert DER with: openssl x509 -inform der",
        ) from error
    if len(chain) > CHAIN_LENGTH_MAX:
        raise InvalidInput(
            f"{len(chain)} certificates, at most {CHAIN_LENGTH_MAX} make sense",
            field="certificate",
            hint="give the leaf and its intermediates only",
        )
    return chain


def _private_key(text: str) -> PrivateKeyTypes:
    if len(text.encode()) > KEY_BYTES_MAX:
        raise InvalidInput(f"longer than {KEY_BYTES_MAX} bytes", field="key")
    if not text.lstrip().startswith("-----BEGIN ") and "PRIVATE KEY-----" not in text:
        raise InvalidInput(
            "no private key in PEM form", field="key", hint="it begins with -----BEGIN PRIVATE KEY-----"
        )
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise InvalidInput(
            "the private key is encrypted",
            field="key",
            hint="decrypt it with: openssl pkey -in KEY -out PLAIN",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput("the private key cannot be read", field="key") from error
    _check_key_strength(key)
    return key


def _check_key_strength(key: PrivateKeyTypes) -> None:
    if isinstance(key, RSAPrivateKey):
        if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
            raise InvalidInput(
                f"RSA of {key.key_size} bits; {RSA_BITS_MIN} to {RSA_BITS_MAX} are taken", field="key"
            )
    elif isinstance(key, EllipticCurvePrivateKey):
        if not isinstance(key.curve, (SECP256R1, SECP384R1)):
            raise InvalidInput(f"elliptic curve {key.curve.name}: browsers take P-256 and P-384", field="key")
    elif not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput("RSA, ECDSA (P-256, P-384) and Ed25519 keys are taken", field="key")


def _check_key_matches(leaf: x509.Certificate, key: PrivateKeyTypes) -> None:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        matches = leaf.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput("the certificate's public key cannot be read", field="certificate") from error
    if not matches:
        raise InvalidInput(
            "the private key does not belong to the first certificate",
            field="key",
            hint="the chain must begin with the site's own certificate",
        )


def _check_order(chain: list[x509.Certificate]) -> None:
    for position, (child, parent) in enumerate(itertools.pairwise(chain), start=1):
        try:
            child.verify_directly_issued_by(parent)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            raise InvalidInput(
                f"certificate {position + 1} of the chain did not issue certificate {position}",
                field="certificate",
                hint="the order is: leaf, its issuer, that one's issuer, …",
            ) from error


def _check_times(chain: list[x509.Certificate], now: datetime) -> None:
    for position, one in enumerate(chain, start=1):
        which = "the certificate" if position == 1 else f"certificate {position} of the chain"
        if one.not_valid_after_utc <= now:
            raise InvalidInput(f"{which} expired on {one.not_valid_after_utc:%Y-%m-%d}", field="certificate")
        if one.not_valid_before_utc > now:
            raise InvalidInput(
                f"{which} is not valid before {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
                field="certificate",
                hint="look at this machine's clock, or upload it again then",
            )


def _check_signatures_strong(chain: list[x509.Certificate]) -> None:
    for position, one in enumerate(chain, start=1):
        if one.subject == one.issuer and position > 1:
            continue  # nobody verifies a root's signature on itself
        try:
            algorithm = one.signature_hash_algorithm
        except UnsupportedAlgorithm as error:
            raise InvalidInput(
                f"certificate {position} is signed in an unknown way", field="certificate"
            ) from error
        if isinstance(algorithm, _WEAK_HASHES):
            raise InvalidInput(
                f"certificate {position} is signed with {algorithm.name}, which browsers refuse",
                field="certificate",
            )


def _check_purpose(leaf: x509.Certificate) -> None:
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    except ValueError as error:
        raise InvalidInput("the certificate's extensions cannot be read", field="certificate") from error
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(purposes):
        raise InvalidInput("the certificate is not meant for servers", field="certificate")


def _dns_names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The leaf's DNS names, lower case, without doubles, in its order. Other kinds of names do not matter."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    except ValueError as error:
        raise InvalidInput("the certificate's extensions cannot be read", field="certificate") from error
    hosts = (
        tuple(dict.fromkeys(one.lower() for one in names.get_values_for_type(x509.DNSName))) if names else ()
    )
    if not hosts:
        raise InvalidInput(
            "the certificate names no host",
            field="certificate",
            hint="the names must stand in subjectAltName; a common name alone is ignored by browsers",
        )
    if len(hosts) > NAMES_MAX:
        raise InvalidInput(f"{len(hosts)} names, at most {NAMES_MAX} are taken", field="certificate")
    for host in hosts:
        if len(host) > 253 or not _HOST.fullmatch(host):
            raise InvalidInput(f"the certificate names {host[:80]!r}, which is no host", field="certificate")
    return hosts
