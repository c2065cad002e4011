"""Files written whole or not at all, readable by their owner and whom their folder is shared with.

HAProxy reads them as its own user. Where that is another one than the node's, its group may look into the
boot folder (mode 2750, by the supervisor), and then into whatever is made in it. The rim: the file system.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DEFAULT_NAME = "unknown-name.invalid"


def write_atomically(path: Path, text: str, *, durable: bool = True) -> bool:
    """Make ``path`` hold ``text``; False when it did already. Mode 640 in a shared folder, else 600.

    Not ``durable``: the caller writes many files and calls os.sync once, which is far cheaper.
    """
    try:
        if path.read_text() == text:
            return False
    except FileNotFoundError:
        pass
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if _is_shared(path.parent):
            os.fchmod(descriptor, 0o640)
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    beside.replace(path)
    return True


def private_folder(path: Path) -> None:
    """Make sure that there is a folder ``path``; a new one is for its owner only."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def folder_like_its_parent(path: Path) -> None:
    """Make ``path`` a folder that is shared with those that its parent is shared with."""
    path.mkdir(mode=0o700, exist_ok=True)
    wanted = 0o2750 if _is_shared(path.parent) else 0o700
    if stat.S_IMODE(path.stat().st_mode) != wanted:
        path.chmod(wanted)


def _is_shared(folder: Path) -> bool:
    shared = stat.S_ISGID | stat.S_IRGRP | stat.S_IXGRP
    return folder.stat().st_mode & shared == shared


def self_signed_certificate() -> str:
    """A certificate and its key for names that no site has: the visitor learns that nobody lives here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _DEFAULT_NAME)])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_DEFAULT_NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode() + private.decode()
