"""For everybody: the rules, the arbiters with their keys, and the public log with how to check it."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter, Request, Response

from rempart.controller.console.frame import Frame
from rempart.governance.charter import CHARTER, Charter
from rempart.model.cases import Arbiter
from rempart.model.errors import NotFound

STEPS_MAX = 5_000


def router(frame: Frame) -> APIRouter:
    """``/policies``, ``/arbiters``, ``/log``."""
    routes = APIRouter()
    controller = frame.controller

    def charter() -> Charter:
        return controller.docket.charter.get()

    def steps(kind: str) -> dict[str, dict[str, Any]]:
        """Steps of the charter by what they are about: entry of the log, and when."""
        found = {}
        for _, index in controller.log.under(f"{CHARTER}/", STEPS_MAX):
            step = controller.log.step(index)
            if step.kind == kind:
                about = step.public.get("policy", step.public.get("arbiter"))
                id_ = (
                    about
                    if isinstance(about, str)
                    else dict(about or {})["version" if kind == "adopted" else "id"]
                )
                found[id_] = {"index": index, "at": step.at}
        return found

    @routes.get("/policies")
    def policies(request: Request) -> Response:
        adopted = steps("adopted")
        versions = [(one, adopted.get(one.version)) for one in reversed(charter().policies)]
        return frame.page(request, "charter/policies.html", versions=versions)

    @routes.get("/policies/{version}")
    def policy(request: Request, version: str) -> Response:
        found = next((one for one in charter().policies if one.version == version), None)
        if found is None:
            raise NotFound("there is no such version", field="version")
        newest = charter().policy
        return frame.page(
            request,
            "charter/policy.html",
            policy=found,
            step=steps("adopted").get(version),
            newest=newest is not None and newest.version == version,
        )

    @routes.get("/arbiters")
    def arbiters(request: Request) -> Response:
        found = charter()
        return frame.page(
            request,
            "charter/arbiters.html",
            arbiters=found.arbiters,
            retired=found.retired,
            appointed=steps("appointed"),
            left=steps("retired"),
        )

    @routes.get("/arbiters/{id_}.pem")
    def key(id_: str) -> Response:
        found = next((one for one in charter().arbiters if one.id == id_), None)
        if found is None:
            raise NotFound("there is no such arbiter", field="arbiter")
        headers = {"Content-Disposition": f"attachment; filename={found.id}.pem", "Cache-Control": "no-cache"}
        return Response(_pem(found), media_type="application/x-pem-file", headers=headers)

    @routes.get("/log")
    def log(request: Request) -> Response:
        return frame.page(request, "charter/log.html", log=controller.log.state())

    return routes


def _pem(arbiter: Arbiter) -> bytes:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(arbiter.key))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
