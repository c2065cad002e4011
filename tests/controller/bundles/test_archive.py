"""Archives that somebody has tampered with, or never meant well: refused, whatever they are."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.controller.bundles import archive
from rempart.controller.bundles.archive import File, read_archive, write_archive
from rempart.controller.bundles.contents import belongings_of, files_of
from rempart.model.bundle import PATH, Belongings, BundledZone
from rempart.model.errors import InvalidInput
from rempart.model.zone_keys import ZoneKeys
from tests.controller.intents.conftest import NOW
from tests.engines.knot.test_keys import fresh_key

ZONE = "example.org"
PLAIN = Belongings(zone=BundledZone(name=ZONE))


def manifest(files: dict[str, bytes], **fields: Any) -> bytes:
    members = [
        {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "what": ""}
        for path, content in files.items()
    ]
    whole = {"format": "rempart-bundle", "version": 1, "zone": ZONE, "made_at": "2026-01-01T00:00:00Z"}
    return json.dumps({**whole, "made_by": "x", "members": members, **fields}).encode()


def packed(entries: list[tuple[zipfile.ZipInfo | str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for entry, content in entries:
            made.writestr(entry, content)
    return out.getvalue()


def plain_files() -> dict[str, bytes]:
    return {one.path: one.content for one in files_of(PLAIN)}


def refusal(octets: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        belongings_of(read_archive(octets))
    assert caught.value.field == "bundle"
    return caught.value.message


def bundle(files: dict[str, bytes], **fields: Any) -> bytes:
    return packed([("manifest.json", manifest(files, **fields)), *files.items()])


def test_a_plain_one_is_read() -> None:
    assert belongings_of(read_archive(bundle(plain_files()))) == PLAIN


@pytest.mark.parametrize(
    "name",
    [
        "../up", "a/../../up", "/etc/passwd", "a//b", "./a", "a/.", "a\\b", "C:/x", "a/", ".hidden",
        "a/.hidden", "a\x00b", "a b", "é", "a" * 300 + "/..", "a/b/c/d/e", "-rf", "a.", "",
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    files = plain_files()
    assert not PATH.fullmatch(name)
    octets = packed([("manifest.json", manifest({**files, name: b"x"})), *files.items(), ("PLACE", b"x")])
    octets = octets.replace(b"PLACE", name.encode()[:5].ljust(5, b"/")) if len(name.encode()) > 5 else octets
    refusal(octets)
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    refusal(packed([("manifest.json", manifest({**files, name: b"x"})), *files.items(), (entry, b"x")]))


def test_links_devices_and_folders_are_refused() -> None:
    files = plain_files()
    for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFDIR, stat.S_IFIFO):
        entry = zipfile.ZipInfo("link")
        entry.create_system = 3
        entry.external_attr = (kind | 0o777) << 16
        whole = {**files, "link": b"/etc/passwd"}
        octets = packed([("manifest.json", manifest(whole)), *files.items(), (entry, b"/etc/passwd")])
        assert "plain file" in refusal(octets)


def test_other_ways_of_packing_are_refused() -> None:
    files = plain_files()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as made:
        for path, content in {"manifest.json": manifest(files), **files}.items():
            made.writestr(path, content)
    assert "another way" in refusal(out.getvalue())


def test_members_and_manifest_must_agree() -> None:
    files = plain_files()
    assert "not in the manifest" in refusal(
        packed([("manifest.json", manifest(files)), *files.items(), ("more.txt", b"")])
    )
    assert "missing" in refusal(
        packed([("manifest.json", manifest({**files, "more.txt": b""})), *files.items()])
    )
    changed = {**files, "zone.json": files["zone.json"].replace(b"example.org", b"example.net")}
    assert "not what the manifest says" in refusal(
        packed([("manifest.json", manifest(files)), *changed.items()])
    )
    twice = json.loads(manifest(files))
    twice["members"] *= 2
    assert "twice" in refusal(packed([("manifest.json", json.dumps(twice).encode()), *files.items()]))
    assert "no manifest.json" in refusal(packed(list(files.items())))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused() -> None:
    files = plain_files()
    assert "twice" in refusal(
        packed([("manifest.json", manifest(files)), *files.items(), ("zone.json", b"{}")])
    )


def test_unknown_versions_and_formats_are_refused_by_name() -> None:
    files = plain_files()
    for version in (0, 2, 10**9):
        # Whatever else stands there: a newer manifest may have fields that we do not know.
        message = refusal(bundle(files, version=version, novelty={"deep": []}))
        assert f"version {version}" in message
    assert "format" in refusal(bundle(files, format="something-else"))
    assert "manifest.json" in refusal(bundle(files, novelty=1))
    for bad in (b"", b"{", b"[]", b"null", b'{"format": 1}', b"[" * 100_000):
        assert "manifest.json" in refusal(packed([("manifest.json", bad), *files.items()]))


def test_bombs_do_not_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    files = plain_files()
    zeros = bytes(2**20)
    # It says that it is small; unpacking ends one octet later.
    lying = json.loads(manifest({**files, "zeros.bin": zeros}))
    for member in lying["members"]:
        if member["path"] == "zeros.bin":
            member["size"] = 10
    octets = packed([("manifest.json", json.dumps(lying).encode()), *files.items(), ("zeros.bin", zeros)])
    assert "larger than it says" in refusal(octets)
    # It says that it is large.
    monkeypatch.setattr(archive, "UNPACKED_MAX", 2**19)
    assert "larger than" in refusal(bundle({**files, "zeros.bin": zeros}))
    monkeypatch.setattr(archive, "MANIFEST_MAX", 100)
    assert "manifest.json is larger" in refusal(bundle(files))
    monkeypatch.setattr(archive, "PACKED_MAX", 200)
    assert "larger than" in refusal(bundle(files))
    with pytest.raises(InvalidInput):
        write_archive(ZONE, NOW, "x", [File("zeros.bin", "", zeros)])


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MEMBERS_MAX", 5)
    assert "files" in refusal(bundle({**plain_files(), **{f"x{number}": b"" for number in range(5)}}))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("zone.json", b'{"name": "example.net"}'),
        ("zone.json", b'{"name": "example.org", "surprise": 1}'),
        ("zone.json", b'{"name": "EXAMPLE.org"}'),
        ("zone.json", b'{"name": "../../etc"}'),
        ("zone.json", b"\xff"),
        ("records.json", b'{"records": [{"type": "A"}]}'),
        (
            "sites.json",
            b'{"sites": [{"host": "www.example.net", "origins": [{"host": "192.0.2.1", "port": 80}]}]}',
        ),
        ("sites.json", b'{"sites": [{"host": "www.example.org", "origins": []}]}'),
        ("dnssec/keys.json", b'{"zone": "example.org", "keys": []}'),
        ("certificates/zz.pem", b"x"),
        ("certificates/" + "0" * 64 + ".pem", b"x"),
    ],
)
def test_contents_that_do_not_fit_are_refused(path: str, content: bytes) -> None:
    refusal(bundle({**plain_files(), path: content}))


def test_keys_of_another_zone_and_secrets_in_errors() -> None:
    other = ZoneKeys(zone="example.net", keys=(fresh_key(),))
    assert "example.net" in refusal(
        bundle({**plain_files(), "dnssec/keys.json": other.model_dump_json().encode()})
    )
    broken = json.loads(ZoneKeys(zone=ZONE, keys=(fresh_key(),)).model_dump_json())
    secret = broken["keys"][0]["private_pem"].splitlines()[1]
    broken["keys"][0]["algorithm"] = 14
    message = refusal(bundle({**plain_files(), "dnssec/keys.json": json.dumps(broken).encode()}))
    assert secret not in message


GOOD = write_archive(
    ZONE, NOW, "x", files_of(PLAIN.model_copy(update={"keys": ZoneKeys(zone=ZONE, keys=(fresh_key(),))}))
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4), st.booleans())
def test_changed_octets_are_refused_or_change_nothing(at: int, what: bytes, cut: bool) -> None:
    octets = GOOD[:at] if cut else GOOD[:at] + what + GOOD[at + len(what) :]
    try:
        found = belongings_of(read_archive(octets))
    except InvalidInput:
        return
    assert found == belongings_of(read_archive(GOOD))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_octets_are_refused(octets: bytes) -> None:
    refusal(octets)
