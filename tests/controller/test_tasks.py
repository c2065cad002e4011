"""What the controller does unasked, with a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rempart.controller import tasks
from rempart.controller.assembly import Controller, assembled
from rempart.controller.completion import complete
from rempart.controller.intents import OPERATOR
from rempart.controller.store.tables import AuditRow
from rempart.controller.tasks import prune_audit
from rempart.model.certificates import CertificateSource
from rempart.model.configuration import AuditSection, Configuration
from rempart.model.records import RecordDraft, RecordType
from rempart.model.sites import Origin
from rempart.snapshot.items import EdgeOrigin, SiteItem
from tests.controller.dns_double import DnsServer


class Clock:
    """Says what it was set to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(configuration: Configuration, clock: Clock) -> Iterator[Controller]:
    with assembled(configuration, clock) as made:
        yield made


def add_site(controller: Controller, host: str, origin: str = "192.0.2.10") -> None:
    written = controller.intents.sites.add(OPERATOR, host, (Origin(host=origin, port=80),))
    asyncio.run(complete(controller, written))


def origins(controller: Controller, host: str) -> tuple[EdgeOrigin, ...]:
    (item,) = controller.intents.published.items(f"site/{host}")
    assert isinstance(item, SiteItem)
    return item.origins


def addresses(controller: Controller, host: str) -> list[str]:
    return [one.address for one in origins(controller, host)]


def test_a_name_is_looked_up_again_when_its_ttl_is_over(
    timed: Controller, clock: Clock, name_server: DnsServer
) -> None:
    name_server.records["o.example.net", "A"] = (60, ["203.0.113.1"])
    add_site(timed, "www.example.org", "o.example.net")
    assert addresses(timed, "www.example.org") == ["203.0.113.1"]
    name_server.records["o.example.net", "A"] = (60, ["203.0.113.2"])
    assert not asyncio.run(tasks.resolve_due(timed))
    clock.now += timedelta(seconds=61)
    assert asyncio.run(tasks.resolve_due(timed))
    assert addresses(timed, "www.example.org") == ["203.0.113.2"]


def test_the_last_good_answer_serves_while_the_resolver_fails(
    timed: Controller, clock: Clock, name_server: DnsServer
) -> None:
    name_server.records["o.example.net", "A"] = (60, ["203.0.113.1"])
    add_site(timed, "www.example.org", "o.example.net")
    revision = timed.intents.published.revision()
    name_server.broken.add("o.example.net")
    clock.now += timedelta(hours=2)
    assert asyncio.run(tasks.resolve_due(timed))
    assert addresses(timed, "www.example.org") == ["203.0.113.1"]
    assert timed.intents.published.revision() == revision
    assert [one.host for one in timed.intents.resolutions.problems()] == ["o.example.net"]
    clock.now += timedelta(days=4)
    assert asyncio.run(tasks.resolve_due(timed))
    assert addresses(timed, "www.example.org") == []


def test_waiting_for_due_names_wakes_at_a_commit(
    timed: Controller, name_server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "RESOLVE_LOOK_S", 3600.0)
    name_server.records["o.example.net", "A"] = (60, ["203.0.113.1"])

    async def story() -> None:
        task = asyncio.create_task(tasks.resolving(timed))
        await asyncio.sleep(0.3)
        # Written without look-ups, as another controller on the same store would.
        await asyncio.to_thread(
            timed.intents.sites.add, OPERATOR, "www.example.org", (Origin(host="o.example.net", port=80),)
        )
        async with asyncio.timeout(10):
            while not addresses(timed, "www.example.org"):  # noqa: ASYNC110 - what is stored tells nobody
                await asyncio.sleep(0.02)
        task.cancel()

    asyncio.run(story())


def test_a_name_that_nothing_needs_any_more_is_forgotten(
    timed: Controller, clock: Clock, name_server: DnsServer
) -> None:
    name_server.records["o.example.net", "A"] = (60, ["203.0.113.1"])
    add_site(timed, "www.example.org", "o.example.net")
    timed.intents.sites.remove(OPERATOR, "www.example.org")
    clock.now += timedelta(hours=1)

    async def story() -> None:
        task = asyncio.create_task(tasks.resolving(timed))
        async with asyncio.timeout(10):
            while timed.intents.resolutions.next_refresh() is not None:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)
        task.cancel()

    asyncio.run(story())


def test_certificates_are_renewed_in_their_last_third(timed: Controller, clock: Clock) -> None:
    add_site(timed, "www.example.org")
    certificates = timed.intents.certificates
    (old,) = certificates.list()
    clock.now += timedelta(days=59)
    assert tasks.renew(timed) == 0
    clock.now += timedelta(days=2)
    assert tasks.renew(timed) == 1
    (new,) = certificates.list()
    assert new.id != old.id
    assert new.hosts == old.hosts
    assert new.not_after > clock.now + timedelta(days=89)
    assert tasks.renew(timed) == 0


def test_a_certificate_that_nobody_needs_is_dropped_once_it_is_over(timed: Controller, clock: Clock) -> None:
    add_site(timed, "www.example.org")
    timed.intents.sites.remove(OPERATOR, "www.example.org")
    clock.now += timedelta(days=80)
    assert tasks.renew(timed) == 0
    clock.now += timedelta(days=12)
    assert tasks.renew(timed) == 1
    assert timed.intents.certificates.list() == ()


def test_what_a_large_import_left_over_is_covered(timed: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "COVER_AT_ONCE", 4)
    zone = timed.intents.zones.create(OPERATOR, "example.org").value
    drafts = [
        RecordDraft(type=RecordType.A, name=f"h{number}", content="192.0.2.1", proxied=True)
        for number in range(10)
    ]
    timed.intents.records.import_drafts(OPERATOR, zone.id, drafts)
    while tasks.cover_some(timed):
        pass
    served = {host for one in timed.intents.certificates.list() for host in one.hosts}
    assert served == {f"h{number}.example.org" for number in range(10)}


def test_an_uploaded_certificate_is_never_replaced_before_it_is_over(timed: Controller, clock: Clock) -> None:
    add_site(timed, "www.example.org")
    (ours,) = timed.intents.certificates.list()
    assert ours.source is CertificateSource.LOCAL_CA
    clock.now = ours.not_after + timedelta(seconds=1)
    assert tasks.cover_some(timed)
    assert not tasks.cover_some(timed)


def test_a_task_that_fails_goes_on(timed: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AFTER_ERROR_S", 0.01)
    calls: list[int] = []

    async def story() -> None:
        done = asyncio.Event()

        async def failing(_: Controller) -> None:
            calls.append(1)
            if len(calls) == 3:
                done.set()
            raise OSError("the store is away")

        monkeypatch.setattr(tasks, "resolving", failing)
        task = asyncio.create_task(tasks.run_all(timed))
        await asyncio.wait_for(done.wait(), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
    assert len(calls) >= 3


def test_the_audit_log_is_kept_to_its_bounds(clock: Clock, configuration: Configuration) -> None:
    bounds = AuditSection(keep_days=30, keep_entries=1_000)
    with assembled(configuration.model_copy(update={"audit": bounds}), clock) as controller:
        audit = controller.intents.audit
        accounts = controller.intents.accounts
        accounts.create(OPERATOR, "old")
        audit_before = audit.list().total
        clock.now += timedelta(days=31)
        accounts.create(OPERATOR, "new")
        assert prune_audit(controller) == audit_before
        assert [entry.action for entry in audit.list().items] == ["account.create"]
        assert audit.list().items[0].at == clock.now
        clock.now += timedelta(days=31)
        assert prune_audit(controller) == 0, "the newest stays, or its number would be given again"

        with controller.intents.audit._context.store.writing() as session:
            session.add_all(
                AuditRow(
                    at=clock.now,
                    actor_kind="operator",
                    actor_id="",
                    action="x",
                    subject="",
                    revision=0,
                    digest="",
                    summary="",
                )
                for _ in range(2_500)
            )
        newest = audit.list().items[0].id
        gone = [prune_audit(controller) for _ in range(4)]
        assert gone == [1_000, 501, 0, 0]
        assert audit.list().total == 1_000
        assert audit.list().items[0].id == newest
