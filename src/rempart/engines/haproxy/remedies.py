"""Remedies on URLs and for territories at the edge: the rules, and the Lua that finds them. Pure.

A site that has any carries the letter ``u`` in its route; no other site's requests come here, and theirs are
never passed over by what the connection knows. In the map of remedies stands, by backend and place, what is
in force there; ``model.urls`` says what a place is. The Lua walks a request's path through all its places, so
that no spelling of it leads around one, and sets

* ``txn.remedy``: the status of a refusal (451, 403, 400), ``warn``, ``read`` (a warning's form), or nothing;
* ``txn.remedies``: the ids of what is in force, joined by hyphens; ``txn.cases``: whose;
* ``txn.notice``: what the page says of them, HTML in the visitor's language; ``txn.blocked_by``: for the
  header Link (RFC 7725 section 4);
* ``txn.ordered``: every visitor of this territory is challenged, no exemptions.

Who has read a warning gets a signed cookie and goes on; all of it happens in HAProxy, so that a dead gate
closes no way.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from rempart.engines.haproxy.clearance import CHALLENGE_KEY
from rempart.engines.haproxy.names import Places
from rempart.engines.haproxy.remedy_pages import LANGUAGES, PAGES, POLICY, notice_html, page
from rempart.engines.haproxy.replies import page_of, quoted
from rempart.model.cases_remedies import Remedy
from rempart.model.gate import READ_COOKIE, READ_LIFETIME_S, READ_PATH
from rempart.model.urls import SEGMENTS_MAX
from rempart.snapshot.items import EdgeRemedy

LETTER = "u"
ANYWHERE = "*"
"""The place of what is about a whole site."""
NOTICE_BYTES_MAX = 3_000
"""Of a decision's words in a page; the rest is in the register. Some notices and the page fit into 16 KiB."""
SHOWN_AT_ONCE = 3
"""Notices in one page."""

_LETTERS = {Remedy.BLOCK_URL: "b", Remedy.INTERSTITIAL: "i", Remedy.CHALLENGE: "c"}
_REMEDY = "{ var(txn.remedy) -m found }"
_ORDERED = "{ var(txn.ordered) -m found }"


def entries(remedies: Sequence[EdgeRemedy]) -> frozenset[tuple[str, str]]:
    """The entries of the map of remedies for one site: key (after the backend's name) and value."""
    places: dict[str, list[str]] = {}
    words: dict[str, str] = {}
    # Strongest first: a block before a warning, an order before a decision.
    for one in sorted(remedies, key=_strength):
        id_ = identity(one)
        rule = ":".join(
            (_code(one), id_, one.case, "+".join(one.territory) or "-", "&".join(one.query) or "-")
        )
        places.setdefault(ANYWHERE if one.path is None else one.path, []).append(rule)
        if one.notice is not None:
            for code in LANGUAGES:
                html = notice_html(one, one.notice, code, NOTICE_BYTES_MAX)
                words[f"@{id_}.{code}"] = base64.b64encode(html.encode()).decode()
            if one.link is not None:
                words[f"@{id_}.url"] = base64.b64encode(one.link.encode()).decode()
    rules = {place: ",".join(dict.fromkeys(found)) for place, found in places.items()}
    return frozenset((rules | words).items())


def identity(one: EdgeRemedy) -> str:
    """12 hexadecimal digits that stand for a remedy on this place."""
    text = "\0".join((one.remedy, one.case, one.path or "", *one.query, "", *one.territory))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def status_of(one: EdgeRemedy) -> int:
    """451 is for what a court or an authority demands (RFC 7725); what we decide ourselves is refused."""
    return 451 if one.notice is not None and one.notice.ordered else 403


def _code(one: EdgeRemedy) -> str:
    letter = _LETTERS[one.remedy]
    return f"{letter}{status_of(one)}" if one.remedy is Remedy.BLOCK_URL else letter


def _strength(one: EdgeRemedy) -> tuple[str, int, str]:
    return _LETTERS[one.remedy], -status_of(one), one.case


def lua(places: Places) -> str:
    """The action ``lua.remedy``."""
    text = files("rempart.engines.haproxy").joinpath("remedy", "remedies.lua").read_text("utf-8")
    words = {
        "MAP": places.remedies, "KEYS": places.gate, "KEY": CHALLENGE_KEY, "TERRITORY": places.territory,
        "SEGMENTS": SEGMENTS_MAX, "SHOWN": SHOWN_AT_ONCE, "COOKIE": READ_COOKIE, "READ": READ_PATH,
        "LIFETIME": READ_LIFETIME_S, "LANGUAGES": ";".join(LANGUAGES), "LANGUAGE": LANGUAGES[0],
    }  # fmt: skip
    for name, word in words.items():
        text = text.replace(f"@{name}@", str(word))
    return text


def page_files(places: Places) -> dict[str, str]:
    """Path of every page in every language, and its text."""
    return {_page_path(name, code, places): page(name, code) for name in PAGES for code in LANGUAGES}


def found() -> tuple[str, ...]:
    """What is in force for this request; known which site, not yet who is challenged."""
    return (
        "    # Remedies on URLs and for territories: all that a request to a site without any pays.",
        f"    http-request lua.remedy if {{ var(txn.site),word(2,|) -m sub {LETTER} }}",
        f"    http-request set-var(txn.guard) bool(true) if {_ORDERED} {{ nbsrv(gate) gt 0 }}",
    )


def route() -> tuple[str, tuple[str, ...]]:
    """Where what is refused or warned goes, instead of being challenged: the rule that passes over the
    challenge, and the one that leads there."""
    return f"    http-request allow if {_REMEDY}", (f"    use_backend remedies if {_REMEDY}",)


def backend(places: Places, limits: tuple[str, ...]) -> str:
    """Refuses, warns, and lets who has read go on. ``limits``: the rules that count a request."""
    lines = [
        "backend remedies from edge",
        *limits,
        "    http-request set-var(txn.why) str(remedy)",
        # Without a cookie: the form came from elsewhere, and the warning is shown.
        "    http-request return status 303 hdr Location %[var(txn.read_to)] hdr Cache-Control no-store"
        " hdr Set-Cookie %[var(txn.read_cookie)] if { var(txn.remedy) -m str read }",
        "    http-request set-var(txn.read_to) pathq,url_enc",
        *(_page(name, code, places) for name in PAGES for code in (*LANGUAGES[1:], LANGUAGES[0])),
        f"    http-request deny status {page_of(400, places)}",
    ]
    return "\n".join(lines) + "\n"


def _page(name: str, code: str, places: Places) -> str:
    status = 403 if name == "warn" else int(name)
    # Who blocks it (not who demands that): RFC 7725 section 4.
    link = " hdr Link '%[var(txn.blocked_by)]'" if name == "451" else ""
    return (
        f"    http-request return status {status} content-type 'text/html; charset=utf-8'"
        f" lf-file {_page_path(name, code, places)} hdr Cache-Control 'no-store'"
        f" hdr Rempart-Case '%[var(txn.cases)]'{link}"
        f" hdr Vary 'Cookie, Accept-Language' hdr Content-Language {code} hdr X-Robots-Tag noarchive"
        f" hdr X-Content-Type-Options nosniff hdr Referrer-Policy same-origin"
        f" hdr Content-Security-Policy {quoted(POLICY)}"
        f" if {{ var(txn.remedy) -m str {name} }}"
        + (f" {{ var(txn.tongue) -m str {code} }}" if code != LANGUAGES[0] else "")
    )


def _page_path(name: str, code: str, places: Places) -> str:
    return f"{places.pages}/remedy.{name}.{code}.html"
