"""The exit kit over the API: for whoever may have the keys, and nobody else."""

from __future__ import annotations

from rempart.controller.bundles.archive import read_archive
from rempart.controller.bundles.contents import belongings_of
from rempart.controller.intents import OPERATOR
from rempart.model.zone_keys import ZoneKeys
from tests.controller.cloudflare_v4.conftest import Bearers, Client
from tests.engines.knot.test_keys import fresh_key


def test_an_owner_fetches_the_kit(client: Client) -> None:
    zone_id = client.zone()
    client.record(zone_id, "A", "www", "192.0.2.7")
    answer = client.call("GET", f"/zones/{zone_id}/bundle")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    archive = read_archive(answer.content)
    (record,) = belongings_of(archive).records
    assert record.content == "192.0.2.7"
    assert "no cache" in archive.manifest.model_dump_json()
    (entry, *_) = client.controller.intents.audit.list().items
    assert (entry.action, entry.actor_kind) == ("bundle.export", "token")


def test_it_takes_its_own_permission(client: Client, bearers: Bearers, stranger: Client) -> None:
    zone_id = client.zone()
    most = ["zone:edit", "dns:edit", "zone_settings:edit"]
    bearers.of(bearers.ours, most).refused(403, "GET", f"/zones/{zone_id}/bundle")
    stranger.refused(404, "GET", f"/zones/{zone_id}/bundle")
    other = client.zone("example.net")
    only = bearers.of(bearers.ours, ["bundle:read"], [other])
    only.refused(404, "GET", f"/zones/{zone_id}/bundle")
    assert only.call("GET", f"/zones/{other}/bundle").status_code == 200


def test_a_kit_without_the_keys_is_not_made_unasked(client: Client) -> None:
    zone_id = client.zone()
    client.controller.intents.zones.set_dnssec(OPERATOR, zone_id, enabled=True)
    client.refused(503, "GET", f"/zones/{zone_id}/bundle")
    partial = client.call("GET", f"/zones/{zone_id}/bundle", params={"partial": "true"})
    assert belongings_of(read_archive(partial.content)).keys is None
    held = ZoneKeys(zone="example.org", keys=(fresh_key(),))
    client.controller.intents.zone_keys.keep(OPERATOR, held)
    whole = client.call("GET", f"/zones/{zone_id}/bundle")
    assert belongings_of(read_archive(whole.content)).keys == held
    assert held.ds[0] in read_archive(whole.content).files["README.txt"].decode()
