"""What the controller does unasked about cases: finishes steps, has remedies take effect and end, looks."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from rempart.controller.assembly import Controller
from rempart.controller.cases.applied import applied_by
from rempart.controller.cases.effects import account_of
from rempart.controller.cases.probing import is_in_force, look, spellings
from rempart.controller.territory import Territory
from rempart.model.cases import Case
from rempart.model.cases_events import TookEffect, Verified
from rempart.model.cases_remedies import ON_A_URL, Measure, Remedy, Target
from rempart.model.errors import RempartError
from rempart.snapshot.surroundings import Surroundings

PATIENCE = timedelta(seconds=60)
"""How long a remedy may take until it is seen from outside; then it is recorded that it was not."""
NAMES_LOOKED_AT = 5
NOTE_MAX = 2_000
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
    path = measure.target.path
    paths = ("/",) if path is None or measure.remedy not in ON_A_URL else spellings(path)
    territory = Territory(controller.configuration.territory) if measure.territory else None
    seen = [
        look(controller.configuration, name, sorted(edge), paths, territory)
        for name in _names(controller, measure)
    ]
    found = [is_in_force(measure, case.id, one, edge) for one in seen]
    applied = applied_by(controller, case.id)
    words = [one.in_words(edge) for one in seen]
    if measure.territory and any(one.country not in measure.territory for one in seen):
        words.append(f"looked at from outside of {', '.join(measure.territory)}: it cannot be seen from here")
    words += (f"{one.node} has {'applied it' if one.applied else 'not applied it yet'}" for one in applied)
    return Verified(
        in_force=wanted,
        seen=all(one is wanted for one in found) and all(one.applied for one in applied),
        observations=tuple(word[:NOTE_MAX] for word in words),
    )


def _measure_of(controller: Controller, case: Case) -> Measure | None:
    """What was put in force last."""
    effects = [one.event for one in controller.docket.steps(case.id) if isinstance(one.event, TookEffect)]
    return effects[-1].restriction.measure if effects else None


def _names(controller: Controller, measure: Measure) -> list[str]:
    target = measure.target
    if not target.whole_zone:
        return [target.host]
    intents = controller.intents
    covered = [target]
    if measure.remedy is Remedy.CLOSE_ACCOUNT:
        with intents.context.reading() as session:
            account = account_of(session, target)
        if account is not None:
            zones = intents.zones.list(account_id=account, per_page=5_000).items
            covered += (Target(host=one.name, whole_zone=True) for one in zones)
    sites = intents.sites.list(per_page=5_000).items
    names = [one.host for one in sites if any(zone.covers(one.host) for zone in covered)]
    # Of each zone one name at least.
    without = [zone.host for zone in covered if not any(zone.covers(name) for name in names)]
    return (names[:NAMES_LOOKED_AT] + without[:NAMES_LOOKED_AT]) or [target.host]
