"""API tokens. There are no users beside accounts: a user's tokens are those of the caller's account.

Who may edit tokens can make one that may do anything in the account, as with Cloudflare.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from rempart.controller.cloudflare_v4.bodies import Body, PageQuery, Query
from rempart.controller.cloudflare_v4.calls import Access, Call, Endpoint, Reply
from rempart.controller.cloudflare_v4.envelope import PageInfo, instant
from rempart.controller.intents.tokens import Grant, TokenDraft
from rempart.model.accounts import ApiToken, TokenState
from rempart.model.errors import InvalidInput
from rempart.model.permissions import GROUPS, Permission, TokenPolicy

_STATUS = {
    TokenState.ACTIVE: "active",
    TokenState.EARLY: "disabled",
    TokenState.DISABLED: "disabled",
    TokenState.EXPIRED: "expired",
}


class GroupReference(Body):
    echoed = frozenset({"name", "meta", "scopes"})

    id: str


class PolicyBody(Body):
    echoed = frozenset({"id"})

    effect: Literal["allow", "deny"]
    permission_groups: tuple[GroupReference, ...] = Field(max_length=100)
    resources: dict[str, str | dict[str, str]] = Field(max_length=500)

    def grant(self) -> Grant:
        """What is granted. A nested resource names the zones of an account one by one, or all of them."""
        if self.effect == "deny":
            raise InvalidInput("what is not allowed is denied; policies allow", field="policies.effect")
        resources: list[str] = []
        for name, what in self.resources.items():
            inner = {name: what} if isinstance(what, str) else what
            if set(inner.values()) != {"*"}:
                raise InvalidInput('"*" is meant', field="policies.resources")
            resources += inner
        return Grant(groups=tuple(one.id for one in self.permission_groups), resources=tuple(resources))


class TokenBody(Body):
    echoed = frozenset(
        {
            *("id", "issued_on", "modified_on", "last_used_on", "creator_email_at_creation"),
            *("provisioner_id", "provisioner_type", "value"),
        }
    )

    name: str = Field(max_length=200)
    policies: tuple[PolicyBody, ...] = Field(min_length=1, max_length=50)
    not_before: AwareDatetime | None = None
    expires_on: AwareDatetime | None = None
    condition: dict[str, Any] | None = None
    status: Literal["active", "disabled", "expired"] | None = None

    def draft(self) -> TokenDraft:
        if self.condition and any(self.condition.values()):
            raise InvalidInput("tokens cannot be bound to addresses here", field="condition")
        return TokenDraft(
            name=self.name,
            grants=tuple(one.grant() for one in self.policies),
            not_before=self.not_before,
            expires_on=self.expires_on,
            disabled=self.status == "disabled",
        )


class TokenQuery(PageQuery):
    direction: Literal["asc", "desc"] = "desc"
    include_expired: bool = True


class GroupQuery(Query):
    name: str | None = None
    scope: str | None = None


def view(token: ApiToken, now: datetime) -> dict[str, Any]:
    """A token without its text."""
    return {
        "id": token.id,
        "name": token.name,
        "status": _STATUS[token.state(now)],
        "issued_on": instant(token.created_on),
        "modified_on": instant(token.modified_on),
        "last_used_on": None,
        "not_before": instant(token.not_before),
        "expires_on": instant(token.expires_on),
        "condition": {},
        "policies": [_policy(one) for one in token.policies],
    }


def list_tokens(call: Call) -> Reply:
    query: TokenQuery = call.query
    now = call.controller.clock()
    found = [
        one
        for one in call.controller.intents.tokens.list(call.token.account_id)
        if not one.revoked and (query.include_expired or one.state(now) is not TokenState.EXPIRED)
    ]
    if query.direction == "asc":
        found.reverse()
    first = (query.page - 1) * query.size
    items = [view(one, now) for one in found[first : first + query.size]]
    return Reply(items, PageInfo(query.page, query.size, len(items), len(found)))


def create_token(call: Call) -> Reply:
    body: TokenBody = call.body
    draft = body.draft()
    if body.status not in (None, "active"):
        raise InvalidInput("a new token is active", field="status")
    made = call.controller.intents.tokens.create(
        call.actor,
        call.token.account_id,
        draft.name,
        grants=draft.grants,
        not_before=draft.not_before,
        expires_on=draft.expires_on,
    ).value
    return Reply({**view(made.token, call.controller.clock()), "value": made.secret})


def get_token(call: Call) -> Reply:
    return Reply(view(_token(call), call.controller.clock()))


def replace_token(call: Call) -> Reply:
    body: TokenBody = call.body
    before = _token(call)
    written = call.controller.intents.tokens.replace(call.actor, before.id, body.draft())
    return Reply(view(written.value, call.controller.clock()))


def delete_token(call: Call) -> Reply:
    revoked = call.controller.intents.tokens.revoke(call.actor, _token(call).id).value
    return Reply({"id": revoked.id})


def roll_token(call: Call) -> Reply:
    return Reply(call.controller.intents.tokens.roll(call.actor, _token(call).id).value.secret)


def verify(call: Call) -> Reply:
    """About the token of the call itself."""
    token = call.token
    result: dict[str, Any] = {"id": token.id, "status": "active"}
    if token.not_before is not None:
        result["not_before"] = instant(token.not_before)
    if token.expires_on is not None:
        result["expires_on"] = instant(token.expires_on)
    return Reply(result, messages=("This API Token is valid and active",))


def list_groups(call: Call) -> Reply:
    query: GroupQuery = call.query
    found = [
        {"id": one.id, "name": one.name, "scopes": [one.scope]}
        for one in GROUPS.values()
        if query.name is None or query.name.lower() in one.name.lower()
        if query.scope is None or query.scope == one.scope
    ]
    return Reply(found, PageInfo.single(len(found)))


def _token(call: Call) -> ApiToken:
    return call.controller.intents.tokens.get(call.token.account_id, call.path["token_id"])


def _policy(policy: TokenPolicy) -> dict[str, Any]:
    groups = [GROUPS[one] for one in policy.groups if one in GROUPS]
    return {
        "id": policy.id,
        "effect": "allow",
        "permission_groups": [{"id": one.id, "name": one.name} for one in groups],
        "resources": dict.fromkeys(policy.resources, "*"),
    }


def _endpoints(prefix: str, whose: str) -> tuple[Endpoint, ...]:
    every, one = f"{prefix}/tokens", f"{prefix}/tokens/{{token_id}}"
    read, edit = Permission.TOKENS_READ, Permission.TOKENS_EDIT
    return (
        Endpoint("GET", every, read, list_tokens, f"List {whose} tokens", query=TokenQuery),
        Endpoint("POST", every, edit, create_token, f"Create one of {whose} tokens", body=TokenBody),
        Endpoint("GET", f"{every}/verify", Access.BEARER, verify, "Whether the token of this call is valid"),
        Endpoint(
            "GET",
            f"{every}/permission_groups",
            read,
            list_groups,
            "List what tokens may be given",
            query=GroupQuery,
        ),
        Endpoint("GET", one, read, get_token, "Token details"),
        Endpoint(
            "PUT", one, edit, replace_token, "Replace everything about a token but its text", body=TokenBody
        ),
        Endpoint("DELETE", one, edit, delete_token, "Delete a token"),
        Endpoint("PUT", f"{one}/value", edit, roll_token, "Give a token a new text", body=Body),
    )


ENDPOINTS = (*_endpoints("/user", "the user's"), *_endpoints("/accounts/{account_id}", "the account's"))
