"""A zone leaves one Rempart with its exit kit and is brought up by another: signed with the same key."""

from __future__ import annotations

import stat
import subprocess
import zipfile
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import httpx
import pytest

from rempart.lab.certificates import issue
from rempart.lab.instance import Instance
from tests.e2e.clients import address_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ZONE = "example.org"
SHOP = f"shop.{ZONE}"


def asked(instance: Instance, name: str, type_: str) -> list[str]:
    query = dns.message.make_query(name, type_, want_dnssec=True)
    answer = dns.query.tcp(query, instance.ports.address, port=instance.ports.dns, timeout=5)
    wanted = dns.rdatatype.from_text(type_)
    return sorted(one.to_text() for rrset in answer.answer if rrset.rdtype == wanted for one in rrset)


def ds_of(instance: Instance) -> list[str]:
    found: list[str] = instance.json("zone", "dnssec", ZONE, "show")["ds"]
    return found


def test_a_signed_site_moves_to_another_operator(tmp_path: Path, origin: str) -> None:
    kit = tmp_path / "kit.zip"
    certificate = issue(tmp_path, SHOP)
    pem = certificate.pem.read_text()
    cut = pem.index("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "chain.pem").write_text(pem[:cut])
    (tmp_path / "key.pem").write_text(pem[cut:])
    with Instance() as first, Instance() as second:
        first.start(seconds=60)
        second.start(seconds=60)
        first.cli("certificate", "add", str(tmp_path / "chain.pem"), str(tmp_path / "key.pem"))
        first.cli("site", "add", SHOP, "--origin", origin, "--requests-per-client", "0")
        first.cli("record", "add", ZONE, "mail", "A", "192.0.2.25", "--ttl", "3600")
        first.cli("record", "add", ZONE, "@", "MX", "mail.example.org", "--priority", "10")
        first.cli("zone", "dnssec", ZONE, "on")
        ds = ds_of(first)
        assert len(ds) == 1

        made = first.json("zone", "export", ZONE, "--format", "bundle", "-o", str(kit))
        assert made["warnings"] == []
        assert stat.S_IMODE(kit.stat().st_mode) == 0o600
        with zipfile.ZipFile(kit) as archive:
            names = archive.namelist()
            readme = archive.read("README.txt").decode()
        assert {"dnssec/keys.json", "sites.json", f"zone/{ZONE}.zone"} <= set(names)
        assert f"DS  {ds[0]}" in readme
        # A file that is there is not written over.
        again = first.cli("zone", "export", ZONE, "--format", "bundle", "-o", str(kit), check=False)
        assert again.returncode == 1

        brought = second.json("import", "bundle", str(kit))
        assert brought["zone_created"]
        assert brought["ds"] == ds
        assert brought["reach"]["live"]
        assert ds_of(second) == ds
        assert asked(second, ZONE, "DNSKEY") == asked(first, ZONE, "DNSKEY")
        assert asked(second, ZONE, "MX") == ["10 mail.example.org."]
        assert asked(second, ZONE, "RRSIG") != []
        # The edge of the new operator answers, with the certificate that the owner brought.
        assert address_of(second.ports, SHOP) == [second.ports.address]
        fetched = subprocess.run(
            [
                "curl", "--silent", "--show-error", "--fail", "--max-time", "20",
                "--cacert", str(certificate.authority),
                "--resolve", f"{SHOP}:{second.ports.https}:{second.ports.address}",
                f"https://{SHOP}:{second.ports.https}/",
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert fetched.returncode == 0, fetched.stderr
        # Again changes nothing; another zone of that name is not touched.
        assert not second.json("import", "bundle", str(kit))["changed"]
        second.cli("record", "add", ZONE, "new", "A", "192.0.2.26")
        refused = second.cli("import", "bundle", str(kit), check=False)
        assert refused.returncode == 1
        assert "is here already" in refused.stderr
        # The owner's own way, without the operator.
        token = first.json("token", "create", "leaving", "--permission", "bundle:read")["token"]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{first.ports.api}/client/v4",
            headers={"authorization": f"Bearer {token}"},
        ) as client:
            (zone,) = client.get("/zones", params={"name": ZONE}).json()["result"]
            answer = client.get(f"/zones/{zone['id']}/bundle")
        assert answer.headers["content-type"] == "application/zip"
        own = tmp_path / "own.zip"
        own.write_bytes(answer.content)
        with zipfile.ZipFile(own) as archive, zipfile.ZipFile(kit) as before:
            for name in ("records.json", "sites.json", "zone.json", "dnssec/keys.json"):
                assert archive.read(name) == before.read(name)
