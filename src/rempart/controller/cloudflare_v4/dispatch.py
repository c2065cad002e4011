"""A request's way: limits, token, what it concerns and whether it may, body, handler, envelope.

Everything that can be refused is refused before the handler; a handler raises only our own errors.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from rempart.controller.assembly import Controller
from rempart.controller.cloudflare_v4 import authentication
from rempart.controller.cloudflare_v4.bodies import parse_body, parse_query, read_json
from rempart.controller.cloudflare_v4.calls import Access, Call, Endpoint, Reply, Upload
from rempart.controller.cloudflare_v4.envelope import failure, success
from rempart.controller.cloudflare_v4.faults import ApiCode, Refusal, not_routed, refusal_of
from rempart.controller.cloudflare_v4.rates import Allowance, FixedWindows, prefix_of
from rempart.controller.cloudflare_v4.uploads import read_parts
from rempart.controller.completion import complete
from rempart.model.accounts import ApiToken
from rempart.model.errors import NotFound, RempartError
from rempart.model.permissions import ABOUT_ZONES, Permission, Resource, authorise
from rempart.model.zones import Zone

JSON_MAX = 8 * 1024 * 1024
"""Octets of a JSON body: a batch as large as Cloudflare takes, and room."""
BODY_SECONDS = 30.0
TOKEN_WINDOW_S = 300.0
_ID = re.compile(r"[0-9a-f]{32}")
_log = structlog.get_logger("api")


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that was let through."""

    token: ApiToken | None
    zone: Zone | None


class Dispatch:
    """Serves the endpoints over one controller. Its limits belong to one event loop."""

    def __init__(self, controller: Controller, monotonic: Callable[[], float] = time.monotonic) -> None:
        limits = controller.configuration.api
        self._controller = controller
        self._now = monotonic
        self._by_token = FixedWindows(limits.requests_per_token, TOKEN_WINDOW_S)
        self._by_address = FixedWindows(limits.requests_per_address, 1.0)
        self._upload_max = limits.import_max

    def route(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """The function that serves one endpoint."""

        async def serve(request: Request) -> Response:
            return await self._serve(endpoint, request)

        return serve

    async def _serve(self, endpoint: Endpoint, request: Request) -> Response:
        refused = self._from_address(request)
        if refused is not None:
            return failure(refused)
        token: ApiToken | None = None
        allowance: Allowance | None = None
        if endpoint.needs is not Access.OPEN:
            who = await self._token(request)
            if isinstance(who, Refusal):
                return failure(_of_verify(who) if _is_verify(endpoint) else who)
            token = who
            allowance = self._by_token.take(token.id, self._now())
            if not allowance.allowed:
                return _limited(_too_many(allowance), allowance)
        answer = await self._carried_out(endpoint, request, token)
        return answer if allowance is None else _limited(answer, allowance)

    def _from_address(self, request: Request) -> Refusal | None:
        if request.client is None or not request.client.host:
            return None  # over the Unix socket
        allowance = self._by_address.take(prefix_of(request.client.host), self._now())
        return None if allowance.allowed else _rate_refusal(allowance)

    async def _token(self, request: Request) -> ApiToken | Refusal:
        text = authentication.bearer_text(request.headers)
        if isinstance(text, Refusal):
            return text
        tokens, now = self._controller.intents.tokens, self._controller.clock()
        return await run_in_threadpool(authentication.authenticated, tokens, text, now)

    async def _carried_out(self, endpoint: Endpoint, request: Request, token: ApiToken | None) -> Response:
        path = request.url.path
        try:
            passed = await run_in_threadpool(self._pass, endpoint, request.path_params, path, token)
            if isinstance(passed, Refusal):
                return failure(passed)
            body = await self._body(endpoint, request)
            if isinstance(body, Refusal):
                return failure(body)
            call = Call(
                controller=self._controller,
                path=request.path_params,
                query=parse_query(endpoint.query, request.query_params.multi_items()),
                body=body,
                confirm=request.headers.get("x-rempart-confirm"),
                bearer=passed.token,
                found=passed.zone,
            )
            reply = await _handled(endpoint, call)
            messages = reply.messages
            if reply.written:
                done = await complete(self._controller, *reply.written)
                messages += done.warnings
        except RempartError as error:
            return failure(refusal_of(error, path))
        if reply.text is not None:
            return PlainTextResponse(reply.text)
        if reply.archive is not None:
            return Response(
                reply.archive, media_type="application/zip", headers={"cache-control": "no-store"}
            )
        return success(reply.result, reply.info, messages, reply.beside)

    def _pass(
        self, endpoint: Endpoint, path_params: Mapping[str, str], path: str, token: ApiToken | None
    ) -> Passed | Refusal:
        """What the request concerns, if its token may do this to it."""
        if token is None:
            return Passed(None, None)
        for name, value in path_params.items():
            if name.endswith("_id") and not _ID.fullmatch(value):
                return _unknown(name, path)
        if path_params.get("account_id", token.account_id) != token.account_id:
            return not_routed(path)
        zone = None
        if "zone_id" in path_params:
            zone = self._zone(path_params["zone_id"])
            if zone is None or not may_see(token, zone):
                return not_routed(path)
        resource = Resource(account_id=token.account_id, zone_id=zone.id if zone else None)
        if isinstance(endpoint.needs, Permission) and not authorise(token, endpoint.needs, resource):
            return Refusal.of(
                403, ApiCode.NOT_PERMITTED, f"Authentication error: this takes {endpoint.needs.value}"
            )
        return Passed(token, zone)

    def _zone(self, zone_id: str) -> Zone | None:
        try:
            zone = self._controller.intents.zones.get(zone_id)
        except NotFound:
            return None
        return zone if zone.id == zone_id else None

    async def _body(self, endpoint: Endpoint, request: Request) -> Any:
        """The body as the endpoint's model. What is sent where none is taken is read and forgotten."""
        limit = self._upload_max if endpoint.body is Upload else JSON_MAX
        octets = await _octets(request, limit)
        if isinstance(octets, Refusal) or endpoint.body is None:
            return octets
        if endpoint.body is Upload:
            return Upload(await read_parts(request, octets))
        value = read_json(octets) if octets.strip() else {}
        return parse_body(cast("type[BaseModel]", endpoint.body), {} if value is None else value)


def may_see(token: ApiToken, zone: Zone) -> bool:
    """Whether the token may do anything at all with the zone: others are answered as if there were none."""
    resource = Resource(account_id=zone.account_id, zone_id=zone.id)
    return any(authorise(token, permission, resource) for permission in ABOUT_ZONES)


async def _handled(endpoint: Endpoint, call: Call) -> Reply:
    if inspect.iscoroutinefunction(endpoint.handler):
        reply = await endpoint.handler(call)
    else:
        reply = await run_in_threadpool(endpoint.handler, call)
    return cast("Reply", reply)


async def _octets(request: Request, limit: int) -> bytes | Refusal:
    too_large = Refusal.of(
        413, ApiCode.TOO_LARGE, f"the body is larger than {limit} octets", connection="close"
    )
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > limit:
        return too_large
    octets = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                octets += part
                if len(octets) > limit:
                    return too_large
    except TimeoutError:
        return Refusal.of(408, ApiCode.MALFORMED_JSON, "the body did not come in time", connection="close")
    return bytes(octets)


def _is_verify(endpoint: Endpoint) -> bool:
    return endpoint.path.endswith("/tokens/verify")


def _of_verify(refusal: Refusal) -> Refusal:
    if refusal.faults[0].code == ApiCode.UNAUTHORIZED:
        return Refusal.of(401, ApiCode.TOKEN_INVALID, "Invalid API Token")
    return refusal


def _unknown(name: str, path: str) -> Refusal:
    if name == "record_id":
        return Refusal.of(404, ApiCode.RECORD_UNKNOWN, "Record does not exist.")
    return not_routed(path)


def _rate_refusal(allowance: Allowance) -> Refusal:
    return Refusal.of(
        429,
        ApiCode.RATE_LIMITED,
        f"More requests than allowed; wait {allowance.reset} seconds",
        retry_after=str(allowance.reset),
        x_ratelimit_limit=str(allowance.limit),
        x_ratelimit_remaining="0",
        x_ratelimit_reset=str(allowance.reset),
    )


def _too_many(allowance: Allowance) -> Response:
    return failure(_rate_refusal(allowance))


def _limited(answer: Response, allowance: Allowance) -> Response:
    """The answer, with what the token has left."""
    if allowance.limit:
        answer.headers["x-ratelimit-limit"] = str(allowance.limit)
        answer.headers["x-ratelimit-remaining"] = str(allowance.remaining)
        answer.headers["x-ratelimit-reset"] = str(allowance.reset)
    return answer
