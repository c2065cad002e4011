"""Sites: host, origins, limits; with a certificate from the first second."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from rempart.controller.admin_api.answers import (
    Confirm,
    NameServers,
    Wait,
    certificate_view,
    every,
    host_named,
    made,
    outcome,
    unreachable,
)
from rempart.controller.admin_api.messages import Made, NewSite, SiteAnswer, SiteChange, Sites
from rempart.controller.assembly import Controller
from rempart.controller.certificates import check_upload, covers
from rempart.controller.completion import complete, look_up_first, retire_superseded
from rempart.controller.intents import OPERATOR, Written
from rempart.controller.intents.certificates import CertificateUpload
from rempart.model.certificates import Certificate
from rempart.model.challenges import Exemptions
from rempart.model.errors import InvalidInput
from rempart.model.sites import Site
from rempart.snapshot.items import RRsetItem, SiteItem


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/sites``."""
    routes = APIRouter(prefix="/v1/sites")
    sites = controller.intents.sites

    @routes.get("")
    def list_sites() -> Sites:
        found = every(lambda page, per_page: sites.list(page=page, per_page=per_page))
        return Sites(sites=tuple(found))

    @routes.post("", status_code=201)
    async def add_site(new: NewSite, wait: Wait = None) -> SiteAnswer:
        # Everything that can be wrong is looked at before anything is written.
        upload = _checked_upload(controller, new)
        warnings = await look_up_first(controller, [origin.host for origin in new.origins])
        zone_before = await run_in_threadpool(controller.intents.zones.enclosing, host_named(new.host))

        def add() -> Written[Site]:
            return sites.add(
                OPERATOR,
                new.host,
                new.origins,
                https_redirect=new.https_redirect,
                limits=new.limits,
                security_level=new.security_level,
                exemptions=new.exemptions,
                zone=new.zone,
            )

        def put(certificate: CertificateUpload) -> list[Written[Certificate]]:
            stored = controller.intents.certificates.put(OPERATOR, certificate)
            return [stored, *retire_superseded(controller, stored.value)]

        written = await run_in_threadpool(add)
        certificates = [] if upload is None else await run_in_threadpool(put, upload)
        done = await complete(controller, written, *certificates)
        fields = await outcome(controller, wait, done)
        fields["warnings"] += warnings
        shown = await run_in_threadpool(_described, controller, written.value)
        created = zone_before is None or zone_before.id != shown["zone"].id
        if created:
            fields["warnings"] += unreachable(shown["nameservers"])
        return SiteAnswer(**fields, **shown, zone_created=created, certificate_issued=bool(done.issued))

    @routes.get("/{host}")
    def show_site(host: str) -> SiteAnswer:
        site = sites.get(host_named(host))
        revision = controller.intents.published.revision()
        return SiteAnswer(revision=revision, changed=False, **_described(controller, site))

    @routes.patch("/{host}")
    async def change_site(
        host: str, change: SiteChange, wait: Wait = None, confirm: Confirm = None
    ) -> SiteAnswer:
        warnings = await look_up_first(controller, [origin.host for origin in change.origins or ()])

        def edit() -> Written[Site]:
            before = sites.get(host_named(host))
            limits = change.model_dump(include=set(type(before.limits).model_fields), exclude_none=True)
            spared = {"paths": change.exempt_paths, "networks": change.exempt_networks}
            exempt = {name: value for name, value in spared.items() if value is not None}
            return sites.change(
                OPERATOR,
                before.id,
                origins=change.origins,
                https_redirect=change.https_redirect,
                limits=before.limits.model_validate({**before.limits.model_dump(), **limits}),
                security_level=change.security_level,
                exemptions=Exemptions.model_validate({**before.exemptions.model_dump(), **exempt}),
                confirm=confirm,
            )

        written = await run_in_threadpool(edit)
        fields = await made(controller, wait, written)
        fields["warnings"] += warnings
        return SiteAnswer(**fields, **await run_in_threadpool(_described, controller, written.value))

    @routes.delete("/{host}")
    async def remove_site(host: str, wait: Wait = None, confirm: Confirm = None) -> Made:
        def remove() -> Written[Site]:
            return sites.remove(OPERATOR, host_named(host), confirm=confirm)

        return Made(**await made(controller, wait, await run_in_threadpool(remove)))

    return routes


def _checked_upload(controller: Controller, new: NewSite) -> CertificateUpload | None:
    if new.chain_pem is None and new.key_pem is None:
        return None
    if new.chain_pem is None or new.key_pem is None:
        raise InvalidInput("certificate and key go together", field="certificate")
    certificate, key_pem = check_upload(new.chain_pem, new.key_pem, now=controller.clock())
    host = host_named(new.host)
    if not covers(certificate.hosts, host):
        raise InvalidInput(
            f"the certificate is for {' '.join(certificate.hosts[:5])}, not for {host}", field="certificate"
        )
    return CertificateUpload(certificate, key_pem)


def _described(controller: Controller, site: Site) -> dict[str, Any]:
    """What is known of a site beside itself, as it is published now."""
    intents = controller.intents
    zone = intents.zones.get(site.zone_id)
    published = intents.published
    addresses = [
        address
        for kind in ("A", "AAAA")
        for item in published.items(f"rrset/{zone.name}/{site.host}/{kind}")
        if isinstance(item, RRsetItem) and item.rrset.type == kind
        for address in item.rrset.rdata
    ]
    origins = [
        f"[{origin.address}]:{origin.port}" if ":" in origin.address else f"{origin.address}:{origin.port}"
        for item in published.items(f"site/{site.host}")
        if isinstance(item, SiteItem) and item.host == site.host
        for origin in item.origins
    ]
    certificate = intents.certificates.serving(site.host, controller.clock())
    return {
        "site": site,
        "zone": zone,
        "addresses": tuple(addresses),
        "origin_addresses": tuple(origins),
        "certificate": None if certificate is None else certificate_view(certificate),
        "nameservers": NameServers(controller).of(zone.name),
    }
