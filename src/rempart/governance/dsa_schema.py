"""A statement of reasons as the EU's transparency database takes it (DSA Art. 24(5)); checked as there.

Source: the database's own request model (StatementStoreRequest.php), as recorded in July 2026. ``POST
/api/v1/statement`` takes one as JSON; fields that are None are left out.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rempart.model.base import Value

Line = Annotated[str, Field(min_length=1, max_length=500)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Visibility = Literal[
    "DECISION_VISIBILITY_CONTENT_REMOVED",
    "DECISION_VISIBILITY_CONTENT_DISABLED",
    "DECISION_VISIBILITY_CONTENT_DEMOTED",
    "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED",
    "DECISION_VISIBILITY_CONTENT_INTERACTION_RESTRICTED",
    "DECISION_VISIBILITY_CONTENT_LABELLED",
    "DECISION_VISIBILITY_OTHER",
]
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
# Words in lines are read and compared with the source more easily than a list of strings.
KEYWORDS = frozenset(
    f"KEYWORD_{word}"
    for word in """
ADULT_SEXUAL_MATERIAL AGE_SPECIFIC_RESTRICTIONS AGE_SPECIFIC_RESTRICTIONS_MINORS ANIMAL_HARM
BIOMETRIC_DATA_BREACH BULLYING_AGAINST_GIRLS CHILD_SEXUAL_ABUSE_MATERIAL CHILD_SEXUAL_ABUSE_MATERIAL_DEEPFAKE
CONTENT_PROMOTING_EATING_DISORDERS COORDINATED_HARM COPYRIGHT_INFRINGEMENT CYBER_BULLYING_INTIMIDATION
CYBER_HARASSMENT CYBER_HARASSMENT_AGAINST_WOMEN CYBER_INCITEMENT CYBER_STALKING CYBER_STALKING_AGAINST_WOMEN
DATA_FALSIFICATION DEFAMATION DESIGN_INFRINGEMENT DISCRIMINATION FEMALE_GENDERED_DISINFORMATION
GEOGRAPHICAL_REQUIREMENTS
GEOGRAPHIC_INDICATIONS_INFRINGEMENT GOODS_SERVICES_NOT_PERMITTED
GROOMING_SEXUAL_ENTICEMENT_MINORS HATE_SPEECH HIDDEN_ADVERTISEMENT HUMAN_EXPLOITATION HUMAN_TRAFFICKING
ILLEGAL_ORGANIZATIONS IMPERSONATION_ACCOUNT_HIJACKING INAUTHENTIC_ACCOUNTS INAUTHENTIC_LISTINGS
INAUTHENTIC_USER_REVIEWS INCITEMENT_AGAINST_WOMEN INCITEMENT_VIOLENCE_HATRED
INSUFFICIENT_INFORMATION_ON_TRADERS LANGUAGE_REQUIREMENTS MISINFORMATION_DISINFORMATION
MISLEADING_INFO_CONSUMER_RIGHTS MISLEADING_INFO_GOODS_SERVICES MISSING_PROCESSING_GROUND NONCOMPLIANCE_PRICING
NON_CONSENSUAL_IMAGE_SHARING NON_CONSENSUAL_IMAGE_SHARING_AGAINST_WOMEN NON_CONSENSUAL_MATERIAL_DEEPFAKE
NON_CONSENSUAL_MATERIAL_DEEPFAKE_AGAINST_WOMEN NUDITY OTHER PATENT_INFRINGEMENT PHISHING PROHIBITED_PRODUCTS
PYRAMID_SCHEMES RIGHT_TO_BE_FORGOTTEN RISK_ENVIRONMENTAL_DAMAGE RISK_PUBLIC_HEALTH SELF_MUTILATION STALKING
SUICIDE TERRORIST_CONTENT TRADEMARK_INFRINGEMENT TRADE_SECRET_INFRINGEMENT TRAFFICKING_WOMEN_GIRLS
UNLAWFUL_SALE_ANIMALS UNSAFE_CHALLENGES UNSAFE_PRODUCTS VIOLATION_EU_LAW VIOLATION_NATIONAL_LAW
""".split()  # noqa: SIM905
)
EEA = frozenset(  # ISO 3166-1
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()  # noqa: SIM905
)


class DsaStatement(Value):
    """The request, field by field as the database names them."""

    decision_visibility: tuple[Visibility, ...] | None = None
    decision_visibility_other: Line | None = None
    decision_provision: Provision | None = None
    decision_account: Literal["DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"] | None = None
    decision_ground: Literal["DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"]
    decision_ground_reference_url: Line | None = None
    illegal_content_legal_ground: Line | None = None
    illegal_content_explanation: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    incompatible_content_ground: Line | None = None
    incompatible_content_explanation: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    incompatible_content_illegal: Literal["Yes", "No"] | None = None
    content_type: tuple[Annotated[str, Field(pattern="^CONTENT_TYPE_(APP|AUDIO|IMAGE|PRODUCT|SYNTHETIC_MEDIA|TEXT|VIDEO|OTHER)$")], ...] = Field(min_length=1)  # fmt: skip # noqa: E501
    content_type_other: Line | None = None
    category: StatementCategory
    category_specification: tuple[str, ...] | None = None
    territorial_scope: tuple[str, ...] | None = None
    content_date: Day
    application_date: Day
    end_date_visibility_restriction: Day | None = None
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
    puid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,500}$")]

    @model_validator(mode="after")
    def _whole(self) -> DsaStatement:
        if not (self.decision_visibility or self.decision_provision or self.decision_account):
            raise ValueError("at least one decision")
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
