"""What a controller process is made of: the intents with all that serves them, wired once.

The service (`service`) and the offline command line (`local`) both begin here; only the service also runs
background tasks and sockets on top of it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from rempart.controller.bell import Bell
from rempart.controller.cases.disclosure import Disclosure
from rempart.controller.cases.docket import Docket
from rempart.controller.cases.owners import OwnersDocket
from rempart.controller.cases.register import Register
from rempart.controller.intents import Intents
from rempart.controller.intents.context import fresh_id
from rempart.controller.local_ca import LocalCa
from rempart.controller.reporting.desk import AbuseDesk
from rempart.controller.reporting.triage import Triage
from rempart.controller.reports import NodeReports
from rempart.controller.resolver import Resolver
from rempart.controller.store.database import Store
from rempart.controller.transparency.public_log import PublicLog
from rempart.governance.publishing import by_hand_step
from rempart.model.by_hand import ByHand
from rempart.model.configuration import Configuration


def now() -> datetime:
    """The clock of a real controller."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Controller:
    """Everything the controller's servers and tasks share. Safe to use from any thread."""

    configuration: Configuration
    intents: Intents
    authority: LocalCa
    resolver: Resolver
    reports: NodeReports
    commits: Bell
    """Rings after every commit that raised the revision, for the nodes that wait."""
    work: Bell
    """Rings then too, for the background tasks."""
    uncovered: Bell
    """Rings when a write left hosts without a certificate to the background."""
    clock: Callable[[], datetime]
    log: PublicLog
    """Opened at its first use; whatever is wrong with it, everything else goes on."""
    docket: Docket
    """Cases."""
    desk: AbuseDesk
    """Abuse reports as they come in."""
    triage: Triage
    """What is done with them."""
    register: Register
    """What everybody may know of cases."""
    owners: OwnersDocket
    """Which of them are whose."""
    disclosure: Disclosure
    """Transparency reports."""


@contextmanager
def assembled(configuration: Configuration, clock: Callable[[], datetime] = now) -> Iterator[Controller]:
    """A controller on the store of ``configuration``. EnvironmentLacks when something of it is missing."""
    commits, work = Bell(), Bell()

    def committed() -> None:
        commits.ring()
        work.ring()

    def by_hand(done: ByHand) -> None:
        # Before it happens: the log may hold what then was not done, and never the other way round.
        log.append(by_hand_step(done, fresh_id()))

    paths = configuration.paths
    with (
        Store.open(configuration) as store,
        PublicLog(paths.public_log, paths.log_keeping, configuration.log) as log,
    ):
        intents = Intents(
            store,
            configuration,
            own_addresses=own_addresses(),
            clock=clock,
            on_commit=committed,
            on_hand=by_hand,
        )
        intents.apply_configuration()
        docket = Docket(intents.context, log)
        desk = AbuseDesk(intents.context, docket, paths.evidence)
        yield Controller(
            configuration=configuration,
            intents=intents,
            authority=LocalCa.open(configuration.paths.controller / "ca", clock()),
            resolver=Resolver(configuration.dns.resolvers),
            reports=NodeReports(clock, (configuration.node_name,)),
            commits=commits,
            work=work,
            uncovered=Bell(),
            clock=clock,
            log=log,
            docket=docket,
            desk=desk,
            triage=Triage(desk),
            register=Register(intents.context),
            disclosure=Disclosure(intents.context, log, configuration.log.provider),
            owners=OwnersDocket(intents.context),
        )


def own_addresses() -> tuple[str, ...]:
    """All addresses of this machine's interfaces."""
    found = {
        one.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for one in addresses
        if one.family in (socket.AF_INET, socket.AF_INET6)
    }
    return tuple(sorted(found))
