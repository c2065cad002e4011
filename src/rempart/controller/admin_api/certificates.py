"""Certificates and the local CA."""

from __future__ import annotations

import re

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from rempart.controller.admin_api.answers import Wait, certificate_view, outcome
from rempart.controller.admin_api.messages import (
    AuthorityView,
    CertificateAnswer,
    Certificates,
    Made,
    NewCertificate,
)
from rempart.controller.assembly import Controller
from rempart.controller.certificates import check_upload
from rempart.controller.completion import Completed, cover, issue, retire_superseded
from rempart.controller.intents import OPERATOR
from rempart.controller.intents.certificates import CertificateUpload
from rempart.controller.local_ca import root_certificate
from rempart.model.certificates import Certificate
from rempart.model.errors import InvalidInput, NotFound

_PREFIX = re.compile(r"[0-9a-f]{8,64}")


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/certificates``, and ``/v1/ca``."""
    routes = APIRouter(prefix="/v1")
    certificates = controller.intents.certificates

    @routes.get("/certificates")
    def list_certificates() -> Certificates:
        return Certificates(certificates=tuple(map(certificate_view, certificates.list())))

    @routes.post("/certificates", status_code=201)
    async def add_certificate(new: NewCertificate, wait: Wait = None) -> CertificateAnswer:
        def add() -> tuple[Completed, Certificate]:
            checked = check_upload(new.chain_pem, new.key_pem, now=controller.clock())
            written = certificates.put(OPERATOR, CertificateUpload(*checked))
            gone = retire_superseded(controller, written.value)
            steps = [step for one in (written, *gone) for step in one.plan.steps]
            done = Completed(
                revision=max(one.revision for one in (written, *gone)),
                keys=frozenset(step.key for step in steps),
                changed=bool(steps),
                summary=written.plan.summary(),
            )
            return done, written.value

        done, certificate = await run_in_threadpool(add)
        fields = await outcome(controller, done, wait)
        return CertificateAnswer(**fields, certificate=certificate_view(certificate))

    @routes.delete("/certificates/{certificate_id}")
    async def remove_certificate(certificate_id: str, wait: Wait = None) -> Made:
        return Made(
            **await outcome(controller, await run_in_threadpool(_remove, controller, certificate_id), wait)
        )

    @routes.get("/ca")
    def authority() -> AuthorityView:
        return AuthorityView(
            certificate=str(root_certificate(controller.configuration.paths)),
            fingerprint=controller.authority.fingerprint,
            not_after=controller.authority.not_after,
            certificate_pem=controller.authority.root_pem,
        )

    return routes


def _remove(controller: Controller, certificate_id: str) -> Completed:
    """Remove it, and have no host of a site without a certificate for even a moment."""
    intents = controller.intents
    now = controller.clock()
    certificate = _named(intents.certificates.list(), certificate_id)
    written = []
    for host in certificate.hosts:
        at_edge = any(item.key == f"site/{host}" for item in intents.published.items(f"site/{host}"))
        serving = intents.certificates.serving(host, now)
        if at_edge and serving is not None and serving.id == certificate.id:
            written.append(issue(controller, (host,)))
    written.append(intents.certificates.remove(OPERATOR, certificate.id))
    # What only a wildcard of it covered.
    written += cover(controller, intents.certificates.uncovered(now))
    steps = [step for one in written for step in one.plan.steps]
    return Completed(
        revision=max(one.revision for one in written),
        keys=frozenset(step.key for step in steps),
        changed=bool(steps),
        summary="\n".join(step.line for step in steps),
        issued=tuple(one.value for one in written if one.value.id != certificate.id),
    )


def _named(certificates: tuple[Certificate, ...], text: str) -> Certificate:
    """The certificate whose id begins with ``text``."""
    prefix = text.lower()
    if not _PREFIX.fullmatch(prefix):
        raise InvalidInput("8 to 64 hexadecimal digits are meant", field="certificate")
    found = [one for one in certificates if one.id.startswith(prefix)]
    if not found:
        raise NotFound("no such certificate", field="certificate")
    if len(found) > 1:
        raise InvalidInput(f"{len(found)} certificates begin so", field="certificate")
    return found[0]
