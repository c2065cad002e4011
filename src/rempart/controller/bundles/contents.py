"""A zone's belongings as files of an archive, and files of an archive as belongings. Pure.

What another Rempart imports are the JSON files, certificates and keys. The zone file, the keys in BIND's form
and the rest are for people and for other software.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import ValidationError

from rempart.controller.bundles.archive import FIELD, Archive, File
from rempart.controller.bundles.bind_keys import bind_files
from rempart.model.base import Value
from rempart.model.bundle import (
    Belongings,
    BundledCertificate,
    BundledRecords,
    BundledSites,
    BundledZone,
)
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_zone_name, shown, within
from rempart.model.records import RecordFields
from rempart.model.zone_keys import ZoneKeys

V = TypeVar("V", bound=Value)

ZONE, RECORDS, SITES, KEYS = "zone.json", "records.json", "sites.json", "dnssec/keys.json"
CERTIFICATES = "certificates"


def in_order(records: Iterable[RecordFields]) -> tuple[RecordFields, ...]:
    """The order that two bundles of the same zone have alike."""
    return tuple(sorted(records, key=lambda one: (one.name, one.type, one.rdata)))


def files_of(belongings: Belongings) -> list[File]:
    """The files that an import reads, and the DNSSEC keys as other signers want them."""
    zone = belongings.zone.name
    files = [
        File(ZONE, f"{zone} and its settings", _json(belongings.zone)),
        File(
            RECORDS,
            "its records as they were written: automatic TTLs, what is proxied, comments, tags",
            _json(BundledRecords(records=belongings.records)),
        ),
        File(
            SITES,
            "its sites: origins, limits, who is challenged and who is exempt",
            _json(BundledSites(sites=belongings.sites)),
        ),
    ]
    for one in belongings.certificates:
        files += [
            File(f"{CERTIFICATES}/{one.id}.pem", "a certificate with its chain", one.chain_pem.encode()),
            File(f"{CERTIFICATES}/{one.id}.key", "its private key (PKCS #8)", one.key_pem.encode()),
        ]
    if belongings.keys is not None:
        what = "DNSSEC keys, private halves included, and since when each is in use"
        files.append(File(KEYS, what, _json(belongings.keys)))
        files += bind_files(belongings.keys)
    return files


def belongings_of(archive: Archive) -> Belongings:
    """What an archive brings. InvalidInput (``field`` bundle) when it does not fit together."""
    zone = _read(archive, ZONE, BundledZone)
    try:
        canonical = parse_zone_name(zone.name) == zone.name == archive.manifest.zone
    except InvalidInput:
        canonical = False
    if not canonical:
        raise InvalidInput(
            f"manifest.json is about {shown(archive.manifest.zone)}, {ZONE} is not", field=FIELD
        )
    sites = _read(archive, SITES, BundledSites).sites
    for site in sites:
        if not within(site.host.removeprefix("*."), zone.name):
            raise InvalidInput(f"{SITES}: {shown(site.host)} is not in {zone.name}", field=FIELD)
    keys = _read(archive, KEYS, ZoneKeys) if KEYS in archive.files else None
    if keys is not None and keys.zone != zone.name:
        raise InvalidInput(f"{KEYS} is about {shown(keys.zone)}", field=FIELD)
    return _checked(
        Belongings,
        "bundle",
        {
            "zone": zone,
            "records": in_order(_read(archive, RECORDS, BundledRecords).records),
            "sites": tuple(sorted(sites, key=lambda one: one.host)),
            "certificates": _certificates(archive),
            "keys": keys,
        },
    )


def _certificates(archive: Archive) -> tuple[BundledCertificate, ...]:
    found = []
    for path in sorted(archive.files):
        folder, _, name = path.partition("/")
        stem, dot, kind = name.rpartition(".")
        if folder == CERTIFICATES and dot and kind == "pem":
            fields = {
                "id": stem,
                "chain_pem": _text(archive, path),
                "key_pem": _text(archive, f"{CERTIFICATES}/{stem}.key"),
            }
            found.append(_checked(BundledCertificate, path, fields))
    return tuple(found)


def _json(value: Value) -> bytes:
    return (value.model_dump_json(indent=2) + "\n").encode()


def _read(archive: Archive, path: str, kind: type[V]) -> V:
    try:
        return kind.model_validate_json(archive.file(path))
    except ValidationError as error:
        raise _invalid(path, error) from error


def _checked(kind: type[V], path: str, fields: Mapping[str, object]) -> V:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _invalid(path, error) from error


def _invalid(path: str, error: ValidationError) -> InvalidInput:
    # Never what was given: it may be a private key.
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return InvalidInput(f"{path}: {where}: {first['msg']}"[:500], field=FIELD)


def _text(archive: Archive, path: str) -> str:
    try:
        return archive.file(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no PEM text", field=FIELD) from error
