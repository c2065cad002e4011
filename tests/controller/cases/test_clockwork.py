"""What is done unasked: whatever is wrong with one case, the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rempart.controller.assembly import Controller, assembled
from rempart.controller.cases.clockwork import do_what_is_due, verify_what_changed
from rempart.controller.intents import OPERATOR
from rempart.controller.store.tables import CaseRow
from rempart.governance.log.step import Step as LogStep
from rempart.model.cases import Act, MotionKind, Phase
from rempart.model.cases_events import Closed, Forwarded, Recipient, Verified
from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict
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


FORWARD = Measure(remedy=Remedy.FORWARD, target=Target(host=HOST))


def lifted(bench: Court) -> str:
    """A case whose remedy is over, before anybody has looked."""
    id_ = bench.to_announced(measure=FORWARD).id
    bench.time(QUICK.notice_s)
    bench.moves(id_, "cleo", MotionKind.END)
    bench.says(id_, Act.APPROVE, "dan")
    bench.work()
    return id_


def test_a_case_closed_before_it_was_looked_at_is_looked_at_no_more(
    controller: Controller, bench: Court
) -> None:
    closed, sound = lifted(bench), lifted(bench)
    controller.docket.take(closed, Closed(by="operator"))
    assert verify_what_changed(controller) == 1
    assert [one.event.kind for one in controller.docket.steps(sound)][-1] == "verified"
    assert verify_what_changed(controller) == 0


def test_what_was_passed_on_is_recorded(controller: Controller, bench: Court) -> None:
    id_ = bench.open().id
    to_host = Forwarded(to=Recipient.HOST, name="Hoster Ltd", by="operator")
    with pytest.raises(Conflict, match="not taken up"):
        controller.docket.take(id_, to_host)
    id_ = bench.to_announced(measure=FORWARD).id
    bench.time(QUICK.notice_s)
    controller.docket.take(id_, to_host)
    assert verify_what_changed(controller) == 1
    *_, forwarded, seen = controller.docket.steps(id_)
    assert forwarded.public
    assert isinstance(seen.event, Verified)
    assert seen.event.observations == ("passed on to the host: Hoster Ltd",)


def test_what_the_log_refuses_to_hear_of_one_case_is_heard_of_another(
    controller: Controller, bench: Court
) -> None:
    refused, sound = lifted(bench), lifted(bench)
    assert [one.id for one, _ in controller.docket.to_verify()] == [refused, sound]
    seq = controller.docket.get(refused).seq + 1
    controller.log.append(LogStep(id=f"case/{refused}/{seq}", kind="other", at=bench.clock.now))
    assert verify_what_changed(controller) == 1
    assert [one.event.kind for one in controller.docket.steps(sound)][-1] == "verified"
