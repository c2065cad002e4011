"""A transparency report as the tables of Commission Implementing Regulation (EU) 2024/2835, annex I, in CSV.

Columns, rows and their order are those of the Commission's own CSV files (parts 1 to 8 and 11), in which
every row of a template stands; a figure that is zero is written as 0, one that is not there is left empty.
Times are in hours. Parts 9 and 10 (human resources, recipients) are for very large platforms, and left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from rempart.governance.disclosure.counting import (
    MEMBER_STATES,
    UNION,
    Notices,
    Orders,
    OwnInitiative,
    Place,
    TransparencyReport,
)
from rempart.governance.disclosure.indicators import HOSTING, appeals, automated, hours, qualitative
from rempart.governance.dsa_categories import OF_CASES, OTHER, OTHER_TERMS, TABLE
from rempart.governance.statements import DECISIONS
from rempart.model.cases import GroundKind

TOTAL = "TOTAL"
EVERYBODY = "All"
HOURS = "In hours."
NO_INFORMATION_ORDERS = "Orders to provide information are not part of the process that this counts."

Row = Sequence[str]


def tables(report: TransparencyReport) -> dict[str, str]:
    """File name → CSV (RFC 4180, the first line is the header)."""
    beginning = (report.provider, f"{report.period.first}/{report.period.last}")
    return {
        "1_report_identification.csv": _csv(_identification(report)),
        "2_categories_names.csv": _csv(_names()),
        "3_member_states_orders.csv": _csv(_orders(report, beginning)),
        "4_notices.csv": _csv(_notices(report, beginning)),
        "5_own_initiative_illegal.csv": _csv(_own(report, beginning, GroundKind.ILLEGAL)),
        "6_own_initiative_TC.csv": _csv(_own(report, beginning, GroundKind.POLICY)),
        "7_appeals_and_recidivism.csv": _csv(_indicators(beginning, appeals(report))),
        "8_automated_means.csv": _csv(_indicators(beginning, automated(report))),
        "11_qualitative.csv": _csv(_qualitative(beginning)),
    }


def _csv(rows: Iterable[Row]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _categories(*, last: str | None = None, terms: bool = False) -> Iterator[tuple[str, str, Place]]:
    """The rows of a table by category: its name, the text beside ``OTHER``, and where it is counted.

    ``last``: the category of what names no law. ``terms``: the table is about the provider's terms, and has
    the category that is against nothing else.
    """
    yield TOTAL, "", Place()
    for category, keywords in TABLE.items():
        if category == OTHER_TERMS and not terms:
            continue
        yield f"STATEMENT_CATEGORY_{category}", "", Place(category=category)
        for keyword in keywords:
            ours = [one for one, names in OF_CASES.items() if names == (category, OTHER)]
            words = ", ".join(ours) if keyword == OTHER else ""
            yield f"KEYWORD_{keyword}", words, Place(category=category, keyword=keyword)
    if last is not None:
        yield f"STATEMENT_CATEGORY_{last}", "", Place(category=OTHER_TERMS)


def _place(row: Place) -> Place:
    return Place(category=row.category, keyword=row.keyword)


def _identification(report: TransparencyReport) -> Iterator[Row]:
    yield "Applicability", "Service", "Indicator", "Value"
    for indicator, value in (
        ("Name of the service provider", report.provider),
        ("Date of the publication of the report", report.published_on or ""),
        ("Date of the publication of the latest previous report", report.previous_on or ""),
        ("Starting date of reporting period", report.period.first),
        ("Ending date of reporting period", report.period.last),
    ):
        yield EVERYBODY, report.provider, indicator, str(value)


def _names() -> Iterator[Row]:
    yield (
        "Category label",
        "Category description",
        "Category of illegal content / incompatible with the terms and conditions",
        "Contextual information",
    )
    yield TOTAL, "All the entries", TOTAL, ""
    for number, (category, keywords) in enumerate(TABLE.items(), 1):
        yield f"Category {number}", _words(category), f"STATEMENT_CATEGORY_{category}", ""
        for letter, keyword in zip("abcdefghijkl", keywords, strict=False):
            ours = ", ".join(one for one, names in OF_CASES.items() if names == (category, keyword))
            note = f"Cases about: {ours}" if ours else ""
            words = "Not captured by any other sub-category" if keyword == OTHER else _words(keyword)
            yield f"Category {number}{letter}", words, f"KEYWORD_{keyword}", note
    for number, (by, name) in enumerate(
        (("public authority", "ORDER"), ("notifier", "NOTICE")), len(TABLE) + 1
    ):
        words = f"Type of illegal content not specified by the {by}"
        yield f"Category {number}", words, f"STATEMENT_CATEGORY_NOT_SPECIFIED_{name}", ""


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


_ORDERS = (
    "umber of orders to act against illegal content received",
    "umber of specific items of information included in the total number of orders to act against illegal"
    " content",
    "edian time to inform the authority of the receipt of the order to act against illegal content",
    "edian time to give effect to the order to act against illegal content",
    "umber of orders to provide information",
    "edian time to inform the authority of the receipt of the order to provide information",
    "edian time to give effect to the order to provide information",
)
# The template writes the first two of these with a small letter when it asks for their context.
_ORDER_COLUMNS = tuple(("M" if name.startswith("edian") else "N") + name for name in _ORDERS)
_ORDER_NOTES = tuple("n" + name for name in _ORDERS[:2]) + _ORDER_COLUMNS[2:]


def _orders(report: TransparencyReport, beginning: Row) -> Iterator[Row]:
    yield (
        *("Applicability", "Service", "Reporting period", "Category of illegal content"),
        *('Description of the sub-category "Other"', "Scope"),
        *_ORDER_COLUMNS,
        *(f"Contextual information on {name}" for name in _ORDER_NOTES),
    )
    found = {(_place(row), row.scope): row for row in report.orders}
    for scope in (UNION, *MEMBER_STATES):
        for name, other, place in _categories(last="NOT_SPECIFIED_ORDER"):
            row = found.get((place, scope)) or Orders(**place.model_dump(), scope=scope)
            whole = scope == UNION and name == TOTAL
            elsewhere = report.orders[0].received - row.received if whole else 0
            note = (
                f"{elsewhere} more came from elsewhere, or from where was not recorded." if elsewhere else ""
            )
            notes = (note, "", HOURS, HOURS, NO_INFORMATION_ORDERS, "", "") if whole else ("",) * 7
            yield (
                *(EVERYBODY, *beginning, name, other, TOTAL if scope == UNION else scope),
                *(str(row.received), str(row.items), hours(row.median_inform_s), hours(row.median_effect_s)),
                *("", "", ""),
                *notes,
            )


_NOTICE_COLUMNS = (
    "Number of notices received ",
    "Number of notices received from Trusted flaggers",
    "Number of specific items of information included in the total number of notices",
    "Number of specific items of information included in the total number of notices by Trusted Flaggers "
    "(Trusted Flagger notices)",
    "Median time to take action",
    "Median time to take action (Trusted Flagger notices)",
    "Number of actions taken on the basis of the law",
    "Number of actions taken on the basis of the law (Trusted Flagger notices)",
    "Number of actions taken on the basis of the terms and conditions of the service",
    "Number of actions taken on the basis of the terms and conditions of the service "
    "(Trusted Flagger notices)",
)


def _notices(report: TransparencyReport, beginning: Row) -> Iterator[Row]:
    yield (
        *("Applicability", "Service", "Reporting period", "Category of illegal content"),
        'Description of the sub-category "Other"',
        *_NOTICE_COLUMNS,
        *(f"Contextual information on {name}" for name in _NOTICE_COLUMNS),
    )
    found = {_place(row): row for row in report.notices}
    for name, other, place in _categories(last="NOT_SPECIFIED_NOTICE"):
        row = found.get(place) or Notices(**place.model_dump())
        items = (row.received, row.received_trusted, row.items, row.items_trusted)
        actions = (row.by_law, row.by_law_trusted, row.by_terms, row.by_terms_trusted)
        times = (HOURS, HOURS) if name == TOTAL else ("", "")
        yield (
            *(HOSTING, *beginning, name, other),
            *map(str, items),
            *(hours(row.median_act_s), hours(row.median_act_trusted_s)),
            *map(str, actions),
            *("", "", "", "", *times, "", "", "", ""),
        )


_RESTRICTIONS = (
    ("Visibility restriction Removal", "DECISION_VISIBILITY_CONTENT_REMOVED"),
    ("Visibility restriction Disable", "DECISION_VISIBILITY_CONTENT_DISABLED"),
    ("Visibility restriction Demoted", "DECISION_VISIBILITY_CONTENT_DEMOTED"),
    ("Visibility restriction Age restricted", "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED"),
    ("Visibility restriction Interaction restricted", "DECISION_VISIBILITY_CONTENT_INTERACTION_RESTRICTED"),
    ("Visibility restriction Labelled ", "DECISION_VISIBILITY_CONTENT_LABELLED"),
    ("Visibility restriction Other", "DECISION_VISIBILITY_OTHER"),
    ("Monetary restriction Suspension", "DECISION_MONETARY_SUSPENSION"),
    ("Monetary restriction Termination", "DECISION_MONETARY_TERMINATION"),
    ("Monetary restriction Other", "DECISION_MONETARY_OTHER"),
    ("Provision of the service Suspension", "DECISION_PROVISION_SUSPENSION"),
    ("Provision of the service Termination", "DECISION_PROVISION_TERMINATION"),
    ("Account restriction Suspension", "DECISION_ACCOUNT_SUSPENDED"),
    ("Account restriction Termination", "DECISION_ACCOUNT_TERMINATED"),
)


def _own(report: TransparencyReport, beginning: Row, ground: GroundKind) -> Iterator[Row]:
    illegal = ground is GroundKind.ILLEGAL
    columns = (
        "Number of measures taken at the provider's own initiative ",
        "Number of measures taken after detection with solely automated means ",
        *(name for name, _ in _RESTRICTIONS),
    )
    yield (
        *("Applicability", "Service", "Reporting period"),
        "Category of illegal content"
        if illegal
        else "Category of incompatibility with the provider's terms and conditions",
        'Description of the sub-category "Other"',
        *columns,
        *(f"Contextual Information on {name}" for name in columns),
    )
    found = {_place(row): row for row in report.own_initiative if row.ground is ground}
    for name, other, place in _categories(terms=not illegal):
        row = found.get(place) or OwnInitiative(**place.model_dump(), ground=ground)
        counts = _by_restriction(row)
        figures = (row.measures, 0, *(counts.get(kind, 0) for _, kind in _RESTRICTIONS))
        yield (EVERYBODY, *beginning, name, other, *map(str, figures), *("" for _ in columns))


def _by_restriction(row: OwnInitiative) -> dict[str, int]:
    """How many measures were of which kind; the template does not tell partial from total ones."""
    found: dict[str, int] = {}
    for remedy, number in row.remedies.items():
        for decision in DECISIONS[remedy].values():
            kind = decision if isinstance(decision, str) else decision[0]
            kind = kind.replace("_PARTIAL_", "_").replace("_TOTAL_", "_")
            found[kind] = found.get(kind, 0) + number
    return found


def _indicators(beginning: Row, rows: Iterable[Row]) -> Iterator[Row]:
    columns = ("Section", "Indicator", "Scope", "Value", "Contextual Information")
    yield "Applicability", "Service", "Reporting period", *columns
    for applicability, *rest in rows:
        yield applicability, *beginning, *rest


def _qualitative(beginning: Row) -> Iterator[Row]:
    yield "Applicability", "Service", "Reporting period", "Indicator", "Value"
    for indicator, value in qualitative():
        yield EVERYBODY, *beginning, indicator, value
