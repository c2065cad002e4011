"""The one decision about tokens, over all permissions and all forms of resources."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rempart.model.errors import InvalidInput
from rempart.model.permissions import (
    ABOUT_ZONES,
    ACCOUNT,
    ALL,
    GROUPS,
    USER,
    ZONE,
    Permission,
    Resource,
    TokenPolicy,
    authorise,
    check_policy,
    full_access,
    zones_named,
)

OURS, THEIRS = "a" * 32, "b" * 32
ZONE_ID, OTHER_ZONE = "1" * 32, "2" * 32


@dataclass(frozen=True)
class Token:
    policies: tuple[TokenPolicy, ...]
    account_id: str = OURS


def token(*resources: str, groups: tuple[str, ...] = (ALL.id,)) -> Token:
    return Token((TokenPolicy(id="p", groups=groups, resources=resources),))


@pytest.mark.parametrize("permission", Permission)
def test_everything_in_the_account_and_nothing_beyond_it(permission: Permission) -> None:
    for one in (
        Token((full_access(OURS, "p"),)),
        token("*"),
        token(f"{ACCOUNT}.*"),
        token("*", f"{ACCOUNT}.{THEIRS}", f"{ZONE}.*", f"{USER}.*"),
    ):
        for zone in (None, ZONE_ID):
            assert authorise(one, permission, Resource(account_id=OURS, zone_id=zone))
            assert not authorise(one, permission, Resource(account_id=THEIRS, zone_id=zone))


@pytest.mark.parametrize("permission", Permission)
def test_a_zone_is_one_zone(permission: Permission) -> None:
    one = token(f"{ZONE}.{ZONE_ID}")
    here = Resource(account_id=OURS, zone_id=ZONE_ID)
    assert authorise(one, permission, here) is (permission in ABOUT_ZONES)
    for elsewhere in (Resource(account_id=OURS), Resource(account_id=OURS, zone_id=OTHER_ZONE)):
        assert not authorise(one, permission, elsewhere)


@pytest.mark.parametrize("permission", Permission)
def test_zones_are_not_the_account_and_the_user_is_no_zone(permission: Permission) -> None:
    about_zones = permission in ABOUT_ZONES
    for zone in (None, ZONE_ID):
        resource = Resource(account_id=OURS, zone_id=zone)
        assert authorise(token(f"{ZONE}.*"), permission, resource) is about_zones
        assert authorise(token(f"{USER}.{OURS}"), permission, resource) is not about_zones


def test_a_group_grants_what_it_says() -> None:
    for one in GROUPS.values():
        bearer = token(f"{ACCOUNT}.{OURS}", groups=(one.id,))
        granted = {each for each in Permission if authorise(bearer, each, Resource(account_id=OURS))}
        assert granted == one.grants


def test_reading_is_not_writing() -> None:
    for group in GROUPS.values():
        if group.slug.endswith(":read"):
            assert not any(one.value.endswith(":edit") for one in group.grants)


def test_no_policy_and_unknown_groups_grant_nothing() -> None:
    for one in (Token(()), token("*", groups=("0" * 32,))):
        assert not any(authorise(one, each, Resource(account_id=OURS)) for each in Permission)


def test_zones_that_are_named() -> None:
    assert zones_named(token(f"{ZONE}.{ZONE_ID}", f"{ZONE}.{OTHER_ZONE}")) == frozenset({ZONE_ID, OTHER_ZONE})
    assert zones_named(token(f"{USER}.{OURS}")) == frozenset()
    for everything in ("*", f"{ZONE}.*", f"{ACCOUNT}.{OURS}", f"{ACCOUNT}.*"):
        assert zones_named(token(f"{ZONE}.{ZONE_ID}", everything)) is None


@pytest.mark.parametrize(
    ("groups", "resources"),
    [
        ((), ("*",)),
        (("0" * 32,), ("*",)),
        ((ALL.id,), ()),
        ((ALL.id,), (f"{ACCOUNT}.{THEIRS}",)),
        ((ALL.id,), (f"{USER}.{THEIRS}",)),
        ((ALL.id,), ("com.cloudflare.api.account.zone.", "*")),
        ((ALL.id,), (f"{ZONE}.{'g' * 32}",)),
        ((ALL.id,), (f"{ZONE}.{ZONE_ID}\n",)),
        ((ALL.id,), tuple(f"{ZONE}.{number:032x}" for number in range(501))),
    ],
)
def test_policies_that_are_none(groups: tuple[str, ...], resources: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        check_policy(TokenPolicy(id="p", groups=groups, resources=resources), OURS)


def test_policies_that_are() -> None:
    for resource in ("*", f"{ACCOUNT}.{OURS}", f"{ACCOUNT}.*", f"{ZONE}.{ZONE_ID}", f"{ZONE}.*", f"{USER}.*"):
        check_policy(TokenPolicy(id="p", groups=(ALL.id,), resources=(resource,)), OURS)
