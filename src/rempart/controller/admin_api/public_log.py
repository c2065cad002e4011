"""The public log, for the operator's command line: how it is, its entries, proofs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from rempart.controller.admin_api.messages import LogEntries, LogEntry, LogProof, LogRotation
from rempart.controller.assembly import Controller
from rempart.controller.transparency.log_state import LogState
from rempart.governance.log.proof import Proof

ENTRIES_MAX = 1_000


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/log``."""
    routes = APIRouter(prefix="/v1/log")
    log = controller.log

    @routes.get("")
    def state() -> LogState:
        return log.state()

    @routes.post("/rotation")
    def rotate(wanted: LogRotation) -> LogState:
        return log.finish_rotation() if wanted.finish else log.rotate_key(controller.clock())

    @routes.get("/entries")
    def entries(
        first: Annotated[int | None, Query(ge=0)] = None,
        number: Annotated[int, Query(ge=1, le=ENTRIES_MAX)] = 20,
        under: Annotated[str | None, Query(max_length=200)] = None,
    ) -> LogEntries:
        """From ``first`` on, or the last ones; with ``under``, steps whose id begins so."""
        size = log.state().size
        if under is not None:
            found = log.under(under, number)
            return LogEntries(
                size=size, entries=tuple(LogEntry(index=at, step=log.step(at)) for _, at in found)
            )
        begin = max(size - number, 0) if first is None else first
        steps = enumerate(log.steps(begin, number), begin)
        return LogEntries(size=size, entries=tuple(LogEntry(index=at, step=step) for at, step in steps))

    @routes.get("/entries/{index}")
    def entry(index: int) -> LogEntry:
        return LogEntry(index=index, step=log.step(index))

    @routes.get("/proofs/{index}")
    def proof(index: int) -> LogProof:
        """The proof with the entry itself as its extra data, so that the file is all one needs."""
        made = log.prove(index)
        whole = Proof(made.index, made.path, made.checkpoint, log.step(index).encode())
        return LogProof(index=index, proof=whole.encode().decode())

    return routes
