"""An abuse desk on a store of its own, with a site, a court, and a clock that stands still until told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rempart.controller.assembly import Controller, assembled
from rempart.controller.intents import OPERATOR
from rempart.controller.reporting.desk import Receipt
from rempart.controller.reporting.doorkeeping import Stranger
from rempart.governance.charter import Adopted, Appointed
from rempart.model.abuse_reports import Notice, Way
from rempart.model.configuration import Configuration
from rempart.model.records import RecordDraft
from rempart.model.sites import Origin
from tests.controller.intents.conftest import Clock
from tests.governance.cast import NAMES, POLICY, arbiter

HOST = "forum.example.org"
URL = f"https://{HOST}/thread/7"
WORDS = "The page asks for the password of my bank and sends it elsewhere."
JANE = {"name": "Jane Quimby", "email": "jane.quimby@example.net", "telephone": "+33 6 12 34 56 78"}


@dataclass
class Desk:
    """What a test does with a desk."""

    controller: Controller
    clock: Clock
    seconds: list[float] = field(default_factory=lambda: [0.0])

    def notice(self, **fields: Any) -> Notice:
        given = {
            "category": "phishing",
            "urls": [URL],
            "explanation": WORDS,
            "contact": JANE,
            "good_faith": True,
        }
        return Notice.model_validate({**given, **fields})

    def take(self, stranger: Stranger | None = None, submitter: str | None = None, **fields: Any) -> Receipt:
        return self.controller.desk.take(self.notice(**fields), Way.NOTICE, stranger, submitter)


@pytest.fixture
def settings() -> dict[str, Any]:
    """The ``[reports]`` section."""
    return {"host_contacts": [{"network": "203.0.113.0/24", "email": "abuse@host.example"}]}


@pytest.fixture
def desk(configuration: Configuration, settings: dict[str, Any]) -> Iterator[Desk]:
    made = Configuration.model_validate({**configuration.model_dump(), "reports": settings})
    clock = Clock()
    with assembled(made, clock) as controller:
        controller.intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.7", port=80),))
        zone = controller.intents.zones.get("example.org")
        draft = RecordDraft.model_validate({"type": "A", "name": "direct", "content": "203.0.113.9"})
        controller.intents.records.create(OPERATOR, zone.id, draft)
        for name in NAMES:
            controller.docket.charter.amend(Appointed(arbiter=arbiter(name)))
        controller.docket.charter.amend(Adopted(policy=POLICY.model_copy(update={"quorum": 2})))
        desk = Desk(controller, clock)
        controller.desk.door._monotonic = lambda: desk.seconds[0]
        yield desk
