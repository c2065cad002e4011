"""What the machine may lack, each with a name and what to do."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from ipaddress import ip_network
from pathlib import Path

import pytest

from rempart.engines.shield import bpffs, layout, loader, refusals, tables
from rempart.engines.shield.layout import Flag, Meter, Served
from rempart.engines.shield.libbpf import Map, MapType
from rempart.engines.shield.loader import Shield
from rempart.engines.shield.refusals import BpfFailed
from rempart.model.errors import EnvironmentLacks, InvalidInput
from rempart.model.shield import ShieldOrders
from tests.engines.shield.objects import binary

LOAD = """
import sys
from pathlib import Path
from rempart.engines.shield import loader
from rempart.model.errors import EnvironmentLacks
try:
    {0}
except EnvironmentLacks as error:
    print(error.what, error, sep="|")
"""
SOURCE = Path(loader.__file__).parents[3]


def _said(action: str, *, user: str | None = None, before: tuple[str, ...] = ()) -> tuple[str, str]:
    answer = subprocess.run(
        [*before, sys.executable, "-c", LOAD.format(action)],
        capture_output=True,
        text=True,
        user=user,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        cwd="/",
    )
    what, _, message = answer.stdout.strip().partition("|")
    assert message, answer.stderr
    return what, message


def test_without_libbpf_its_package_is_named(tmp_path: Path) -> None:
    """The loader finds a file of the library's name first, that is none."""
    (tmp_path / "libbpf.so.1").write_bytes(b"no library")
    action = "loader.load(loader.compiled(), None)"
    what, message = _said(action, before=("env", f"LD_LIBRARY_PATH={tmp_path}"))
    assert what == "libbpf1"
    assert "apt-get install libbpf1" in message


def test_an_older_libbpf_is_told(tmp_path: Path) -> None:
    subprocess.run(
        ["clang", "-shared", "-x", "c", "-", "-o", str(tmp_path / "libbpf.so.1")], input=b"int x;", check=True
    )
    what, message = _said(
        "loader.load(loader.compiled(), None)", before=("env", f"LD_LIBRARY_PATH={tmp_path}")
    )
    assert what == "libbpf1"
    assert "too old" in message


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_without_privileges_they_are_named() -> None:
    readable = os.access(SOURCE, os.R_OK) and pwd.getpwnam("nobody").pw_uid
    assert readable
    what, message = _said("loader.load(loader.compiled(), None)", user="nobody")
    assert what == "CAP_BPF"
    assert "run as root, or with CAP_BPF" in message


@pytest.mark.root
def test_a_kernel_that_has_not_what_is_needed_is_told() -> None:
    """A program that calls a helper which no kernel has for XDP."""
    source = """
    #include "kernel.h"
    SEC("xdp") int shield(struct xdp_md *ctx) { return bpf_get_retval(); }
    char _license[] SEC("license") = "GPL";
    """
    with pytest.raises(EnvironmentLacks, match="helper bpf_get_retval#186") as caught:
        loader.load(binary(source), None)
    assert caught.value.what == "kernel"
    assert refusals.MINIMUM_KERNEL in str(caught.value)


def test_where_nothing_can_be_pinned_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="no bpf file system") as caught:
        bpffs.prepare(tmp_path / "name")
    assert caught.value.what == "bpffs"


@pytest.mark.root
def test_a_file_system_is_mounted_where_there_is_none() -> None:
    """In a mount namespace of its own, with what is mounted taken away."""
    action = """subprocess = __import__("subprocess")
    subprocess.run(["umount", "-l", "/sys/fs/bpf"], check=True)
    assert "/sys/fs/bpf " not in Path("/proc/self/mountinfo").read_text()
    loader.load(loader.compiled(), Path("/sys/fs/bpf/rempart/test")).remove()
    raise EnvironmentLacks("nothing", "all is well")"""
    said = _said(action, before=("unshare", "--mount", "--propagation=private"))
    assert said == ("nothing", "all is well")


@pytest.mark.root
def test_a_folder_can_be_another_user_s(pins: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    bpffs.prepare(pins, (nobody.pw_uid, nobody.pw_gid))
    assert pins.stat().st_uid == nobody.pw_uid
    script = f"import os; os.mkdir('{pins}/mine'); os.rmdir('{pins}/mine')"
    subprocess.run([sys.executable, "-c", script], user="nobody", check=True)


@pytest.mark.root
def test_services_become_what_is_said(shield: Shield) -> None:
    udp53 = layout.UDP_SERVICES + 53
    served = {80: Served.SERVED, 443: Served.SERVED, udp53: Served.SERVED | Served.DNS}
    assert [tables.serve(shield, served) for _ in range(2)] == [3, 0]
    assert tables.serve(shield, {443: Served.SERVED, 8080: 1}) == 3
    found = [shield.maps["services"].lookup(index.to_bytes(4, "little")) for index in (80, 443, 8080, udp53)]
    assert [one and one[0] for one in found] == [0, 1, 1, 0]
    with pytest.raises(InvalidInput):
        tables.serve(shield, {layout.SERVICES: 1})


@pytest.mark.root
def test_martians_and_addresses_become_what_is_said(shield: Shield) -> None:
    first = {ip_network("10.0.0.0/8"): True, ip_network("10.1.0.0/16"): False, ip_network("fc00::/7"): True}
    assert tables.martians(shield, first) == 3
    assert tables.martians(shield, first) == 0
    assert tables.martians(shield, {ip_network("10.0.0.0/8"): False}) == 3
    assert list(shield.maps["martians4"].keys()) == [layout.prefix_key(ip_network("10.0.0.0/8"))]
    addresses = [ip_network(f"10.0.{index}.1").network_address for index in range(20)]
    assert tables.own(shield, addresses) == 20
    assert tables.own(shield, addresses[5:]) == 5
    with pytest.raises(InvalidInput, match="4096 fit"):
        tables.own(shield, [ip_network(index).network_address for index in range(5_000)])


@pytest.mark.root
def test_the_meters_can_be_read(shield: Shield) -> None:
    assert tables.meter(shield, Meter.SYN) == (False, 0)


@pytest.mark.root
def test_the_time_of_day_follows_the_clock(shield: Shield, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.configure(shield, ShieldOrders())
    assert not tables.keep_time(shield)
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600 * 10**9)
    assert tables.keep_time(shield)
    assert not tables.keep_time(shield)
    assert tables.flags(shield) & Flag.ON


@pytest.mark.root
def test_a_map_that_is_full_says_so() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Map.create(MapType.HASH, "small", 4, 4, 2) as small:
        small.update(b"aaaa", bytes(4))
        small.update(b"bbbb", bytes(4))
        with pytest.raises(BpfFailed, match="the map is full"):
            small.update(b"cccc", bytes(4))
        with pytest.raises(ValueError, match="3 bytes given where 4 are meant"):
            small.lookup(b"abc")
