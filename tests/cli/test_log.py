"""``rempart log``, on this instance's log and on others."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from rempart.controller.transparency.public_log import PublicLog
from rempart.controller.transparency.serving import log_application
from rempart.governance.log.note import KeyKind, SigningKey
from rempart.governance.log.step import Step
from rempart.lab.processes import free_port
from rempart.node.state_folders import Owners, prepare, prepare_keys
from tests.cli.conftest import CommandLine
from tests.cli.test_running import MAIN
from tests.controller.transparency.conftest import served
from tests.governance.log import independent


def step(number: int) -> Step:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Step(id=f"case/2026-1/{number}", kind="report", at=at, public={"n": number})


@pytest.fixture
def filled(rempart: CommandLine) -> CommandLine:
    """An instance whose log has 300 steps."""
    key = rempart("log", "keys", "--json").json()["key"]
    paths = rempart.configuration.paths
    with PublicLog(paths.public_log, paths.log_keeping, rempart.configuration.log) as log:
        assert str(log.key) == key
        log.append_all([step(number) for number in range(300)])
    return rempart


def test_the_own_log_is_shown_proven_and_verified(filled: CommandLine, tmp_path: Path) -> None:
    state = filled("log", "keys", "--json").json()
    assert (state["size"], state["published"]) == (300, 300)
    assert state["key"] in filled("log", "keys").out
    shown = filled("log", "show", "--last", "2", "--json").json()
    assert [one["index"] for one in shown["entries"]] == [298, 299]
    assert "case/2026-1/299" in filled("log", "show").out
    assert len(filled("log", "show", "--under", "case/2026-1/29", "--json").json()["entries"]) == 11
    assert json.loads(filled("log", "show", "7").out)["step"]["public"] == {"n": 7}
    assert "no entry 300" in filled("log", "show", "300", status=1).err
    assert "is sound: 300 entries" in filled("log", "verify").out

    proof = tmp_path / "one.tlog-proof"
    filled("log", "prove", "123", "--out", str(proof))
    assert filled("log", "prove", "123").out == proof.read_text()
    key = ("--key", state["key"])
    assert "Proven: this is entry 123 of the 300" in filled("log", "check", str(proof), *key).out
    assert filled("log", "check", str(proof), *key, "--json").json()["entry"]["public"] == {"n": 123}
    assert independent.verify_proof(proof.read_text(), step(123).encode(), state["key"]) == 123
    entry = tmp_path / "entry"
    entry.write_bytes(step(124).encode())
    assert "NOT PROVEN" in filled("log", "check", str(proof), *key, "--entry", str(entry), status=1).err
    assert "--key" in filled("log", "check", str(proof), status=2).err


def test_others_verify_and_mirror_it(filled: CommandLine, tmp_path: Path) -> None:
    state = filled("log", "keys", "--json").json()
    public, copy, seen = Path(state["folder"]), tmp_path / "copy", tmp_path / "seen"
    key = ("--key", state["key"])
    with served(log_application(public, lambda: 300)) as url:
        assert filled("log", "verify", url, *key, "--seen", str(seen), "--json").json()["sound"]
        assert seen.read_bytes() == (public / "checkpoint").read_bytes()
        assert "is sound" in filled("log", "verify", url, *key, "--seen", str(seen)).out
        found = filled("log", "verify", url, *key, "--mirror", str(copy), "--json").json()
        assert (found["size"], found["entries"], found["files"], found["faults"]) == (300, 300, 5, [])
        assert "is sound" in filled("log", "mirror", url, str(copy), *key).out
    assert "is sound" in filled("log", "verify", str(copy), *key).out
    assert "cannot be read" in filled("log", "verify", url, *key, status=3).err

    stranger = ("--key", "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    assert "is not signed by" in filled("log", "verify", str(copy), *stranger, status=1).err
    assert "--key" in filled("log", "verify", str(copy), status=2).err
    assert "verifier key" in filled("log", "verify", str(copy), "--key", "x", status=2).err
    assert "neither" in filled("log", "verify", str(tmp_path / "nowhere"), *key, status=1).err
    (copy / "tile/0/000").write_bytes(bytes(8192))
    spoilt = filled("log", "verify", str(copy), *key, "--json", status=1).json()
    assert not spoilt["sound"]
    assert "tile/entries/000" in {fault["path"] for fault in spoilt["faults"]}
    assert "NOT SOUND" in filled("log", "verify", str(copy), *key, status=1).err


@pytest.fixture
def witness(filled: CommandLine, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A witness in a process of its own: URL and key."""
    port, folder = free_port(), tmp_path / "w"
    key = filled("log", "keys", "--json").json()["key"]
    options = ("--name", "w.example/1", "--log", key, "--port", str(port))
    process = subprocess.Popen(
        [sys.executable, "-m", "rempart", "log", "witness", "serve", str(folder), *options]
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                said = httpx.get(f"http://127.0.0.1:{port}/").text.strip()
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert filled("log", "witness", "key", str(folder)).out.strip() == said
        yield f"http://127.0.0.1:{port}", said
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_witness_in_a_process_of_its_own(filled: CommandLine, witness: tuple[str, str]) -> None:
    url, key = witness
    with filled.file.open("a") as file:
        file.write(f'[log]\nwitnesses_required = 1\n[[log.witnesses]]\nurl = "{url}"\nkey = "{key}"\n')
    state = filled("log", "keys", "--json").json()
    assert state["witnesses"][0]["problem"] is None
    found = filled("log", "verify", "--witness", key, "--json").json()
    assert [one["name"] for one in found["witnesses"]] == ["w.example/1"]
    assert independent.verify_log(Path(state["folder"]), state["key"], [key])
    other = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    assert "missing: example.com/foo" in filled("log", "verify", "--witness", other, status=1).err


def test_a_witness_that_is_away_is_named_and_the_result_stays_one_document(rempart: CommandLine) -> None:
    key = str(SigningKey("witness.example/two", KeyKind.COSIGNATURE, bytes(32)).verifier)
    with rempart.file.open("a") as file:
        file.write(f'[[log.witnesses]]\nurl = "http://127.0.0.1:{free_port()}"\nkey = "{key}"\n')
    state = rempart("log", "keys", "--json").json()
    assert "does not answer" in state["witnesses"][0]["problem"]
    assert "does not answer" in rempart("log", "keys").out


def test_more_witnesses_required_than_there_are(rempart: CommandLine) -> None:
    with rempart.file.open("a") as file:
        file.write("[log]\nwitnesses_required = 1\n")
    assert "witnesses_required" in rempart("log", "keys", status=2).err


def test_a_running_controller_serves_its_log(rempart: CommandLine) -> None:
    port = free_port()
    with rempart.file.open("a") as file:
        file.write(f'[log]\norigin = "log.example.org"\nport = {port}\n')
    configuration = rempart.configuration
    is_root = os.geteuid() == 0
    prepare(configuration, is_root=is_root)
    prepare_keys(configuration.paths, Owners.of(configuration, is_root=is_root))
    with (rempart.folder / "controller.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, configuration.model_dump_json()], stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/checkpoint").status_code == 200:
                    break
            assert process.poll() is None, (rempart.folder / "controller.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        state = rempart("log", "keys", "--json").json()
        assert (state["origin"], state["published"]) == ("log.example.org", 0)
        assert (
            "log.example.org is sound: 0 entries" in rempart("log", "verify", url, "--key", state["key"]).out
        )
        assert "is sound" in rempart("log", "verify").out
    finally:
        process.terminate()
        process.wait(30)
