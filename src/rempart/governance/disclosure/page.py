"""A transparency report as a page: one file that needs nothing else, in English or French.

``body`` is what a frame can hold; ``page`` is the whole document. No scripts, no resources from elsewhere;
tables have captions and row headers, so that they can be listened to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from rempart.governance.disclosure.counting import ALL, UNION, UNKNOWN, Place, TransparencyReport
from rempart.governance.disclosure.words import WORDS, Language, Words
from rempart.model.cases import GroundKind

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
body{color:#1a1a1a;background:#fff}
div.wide{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0 1.5rem}
caption{text-align:left;color:#444}th,td{border:1px solid #bbb;padding:.25rem .6rem;text-align:right}
th[scope=row],td.words{text-align:left;font-weight:normal}thead th{background:#f0f0f0;vertical-align:bottom}
@media (prefers-color-scheme:dark){
body{color:#eee;background:#161616}thead th{background:#2a2a2a}caption{color:#bbb}}
"""


def page(report: TransparencyReport, language: Language) -> str:
    """The whole document (HTML 5)."""
    words = WORDS[language]
    title = f"{escape(words.title)} {_period(report)} – {escape(report.provider)}"
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{body(report, language)}</main>\n</body>\n</html>\n"
    )


def body(report: TransparencyReport, language: Language) -> str:
    """The report without what surrounds it; begins with its heading."""
    words = WORDS[language]
    when = words.unpublished if report.published_on is None else f"{words.published} {report.published_on}."
    parts = [
        f"<h1>{escape(words.title)} {_period(report)}</h1>\n",
        f"<p>{escape(report.provider)}. {escape(when)} {escape(words.method)}</p>\n",
        _orders(report, words),
        _notices(report, words),
        _own(report, words),
        _complaints(report, words),
        _emergencies(report, words),
        f"<h2>{escape(words.automated)}</h2>\n<p>{escape(words.no_automation)}</p>\n",
    ]
    return "".join(parts)


def duration(seconds: int | None, words: Words) -> str:
    """A median time for people."""
    if seconds is None:
        return "–"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} {words.hours}"
    return f"{seconds / 86400:.1f} {words.days}"


def _period(report: TransparencyReport) -> str:
    return f"{report.period.first} – {report.period.last}"


def _orders(report: TransparencyReport, words: Words) -> str:
    scopes = {ALL: words.all_orders, UNION: words.member_states, UNKNOWN: words.unknown_country}
    rows = [
        (
            _about(row, words),
            scopes.get(row.scope, row.scope),
            *(row.received, row.items, duration(row.median_inform_s, words)),
            *(row.given_effect, duration(row.median_effect_s, words), row.refused),
        )
        for row in report.orders
    ]
    kinds = ", ".join(f"{kind.value}: {number}" for kind, number in report.orders_by_kind.items())
    after = f"{kinds}. {words.no_information}" if kinds else words.no_information
    return _table(words.orders, "DSA Art. 15(1)(a)", words.order_columns, rows) + f"<p>{escape(after)}</p>\n"


def _notices(report: TransparencyReport, words: Words) -> str:
    rows = [
        (
            _about(row, words),
            *(row.received, row.received_trusted, row.items),
            *(row.by_law, row.by_terms, row.passed_on, row.not_acted),
            *(
                duration(seconds, words)
                for seconds in (row.median_act_s, row.median_act_trusted_s, row.median_not_acted_s)
            ),
        )
        for row in report.notices
    ]
    return _table(words.notices, "DSA Art. 15(1)(b)", words.notice_columns, rows)


def _own(report: TransparencyReport, words: Words) -> str:
    rows = [
        (
            words.by_law if row.ground is GroundKind.ILLEGAL else words.by_terms,
            _about(row, words),
            row.measures,
            ", ".join(f"{remedy.value}: {number}" for remedy, number in row.remedies.items()),
        )
        for row in report.own_initiative
    ]
    found = f"<p>{escape(words.found)} {report.own_findings}.</p>\n"
    return _table(words.own, "DSA Art. 15(1)(c)", words.own_columns, rows) + found


def _complaints(report: TransparencyReport, words: Words) -> str:
    rows = [
        (
            words.total if row.basis is None else words.bases[row.basis.value],
            words.total if row.remedy is None else row.remedy.value,
            *(row.submitted, row.upheld, row.changed, row.reversed, duration(row.median_s, words)),
        )
        for row in report.complaints
    ]
    return _table(words.complaints, "DSA Art. 15(1)(d)", words.complaint_columns, rows)


def _emergencies(report: TransparencyReport, words: Words) -> str:
    one = report.emergencies
    rows = [(one.taken, one.confirmed, one.expired, one.reviewed)]
    lifted = ", ".join(f"{why.value}: {number}" for why, number in report.lifted.items()) or "0"
    table = _table(words.emergencies, "", words.emergency_columns, rows, named=False)
    return f"{table}<p>{escape(words.lifted)}: {escape(lifted)}.</p>\n"


def _about(row: Place, words: Words) -> str:
    if row.category is None:
        return words.total
    name = row.category if row.keyword is None else f"{row.category}: {row.keyword}"
    return name.replace("_", " ").lower()


def _table(
    heading: str,
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    named: bool = True,
) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in columns)
    lines = []
    for row in rows:
        first = f'<th scope="row">{escape(str(row[0]))}</th>' if named else f"<td>{row[0]}</td>"
        rest = "".join(_cell(one) for one in row[1:])
        lines.append(f"<tr>{first}{rest}</tr>\n")
    return (
        f'<h2>{escape(heading)}</h2>\n<div class="wide" tabindex="0"><table>\n'
        f"<caption>{escape(caption or heading)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{''.join(lines)}</tbody>\n</table></div>\n"
    )


def _cell(value: object) -> str:
    kind = "" if isinstance(value, int) else ' class="words"'
    return f"<td{kind}>{escape(str(value))}</td>"
