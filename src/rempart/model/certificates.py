"""Certificates of sites. Private keys are not in these values: see controller.store and snapshot.items."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from rempart.model.base import Value


class CertificateSource(StrEnum):
    """Where a certificate came from; only ours are renewed by us."""

    UPLOADED = "uploaded"
    LOCAL_CA = "local-ca"


class Certificate(Value):
    """A certificate that can serve ``hosts``. ``id`` is the SHA-256 of the leaf's DER, in hex."""

    id: str
    hosts: tuple[str, ...]
    """DNS names of the subject alternative name, ``*.`` ones included."""
    chain_pem: str
    source: CertificateSource
    not_before: datetime
    not_after: datetime
