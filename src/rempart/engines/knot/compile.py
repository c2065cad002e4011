"""What knotd is started from: ``knot.conf`` as text, and the command lines. Pure.

Zones are not in this file. They are members of a catalog zone (RFC 9432) that Knot interprets and keeps in
its database: a zone comes and goes as one change to the catalog, with no reload. The member's ``group``
property chooses the template, signed or unsigned. The file changes only when a secondary comes or goes.

There are two catalogs: the local one, which this Knot interprets, and the public one, an ordinary zone that
secondaries follow. One would do, if Knot did not refuse every query over UDP for a catalog it interprets:
BIND asks for the SOA that way before it transfers, and takes the refusal, which bears no TSIG, for a forgery.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rempart.engines.contract import Refusal
from rempart.engines.knot.catalog import SIGNED, UNSIGNED
from rempart.model.configuration import Configuration
from rempart.model.errors import InvalidInput
from rempart.snapshot.items import SecondaryItem

MAX_UDP_PAYLOAD = 1232
"""Largest UDP answer, in octets: fits every path without fragments (DNS flag day 2020)."""
TCP_IDLE_S = 5
"""Seconds a silent TCP client is borne."""
TCP_IO_MS = 500
"""Milliseconds one message may take over TCP: what stands against slow clients that hold a connection."""
REMOTE_IO_MS = 1_500
"""Milliseconds a secondary has for a connection, and for an answer: the far side of the world, and one packet
that is lost. Before zones come or go, or change between signed and unsigned, Knot waits for every background
worker, and so for each NOTIFY that is under way; records do not wait."""
REMOTE_RETRY_MS = 20_000
"""A secondary that cannot be connected to is left alone for so long. So one that swallows packets is in the
way of zones for REMOTE_IO_MS once in this time, not always. Shorter than the second reminder."""
BACKGROUND_WORKERS = 8
CONTROL_TIMEOUT_S = 120
"""Seconds one control command may take; signing a large zone is the slowest."""
SLIP = 2
"""Every second answer above the rate limit is a truncated one, so that a real resolver can come by TCP."""

TSIG_ALGORITHMS = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
"""Algorithms Knot knows, less HMAC-MD5, which RFC 8945 section 6 says must not be used."""

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def command_line(config: Configuration) -> list[str]:
    """The command that runs knotd in the foreground, logging to standard error."""
    return ["knotd", "-c", str(config.paths.knot_config)]


def check_command(path: Path) -> list[str]:
    """The command that exits with 0 when the configuration file at ``path`` is one Knot takes."""
    return ["knotc", "-c", str(path), "conf-check"]


def pid_file(config: Configuration) -> Path:
    """Where knotd writes its process id.

    After kill -9 the file stays behind, and knotd refuses to start while *any* process has that id: whoever
    starts knotd, and knows that none is running, removes it first.
    """
    return config.paths.knot_socket.parent / "knot.pid"


@dataclass(frozen=True, slots=True)
class Peer:
    """A secondary as ``knot.conf`` names it; every field has been checked."""

    id: str
    address: str
    port: int
    tsig_name: str
    tsig_algorithm: str
    tsig_secret: str

    @property
    def remote(self) -> str:
        return f"secondary-{self.id}"


def peer(item: SecondaryItem) -> Peer:
    """The secondary of ``item``. Raises InvalidInput when a field has no place in a configuration file."""
    if not _ID.fullmatch(item.id):
        raise InvalidInput("not an identifier", field="id")
    name = item.tsig_name.rstrip(".").lower()
    if not _NAME.fullmatch(name):
        raise InvalidInput("not a domain name", field="tsig_name")
    if item.tsig_algorithm not in TSIG_ALGORITHMS:
        raise InvalidInput(f"one of {', '.join(TSIG_ALGORITHMS)} is needed", field="tsig_algorithm")
    try:
        if not base64.b64decode(item.tsig_secret, validate=True):
            raise InvalidInput("empty", field="tsig_secret")
    except (binascii.Error, ValueError):
        raise InvalidInput("not Base64", field="tsig_secret") from None
    try:
        address = str(ipaddress.ip_address(item.address))
    except ValueError:
        raise InvalidInput("not an IP address", field="address") from None
    if "%" in address:  # Python lets any characters stand in a zone index
        raise InvalidInput("an address with a zone index", field="address")
    if not 1 <= item.port <= 65535:
        raise InvalidInput("not a port", field="port")
    return Peer(item.id, address, item.port, name, item.tsig_algorithm, item.tsig_secret)


def peers(items: Iterable[SecondaryItem]) -> tuple[tuple[Peer, ...], tuple[Refusal, ...]]:
    """The secondaries that can be served, in the order of their ids, and those that cannot be.

    A TSIG key belongs to one secondary: a second one under the same name would transfer with the first one's.
    """
    good: list[Peer] = []
    refused: list[Refusal] = []
    key_names: set[str] = set()
    for item in sorted(items, key=lambda item: item.id):
        try:
            one = peer(item)
            if one.tsig_name in key_names:
                raise InvalidInput("another secondary has a key of this name", field="tsig_name")
        except InvalidInput as error:
            refused.append(Refusal(key=item.key, reason=str(error)))
            continue
        key_names.add(one.tsig_name)
        good.append(one)
    return tuple(good), tuple(refused)


def configuration_text(
    config: Configuration, secondaries: Sequence[Peer], cookie_key: bytes | None = None
) -> str:
    """``knot.conf``. knotd stays who it is started as. ``cookie_key``: 16 bytes; without it knotd makes one
    that nobody else knows.

    Raises InvalidInput when a path or name cannot stand in the file.
    """
    return "\n".join(
        (
            "# Written by Rempart; changes here are lost.",
            *_server(config),
            *_modules(config, secondaries, cookie_key),
            *_secondaries(config, secondaries),
            *_policy(),
            *_templates(config, secondaries),
            "",
        )
    )


def _quoted(path: Path) -> str:
    text = str(path)
    if re.search(r'["\\%\x00-\x1f]', text):
        raise InvalidInput("quotes, backslashes, % and control characters cannot be used here", field="state")
    return f'"{text}"'


def _server(config: Configuration) -> Iterable[str]:
    paths, dns = config.paths, config.dns
    listen = ", ".join(f'"{address}@{dns.port}"' for address in dns.listen)
    yield from (
        "server:",
        '    identity: ""',
        '    version: ""',
        '    nsid: ""',
        f"    rundir: {_quoted(paths.knot_socket.parent)}",
        f"    pidfile: {_quoted(pid_file(config))}",
        f"    listen: [{listen}]",
        f"    udp-max-payload: {MAX_UDP_PAYLOAD}",
        f"    tcp-idle-timeout: {TCP_IDLE_S}",
        f"    tcp-io-timeout: {TCP_IO_MS}",
        f"    tcp-remote-io-timeout: {REMOTE_IO_MS}",
        f"    remote-retry-delay: {REMOTE_RETRY_MS}",
        f"    background-workers: {BACKGROUND_WORKERS}",
        "control:",
        f"    listen: {_quoted(paths.knot_socket)}",
        f"    timeout: {CONTROL_TIMEOUT_S}",
        "log:",
        "  - target: stderr",
        "    server: info",
        # What a command is refused for is told to whoever sent it. Of zones, "notice" would be a line for
        # each signed one at every start. A new zone's failed "load" only says that it has no file.
        "    control: critical",
        "    zone: warning",
        "database:",
        f"    storage: {_quoted(paths.knot_db)}",
        # Committed means on the disk: zones have no file to be rebuilt from but the journal.
        "    journal-db-mode: robust",
    )


def cookie_secret(key: bytes) -> str:
    """The key of DNS cookies as it stands in the file, and as ``conf-read`` gives it."""
    return f"0x{key.hex().upper()}"


def _modules(config: Configuration, secondaries: Sequence[Peer], cookie_key: bytes | None) -> Iterable[str]:
    # Whose zones these are is nobody's business but the secondaries' (and of who is on this machine).
    known = ", ".join(
        f'"{address}"' for address in ("127.0.0.1", "::1", *(one.address for one in secondaries))
    )
    yield from ("mod-queryacl:", "  - id: catalog", f"    address: [{known}]")
    yield from ("mod-cookies:", "  - id: default", "    badcookie-slip: 1")
    if cookie_key is not None:
        yield f"    secret: {cookie_secret(cookie_key)}"
    if config.dns.rate_limit:
        yield from (
            "mod-rrl:",
            "  - id: default",
            f"    rate-limit: {config.dns.rate_limit}",
            f"    slip: {SLIP}",
        )
    yield from (
        "mod-stats:",
        "  - id: default",
        "    request-protocol: on",
        "    server-operation: on",
        "    response-code: on",
        "    request-bytes: on",
        "    response-bytes: on",
    )


def _secondaries(config: Configuration, secondaries: Sequence[Peer]) -> Iterable[str]:
    if not secondaries:
        return
    yield "key:"
    for one in secondaries:
        yield f'  - id: "{one.tsig_name}."'
        yield f"    algorithm: {one.tsig_algorithm}"
        yield f'    secret: "{one.tsig_secret}"'
    yield "remote:"
    for one in secondaries:
        yield f'  - id: "{one.remote}"'
        yield f'    address: "{one.address}@{one.port}"'
        sources = _sources(config)
        if sources:
            yield f"    via: [{', '.join(sources)}]"
        yield f'    key: "{one.tsig_name}."'
    yield "acl:"
    for one in secondaries:
        yield f'  - id: "{one.remote}"'
        yield f'    address: "{one.address}"'
        yield f'    key: "{one.tsig_name}."'
        yield "    action: transfer"


def _sources(config: Configuration) -> list[str]:
    """Where NOTIFY comes from: the addresses we listen on, as secondaries know us by no other."""
    if any(ipaddress.ip_address(address).is_unspecified for address in config.dns.listen):
        return []
    return [f'"{address}"' for address in config.dns.listen]


def _policy() -> Iterable[str]:
    yield from (
        "policy:",
        f"  - id: {SIGNED}",
        "    algorithm: ecdsap256sha256",
        # One key that both signs the zone and is named by the parent's DS. It never rolls by itself: nobody
        # would tell the parent, and the zone would be lost to validating resolvers.
        "    single-type-signing: on",
        "    ksk-lifetime: 0",
        "    zsk-lifetime: 0",
        "    cds-cdnskey-publish: always",
        # NSEC would list every name of the zone to anyone who walks it. RFC 9276 section 3.1: no extra
        # iterations, no salt.
        "    nsec3: on",
        "    nsec3-iterations: 0",
        "    nsec3-salt-length: 0",
        "    rrsig-lifetime: 14d",
        # A week in which a dead node's secondaries still answer with valid signatures.
        "    rrsig-refresh: 7d",
        # RFC 6979: no random number whose weakness would give the key away.
        "    reproducible-signing: on",
    )


def _templates(config: Configuration, secondaries: Sequence[Peer]) -> Iterable[str]:
    # Cookies before the rate limit, which spares those who show a valid one; counters last, as they must be.
    modules = [
        "mod-cookies/default",
        *(["mod-rrl/default"] if config.dns.rate_limit else []),
        "mod-stats/default",
    ]
    remotes = ", ".join(f'"{one.remote}"' for one in secondaries)
    transfers = [f"    notify: [{remotes}]", f"    acl: [{remotes}]"] if remotes else []
    common = [
        f"    storage: {_quoted(config.paths.knot_db)}",
        "    zonefile-sync: -1",
        "    zonefile-load: none",
        "    journal-content: all",
        # +1 for each commit, from the Unix time at the zone's birth: however often a zone changes, a rebuilt
        # database starts above it unless it averaged more than one commit a second all its life.
        "    serial-policy: increment",
    ]
    yield from ("template:", "  - id: default", f"    global-module: [{', '.join(modules)}]", *common)
    yield from (f"  - id: {UNSIGNED}", *common, *transfers)
    yield from (
        f"  - id: {SIGNED}",
        *common,
        *transfers,
        "    dnssec-signing: on",
        f"    dnssec-policy: {SIGNED}",
    )
    yield from (
        "zone:",
        f'  - domain: "{local_catalog_name(config)}."',
        "    catalog-role: interpret",
        f"    catalog-template: [{UNSIGNED}, {SIGNED}]",
        f'  - domain: "{catalog_name(config)}."',
        "    module: mod-queryacl/catalog",
        *transfers,
    )


def catalog_name(config: Configuration) -> str:
    """Name of the catalog that secondaries follow, no trailing dot. Raises InvalidInput when it is none."""
    name = config.dns.catalog.rstrip(".").lower()
    if not _NAME.fullmatch(name):
        raise InvalidInput("not a domain name", field="dns.catalog")
    return name


def local_catalog_name(config: Configuration) -> str:
    """Name of the catalog that our own Knot interprets, no trailing dot."""
    return f"local.{catalog_name(config)}"
