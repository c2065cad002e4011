"""What pages load, all from here: the style sheet and htmx, each under an address that names its content.

``static/htmx.min.js`` is htmx 2.0.11 as its project publishes it (npm, ``dist/htmx.min.js``), under the
Zero-Clause BSD licence (``static/htmx.LICENSE``); ``HTMX_SHA256`` is the hash it must have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from fastapi import APIRouter, Response

from rempart.model.errors import NotFound

HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
FOREVER = "public, max-age=31536000, immutable"
_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. ``path`` changes with its content, so that browsers may keep it for ever."""

    path: str
    content: bytes
    media_type: str


def _asset(name: str, media_type: str) -> Asset:
    content = files(__package__).joinpath("static", name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(f"/static/{digest}/{name}", content, media_type)


ASSETS: Mapping[str, Asset] = MappingProxyType({name: _asset(name, kind) for name, kind in _TYPES.items()})


def router() -> APIRouter:
    """``/static/<hash>/<name>``."""
    routes = APIRouter()
    by_path = {one.path: one for one in ASSETS.values()}

    @routes.api_route("/static/{digest}/{name}", methods=["GET", "HEAD"])
    async def static(digest: str, name: str) -> Response:
        asset = by_path.get(f"/static/{digest}/{name}")
        if asset is None:
            raise NotFound("there is no such file")
        return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": FOREVER})

    return routes
