"""An older copy of the store is put in its place under a running instance: the engines come to serve it."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing

import httpx
import pytest

from rempart.lab.instance import Instance
from tests.e2e.clients import address_of
from tests.node.conftest import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_engines_come_to_serve_a_restored_store() -> None:
    with Instance() as instance:
        instance.start()
        store = instance.configuration.paths.store
        instance.cli("zone", "add", "example.org")
        instance.cli("record", "add", "example.org", "kept", "A", "192.0.2.1")
        backup = instance.folder / "backup.sqlite"
        with closing(sqlite3.connect(store)) as live, closing(sqlite3.connect(backup)) as copy:
            live.backup(copy)
        for number in range(3):
            instance.cli("record", "add", "example.org", f"lost{number}", "A", "192.0.2.2")
        assert address_of(instance.ports, "lost1.example.org") == ["192.0.2.2"]

        # The node sleeps until the restored store has more revisions than the node has seen.
        node = instance.pid("node")
        os.kill(node, signal.SIGSTOP)
        try:
            controller = instance.pid("controller")
            owner = store.stat()
            os.chown(backup, owner.st_uid, owner.st_gid)
            backup.chmod(0o600)
            os.kill(controller, signal.SIGSTOP)
            for suffix in ("-wal", "-shm"):
                store.with_name(store.name + suffix).unlink(missing_ok=True)
            backup.replace(store)
            os.kill(controller, signal.SIGKILL)
            eventually(lambda: instance.cli("zone", "list", check=False).returncode == 0, seconds=30)
            transport = httpx.HTTPTransport(uds=str(instance.configuration.paths.admin_socket))
            with httpx.Client(transport=transport, base_url="http://admin") as admin:
                for number in range(6):
                    # Nobody waits for the node.
                    draft = {"name": f"new{number}", "type": "A", "content": "192.0.2.3"}
                    admin.post("/v1/zones/example.org/records", json=draft).raise_for_status()
        finally:
            os.kill(node, signal.SIGCONT)

        eventually(lambda: address_of(instance.ports, "new0.example.org") == ["192.0.2.3"], seconds=30)
        eventually(lambda: not address_of(instance.ports, "lost1.example.org"), seconds=30)
        assert address_of(instance.ports, "kept.example.org") == ["192.0.2.1"]
        assert "history is another one" in (instance.state / "log" / "node.log").read_text()
        eventually(lambda: instance.cli("status", check=False).returncode == 0, seconds=30)
