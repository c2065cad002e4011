"""The tables of a transparency report that list indicators: complaints, automated means, words.

Indicators, sections and scopes are those of annex I of Implementing Regulation (EU) 2024/2835, parts 7, 8 and
11, letter by letter. What only very large platforms report is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rempart.governance.disclosure.counting import Basis, Complaints, TransparencyReport

EVERYBODY = "All"
HOSTING = "Only for providers of hosting services, including online platforms"
PLATFORMS = "Only for providers of online platforms"
COMPLAINTS = "Internal complaints mechanism"
DISPUTES = "Out-of-court dispute settlement bodies"
SUSPENSIONS = "Suspensions imposed on repeated offenders"
AUTOMATED = "Use of automated means for content moderation"
SUBMITTED = "Number of complaints submitted to the internal-complaints mechanism"
SETTLED = "Number of disputes submitted to out-of-court dispute settlement bodies"
NOT_RECORDED = "Not recorded here."

Row = Sequence[str]

_BASES = (
    ("to remove or disable access to or restrict visibility of information", Basis.VISIBILITY),
    ("to suspend or terminate the provision of the service", Basis.PROVISION),
    ("to suspend or terminate an account ", Basis.ACCOUNT),
    ("to restrict the ability to monetise information", None),
)
_NO_COMPLAINT = (
    "not to take action on a notice submitted in accordance with Article 16",
    "not to take action on a notice submitted by a Trusted Flagger in accordance with Article 16",
)
_SUSPENDED = (
    "Number of suspensions enacted for the provision of manifestly illegal content ",
    "Number of suspensions enacted for the provision of manifestly unfounded notices",
    "Number of suspensions enacted for the provision of manifestly unfounded complaints",
)


def appeals(report: TransparencyReport) -> Iterator[Row]:
    """Part 7: applicability, section, indicator, scope, value, context."""
    of = {row.basis: row for row in report.complaints if row.remedy is None}
    whole = of[None]
    yield EVERYBODY, COMPLAINTS, SUBMITTED, "Total number", str(whole.submitted), ""
    yield from _outcomes(SUBMITTED, whole)
    yield PLATFORMS, COMPLAINTS, SUBMITTED, "Decision omitted", "", ""
    nothing = "No decision on appeal may be wider than what it is about."
    imposed = "Number of restrictions newly imposed as a result of an internal complaint"
    yield PLATFORMS, COMPLAINTS, imposed, "Total number", "0", nothing
    for words, basis in _BASES:
        row = Complaints() if basis is None else of.get(basis, Complaints())
        indicator = f"Complaint regarding a decision {words}"
        yield PLATFORMS, COMPLAINTS, indicator, "Total number", str(row.submitted), ""
        yield from _outcomes(indicator, row)
    for words in _NO_COMPLAINT:
        indicator = f"Complaint regarding a decision {words}"
        yield PLATFORMS, COMPLAINTS, indicator, "Total number", "0", "The process has appeals of owners only."
        yield from _outcomes(indicator, Complaints())
    for scope in (
        *("Total number", "Decisions upheld", "Decisions partially reversed", "Decisions reversed"),
        *("Median time", "Decision omitted", "Percentage of outcomes implemented"),
    ):
        yield PLATFORMS, DISPUTES, SETTLED, scope, "", NOT_RECORDED if scope == "Total number" else ""
    for indicator in _SUSPENDED:
        yield PLATFORMS, SUSPENSIONS, indicator, "Total number", "", NOT_RECORDED


def _outcomes(indicator: str, row: Complaints) -> Iterator[Row]:
    for scope, value in (
        ("Decisions upheld", str(row.upheld)),
        ("Decisions partially reversed", str(row.changed)),
        ("Decisions reversed", str(row.reversed)),
        ("Median time", hours(row.median_s)),
    ):
        yield (
            PLATFORMS,
            COMPLAINTS,
            indicator,
            scope,
            value,
            "In hours." if value and scope == "Median time" else "",
        )


def automated(report: TransparencyReport) -> Iterator[Row]:
    """Part 8: nothing is decided by a program, so every measure is one that was not."""
    own = sum(row.measures for row in report.own_initiative if row.category is None)
    notices = report.notices[0]
    orders = report.orders[0]
    measures = own + notices.by_law + notices.by_terms + orders.given_effect
    for applicability, scope, what, number in (
        (EVERYBODY, "Total number", _MEASURES, measures),
        (EVERYBODY, "Own-initiative ", _MEASURES, own),
        (HOSTING, "NAM Total", _NOTICES, notices.received),
        (PLATFORMS, "NAM Trusted Flagger", _NOTICES, notices.received_trusted),
    ):
        yield applicability, AUTOMATED, what[0], scope, "0", ""
        yield applicability, AUTOMATED, what[1], scope, str(number), ""
        for accuracy in ("Accuracy", "Precision", "Recall"):
            yield applicability, AUTOMATED, f"Accuracy of the automated means - {accuracy}", scope, "", ""


_MEASURES = (
    "Number of measures solely taken by automated means ",
    "Number of measures not taken by automated means",
)
_NOTICES = (
    "Number of notices solely processed by automated means ",
    "Number of notices not processed by automated means",
)


def qualitative() -> tuple[tuple[str, str], ...]:
    """Part 11: indicator and text. What is said is how the process works, not what happened in the period."""
    none = "None. No program classifies reports, proposes or takes decisions."
    return (
        (
            "Summary of the content moderation engaged in at the providers’ own initiative",
            "Sites are not searched. What the operator comes upon becomes a case like any notice.",
        ),
        (
            "Meaningful and comprehensible information regarding content moderation engaged in at the "
            "providers' own initiative",
            "A remedy takes effect only after the owner could answer, on the signatures of several arbiters, "
            "with notice, the narrowest that serves, each step in a public log; other arbiters decide on "
            "appeal.",
        ),
        ("Qualitative description of the automated means", none),
        (
            "Qualitative description of indicators of accuracy and possible rate of error of automated means",
            "Not applicable.",
        ),
        ("Specification of the precise purposes to apply automated means", "Not applicable."),
        ("Safeguards applied to the use of automated means", "Not applicable."),
    )


def hours(seconds: int | None) -> str:
    """A median time as the tables have it."""
    return "" if seconds is None else f"{seconds / 3600:.2f}"
