"""The feed server: nodes ask for what changed since their revision, and report what became of it.

The protocol is `rempart.snapshot.feed`'s. It is served on a socket of its own, which the node's user may
open and the admin API's may not be reached through. Deltas are signed here, so a node needs to trust
the key only, not whatever carries the delta to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from rempart.controller.bell import Bell
from rempart.controller.http_errors import answer_errors
from rempart.controller.reports import NodeReports
from rempart.model.errors import EnvironmentLacks, InvalidInput, NotFound, RempartError
from rempart.model.zone_keys import ZoneKeys
from rempart.snapshot.feed import DELTA_BYTES_MAX, DELTA_CHANGES_MAX, NodeReport
from rempart.snapshot.items import Delta, SignedDelta
from rempart.snapshot.signing import sign

WAIT_MAX_S = 30.0
WAITERS_MAX = 256
REPORT_BYTES_MAX = 4 * 2**20
KEYS_BYTES_MAX = 256 * 2**10
FIRST_WAIT_S = 0.2
"""How long a node waits while no node has reported yet."""
LOOK_EVERY_S = 2.0
"""Another controller on the same store rings no bell here: so long at most until its commit is seen."""

_log = structlog.get_logger(__name__)


class Published(Protocol):
    """Where the changes come from: the store."""

    def place(self) -> tuple[str, int]:
        """The epoch and the newest published revision; 0 when nothing was ever published."""
        ...

    def delta(self, since: int, cursor: str | None, limit: int, *, epoch: str) -> Delta:
        """At most ``limit`` changes after ``since``, where the node was in ``epoch``. InvalidInput for a
        cursor that was not given by us."""
        ...


def feed_application(
    published: Published,
    reports: NodeReports,
    key: Ed25519PrivateKey,
    commits: Bell,
    keep_keys: Callable[[ZoneKeys], object] | None = None,
) -> FastAPI:
    """The feed's application. ``commits`` rings after every commit; its last ring ends all waiting.

    ``keep_keys`` keeps the DNSSEC keys that a node tells; without it they are answered 404, as those of a
    zone that is not here any more are."""
    app = FastAPI(title="Rempart feed", docs_url=None, redoc_url=None, openapi_url=None)
    answer_errors(app)

    async def wait_for_change(at: tuple[str, int], seconds: float) -> None:
        if commits.waiting >= WAITERS_MAX:
            raise EnvironmentLacks(
                "feed", f"{WAITERS_MAX} nodes wait already", hint="ask again in some seconds"
            )
        deadline = time.monotonic() + seconds
        while True:
            ticket = commits.ticket()
            left = deadline - time.monotonic()
            try:
                done = left <= 0 or await run_in_threadpool(published.place) != at
            except BaseException:
                commits.drop(ticket)
                raise
            if done:
                commits.drop(ticket)
                return
            if await commits.heard(ticket, min(left, LOOK_EVERY_S)) and closing(app):
                return

    @app.get("/feed/v1/changes", response_model=SignedDelta)
    async def changes(
        since: Annotated[int, Query(ge=0)],
        epoch: Annotated[str, Query(max_length=64)] = "",
        cursor: Annotated[str | None, Query(max_length=1_000)] = None,
        wait: Annotated[float, Query(ge=0, le=WAIT_MAX_S)] = 0.0,
    ) -> Response:
        if wait and cursor is None:
            # After a start nodes learn that we are there from an answer, and report only then.
            known = bool(reports.connected())
            await wait_for_change((epoch, since), wait if known else min(wait, FIRST_WAIT_S))
        signed = await run_in_threadpool(_signed, published, since, epoch, cursor, key)
        return Response(signed.model_dump_json(), media_type="application/json")

    @app.post("/feed/v1/keys", status_code=204)
    async def keys(request: Request) -> Response:
        try:
            told = ZoneKeys.model_validate_json(await _body(request, KEYS_BYTES_MAX, "keys"))
        except ValidationError as error:
            # Never what was given: it is a private key.
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            raise InvalidInput(str(first["msg"])[:500], field="keys") from error
        if keep_keys is None:
            raise NotFound("keys are not kept here", field="keys")
        await run_in_threadpool(keep_keys, told)
        return Response(status_code=204)

    @app.post("/feed/v1/report", status_code=204)
    async def report(request: Request) -> Response:
        try:
            said = NodeReport.model_validate_json(await _body(request, REPORT_BYTES_MAX, "report"))
        except ValidationError as error:
            raise InvalidInput(str(error)[:500], field="report") from error
        reports.put(said)
        return Response(status_code=204)

    return app


async def _body(request: Request, most: int, field: str) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise InvalidInput(f"longer than {most} bytes", field=field)
    return bytes(body)


def closing(app: FastAPI) -> bool:
    """True once `close` was called."""
    return bool(getattr(app.state, "closing", False))


def close(app: FastAPI, commits: Bell) -> None:
    """Let all who wait go home with what there is, so that the server can end at once."""
    app.state.closing = True
    commits.ring()


def _signed(
    published: Published, since: int, epoch: str, cursor: str | None, key: Ed25519PrivateKey
) -> SignedDelta:
    """The next delta, with fewer changes when they would be longer than a node accepts."""
    limit = DELTA_CHANGES_MAX
    while True:
        delta = published.delta(since, cursor, limit, epoch=epoch)
        if delta.full and since and cursor is None:
            _log.info("a node is sent everything", since=since, epoch=epoch, now=delta.epoch)
        signed = sign(delta, key)
        length = len(signed.payload.encode())
        if length <= DELTA_BYTES_MAX:
            return signed
        if limit == 1:
            raise RempartError(f"one change is {length} bytes long, more than a node accepts")
        _log.info("delta too long, asking for fewer changes", bytes=length, changes=limit)
        limit = max(1, limit // 4)
