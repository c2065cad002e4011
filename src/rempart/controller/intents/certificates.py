"""Certificates: put, remove, list, and which one serves a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from rempart.controller.certificates import covers
from rempart.controller.intents.actor import Actor, ActorKind
from rempart.controller.intents.context import Context, zone_row
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.intents.zones import enclosing_row
from rempart.controller.store import views
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import CertificateHostRow, CertificateRow, PublishedRow
from rempart.model.certificates import Certificate, CertificateSource
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.names import shown
from rempart.snapshot.items import CertificateItem


@dataclass(frozen=True, slots=True)
class CertificateUpload:
    """A certificate and its key (PEM, PKCS #8), as ``controller.certificates.check_upload`` returns them."""

    certificate: Certificate
    key_pem: str = field(repr=False)


class CertificateIntents:
    """What may be decided about certificates."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def put(self, actor: Actor, upload: CertificateUpload) -> Written[Certificate]:
        """Store and publish the certificate. The same one again changes nothing.

        The bearer of an API token may only bring certificates for names in zones of its account.
        """
        certificate = upload.certificate
        with self._context.writing(actor) as write:
            _check_hosts(write, certificate)
            changed = put_certificate(write, self._context.store.seal, upload)
            return write.settle(
                certificate, "certificate.put", ", ".join(certificate.hosts)[:200], recorded=changed
            )

    def remove(self, actor: Actor, certificate_id: str) -> Written[Certificate]:
        """NotFound when there is no such certificate."""
        with self._context.writing(actor) as write:
            row = write.session.get(CertificateRow, certificate_id)
            if row is None:
                raise NotFound(f"no such certificate: {shown(certificate_id)}", field="certificate")
            certificate = views.certificate(row)
            _check_hosts(write, certificate)
            write.session.delete(row)
            write.put(f"certificate/{certificate_id}", None)
            return write.settle(certificate, "certificate.remove", ", ".join(certificate.hosts)[:200])

    def get(self, certificate_id: str) -> Certificate:
        """NotFound when there is no such certificate."""
        with self._context.reading() as session:
            row = session.get(CertificateRow, certificate_id)
            if row is None:
                raise NotFound(f"no such certificate: {shown(certificate_id)}", field="certificate")
            return views.certificate(row)

    def list(self) -> tuple[Certificate, ...]:
        """Those that end first come first."""
        with self._context.reading() as session:
            rows = select(CertificateRow).order_by(CertificateRow.not_after, CertificateRow.id)
            return tuple(map(views.certificate, session.scalars(rows)))

    def serving(self, host: str, now: datetime) -> Certificate | None:
        """The certificate that visitors of ``host`` get: see ``best``."""
        with self._context.reading() as session:
            names = [host] if host.startswith("*.") else [host, f"*.{host.partition('.')[2]}"]
            return best(_with_hosts(session, names), host, now)

    def uncovered(self, now: datetime) -> tuple[str, ...]:
        """Hosts of sites, and the operator's own, that no certificate valid at ``now`` serves; sorted."""
        with self._context.reading() as session:
            hosts = session.scalars(
                select(PublishedRow.owner).where(PublishedRow.kind == "site", PublishedRow.body.is_not(None))
            ).all()
            hosts = (*hosts, self._context.configuration.operator_host)
            valid = select(CertificateHostRow.host).join(
                CertificateRow, CertificateRow.id == CertificateHostRow.certificate_id
            )
            names = set(
                session.scalars(valid.where(CertificateRow.not_before <= now, CertificateRow.not_after > now))
            )
            return tuple(
                sorted(
                    host
                    for host in hosts
                    if host
                    and host not in names
                    and (host.startswith("*.") or f"*.{host.partition('.')[2]}" not in names)
                )
            )


def put_certificate(write: Transaction, seal: Seal, upload: CertificateUpload) -> bool:
    """Store and publish the certificate within ``write``; whether it was not there like this."""
    certificate = upload.certificate
    place = _place(certificate.id)
    row = write.session.get(CertificateRow, certificate.id)
    same = (
        row is not None
        and views.certificate(row) == certificate
        and seal.open(row.sealed_key, place) == upload.key_pem
    )
    if not same:
        write.session.execute(
            delete(CertificateHostRow).where(CertificateHostRow.certificate_id == certificate.id)
        )
        write.session.merge(
            CertificateRow(
                id=certificate.id,
                hosts=list(certificate.hosts),
                chain_pem=certificate.chain_pem,
                sealed_key=seal.close(upload.key_pem, place),
                source=certificate.source.value,
                not_before=certificate.not_before,
                not_after=certificate.not_after,
                created_on=write.now if row is None else row.created_on,
            )
        )
        write.session.flush()
        write.session.add_all(
            CertificateHostRow(host=host, certificate_id=certificate.id)
            for host in dict.fromkeys(certificate.hosts)
        )
    item = CertificateItem(
        id=certificate.id,
        hosts=certificate.hosts,
        chain_pem=certificate.chain_pem,
        key_pem=upload.key_pem,
    )
    write.put(item.key, item)
    return not same


def best(certificates: tuple[Certificate, ...], host: str, now: datetime) -> Certificate | None:
    """The one for ``host`` among ``certificates``: valid ones first, then uploaded before the local CA's,
    then one that names the host before a wildcard, then the one that lasts longest."""
    return max(
        (one for one in certificates if covers(one.hosts, host)),
        key=lambda one: (
            one.not_before <= now < one.not_after,
            one.source is not CertificateSource.LOCAL_CA,
            host in one.hosts,
            one.not_after,
            one.id,
        ),
        default=None,
    )


def _with_hosts(session: Session, names: list[str]) -> tuple[Certificate, ...]:
    ids = select(CertificateHostRow.certificate_id).where(CertificateHostRow.host.in_(names))
    return tuple(
        map(views.certificate, session.scalars(select(CertificateRow).where(CertificateRow.id.in_(ids))))
    )


def _check_hosts(write: Transaction, certificate: Certificate) -> None:
    if write.actor.kind is not ActorKind.TOKEN:
        return
    for host in certificate.hosts:
        row = enclosing_row(write.session, host)
        if row is None:
            raise InvalidInput(f"{host} is in none of your zones", field="certificate")
        zone_row(write.session, row.id, write.actor)


def _place(certificate_id: str) -> str:
    return f"certificates/{certificate_id}"
