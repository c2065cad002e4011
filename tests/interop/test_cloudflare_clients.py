"""Cloudflare's own clients, unmodified, as PyPI has them, against a whole Rempart."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rempart.lab.instance import Instance
from rempart.lab.processes import free_port, running, wait_for_port
from tests.engines.knot.server import eventually
from tests.interop.clients import PROGRAMS, base_url, installed, last_json, new_token, run
from tests.model.record_cases import CANONICAL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with Instance() as started:
        started.start()
        yield started


@pytest.fixture(scope="module")
def token(instance: Instance) -> str:
    return new_token(instance)


def answers(instance: Instance, name: str, kind: str) -> set[str]:
    """What the name server says, in presentation format."""
    query = dns.message.make_query(name, kind)
    answer = dns.query.tcp(query, "127.0.0.1", port=instance.ports.dns, timeout=5)
    wanted = dns.rdatatype.from_text(kind)
    return {one.to_text() for rrset in answer.answer if rrset.rdtype == wanted for one in rrset}


def is_live(instance: Instance, name: str, kind: str, *expected: str) -> None:
    eventually(lambda: answers(instance, name, kind) == set(expected), what=f"{name} {kind} {expected}")


def every_type(library_data: bool) -> list[dict[str, Any]]:
    """A record of every type, as the libraries send them: in ``data`` where there is such a form."""
    cases: list[dict[str, Any]] = []
    for number, good in enumerate(CANONICAL):
        case: dict[str, Any] = {"type": good.type, "name": f"host{number}"}
        if library_data and good.data is not None:
            case["data"] = good.data
        else:
            case["content"] = good.content
        if good.priority is not None:
            case["priority"] = good.priority
        cases.append(case)
    return cases


def test_the_official_library(instance: Instance, token: str) -> None:
    cases = every_type(library_data=True)
    environment = {"CLOUDFLARE_BASE_URL": base_url(instance), "CLOUDFLARE_API_TOKEN": token}
    command = [str(installed(".venv-interop") / "python"), str(PROGRAMS / "sdk.py"), "sdk.example"]
    seen = last_json(run([*command, json.dumps(cases)], environment))
    assert seen["version"].startswith("5.")
    assert seen["accounts"] == ["operator"]
    assert seen["found"] == [True]
    assert "sdk.example" in seen["by_account"]
    assert seen["name_servers"] == ["ns1.sdk.example"]
    assert seen["records"] == [
        [good.type, f"host{number}.sdk.example", good.content] for number, good in enumerate(CANONICAL)
    ]
    assert seen["listed"] == len(CANONICAL)
    assert seen["filtered"] == [good.content for good in CANONICAL if good.type == "TXT"]
    assert seen["batch"] == [
        ["b1.sdk.example"],
        ["b2.sdk.example"],
        [],
        ["b3.sdk.example"],
        "192.0.2.23",
        "x",
        "b4.sdk.example",
        None,
    ]
    assert "host0.sdk.example." in seen["export"]
    assert seen["imported"] == 1
    assert seen["settings"] == [
        ["ssl", "full"],
        ["always_use_https", "off"],
        ["cname_flattening", "flatten_all"],
    ]
    assert seen["paused"] is True
    assert seen["dnssec"] == "pending"
    assert seen["tokens"] == ["active", [True], [10000], ["interop", "of one zone"], 403]
    assert seen["ips"] == ["127.0.0.1/32"]
    assert {"zone.create", "record.create", "record.batch", "token.create"} <= set(seen["audit"])
    assert seen["plans"] == ["free"]
    assert seen["user"]
    assert seen["refused"] == [
        ["NotFoundError", 7003],
        ["NotFoundError", 81044],
        ["BadRequestError", 1004],
        ["BadRequestError", 1001],
        ["PermissionDeniedError", 9109],
        ["PermissionDeniedError", 9103],
    ]
    # Many deletions must be confirmed, by a header that the library can send; one named zone need not.
    assert seen["unconfirmed"] == 15001
    assert len(seen["digest"]) == 16
    assert seen["gone"] is True


def test_the_librarys_second_version(instance: Instance, token: str) -> None:
    environment = {"CLOUDFLARE_API_URL": base_url(instance), "CLOUDFLARE_API_TOKEN": token}
    command = [str(installed(".venv-interop-legacy") / "python"), str(PROGRAMS / "legacy_sdk.py")]
    cases = every_type(library_data=False)
    seen = last_json(run([*command, "legacy.example", json.dumps(cases)], environment))
    assert seen["found"] == [True]
    assert seen["records"] == [
        [good.type, f"host{number}.legacy.example", good.content] for number, good in enumerate(CANONICAL)
    ]
    assert (seen["patched"], seen["put"], seen["deleted"]) == (600, 120, True)
    assert seen["settings"] == "full"
    assert seen["all_settings"] > 40
    assert seen["refused"] == [1004, [9005]]
    assert "host1.legacy.example." in seen["export"]


OCTODNS_ZONE = """\
'':
  - type: A
    ttl: 300
    value: 192.0.2.1
  - type: MX
    ttl: 300
    values:
      - exchange: mail.example.net.
        preference: 10
      - exchange: mail2.octo.example.
        preference: 20
  - type: CAA
    values:
      - flags: 0
        tag: issue
        value: letsencrypt.org
  - type: TXT
    values:
      - v=spf1 -all
      - v=DKIM1\\; k=rsa\\; p=abc
      - {long}
www:
  - type: A
    ttl: 600
    values: [192.0.2.2, 192.0.2.3]
  - type: AAAA
    ttl: 600
    value: 2001:db8::2
alias:
  type: CNAME
  value: www.octo.example.
delegated:
  - type: NS
    values: [ns1.example.net., ns2.example.net.]
  - type: DS
    values:
      - key_tag: 12345
        algorithm: 13
        digest_type: 2
        digest: {sha256}
host:
  - type: SSHFP
    values:
      - algorithm: 4
        fingerprint_type: 2
        fingerprint: {sha256}
  - type: LOC
    value:
      lat_degrees: 51
      lat_minutes: 30
      lat_seconds: 12.748
      lat_direction: N
      long_degrees: 0
      long_minutes: 7
      long_seconds: 39.612
      long_direction: W
      altitude: 12.5
      size: 1
      precision_horz: 10000
      precision_vert: 10
  - type: PTR
    value: host.example.net.
_sip._tcp:
  type: SRV
  values:
    - priority: 10
      weight: 20
      port: 5060
      target: sip.octo.example.
_443._tcp.www:
  type: TLSA
  values:
    - certificate_usage: 3
      selector: 1
      matching_type: 1
      certificate_association_data: {sha256}
naptr:
  type: NAPTR
  values:
    - order: 100
      preference: 10
      flags: U
      service: E2U+sip
      regexp: '!^.*$!sip:info@example.net!'
      replacement: .
svc:
  - type: HTTPS
    values:
      - svcpriority: 1
        targetname: .
        svcparams:
          alpn: [h2, h3]
  - type: SVCB
    values:
      - svcpriority: 1
        targetname: svc.example.net.
        svcparams:
          port: '853'
"""


def test_octodns(instance: Instance, token: str, tmp_path: Path) -> None:
    config = tmp_path / "octodns.yaml"
    config.write_text(
        f"""
providers:
  config:
    class: octodns.provider.yaml.YamlProvider
    directory: {tmp_path}/zones
    enforce_order: false
  rempart:
    class: octodns_cloudflare.CloudflareProvider
    token: {token}
    api_url: {base_url(instance)}
    account_id: '00000000000000000000000000000001'
zones:
  octo.example.:
    sources: [config]
    targets: [rempart]
"""
    )
    zone = tmp_path / "zones" / "octo.example.yaml"
    zone.parent.mkdir()
    sha256 = "0123456789abcdef" * 4
    text = OCTODNS_ZONE.format(long="x" * 300, sha256=sha256)
    zone.write_text(text)

    def sync() -> str:
        command = [str(installed(".venv-interop") / "octodns-sync"), f"--config-file={config}", "--doit"]
        done = run([*command, "--force"], {})
        return done.stdout + done.stderr

    first = sync()
    assert "Creates=" in first, first
    is_live(instance, "www.octo.example", "A", "192.0.2.2", "192.0.2.3")
    is_live(instance, "_sip._tcp.octo.example", "SRV", "10 20 5060 sip.octo.example.")
    is_live(instance, "svc.octo.example", "HTTPS", '1 . alpn="h2,h3"')
    second = sync()
    assert "No changes were planned" in second, second
    without = text.replace("naptr:\n  type: NAPTR", "other:\n  type: NAPTR")
    zone.write_text(without.replace("192.0.2.3", "192.0.2.4"))
    third = sync()
    assert "Updates=1, Deletes=1" in third, third
    is_live(instance, "www.octo.example", "A", "192.0.2.2", "192.0.2.4")
    is_live(instance, "naptr.octo.example", "NAPTR")
    assert "No changes were planned" in sync()


@pytest.fixture
def authority(instance: Instance, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Pebble, an ACME authority for tests that asks our name server: its directory, its certificate."""
    port = free_port()
    key, certificate = tmp_path / "pebble.key", tmp_path / "pebble.pem"
    _certificate(key, certificate)
    config = {
        "pebble": {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{free_port()}",
            "certificate": str(certificate),
            "privateKey": str(key),
            "httpPort": free_port(),
            "tlsPort": free_port(),
        }
    }
    file = tmp_path / "pebble.json"
    file.write_text(json.dumps(config))
    command = ["pebble", "-config", str(file), "-strict", "-dnsserver", f"127.0.0.1:{instance.ports.dns}"]
    environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with running(command, log=tmp_path / "pebble.log", env=environment):
        wait_for_port("127.0.0.1", port)
        yield f"https://127.0.0.1:{port}/dir", certificate


def _certificate(key_file: Path, certificate_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pebble")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def test_certbot_obtains_a_certificate(
    instance: Instance, token: str, authority: tuple[str, Path], tmp_path: Path
) -> None:
    """With a token that may edit the DNS of one zone and nothing else."""
    instance.cli("zone", "add", "acme.example")
    scoped = new_token(instance, "--permission", "dns:edit", "--zone", "acme.example")
    credentials = tmp_path / "cloudflare.ini"
    credentials.write_text(f"dns_cloudflare_api_token = {scoped}\n")
    credentials.chmod(0o600)
    directory, trusted = authority
    folders = [f"--{name}-dir={tmp_path / name}" for name in ("config", "work", "logs")]
    command = [
        *(str(installed(".venv-interop") / "certbot"), "certonly", "--non-interactive", "--agree-tos"),
        *("--register-unsafely-without-email", "--server", directory, *folders),
        *("--dns-cloudflare", "--dns-cloudflare-credentials", str(credentials)),
        *("--dns-cloudflare-propagation-seconds", "2", "-d", "acme.example", "-d", "*.acme.example"),
    ]
    environment = {"CLOUDFLARE_BASE_URL": base_url(instance), "REQUESTS_CA_BUNDLE": str(trusted)}
    run(command, environment, seconds=110)
    chain = (tmp_path / "config" / "live" / "acme.example" / "fullchain.pem").read_bytes()
    names = x509.load_pem_x509_certificate(chain).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert set(names.value.get_values_for_type(x509.DNSName)) == {"acme.example", "*.acme.example"}
    is_live(instance, "_acme-challenge.acme.example", "TXT")


def test_the_unix_socket_serves_the_same(instance: Instance) -> None:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(10)
        stream.connect(str(instance.configuration.paths.api_socket))
        stream.sendall(b"GET /client/v4/ips HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"ipv4_cidrs"' in answer
