"""An exit kit made: the zone's belongings, its case files and what to do with them, in one archive."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import select

import rempart
from rempart.controller.admin_api.answers import surroundings_of
from rempart.controller.assembly import Controller
from rempart.controller.bundles.archive import OF_THE_NODE, File, write_archive
from rempart.controller.bundles.case_file import CaseFile, files_about, is_about
from rempart.controller.bundles.contents import files_of
from rempart.controller.bundles.walkthrough import Present, walkthrough
from rempart.controller.cases import rows
from rempart.controller.delegation import Delegation, delegation
from rempart.controller.intents import Actor
from rempart.controller.intents.bundles import Gathered
from rempart.controller.store.tables import CaseRow
from rempart.controller.zone_text import zone_text
from rempart.model.bundle import Absent
from rempart.model.errors import EnvironmentLacks
from rempart.model.zone_keys import ZoneKeys, canonical_dnskey
from rempart.model.zones import Zone
from rempart.snapshot.items import RRsetItem

KEYS_WAIT_S = 6.0
KEYS_POLL_S = 0.2
NO_CACHE = Absent(what="cached copies of pages", why="this software has no cache yet")
LOCAL_CA = Absent(
    what="certificates of the operator's own authority",
    why="nobody but this operator's own machines trusts them; the next operator issues its own",
)
SECONDARIES = Absent(
    what="secondary name servers and the catalog zone",
    why="they are the operator's, and serve every zone here; their keys would give away the others",
)


@dataclass(frozen=True, slots=True)
class Kit:
    """An exit kit."""

    zone: str
    octets: bytes
    warnings: tuple[str, ...]


async def served_keys(controller: Controller, zone: Zone) -> Delegation:
    """The keys that the name server signs with now; none, without a problem, when the zone is not signed.

    A zone that was signed a moment ago is waited for: its keys come from the name server by themselves.
    """
    if not zone.settings.dnssec:
        return Delegation()
    deadline = time.monotonic() + KEYS_WAIT_S
    while True:
        served = await delegation(zone.name, controller.configuration.dns)
        held = await run_in_threadpool(controller.intents.zone_keys.get, zone)
        if not key_problem(held, served) or not served.keys or time.monotonic() >= deadline:
            return served
        await asyncio.sleep(KEYS_POLL_S)


def make(
    controller: Controller, actor: Actor, zone: Zone, served: Delegation, *, partial: bool = False
) -> Kit:
    """The exit kit of ``zone``.

    EnvironmentLacks when the DNSSEC keys that it is signed with are not at hand, unless a ``partial`` one
    will do.
    """
    gathered = controller.intents.bundles.gather(actor, zone.id)
    belongings = gathered.belongings
    problem = key_problem(belongings.keys, served) if belongings.zone.settings.dnssec else ""
    if problem and not partial:
        raise EnvironmentLacks(
            "DNSSEC keys",
            f"the keys of {zone.name} are not at hand: {problem}",
            hint="they come from the name server within seconds while it runs; --partial makes a kit without "
            "them, with which the DS at the registrar must be deleted first",
        )
    now = controller.clock()
    absent = _absent(gathered, problem)
    surroundings = surroundings_of(controller)
    present = Present(
        nameservers=surroundings.nameservers_of(zone.name),
        ds=served.ds if belongings.keys is None else belongings.keys.ds,
        longest_ttl=_longest_ttl(controller, zone.name),
    )
    files = [
        File("README.txt", "what to do", walkthrough(belongings, present, now, absent).encode()),
        File(
            f"zone/{zone.name}.zone",
            "the zone as any name server takes it (RFC 1035)",
            zone_text(controller, zone).encode(),
        ),
        *files_of(belongings),
        *files_about(_cases(controller, zone.name), zone.name),
    ]
    octets = write_archive(zone.name, now, f"Rempart {rempart.__version__}", files, absent)
    return Kit(zone.name, octets, (problem,) if problem else ())


def key_problem(held: ZoneKeys | None, served: Delegation) -> str:
    """Why ``held`` are not the keys that a signed zone's DS can name; empty when they are."""
    if held is None:
        return served.problem or "the name server has not handed them over yet"
    ours = held.public
    if any(canonical_dnskey(key) not in ours for key in served.keys):
        return "the name server signs with another key since, and has not handed it over yet"
    return ""


def _absent(gathered: Gathered, problem: str) -> tuple[Absent, ...]:
    found = [NO_CACHE, LOCAL_CA, SECONDARIES, OF_THE_NODE]
    found += [
        Absent(what=f"the certificate for {', '.join(one.hosts)[:150]}", why=one.why) for one in gathered.left
    ]
    if problem:
        found.append(Absent(what="DNSSEC keys", why=problem[:900]))
    return tuple(found)


def _longest_ttl(controller: Controller, zone: str) -> int:
    items = controller.intents.published.items(f"rrset/{zone}/")
    return max((item.rrset.ttl for item in items if isinstance(item, RRsetItem)), default=0)


def _cases(controller: Controller, zone: str) -> list[CaseFile]:
    """The cases about a name of ``zone``."""
    docket = controller.docket
    with controller.intents.context.reading() as session:
        # The name stands in the state of every case that has it as a target; which of them mean it is judged
        # below.
        likely = select(CaseRow).where(CaseRow.state.contains(_last_labels(zone), autoescape=True))
        cases = [rows.state_of(row) for row in session.scalars(likely.order_by(CaseRow.opened_on))]
    return [
        CaseFile(case=case, steps=docket.steps(case.id), confidences=docket.confidences(case.id))
        for case in cases
        if is_about(case, zone)
    ]


def _last_labels(zone: str) -> str:
    """What a target that concerns ``zone`` ends in: the zone's name, or that of a whole zone above it."""
    return ".".join(zone.split(".")[-2:])
