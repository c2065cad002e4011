"""The development certificate authority: a certificate for every site from the first second on.

No browser trusts it until its root is imported, which is right for a laboratory and a first look; sites
with a certificate of their own (uploaded) never get one of these. The root's key stays in the
controller's folder (mode 600); a copy of its certificate lies in the state folder for everybody to read.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rempart.controller.certificates import check_upload
from rempart.model.certificates import Certificate, CertificateSource
from rempart.model.configuration import StatePaths
from rempart.model.errors import EnvironmentLacks

ROOT_LIFE = timedelta(days=3652)
LEAF_LIFE = timedelta(days=90)
BACKDATE = timedelta(hours=1)
"""Visitors' clocks go wrong by minutes, rarely by more."""
COMMON_NAME_MAX = 64
"""RFC 5280 appendix A.1, ub-common-name."""


def root_certificate(paths: StatePaths) -> Path:
    """The readable copy of the root's certificate (PEM)."""
    return paths.root_certificate


def needs_renewal(not_before: datetime, not_after: datetime, now: datetime) -> bool:
    """True once no more than a third of the certificate's life is left."""
    return now >= not_after - (not_after - not_before) / 3


class LocalCa:
    """A root and its key, able to issue."""

    def __init__(self, root: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
        self._root = root
        self._key = key

    @classmethod
    def open(cls, folder: Path, now: datetime) -> LocalCa:
        """The authority in ``folder``, made when there is none; EnvironmentLacks when unreadable."""
        key_file, root_file = folder / "root.key", folder / "root.pem"
        if not root_file.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            root, key = _new_root(now)
            # The certificate last: where it stands, its key stands as well.
            _write(
                key_file,
                key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
                mode=0o600,
            )
            _write(root_file, root.public_bytes(Encoding.PEM), mode=0o644)
            return cls(root, key)
        try:
            root = x509.load_pem_x509_certificate(root_file.read_bytes())
            loaded = load_pem_private_key(key_file.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise EnvironmentLacks(
                str(folder),
                f"the local certificate authority cannot be read: {error}",
                hint=f"put its files back, or remove {folder} and let a new one be made",
            ) from error
        if not isinstance(loaded, EllipticCurvePrivateKey) or loaded.public_key() != root.public_key():
            raise EnvironmentLacks(
                str(key_file), "the key does not belong to the local certificate authority's root"
            )
        return cls(root, loaded)

    @property
    def root_pem(self) -> str:
        return self._root.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the root's DER, as browsers show it."""
        return self._root.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def not_after(self) -> datetime:
        return self._root.not_valid_after_utc

    def publish_root(self, paths: StatePaths) -> Path:
        """Write the readable copy; returns where. Leaves an equal one alone."""
        copy = root_certificate(paths)
        if not copy.exists() or copy.read_text("ascii") != self.root_pem:
            content = self.root_pem.encode()
            try:
                _write(copy, content, mode=0o644)
            except PermissionError:
                _overwrite(copy, content)  # the folder is root's, the file was made for us
        return copy

    def issue(self, hosts: tuple[str, ...], now: datetime) -> tuple[Certificate, str]:
        """A certificate for ``hosts`` (at least one) and its private key (PEM), valid from an hour ago."""
        key = generate_private_key(SECP256R1())
        first = hosts[0]
        common_name = (
            [x509.NameAttribute(NameOID.COMMON_NAME, first)] if len(first) <= COMMON_NAME_MAX else []
        )
        not_before = max(now - BACKDATE, self._root.not_valid_before_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(common_name))
            .issuer_name(self._root.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(min(now + LEAF_LIFE, self._root.not_valid_after_utc))
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]),
                critical=not common_name,  # RFC 5280 section 4.2.1.6: critical when the subject is empty
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        leaf = builder.sign(self._key, hashes.SHA256())
        return check_upload(
            leaf.public_bytes(Encoding.PEM).decode("ascii"),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"),
            now=now,
            source=CertificateSource.LOCAL_CA,
        )


def _new_root(now: datetime) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    key = generate_private_key(SECP256R1())
    # The date tells two roots of two installations apart in a browser's list.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rempart"),
            x509.NameAttribute(
                NameOID.COMMON_NAME, f"Rempart local CA {now.astimezone(UTC):%Y-%m-%d} {os.urandom(3).hex()}"
            ),
        ]
    )
    root = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return root, key


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """What a key is for: an authority's signs certificates and revocations, a server's signs handshakes (RFC
    5280 section 4.2.1.3)."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Write atomically; the mode holds from the first byte on."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        _write_all(file, content)
    temporary.replace(path)


def _write_all(file: BinaryIO, content: bytes) -> None:
    """Unlike ``os.write``, which may stop half-way and only says so."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def _overwrite(path: Path, content: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
        with os.fdopen(handle, "wb") as file:
            _write_all(file, content)
    except OSError as error:
        raise EnvironmentLacks(
            str(path), f"{path} cannot be written: {error.strerror}", hint="rempart up makes it writable"
        ) from error
