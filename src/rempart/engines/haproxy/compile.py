"""From items to what HAProxy should hold: routes, servers, certificates. Pure.

Everything that ends up in a configuration line or a runtime command is checked here against the
narrow alphabet it may have: a node does not trust what it is sent.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from rempart.engines.haproxy import remedies
from rempart.engines.haproxy.names import Places, certificate_file, server_name
from rempart.engines.haproxy.state import EdgeCertificate, EdgeState, Route, Server, exemption_keys
from rempart.model.errors import EngineRefused
from rempart.model.sites import OriginTls
from rempart.snapshot.items import CertificateItem, EdgeOrigin, SiteItem

ENGINE = "haproxy"
RUNTIME_PAYLOAD_MAX = 15_000
"""Bytes of a certificate that fit into one runtime command: HAProxy's buffer is 16 KiB."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_CASE = re.compile(r"[A-Za-z0-9-]{1,64}")
_PLACE = re.compile(r"/(?:(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+(?:/(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+)*)?")
_PARAMETER = re.compile(r"(?:[A-Za-z0-9._~=-]|%[0-9A-F]{2}){1,600}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_REGISTER = re.compile(r"https?://[A-Za-z0-9._~:/\[\]-]{1,480}")
_CERTIFICATE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA_BITS_MIN = 2048

# A check every 2 s; after a connection that failed, or a check that did, another within 250 ms. Two failed
# checks in a row take an origin out of service, one good check brings it back: within half a second of the
# first visitor who met it dead, and within a second of its return. Only checks decide. Visitors' failed
# connections merely hasten them, so that an origin that refuses some under load stays in service; and
# status codes do not count at all: whoever finds a page that answers 500 must not be able to take a healthy
# origin out of service by asking for it.
HEALTH = (
    "check inter 2s fastinter 250ms downinter 1s rise 1 fall 2"
    " observe layer4 error-limit 1 on-error fastinter"
)

# HAProxy 2.6 keeps connections to a server that was added at run time only when told both; to one that stands
# in the configuration it does so anyway, by these values.
REUSE = "pool-max-conn -1 pool-purge-delay 5s"


def valid_host(host: str) -> bool:
    """True for an A-label name in lower case, or ``*.`` and one (RFC 1123 section 2.1, plus underscores)."""
    return len(host) <= 255 and _HOST.fullmatch(host) is not None


def compile_site(item: SiteItem, backend: str, authorities: str) -> tuple[Route, dict[str, Server]]:
    """The route of a site and the servers of its backend. EngineRefused for what cannot be expressed."""
    if not valid_host(item.host):
        raise EngineRefused(ENGINE, f"not a host name: {item.host!r}", item=item.key)
    servers: dict[str, Server] = {}
    for origin in item.origins:
        server = compile_server(origin, authorities, item.key)
        servers.setdefault(server.name, server)
    route = Route(
        backend=backend,
        https_redirect=item.https_redirect,
        limits=item.limits,
        challenge=item.challenge,
        exempt=exemption_keys(item.exemptions),
        remedies=_remedies(item),
    )
    return route, servers


def _remedies(item: SiteItem) -> frozenset[tuple[str, str]]:
    for one in item.remedies:
        sound = (
            _CASE.fullmatch(one.case)
            and (one.path is None or _PLACE.fullmatch(one.path))
            and all(map(_PARAMETER.fullmatch, one.query))
            and all(map(_COUNTRY.fullmatch, one.territory))
            and (one.link is None or _REGISTER.fullmatch(one.link))
        )
        if not sound:
            raise EngineRefused(ENGINE, f"a remedy that cannot be written down: {one.case!r}", item=item.key)
    entries = remedies.entries(item.remedies)
    if any(len(key) + len(value) > RUNTIME_PAYLOAD_MAX for key, value in entries):
        raise EngineRefused(ENGINE, "more remedies on one URL than fit into a command", item=item.key)
    return entries


def compile_server(origin: EdgeOrigin, authorities: str, key: str) -> Server:
    """One origin as HAProxy's ``server``; ``authorities`` is the ca-file for STRICT ones."""
    try:
        address = ipaddress.ip_address(origin.address)
    except ValueError:
        raise EngineRefused(ENGINE, f"not an IP address: {origin.address!r}", item=key) from None
    if getattr(address, "scope_id", None):
        raise EngineRefused(ENGINE, "an origin's address cannot have a zone index", item=key)
    where = f"[{address}]" if address.version == 6 else str(address)
    words = [f"{where}:{origin.port}", HEALTH, REUSE]
    if origin.sni is not None and not valid_host(origin.sni):
        raise EngineRefused(ENGINE, f"not a host name for SNI: {origin.sni!r}", item=key)
    match origin.tls:
        case OriginTls.FULL:
            words.append("ssl verify none check-ssl")
        case OriginTls.STRICT:
            if origin.sni is None:
                raise EngineRefused(ENGINE, "a strict origin needs a name to be verified against", item=key)
            words.append(f"ssl verify required ca-file {authorities} verifyhost {origin.sni} check-ssl")
    if origin.tls is not OriginTls.OFF and origin.sni is not None:
        words.append(f"sni str({origin.sni}) check-sni {origin.sni}")
    if origin.backup:
        words.append("backup")
    return Server(
        name=server_name(origin),
        weight=origin.weight,
        max_connections=origin.max_connections,
        arguments=" ".join(words),
    )


def compile_certificate(
    item: CertificateItem, places: Places, sound: Collection[str] = frozenset()
) -> EdgeCertificate:
    """A certificate, its key proven to belong to it. EngineRefused names what is wrong, never the key.

    ``sound`` are files that were written after this very proof. It is not repeated, and chain and key are
    left out of the result: thousands of them would take seconds at every change.
    """
    if not _CERTIFICATE_ID.fullmatch(item.id):
        raise EngineRefused(ENGINE, "not an identifier of a certificate", item=item.key)
    if not item.hosts or not all(valid_host(host) for host in item.hosts):
        raise EngineRefused(ENGINE, "a certificate needs host names, each an A-label name", item=item.key)
    file, hosts = certificate_file(places, item), tuple(dict.fromkeys(item.hosts))
    if file in sound:
        return EdgeCertificate(file=file, hosts=hosts)
    reason = certificate_flaw(item.chain_pem, item.key_pem)
    if reason is not None:
        raise EngineRefused(ENGINE, reason, item=item.key)
    # An empty line would end the payload of a runtime command: PEM has none that matter.
    lines = [line.strip() for line in f"{item.chain_pem}\n{item.key_pem}".splitlines()]
    pem = "\n".join(line for line in lines if line) + "\n"
    return EdgeCertificate(file=file, hosts=hosts, pem=pem)


def certificate_flaw(chain_pem: str, key_pem: str) -> str | None:
    """What would keep HAProxy from starting with this certificate; None when it is sound."""
    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
        key = load_pem_private_key(key_pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
        public = chain[0].public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "not a certificate chain and an unencrypted private key in PEM"
    match key:
        case rsa.RSAPrivateKey() if key.key_size < _RSA_BITS_MIN:
            return f"an RSA key of {key.key_size} bits; at least {_RSA_BITS_MIN} are needed"
        case ec.EllipticCurvePrivateKey() if not isinstance(key.curve, _CURVES):
            return f"a key on the curve {key.curve.name}, which browsers do not take"
        case rsa.RSAPrivateKey() | ec.EllipticCurvePrivateKey() | ed25519.Ed25519PrivateKey():
            pass
        case _:
            return "a key of a kind that browsers do not take"
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*spki) != public.public_bytes(*spki):
        return "the private key does not belong to the certificate"
    return None


def desired_state(
    sites: Iterable[tuple[SiteItem, str]],
    certificates: Iterable[CertificateItem],
    places: Places,
    authorities: str,
    sound: Collection[str] = frozenset(),
    reserved: str | None = None,
) -> tuple[EdgeState, tuple[EngineRefused, ...]]:
    """The state that sites (each with its backend) and certificates ask for, and the items left out of it.

    ``sound``: see compile_certificate. ``reserved``: the operator's own host, which no site can be.
    """
    routes: dict[str, Route] = {}
    servers: dict[str, dict[str, Server]] = {}
    held: dict[str, EdgeCertificate] = {}
    secured: set[str] = set()
    refused: list[EngineRefused] = []
    for site, backend in sites:
        try:
            if site.host == reserved:
                raise EngineRefused(ENGINE, "this is the operator's own host", item=site.key)
            routes[site.host], servers[backend] = compile_site(site, backend, authorities)
        except EngineRefused as error:
            refused.append(error)
    for item in certificates:
        try:
            certificate = compile_certificate(item, places, sound)
        except EngineRefused as error:
            refused.append(error)
            continue
        held[certificate.file] = certificate
        secured.update(certificate.hosts)
    state = EdgeState(
        routes=routes, servers=servers, certificates=held, secured=frozenset(secured), unlisted=frozenset()
    )
    return state, tuple(refused)
