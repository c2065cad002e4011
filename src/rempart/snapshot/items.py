"""Items: the pieces a node is sent. A node's whole desired state is a set of items, one per key.

Every change is a new item under its key, or none (the key is gone), so a change costs what it
touches. The controller publishes them at growing revisions, nodes replay what they have not seen.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from rempart.model.base import Value
from rempart.model.cases_remedies import Moment, Notice, Remedy
from rempart.model.challenges import Exemptions
from rempart.model.records import RRset
from rempart.model.sites import OriginTls, SiteLimits
from rempart.model.urls import PARAMETERS_MAX
from rempart.model.zone_keys import ZoneKeys

SCHEMA_VERSION = 3


class ZoneItem(Value):
    """A zone to serve. Its RRsets are items of their own; its SOA is made from this one."""

    kind: Literal["zone"] = "zone"
    name: str
    dnssec: bool
    soa_mname: str
    """Primary name server, absolute, no trailing dot."""
    soa_rname: str
    """Mailbox of the person responsible, as a domain name, no trailing dot."""
    soa_refresh: int = 10_000
    soa_retry: int = 2_400
    soa_expire: int = 604_800
    soa_minimum: int = 1_800

    @property
    def key(self) -> str:
        return f"zone/{self.name}"


class RRsetItem(Value):
    """One RRset of a zone. Never the SOA, never DNSSEC's own records."""

    kind: Literal["rrset"] = "rrset"
    zone: str
    rrset: RRset

    @property
    def key(self) -> str:
        return f"rrset/{self.zone}/{self.rrset.name}/{self.rrset.type}"


class EdgeOrigin(Value):
    """An origin with its address resolved: what HAProxy's ``server`` needs."""

    address: str
    """IPv4 or IPv6 address."""
    port: int
    tls: OriginTls
    sni: str | None = None
    """Name for SNI and, when STRICT, for verification."""
    weight: int
    backup: bool
    max_connections: int


class EdgeRemedy(Value):
    """A remedy that the edge looks at request by request: on a URL, or for a territory."""

    remedy: Literal[Remedy.INTERSTITIAL, Remedy.BLOCK_URL, Remedy.CHALLENGE]
    case: str = Field(max_length=64)
    since: Moment
    path: str | None = Field(default=None, max_length=700)
    """In the one spelling of ``model.urls``; None: all of the site."""
    query: tuple[str, ...] = Field(default=(), max_length=PARAMETERS_MAX)
    """Parameters that a request must have, spelled so, too."""
    territory: tuple[str, ...] = Field(default=(), max_length=60)
    """ISO 3166 codes; none: everywhere."""
    notice: Notice | None = None
    """None for a challenge, which has a page of its own."""
    link: str | None = Field(default=None, max_length=500)
    """URL of the case in the public register."""


class SiteItem(Value):
    """A site to serve at the edge. No origins means that none could be resolved: visitors get 503."""

    kind: Literal["site"] = "site"
    host: str
    origins: tuple[EdgeOrigin, ...]
    https_redirect: bool
    limits: SiteLimits
    challenge: bool = False
    """Visitors without a clearance are challenged (security level ``under_attack``)."""
    exemptions: Exemptions = Exemptions()
    remedies: tuple[EdgeRemedy, ...] = ()

    @property
    def key(self) -> str:
        return f"site/{self.host}"


class CertificateItem(Value):
    """A certificate with its key, to be chosen by SNI for ``hosts``."""

    kind: Literal["certificate"] = "certificate"
    id: str
    hosts: tuple[str, ...]
    chain_pem: str
    key_pem: str = Field(repr=False)

    @property
    def key(self) -> str:
        return f"certificate/{self.id}"


class KeysItem(Value):
    """The DNSSEC keys that a zone is to be signed with when it becomes signed."""

    kind: Literal["keys"] = "keys"
    held: ZoneKeys

    @property
    def key(self) -> str:
        return f"keys/{self.held.zone}"


class SecondaryItem(Value):
    """A secondary to notify and to let transfer every zone and the catalog."""

    kind: Literal["secondary"] = "secondary"
    id: str
    address: str
    port: int
    tsig_name: str
    tsig_algorithm: str
    tsig_secret: str = Field(repr=False)
    """Base64."""

    @property
    def key(self) -> str:
        return f"secondary/{self.id}"


Item = Annotated[
    ZoneItem | RRsetItem | SiteItem | CertificateItem | KeysItem | SecondaryItem, Field(discriminator="kind")
]
ITEM: TypeAdapter[Item] = TypeAdapter(Item)


class ItemChange(Value):
    """The item now under ``key``; None when the key is gone."""

    key: str
    item: Item | None


class Delta(Value):
    """A run of changes that takes a node from one revision towards another."""

    schema_version: int = SCHEMA_VERSION
    from_epoch: str = ""
    from_revision: int
    epoch: str = ""
    """The epoch of the store's history that ``to_revision`` is one of; the same in all deltas of a run."""
    to_revision: int
    """The node is at this revision once it has applied the changes, unless ``more`` is set."""
    more: bool = False
    """More of the same follows: ask again with the ``cursor``."""
    cursor: str | None = None
    full: bool = False
    """The run (this delta and those that ``more`` announces) carries everything there is: a node must drop
    what was not in it. So answered for ``since=0``, for a node that was away longer than deletions are
    remembered, and for one whose epoch and revision are not of the store's history: its controller was
    restored from a backup."""
    changes: tuple[ItemChange, ...]


class SignedDelta(Value):
    """A delta as it travels: the Delta's JSON text, and Ed25519 over its UTF-8 bytes."""

    payload: str
    signature: str
    """Base64."""
