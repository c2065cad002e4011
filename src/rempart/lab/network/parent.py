"""The zone above the site's, at a name server of its own: where a registrar says who answers for the site.

Knot, changed by signed updates (RFC 2136, RFC 8945), as registries have it.
``following`` is the resolver that goes by it.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network
from rempart.lab.network.world import PARENT_V4, Role
from rempart.model.errors import RempartError

PARENT_ZONE = "example"
TTL = 5
_KEY = "registrar"
_UP_S = 30.0
_CONFIG = """\
server:
    listen: "{address}@53"
    rundir: "{folder}"
database:
    storage: "{folder}/db"
key:
  - id: {key}
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: registrar
    key: {key}
    action: update
template:
  - id: default
    storage: "{folder}"
    file: "%s.zone"
    acl: registrar
zone:
  - domain: {zone}
"""
_ZONE = """\
$ORIGIN {zone}.
$TTL {ttl}
@ SOA ns hostmaster 1 3600 600 86400 {ttl}
@ NS ns
ns A {address}
"""


@dataclass(frozen=True, slots=True)
class Parent:
    """The zone while its server runs."""

    namespace: str
    secret: str

    def points(self, host: str, addresses: Mapping[str, str]) -> None:
        """The parent answers for ``host`` by itself: a registrar's own DNS. ``addresses``: type → address."""
        update = self._update()
        for kind, address in addresses.items():
            update.replace(_below(host), TTL, kind, address)
        self._send(update)

    def delegates(
        self, zone: str, v4: str, v6: str, *, ds: tuple[str, ...] = (), instead_of: tuple[str, ...] = ()
    ) -> None:
        """``zone`` is the name server's at these addresses from now on, under the name that Rempart gives it.

        ``ds``: of its keys; none: those that are there stay. ``instead_of``: names below it that the parent
        answered for itself until now."""
        update, server = self._update(), f"ns1.{zone}"
        for host in instead_of:
            update.delete(_below(host))
        update.replace(_below(zone), TTL, "NS", f"{server}.")
        update.replace(_below(server), TTL, "A", v4)
        update.replace(_below(server), TTL, "AAAA", v6)
        if ds:
            update.replace(_below(zone), TTL, "DS", *ds)
        self._send(update)

    def _update(self) -> dns.update.UpdateMessage:
        keys = dns.tsigkeyring.from_text({_KEY: self.secret})
        return dns.update.UpdateMessage(
            PARENT_ZONE, keyring=keys, keyname=dns.name.from_text(_KEY), keyalgorithm=dns.tsig.HMAC_SHA256
        )

    def _send(self, update: dns.update.UpdateMessage) -> None:
        try:
            answer = inside(self.namespace, partial(dns.query.tcp, update, PARENT_V4, timeout=10.0))
        except (dns.exception.DNSException, OSError) as error:
            raise RempartError(f"the parent zone was not changed: {type(error).__name__}: {error}") from error
        if answer.rcode() != dns.rcode.NOERROR:
            raise RempartError(f"the parent zone was not changed: {dns.rcode.to_text(answer.rcode())}")


def _below(name: str) -> str:
    """``name`` relative to the parent zone."""
    return name.removesuffix(f".{PARENT_ZONE}")


@contextlib.contextmanager
def parent_zone(network: Network) -> Iterator[Parent]:
    """The parent zone's server answers while the block runs."""
    folder = network.folder / "parent"
    (folder / "db").mkdir(parents=True, mode=0o755)
    secret = b64encode(secrets.token_bytes(32)).decode()
    config = write(folder, secret)
    parent = Parent(namespace=network.plan.namespace(Role.RESOLVER), secret=secret)
    argv = ("knotd", "-c", str(config))
    with network.place(Role.RESOLVER).running(argv, log=network.folder / "parent.out") as process:
        deadline = time.monotonic() + _UP_S
        while not inside(parent.namespace, _answers):
            if time.monotonic() > deadline or not process.is_running():
                words = (network.folder / "parent.out").read_text(errors="replace")[-1000:]
                raise RempartError(f"the parent zone's name server did not start:\n{words}")
            time.sleep(0.05)
        yield parent


def write(folder: Path, secret: str) -> Path:
    """Configuration and zone as Knot reads them; the configuration's path."""
    config = folder / "knot.conf"
    config.touch(mode=0o600)
    config.write_text(
        _CONFIG.format(address=PARENT_V4, folder=folder, key=_KEY, secret=secret, zone=PARENT_ZONE)
    )
    (folder / f"{PARENT_ZONE}.zone").write_text(_ZONE.format(zone=PARENT_ZONE, ttl=TTL, address=PARENT_V4))
    return config


def _answers() -> bool:
    try:
        answer = dns.query.udp(dns.message.make_query(PARENT_ZONE, "SOA"), PARENT_V4, timeout=0.5)
    except (dns.exception.DNSException, OSError):
        return False
    return bool(answer.answer)
