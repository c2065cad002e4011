"""``rempart zone export --format bundle`` and ``rempart import bundle``, as an operator types them."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from rempart.node.defending.orders import orders_file
from tests.cli.conftest import CommandLine

ZONE = "example.org"
SHOP = f"shop.{ZONE}"


@pytest.fixture
def zone(rempart: CommandLine) -> CommandLine:
    rempart("site", "add", SHOP, "--origin", "http://203.0.113.7:8000")
    rempart("record", "add", ZONE, "@", "MX", "mail.example.net", "--priority", "10")
    return rempart


def test_a_kit_is_for_its_owners_eyes_alone_and_says_what_is_in_it(zone: CommandLine) -> None:
    kit = zone.folder / "kit.zip"
    ended = zone("zone", "export", ZONE, "--format", "bundle", "-o", str(kit))
    assert stat.S_IMODE(kit.stat().st_mode) == 0o600
    assert "PRIVATE KEYS" in ended.out
    assert "no cache" in ended.out
    with zipfile.ZipFile(kit) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert {one["path"] for one in manifest["members"]} | {"manifest.json"} == set(archive.namelist())
        assert "not signed" in archive.read("README.txt").decode()
        assert f"{SHOP}." in archive.read(f"zone/{ZONE}.zone").decode()
    before = kit.read_bytes()
    again = zone("zone", "export", ZONE, "--format", "bundle", "-o", str(kit), status=1)
    assert "is there already" in again.err
    assert kit.read_bytes() == before
    assert [one.name for one in zone.folder.iterdir() if one.name.startswith(".kit")] == []


def test_without_a_file_one_is_named_after_zone_and_time(
    zone: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(zone.folder)
    said = zone("zone", "export", ZONE, "--format", "bundle", "--json").json()
    assert Path(said["file"]).exists()
    assert said["file"].startswith(ZONE)
    assert said["manifest"]["version"] == 1


def test_what_this_node_keeps_goes_along_without_anybodys_address(zone: CommandLine) -> None:
    paths = zone.configuration.paths
    paths.defence.mkdir(parents=True, exist_ok=True)
    orders_file(paths).write_text(
        json.dumps({"number": 1, "modes": {SHOP: "observe", "example.net": "observe"}})
    )
    paths.log.mkdir(parents=True, exist_ok=True)
    lines = [
        {"id": "1", "client": "192.0.2.0", "host": f"{SHOP.upper()}:443", "status": 503},
        {"id": "2", "client": "192.0.2.0", "host": "other.example.net", "why": ZONE},
        {"id": "3", "client": "192.0.2.0", "host": f"not{ZONE}"},
    ]
    (paths.log / "edge.log").write_text("".join(f"{json.dumps(one)}\n" for one in lines) + f"broken {ZONE}\n")
    kit = zone.folder / "kit.zip"
    ended = zone("zone", "export", ZONE, "--format", "bundle", "-o", str(kit))
    assert "mitigations in force" not in ended.out
    with zipfile.ZipFile(kit) as archive:
        assert json.loads(archive.read("defence/modes.json")) == {SHOP: "observe"}
        assert json.loads(archive.read("defence/mitigations.json")) == []
        (line,) = archive.read("logs/edge.jsonl").decode().splitlines()
        assert json.loads(line)["id"] == "1"


def test_a_zone_comes_back_from_its_kit(zone: CommandLine) -> None:
    kit = zone.folder / "kit.zip"
    zone("zone", "export", ZONE, "--format", "bundle", "-o", str(kit))
    before = zone("record", "list", ZONE).out
    same = zone("import", "bundle", str(kit))
    assert "unchanged" in same.out
    refused = zone("zone", "remove", ZONE, status=1)
    zone("zone", "remove", ZONE, "--confirm", refused.err.split("--confirm ")[-1].split()[0])
    done = zone("import", "bundle", str(kit), "--json").json()
    assert (done["zone_created"], done["records"], done["sites"]) == (True, 1, 1)
    assert [line.split()[:3] for line in zone("record", "list", ZONE).out.splitlines()] == [
        line.split()[:3] for line in before.splitlines()
    ]


def test_a_file_that_is_no_kit_changes_nothing(zone: CommandLine) -> None:
    before = zone("zone", "list").out
    for name, text in (("a.zip", "no archive"), ("b.zip", "")):
        ended = zone("import", "bundle", zone.write(name, text), status=2)
        assert "bundle" in ended.err
    assert zone("import", "bundle", "/nowhere.zip", status=2).err
    assert zone("zone", "list").out == before


def test_options_that_do_not_go_together_are_said(zone: CommandLine) -> None:
    assert "--format bundle" in zone("zone", "export", ZONE, "--partial", status=2).err
    assert (
        "for a file" in zone("zone", "export", ZONE, "--format", "bundle", "-o", "-", "--json", status=2).err
    )


def test_a_signed_zone_whose_keys_nobody_has_is_only_exported_on_demand(zone: CommandLine) -> None:
    zone("zone", "dnssec", ZONE, "on")
    kit = zone.folder / "kit.zip"
    refused = zone("zone", "export", ZONE, "--format", "bundle", "-o", str(kit), status=3)
    assert "--partial" in refused.err
    assert not kit.exists()
    ended = zone("zone", "export", ZONE, "--format", "bundle", "-o", str(kit), "--partial")
    assert "without DNSSEC keys" in ended.err
    with zipfile.ZipFile(kit) as archive:
        assert "NOT in this kit" in archive.read("README.txt").decode()


def test_ttls_are_bounded_on_request_and_the_records_stay(zone: CommandLine) -> None:
    zone("record", "add", ZONE, "mail", "A", "192.0.2.25", "--ttl", "86400")
    assert "300 s at the most" in zone("zone", "set", ZONE, "--max-ttl", "300").out
    assert zone("zone", "show", ZONE, "--json").json()["zone"]["settings"]["max_ttl"] == 300
    assert "86400" in zone("zone", "export", ZONE).out
    assert "as written" in zone("zone", "set", ZONE, "--max-ttl", "off").out
    for wrong in ("5", "soon", "-1", "99999999999"):
        assert "off" in zone("zone", "set", ZONE, f"--max-ttl={wrong}", status=2).err
