"""The local authority: what it issues is verified by OpenSSL, and survives a restart."""

from __future__ import annotations

import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from rempart.controller.local_ca import LocalCa, needs_renewal, root_certificate
from rempart.model.certificates import CertificateSource
from rempart.model.configuration import StatePaths
from rempart.model.errors import EnvironmentLacks

NOW = datetime.now(UTC).replace(microsecond=0)


def verified_by_openssl(tmp_path: Path, root_pem: str, leaf_pem: str, host: str) -> bool:
    (tmp_path / "root.pem").write_text(root_pem)
    (tmp_path / "leaf.pem").write_text(leaf_pem)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host]
    ended = subprocess.run(
        [*command, "-CAfile", tmp_path / "root.pem", tmp_path / "leaf.pem"], capture_output=True, text=True
    )
    return ended.returncode == 0


@pytest.mark.parametrize("host", ["www.example.org", "*.example.org", "a" * 60 + "." + "b" * 60 + ".example"])
def test_openssl_verifies_what_is_issued(tmp_path: Path, host: str) -> None:
    authority = LocalCa.open(tmp_path / "ca", NOW)
    certificate, key_pem = authority.issue((host,), NOW)
    visited = host.replace("*", "www")
    assert certificate.hosts == (host,)
    assert certificate.source is CertificateSource.LOCAL_CA
    assert "PRIVATE KEY" in key_pem
    assert verified_by_openssl(tmp_path, authority.root_pem, certificate.chain_pem, visited)
    assert not verified_by_openssl(tmp_path, authority.root_pem, certificate.chain_pem, "other.example.net")


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    mine, other = LocalCa.open(tmp_path / "a", NOW), LocalCa.open(tmp_path / "b", NOW)
    certificate, _ = other.issue(("example.org",), NOW)
    assert not verified_by_openssl(tmp_path, mine.root_pem, certificate.chain_pem, "example.org")


def test_times_of_a_leaf(tmp_path: Path) -> None:
    certificate, _ = LocalCa.open(tmp_path / "ca", NOW).issue(("example.org",), NOW)
    assert certificate.not_before < NOW
    assert certificate.not_after == NOW + timedelta(days=90)


def test_it_is_the_same_after_a_restart_and_its_key_is_private(tmp_path: Path) -> None:
    first, again = LocalCa.open(tmp_path / "ca", NOW), LocalCa.open(tmp_path / "ca", NOW + timedelta(days=1))
    assert first.fingerprint == again.fingerprint
    assert stat.S_IMODE((tmp_path / "ca" / "root.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700


def test_root_cannot_make_further_authorities(tmp_path: Path) -> None:
    root = x509.load_pem_x509_certificate(LocalCa.open(tmp_path / "ca", NOW).root_pem.encode())
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_readable_copy(tmp_path: Path) -> None:
    paths = StatePaths(root=tmp_path)
    authority = LocalCa.open(paths.controller / "ca", NOW)
    where = authority.publish_root(paths)
    assert where == root_certificate(paths)
    assert where.read_text() == authority.root_pem
    assert stat.S_IMODE(where.stat().st_mode) == 0o644


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_readable_copy_is_written_where_only_root_makes_files(tmp_path: Path) -> None:
    """As the controller finds it: the folder is root's, the file was made for its user."""
    paths = StatePaths(root=tmp_path / "state")
    authority = LocalCa.open(tmp_path / "ca", NOW)
    paths.root.mkdir(mode=0o755)
    root_certificate(paths).touch(0o644)
    os.chown(root_certificate(paths), 65534, 65534)
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    os.seteuid(65534)
    try:
        authority.publish_root(paths)
    finally:
        os.seteuid(0)
    assert root_certificate(paths).read_text() == authority.root_pem
    assert root_certificate(paths).stat().st_uid == 65534

    root_certificate(paths).unlink()
    os.seteuid(65534)
    try:
        with pytest.raises(EnvironmentLacks, match="rempart up"):
            authority.publish_root(paths)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("damage", ["remove", "garbage", "foreign"])
def test_damaged_key_is_said_and_nothing_replaced(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "ca"
    LocalCa.open(folder, NOW)
    before = (folder / "root.pem").read_bytes()
    key = folder / "root.key"
    if damage == "remove":
        key.unlink()
    elif damage == "garbage":
        key.write_text("garbage")
    else:
        LocalCa.open(tmp_path / "other", NOW)
        key.write_bytes((tmp_path / "other" / "root.key").read_bytes())
    with pytest.raises(EnvironmentLacks):
        LocalCa.open(folder, NOW)
    assert (folder / "root.pem").read_bytes() == before


@pytest.mark.parametrize(("day", "expected"), [(0, False), (59, False), (60, True), (89, True), (100, True)])
def test_renewal_begins_at_a_third(day: int, *, expected: bool) -> None:
    begins = NOW
    assert needs_renewal(begins, begins + timedelta(days=90), begins + timedelta(days=day)) is expected
