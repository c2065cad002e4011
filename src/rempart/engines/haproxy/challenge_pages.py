"""The page that challenges a visitor, in five languages: HTML with its style and script inside. Pure.

The edge answers from memory with a HAProxy log-format text made here; the gate makes its own few pages
from the same texts. Nothing is loaded but the worker that looks for a proof, from the site's own origin; the
page manages without it. The Content-Security-Policy names the hashes of the one style and the one script, so
a site's own policy never matters and nothing else ever runs.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from rempart.engines.haproxy import receipts
from rempart.engines.haproxy.names import Places
from rempart.model.base import Value
from rempart.model.gate import GATE_PATH, PROOF_BITS, PROOF_MAX_S, WAIT_S

LANGUAGES = ("en", "fr", "es", "de", "ar")
"""The first one is for everybody who reads none of the others."""

_PLACES = {
    "@METHOD@": "%[method]",
    "@FORM@": "%[var(txn.form)]",
    "@NONCE@": "%[unique-id]",
    "@PROOF@": "%[var(txn.proof)]",
    "@WAIT@": "%[var(txn.wait)]",
    # Percent-encoded, so that it is safe in HTML. A form encodes it once more, which the gate notices.
    "@TO@": "%[var(txn.to)]",
    "@AGAIN@": receipts.again(),
}


class Language(Value):
    """The words of one language."""

    code: str = ""
    direction: str
    title: str
    why: str
    working: str
    waiting: str
    passed: str
    posted: str
    posted_plain: str
    cookies: str
    failed: str
    again: str
    without_script: str
    proceed: str
    too_early: str
    receipt: str
    id_label: str
    ask: str


@cache
def language(code: str) -> Language:
    """The words of a language out of LANGUAGES."""
    found = Language.model_validate(tomllib.loads(_text(f"languages/{code}.toml")))
    return found.model_copy(update={"code": code})


def content_security_policy() -> str:
    """What the page may do: its own style and script, requests to its own site, nothing else."""
    style, script = _hash(_text("challenge.css")), _hash(_script("challenge.js"))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; worker-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )


WORKER_POLICY = "default-src 'none'"
"""What the worker may do besides computing: nothing."""


def worker_script() -> str:
    """JavaScript of the worker: it is sent ``[nonce, bits]`` and answers with the number that proves."""
    return _script("worker.js")


@cache
def worker_name() -> str:
    """Its file name, which changes with its content, so that browsers may keep it for ever."""
    return f"proof.{hashlib.sha256(worker_script().encode()).hexdigest()[:16]}.js"


CHALLENGE_STATUS = 503
"""Search engines and archives keep what they have and come back."""


def challenge_page(words: Language, places: Places, receipt_url: str | None = None) -> str:
    """The challenge as a log-format text, to be read by HAProxy with ``lf-file``.

    It takes the variables txn.proof, txn.wait, txn.form and txn.to (see clearance). ``receipt_url``: see
    ``pages.render``.
    """
    link = f'<br><a href="{escape(receipt_url)}@AGAIN@">{escape(words.ask)}</a>' if receipt_url else ""
    content = Template(_text("challenge.html")).substitute(
        _escaped(words),
        bits=PROOF_BITS,
        proof_seconds=PROOF_MAX_S,
        wait_seconds=WAIT_S,
        path=_PASS,
        worker=f"{GATE_PATH}{worker_name()}",
        link=link,
    )
    refresh = (
        f'<noscript><meta http-equiv="refresh" content="{WAIT_S + 1};url={_PASS}?c=@WAIT@&amp;to=@TO@">'
        "</noscript>"
    )
    html = _page(words, content, refresh=refresh, script=f"<script>{_script('challenge.js')}</script>")
    html = html.replace("%", "%%")
    for marker, expression in _PLACES.items():
        html = html.replace(marker, expression)
    return html.replace("@RECEIPT@", receipts.first(CHALLENGE_STATUS, places))


def plain_page(words: Language, text: str, receipt: str, *, onward: str = "") -> str:
    """A page of the gate's own: one paragraph, and a link ``onward``, if there is a way."""
    content = f"<p>{escape(text)}</p>"
    if onward:
        content += f'<p><a href="{escape(onward)}">{escape(words.proceed)}</a></p>'
    content += f'<p class="receipt">{escape(words.id_label)} <code>{escape(receipt)}</code></p>'
    return _page(words, content, refresh="", script="")


_PASS = f"{GATE_PATH}pass"


def _page(words: Language, content: str, *, refresh: str, script: str) -> str:
    return Template(_text("page.html")).substitute(
        code=words.code,
        direction=words.direction,
        title=escape(words.title),
        style=_text("challenge.css"),
        refresh=refresh,
        content=content,
        script=script,
    )


def _escaped(words: Language) -> dict[str, str]:
    return {name: escape(value) for name, value in words.model_dump().items()}


@cache
def _text(name: str) -> str:
    return files("rempart.engines.haproxy").joinpath("challenge", *name.split("/")).read_text("utf-8")


@cache
def _script(name: str) -> str:
    """A script with the search in it, which page and worker share: the page must do without the worker.

    Comments on lines of their own and indentation stay here: every challenge carries the rest.
    """
    text = _text(name).replace("/* SHA256 */", _text("sha256.js"))
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
