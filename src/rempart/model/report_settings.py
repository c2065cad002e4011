"""The ``[reports]`` section: what is done with abuse reports, and how many are taken."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from rempart.model.abuse_reports import HANDLING, Email, Handling
from rempart.model.base import Value
from rempart.model.cases import Category


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


class HostContact(Value):
    """Where the host of these addresses takes reports."""

    network: Annotated[str, AfterValidator(_network)]
    email: Email


class ReportsSection(Value):
    """Abuse reports."""

    hold: tuple[Category, ...] | None = None
    """Categories that nobody is told of before a person has looked; None: threats, terrorism, child abuse."""
    to_host: tuple[Category, ...] | None = None
    """Categories that are passed on to the origin's host, too; None: see docs/operate/reports.md."""
    host_contacts: tuple[HostContact, ...] = Field(default=(), max_length=1_000)
    from_address: Email | None = None
    """Who letters in the outbox are from."""
    status_url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] | None = None
    """Where reporters reach the pages of reports from outside (``https://abuse.example.org/reports``)."""
    per_source: int = Field(default=20, ge=1, le=100_000)
    """Reports an hour from one address (IPv4: its /24, IPv6: its /56)."""
    per_target: int = Field(default=60, ge=1, le=100_000)
    """Reports an hour about one site that are passed on at once; more wait for a person."""
    in_all: int = Field(default=600, ge=1, le=1_000_000)
    """Reports an hour from everybody; beyond, strangers must wait or show some work."""
    evidence_files: int = Field(default=5, ge=0, le=50)
    evidence_bytes: int = Field(default=5 * 2**20, ge=1, le=5 * 2**20)
    """All files of a report together."""
    keep_contact_days: int = Field(default=400, ge=180, le=3_650)
    """Days after its end that who sent a report is kept; an appeal can come for 180."""

    def handling(self, category: Category) -> Handling:
        """How reports of the category are treated here."""
        found = HANDLING[category]
        held = found.held if self.hold is None else category in self.hold
        to_host = found.to_host if self.to_host is None else category in self.to_host
        return found.model_copy(update={"held": held, "to_host": to_host})

    def host_contact(self, address: str) -> str | None:
        """Where the host of ``address`` takes reports, by the narrowest network that is named."""
        wanted = ipaddress.ip_address(address)
        known = ((ipaddress.ip_network(one.network), one.email) for one in self.host_contacts)
        fits = [(net.prefixlen, email) for net, email in known if wanted in net]
        return max(fits)[1] if fits else None
