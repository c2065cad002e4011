"""DNSSEC keys of a zone, private halves included: what makes a zone that moves keep its DS.

Knot makes them (``engines.knot.keys`` takes them from it, and brings them to another). Checked wherever they
come in: a key whose halves do not belong together would lose the zone to every validating resolver.
"""

from __future__ import annotations

from typing import Self

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dns.dnssectypes import DSDigest
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from pydantic import Field, model_validator

from rempart.model.base import Value

ALGORITHMS = {
    8: "RSASHA256",
    10: "RSASHA512",
    13: "ECDSAP256SHA256",
    14: "ECDSAP384SHA384",
    15: "ED25519",
    16: "ED448",
}
"""Those of RFC 8624 section 3.1 that may sign, as Knot names them."""
ZONE_KEY = 0x0100
SEP = 0x0001
"""RFC 4034 section 2.1.1: flags of a DNSKEY; SEP marks the keys that a parent's DS names."""
KEYS_MAX = 16
PEM_MAX = 8_192
_SIZES = {13: 256, 14: 384}


class KeyTimes(Value):
    """When a key came into each state (Unix seconds, Knot's names); None: it has not."""

    publish: int | None = Field(default=None, ge=0, le=2**53)
    ready: int | None = Field(default=None, ge=0, le=2**53)
    active: int | None = Field(default=None, ge=0, le=2**53)
    retire: int | None = Field(default=None, ge=0, le=2**53)
    remove: int | None = Field(default=None, ge=0, le=2**53)


class ZoneKey(Value):
    """One key. ``algorithm`` is its number (RFC 4034 appendix A.1)."""

    algorithm: int
    ksk: bool
    """It signs the keys, and the parent's DS names it."""
    zsk: bool
    """It signs everything else; a single key does both."""
    times: KeyTimes = KeyTimes()
    private_pem: str = Field(repr=False, max_length=PEM_MAX)
    """PKCS #8, unencrypted."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not (self.ksk or self.zsk):
            raise ValueError("a key signs keys, records, or both")
        self.dnskey()
        return self

    def dnskey(self) -> DNSKEY:
        """Its public half as the zone publishes it. ValueError when the private one does not fit."""
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"DNSSEC algorithm {self.algorithm} is not known here")
        try:
            key = load_pem_private_key(self.private_pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("no unencrypted private key in PEM form") from None
        fits = {
            8: isinstance(key, RSAPrivateKey),
            10: isinstance(key, RSAPrivateKey),
            15: isinstance(key, Ed25519PrivateKey),
            16: isinstance(key, Ed448PrivateKey),
        }.get(self.algorithm, isinstance(key, EllipticCurvePrivateKey))
        if isinstance(key, EllipticCurvePrivateKey):
            fits = fits and key.curve.key_size == _SIZES.get(self.algorithm)
        if not fits:
            raise ValueError(f"the private key is not one for {ALGORITHMS[self.algorithm]}")
        flags = ZONE_KEY | (SEP if self.ksk else 0)
        return dns.dnssec.make_dnskey(key.public_key(), self.algorithm, flags)  # type: ignore[arg-type]

    @property
    def public(self) -> str:
        """The DNSKEY's rdata (RFC 4034 section 2.2), in one piece."""
        return canonical_dnskey(self.dnskey().to_text())

    @property
    def tag(self) -> int:
        """RFC 4034 appendix B."""
        return dns.dnssec.key_id(self.dnskey())

    def ds(self, zone: str) -> str | None:
        """The DS for the zone's parent (SHA-256); None for a key that it does not name."""
        if not self.ksk:
            return None
        return dns.dnssec.make_ds(dns.name.from_text(zone + "."), self.dnskey(), DSDigest.SHA256).to_text()


def canonical_dnskey(rdata: str) -> str:
    """A DNSKEY's presentation with the key in one piece, however it was broken up."""
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DNSKEY, rdata).to_text(chunksize=0)


class ZoneKeys(Value):
    """All keys of a zone."""

    zone: str
    """Canonical."""
    keys: tuple[ZoneKey, ...] = Field(min_length=1, max_length=KEYS_MAX)

    @property
    def ds(self) -> tuple[str, ...]:
        """The DS RRset for the zone's parent."""
        return tuple(sorted(ds for key in self.keys if (ds := key.ds(self.zone)) is not None))

    @property
    def public(self) -> frozenset[str]:
        return frozenset(key.public for key in self.keys)
