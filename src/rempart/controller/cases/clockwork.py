"""What the controller does unasked about cases: finishes steps, has remedies take effect and end, looks."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from rempart.controller.assembly import Controller
from rempart.controller.cases.probing import is_in_force, look
from rempart.model.cases import Case
from rempart.model.cases_events import TookEffect, Verified
from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.errors import RempartError
from rempart.snapshot.surroundings import Surroundings

PATIENCE = timedelta(seconds=60)
"""How long a remedy may take until it is seen from outside; then it is recorded that it was not."""
NAMES_LOOKED_AT = 5
ONE_CASE = (RempartError, OverflowError, ValueError)
"""What may be wrong with one case (a state that cannot be read is a ValueError), and holds up no other."""

_log = structlog.get_logger("cases")


def do_what_is_due(controller: Controller) -> int:
    """Finish steps that were interrupted, then whatever the clock brings about; how many steps there were."""
    docket = controller.docket
    try:
        done = docket.resume()
    except RempartError as error:
        _log.warning("a step waits for the public log, and has no effect until then", problem=str(error))
        return 0
    for id_ in docket.due():
        try:
            while docket.tick(id_):
                done += 1
                _log.info("case", case=id_, phase=docket.get(id_).phase.value)
        except ONE_CASE as error:
            _log.error("a case does not go on", case=id_, problem=str(error))
    return done


def verify_what_changed(controller: Controller) -> int:
    """Look from outside at what was put in force or lifted, and record what is seen; how often."""
    recorded = 0
    for case, since in controller.docket.to_verify():
        try:
            recorded += _verify(controller, case, since)
        except ONE_CASE as error:
            # Closed or changed since it was looked up, or the log is away: the next round sees to it.
            _log.warning("what was seen from outside is not recorded", case=case.id, problem=str(error))
    return recorded


def _verify(controller: Controller, case: Case, since: datetime) -> bool:
    measure = _measure_of(controller, case)
    if measure is None:
        return False
    event = look_at(controller, case, measure)
    if not event.seen and controller.clock() - since <= PATIENCE:
        return False
    controller.docket.verified(case.id, event)
    _log.info("seen from outside", case=case.id, seen=event.seen, in_force=event.in_force)
    return True


def look_at(controller: Controller, case: Case, measure: Measure) -> Verified:
    """What is seen now of the names that the measure is about."""
    wanted = case.restriction is not None
    if measure.remedy is Remedy.FORWARD:
        return Verified(in_force=wanted, seen=True, observations=("there is nothing to see",))
    surroundings = Surroundings.of(
        controller.configuration, own_addresses=controller.intents.context.surroundings.own_addresses
    )
    edge = frozenset(surroundings.edge_addresses)
    names = _names(controller, measure.target)
    seen = [look(controller.configuration, name, sorted(edge)) for name in names]
    found = [is_in_force(measure, one, edge) for one in seen]
    words = tuple(one.in_words(edge) for one in seen)
    return Verified(in_force=wanted, seen=all(one is wanted for one in found), observations=words)


def _measure_of(controller: Controller, case: Case) -> Measure | None:
    """What was put in force last."""
    effects = [one.event for one in controller.docket.steps(case.id) if isinstance(one.event, TookEffect)]
    return effects[-1].restriction.measure if effects else None


def _names(controller: Controller, target: Target) -> list[str]:
    if not target.whole_zone:
        return [target.host]
    sites = controller.intents.sites.list(per_page=5_000).items
    return [one.host for one in sites if target.covers(one.host)][:NAMES_LOOKED_AT] or [target.host]
