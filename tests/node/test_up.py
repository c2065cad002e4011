"""``rempart up`` with the real engines, through the command line."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import psutil
import pytest

import rempart
from rempart.engines.knot.compile import pid_file
from rempart.lab.instance import Instance
from rempart.lab.processes import free_port
from rempart.node.confinement import is_confined
from rempart.node.parts import NEEDED, read_part, read_parts, supervisor_pid
from rempart.node.processes import PART_VARIABLE, STATE_VARIABLE
from tests.node.conftest import eventually

pytestmark = pytest.mark.slow
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def instance() -> Iterator[Instance]:
    with Instance() as made:
        yield made


def up(instance: Instance, *before: str, **environment: str) -> subprocess.Popen[str]:
    """``rempart up``, behind another command and in another environment if need be."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "rempart", "up", "--config", str(instance.config_file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and words of a command that is expected to end."""
    words, _ = process.communicate(timeout=30)
    return process.returncode, words


def addresses(instance: Instance, name: str) -> list[str]:
    """What the name server answers; nothing while it does not."""
    query = dns.message.make_query(name, "A")
    try:
        answer = dns.query.udp(query, instance.ports.address, port=instance.ports.dns, timeout=1)
    except (OSError, dns.exception.DNSException):
        return []
    return [item.to_text() for rrset in answer.answer for item in rrset]


def test_a_taken_port_is_named_with_its_holder(instance: Instance) -> None:
    with socket.socket() as taken:
        taken.bind((instance.ports.address, instance.ports.http))
        taken.listen()
        status, words = ended(up(instance))
    assert status == 3
    me = psutil.Process()
    assert f"127.0.0.1:{instance.ports.http}/tcp is taken by {me.name()} (pid {me.pid})" in words
    assert "edge.http_port" in words
    assert not read_parts(instance.configuration.paths), "nothing was started"


def test_a_taken_dns_port_counts_for_udp_too(instance: Instance) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind((instance.ports.address, instance.ports.dns))
        status, words = ended(up(instance))
    assert status == 3
    assert f"127.0.0.1:{instance.ports.dns}/udp is taken by" in words


def test_an_unknown_key_is_named_with_its_file(instance: Instance) -> None:
    instance.config_file.write_text(instance.config_file.read_text().replace("http_port", "htp_port"))
    status, words = ended(up(instance))
    assert status == 2
    assert "edge.htp_port" in words
    assert str(instance.config_file) in words
    assert "did you mean http_port?" in words


def test_it_says_once_that_it_is_ready_and_where(instance: Instance) -> None:
    instance.start()
    eventually(lambda: '"ready"' in instance.up_log(), seconds=30)
    said = [json.loads(line) for line in instance.up_log().splitlines() if '"ready"' in line]
    ports = instance.ports
    assert [one["http"] for one in said] == [[f"{ports.address} {ports.http}"]]
    assert said[0]["dns"] == [f"{ports.address} {ports.dns}"]
    assert said[0]["api"] == f"127.0.0.1 {ports.api}"
    assert "packet shield" in said[0]["off"]
    assert addresses(instance, "nobody.example") == []
    with socket.create_connection((ports.address, ports.https), timeout=5):
        pass


def test_start_second_start_and_end(instance: Instance) -> None:
    instance.start()
    paths = instance.configuration.paths
    processes = [psutil.Process(part.pid) for part in read_parts(paths)]
    assert len(processes) == len(NEEDED)

    status, words = ended(up(instance))
    assert status == 3
    assert f"running already on {paths.root} (supervisor pid {supervisor_pid(paths)})" in words
    assert all(process.is_running() for process in processes)

    family = [*processes, *(child for one in processes for child in one.children(recursive=True))]
    assert instance.stop() == 0
    psutil.wait_procs(family, timeout=10)
    assert not any(one.is_running() for one in family)


def test_the_engines_start_from_the_last_good_items_when_the_controller_cannot(instance: Instance) -> None:
    instance.start()
    instance.cli("zone", "add", "example.org")
    instance.cli("record", "add", "example.org", "www", "A", "192.0.2.7")
    assert addresses(instance, "www.example.org") == ["192.0.2.7"]
    assert instance.stop() == 0

    paths = instance.configuration.paths
    paths.store.write_bytes(b"not a database at all" * 1000)
    # Neither does knotd find anything but what the node brings it.
    shutil.rmtree(paths.knot_db)
    with up(instance) as process:
        try:
            eventually(lambda: addresses(instance, "www.example.org") == ["192.0.2.7"], seconds=30)
            eventually(
                lambda: (part := read_part(paths, "controller")) is not None and part.starts > 1, seconds=30
            )
            assert {part.name for part in read_parts(paths) if part.up} >= {"node", "knot", "haproxy"}
        finally:
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_pid_file_that_names_a_living_stranger_does_not_keep_knotd_down(instance: Instance) -> None:
    """knotd refuses to start while a process that it could signal has the number in its pid file."""
    instance.start()
    left = pid_file(instance.configuration)
    user = instance.configuration.users.knot if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "600"], user=user, cwd="/") as stranger:
        try:
            left.write_text(str(stranger.pid))
            os.kill(instance.pid("knot"), signal.SIGKILL)
            eventually(lambda: "knotd" in _running(left), seconds=30)
            eventually(lambda: instance.cli("status", check=False).returncode == 0, seconds=30)
            record = read_part(instance.configuration.paths, "knot")
            assert record is not None
            assert record.starts == 2

            # As after a power cut: nothing runs, the file stays, the number is somebody else's.
            instance.kill_supervisor()
            instance.kill_all()
            left.write_text(str(stranger.pid))
            instance.start()
            assert _running(left) == "knotd"
        finally:
            stranger.kill()


def _running(file: Path) -> str:
    """The name of the process that a pid file names; empty when there is none."""
    try:
        return psutil.Process(int(file.read_text())).name()
    except (OSError, ValueError, psutil.Error):
        return ""


def test_another_port_in_the_settings_holds_from_the_next_start(instance: Instance) -> None:
    instance.start()
    assert instance.stop() == 0
    before, after = instance.ports.http, free_port()
    text = instance.config_file.read_text().replace(f"http_port = {before}", f"http_port = {after}")
    instance.config_file.write_text(text)
    instance.start()
    with socket.create_connection(("127.0.0.1", after), timeout=5):
        pass
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", before), timeout=5):  # noqa: PT011
        pass


# --- as root -----------------------------------------------------------------------------------------


@as_root
@pytest.mark.root
def test_every_part_has_a_user_of_its_own_and_no_way_back(instance: Instance) -> None:
    instance.start()
    users = instance.configuration.users
    # The engines may bind ports below 1024, and that is all: a reload and a restart do not change it.
    expected = {
        "controller": (users.controller, "0000000000000000"),
        "node": (users.node, "0000000000000000"),
        "gate": (users.gate, "0000000000000000"),
        # HAProxy's runtime socket is the node's: who may write to it may do anything to HAProxy.
        "defence": (users.node, "0000000000000000"),
        "haproxy": (users.haproxy, "0000000000000400"),
        "knot": (users.knot, "0000000000000400"),
    }
    for round_ in ("first start", "after a restart"):
        for part, (user, capabilities) in expected.items():
            leader = psutil.Process(instance.pid(part))
            for process in (leader, *leader.children(recursive=True)):
                where = f"{part} {round_}"
                assert process.username() == user, where
                assert set(process.uids()) == {process.uids().real}, where
                assert 0 not in (*process.gids(), *_groups(process.pid)), f"{where} has root's group"
                status = _status(process.pid)
                sets = {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
                assert sets == {capabilities}, where
                assert status["NoNewPrivs"] == "1", where
        for part in ("haproxy", "knot"):
            before = instance.pid(part)
            os.kill(before, signal.SIGKILL)
            _restarted(instance, part, before)
        eventually(lambda: instance.cli("status", check=False).returncode == 0, seconds=30)


def _restarted(instance: Instance, part: str, before: int) -> None:
    """Return once another process of the part is on record."""

    def look() -> bool:
        record = read_part(instance.configuration.paths, part)
        return record is not None and record.pid not in (None, before)

    eventually(look)


@as_root
@pytest.mark.root
def test_engines_that_an_older_version_left_running_as_root_are_replaced(instance: Instance) -> None:
    """With the state folder as it was then: sockets given away by root, files for the node alone."""
    instance.start()
    instance.cli("zone", "add", "example.org")
    instance.cli("record", "add", "example.org", "www", "A", "192.0.2.7")
    paths, users = instance.configuration.paths, instance.configuration.users
    assert instance.stop() == 0
    node = pwd.getpwnam(users.node)
    for path in (paths.haproxy, *paths.haproxy.rglob("*")):
        os.chown(path, node.pw_uid, node.pw_gid)
        path.chmod(0o700 if path.is_dir() else 0o600)
    sockets = paths.haproxy_socket.parent
    os.chown(sockets, 0, pwd.getpwnam(users.haproxy).pw_gid)
    sockets.chmod(0o750)
    (paths.knot_db / "left-by-root").touch(mode=0o600)
    text = paths.haproxy_config.read_text()
    given = f" user {users.node} group {users.node}\n    user {users.haproxy}\n    group {users.haproxy}\n"
    old = text.replace("expose-fd listeners\n", f"expose-fd listeners{given}")
    assert old != text
    paths.haproxy_config.write_text(old)
    for left in (paths.haproxy_socket, paths.haproxy_master_socket):
        left.unlink(missing_ok=True)
    socket_words = f"{paths.haproxy_master_socket},mode,660,user,{users.node},group,{users.node}"
    environment = {STATE_VARIABLE: str(paths.root), PART_VARIABLE: "haproxy", "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        ["haproxy", "-W", "-S", socket_words, "-f", str(paths.haproxy_config)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as root_haproxy:
        try:
            eventually(paths.haproxy_socket.exists)
            assert paths.haproxy_socket.stat().st_uid == node.pw_uid
            instance.launch()
            eventually(lambda: instance.cli("status", check=False).returncode == 0, seconds=30)
            eventually(lambda: root_haproxy.poll() is not None)
            eventually(lambda: instance.cli("status", check=False).returncode == 0, seconds=30)
        finally:
            root_haproxy.kill()
    assert is_confined(instance.pid("haproxy"), pwd.getpwnam(users.haproxy).pw_uid)
    assert addresses(instance, "www.example.org") == ["192.0.2.7"]
    assert (paths.knot_db / "left-by-root").owner() == users.knot
    with socket.create_connection((instance.ports.address, instance.ports.https), timeout=5):
        pass


@as_root
@pytest.mark.root
def test_the_node_may_use_the_feed_and_neither_the_admin_socket_nor_the_keys(instance: Instance) -> None:
    instance.start()
    paths = instance.configuration.paths

    def as_node(code: str) -> str:
        done = subprocess.run(
            ["runuser", "-u", instance.configuration.users.node, "--", "/usr/bin/python3", "-c", code],
            capture_output=True,
            text=True,
            timeout=30,
            cwd="/",
        )
        return done.stdout + done.stderr

    connect = "import socket; socket.socket(socket.AF_UNIX).connect({!r}); print('connected')"
    assert as_node(connect.format(str(paths.feed_socket))) == "connected\n"
    assert "PermissionError" in as_node(connect.format(str(paths.admin_socket)))
    for secret in (paths.controller / "feed.key", paths.store, paths.run / "configuration.json"):
        assert "PermissionError" in as_node(f"open({str(secret)!r})"), secret


@as_root
@pytest.mark.root
def test_root_touches_nothing_that_the_controllers_user_puts_in_its_folder(instance: Instance) -> None:
    """The controller ends and is started again by root at the will of whoever has taken it over."""
    instance.start()
    paths = instance.configuration.paths
    precious = instance.folder / "precious"
    precious.write_bytes(b"")
    precious.chmod(0o644)
    for name in ("store.sqlite", "store.sqlite-wal", "store.sqlite-shm"):
        (paths.controller / name).unlink(missing_ok=True)
        (paths.controller / name).symlink_to(precious)
    os.kill(instance.pid("controller"), signal.SIGKILL)
    eventually(lambda: (part := read_part(paths, "controller")) is not None and part.starts > 2, seconds=30)
    found = precious.stat()
    assert (found.st_uid, found.st_size, found.st_mode & 0o777) == (0, 0, 0o644)


@as_root
@pytest.mark.root
def test_it_works_from_a_folder_that_only_root_can_enter(instance: Instance) -> None:
    """Everything that is imported, ours and the libraries', lies under a folder with mode 700."""
    private = instance.folder / "private"
    private.mkdir(mode=0o700)
    folders = []
    # A mount namespace of the test's own, so that nothing needs to be copied.
    script = ["set -e", "mount --make-rprivate / 2>/dev/null || true"]
    # Whatever is mounted below stays in the namespace: this mount is private in any case.
    script += [f"mount --bind {private} {private}", f"mount --make-private {private}"]
    for number, source in enumerate((_source(), *_site_packages())):
        target = private / str(number)
        target.mkdir()
        folders.append(str(target))
        script.append(f"mount --bind {source} {target}")
    # A command without a controller, too.
    script.append(f"/usr/bin/python3 -P -m rempart --config {instance.config_file} zone add offline.example")
    script.append('exec "$@"')
    process = subprocess.Popen(
        [
            "unshare",
            "--mount",
            # In a chroot whose root is no mount point this cannot be changed.
            "--propagation",
            "unchanged",
            "bash",
            "-c",
            "\n".join(script),
            "bash",
            "/usr/bin/python3",
            "-P",
            "-m",
            "rempart",
            "up",
            "--config",
            str(instance.config_file),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        cwd="/",
    )
    try:
        eventually(lambda: instance.cli("status", check=False).returncode == 0, seconds=40)
        node = (instance.state / "log" / "node.log").read_text()
        assert "fault" not in node
        assert "offline.example" in instance.cli("zone", "list").stdout
        instance.cli("zone", "add", "example.org")
        done = instance.json("site", "add", "www.example.org", "--origin", "http://127.0.0.1:9")
        assert "live" in json.dumps(done)
        assert addresses(instance, "www.example.org") == ["127.0.0.1"]
        records = {part.name: part for part in read_parts(instance.configuration.paths)}
        assert records["controller"].starts == records["node"].starts == 1
        assert instance.configuration.users.node == psutil.Process(records["node"].pid).username()
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


@as_root
@pytest.mark.root
def test_it_works_without_root_and_says_what_is_off(instance: Instance) -> None:
    shutil.chown(instance.folder, "nobody", "nogroup")
    unprivileged = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
    with up(instance, *unprivileged, HOME=str(instance.folder)) as process:
        try:
            paths = instance.configuration.paths
            eventually(
                lambda: len([part for part in read_parts(paths) if part.up]) == len(NEEDED), seconds=30
            )
            eventually(lambda: instance.cli("status", check=False).returncode == 0, seconds=30)
            names = {psutil.Process(part.pid).username() for part in read_parts(paths)}
            assert names == {"nobody"}
            instance.cli("zone", "add", "example.org")
            instance.cli("record", "add", "example.org", "www", "A", "192.0.2.7")
            assert addresses(instance, "www.example.org") == ["192.0.2.7"]
        finally:
            process.send_signal(signal.SIGINT)
            words, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "separate users" in words
    assert "well-known ports" in words
    assert "packet shield" in words


def _source() -> Path:
    return Path(rempart.__file__).parents[1]


def _site_packages() -> list[Path]:
    return [Path(entry) for entry in sys.path if entry.endswith("site-packages") and Path(entry).is_dir()]


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _groups(pid: int) -> tuple[int, ...]:
    return tuple(int(number) for number in _status(pid)["Groups"].split())
