"""Uploaded certificates: what is taken, and in which words the rest is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rempart.controller.certificates import check_upload, covers
from rempart.model.certificates import CertificateSource
from rempart.model.errors import InvalidInput

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
Key = CertificateIssuerPrivateKeyTypes


def p256() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Key, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def certificate(
    key: Key,
    *,
    names: tuple[str, ...] = ("www.example.org",),
    subject: str = "leaf",
    issuer: tuple[str, Key] | None = None,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + 30 * DAY,
    purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
) -> str:
    issuer_name, issuer_key = issuer or (subject, key)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    if names:
        san = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(san, critical=False)
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer_key, algorithm).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    "make_key",
    [
        p256,
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
)
def test_kinds_of_keys_that_are_taken(make_key: Callable[[], Key]) -> None:
    key = make_key()
    taken, key_pem = check_upload(certificate(key), pem(key), now=NOW)
    assert taken.hosts == ("www.example.org",)
    assert taken.source is CertificateSource.UPLOADED
    assert taken.not_after == NOW + 30 * DAY
    assert len(taken.id) == 64
    assert key_pem == pem(key)


def test_old_key_form_and_text_around_it_are_rewritten() -> None:
    key = p256()
    chain = "Bag Attributes\n  friendlyName: x\n" + certificate(key) + "trailing words\n"
    taken, key_pem = check_upload(chain, pem(key, PrivateFormat.TraditionalOpenSSL), now=NOW)
    assert key_pem.startswith("-----BEGIN PRIVATE KEY-----")
    assert taken.chain_pem.startswith("-----BEGIN CERTIFICATE-----")
    assert "words" not in taken.chain_pem


def test_names_are_lower_case_and_once() -> None:
    key = p256()
    taken, _ = check_upload(
        certificate(key, names=("WWW.Example.org", "www.example.org", "*.example.org")), pem(key), now=NOW
    )
    assert taken.hosts == ("www.example.org", "*.example.org")


def test_chain_in_order_is_kept_whole() -> None:
    root, middle, leaf = p256(), p256(), p256()
    chain = certificate(leaf, issuer=("middle", middle)) + certificate(
        middle, subject="middle", issuer=("root", root), names=(), purpose=None
    )
    taken, _ = check_upload(chain, pem(leaf), now=NOW)
    assert taken.chain_pem.count("BEGIN CERTIFICATE") == 2


KEY = p256()
OTHER = p256()
SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is here to be refused
CURVE = ec.generate_private_key(ec.SECP256K1())
DSA = dsa.generate_private_key(2048)
GOOD = certificate(KEY)
ENCRYPTED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()


@pytest.mark.parametrize(
    ("chain", "key", "field", "words"),
    [
        ("", pem(KEY), "certificate", "PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pem(KEY), "certificate", "PEM"),
        ("x" * 70_000, pem(KEY), "certificate", "longer"),
        (GOOD * 9, pem(KEY), "certificate", "at most 8"),
        (GOOD, "", "key", "PEM"),
        (GOOD, GOOD, "key", "cannot be read"),
        (GOOD, "k" * 20_000, "key", "longer"),
        (GOOD, ENCRYPTED, "key", "encrypted"),
        (GOOD, pem(OTHER), "key", "does not belong"),
        (GOOD + certificate(OTHER, subject="stranger"), pem(KEY), "certificate", "did not issue"),
        (certificate(SMALL), pem(SMALL), "key", "1024 bits"),
        (certificate(CURVE), pem(CURVE), "key", "secp256k1"),
        (certificate(DSA), pem(DSA), "key", "Ed25519"),
        (certificate(KEY, ends=NOW - timedelta(seconds=1)), pem(KEY), "certificate", "expired"),
        (certificate(KEY, begins=NOW + DAY), pem(KEY), "certificate", "not valid before"),
        (certificate(KEY, names=()), pem(KEY), "certificate", "names no host"),
        (certificate(KEY, names=("a b",)), pem(KEY), "certificate", "no host"),
        (certificate(KEY, names=("../../etc",)), pem(KEY), "certificate", "no host"),
        (
            certificate(KEY, names=tuple(f"h{n}.example.org" for n in range(201))),
            pem(KEY),
            "certificate",
            "201 names",
        ),
        (
            certificate(KEY, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
            pem(KEY),
            "certificate",
            "not meant for servers",
        ),
    ],
)
def test_refused(chain: str, key: str, field: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_upload(chain, key, now=NOW)
    assert refusal.value.field == field
    assert words in str(refusal.value)
    assert "PRIVATE KEY-----\nM" not in str(refusal.value)


def test_expired_issuer_in_the_chain_is_named() -> None:
    middle = p256()
    chain = certificate(KEY, issuer=("middle", middle)) + certificate(
        middle, subject="middle", ends=NOW - timedelta(hours=1)
    )
    with pytest.raises(InvalidInput, match="certificate 2 of the chain expired"):
        check_upload(chain, pem(KEY), now=NOW)


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (("www.example.org",), "www.example.org", True),
        (("www.example.org",), "example.org", False),
        (("*.example.org",), "www.example.org", True),
        (("*.example.org",), "example.org", False),
        (("*.example.org",), "a.b.example.org", False),
        (("*.example.org",), "*.example.org", True),
        (("*.org",), "*.example.org", False),
        (("*.example.org",), "*.b.example.org", False),
        ((), "example.org", False),
    ],
)
def test_covers(names: tuple[str, ...], host: str, *, expected: bool) -> None:
    assert covers(names, host) is expected
