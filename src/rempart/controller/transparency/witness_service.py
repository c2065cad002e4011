"""A witness of our own: a small service that remembers the last checkpoint of each log it knows and cosigns
only what begins with it (c2sp.org/tlog-witness). It is to be run by somebody else than the log's operator.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from rempart.controller.transparency.folder import Folder
from rempart.controller.transparency.keys import key_in, make_key
from rempart.governance.log.checkpoint import parse_checkpoint
from rempart.governance.log.note import NOTE_BYTES_MAX, KeyKind, VerifierKey, parse_note
from rempart.governance.log.witnessing import (
    SUBMISSION_BYTES_MAX,
    Refuse,
    Watched,
    decide,
    origin_of,
    parse_submission,
)
from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput

KEY = "witness.key"
EVIDENCE_MAX = 1_000
"""Files of evidence kept: whoever holds a log's key could fill the disk with them."""

_log = structlog.get_logger("witness")


class WitnessKeeper:
    """The witness's memory: a key, and a file for each log. Safe to use from any thread."""

    def __init__(
        self,
        folder: Path,
        name: str | None,
        logs: Iterable[VerifierKey] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the witness kept in ``folder``, or begin one called ``name``. EnvironmentLacks when it
        cannot be, Conflict when another process has it open."""
        key = key_in(folder / KEY, KeyKind.COSIGNATURE, name)
        if key is None:
            if name is None:
                raise EnvironmentLacks(
                    str(folder), f"there is no witness in {folder}", hint="begin one: --name NAME"
                )
            key = make_key(folder / KEY, KeyKind.COSIGNATURE, name)
        self._key = key
        self._clock = clock
        self._memory = Folder(folder, mode=0o600)
        self._lock = threading.Lock()
        self._logs: dict[str, tuple[VerifierKey, ...]] = {}
        for one in logs:
            self._logs[one.name] = (*self._logs.get(one.name, ()), one)
        self._held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._held)
            raise Conflict(f"another process is the witness kept in {folder}") from error

    def close(self) -> None:
        os.close(self._held)

    @property
    def key(self) -> VerifierKey:
        """What logs and their readers are told."""
        return self._key.verifier

    def add_checkpoint(self, body: bytes) -> tuple[int, str, str]:
        """Answer a submission: status, content type, body. What is cosigned is on the disk before."""
        plain = "text/plain; charset=utf-8"
        try:
            submission = parse_submission(body)
            origin = origin_of(submission)
        except InvalidInput as error:
            return 400, plain, f"{error}\n"
        with self._lock:
            keys = self._logs.get(origin)
            watched = None if keys is None else self._watched(origin, keys)
            decided = decide(watched, submission)
            if isinstance(decided, Refuse):
                _log.warning("not cosigned", log=origin, status=decided.status, why=decided.body.strip())
                if decided.split:
                    self._keep_evidence(origin, submission.note)
                return decided.status, decided.content_type, decided.body
            self._memory.write(_file(origin), submission.note)
            self._memory.settle()
            signature = self._key.cosign(decided.note.text, int(self._clock()))
        _log.info("cosigned", log=origin, size=decided.checkpoint.size)
        return 200, plain, signature.line

    def last(self, origin: str) -> bytes | None:
        """The note that was cosigned last for a log."""
        return self._memory.read(_file(origin), NOTE_BYTES_MAX)

    def _watched(self, origin: str, keys: tuple[VerifierKey, ...]) -> Watched:
        content = self.last(origin)
        return Watched(keys, None if content is None else parse_checkpoint(parse_note(content).text))

    def _keep_evidence(self, origin: str, note: bytes) -> None:
        """Two signed checkpoints of one log that do not fit prove that it was split: keep both."""
        stem = f"evidence/{_file(origin)}"
        if sum(1 for _ in self._memory.paths("evidence")) < EVIDENCE_MAX:
            content = (self.last(origin) or b"") + b"\n" + note
            self._memory.write(f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}", content)
            self._memory.settle()


def witness_application(keeper: WitnessKeeper) -> FastAPI:
    """The witness over HTTP: ``POST /add-checkpoint``; ``GET /`` says who it is."""
    app = FastAPI(title="Rempart witness", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def who() -> Response:
        return Response(f"{keeper.key}\n", media_type="text/plain; charset=utf-8")

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > SUBMISSION_BYTES_MAX:
                return Response(f"more than {SUBMISSION_BYTES_MAX} bytes\n", status_code=413)
        status, kind, content = await run_in_threadpool(keeper.add_checkpoint, bytes(body))
        # As it is: a charset after text/x.tlog.size would be another type for some.
        return Response(content.encode(), status_code=status, headers={"content-type": kind})

    return app


def _file(origin: str) -> str:
    return f"log-{hashlib.sha256(origin.encode()).hexdigest()}"
