"""DS records from a running Knot, compared with what Knot itself publishes for the parent."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator

import dns.message
import dns.query
import pytest

from rempart.controller.delegation import delegation, loopback_of
from rempart.lab.leftovers import short_folder
from rempart.lab.processes import free_port, running, wait_for_port
from rempart.model.configuration import DnsSection

CONFIG = """\
server:
    listen: 127.0.0.1@{port}
    rundir: {folder}
database:
    storage: {folder}
template:
  - id: default
    storage: {folder}
policy:
  - id: signed
    algorithm: ecdsap256sha256
    cds-cdnskey-publish: always
zone:
  - domain: signed.example
    dnssec-signing: on
    dnssec-policy: signed
  - domain: plain.example
"""
ZONE = "@ 60 SOA ns hostmaster 1 60 60 60 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n"


@pytest.fixture(scope="module")
def name_server() -> Iterator[DnsSection]:
    knotd = shutil.which("knotd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if knotd is None:
        pytest.skip("knotd is not installed")
    folder = short_folder()
    port = free_port()
    (folder / "knot.conf").write_text(CONFIG.format(port=port, folder=folder))
    for zone in ("signed.example", "plain.example"):
        (folder / f"{zone}.zone").write_text(ZONE)
    try:
        with running([knotd, "-c", str(folder / "knot.conf")], log=folder / "log"):
            wait_for_port("127.0.0.1", port)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                if cds("signed.example", port):
                    break
                time.sleep(0.1)
            yield DnsSection(listen=("127.0.0.1",), port=port)
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def cds(zone: str, port: int) -> list[str]:
    answer = dns.query.udp(dns.message.make_query(zone, "CDS"), "127.0.0.1", port=port, timeout=5)
    return sorted(rdata.to_text() for rrset in answer.answer for rdata in rrset)


def test_it_is_what_knot_tells_the_parent(name_server: DnsSection) -> None:
    found = asyncio.run(delegation("signed.example", name_server))
    assert list(found.ds) == cds("signed.example", name_server.port)
    assert len(found.ds) == 1
    assert found.problem == ""


def test_zone_without_keys(name_server: DnsSection) -> None:
    found = asyncio.run(delegation("plain.example", name_server))
    assert found.ds == ()
    assert "no keys" in found.problem


def test_zone_that_is_not_ours(name_server: DnsSection) -> None:
    assert "REFUSED" in asyncio.run(delegation("other.example", name_server)).problem


def test_no_name_server() -> None:
    found = asyncio.run(delegation("a.example", DnsSection(listen=("127.0.0.1",), port=free_port())))
    assert "does not answer" in found.problem


def test_where_an_unspecified_address_is_reached() -> None:
    assert [loopback_of(one) for one in ("0.0.0.0", "::", "192.0.2.1")] == ["127.0.0.1", "::1", "192.0.2.1"]
