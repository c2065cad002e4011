"""The public log verified by published code: golang.org/x/mod/sumdb, Debian's golang-golang-x-mod-dev."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rempart.controller.transparency.writer import LogWriter
from rempart.governance.log.note import encode64
from tests.governance.log.logs import WITNESS, steps

PROGRAM = Path(__file__).parent / "programs" / "tlog" / "main.go"
ENVIRONMENT = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "CGO_ENABLED": "0"}


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("go")
    program = folder / "verify"
    environment = {**os.environ, **ENVIRONMENT, "GOCACHE": str(folder / "cache"), "HOME": str(folder)}
    subprocess.run(["go", "build", "-o", program, PROGRAM], env=environment, check=True, timeout=300)
    return program


def verified(program: Path, public: Path, key: str, old: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, public, key, str(old)], capture_output=True, text=True, timeout=60)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("size", [1, 255, 256, 257, 1_000])
def test_go_verifies_what_we_write(verifier: Path, tmp_path: Path, size: int) -> None:
    public = tmp_path / "public"
    with LogWriter(public, tmp_path / "keeping", "log.example/go") as log:
        log.append(steps(size))
        # A cosignature is of a kind that this code does not know, and passes over.
        log.publish(log.signed.note.signed_also([WITNESS.cosign(log.signed.note.text, 1_700_000_000)]))
        key, root = str(log.key.verifier), encode64(log.signed.checkpoint.root)
    ended = verified(verifier, public, key, max(size // 3, 1))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()[:3] == [str(size), root, str(size)]

    bundle = next(path for path in (public / "tile/entries").rglob("*") if path.is_file())
    bundle.write_bytes(bundle.read_bytes().replace(b"report", b"repork", 1))
    assert verified(verifier, public, key, 1).returncode == 1
