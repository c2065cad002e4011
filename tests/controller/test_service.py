"""The controller as a process: its sockets, their rights, its end, and that there is one at a time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from rempart.controller.lock import hold
from rempart.controller.service import feed_key, prepare
from rempart.controller.store.sealing import Seal
from rempart.lab.leftovers import short_folder
from rempart.lab.processes import free_port
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, EnvironmentLacks
from rempart.snapshot.items import SignedDelta
from rempart.snapshot.signing import new_key_pair, public_key, verify

MAIN = """
import sys
from rempart.controller import service
from rempart.model.configuration import Configuration
configuration = Configuration.model_validate_json(sys.argv[1])
service.LOCK_WAIT_S = 0.5
service.prepare(configuration)
service.run(configuration)
"""


@pytest.fixture
def own() -> Iterator[Configuration]:
    """A prepared state folder."""
    folder = short_folder()
    configuration = Configuration.model_validate(
        {
            "state": folder,
            "edge": {"addresses": ["192.0.2.1"]},
            "api": {"port": free_port()},
            "console": {"port": free_port()},
        }
    )
    paths = configuration.paths
    for made in (paths.controller, paths.node, paths.admin_socket.parent):
        made.mkdir(parents=True, mode=0o700)
    private, public = new_key_pair()
    (paths.controller / "feed.key").write_bytes(private)
    paths.feed_public_key.write_bytes(public)
    yield configuration
    shutil.rmtree(folder)


@contextmanager
def running(configuration: Configuration) -> Iterator[subprocess.Popen[str]]:
    """The controller's process, once it answers."""
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, configuration.model_dump_json()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 30
            while not configuration.paths.feed_socket.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(process.communicate()[0])
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def client(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://rempart", timeout=30)


def test_from_a_written_site_to_a_signed_delta(own: Configuration) -> None:
    paths = own.paths
    with running(own) as process, client(paths.admin_socket) as admin, client(paths.feed_socket) as feed:
        site = {"host": "www.example.org", "origins": [{"host": "192.0.2.10", "port": 80}]}
        written = admin.post("/v1/sites", json=site)
        assert written.status_code == 201, written.text
        answer = feed.get("/feed/v1/changes", params={"since": 0})
        signed = SignedDelta.model_validate_json(answer.content)
        delta = verify(signed, public_key(paths.feed_public_key.read_bytes()))
        assert delta.to_revision == written.json()["revision"]
        assert "site/www.example.org" in {change.key for change in delta.changes}
        # What is behind one socket is not behind the other.
        assert feed.get("/v1/sites").status_code == 404
        assert admin.get("/feed/v1/changes", params={"since": 0}).status_code == 404
        assert stat.S_IMODE(paths.admin_socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(paths.feed_socket.stat().st_mode) == 0o660
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not paths.admin_socket.exists()
    assert not paths.feed_socket.exists()


def test_it_ends_at_once_although_a_node_waits(own: Configuration) -> None:
    with running(own) as process, client(own.paths.feed_socket) as feed:
        report = {"node": "node-1", "at": "2026-01-01T00:00:00Z", "revision": 0, "items": 0, "engines": []}
        assert feed.post("/feed/v1/report", json=report).status_code == 204
        asking = subprocess.Popen(
            [
                "curl",
                "-s",
                "--unix-socket",
                own.paths.feed_socket,
                "http://f/feed/v1/changes?since=0&wait=30",
            ],
            stdout=subprocess.PIPE,
        )
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 15
        assert b"payload" in asking.communicate(timeout=10)[0]


def test_a_killed_one_is_followed_by_the_next(own: Configuration) -> None:
    with running(own) as first:
        first.kill()
        first.wait(10)
    assert own.paths.admin_socket.exists()
    with running(own):
        deadline = time.monotonic() + 20
        while not listens(own.paths.admin_socket):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with client(own.paths.admin_socket) as admin:
            assert admin.get("/v1/ping").status_code == 200


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True


@pytest.mark.slow
def test_a_second_one_does_not_start_beside_the_first(own: Configuration) -> None:
    with running(own), client(own.paths.admin_socket) as admin:
        second = subprocess.run(
            [sys.executable, "-c", MAIN, own.model_dump_json()], capture_output=True, text=True, timeout=60
        )
        assert second.returncode != 0
        assert "another process works on" in second.stderr
        assert admin.get("/v1/ping").status_code == 200


def test_preparing_twice_changes_nothing(own: Configuration) -> None:
    prepare(own)
    files = {path: path.read_bytes() for path in own.paths.root.rglob("*") if path.is_file()}
    prepare(own)
    again = {path: path.read_bytes() for path in own.paths.root.rglob("*") if path.is_file()}
    assert {path.name for path in files} >= {"store.sqlite", "secrets.key", "root.key", "local-ca.pem"}
    assert again == files
    for secret in ("secrets.key", "ca/root.key", "store.sqlite"):
        assert stat.S_IMODE((own.paths.controller / secret).stat().st_mode) == 0o600


def test_the_lock_is_one_process_at_a_time_and_goes_with_it(own: Configuration) -> None:
    with hold(own.paths):
        with pytest.raises(Conflict), hold(own.paths):
            pass
        # The kernel drops it with its holder: a child that dies holds nothing.
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    with hold(own.paths):
        pass


def test_missing_feed_key_is_named(own: Configuration) -> None:
    (own.paths.controller / "feed.key").unlink()
    with pytest.raises(EnvironmentLacks, match=r"feed\.key"):
        feed_key(own.paths)


def test_a_lost_secrets_key_is_said(own: Configuration) -> None:
    prepare(own)
    (own.paths.controller / "secrets.key").write_bytes(b"short")
    with pytest.raises(EnvironmentLacks, match="bytes instead of"):
        Seal.from_file(own.paths.controller / "secrets.key")
