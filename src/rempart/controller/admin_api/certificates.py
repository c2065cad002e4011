"""Certificates and the local CA."""

from __future__ import annotations

import re

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from rempart.controller.admin_api.answers import Wait, certificate_view, made
from rempart.controller.admin_api.messages import (
    AuthorityView,
    CertificateAnswer,
    Certificates,
    Made,
    NewCertificate,
)
from rempart.controller.assembly import Controller
from rempart.controller.certificates import check_upload
from rempart.controller.completion import CERTIFICATES_AT_ONCE, cover, issue, retire_superseded
from rempart.controller.intents import OPERATOR, Written
from rempart.controller.intents.certificates import CertificateUpload
from rempart.controller.local_ca import root_certificate
from rempart.model.certificates import Certificate
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.names import shown

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
        def add() -> list[Written[Certificate]]:
            checked = check_upload(new.chain_pem, new.key_pem, now=controller.clock())
            stored = certificates.put(OPERATOR, CertificateUpload(*checked))
            return [stored, *retire_superseded(controller, stored.value)]

        writes = await run_in_threadpool(add)
        fields = await made(controller, wait, *writes)
        return CertificateAnswer(**fields, certificate=certificate_view(writes[0].value))

    @routes.delete("/certificates/{certificate_id}")
    async def remove_certificate(certificate_id: str, wait: Wait = None) -> Made:
        writes = await run_in_threadpool(_remove, controller, certificate_id)
        return Made(**await made(controller, wait, *writes))

    @routes.get("/ca")
    def authority() -> AuthorityView:
        return AuthorityView(
            certificate=str(root_certificate(controller.configuration.paths)),
            fingerprint=controller.authority.fingerprint,
            not_after=controller.authority.not_after,
            certificate_pem=controller.authority.root_pem,
        )

    return routes


def _remove(controller: Controller, certificate_id: str) -> list[Written[Certificate]]:
    """Remove it, and have no host of a site without a certificate for even a moment."""
    intents = controller.intents
    now = controller.clock()
    certificate = _named(intents.certificates.list(), certificate_id)
    writes = []
    for host in certificate.hosts:
        at_edge = any(item.key == f"site/{host}" for item in intents.published.items(f"site/{host}"))
        serving = intents.certificates.serving(host, now)
        if at_edge and serving is not None and serving.id == certificate.id:
            writes.append(issue(controller, (host,)))
    writes.append(intents.certificates.remove(OPERATOR, certificate.id))
    if any(host.startswith("*.") for host in certificate.hosts):
        writes += cover(controller, intents.certificates.uncovered(now)[:CERTIFICATES_AT_ONCE])
    return writes


def _named(certificates: tuple[Certificate, ...], text: str) -> Certificate:
    """The certificate whose id begins with ``text``."""
    prefix = text.lower()
    if not _PREFIX.fullmatch(prefix):
        raise InvalidInput("8 to 64 hexadecimal digits are meant", field="certificate")
    found = [one for one in certificates if one.id.startswith(prefix)]
    if not found:
        raise NotFound(f"no certificate begins with {shown(prefix)}", field="certificate")
    if len(found) > 1:
        raise InvalidInput(f"{len(found)} certificates begin so", field="certificate")
    return found[0]
