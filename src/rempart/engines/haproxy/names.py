"""Names and places that the boot files and the runtime commands must agree on. Pure."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from rempart.model.base import Value
from rempart.model.configuration import StatePaths
from rempart.model.errors import InvalidInput
from rempart.snapshot.items import CertificateItem, EdgeOrigin

SYSTEM_AUTHORITIES = "@system-ca"
"""HAProxy's word for the certificate authorities that the system trusts."""

CLIENTS_COUNTED_MAX = 200_000
"""Clients (and pairs of client and site) that are counted at the same time; the stalest make room.
An entry takes about 200 bytes, so this bounds what a botnet can make grow to some 40 MB."""

OPERATOR = "operator"
"""The backend of the operator's own host."""

_SAFE_PATH = re.compile(r"/[A-Za-z0-9_./@+,-]*")


class Places(Value):
    """Absolute paths of everything HAProxy is told about."""

    config: str
    sites: str
    """Map: host -> route. A host is a name or ``*.`` and one."""
    secured: str
    """Map: host -> 1 when a certificate covers it. Redirects to https depend on it."""
    exempt: str
    """Map: backend and the beginning of a path, or of an address, that is never challenged -> 1."""
    remedies: str
    """Map: backend and a place, or ``@`` and an id -> remedies there, what is said of one (see remedies)."""
    remedy: str
    """Lua: which remedies are in force for a request."""
    territory: str
    """Map: network -> country, from the operator's file; empty without one."""
    certificate_list: str
    certificates: str
    """Folder of the certificates with their keys."""
    default_certificate: str
    gate: str
    """Map: the keys that clearances are checked and challenges signed with."""
    gate_socket: str
    receipts_socket: str
    released: str
    """Map: who a person has let through, as limits and as challenges name them -> 1. Empty at each start."""
    pages: str
    runtime_socket: str
    master_socket: str
    log_socket: str
    sight: str
    """Lua: tells the defence loop of a request."""
    verdicts: str
    """Map: regular expression over a request's text -> what is done with it. Empty at each start."""
    requests_socket: str
    """Where requests are told of, as datagrams."""

    @classmethod
    def of(cls, paths: StatePaths) -> Places:
        """InvalidInput when the state folder's name cannot be written into HAProxy's files."""
        if not _SAFE_PATH.fullmatch(str(paths.root)):
            raise InvalidInput(
                f"HAProxy cannot be given the folder name {str(paths.root)!r}",
                field="state",
                hint="an absolute path of letters, digits and _ . / @ + , -",
            )
        boot = paths.haproxy
        return cls(
            config=str(paths.haproxy_config),
            sites=str(boot / "sites.map"),
            secured=str(boot / "secured.map"),
            exempt=str(boot / "exempt.map"),
            remedies=str(boot / "remedies.map"),
            remedy=str(boot / "remedy.lua"),
            territory=str(boot / "territory.map"),
            certificate_list=str(boot / "certificates.list"),
            certificates=str(boot / "certificates"),
            gate=str(boot / "gate.map"),
            gate_socket=str(paths.gate_socket),
            receipts_socket=str(paths.receipts_socket),
            released=str(boot / "released.map"),
            default_certificate=str(boot / "default.pem"),
            pages=str(boot / "pages"),
            runtime_socket=str(paths.haproxy_socket),
            master_socket=str(paths.haproxy_master_socket),
            log_socket=str(paths.run / "node" / "haproxy-log.sock"),
            sight=str(boot / "sight.lua"),
            verdicts=str(boot / "verdicts.map"),
            requests_socket=str(paths.run / "node" / "requests.sock"),
        )


def backend_name(number: int) -> str:
    return f"be_{number:04d}"


def backend_number(name: str) -> int | None:
    """None for a backend that is not of the pool."""
    return int(name[3:]) if name.startswith("be_") and name[3:].isdigit() else None


def server_name(origin: EdgeOrigin) -> str:
    """A name made of what cannot be changed in a server that runs: its address and how it is spoken to."""
    identity = (origin.address, str(origin.port), origin.tls.value, origin.sni or "", str(origin.backup))
    return "s" + hashlib.sha256("\0".join(identity).encode()).hexdigest()[:12]


def certificate_file(places: Places, item: CertificateItem) -> str:
    """Path named by identity and content, so that a file once written never changes."""
    content = hashlib.sha256(f"{item.chain_pem}\0{item.key_pem}".encode()).hexdigest()[:16]
    return f"{places.certificates}/{item.id}.{content}.pem"


def certificate_id(file: str) -> str:
    """The certificate's id, read from its path."""
    return PurePosixPath(file).name.partition(".")[0]
