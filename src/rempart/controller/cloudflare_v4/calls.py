"""What passes between the dispatch and the handlers: a call in, a reply out; and the form of a route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeVar

from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from rempart.controller.assembly import Controller
from rempart.controller.cloudflare_v4.bodies import Body, Query
from rempart.controller.cloudflare_v4.envelope import PageInfo
from rempart.controller.intents import Actor, Written
from rempart.model.accounts import ApiToken
from rempart.model.permissions import Permission, Resource, authorise
from rempart.model.zones import Zone

T = TypeVar("T")
Q = TypeVar("Q", bound=BaseModel)


class Access(Enum):
    """What is needed where no single permission is."""

    OPEN = auto()  # nothing, not even a token
    BEARER = auto()  # any valid token
    LISTED = auto()  # the permission is asked for every thing in the list, so that the list holds no other


@dataclass(frozen=True, slots=True)
class Upload:
    """The parts of a multipart body, by name."""

    parts: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let through. ``zone`` and ``token`` are there where the route says so."""

    controller: Controller
    path: Mapping[str, str]
    query: Any
    body: Any
    confirm: str | None
    bearer: ApiToken | None
    found: Zone | None

    @property
    def token(self) -> ApiToken:
        assert self.bearer is not None, "the route is open"  # noqa: S101
        return self.bearer

    @property
    def zone(self) -> Zone:
        assert self.found is not None, "the route names no zone"  # noqa: S101
        return self.found

    @property
    def actor(self) -> Actor:
        return actor_of(self.token)

    def may(self, permission: Permission, zone_id: str | None = None) -> bool:
        return authorise(self.token, permission, Resource(account_id=self.token.account_id, zone_id=zone_id))

    async def threaded(self, work: Callable[[], T]) -> T:
        """Run what touches the store, away from the event loop."""
        return await run_in_threadpool(work)


def actor_of(token: ApiToken) -> Actor:
    return Actor.model_validate({"kind": "token", "id": token.id, "account_id": token.account_id})


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers. ``written`` is completed (certificates, look-ups) before it goes out."""

    result: Any
    info: PageInfo | None = None
    messages: tuple[str, ...] = ()
    written: tuple[Written[Any], ...] = ()
    text: str | None = None
    """A plain text in place of the envelope."""
    archive: bytes | None = None
    """An archive in place of the envelope."""
    beside: Mapping[str, Any] = field(default_factory=dict)
    """What stands beside ``result`` in the envelope, where Cloudflare's has more."""


Handler = Callable[[Call], Reply] | Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route. It concerns the zone or account in its path; else the token's account."""

    method: str
    path: str
    """Under ``/client/v4``."""
    needs: Permission | Access
    handler: Handler
    summary: str
    query: type[Query] = Query
    body: type[Body] | type[Upload] | None = None
    listed: Permission | None = None
    """With ``Access.LISTED``: what is asked for every thing."""
