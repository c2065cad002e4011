"""How a visitor passes a challenge, by what is on the page it was shown. Nothing of a contender's secrets
is used.

A browser with scripts does what the page's script does (the proof of work); one without waits and presses the
button of the form. Programs can do neither.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import re
import urllib.parse
from dataclasses import dataclass

from rempart.lab.clients.answers import Answer
from rempart.lab.visitors.contract import Kind

_GATE = re.compile(r'<div id="gate"[^>]*>')
_FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"')
ANSWERS_GO_TO = "/.rempart/gate/pass"
WAIT_MOST_S = 30


@dataclass(frozen=True, slots=True)
class Proof:
    """Find a number N so that SHA-256 of ``NONCE:N`` begins with ``bits`` zero bits, then post it."""

    nonce: str
    bits: int
    challenge: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait, then ask for this path; it leads back to the page."""

    seconds: float
    path: str


def recognise(answer: Answer, kind: Kind) -> Proof | Wait | None:
    """What an answer demands of a visitor of this kind; None when it is no challenge, or none they can
    pass."""
    if not is_challenge(answer):
        return None
    page = answer.body.decode("utf-8", errors="replace")
    gate = _GATE.search(page)
    if kind is Kind.BROWSER and gate:
        given = dict(re.findall(r'data-([a-z-]+)="([^"]*)"', gate[0]))
        if {"nonce", "bits", "proof"} <= set(given):
            return Proof(given["nonce"], int(given["bits"]), html.unescape(given["proof"]))
    form = _FORM.search(page)
    if kind in (Kind.BROWSER, Kind.NO_JAVASCRIPT) and form:
        fields = [(html.unescape(name), html.unescape(value)) for name, value in _FIELD.findall(form[2])]
        wait = answer.header("retry-after")
        seconds = min(WAIT_MOST_S, int(wait)) if wait.isdigit() else 5
        return Wait(seconds, f"{html.unescape(form[1])}?{urllib.parse.urlencode(fields)}")
    return None


def is_challenge(answer: Answer) -> bool:
    """Whether an answer asks something of its reader instead of giving what was asked."""
    return (
        answer.status in (200, 401, 403, 429, 503)
        and answer.header("content-type").startswith("text/html")
        and b'id="gate"' in answer.body
    )


async def solve(proof: Proof) -> int:
    """The number, found in slices so that other visitors go on."""
    begin = hashlib.sha256(f"{proof.nonce}:".encode())
    begins = 0
    while True:
        for number in range(begins, begins + 2_000):
            digest = begin.copy()
            digest.update(str(number).encode())
            if int.from_bytes(digest.digest()[:4], "big") >> (32 - proof.bits) == 0:
                return number
        begins += 2_000
        await asyncio.sleep(0.01)
