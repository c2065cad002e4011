"""Who may send a report now: the limits' state between reports, and the tickets. In memory, never stored."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from rempart.governance.reports import proof
from rempart.governance.reports.floods import (
    AskProof,
    Attempt,
    Floods,
    Instruction,
    Limits,
    Refuse,
    Take,
    admit,
    source_of,
)
from rempart.model.errors import Conflict, TooMany
from rempart.model.report_settings import ReportsSection

USED_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who sends a report and has no token."""

    address: str | None
    """As the listener saw it; None: over a Unix socket without one."""
    ticket: str | None = None
    answer: str | None = None
    """Work that answers the ticket."""
    form: bool = False
    """The report came from the form, which has a ticket always."""
    account: str | None = None
    """The account whose token sends it: it is counted by that, and is meant."""


def _counted_by(stranger: Stranger) -> str:
    if stranger.account is not None:
        return f"account {stranger.account}"
    return source_of(stranger.address) or "local"


class Doorkeeper:
    """Safe to use from any thread."""

    def __init__(self, settings: ReportsSection, monotonic: Callable[[], float]) -> None:
        self._limits = Limits(settings.per_source, settings.per_target, settings.in_all)
        self._monotonic = monotonic
        self._key = os.urandom(32)
        self._state = Floods()
        self._used: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def ticket(self) -> str:
        """A fresh ticket, for a form or for whoever was asked for proof."""
        return proof.ticket(self._key, os.urandom(16), self._monotonic())

    def admit(self, target: str, stranger: Stranger | None) -> bool:
        """Let a report about ``target`` in; whether it is to wait for a person. ``stranger`` None: somebody
        who is known. TooMany when it is not the time; Conflict for a form that was open too long, or sent
        twice."""
        with self._lock:
            proven = stranger is None or stranger.account is not None or self._is_proven(stranger)
            source = None if stranger is None else _counted_by(stranger)
            attempt = Attempt(source=source, target=target, proven=proven)
            self._state, said = admit(self._state, self._limits, attempt, self._monotonic())
            if isinstance(said, Take) and stranger is not None and stranger.ticket:
                self._used[stranger.ticket] = None
                while len(self._used) > USED_MAX:
                    self._used.popitem(last=False)
        return self._held(said)

    def _held(self, said: Instruction) -> bool:
        match said:
            case Take(hold=hold):
                return hold
            case AskProof():
                raise TooMany(
                    "many reports are coming in: show that yours is meant",
                    retry_after_s=proof.WAIT_S,
                    ticket=self.ticket(),
                    bits=proof.BITS,
                    hint="send it again with the ticket and an answer: hexadecimal, so that SHA-256 of "
                    f"TICKET.ANSWER begins with {proof.BITS} zero bits",
                )
            case Refuse(retry_after_s=seconds):
                raise TooMany(
                    "more reports than are taken from here now", retry_after_s=seconds,
                    hint=f"come again in {max(1, round(seconds / 60))} minutes",
                )  # fmt: skip

    def _is_proven(self, stranger: Stranger) -> bool:
        if stranger.ticket is None:
            if stranger.form:
                raise Conflict("the form is not whole", field="ticket", hint="open it again, and send it")
            return False
        age = proof.age(self._key, stranger.ticket, self._monotonic())
        if age is None:
            raise Conflict(
                "the form was open for too long", field="ticket", hint="send it again: its text is kept"
            )
        if stranger.ticket in self._used:
            raise Conflict("this was sent already", field="ticket", hint="the receipt was shown then")
        if stranger.form and age < proof.LEAST_S:
            raise TooMany("nobody writes so fast", retry_after_s=proof.LEAST_S, hint="send it again")
        if stranger.answer is not None:
            return proof.is_work(stranger.ticket, stranger.answer)
        return stranger.form and age >= proof.WAIT_S
