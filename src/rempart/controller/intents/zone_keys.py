"""DNSSEC keys of zones: kept sealed, told to nodes as an item, so that they outlive any one name server."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from rempart.controller.intents.actor import Actor
from rempart.controller.intents.context import Context
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.store import views
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import ZoneKeysRow, ZoneRow
from rempart.model.errors import NotFound
from rempart.model.names import shown
from rempart.model.zone_keys import ZoneKeys
from rempart.model.zones import Zone
from rempart.snapshot.items import KeysItem


class ZoneKeyIntents:
    """What is known of the keys that zones are signed with."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def keep(self, actor: Actor, held: ZoneKeys) -> Written[ZoneKeys]:
        """Keep what a name server signs the zone with. The same keys again change nothing.

        NotFound when there is no such zone (any more).
        """
        with self._context.writing(actor) as write:
            row = write.session.scalars(select(ZoneRow).where(ZoneRow.name == held.zone)).first()
            if row is None:
                raise NotFound(f"no such zone: {shown(held.zone)}", field="zone")
            zone = views.zone(row)
            changed = put_keys(write, self._context.store.seal, zone, held)
            return write.settle(
                held, "zone.keys", zone.name, zone=zone.name, account=zone.account_id,
                unconditional=True, recorded=changed,
            )  # fmt: skip

    def get(self, zone: Zone) -> ZoneKeys | None:
        """None when none are known."""
        with self._context.reading() as session:
            return keys_of(session, self._context.store.seal, zone)


def keys_of(session: Session, seal: Seal, zone: Zone) -> ZoneKeys | None:
    """The zone's keys; None when none are known."""
    row = session.get(ZoneKeysRow, zone.id)
    return None if row is None else ZoneKeys.model_validate_json(seal.open(row.sealed, _place(zone)))


def put_keys(write: Transaction, seal: Seal, zone: Zone, held: ZoneKeys) -> bool:
    """Store and publish the keys within ``write``; whether they were others before."""
    changed = keys_of(write.session, seal, zone) != held
    if changed:
        sealed = seal.close(held.model_dump_json(), _place(zone))
        write.session.merge(ZoneKeysRow(zone_id=zone.id, sealed=sealed, modified_on=write.now))
    item = KeysItem(held=held)
    write.put(item.key, item)
    return changed


def _place(zone: Zone) -> str:
    return f"zone_keys/{zone.id}"
