"""DNS records as owners write them, and RRsets as engines serve them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from rempart.model.base import Value

TTL_AUTO = 1
"""Cloudflare's ``ttl: 1``: the operator chooses (300 s)."""
TTL_AUTO_SECONDS = 300


class RecordType(StrEnum):
    """Every type that Cloudflare's API takes."""

    A = "A"
    AAAA = "AAAA"
    CAA = "CAA"
    CERT = "CERT"
    CNAME = "CNAME"
    DNSKEY = "DNSKEY"
    DS = "DS"
    HTTPS = "HTTPS"
    LOC = "LOC"
    MX = "MX"
    NAPTR = "NAPTR"
    NS = "NS"
    OPENPGPKEY = "OPENPGPKEY"
    PTR = "PTR"
    SMIMEA = "SMIMEA"
    SRV = "SRV"
    SSHFP = "SSHFP"
    SVCB = "SVCB"
    TLSA = "TLSA"
    TXT = "TXT"
    URI = "URI"


PROXIABLE = frozenset({RecordType.A, RecordType.AAAA, RecordType.CNAME})


class RecordDraft(Value):
    """What an owner sent, before validation; ``content`` or ``data`` (Cloudflare's form) is given."""

    type: RecordType
    name: str
    content: str | None = None
    data: dict[str, Any] | None = None
    priority: int | None = Field(default=None, ge=0, le=65535)
    ttl: int = TTL_AUTO
    proxied: bool = False
    flatten_cname: bool = False
    comment: str | None = None
    tags: tuple[str, ...] = ()


class RecordFields(Value):
    """A validated record without identity.

    ``name`` is the absolute A-label name, lower case, no trailing dot. ``content`` is Cloudflare's
    presentation: targets without trailing dot, MX and URI without their priority (it is ``priority``),
    TXT as quoted character-strings. ``rdata`` is RFC 1035 presentation with absolute names, as dnspython
    writes it: what goes to the name server and what identity is judged by.
    """

    type: RecordType
    name: str
    content: str
    rdata: str
    data: dict[str, Any] | None = None
    priority: int | None = None
    ttl: int = TTL_AUTO
    proxied: bool = False
    flatten_cname: bool = False
    comment: str | None = None
    tags: tuple[str, ...] = ()


class Record(RecordFields):
    """A record in the store."""

    id: str
    zone_id: str
    created_on: datetime
    modified_on: datetime


class RRset(Value):
    """All records of one name and type (RFC 2181 section 5), as a name server takes them."""

    name: str
    """Absolute, lower case, no trailing dot."""
    type: str
    ttl: int = Field(ge=0, le=2**31 - 1)
    rdata: tuple[str, ...]
    """Presentation format, absolute names with trailing dot, sorted."""
