"""The archive: a ZIP file (APPNOTE 6.3.3) with a manifest that names every member by its SHA-256. Pure.

Nothing of an archive is ever written to a disk by its own name, and still a name that leads elsewhere is
refused: other people's programs will unpack it. What is read is bounded by what is counted while unpacking,
not by what the archive says of itself.
"""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError

from rempart.model.bundle import FORMAT, MEMBERS_MAX, PATH, VERSION, Absent, Manifest, Member
from rempart.model.errors import InvalidInput
from rempart.model.names import shown

PACKED_MAX = 128 * 2**20
"""Octets of an archive."""
UNPACKED_MAX = 512 * 2**20
"""Octets of all members together."""
MANIFEST = "manifest.json"
MANIFEST_MAX = 16 * 2**20
FIELD = "bundle"
_KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PLAIN = (0, stat.S_IFREG)
_ENCRYPTED = 0x1

OF_THE_NODE = Absent(
    what="mitigations in force, and the log of failed requests",
    why="only the operator's command line reads them; rempart zone export, run by the operator, has them",
)
"""What a kit made by the controller alone is without."""


class Head(BaseModel):
    """As much of a manifest as tells whether the rest can be understood, whatever else stands in it."""

    format: str
    version: int


@dataclass(frozen=True, slots=True)
class File:
    """A member to be."""

    path: str
    what: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that was read: every member is there as the manifest says."""

    manifest: Manifest
    files: Mapping[str, bytes]

    def file(self, path: str) -> bytes:
        """InvalidInput when there is no such member."""
        try:
            return self.files[path]
        except KeyError:
            raise InvalidInput(f"it has no {path}", field=FIELD) from None


def write_archive(
    zone: str, made_at: datetime, made_by: str, files: Iterable[File], absent: Iterable[Absent] = ()
) -> bytes:
    """The archive of ``files``; always the same for the same ones. InvalidInput when it would be too
    large."""
    there = sorted(files, key=lambda one: one.path)
    if sum(len(one.content) for one in there) > UNPACKED_MAX or len(there) > MEMBERS_MAX:
        raise InvalidInput(f"more than {UNPACKED_MAX >> 20} MiB or {MEMBERS_MAX} files", field=FIELD)
    manifest = Manifest(
        version=VERSION,
        zone=zone,
        made_at=made_at.replace(microsecond=0),
        made_by=made_by,
        members=tuple(
            Member(
                path=one.path,
                sha256=hashlib.sha256(one.content).hexdigest(),
                size=len(one.content),
                what=one.what,
            )
            for one in there
        ),
        absent=tuple(absent),
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in (
            (MANIFEST, manifest.model_dump_json(indent=2).encode()),
            *((one.path, one.content) for one in there),
        ):
            entry = zipfile.ZipInfo(path, date_time=made_at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o600) << 16
            packed.writestr(entry, content)
    octets = out.getvalue()
    if len(octets) > PACKED_MAX:
        raise InvalidInput(f"more than {PACKED_MAX >> 20} MiB", field=FIELD)
    return octets


def read_archive(octets: bytes) -> Archive:
    """What is in an archive. InvalidInput (``field`` bundle) for all that a bundle of this version is not."""
    if len(octets) > PACKED_MAX:
        raise _wrong(f"larger than {PACKED_MAX >> 20} MiB")
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as packed:
            entries = _entries(packed)
            manifest = _manifest(packed, entries)
            files = _files(packed, entries, manifest)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise _wrong(f"it cannot be unpacked: {str(error)[:200]}") from error
    return Archive(manifest, files)


def _entries(packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    found = packed.infolist()
    if len(found) > MEMBERS_MAX + 1:
        raise _wrong(f"it has {len(found)} files; {MEMBERS_MAX} are the most")
    for entry in found:
        # orig_filename: what stands there, before anything after a NUL is cut away.
        name = entry.orig_filename
        if not PATH.fullmatch(name) or name != entry.filename:
            raise _wrong(f"a file's name is not one that a bundle can have: {shown(name)}")
        if name in entries:
            raise _wrong(f"{name} is there twice")
        if entry.compress_type not in _KINDS or entry.flag_bits & _ENCRYPTED:
            raise _wrong(f"{name} is encrypted, or packed in another way than deflate")
        if stat.S_IFMT(entry.external_attr >> 16) not in _PLAIN:
            raise _wrong(f"{name} is no plain file")
        entries[name] = entry
    return entries


def _manifest(packed: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> Manifest:
    if MANIFEST not in entries:
        raise _wrong("it has no manifest.json", hint="rempart zone export ZONE --format bundle makes bundles")
    text = _unpacked(packed, entries[MANIFEST], MANIFEST_MAX)
    try:
        head = Head.model_validate_json(text)
    except ValidationError as error:
        raise _wrong(f"manifest.json: {_first(error)}") from error
    if head.format != FORMAT:
        raise _wrong(f"manifest.json: the format is {shown(head.format)}, not {FORMAT}")
    if head.version != VERSION:
        raise _wrong(
            f"its format is version {head.version}; this software knows version {VERSION}",
            hint="import it with a Rempart as new as the one that made it",
        )
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise _wrong(f"manifest.json: {_first(error)}") from error


def _files(
    packed: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], manifest: Manifest
) -> dict[str, bytes]:
    named = {one.path for one in manifest.members}
    if len(named) != len(manifest.members):
        raise _wrong("manifest.json names a file twice")
    there = entries.keys() - {MANIFEST}
    for path in sorted(there ^ named):
        raise _wrong(f"{shown(path)} is {'not in the manifest' if path in there else 'missing'}")
    if sum(one.size for one in manifest.members) > UNPACKED_MAX:
        raise _wrong(f"unpacked it would be larger than {UNPACKED_MAX >> 20} MiB")
    files: dict[str, bytes] = {}
    for member in manifest.members:
        content = _unpacked(packed, entries[member.path], member.size)
        if len(content) != member.size or hashlib.sha256(content).hexdigest() != member.sha256:
            raise _wrong(
                f"{member.path} is not what the manifest says",
                hint="the file was damaged or changed on its way; fetch it again",
            )
        files[member.path] = content
    return files


def _unpacked(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """The content; one octet more than ``most`` is unpacked at the most."""
    with packed.open(entry) as content:
        found = content.read(most + 1)
    if len(found) > most:
        raise _wrong(f"{entry.filename} is larger than it says")
    return found


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")[:300]


def _wrong(message: str, *, hint: str | None = None) -> InvalidInput:
    return InvalidInput(message, field=FIELD, hint=hint)
