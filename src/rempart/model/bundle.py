"""The exit kit: everything that a zone's owner takes to another operator, as values. Format 1.

``controller.bundles`` makes an archive of it and reads one again; docs/operate/leaving.md describes the file.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from rempart.model.base import Value
from rempart.model.cases_remedies import Moment
from rempart.model.challenges import Exemptions, SecurityLevel
from rempart.model.records import RecordDraft, RecordFields
from rempart.model.sites import Origin, Site, SiteLimits
from rempart.model.zone_keys import ZoneKeys
from rempart.model.zones import Zone, ZoneSettings

FORMAT = "rempart-bundle"
VERSION = 1
RECORDS_MAX = 200_000
SITES_MAX = 10_000
CERTIFICATES_MAX = 2_000
MEMBERS_MAX = 20_000
_STEP = r"[A-Za-z0-9_](?:[A-Za-z0-9_+.-]*[A-Za-z0-9_-])?"
PATH = re.compile(rf"(?!.*\.\.){_STEP}(?:/{_STEP}){{0,3}}")
"""Of a member: neither absolute nor upwards, nothing hidden, nothing that file systems take otherwise."""


class Member(Value):
    """One file of the archive."""

    path: Annotated[str, Field(max_length=200)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(ge=0)
    """Octets, unpacked."""
    what: Annotated[str, Field(max_length=500)]
    """What it is, in words."""


class Absent(Value):
    """What one might look for in the archive, and why it is not there."""

    what: Annotated[str, Field(max_length=200)]
    why: Annotated[str, Field(max_length=1_000)]


class Manifest(Value):
    """``manifest.json``: what the archive holds. A member that it does not name is refused."""

    format: Literal["rempart-bundle"] = "rempart-bundle"
    version: int
    zone: Annotated[str, Field(max_length=253)]
    made_at: Moment
    made_by: Annotated[str, Field(max_length=200)]
    """The software."""
    members: tuple[Member, ...] = Field(max_length=MEMBERS_MAX)
    absent: tuple[Absent, ...] = Field(default=(), max_length=100)


class BundledZone(Value):
    """``zone.json``: the zone and its settings."""

    name: Annotated[str, Field(max_length=253)]
    paused: bool = False
    settings: ZoneSettings = ZoneSettings()

    @classmethod
    def of(cls, zone: Zone) -> BundledZone:
        return cls(name=zone.name, paused=zone.paused, settings=zone.settings)


class BundledRecords(Value):
    """``records.json``: the records as their owner wrote them, with all that a zone file has no place for."""

    records: tuple[RecordFields, ...] = Field(default=(), max_length=RECORDS_MAX)


def as_draft(record: RecordFields) -> RecordDraft:
    """A record that was brought, to be checked like any other."""
    names = RecordDraft.model_fields.keys() - {"data"}
    return RecordDraft(**{name: getattr(record, name) for name in names})


class BundledSite(Value):
    """A site without its identity here."""

    host: Annotated[str, Field(max_length=253)]
    origins: tuple[Origin, ...] = Field(min_length=1, max_length=64)
    https_redirect: bool = True
    limits: SiteLimits = SiteLimits()
    security_level: SecurityLevel | None = None
    exemptions: Exemptions = Exemptions()

    @classmethod
    def of(cls, site: Site) -> BundledSite:
        return cls(**{name: getattr(site, name) for name in cls.model_fields})


class BundledSites(Value):
    """``sites.json``."""

    sites: tuple[BundledSite, ...] = Field(default=(), max_length=SITES_MAX)


class BundledCertificate(Value):
    """An uploaded certificate with its key, both PEM; each is a file of its own under ``certificates/``."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    chain_pem: str
    key_pem: str = Field(repr=False)


class Belongings(Value):
    """What an import brings up again. Two zones with equal belongings are configured alike."""

    zone: BundledZone
    records: tuple[RecordFields, ...] = Field(default=(), max_length=RECORDS_MAX)
    """In the order of name, type and content."""
    sites: tuple[BundledSite, ...] = Field(default=(), max_length=SITES_MAX)
    """By host."""
    certificates: tuple[BundledCertificate, ...] = Field(default=(), max_length=CERTIFICATES_MAX)
    """By id. Those of an operator's own authority are not among them."""
    keys: ZoneKeys | None = None
    """DNSSEC keys."""
