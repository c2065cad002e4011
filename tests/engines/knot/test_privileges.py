"""Started by root, knotd is another user from the first, and the node reaches it through a group."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from rempart.lab.leftovers import short_folder
from rempart.model.configuration import DnsSection
from rempart.node.confinement import is_confined
from rempart.snapshot.items import KeysItem
from tests.engines.knot.server import Server, eventually, plain_zone
from tests.engines.knot.test_secondaries import secondary, transfer

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture
def server() -> Iterator[Server]:
    state = short_folder()
    state.chmod(0o755)
    started = Server(state, DnsSection(listen=("127.0.0.214",), port=53, rate_limit=0))
    knot = pwd.getpwnam("knot")
    started.started_as = knot.pw_uid, knot.pw_gid
    paths = started.config.paths
    # As the supervisor makes them.
    for folder, owner, mode in (
        (paths.knot, 0, 0o2750),
        (paths.knot_db, knot.pw_uid, 0o700),
        (paths.knot_socket.parent, knot.pw_uid, 0o2750),
    ):
        folder.mkdir(parents=True)
        os.chown(folder, owner, knot.pw_gid)
        folder.chmod(mode)
    try:
        started.engine.write_boot_files(started.view)
        started.start()
        yield started
    finally:
        started.kill()
        shutil.rmtree(state)


def test_knotd_never_is_root_and_still_reloads(server: Server) -> None:
    knot = pwd.getpwnam("knot")
    process = psutil.Process(server.pid)
    assert (set(process.uids()), set(process.gids())) == ({knot.pw_uid}, {knot.pw_gid})
    assert is_confined(server.pid, knot.pw_uid)
    item = secondary()
    report = server.engine.apply(server.view.put(*plain_zone("example.org", dnssec=True), item), server.view)
    assert report.refusals == ()
    assert transfer(server, "example.org", item)["example.org."]
    found = server.config.paths.knot_config.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert found.st_gid == knot.pw_gid
    server.kill()
    server.start()
    assert server.rdata("www.example.org", "A") == ["192.0.2.2", "192.0.2.3"]
    keys = list(server.config.paths.knot_db.glob("keys/keys/*.pem"))
    assert [stat.S_IMODE(key.stat().st_mode) & 0o007 for key in keys] == [0]


def test_the_control_socket_is_for_the_group_alone(server: Server) -> None:
    command = ["knotc", "-s", str(server.config.paths.knot_socket), "status"]
    group = grp.getgrnam("knot").gr_gid
    nogroup = grp.getgrnam("nogroup").gr_gid
    member = subprocess.run(command, user="nobody", group=nogroup, extra_groups=[group], capture_output=True)
    stranger = subprocess.run(command, user="nobody", group=nogroup, extra_groups=[], capture_output=True)
    assert member.returncode == 0, member.stderr
    assert stranger.returncode != 0


def test_keys_pass_between_the_two_users(server: Server) -> None:
    """Knot writes and reads where only the node and it can come."""
    server.engine.apply(server.view.put(*plain_zone("example.org", dnssec=True)), server.view)
    held = eventually(server.engine.keys_to_tell, what="keys are told")
    assert held is not None
    server.engine.apply(server.view.drop_zone("example.org"), server.view)
    items = [KeysItem(held=held), *plain_zone("example.org", dnssec=True)]
    report = server.engine.apply(server.view.put(*items), server.view)
    assert report.refusals == ()
    assert server.engine.ds_records("example.org") == held.ds
    assert not list(server.config.paths.knot.glob("keys-*"))
