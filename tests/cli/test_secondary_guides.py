"""What is printed for secondaries must be taken by the servers it is meant for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rempart.cli.secondary_guides import Primary, bind, guides, knot, nsd

PRIMARY = Primary(
    addresses=("192.0.2.1", "2001:db8::1"),
    port=5353,
    catalog="catalog.rempart",
    zones=("example.org", "example.net"),
    tsig_name="secondary-1.rempart",
    tsig_algorithm="hmac-sha256",
    tsig_secret="c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ==",
)


def needs(command: str) -> str:
    found = shutil.which(command) or shutil.which(command, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{command} is not installed")
    return found


def accepted(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_knot_takes_it(tmp_path: Path) -> None:
    file = tmp_path / "knot.conf"
    file.write_text(knot(PRIMARY))
    accepted(needs("knotc"), "-c", str(file), "conf-check")


def test_bind_takes_it(tmp_path: Path) -> None:
    file = tmp_path / "named.conf"
    file.write_text(bind(PRIMARY))
    accepted(needs("named-checkconf"), str(file))


def test_nsd_takes_it(tmp_path: Path) -> None:
    file = tmp_path / "nsd.conf"
    file.write_text(nsd(PRIMARY))
    accepted(needs("nsd-checkconf"), str(file))


def test_all_of_them_carry_the_key() -> None:
    texts = guides(PRIMARY)
    assert len(texts) == 3
    assert all(PRIMARY.tsig_secret in text for text in texts.values())
