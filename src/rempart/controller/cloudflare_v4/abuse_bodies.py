"""What Cloudflare's eight kinds of abuse reports hold, and the notice that each is here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from rempart.controller.cloudflare_v4.bodies import Body
from rempart.model.abuse_reports import Contact, Notice
from rempart.model.cases import Category
from rempart.model.errors import InvalidInput
from rempart.model.validation import in_words

REGISTRAR = "abuse_registrar_whois"
ACTS: Mapping[str, Category] = MappingProxyType(
    {
        "abuse_dmca": Category.COPYRIGHT,
        "abuse_trademark": Category.TRADEMARK,
        "abuse_general": Category.GENERAL,
        "abuse_phishing": Category.PHISHING,
        "abuse_children": Category.CHILD_ABUSE,
        "abuse_threat": Category.THREATS,
        "abuse_ncsei": Category.INTIMATE_IMAGES,
    }
)
_PERSON = ("name", "email", "email2", "urls", "owner_notification")
NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "abuse_dmca": (
            *("address1", "agent_name", "agree", "city", "country", "host_notification"),
            *("original_work", "signature", "state"),
        ),
        "abuse_trademark": (
            *("host_notification", "justification", "trademark_number"),
            *("trademark_office", "trademark_symbol"),
        ),
        "abuse_general": ("host_notification", "justification"),
        "abuse_phishing": ("host_notification", "justification"),
        "abuse_children": ("host_notification", "justification", "ncmec_notification"),
        "abuse_threat": ("host_notification", "justification"),
        "abuse_ncsei": ("host_notification",),
    }
)
"""Members that a kind cannot be without, beside who and where."""
_WHO = ("address1", "agent_name", "city", "state", "country", "signature")
"""Members that say who reports: kept with name and address, not with the words."""
_WORDS = {"contact.email": "email", "contact.name": "name", "explanation": "justification"}

Send = Literal["send", "send-anon"]
Text255 = Annotated[str, Field(max_length=255)]
Text1000 = Annotated[str, Field(max_length=1_000)]


class NewAbuseReport(Body):
    """Members of all kinds; which are needed, the kind says."""

    act: str = Field(max_length=50)
    name: Text255 | None = Field(default=None, repr=False)
    email: Text255 | None = Field(default=None, repr=False)
    email2: Text255 | None = Field(default=None, repr=False)
    urls: str | None = Field(default=None, max_length=600_000)
    """Separated by line feeds."""
    owner_notification: Literal["send", "send-anon", "none"] | None = None
    host_notification: Send | None = None
    ncmec_notification: Send | None = None
    justification: Annotated[str, Field(max_length=5_000)] | None = Field(default=None, repr=False)
    comments: Annotated[str, Field(max_length=2_000)] | None = Field(default=None, repr=False)
    company: Annotated[str, Field(max_length=100)] | None = Field(default=None, repr=False)
    tele: Annotated[str, Field(max_length=20)] | None = Field(default=None, repr=False)
    title: Text255 | None = Field(default=None, repr=False)
    reported_country: Annotated[str, Field(max_length=2)] | None = None
    reported_user_agent: Text255 | None = Field(default=None, repr=False)
    address1: Annotated[str, Field(max_length=100)] | None = Field(default=None, repr=False)
    agent_name: Annotated[str, Field(max_length=60)] | None = Field(default=None, repr=False)
    agree: Literal[0, 1] | None = None
    city: Text255 | None = Field(default=None, repr=False)
    state: Text255 | None = Field(default=None, repr=False)
    country: Text255 | None = Field(default=None, repr=False)
    signature: Text255 | None = Field(default=None, repr=False)
    original_work: Text255 | None = None
    trademark_number: Text1000 | None = None
    trademark_office: Text1000 | None = None
    trademark_symbol: Text1000 | None = None
    destination_ips: Annotated[str, Field(max_length=2_000)] | None = None
    source_ips: Annotated[str, Field(max_length=2_000)] | None = None
    ports_protocols: Annotated[str, Field(max_length=2_000)] | None = None
    ncsei_subject_representation: bool | None = None
    reg_who_request: dict[str, Any] | None = None


def notice_of(body: NewAbuseReport, kind: str) -> Notice:
    """The report as a notice. InvalidInput names the member that is not right."""
    if body.act != kind:
        raise InvalidInput(f"the path says {kind[:50]!r}", field="act")
    if kind == REGISTRAR:
        raise InvalidInput(
            "no domain is registered here, so there is nothing to disclose",
            field="act",
            hint="the domain's registrar takes such requests: https://lookup.icann.org",
        )
    if kind not in ACTS:
        raise InvalidInput(f"one of {', '.join(ACTS)} is meant", field="act")
    for member in (*_PERSON, *NEEDED[kind]):
        if getattr(body, member) in (None, ""):
            raise InvalidInput("is needed", field=member)
    if body.email != body.email2:
        raise InvalidInput("it is not the same as email", field="email2")
    if kind == "abuse_dmca" and body.agree != 1:
        raise InvalidInput("a copyright report takes the statement: 1", field="agree")
    try:
        return _notice(body, kind)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(in_words(first), field=_WORDS.get(where, where) or None) from None


def _notice(body: NewAbuseReport, kind: str) -> Notice:
    category = ACTS[kind]
    contact = Contact(
        name=body.name or "",
        email=body.email,
        telephone=body.tele or "",
        company=body.company or "",
        address="\n".join(f"{member}: {getattr(body, member)}" for member in _WHO if getattr(body, member)),
    )
    given: dict[str, Any] = {
        "category": category,
        "urls": tuple(one for one in re.split(r"[\s]+", body.urls or "") if one),
        "explanation": _explanation(body, category),
        "contact": contact,
        "anonymous": body.owner_notification != "send",
        "host_anonymous": body.host_notification != "send",
        "withheld": body.owner_notification == "none",
        "good_faith": True,
        "details": _details(body, kind),
    }
    return Notice.model_validate(given)


def _explanation(body: NewAbuseReport, category: Category) -> str:
    if body.justification:
        return body.justification
    if category is Category.COPYRIGHT:
        return f"The URLs infringe the copyright in this work: {body.original_work}"
    return "The URLs show intimate images of a person who has not consented to it."


def _details(body: NewAbuseReport, kind: str) -> dict[str, str]:
    members = (
        *("comments", "title", "reported_country", "reported_user_agent", "original_work", "source_ips"),
        *("trademark_number", "trademark_office", "trademark_symbol", "destination_ips", "ports_protocols"),
        *("owner_notification", "host_notification", "ncmec_notification"),
    )
    found = {member: str(getattr(body, member)) for member in members if getattr(body, member)}
    if body.ncsei_subject_representation is not None:
        found["ncsei_subject_representation"] = str(body.ncsei_subject_representation).lower()
    return {**found, "act": kind}


class AppealOf(Body):
    id: str = Field(max_length=64)
    reason: Literal["removed", "misclassified"]


class AppealData(Body):
    """Who appeals, as a counter notice has it (17 U.S.C. 512(g)(3))."""

    city: Text255
    country: Text255
    email: Text255
    full_name: Text255
    jurisdiction_consent: bool
    perjury_attestation: bool
    phone_number: Text255
    signature: Text255
    state: Text255
    street_address: Text255
    urls: Annotated[list[Annotated[str, Field(max_length=2_000)]], Field(max_length=250)]
    zip_code: Text255
    company: Text255 | None = None
    counter_notice_response: Annotated[str, Field(max_length=5_000)] | None = None


class NewMitigationAppeal(Body):
    type: Literal["counter_notice", "content_removed"]
    appeals: Annotated[list[AppealOf], Field(min_length=1, max_length=50)]
    data: AppealData

    def text(self) -> str:
        """The appeal, for those who decide on it."""
        lines = [f"{self.type}: {', '.join(one.reason for one in self.appeals)}"]
        lines += [f"{name}: {value}" for name, value in self.data.model_dump(exclude_none=True).items()]
        return "\n".join(lines)


class NewSiteAnswer(Body):
    """Ours: what the site says to a report."""

    kind: Literal["removed", "disputed", "looking"]
    text: str = Field(default="", max_length=20_000)
