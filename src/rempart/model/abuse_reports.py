"""Abuse reports: what somebody says is wrong with what a site here serves.

What a notice holds is that of DSA Art. 16(2): reasons, exact URLs, name and address, good faith. A ``Notice``
is what was sent, whole; a ``Report`` is what is kept of it for all to work with, and knows neither who sent
it nor what they wrote: both are sealed apart (``controller.reporting``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rempart.model.base import Value
from rempart.model.cases import Category

URLS_MAX = 250
URL_LENGTH_MAX = 2_000
EXPLANATION_MIN = 20
"""Characters: fewer cannot say why something is illegal (DSA Art. 16(2)(a): sufficiently substantiated)."""
EXPLANATION_MAX = 20_000
DETAIL_MAX = 5_000
DETAILS_MAX = 30

Language = Literal["en", "fr"]


class Way(StrEnum):
    """How a report came."""

    FORM = "form"
    NOTICE = "notice"  # as JSON, at the same address as the form
    API = "api"  # Cloudflare's abuse-reports
    OPERATOR = "operator"  # entered by the operator: it came by mail, say


class Handling(Value):
    """How reports of a category are treated."""

    anonymous: bool = False
    """The site is never told who reported, whatever the reporter chose."""
    nameless: bool = False
    """Name and address may be left out."""
    held: bool = False
    """Nothing is passed on before a person has looked: the site would be warned."""
    to_host: bool = False
    """It is passed on to the origin's host, too."""
    evidence: bool = True
    """Files may be sent with it; not where having them is a crime, or does harm again."""


_DANGEROUS = Handling(anonymous=True, nameless=True, held=True)
HANDLING: Mapping[Category, Handling] = MappingProxyType(
    {
        Category.PHISHING: Handling(to_host=True),
        Category.THREATS: _DANGEROUS,
        Category.TERRORISM: _DANGEROUS,
        Category.CHILD_ABUSE: Handling(
            anonymous=True, nameless=True, held=True, to_host=True, evidence=False
        ),
        Category.INTIMATE_IMAGES: Handling(anonymous=True, nameless=True, to_host=True, evidence=False),
        Category.HATE: Handling(anonymous=True, nameless=True),
        Category.COPYRIGHT: Handling(to_host=True),
        Category.TRADEMARK: Handling(to_host=True),
        Category.PRIVACY: Handling(),
        Category.GENERAL: Handling(),
    }
)


def _plain(text: str) -> str:
    """Text of a stranger, to be shown and printed: no control characters, lines end with LF."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if any(not one.isprintable() and one not in "\n\t" for one in text):
        raise ValueError("it holds characters that cannot be shown")
    return text


def _line(text: str) -> str:
    text = _plain(text)
    if "\n" in text or "\t" in text:
        raise ValueError("one line is meant")
    return text


Plain = Annotated[str, AfterValidator(_plain)]
Line = Annotated[str, AfterValidator(_line)]
Email = Annotated[
    str,
    AfterValidator(_line),
    Field(max_length=254, pattern=r"^[^@\s<>()\[\]\\,;:\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"),
]
"""An address for mail (RFC 5321 section 4.1.2), without quoted strings and literals."""


class Contact(Value):
    """Who reports. Nothing of it shows in a ``repr``: tracebacks and logs hold those."""

    name: Line = Field(default="", max_length=255, repr=False)
    email: Email | None = Field(default=None, repr=False)
    telephone: Line = Field(default="", max_length=40, repr=False)
    company: Line = Field(default="", max_length=100, repr=False)
    address: Plain = Field(default="", max_length=1_000, repr=False)

    def __repr__(self) -> str:
        return "Contact(…)"

    __str__ = __repr__

    @property
    def is_empty(self) -> bool:
        return not any((self.name, self.email, self.telephone, self.company, self.address))


class Evidence(Value):
    """A file sent with a report."""

    name: Line = Field(min_length=1, max_length=255, repr=False)
    media_type: Annotated[str, Field(pattern=r"^[a-z]+/[A-Za-z0-9.+-]{1,80}$")]
    content: bytes = Field(repr=False)


class Notice(Value):
    """A report as it is sent."""

    category: Category
    urls: tuple[Annotated[str, Field(min_length=1, max_length=URL_LENGTH_MAX)], ...] = Field(
        min_length=1, max_length=URLS_MAX
    )
    explanation: Plain = Field(min_length=EXPLANATION_MIN, max_length=EXPLANATION_MAX, repr=False)
    contact: Contact = Contact()
    anonymous: bool = True
    """Towards the site and its host. Whoever decides about the report can be told who sent it."""
    good_faith: Literal[True]
    """The reporter believes in good faith that what they say is accurate and complete (DSA Art. 16(2)(d))."""
    language: Language = "en"
    details: Mapping[str, Annotated[Plain, Field(max_length=DETAIL_MAX)]] = Field(
        default_factory=dict, max_length=DETAILS_MAX, repr=False
    )
    """What else a form asks: the original work, the number of a trademark."""
    evidence: tuple[Evidence, ...] = Field(default=(), repr=False)
    host_anonymous: bool | None = None
    """Towards the origin's host, where it is chosen apart; None: as towards the site."""
    withheld: bool = False
    """The reporter asks that the site is not told before somebody has looked."""

    @model_validator(mode="after")
    def _as_its_category_asks(self) -> Notice:
        handling = HANDLING[self.category]
        if not handling.nameless and not (self.contact.name and self.contact.email):
            raise ValueError("name and e-mail address are needed (DSA Art. 16(2)(c))")
        if self.evidence and not handling.evidence:
            raise ValueError("files cannot be sent with a report of this kind: give the exact URLs")
        return self

    @property
    def is_anonymous(self) -> bool:
        """Whether the site is not told who reported."""
        return self.anonymous or HANDLING[self.category].anonymous or self.contact.is_empty


class Standing(StrEnum):
    """Where a report stands."""

    RECEIVED = "received"
    REFUSED = "refused"
    CASE = "case"  # it became a case, or part of one
    SETTLED = "settled"  # the site has seen to it; nobody had to decide


class Denial(StrEnum):
    """Why a report is refused: Cloudflare's reasons."""

    UNABLE_TO_CONFIRM = "unable_to_confirm"
    INCOMPLETE = "incomplete_report"
    NOT_SERVED_HERE = "not_on_cloudflare"
    DUPLICATE = "duplicate_report"
    CONTENT_REMOVED = "content_removed"
    MISMATCH = "report_details_mismatch"
    NO_ABUSE = "no_abuse_found"
    MISSING_ORIGINAL = "missing_original_work"
    DIRECT_URL = "direct_url_required"
    WRONG_CATEGORY = "wrong_report_category"
    UNAVAILABLE = "content_unavailable"
    POLICE = "law_enforcement_referral_required"
    DOMAIN_DISPUTE = "domain_dispute_process_required"


class AnswerKind(StrEnum):
    """What the site says to a report."""

    REMOVED = "removed"  # what was reported is gone
    DISPUTED = "disputed"  # it is lawful, or not as reported
    LOOKING = "looking"  # it is being looked into


class KeptFile(Value):
    """What is known of a file that came with a report, without opening it."""

    number: int
    sha256: str
    size: int
    media_type: str


class Report(Value):
    """A report as it is worked with: without who sent it and what they wrote."""

    id: str
    category: Category
    host: str
    """The reported host name; all URLs have it."""
    site: str
    """The site that serves it (``*.example.org``, perhaps), or the host itself where only its DNS is here."""
    zone: str
    account_id: str
    """Whose site it is."""
    urls: tuple[str, ...]
    way: Way
    language: Language
    received_at: datetime
    anonymous: bool
    host_anonymous: bool
    held: bool
    """It waits for a person before it is passed on."""
    standing: Standing = Standing.RECEIVED
    denial: Denial | None = None
    reason: str = ""
    """Of a refusal, in words to the reporter."""
    same_as: str | None = None
    """The report that this one repeats or adds to; it goes the way of that one."""
    case_id: str | None = None
    decided_at: datetime | None = None
    """When it left ``RECEIVED``."""
    forwarded_at: datetime | None = None
    """When the site could see it."""
    host_told_at: datetime | None = None
    """When the letter to the origin's host was sent."""
    answered_at: datetime | None = None
    answer: AnswerKind | None = None
    files: tuple[KeptFile, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.standing in (Standing.RECEIVED, Standing.CASE)
