"""What is done unasked: whatever is wrong with one case, the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rempart.controller.assembly import Controller, assembled
from rempart.controller.cases.clockwork import do_what_is_due
from rempart.controller.intents import OPERATOR
from rempart.controller.store.tables import CaseRow
from rempart.model.cases import Phase
from rempart.model.configuration import Configuration
from rempart.model.sites import Origin
from tests.controller.cases.conftest import QUICK, Court
from tests.controller.intents.conftest import Clock
from tests.governance.cast import HOST


@pytest.fixture
def controller(tmp_path: Path, clock: Clock) -> Iterator[Controller]:
    configuration = Configuration.model_validate(
        {"state": tmp_path, "edge": {"addresses": ["192.0.2.80", "2001:db8::80"]}}
    )
    with assembled(configuration, clock) as made:
        made.intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.7", port=80),))
        yield made


@pytest.fixture
def bench(controller: Controller, clock: Clock) -> Court:
    """The controller's own docket with its people."""
    intents = controller.intents
    return Court(controller.docket, intents, controller.log, clock, intents.context.store).found()


def test_a_case_that_cannot_be_read_holds_up_no_other(controller: Controller, bench: Court) -> None:
    broken, sound = bench.to_announced().id, bench.to_announced().id
    with bench.store.writing() as session:
        row = session.get_one(CaseRow, broken)
        row.state = row.state.replace('"appeal_days":180', '"appeal_days":1000000000')
        row.due_on = bench.clock.now
    bench.clock.forward(QUICK.notice_s)
    assert do_what_is_due(controller) == 1
    assert controller.docket.get(sound).phase is Phase.IN_EFFECT
