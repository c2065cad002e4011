"""Secondaries: name servers of others that transfer our zones."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
from dataclasses import dataclass, field

from sqlalchemy import select

from rempart.controller.intents.actor import Actor
from rempart.controller.intents.context import Context, fresh_id
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.store import views
from rempart.controller.store.tables import SecondaryRow, ZoneRow
from rempart.model.errors import Conflict, InvalidInput, NotFound
from rempart.model.names import parse_hostname, shown
from rempart.model.zones import Secondary
from rempart.snapshot.following import is_address
from rempart.snapshot.items import SecondaryItem

TSIG_ALGORITHM = "hmac-sha256"
TSIG_SECRET_BYTES = 32
"""RFC 8945 section 8: as long as the hash's output."""


@dataclass(frozen=True, slots=True)
class SecondaryKey:
    """A secondary and the TSIG secret (base64) that its operator must be given."""

    secondary: Secondary
    tsig_secret: str = field(repr=False)


class SecondaryIntents:
    """What may be decided about secondaries."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def add(
        self,
        actor: Actor,
        address: str,
        *,
        port: int = 53,
        ns_name: str | None = None,
        confirm: str | None = None,
    ) -> Written[SecondaryKey]:
        """A new secondary with a TSIG key of its own. With ``ns_name`` it is named in every zone's NS RRset,
        which needs confirmation once there are zones."""
        if not is_address(address):
            raise InvalidInput(f"{shown(address)} is not an IP address", field="address")
        address = str(ipaddress.ip_address(address))
        if not 1 <= port <= 65535:
            raise InvalidInput("from 1 to 65535", field="port")
        ns_name = None if ns_name is None else parse_hostname(ns_name, field="ns_name")
        with self._context.writing(actor) as write:
            taken = select(SecondaryRow).where(SecondaryRow.address == address, SecondaryRow.port == port)
            if write.session.scalars(taken).first() is not None:
                raise Conflict(f"{address} port {port} is a secondary already", field="address")
            secondary_id = fresh_id()
            secret = base64.b64encode(secrets.token_bytes(TSIG_SECRET_BYTES)).decode()
            row = SecondaryRow(
                id=secondary_id,
                address=address,
                port=port,
                ns_name=ns_name,
                tsig_name=_key_name(address, port),
                tsig_algorithm=TSIG_ALGORITHM,
                sealed_secret=self._context.store.seal.close(secret, _place(secondary_id)),
                created_on=write.now,
            )
            write.session.add(row)
            secondary = views.secondary(row)
            item = SecondaryItem(
                id=secondary_id,
                address=address,
                port=port,
                tsig_name=row.tsig_name,
                tsig_algorithm=row.tsig_algorithm,
                tsig_secret=secret,
            )
            write.put(item.key, item)
            if ns_name is not None:
                _touch_apexes(write)
            return write.settle(
                SecondaryKey(secondary, secret), "secondary.add", f"{address} port {port}", confirm=confirm
            )

    def remove(self, actor: Actor, secondary_id: str, *, confirm: str | None = None) -> Written[Secondary]:
        """NotFound when there is no such secondary."""
        with self._context.writing(actor) as write:
            row = write.session.get(SecondaryRow, secondary_id)
            if row is None:
                raise NotFound(f"no such secondary: {shown(secondary_id)}", field="secondary")
            secondary = views.secondary(row)
            write.session.delete(row)
            write.put(f"secondary/{secondary_id}", None)
            if secondary.ns_name is not None:
                _touch_apexes(write)
            return write.settle(
                secondary,
                "secondary.remove",
                f"{secondary.address} port {secondary.port}",
                confirm=confirm,
                explicit=True,
            )

    def list(self) -> tuple[Secondary, ...]:
        """By address."""
        with self._context.reading() as session:
            rows = select(SecondaryRow).order_by(SecondaryRow.address, SecondaryRow.port)
            return tuple(map(views.secondary, session.scalars(rows)))

    def key(self, secondary_id: str) -> SecondaryKey:
        """The secondary with its TSIG secret, for its operator. NotFound when there is none."""
        with self._context.reading() as session:
            row = session.get(SecondaryRow, secondary_id)
            if row is None:
                raise NotFound(f"no such secondary: {shown(secondary_id)}", field="secondary")
            secret = self._context.store.seal.open(row.sealed_secret, _place(row.id))
            return SecondaryKey(views.secondary(row), secret)


def _key_name(address: str, port: int) -> str:
    """The name of the secondary's key: the same in a plan and in what comes of it."""
    mark = hashlib.sha256(f"{address} {port}".encode()).hexdigest()[:8]
    return f"{mark}.secondary.rempart"


def _touch_apexes(write: Transaction) -> None:
    for row in write.session.scalars(select(ZoneRow)):
        zone = views.zone(row)
        write.touch(zone, zone.name)


def _place(secondary_id: str) -> str:
    return f"secondaries/{secondary_id}"
