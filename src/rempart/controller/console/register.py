"""For everybody: the register of decisions, its feed, each case step by step, entries of the log, proofs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from rempart.controller.cases.register import PublicStep, Search
from rempart.controller.console.frame import Frame
from rempart.governance.log.proof import Proof
from rempart.governance.register import State
from rempart.model.cases import Carried
from rempart.model.cases_events import Announced, TookEffect
from rempart.model.cases_remedies import LADDER, Remedy
from rempart.model.errors import InvalidInput

PER_PAGE = 20
FEED_ENTRIES = 50
PAGES_MAX = 10_000
TEXT_MAX = 300
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_Choice = TypeVar("_Choice", Remedy, State)


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as the address says it: what is written back into the form."""

    target: str = ""
    remedy: str = ""
    rule: str = ""
    state: str = ""
    since: str = ""
    until: str = ""

    def query(self, **more: object) -> str:
        """For an address; empty parts are left out."""
        told = {name: getattr(self, name) for name in self.__slots__} | more
        text = urlencode({name: value for name, value in told.items() if value})
        return f"?{text}" if text else ""

    def search(self) -> Search:
        """InvalidInput names the part that makes no sense."""
        until = _day(self.until, "until")
        return Search(
            target=self.target.strip()[:TEXT_MAX] or None,
            remedy=_one_of(Remedy, self.remedy, "remedy"),
            rule=self.rule or None,
            state=_one_of(State, self.state, "state"),
            since=_day(self.since, "since"),
            until=None if until is None else until + timedelta(days=1),
        )


def router(frame: Frame) -> APIRouter:
    """``/``, ``/decisions``, ``/log/entries``, ``/log/proofs``."""
    routes = APIRouter()
    register, log = frame.controller.register, frame.controller.log

    @routes.get("/")
    def first(request: Request) -> Response:
        return frame.page(request, "register/first.html", newest=register.search(per_page=3).items)

    @routes.get("/decisions")
    def decisions(
        request: Request, target: str = "", remedy: str = "", rule: str = "", state: str = "",
        since: str = "", until: str = "", page: str = "1",
    ) -> Response:  # fmt: skip
        asked = Asked(target, remedy, rule, state, since, until)
        problem: InvalidInput | None = None
        search = Search()
        try:
            search = asked.search()
        except InvalidInput as error:
            problem = error
        number = min(int(page), PAGES_MAX) if page.isascii() and page.isdecimal() and int(page) else 1
        return frame.page(
            request,
            "register/list.html",
            status=200 if problem is None else 400,
            asked=asked,
            problem=problem,
            found=register.search(search, page=number, per_page=PER_PAGE),
            remedies=[one.remedy for one in LADDER],
            states=list(State),
            rules=register.rules(),
        )

    @routes.get("/decisions.atom")
    def feed(
        request: Request, target: str = "", remedy: str = "", rule: str = "", state: str = "",
        since: str = "", until: str = "",
    ) -> Response:  # fmt: skip
        asked = Asked(target, remedy, rule, state, since, until)
        found = register.search(asked.search(), per_page=FEED_ENTRIES).items
        words, base = frame.words(request), frame.base_url(request)
        # An entry changes when its case goes on; its id never does.
        text = frame.text(
            request,
            "register/feed.xml",
            base_url=base,
            language=words.code,
            here=f"{base}/decisions.atom{asked.query()}",
            entries=[(one, _measure_text(register.steps(one.case))) for one in found],
            updated=max((one.changed_on for one in found), default=datetime(2026, 1, 1, tzinfo=UTC)),
        )
        headers = {
            "Content-Language": words.code,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Language, Cookie",
        }
        return Response(_NOT_XML.sub("", text), media_type="application/atom+xml", headers=headers)

    @routes.get("/decisions/{case}")
    def decision(request: Request, case: str) -> Response:
        entry, steps = register.get(case), register.steps(case)
        charter = frame.controller.docket.charter.get()
        return frame.page(
            request,
            "register/case.html",
            entry=entry,
            steps=steps,
            decided=decided(steps),
            names={one.id: one.name for one in charter.arbiters},
            rules={rule.id: (policy.version, rule) for policy in charter.policies for rule in policy.rules},
            key=str(log.key),
            last=steps[-1],
        )

    @routes.get("/log/entries/{index}")
    def entry_of_log(index: int) -> Response:
        content = log.step(index).encode()
        return Response(content, media_type="application/json", headers={"Cache-Control": "no-cache"})

    @routes.get("/log/proofs/{index}")
    def proof(index: int) -> Response:
        made = log.prove(index)
        # With the entry itself, so that the file is all that one needs.
        whole = Proof(made.index, made.path, made.checkpoint, log.step(index).encode())
        name = f"entry-{index}.tlog-proof"
        headers = {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "no-cache"}
        return Response(whole.encode(), media_type="text/plain; charset=utf-8", headers=headers)

    return routes


def decided(steps: Iterable[PublicStep]) -> Carried | None:
    """The decision that the public was told of last."""
    told = [one.event.decision for one in steps if isinstance(one.event, Announced | TookEffect)]
    return told[-1] if told else None


def _measure_text(steps: Iterable[PublicStep]) -> str:
    found = decided(steps)
    return "" if found is None else found.motion.facts


def _one_of(kind: type[_Choice], text: str, field: str) -> _Choice | None:
    try:
        return kind(text) if text else None
    except ValueError as error:
        raise InvalidInput(f"{text[:50]!r} is none of {', '.join(kind)}", field=field) from error


def _day(text: str, field: str) -> datetime | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InvalidInput(f"{text[:50]!r} is no day: YYYY-MM-DD", field=field) from error
    if day is not None and not 1990 <= day.year < 9999:
        raise InvalidInput(f"{text} lies too far away", field=field)
    return None if day is None else datetime.combine(day, time(), UTC)
