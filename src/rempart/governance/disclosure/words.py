"""The words of the transparency report's page, in English and French."""

from __future__ import annotations

from typing import Literal, TypeAlias

from rempart.model.base import Value

Language: TypeAlias = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")


class Words(Value):
    """One language's."""

    title: str
    unpublished: str
    published: str
    orders: str
    order_columns: tuple[str, ...]
    all_orders: str
    member_states: str
    unknown_country: str
    no_information: str
    notices: str
    notice_columns: tuple[str, ...]
    own: str
    own_columns: tuple[str, ...]
    by_law: str
    by_terms: str
    found: str
    complaints: str
    complaint_columns: tuple[str, ...]
    bases: dict[str, str]
    emergencies: str
    emergency_columns: tuple[str, ...]
    lifted: str
    automated: str
    no_automation: str
    total: str
    hours: str
    days: str
    method: str


ENGLISH = Words(
    title="Transparency report",
    unpublished="Not published yet.",
    published="Published on",
    orders="Orders of authorities",
    order_columns=(
        "About",
        "From",
        "Received",
        "Items",
        "Median time until the authority was told",
        "Given effect",
        "Median time to effect",
        "Refused",
    ),
    all_orders="all",
    member_states="Member States",
    unknown_country="not recorded",
    no_information="Orders to provide information are not part of the process that this counts.",
    notices="Notices",
    notice_columns=(
        "About",
        "Received",
        "of these by trusted flaggers",
        "Items",
        "Acted on by law",
        "Acted on by our terms",
        "Passed on only",
        "Not acted on",
        "Median time to act",
        "the same for trusted flaggers",
        "Median time to a refusal",
    ),
    own="On our own initiative",
    own_columns=("Ground", "About", "Measures", "by remedy"),
    by_law="law",
    by_terms="terms",
    found="Looked into without a notice, whatever came of it:",
    complaints="Appeals of owners",
    complaint_columns=(
        "Against a restriction of",
        "Remedy",
        "Received",
        "Upheld",
        "Changed",
        "Reversed",
        "Median time to the decision",
    ),
    bases={"visibility": "visibility", "provision": "the service", "account": "the account"},
    emergencies="Emergencies (immediate threat to life)",
    emergency_columns=("Taken", "Confirmed by a full quorum", "Ended without", "Reviewed"),
    lifted="Remedies lifted",
    automated="Automated means",
    no_automation="None. No program classifies reports, proposes or takes decisions.",
    total="all",
    hours="h",
    days="days",
    method="Each thing counts in the period in which its step was taken. Times are medians. Every step is in "
    "the public log.",
)

FRENCH = Words(
    title="Rapport de transparence",
    unpublished="Pas encore publié.",
    published="Publié le",
    orders="Injonctions des autorités",
    order_columns=(
        "Objet",
        "Origine",
        "Reçues",
        "Éléments",
        "Délai médian d’accusé de réception",
        "Suivies d’effet",
        "Délai médian d’exécution",
        "Refusées",
    ),
    all_orders="toutes",
    member_states="États membres",
    unknown_country="non consigné",
    no_information="Les injonctions de fournir des informations ne font pas partie de la procédure recensée "
    "ici.",
    notices="Notifications",
    notice_columns=(
        "Objet",
        "Reçues",
        "dont de signaleurs de confiance",
        "Éléments",
        "Suivies d’effet en vertu de la loi",
        "Suivies d’effet en vertu de nos conditions",
        "Seulement transmises",
        "Sans suite",
        "Délai médian d’action",
        "le même, signaleurs de confiance",
        "Délai médian d’un refus",
    ),
    own="De notre propre initiative",
    own_columns=("Fondement", "Objet", "Mesures", "par remède"),
    by_law="loi",
    by_terms="conditions",
    found="Examinés sans notification, quelle qu’en soit la suite :",
    complaints="Recours des propriétaires",
    complaint_columns=(
        "Contre une restriction",
        "Remède",
        "Reçus",
        "Rejetés",
        "Décision modifiée",
        "Décision annulée",
        "Délai médian de décision",
    ),
    bases={"visibility": "de visibilité", "provision": "du service", "account": "du compte"},
    emergencies="Urgences (menace immédiate pour la vie)",
    emergency_columns=("Engagées", "Confirmées par un quorum complet", "Expirées", "Réexaminées"),
    lifted="Remèdes levés",
    automated="Moyens automatisés",
    no_automation="Aucun. Aucun programme ne classe les signalements, ne propose ni ne prend de décision.",
    total="total",
    hours="h",
    days="jours",
    method="Chaque élément compte dans la période où l’étape a eu lieu. Les délais sont des médianes. Chaque "
    "étape figure au journal public.",
)

WORDS: dict[Language, Words] = {"en": ENGLISH, "fr": FRENCH}
