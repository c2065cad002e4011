"""What the controller does unasked: look names up again, issue and renew certificates, forget what is old.

Each task is a loop around one step that may fail without ending the loop: what goes wrong is logged and
tried again later. Steps are plain functions of the controller, so that tests call them directly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from fastapi.concurrency import run_in_threadpool

from rempart.controller.assembly import Controller
from rempart.controller.cases.clockwork import do_what_is_due, verify_what_changed
from rempart.controller.completion import cover, issue
from rempart.controller.intents import SYSTEM
from rempart.controller.local_ca import needs_renewal
from rempart.controller.resolver import Outcome
from rempart.controller.store.published import FORGET_AFTER
from rempart.model.certificates import CertificateSource

RESOLVE_AT_ONCE = 500
RESOLVE_LOOK_S = 5.0
RESOLVE_PAUSE_S = 0.5
COVER_AT_ONCE = 200
COVER_LOOK_S = 300.0
RENEW_EVERY_S = 3600.0
FORGET_EVERY_S = 3600.0
PRUNE_PAUSE_S = 0.1
CASES_EVERY_S = 1.0
WITNESS_EVERY_S = 60.0
REPORTS_EVERY_S = 60.0
AFTER_ERROR_S = 10.0

_log = structlog.get_logger("controller")


async def run_all(controller: Controller) -> None:
    """Run every task until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_forever("resolutions", lambda: resolving(controller)))
        group.create_task(_forever("certificates", lambda: covering(controller)))
        group.create_task(_forever("renewals", lambda: renewing(controller)))
        group.create_task(_forever("retention", lambda: forgetting(controller)))
        group.create_task(_forever("cases", lambda: attending(controller)))
        group.create_task(_forever("public log", lambda: witnessing(controller)))
        group.create_task(_forever("abuse reports", lambda: reporting(controller)))


async def _forever(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await loop()
        except Exception:
            _log.exception("background task failed, it goes on", task=name)
            await asyncio.sleep(AFTER_ERROR_S)


async def resolving(controller: Controller) -> None:
    """Look up what is due; then wait for the next name to be due, or for a commit that needs a new one."""
    resolutions = controller.intents.resolutions
    while True:
        ticket = controller.work.ticket()
        try:
            while await resolve_due(controller):
                pass
            next_one = await run_in_threadpool(resolutions.next_refresh)
            if next_one is not None and next_one <= controller.clock():
                # Due, but nothing needs it: recording anything drops such names.
                await run_in_threadpool(resolutions.record_answers, (), controller.clock())
        except BaseException:
            controller.work.drop(ticket)
            raise
        left = RESOLVE_LOOK_S
        if next_one is not None:
            left = min(left, max(RESOLVE_PAUSE_S, (next_one - controller.clock()).total_seconds()))
        await controller.work.heard(ticket, left)


async def resolve_due(controller: Controller) -> bool:
    """Look up the names that are due, at most RESOLVE_AT_ONCE; whether there were any."""
    resolutions = controller.intents.resolutions
    due = await run_in_threadpool(resolutions.names_to_resolve, controller.clock(), RESOLVE_AT_ONCE)
    if not due:
        return False
    answers = await controller.resolver.resolve_all(set(due))
    written = await run_in_threadpool(resolutions.record_answers, answers, controller.clock())
    for answer in answers:
        if answer.outcome is not Outcome.FOUND:
            _log.warning(
                "name not resolved", host=answer.host, outcome=answer.outcome.value, problem=answer.problem
            )
    if written.value:
        _log.info("addresses changed", hosts=list(written.value)[:20], revision=written.revision)
    return True


async def covering(controller: Controller) -> None:
    """Issue certificates for hosts at the edge that have none: what writes left over, what has expired."""
    while True:
        ticket = controller.uncovered.ticket()
        try:
            while await run_in_threadpool(cover_some, controller):
                pass
        except BaseException:
            controller.uncovered.drop(ticket)
            raise
        await controller.uncovered.heard(ticket, COVER_LOOK_S)


def cover_some(controller: Controller) -> bool:
    """Issue for at most COVER_AT_ONCE uncovered hosts; whether there were any."""
    hosts = controller.intents.certificates.uncovered(controller.clock())[:COVER_AT_ONCE]
    issued = cover(controller, hosts)
    if issued:
        _log.info("certificates issued", number=len(issued), first=hosts[0])
    return bool(issued)


async def renewing(controller: Controller) -> None:
    """Renew certificates."""
    while True:
        await run_in_threadpool(renew, controller)
        await asyncio.sleep(RENEW_EVERY_S)


async def attending(controller: Controller) -> None:
    """Have remedies take effect and end when it is time, and look from outside whether they do."""
    while True:
        await run_in_threadpool(do_what_is_due, controller)
        await run_in_threadpool(verify_what_changed, controller)
        await asyncio.sleep(CASES_EVERY_S)


async def witnessing(controller: Controller) -> None:
    """Open the public log, so that it is there from the start; then ask for cosignatures that are missing."""
    while True:
        await run_in_threadpool(controller.log.ask_witnesses)
        await asyncio.sleep(WITNESS_EVERY_S)


async def reporting(controller: Controller) -> None:
    """Write letters about what became of abuse reports, and forget who sent those that are long over."""
    while True:
        await run_in_threadpool(controller.triage.tell)
        await run_in_threadpool(controller.triage.forget)
        await asyncio.sleep(REPORTS_EVERY_S)


async def forgetting(controller: Controller) -> None:
    """Forget deletions that every node has long seen, and audit entries beyond what is to be kept."""
    while True:
        oldest = controller.clock() - FORGET_AFTER
        await run_in_threadpool(controller.intents.forget_deletions, oldest)
        more = await run_in_threadpool(prune_audit, controller)
        await asyncio.sleep(PRUNE_PAUSE_S if more else FORGET_EVERY_S)


def prune_audit(controller: Controller) -> int:
    """Drop some audit entries that need not be kept; how many."""
    kept = controller.configuration.audit
    before = controller.clock() - timedelta(days=kept.keep_days)
    gone = controller.intents.audit.prune(before=before, keep=kept.keep_entries)
    if gone:
        _log.info("audit entries dropped", number=gone)
    return gone


def renew(controller: Controller) -> int:
    """Replace the local CA's certificates that are in their last third, drop those nobody needs; how many.

    The new one is published before the old one goes, so no host is without.
    """
    intents = controller.intents
    now = controller.clock()
    hosts = {one.key.removeprefix("site/") for one in intents.published.items("site/")}
    hosts |= {one for one in (controller.configuration.operator_host,) if one is not None}
    done = 0
    for old in intents.certificates.list():
        if old.source is not CertificateSource.LOCAL_CA:
            continue
        if not needs_renewal(old.not_before, old.not_after, now):
            continue
        needed = tuple(
            host
            for host in old.hosts
            if host in hosts and getattr(intents.certificates.serving(host, now), "id", None) == old.id
        )
        if needed:
            new = issue(controller, needed).value
            _log.info("certificate renewed", hosts=list(needed), until=f"{new.not_after:%Y-%m-%d}")
        if needed or old.not_after + timedelta(days=1) <= now:
            intents.certificates.remove(SYSTEM, old.id)
            done += 1
    return done
