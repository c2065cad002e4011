"""The log's files over HTTP, for anybody (c2sp.org/tlog-tiles): no parameters, no writes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response

from rempart.controller.transparency.folder import Folder
from rempart.controller.transparency.writer import CHECKPOINT
from rempart.governance.log.note import NOTE_BYTES_MAX
from rempart.governance.log.tiles import ENTRIES, exists_at, tile_at

FOREVER = "public, max-age=31536000, immutable"
HARDLY = "public, max-age=2"
_OPEN = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}


def log_application(folder: Path, size: Callable[[], int | None]) -> FastAPI:
    """Serve the log in ``folder``. ``size``: how many entries are signed; what lies beyond is not shown,
    because it may still become something else. None: not known, the published files are all there is."""
    app = FastAPI(title="Rempart public log", docs_url=None, redoc_url=None, openapi_url=None)
    files = Folder(folder)

    @app.api_route("/checkpoint", methods=["GET", "HEAD"])
    def checkpoint() -> Response:
        content = files.read(CHECKPOINT, NOTE_BYTES_MAX)
        if content is None:
            return _missing()
        return Response(
            content, media_type="text/plain; charset=utf-8", headers={**_OPEN, "Cache-Control": HARDLY}
        )

    @app.api_route("/tile/{rest:path}", methods=["GET", "HEAD"])
    def tile(rest: str, request: Request) -> Response:
        wanted = tile_at(f"tile/{rest}")
        signed = size()
        if wanted is None or (signed is not None and not exists_at(wanted, signed)):
            return _missing()
        content = files.read(wanted.path, wanted.bytes_max)
        if content is None:
            return _missing()
        headers = {**_OPEN, "Cache-Control": FOREVER}
        if wanted.level is ENTRIES:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                content = gzip.compress(content, 6, mtime=0)
                headers["Content-Encoding"] = "gzip"
        return Response(content, media_type="application/octet-stream", headers=headers)

    return app


def _missing() -> Response:
    return Response(
        "there is no such file of the log\n",
        status_code=404,
        media_type="text/plain; charset=utf-8",
        headers={**_OPEN, "Cache-Control": "no-store"},
    )
