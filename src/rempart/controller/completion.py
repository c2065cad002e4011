"""What must follow a write before it is whole: outside names looked up, certificates issued.

A write publishes what can be compiled at once. Here the rest is done, in the same call, so that the owner's
answer is the final state; the background tasks (`tasks`) do the same for what is beyond the bounds here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi.concurrency import run_in_threadpool

from rempart.controller.assembly import Controller
from rempart.controller.intents import SYSTEM, Written
from rempart.controller.intents.certificates import CertificateUpload
from rempart.controller.resolver import Answer
from rempart.model.certificates import Certificate, CertificateSource
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_hostname
from rempart.snapshot.following import is_address

NAMES_AT_ONCE = 50
CERTIFICATES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Completed:
    """What a write and all that followed it came to."""

    revision: int
    keys: frozenset[str]
    """Items that were touched."""
    changed: bool
    summary: str
    issued: tuple[Certificate, ...] = ()
    warnings: tuple[str, ...] = ()


async def look_up_first(controller: Controller, names: Iterable[str]) -> tuple[str, ...]:
    """Look up outside names that are about to be needed, so that no moment is without their addresses.

    Returns what the owner should know: the names that have none.
    """
    wanted = await run_in_threadpool(_unknown, controller, names)
    if not wanted:
        return ()
    answers = await controller.resolver.resolve_all(wanted)
    await run_in_threadpool(controller.intents.resolutions.record_answers, answers, controller.clock())
    return _without_addresses(answers)


async def complete(controller: Controller, *writes: Written[Any]) -> Completed:
    """Do what must follow ``writes`` (one at least), up to NAMES_AT_ONCE and CERTIFICATES_AT_ONCE."""
    intents = controller.intents
    followed: list[Written[Any]] = []
    warnings: tuple[str, ...] = ()
    fresh = await run_in_threadpool(_never_asked, controller)
    if fresh:
        answers = await controller.resolver.resolve_all(fresh)
        followed.append(
            await run_in_threadpool(intents.resolutions.record_answers, answers, controller.clock())
        )
        warnings = _without_addresses(answers)
    hosts = [
        step.key.removeprefix("site/")
        for written in writes
        for step in written.plan.steps
        if step.key.startswith("site/") and step.after is not None
    ]
    issued = await run_in_threadpool(cover, controller, hosts[:CERTIFICATES_AT_ONCE])
    if len(hosts) > CERTIFICATES_AT_ONCE:
        controller.uncovered.ring()
    done = (*writes, *followed, *issued)
    return Completed(
        revision=max(one.revision for one in done),
        keys=frozenset(step.key for one in done for step in one.plan.steps),
        changed=any(one.plan for one in writes),
        summary="\n".join(one.plan.summary() for one in writes if one.plan),
        issued=tuple(one.value for one in issued),
        warnings=warnings,
    )


def cover(controller: Controller, hosts: Iterable[str]) -> list[Written[Certificate]]:
    """Issue a certificate of the local CA for each of ``hosts`` that no valid one covers."""
    now = controller.clock()
    made = []
    for host in hosts:
        serving = controller.intents.certificates.serving(host, now)
        if serving is None or not serving.not_before <= now < serving.not_after:
            made.append(issue(controller, (host,)))
    return made


def issue(controller: Controller, hosts: tuple[str, ...]) -> Written[Certificate]:
    """Issue and store one certificate."""
    certificate, key_pem = controller.authority.issue(hosts, controller.clock())
    return controller.intents.certificates.put(SYSTEM, CertificateUpload(certificate, key_pem))


def retire_superseded(controller: Controller, uploaded: Certificate) -> list[Written[Certificate]]:
    """Remove the local CA's certificates that ``uploaded`` makes needless."""
    now = controller.clock()
    certificates = controller.intents.certificates
    needless = [
        one
        for one in certificates.list()
        if one.source is CertificateSource.LOCAL_CA and one.id != uploaded.id
        if all(_serves_better(certificates.serving(host, now), one) for host in one.hosts)
    ]
    return [certificates.remove(SYSTEM, one.id) for one in needless]


def _serves_better(serving: Certificate | None, than: Certificate) -> bool:
    return serving is not None and serving.id != than.id


def _without_addresses(answers: Iterable[Answer]) -> tuple[str, ...]:
    return tuple(f"{one.host}: {one.problem}" for one in answers if not one.addresses)


def _unknown(controller: Controller, names: Iterable[str]) -> set[str]:
    """Those of ``names`` that are outside names nobody has looked up yet, in canonical form."""
    wanted = set()
    for text in names:
        if is_address(text):
            continue
        try:
            name = parse_hostname(text)
        except InvalidInput:
            continue  # whoever writes it is told by the write itself
        held = controller.intents.resolutions.get(name)
        asked = held is not None and (held.answered_at is not None or held.problem)
        if not asked and controller.intents.zones.enclosing(name) is None:
            wanted.add(name)
    return wanted


def _never_asked(controller: Controller) -> set[str]:
    resolutions = controller.intents.resolutions
    due = resolutions.names_to_resolve(controller.clock(), NAMES_AT_ONCE)
    held = (resolutions.get(name) for name in due)
    return {one.host for one in held if one is not None and one.answered_at is None and not one.problem}
