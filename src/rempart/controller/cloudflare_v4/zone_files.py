"""Zone files in and out (RFC 1035 section 5)."""

from __future__ import annotations

from rempart.controller.admin_api.answers import surroundings_of
from rempart.controller.cloudflare_v4.calls import Call, Endpoint, Reply, Upload
from rempart.model.errors import InvalidInput
from rempart.model.permissions import Permission
from rempart.model.records import TTL_AUTO_SECONDS
from rempart.model.zonefile import Soa, read_zone_file, write_zone_file

WARNINGS_MAX = 50


def import_records(call: Call) -> Reply:
    """Add what the zone does not have yet; all of the file or nothing of it."""
    upload: Upload = call.body
    if "file" not in upload.parts:
        raise InvalidInput("a zone file is needed", field="file")
    try:
        text = upload.parts["file"].decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("no UTF-8 text", field="file") from error
    proxied = upload.parts.get("proxied", b"false").strip().lower()
    if proxied not in (b"true", b"false"):
        raise InvalidInput("true or false is meant", field="proxied")
    file = read_zone_file(text, call.zone.name, proxied=proxied == b"true")
    written = call.controller.intents.records.import_drafts(
        call.actor, call.zone.id, file.drafts, confirm=call.confirm
    )
    notes = [f"line {one.line}: {one.name} {one.type}: {one.reason}" for one in file.skipped]
    notes += file.notes
    result = {"recs_added": written.value.added, "total_records_parsed": len(file.records)}
    return Reply(result, written=(written,), messages=tuple(notes[:WARNINGS_MAX]))


def export_records(call: Call) -> Reply:
    zone = call.zone
    surroundings = surroundings_of(call.controller)
    servers = surroundings.nameservers_of(zone.name)
    text = write_zone_file(
        zone.name,
        call.controller.intents.records.export(zone.id),
        soa=Soa(
            mname=servers[0],
            rname=surroundings.responsible_of(zone.name),
            serial=int(call.controller.clock().timestamp()) % 2**32,
        ),
        name_servers=servers,
        auto_ttl=TTL_AUTO_SECONDS,
    )
    return Reply(None, text=text)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/zones/{zone_id}/dns_records/import",
        Permission.DNS_EDIT,
        import_records,
        "Import a zone file",
        body=Upload,
    ),
    Endpoint(
        "GET",
        "/zones/{zone_id}/dns_records/export",
        Permission.DNS_READ,
        export_records,
        "Export the zone as a zone file",
    ),
)
