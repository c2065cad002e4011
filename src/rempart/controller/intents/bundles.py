"""Exit kits: what goes into one, and one taken in: all of it in one write, with one plan, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rempart.controller.bundles.contents import in_order
from rempart.controller.certificates import check_upload
from rempart.controller.intents.actor import Actor
from rempart.controller.intents.certificates import CertificateUpload, put_certificate
from rempart.controller.intents.context import Context, zone_row
from rempart.controller.intents.record_rows import ZoneRecords
from rempart.controller.intents.sites import add_site, checked_origins
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.intents.zone_keys import keys_of, put_keys
from rempart.controller.intents.zones import create_zone, enclosing_row
from rempart.controller.store import views
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import CertificateRow, RecordRow, SiteRow, ZoneRow
from rempart.model.base import Value
from rempart.model.bundle import Belongings, BundledCertificate, BundledSite, BundledZone, as_draft
from rempart.model.certificates import Certificate, CertificateSource
from rempart.model.errors import Conflict, InvalidInput
from rempart.model.names import parse_hostname, shown, within
from rempart.model.record_parsing import parse_record
from rempart.model.records import RecordFields
from rempart.model.zones import Zone


class Left(Value):
    """A certificate of the zone's names that does not go along, and why."""

    hosts: tuple[str, ...]
    why: str


class Gathered(Value):
    """A zone's belongings, and what had to stay."""

    belongings: Belongings
    left: tuple[Left, ...]


@dataclass(frozen=True, slots=True)
class Brought:
    """What an import came to."""

    zone: Zone
    created: bool
    """False: all of it was here already."""
    records: int
    sites: int
    certificates: int
    signed: bool
    """With the keys that were brought."""
    notes: tuple[str, ...]


class BundleIntents:
    """Gathering and bringing."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def gather(self, actor: Actor, zone_id: str) -> Gathered:
        """The zone's belongings, private keys included. It is recorded that they were handed out."""
        with self._context.writing(actor, changes=False) as write:
            zone = views.zone(zone_row(write.session, zone_id, actor))
            gathered = _gathered(write.session, self._context.store.seal, zone)
            write.settle(
                None, "bundle.export", zone.name, zone=zone.name, account=zone.account_id, unconditional=True
            )
            return gathered

    def bring(self, actor: Actor, belongings: Belongings, *, confirm: str | None = None) -> Written[Brought]:
        """A zone with all of its belongings. Again changes nothing.

        Raises Conflict when the zone is here and is another one, InvalidInput for what is faulty; then
        nothing was changed. A certificate that is over stays out, with a note.
        """
        zone_name = belongings.zone.name
        uploads, notes = _uploads(belongings, self._context.clock())
        records = [_record(zone_name, number, belongings) for number in range(len(belongings.records))]
        with self._context.writing(actor) as write:
            there = write.session.scalars(select(ZoneRow).where(ZoneRow.name == zone_name)).first()
            if there is not None:
                zone = views.zone(zone_row(write.session, there.id, actor))
                _check_same(write.session, self._context.store.seal, zone, belongings, uploads)
            else:
                zone = self._write(write, belongings, records, uploads)
            brought = Brought(
                zone=zone,
                created=there is None,
                records=len(records),
                sites=len(belongings.sites),
                certificates=len(uploads),
                signed=belongings.keys is not None and zone.settings.dnssec,
                notes=notes,
            )
            return write.settle(
                brought,
                "bundle.import",
                zone_name,
                zone=zone_name,
                account=zone.account_id,
                confirm=confirm,
                explicit=True,
                recorded=there is None,
            )

    def _write(
        self,
        write: Transaction,
        belongings: Belongings,
        records: list[RecordFields],
        uploads: list[CertificateUpload],
    ) -> Zone:
        wanted = belongings.zone
        zone = create_zone(write, wanted.name, None, wanted.settings)
        if wanted.paused:
            row = zone_row(write.session, zone.id)
            row.paused = True
            zone = views.zone(row)
        for number, site in enumerate(belongings.sites):
            _add_site(write, zone, site, f"sites[{number}]")
        write.session.flush()
        rows = ZoneRecords(write, zone)
        rows.read(fields.name for fields in records)
        for fields in records:
            rows.add(fields)
        rows.flush()
        seal = self._context.store.seal
        for upload in uploads:
            put_certificate(write, seal, upload)
        if belongings.keys is not None:
            put_keys(write, seal, zone, belongings.keys)
        return zone


def _gathered(session: Session, seal: Seal, zone: Zone) -> Gathered:
    records = session.scalars(select(RecordRow).where(RecordRow.zone_id == zone.id))
    sites = session.scalars(select(SiteRow).where(SiteRow.zone_id == zone.id).order_by(SiteRow.host))
    certificates: list[BundledCertificate] = []
    left: list[Left] = []
    for row in session.scalars(select(CertificateRow).order_by(CertificateRow.id)):
        certificate = views.certificate(row)
        inside = [within(host.removeprefix("*."), zone.name) for host in certificate.hosts]
        if certificate.source is CertificateSource.LOCAL_CA or not any(inside):
            continue
        if not all(inside):
            why = "it is for names of other zones, too: its key would give those away"
            left.append(Left(hosts=certificate.hosts, why=why))
            continue
        key_pem = seal.open(row.sealed_key, f"certificates/{row.id}")
        certificates.append(BundledCertificate(id=row.id, chain_pem=row.chain_pem, key_pem=key_pem))
    belongings = Belongings(
        zone=BundledZone.of(zone),
        records=in_order(views.fields_of(views.record(row)) for row in records),
        sites=tuple(BundledSite.of(views.site(row)) for row in sites),
        certificates=tuple(certificates),
        keys=keys_of(session, seal, zone),
    )
    return Gathered(belongings=belongings, left=tuple(left))


def _check_same(
    session: Session, seal: Seal, zone: Zone, wanted: Belongings, uploads: list[CertificateUpload]
) -> None:
    there = _gathered(session, seal, zone).belongings
    valid = {upload.certificate.id for upload in uploads}
    brought = tuple(one for one in wanted.certificates if one.id in valid)
    held = tuple(one for one in there.certificates if one.id in valid)
    update = {"certificates": brought}
    if there.model_copy(update={"certificates": held}) != wanted.model_copy(update=update):
        raise Conflict(
            f"the zone {zone.name} is here already, and is not the one in the bundle",
            field="zone",
            hint=f"to have the bundle's, first: rempart zone remove {zone.name}",
        )


def _record(zone: str, number: int, belongings: Belongings) -> RecordFields:
    record = belongings.records[number]
    field = f"records[{number}]"
    try:
        parsed = parse_record(zone, as_draft(record))
    except InvalidInput as error:
        raise InvalidInput(
            error.message, field=f"{field}.{error.field}", hint=error.hint, code=error.code
        ) from error
    if parsed.name != record.name:  # names in a bundle are absolute
        raise InvalidInput(f"{shown(record.name)} is not a name in {zone}", field=f"{field}.name")
    return parsed


def _add_site(write: Transaction, zone: Zone, site: BundledSite, field: str) -> None:
    host = parse_hostname(site.host, wildcard=True, field=f"{field}.host")
    home = enclosing_row(write.session, host.removeprefix("*."))
    taken = write.session.scalars(select(SiteRow).where(SiteRow.host == host)).first()
    if taken is not None or home is None or home.id != zone.id:
        where = home.name if home is not None else zone.name
        raise Conflict(f"{host} is answered for by the zone {where} here", field=f"{field}.host")
    try:
        origins = checked_origins(write, host, site.origins)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"{field}.{error.field}", hint=error.hint) from error
    add_site(
        write, zone, host, origins, site.https_redirect, site.limits, site.security_level, site.exemptions
    )  # fmt: skip


def _uploads(belongings: Belongings, now: datetime) -> tuple[list[CertificateUpload], tuple[str, ...]]:
    """The certificates that can serve, checked; and notes about those that cannot any more."""
    uploads: list[CertificateUpload] = []
    notes: list[str] = []
    for number, one in enumerate(belongings.certificates):
        field = f"certificates[{number}]"
        try:
            certificate, key_pem = check_upload(one.chain_pem, one.key_pem, now=now)
        except InvalidInput as error:
            if "expired on" in error.message:
                notes.append(f"the certificate {one.id[:16]} is not brought: {error.message}")
                continue
            raise InvalidInput(error.message, field=f"{field}.{error.field}", hint=error.hint) from error
        _check_names(certificate, belongings.zone.name, one.id, field)
        uploads.append(CertificateUpload(certificate, key_pem))
    return uploads, tuple(notes)


def _check_names(certificate: Certificate, zone: str, id_: str, field: str) -> None:
    if certificate.id != id_:
        raise InvalidInput("the certificate is another than its file's name says", field=field)
    for host in certificate.hosts:
        if not within(host.removeprefix("*."), zone):
            raise InvalidInput(
                f"the certificate is for {host}, too, which is not in {zone}",
                field=field,
                hint="who brings a zone brings certificates for that zone's names alone",
            )
