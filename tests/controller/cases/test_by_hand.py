"""What the operator does to other people's zones without a case: the log has it first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rempart.controller.assembly import Controller
from rempart.controller.intents.actor import OPERATOR, SYSTEM, Actor, ActorKind
from rempart.governance.log.step import Step
from rempart.model.errors import EnvironmentLacks, NotFound
from rempart.model.records import RecordDraft, RecordType
from rempart.model.sites import Origin

ORIGIN = (Origin(host="203.0.113.7", port=80),)


def zone_of(controller: Controller, account: str, name: str) -> str:
    id_ = controller.intents.accounts.create(OPERATOR, account).value.id
    return controller.intents.zones.create(OPERATOR, name, account_id=id_).value.id


def address(name: str) -> RecordDraft:
    return RecordDraft(name=name, type=RecordType.A, ttl=300, content="203.0.113.9", proxied=True)


def seen(controller: Controller) -> list[Step]:
    return [controller.log.step(index) for _, index in controller.log.under("by-hand/", 100)]


def test_a_customers_site_is_not_removed_unseen(controller: Controller) -> None:
    zone_of(controller, "customer", "example.org")
    controller.intents.sites.add(OPERATOR, "forum.example.org", ORIGIN)
    assert not seen(controller), "nothing was taken away or changed"
    controller.intents.sites.remove(OPERATOR, "forum.example.org")
    [step] = seen(controller)
    assert step.public["action"] == "site.remove"
    assert step.public["zones"] == ["example.org"]
    assert "forum" not in str(step.public)


@pytest.mark.parametrize(
    "lifting",
    [
        lambda c, zone: c.intents.zones.edit(OPERATOR, zone, paused=True),
        lambda c, zone: c.intents.sites.change(
            OPERATOR, "forum.example.org", origins=(Origin(host="203.0.113.8", port=80),)
        ),
    ],
)
def test_nor_is_protection_lifted_another_way(
    controller: Controller, lifting: Callable[[Controller, str], object]
) -> None:
    zone = zone_of(controller, "customer", "example.org")
    controller.intents.sites.add(OPERATOR, "forum.example.org", ORIGIN)
    controller.intents.records.create(SYSTEM, zone, address("forum.example.org"))
    lifting(controller, zone)
    assert len(seen(controller)) == 1


def test_what_the_log_cannot_take_is_not_done(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone_of(controller, "customer", "example.org")
    controller.intents.sites.add(OPERATOR, "forum.example.org", ORIGIN)

    def out_of_reach(_: object) -> None:
        raise EnvironmentLacks("the public log", "is out of reach")

    monkeypatch.setattr(controller.log, "append", out_of_reach)
    with pytest.raises(EnvironmentLacks):
        controller.intents.sites.remove(OPERATOR, "forum.example.org")
    assert controller.intents.sites.get("forum.example.org")


def test_owners_and_the_operators_own_zones_are_nobodys_business(controller: Controller) -> None:
    zone = zone_of(controller, "customer", "example.org")
    account = controller.intents.zones.get(zone).account_id
    controller.intents.sites.add(OPERATOR, "forum.example.org", ORIGIN)
    owner = Actor(kind=ActorKind.TOKEN, id="0" * 32, account_id=account)
    controller.intents.sites.remove(owner, "forum.example.org")
    controller.intents.zones.create(OPERATOR, "own.example")
    controller.intents.sites.add(OPERATOR, "own.example", ORIGIN)
    controller.intents.sites.remove(OPERATOR, "own.example")
    with pytest.raises(NotFound):
        controller.intents.sites.get("own.example")
    controller.intents.records.create(SYSTEM, zone, address("a.example.org"))
    assert not seen(controller)
