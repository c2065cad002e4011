"""Certificates of a run: one authority of its own, one certificate for the site, gone with the run's
folder."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rempart.controller.local_ca import key_usage
from rempart.model.base import Value

_DAYS = 2


class SiteCertificate(Value):
    """Where the files are."""

    pem: Path
    """Chain, then key: ECDSA P-256, as most of the Web has it."""
    authority: Path


def issue(folder: Path, *hosts: str) -> SiteCertificate:
    """Make an authority and a certificate for these hosts in a folder. Mode 600: contenders start as root."""
    began = datetime.datetime.now(tz=datetime.UTC) - datetime.timedelta(hours=1)
    authority_key, site_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        _named("Rempart lab", began).issuer_name(_name("Rempart lab")).public_key(authority_key.public_key())
    )
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = authority.add_extension(identifier, critical=False).add_extension(
        key_usage(signs_certificates=True), critical=True
    )
    site = _named(hosts[0], began).issuer_name(_name("Rempart lab")).public_key(site_key.public_key())
    site = site.add_extension(
        x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
    )
    site = site.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    )
    chain = site.sign(authority_key, hashes.SHA256()).public_bytes(Encoding.PEM)
    key = site_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    done = SiteCertificate(pem=folder / "site.pem", authority=folder / "authority.pem")
    done.authority.write_bytes(authority.sign(authority_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    done.pem.touch(mode=0o600)
    done.pem.write_bytes(chain + key)
    return done


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _named(subject: str, began: datetime.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + datetime.timedelta(days=_DAYS))
    )
