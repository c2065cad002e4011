"""A statement of reasons as the EU's transparency database takes it (DSA Art. 24(5)); checked as there.

Source: the database's own request model (StatementStoreRequest.php), as recorded in July 2026. ``POST
/api/v1/statement`` takes one as JSON; fields that are None are left out.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rempart.governance.dsa_categories import TABLE
from rempart.model.base import Value

Line = Annotated[str, Field(min_length=1, max_length=500)]
LAST_DAY = "2038-01-01"
"""No date of a statement may be later."""


def _day(text: str) -> str:
    date.fromisoformat(text)
    if not "2000-01-01" <= text <= LAST_DAY:
        raise ValueError(f"days from 2000-01-01 to {LAST_DAY} are taken")
    return text


Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=500)]
Visibility = Literal[
    "DECISION_VISIBILITY_CONTENT_REMOVED",
    "DECISION_VISIBILITY_CONTENT_DISABLED",
    "DECISION_VISIBILITY_CONTENT_DEMOTED",
    "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED",
    "DECISION_VISIBILITY_CONTENT_INTERACTION_RESTRICTED",
    "DECISION_VISIBILITY_CONTENT_LABELLED",
    "DECISION_VISIBILITY_OTHER",
]
Monetary = Literal["DECISION_MONETARY_SUSPENSION", "DECISION_MONETARY_TERMINATION", "DECISION_MONETARY_OTHER"]
Provision = Literal[
    "DECISION_PROVISION_PARTIAL_SUSPENSION",
    "DECISION_PROVISION_PARTIAL_TERMINATION",
    "DECISION_PROVISION_TOTAL_SUSPENSION",
    "DECISION_PROVISION_TOTAL_TERMINATION",
]
StatementCategory = Literal[
    "STATEMENT_CATEGORY_ANIMAL_WELFARE",
    "STATEMENT_CATEGORY_CONSUMER_INFORMATION",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE_AGAINST_WOMEN",
    "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    "STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE",
    "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
    "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
    "STATEMENT_CATEGORY_RISK_FOR_PUBLIC_SECURITY",
    "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    "STATEMENT_CATEGORY_SELF_HARM",
    "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
    "STATEMENT_CATEGORY_VIOLENCE",
]
KEYWORDS = frozenset(f"KEYWORD_{word}" for words in (*TABLE.values(), ("STALKING",)) for word in words)
"""Those of the reporting templates, and one that only the database still has."""
EEA = frozenset(  # ISO 3166-1
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()  # noqa: SIM905
)


class DsaStatement(Value):
    """The request, field by field as the database names them."""

    decision_visibility: tuple[Visibility, ...] | None = None
    decision_visibility_other: Line | None = None
    decision_monetary: Monetary | None = None
    decision_monetary_other: Line | None = None
    decision_provision: Provision | None = None
    decision_account: Literal["DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"] | None = None
    decision_ground: Literal["DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"]
    decision_ground_reference_url: Url | None = None
    illegal_content_legal_ground: Line | None = None
    illegal_content_explanation: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    incompatible_content_ground: Line | None = None
    incompatible_content_explanation: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    incompatible_content_illegal: Literal["Yes", "No"] | None = None
    content_type: tuple[Annotated[str, Field(pattern="^CONTENT_TYPE_(APP|AUDIO|IMAGE|PRODUCT|SYNTHETIC_MEDIA|TEXT|VIDEO|OTHER)$")], ...] = Field(min_length=1)  # fmt: skip # noqa: E501
    content_type_other: Line | None = None
    category: StatementCategory
    category_addition: tuple[StatementCategory, ...] | None = None
    category_specification: tuple[str, ...] | None = None
    category_specification_other: Line | None = None
    territorial_scope: tuple[str, ...] | None = None
    content_language: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    content_date: Day
    application_date: Day
    end_date_visibility_restriction: Day | None = None
    end_date_monetary_restriction: Day | None = None
    end_date_service_restriction: Day | None = None
    end_date_account_restriction: Day | None = None
    decision_facts: Annotated[str, Field(min_length=1, max_length=5_000)]
    source_type: Literal[
        "SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION", "SOURCE_VOLUNTARY"
    ]
    source_identity: Line | None = None
    automated_detection: Literal["Yes", "No"]
    automated_decision: Literal[
        "AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_NOT_AUTOMATED"
    ]
    account_type: Literal["ACCOUNT_TYPE_BUSINESS", "ACCOUNT_TYPE_PRIVATE"] | None = None
    content_id: dict[Literal["EAN-13"], Annotated[str, Field(pattern=r"^\d{13}$")]] | None = None
    puid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,500}$")]

    @model_validator(mode="after")
    def _whole(self) -> DsaStatement:
        decisions = (self.decision_visibility, self.decision_monetary, self.decision_provision)
        if not any((*decisions, self.decision_account)):
            raise ValueError("at least one decision")
        if (self.decision_monetary == "DECISION_MONETARY_OTHER") != (
            self.decision_monetary_other is not None
        ):
            raise ValueError("decision_monetary_other goes with DECISION_MONETARY_OTHER")
        other = "DECISION_VISIBILITY_OTHER" in (self.decision_visibility or ())
        if other != (self.decision_visibility_other is not None):
            raise ValueError("decision_visibility_other goes with DECISION_VISIBILITY_OTHER")
        illegal = self.decision_ground == "DECISION_GROUND_ILLEGAL_CONTENT"
        legal = (self.illegal_content_legal_ground, self.illegal_content_explanation)
        terms = (self.incompatible_content_ground, self.incompatible_content_explanation)
        if not all(legal if illegal else terms) or any(terms if illegal else legal):
            raise ValueError("ground and explanation go with the kind of decision_ground")
        if ("CONTENT_TYPE_OTHER" in self.content_type) != (self.content_type_other is not None):
            raise ValueError("content_type_other goes with CONTENT_TYPE_OTHER")
        if unknown := set(self.category_specification or ()) - KEYWORDS:
            raise ValueError(f"no such keyword: {', '.join(sorted(unknown))}")
        if unknown := set(self.territorial_scope or ()) - EEA:
            raise ValueError(f"not in the EEA: {', '.join(sorted(unknown))}")
        if self.source_type == "SOURCE_VOLUNTARY" and self.source_identity is not None:
            raise ValueError("no source identity for the operator's own finding")
        return self
