"""The pages of remedies on a URL, in English and French: a warning to go on from, and two refusals. Pure.

A page is a HAProxy log-format text; what it says of one decision comes from ``txn.notice``, HTML that is made
here of what arbiters have signed. Nothing is loaded, no script runs.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from rempart.model.base import Value
from rempart.model.cases_remedies import Notice
from rempart.model.gate import READ_PATH
from rempart.snapshot.items import EdgeRemedy

LANGUAGES = ("en", "fr")
"""The first one is for everybody who reads neither."""
PAGES = ("warn", "451", "403")


class Words(Value):
    """The words of one language."""

    warn_title: str
    warn_lead: str
    proceed: str
    cookie: str
    blocked_title: str
    blocked_by_order: str
    blocked_by_decision: str
    rest: str
    authority: str
    reference: str
    basis: str
    since: str
    where: str
    case: str
    to_register: str
    appeal: str
    id_label: str


_STYLE = (
    ":root{color-scheme:light dark}\n"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;"
    "font:1.125rem/1.6 system-ui,sans-serif;background:#fff;color:#1a1a1a}\n"
    "main{max-width:40rem;padding:2rem}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}\np{margin:0 0 1rem}\n"
    "section{border-inline-start:4px solid #767676;padding-inline-start:1rem;margin:0 0 1.5rem;"
    "overflow-wrap:anywhere}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0 0 1rem}\ndd{margin:0}\n"
    "button{font:inherit;padding:.5rem 1.25rem}\n"
    ".receipt{border-top:1px solid #767676;padding-top:1rem;margin-top:2rem;font-size:.95rem}\n"
    "code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}\n"
    "@media (prefers-color-scheme:dark){body{background:#121212;color:#ededed}a{color:#8ab4f8}}\n"
    "@media (max-width:30rem){main{padding:1.25rem}dl{grid-template-columns:1fr}dt{margin-top:.5rem}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

_HTML = Template("""\
<!doctype html>
<html lang="$code">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$lead</p>
@NOTICE@
$rest
<p class="receipt">$id_label <code>@ID@</code></p>
</main>
</body>
</html>
""")
_MARKS = {
    "@NOTICE@": "%[var(txn.notice)]",
    "@ID@": "%[unique-id]",
    "@FOR@": "%[var(txn.remedies)]",
    "@TO@": "%[var(txn.read_to)]",
}


@cache
def words(code: str) -> Words:
    """The words of a language out of LANGUAGES."""
    file = files("rempart.engines.haproxy").joinpath("remedy", "languages", f"{code}.toml")
    return Words.model_validate(tomllib.loads(file.read_text("utf-8")))


def page(name: str, code: str) -> str:
    """One of PAGES as a log-format text, to be read by HAProxy with ``lf-file``."""
    said = words(code)
    if name == "warn":
        title, lead = said.warn_title, said.warn_lead
        rest = (
            f'<form method="post" action="{READ_PATH}?for=@FOR@&amp;to=@TO@">'
            f"<button>{escape(said.proceed)}</button></form>\n<p>{escape(said.cookie)}</p>"
        )
    else:
        title = said.blocked_title
        lead = said.blocked_by_order if name == "451" else said.blocked_by_decision
        rest = f"<p>{escape(said.rest)} {escape(said.appeal)}</p>"
    html = _HTML.substitute(
        code=code,
        title=escape(title),
        lead=escape(lead),
        rest=rest,
        id_label=escape(said.id_label),
        style=_STYLE,
    ).replace("%", "%%")
    for mark, expression in _MARKS.items():
        html = html.replace(mark, expression)
    return html


def notice_html(one: EdgeRemedy, notice: Notice, code: str, bytes_max: int) -> str:
    """What the page says of one decision. Its explanation is cut when it is longer than ``bytes_max``."""
    said = words(code)
    facts = [
        (said.authority, notice.authority),
        (said.reference, notice.reference),
        (said.basis, notice.basis),
        (said.where, ", ".join(one.territory)),
        (said.since, f"{one.since:%Y-%m-%d %H:%M} UTC"),
        (said.case, one.case),
    ]
    listed = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in facts if text)
    link = f'<p><a href="{escape(one.link)}">{escape(said.to_register)}</a></p>' if one.link else ""
    return f"<section><dl>{listed}</dl><p>{_cut(notice.explanation, bytes_max)}</p>{link}</section>"


def _cut(text: str, bytes_max: int) -> str:
    """``text`` as HTML of so many bytes at most, cut between two characters."""
    parts: list[str] = []
    left = bytes_max
    for character in text:
        part = escape(character) if character != "\n" else "<br>"
        left -= len(part.encode())
        if left < 0:
            return "".join(parts) + "…"
        parts.append(part)
    return "".join(parts)
