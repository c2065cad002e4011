"""What is answered to who looks at a receipt: ``(request, keys, known, box, now) → (reply, box)``. Pure.

GET  /receipt/ID   the receipt in words, with a form
POST /receipt/ID   "this is a mistake": 303 back to the page, or the page with what is wrong
GET  /receipt/     a form to type one in

A form carries a token that is made of the receipt, the visitor's address and the hour under the node's key.
So another website can neither send the form for a visitor nor learn what to send.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from rempart.gate.languages import preferred
from rempart.gate.receipts import box as boxes
from rempart.gate.receipts.box import Messages, Outcome
from rempart.gate.receipts.page import (
    PATH,
    Draft,
    Shown,
    content_security_policy,
    finding_page,
    receipt_page,
)
from rempart.gate.receipts.words import LANGUAGES, Words, words
from rempart.gate.replies import Reply, Request
from rempart.model.errors import InvalidInput
from rempart.model.gate import GateKeys
from rempart.model.receipts import (
    ANSWERED_DAYS,
    CONTACT_MOST,
    LENGTH_MOST,
    MESSAGE_MOST,
    Message,
    Notices,
    Refusal,
    one_visitor,
    read,
    shortened,
)

_HOUR_S = 3_600
_JOINERS = "\n\u200c\u200d"
"""Control and format characters that writing needs: lines, and the joiners of Persian and of emoji."""
_FULL = {
    Outcome.RECEIPT_FULL: ("receipt_full", 429),
    Outcome.NETWORK_FULL: ("network_full", 429),
    Outcome.BUSY: ("busy", 503),
}


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply, and the box as it is now."""

    reply: Reply
    box: Messages


def answered(request: Request, keys: GateKeys, known: Notices, box: Messages, now: datetime) -> Answered:
    """The answer to one request below PATH."""
    try:
        in_words = words(_language(request))
        receipt = request.path.removeprefix(PATH)
        if request.method not in ("GET", "HEAD", "POST"):
            return Answered(Reply(405, (("Allow", "GET, HEAD, POST"),)), box)
        if not receipt:
            return Answered(_finding(request, in_words), box)
        try:
            refusal = read(receipt, keys.receipt_key)
        except InvalidInput:
            return Answered(_html(404, finding_page(in_words, unknown=receipt[:LENGTH_MOST]), in_words), box)
        shown = _shown(receipt, refusal, request, keys, known, box, now)
        if request.method == "POST":
            return _taken(shown, request, keys, in_words, box, now)
        if request.field("sent"):
            shown = shown.model_copy(update={"sent": bool(shown.messages)})
        return Answered(_html(200, receipt_page(shown, in_words, now), in_words), box)
    except ValueError:  # more fields than our forms have, or no address
        return Answered(Reply(400), box)


def _finding(request: Request, in_words: Words) -> Reply:
    wanted = request.field("id").strip()[:LENGTH_MOST]
    if not wanted:
        return _html(200, finding_page(in_words), in_words)
    # Whoever copies the whole address means the end of it.
    wanted = wanted.rpartition("/")[2]
    return Reply(303, (("Location", f"{PATH}{quote(wanted, safe='')}?lang={in_words.code}"),))


def _taken(
    shown: Shown, request: Request, keys: GateKeys, in_words: Words, box: Messages, now: datetime
) -> Answered:
    draft = Draft(text=_cleaned(request.field("text")), contact=_cleaned(request.field("contact"), line=True))
    error, status = _flaw(draft, shown, request, keys, now)
    if not error:
        message = Message(
            receipt=shown.receipt,
            at=now,
            address=one_visitor(request.client) if shown.refusal.holds(request.client) else "",
            network=shortened(request.client),
            text=draft.text,
            contact=draft.contact,
            language=in_words.code,
        )
        box, outcome = boxes.put(box, message, now)
        if outcome is Outcome.TAKEN:
            where = f"{PATH}{shown.receipt}?sent=1&lang={in_words.code}"
            return Answered(Reply(303, (("Location", where), ("Cache-Control", "no-store"))), box)
        error, status = _FULL[outcome]
    kept = draft.model_copy(
        update={"error": error, "text": draft.text[: 2 * MESSAGE_MOST], "contact": draft.contact[:500]}
    )
    page = receipt_page(shown.model_copy(update={"draft": kept}), in_words, now)
    return Answered(_html(status, page, in_words), box)


def _flaw(draft: Draft, shown: Shown, request: Request, keys: GateKeys, now: datetime) -> tuple[str, int]:
    # What a browser itself says of where the form came from (Fetch Metadata); for others the token says it.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return "foreign", 403
    if not shown.open:
        return "closed", 410
    tokens = (_token(shown.receipt, request.client, keys, now - timedelta(hours=ago)) for ago in (0, 1, 2))
    if not any(hmac.compare_digest(request.field("token").encode(), one.encode()) for one in tokens):
        return "again", 403
    if not draft.text:
        return "empty", 400
    if len(draft.text) > MESSAGE_MOST or len(draft.contact) > CONTACT_MOST:
        return "long", 400
    return "", 200


def _shown(
    receipt: str,
    refusal: Refusal,
    request: Request,
    keys: GateKeys,
    known: Notices,
    box: Messages,
    now: datetime,
) -> Shown:
    notice = known.mitigation(refusal.by) if refusal.by is not None else None
    released = [one.until for one in known.released if one.receipt == receipt]
    return Shown(
        receipt=receipt,
        refusal=refusal,
        notice=notice,
        released=max(released, default=None),
        messages=len(boxes.of(box, receipt)),
        open=abs(now - refusal.when) < timedelta(days=ANSWERED_DAYS),
        token=_token(receipt, request.client, keys, now),
    )


def _token(receipt: str, client: str, keys: GateKeys, now: datetime) -> str:
    hour = int(now.timestamp()) // _HOUR_S
    text = f"form.1.{receipt}.{one_visitor(client)}.{hour}"
    return hmac.new(keys.receipt_key, text.encode(), hashlib.sha256).hexdigest()[:32]


def _cleaned(text: str, *, line: bool = False) -> str:
    """Without what steers terminals, or the direction of what is read after it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (one for one in text if one in _JOINERS or unicodedata.category(one) not in ("Cc", "Cf", "Cs"))
    return "".join(one for one in kept if not (line and one == "\n")).strip()


def _language(request: Request) -> str:
    chosen = request.field("lang")
    return chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""), LANGUAGES)


def _html(status: int, page: str, in_words: Words) -> Reply:
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", in_words.code),
        ("Content-Security-Policy", content_security_policy()),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Vary", "Accept-Language"),
        # What it says of a rule changes while one waits.
        ("Cache-Control", "no-store"),
    )
    return Reply(status, headers, page)
