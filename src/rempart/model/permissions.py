"""What the bearer of an API token may do: permissions, the groups they are granted in, and the one decision.

Groups and resource names are Cloudflare's, so that what its clients send means the same here. Every route
of the API names the permission it takes; ``authorise`` decides, and nothing else does. A token never
reaches beyond its account, whatever its policies name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from rempart.model.base import Value
from rempart.model.errors import InvalidInput

ACCOUNT = "com.cloudflare.api.account"
ZONE = "com.cloudflare.api.account.zone"
USER = "com.cloudflare.api.user"
POLICIES_MAX = 50
RESOURCES_MAX = 500


class Permission(StrEnum):
    """What a route takes."""

    ZONE_READ = "zone:read"
    ZONE_EDIT = "zone:edit"
    DNS_READ = "dns:read"
    DNS_EDIT = "dns:edit"
    SETTINGS_READ = "zone_settings:read"
    SETTINGS_EDIT = "zone_settings:edit"
    PAGE_RULES_READ = "page_rules:read"
    BUNDLE_READ = "bundle:read"
    ACCOUNT_READ = "account:read"
    AUDIT_READ = "audit:read"
    USER_READ = "user:read"
    TOKENS_READ = "tokens:read"
    TOKENS_EDIT = "tokens:edit"
    ABUSE_READ = "abuse:read"
    ABUSE_EDIT = "abuse:edit"


ABOUT_ZONES = frozenset(
    {
        Permission.ZONE_READ,
        Permission.ZONE_EDIT,
        Permission.DNS_READ,
        Permission.DNS_EDIT,
        Permission.SETTINGS_READ,
        Permission.SETTINGS_EDIT,
        Permission.PAGE_RULES_READ,
        Permission.BUNDLE_READ,
    }
)
"""Permissions that may be granted for single zones; all others concern the account."""


class PermissionGroup(Value):
    """What policies grant. ``id`` is Cloudflare's where it has such a group."""

    id: str
    slug: str
    """As the command line names it."""
    name: str
    scope: str
    grants: frozenset[Permission]


_P = Permission
# DNS permissions let a zone be found: clients that write records look the zone up by its name first.
_GROUPS = (
    ("c8fed203ed3043cba015a93ad1616f1f", "zone:read", "Zone Read", ZONE, {_P.ZONE_READ}),
    ("e6d2666161e84845a636613608cee8d5", "zone:edit", "Zone Write", ZONE, {_P.ZONE_READ, _P.ZONE_EDIT}),
    ("82e64a83756745bbbb1c9c2701bf816b", "dns:read", "DNS Read", ZONE, {_P.ZONE_READ, _P.DNS_READ}),
    (
        "4755a26eedb94da69e1066d98aa820be",
        "dns:edit",
        "DNS Write",
        ZONE,
        {_P.ZONE_READ, _P.DNS_READ, _P.DNS_EDIT},
    ),
    (
        "517b21aee92c4d89936c976ba6e4be55",
        "zone_settings:read",
        "Zone Settings Read",
        ZONE,
        {_P.ZONE_READ, _P.SETTINGS_READ},
    ),
    (
        "3030687196b94b638145a3953da2b699",
        "zone_settings:edit",
        "Zone Settings Write",
        ZONE,
        {_P.ZONE_READ, _P.SETTINGS_READ, _P.SETTINGS_EDIT},
    ),
    (
        "b415b70a4fd1412886f164451f20405c",
        "page_rules:read",
        "Page Rules Read",
        ZONE,
        {_P.ZONE_READ, _P.PAGE_RULES_READ},
    ),
    (
        "c1fde68c7bcc44588cbb6ddbc16d6480",
        "account:read",
        "Account Settings Read",
        ACCOUNT,
        {_P.ACCOUNT_READ, _P.AUDIT_READ},
    ),
    ("8acbe5bb0d54464ab867149d7f7cf8ac", "user:read", "User Details Read", USER, {_P.USER_READ}),
    ("0cc3a61731504c89b99ec1be78b77aa0", "tokens:read", "API Tokens Read", USER, {_P.TOKENS_READ}),
    (
        "686d18d5ac6c441c867cbf6771e58a0a",
        "tokens:edit",
        "API Tokens Write",
        USER,
        {_P.TOKENS_READ, _P.TOKENS_EDIT},
    ),
    # Ours: the exit kit, private keys and all.
    (
        "72656d70617274000000000000000002",
        "bundle:read",
        "Exit Kit Read",
        ZONE,
        {_P.ZONE_READ, _P.BUNDLE_READ},
    ),
    ("f0ba3733e746429182fcd40ec648c066", "abuse:read", "Trust and Safety Read", ACCOUNT, {_P.ABUSE_READ}),
    (
        "120f843a9c074f399b830e542e5616b8",
        "abuse:edit",
        "Trust and Safety Write",
        ACCOUNT,
        {_P.ABUSE_READ, _P.ABUSE_EDIT},
    ),
    # Ours: everything there is, and what later versions add.
    ("72656d70617274000000000000000001", "all", "All Permissions", ACCOUNT, set(Permission)),
)
GROUPS: Mapping[str, PermissionGroup] = MappingProxyType(
    {
        id_: PermissionGroup(id=id_, slug=slug, name=name, scope=scope, grants=frozenset(grants))
        for id_, slug, name, scope, grants in _GROUPS
    }
)
"""By id."""
GROUPS_BY_SLUG: Mapping[str, PermissionGroup] = MappingProxyType({one.slug: one for one in GROUPS.values()})
ALL = GROUPS_BY_SLUG["all"]


class TokenPolicy(Value):
    """Grants what ``groups`` (ids) hold for what ``resources`` name.

    A resource is ``*``; ``com.cloudflare.api.account.<id>`` with all its zones;
    ``com.cloudflare.api.account.zone.<id>``; ``com.cloudflare.api.user.<id>``; or one of these with ``*`` for
    the id.
    """

    id: str
    groups: tuple[str, ...]
    resources: tuple[str, ...]


class Resource(Value):
    """What a request is about: one zone of an account, or the account."""

    account_id: str
    zone_id: str | None = None


class Bearer(Protocol):
    """What ``authorise`` looks at of a token."""

    @property
    def account_id(self) -> str: ...

    @property
    def policies(self) -> tuple[TokenPolicy, ...]: ...


def authorise(token: Bearer, permission: Permission, resource: Resource) -> bool:
    """Whether ``token`` (valid at the time) may do what takes ``permission`` to ``resource``."""
    if resource.account_id != token.account_id:
        return False
    return any(
        _grants(policy, permission) and any(_covers(one, permission, resource) for one in policy.resources)
        for policy in token.policies
    )


def zones_named(token: Bearer) -> frozenset[str] | None:
    """Ids of the zones that the token's policies name one by one; None when some policy names them all.

    Narrows a search; what is found is still to be authorised.
    """
    named = set()
    for policy in token.policies:
        for resource in policy.resources:
            if resource.startswith(ZONE + ".") and not resource.endswith(".*"):
                named.add(resource.removeprefix(ZONE + "."))
            elif not resource.startswith(USER + "."):
                return None
    return frozenset(named)


def full_access(account_id: str, policy_id: str) -> TokenPolicy:
    """Everything in one account."""
    return TokenPolicy(id=policy_id, groups=(ALL.id,), resources=(f"{ACCOUNT}.{account_id}",))


def check_policy(policy: TokenPolicy, account_id: str) -> None:
    """InvalidInput for groups that do not exist and resources that are none of the account's."""
    if not policy.groups:
        raise InvalidInput("at least one permission group is needed", field="policies.permission_groups")
    for group in policy.groups:
        if group not in GROUPS:
            raise InvalidInput("no such permission group", field="policies.permission_groups")
    if not 1 <= len(policy.resources) <= RESOURCES_MAX:
        raise InvalidInput(f"1 to {RESOURCES_MAX} resources", field="policies.resources")
    for resource in policy.resources:
        if not _RESOURCE.fullmatch(resource):
            raise InvalidInput(f"{resource[:100]!r} names no resource", field="policies.resources")
        for prefix in (ACCOUNT, USER):
            if re.fullmatch(re.escape(prefix) + r"\.[0-9a-f]{32}", resource) and not resource.endswith(
                account_id
            ):
                raise InvalidInput(f"{resource} is not this token's account", field="policies.resources")


_RESOURCE = re.compile(
    rf"\*|(?:{re.escape(ACCOUNT)}|{re.escape(ZONE)}|{re.escape(USER)})\.(?:\*|[0-9a-f]{{32}})"
)


def _grants(policy: TokenPolicy, permission: Permission) -> bool:
    return any(group in GROUPS and permission in GROUPS[group].grants for group in policy.groups)


def _covers(named: str, permission: Permission, resource: Resource) -> bool:
    return named in _names_of(permission, resource)


def _names_of(permission: Permission, resource: Resource) -> Iterable[str]:
    """All names under which a policy may cover the resource."""
    yield "*"
    yield f"{ACCOUNT}.*"
    yield f"{ACCOUNT}.{resource.account_id}"
    if permission in ABOUT_ZONES:
        yield f"{ZONE}.*"
        if resource.zone_id is not None:
            yield f"{ZONE}.{resource.zone_id}"
    else:
        yield f"{USER}.*"
        yield f"{USER}.{resource.account_id}"
