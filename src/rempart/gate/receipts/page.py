"""The HTML of a receipt's page. Everything that came from outside is escaped here. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from rempart.gate.receipts.words import LANGUAGES, Words, layer, rule, since, until, words
from rempart.model.base import Value
from rempart.model.receipts import CONTACT_MOST, MESSAGE_MOST, Notice, Refusal

PATH = "/receipt/"


class Draft(Value):
    """What a visitor has written so far, and what is wrong with it (a key of the words; empty: nothing)."""

    text: str = ""
    contact: str = ""
    error: str = ""


class Shown(Value):
    """All that the page of one receipt says."""

    receipt: str
    refusal: Refusal
    notice: Notice | None = None
    released: datetime | None = None
    """Until when the address may pass."""
    messages: int = 0
    sent: bool = False
    open: bool = True
    """It still takes messages."""
    token: str = ""
    draft: Draft = Draft()


def content_security_policy() -> str:
    """One style; a form to this very host; nothing else."""
    style = "sha256-" + base64.b64encode(hashlib.sha256(_text("page.css").encode()).digest()).decode()
    rules = "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return f"default-src 'none'; style-src '{style}'; {rules}"


def receipt_page(shown: Shown, in_words: Words, now: datetime) -> str:
    """The receipt with its form."""
    refusal, notice = shown.refusal, shown.notice
    sentence, list_, action = rule(refusal, notice, in_words)
    items = "".join(f"<li>{escape(one)}</li>" for one in list_)
    what = escape(sentence) + (f"<ul>{items}</ul>" if items else "") + escape(f" {action}" if action else "")
    rows = (
        ("site", f"<b>{escape(refusal.host or in_words['unnamed'])}</b>"),
        ("when", _time(refusal.when, in_words)),
        ("answer", str(refusal.status)),
        ("layer", escape(layer(refusal, in_words))),
        ("rule", what),
        ("since", escape(since(refusal, notice, in_words))),
        ("until", escape(until(refusal, notice, in_words, now))),
        ("receipt", f"<code>{escape(shown.receipt)}</code>"),
    )
    listed = "".join(f"<dt>{escape(in_words[key])}</dt><dd>{value}</dd>" for key, value in rows)
    content = (
        f"<h1>{escape(in_words['title'])}</h1><p>{escape(in_words['lead'])}</p>"
        f"{_news(shown, in_words, now)}<dl>{listed}</dl>{_asking(shown, in_words)}"
    )
    return _page(in_words, in_words["title"], content, f"{PATH}{shown.receipt}")


def finding_page(in_words: Words, *, unknown: str | None = None) -> str:
    """Where a receipt can be typed in; ``unknown`` is one that is none."""
    bad = f'<p class="bad" role="alert">{escape(in_words["unknown"])}</p>' if unknown is not None else ""
    content = (
        f"<h1>{escape(in_words['find_title'])}</h1>{bad}<p>{escape(in_words['find_lead'])}</p>"
        f'<form action="{PATH}" method="get"><label for="id">{escape(in_words["find_label"])}</label>'
        f'<input id="id" name="id" value="{escape(unknown or "")}" maxlength="250" autocomplete="off"'
        ' autocapitalize="off" spellcheck="false" required>'
        f'<input type="hidden" name="lang" value="{in_words.code}">'
        f"<button>{escape(in_words['find_send'])}</button></form>"
    )
    return _page(in_words, in_words["find_title"], content, PATH)


def _news(shown: Shown, in_words: Words, now: datetime) -> str:
    if shown.sent:
        return (
            f'<div class="good" role="status"><h2>{escape(in_words["sent_title"])}</h2>'
            f"<p>{escape(in_words['sent'])}</p></div>"
        )
    if shown.released is not None and shown.released > now:
        text = in_words.fill("released", until=in_words.moment(shown.released))
    elif shown.notice is not None and shown.notice.revoked:
        text = in_words["revoked"]
    elif shown.notice is not None and (shown.notice.ended or shown.notice.until < now):
        text = in_words["over"]
    else:
        return ""
    return f'<p class="good" role="status">{escape(text)}</p>'


def _asking(shown: Shown, in_words: Words) -> str:
    said = f"<p>{escape(in_words.fill('said', number=shown.messages))}</p>" if shown.messages else ""
    if shown.sent:
        return said
    if not shown.open:
        return f"<p>{escape(in_words['error_closed'])}</p>"
    draft = shown.draft
    bad = (
        f'<p class="bad" role="alert" id="wrong">{escape(in_words[f"error_{draft.error}"])}</p>'
        if draft.error
        else ""
    )
    return (
        f"<h2>{escape(in_words['form_title'])}</h2><p>{escape(in_words['form_lead'])}</p>{said}{bad}"
        f'<form action="{PATH}{escape(shown.receipt)}#wrong" method="post">'
        f'<input type="hidden" name="token" value="{escape(shown.token)}">'
        f'<input type="hidden" name="lang" value="{in_words.code}">'
        f'<label for="text">{escape(in_words["form_text"])}</label>'
        f'<textarea id="text" name="text" rows="6" maxlength="{MESSAGE_MOST}" required'
        f' aria-describedby="hint">\n{escape(draft.text)}</textarea>'
        f'<p class="hint" id="hint">{escape(in_words["form_text_hint"])}</p>'
        f'<label for="contact">{escape(in_words["form_contact"])}</label>'
        f'<input id="contact" name="contact" maxlength="{CONTACT_MOST}" value="{escape(draft.contact)}">'
        f"<button>{escape(in_words['form_send'])}</button></form>"
    )


def _time(when: datetime, in_words: Words) -> str:
    return f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{escape(in_words.moment(when))}</time>'


def _page(in_words: Words, title: str, content: str, here: str) -> str:
    return Template(_text("page.html")).substitute(
        code=in_words.code,
        title=escape(title),
        style=_text("page.css"),
        languages=" ".join(_languages(in_words, here)),
        content=content,
    )


def _languages(in_words: Words, here: str) -> Iterable[str]:
    for code in LANGUAGES:
        name = escape(words(code).name)
        if code == in_words.code:
            yield f"<b>{name}</b>"
        else:
            yield f'<a href="{escape(here)}?lang={code}" hreflang="{code}" lang="{code}">{name}</a>'


@cache
def _text(name: str) -> str:
    return files("rempart.gate.receipts").joinpath(name).read_text("utf-8")
