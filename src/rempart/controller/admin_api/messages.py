"""What the admin API takes and answers: frozen values that the server writes and the command line reads.

Answers of writing calls (`Made` and what is built on it) say what was done, under which revision it was
published and, when the caller asked to wait, how far it has come.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from rempart.controller.reports import ItemRefusal, Lag, Reach
from rempart.controller.transparency.log_state import LogHealth
from rempart.governance.log.step import Step
from rempart.model.base import Value
from rempart.model.bundle import Absent
from rempart.model.certificates import CertificateSource
from rempart.model.challenges import Exemptions, ExemptNetworks, ExemptPaths, SecurityLevel
from rempart.model.record_parsing import TTL_MAX
from rempart.model.records import Record
from rempart.model.sites import Origin, Site, SiteLimits
from rempart.model.zones import Secondary, SslMode, Zone
from rempart.snapshot.feed import EngineState

# --- what is sent ------------------------------------------------------------------------------------


class NewZone(Value):
    name: str = Field(max_length=300)
    account: str | None = None


class ZoneChange(Value):
    """None leaves a setting as it is."""

    dnssec: bool | None = None
    ssl: SslMode | None = None
    always_use_https: bool | None = None
    flatten_all_cnames: bool | None = None
    security_level: SecurityLevel | None = None
    paused: bool | None = None
    max_ttl: int | None = Field(default=None, ge=0, le=TTL_MAX)
    """0: as the records say."""


class NewSite(Value):
    host: str = Field(max_length=300)
    origins: tuple[Origin, ...] = Field(min_length=1, max_length=64)
    zone: str | None = Field(default=None, max_length=300)
    https_redirect: bool = True
    limits: SiteLimits = SiteLimits()
    security_level: SecurityLevel | None = None
    """None: that of the zone."""
    exemptions: Exemptions = Exemptions()
    chain_pem: str | None = None
    """A certificate of the owner's own, stored in the same call; None: what is stored or the local CA's."""
    key_pem: str | None = Field(default=None, repr=False)


class SiteChange(Value):
    """None leaves a setting as it is."""

    origins: tuple[Origin, ...] | None = Field(default=None, min_length=1, max_length=64)
    https_redirect: bool | None = None
    requests_per_client: int | None = None
    requests_per_site: int | None = None
    connections_per_client: int | None = None
    security_level: SecurityLevel | Literal["zone"] | None = None
    """``zone``: that of the zone again."""
    exempt_paths: ExemptPaths | None = None
    exempt_networks: ExemptNetworks | None = None


class NewCertificate(Value):
    chain_pem: str
    key_pem: str = Field(repr=False)


class NewSecondary(Value):
    address: str = Field(max_length=64)
    port: int = Field(default=53, ge=1, le=65535)
    ns_name: str | None = Field(default=None, max_length=300)


class NewToken(Value):
    name: str = Field(min_length=1, max_length=200)
    account: str | None = None
    permissions: tuple[str, ...] = Field(default=(), max_length=50)
    """Permission groups as the command line names them (``dns:edit``); none: everything in the account."""
    zones: tuple[str, ...] = Field(default=(), max_length=500)
    """Names of the zones that permissions about zones are for; none: all of the account's."""
    expires_on: datetime | None = None


class NewAccount(Value):
    name: str = Field(min_length=1, max_length=200)


# --- what is answered --------------------------------------------------------------------------------


class Made(Value):
    """What every writing call answers."""

    revision: int
    """The newest published revision once it was done."""
    changed: bool
    """False when everything was so already."""
    summary: str = ""
    """The plan: counts, then one line for each item."""
    warnings: tuple[str, ...] = ()
    reach: Reach | None = None
    """How far it has come; None when the caller did not ask to wait."""


class NameServer(Value):
    """One name for the zone's delegation, and the glue it needs (none outside the zone)."""

    name: str
    glue: tuple[str, ...] = ()


class BundleView(Value):
    """An exit kit."""

    zone: str
    content: str = Field(repr=False)
    """The archive in Base64."""
    warnings: tuple[str, ...] = ()


class BundleAnswer(Made):
    """An exit kit that was imported."""

    zone: Zone
    zone_created: bool
    made_at: datetime
    made_by: str
    records: int
    sites: int
    certificates: int
    ds: tuple[str, ...] = ()
    """What the parent has as long as it is left alone: the zone is signed with the keys that were brought."""
    nameservers: tuple[NameServer, ...] = ()
    absent: tuple[Absent, ...] = ()


class ZoneAnswer(Made):
    zone: Zone
    nameservers: tuple[NameServer, ...]


class ZoneSummary(Value):
    zone: Zone
    nameservers: tuple[NameServer, ...]


class Zones(Value):
    zones: tuple[ZoneSummary, ...]


class Dnssec(Value):
    zone: str
    enabled: bool
    ds: tuple[str, ...] = ()
    problem: str = ""
    """Why there is no DS although it is enabled."""


class DnssecAnswer(Made):
    zone: str
    enabled: bool
    ds: tuple[str, ...] = ()
    problem: str = ""


class ImportAnswer(Made):
    zone: Zone
    zone_created: bool
    added: int
    modified: int
    unchanged: int
    removed: int
    nameservers: tuple[NameServer, ...] = ()


class RecordAnswer(Made):
    record: Record


class Records(Value):
    zone: str
    records: tuple[Record, ...]


class CertificateView(Value):
    """A certificate without its key."""

    id: str
    hosts: tuple[str, ...]
    source: CertificateSource
    not_before: datetime
    not_after: datetime
    chain_pem: str


class CertificateAnswer(Made):
    certificate: CertificateView


class Certificates(Value):
    certificates: tuple[CertificateView, ...]


class SiteAnswer(Made):
    site: Site
    zone: Zone
    zone_created: bool = False
    addresses: tuple[str, ...]
    """What the host name answers with."""
    origin_addresses: tuple[str, ...] = ()
    """``ADDRESS:PORT`` of every origin as the edge will reach it."""
    certificate: CertificateView | None = None
    certificate_issued: bool = False
    """True when the certificate was issued in this call."""
    nameservers: tuple[NameServer, ...] = ()


class Sites(Value):
    sites: tuple[Site, ...]


class SecondaryAnswer(Made):
    secondary: Secondary
    tsig_secret: str | None = Field(default=None, repr=False)
    """Base64; shown when it was made and to who asks for it explicitly."""


class SecondaryView(Value):
    secondary: Secondary
    tsig_secret: str | None = Field(default=None, repr=False)


class Secondaries(Value):
    secondaries: tuple[SecondaryView, ...]


class TokenView(Value):
    """A token without what it could be checked by."""

    id: str
    account: str
    name: str
    permissions: tuple[str, ...] = ()
    created_on: datetime
    expires_on: datetime | None = None
    revoked: bool = False
    token: str | None = Field(default=None, repr=False)
    """The token itself, once: in the answer to its creation."""


class Tokens(Value):
    tokens: tuple[TokenView, ...]


class AccountView(Value):
    id: str
    name: str
    created_on: datetime


class Accounts(Value):
    accounts: tuple[AccountView, ...]


class AuthorityView(Value):
    """The local CA's root."""

    certificate: str
    """Path of the readable copy (PEM)."""
    fingerprint: str
    not_after: datetime
    certificate_pem: str


class NodeView(Value):
    """A connected node's last report."""

    node: str
    at: datetime
    revision: int
    items: int
    engines: tuple[EngineState, ...]
    off: tuple[str, ...] = ()


class Unresolved(Value):
    """An origin or flattened CNAME target whose last look-up failed."""

    host: str
    problem: str
    addresses: tuple[str, ...]
    """What is served meanwhile."""


class LogStatus(Value):
    """The public log, and the steps of cases that wait for it."""

    health: LogHealth
    age_s: int | None
    """Seconds since the checkpoint that everybody reads was written."""
    waiting: int
    """Steps that have no effect because they are not in it yet."""
    waiting_s: int | None
    """How long the one has waited that waits longest."""


class ControllerStatus(Value):
    """What the controller knows."""

    version: str
    revision: int
    zones: int
    sites: int
    nodes: tuple[NodeView, ...] = ()
    lagging: tuple[Lag, ...] = ()
    refusals: tuple[ItemRefusal, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    log: LogStatus | None = None


class Ping(Value):
    version: str


# --- the public log ------------------------------------------------------------------------------------


class LogRotation(Value):
    """A new signing key, or with ``finish`` the end of the old one."""

    finish: bool = False


class LogEntry(Value):
    """An entry of the public log."""

    index: int
    step: Step


class LogEntries(Value):
    """Some entries of a log that has ``size`` of them."""

    size: int
    entries: tuple[LogEntry, ...]


class LogProof(Value):
    """A proof (c2sp.org/tlog-proof) that entry ``index`` is in the log, with the entry as its extra data."""

    index: int
    proof: str
