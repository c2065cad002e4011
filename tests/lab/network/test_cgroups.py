"""Which control groups a machine has, and what is written into them."""

from __future__ import annotations

from pathlib import Path

from rempart.lab.network.cgroups import PERIOD_US, Group, Hierarchies, folders, hierarchies, settings
from rempart.lab.network.world import CpuCap

V1 = """cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0
cgroup /sys/fs/cgroup/cpuacct cgroup rw,cpuacct 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
JOINT = "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"


def test_version_one_apart_and_joint() -> None:
    found = hierarchies(V1, "")
    assert set(found.v1) == {"cpu", "cpuacct", "cpuset"}
    assert found.v2 is None
    assert folders("run", hierarchies(JOINT, "")) == (Path("/sys/fs/cgroup/cpu,cpuacct/run"),)


def test_version_two_counts_only_with_its_controllers() -> None:
    assert hierarchies(V2, "cpuset cpu io memory").v2 == Path("/sys/fs/cgroup")
    assert hierarchies(V2, "memory").v2 is None
    assert "nothing is capped" in hierarchies(V2, "memory").words


def test_a_cap_is_a_quota_of_each_period() -> None:
    cap = CpuCap(share=0.5, cores=(0,), weight=2048)
    one = settings(cap, hierarchies(V1, ""))
    assert one["cpu"] == {
        "cpu.shares": "2048",
        "cpu.cfs_period_us": str(PERIOD_US),
        "cpu.cfs_quota_us": str(PERIOD_US // 2),
    }
    assert one["cpuset"] == {"cpuset.cpus": "0"}
    two = settings(cap, hierarchies(V2, "cpu cpuset"))["v2"]
    assert two == {"cpu.weight": "200", "cpu.max": f"{PERIOD_US // 2} {PERIOD_US}", "cpuset.cpus": "0"}


def test_without_a_cap_there_is_no_quota() -> None:
    assert "cpu.cfs_quota_us" not in settings(CpuCap(), hierarchies(V1, ""))["cpu"]
    assert settings(CpuCap(), hierarchies(V2, "cpu cpuset"))["v2"]["cpu.max"].startswith("max ")


def test_a_quota_is_lifted_and_put_back(tmp_path: Path) -> None:
    """In folders that stand for a hierarchy: what the kernel would be told, file by file."""
    (tmp_path / "cgroup.subtree_control").touch()
    group = Group("run", "edge", CpuCap(share=0.5), Hierarchies(v1={}, v2=tmp_path))
    quota = tmp_path / "run" / "edge" / "cpu.max"
    assert quota.read_text() == f"{PERIOD_US // 2} {PERIOD_US}"
    with group.lifted():
        assert quota.read_text() == f"max {PERIOD_US}"
    assert quota.read_text() == f"{PERIOD_US // 2} {PERIOD_US}"
    free = Group("run", "origin", CpuCap(), Hierarchies(v1={}, v2=tmp_path))
    with free.lifted():
        assert (tmp_path / "run" / "origin" / "cpu.max").read_text() == f"max {PERIOD_US}"
