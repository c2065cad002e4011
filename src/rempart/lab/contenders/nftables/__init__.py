"""nftables: the kernel's packet filter before a plain nginx."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.lab.contenders.writing import filled, lacking, nginx, scene_values, versions_of
from rempart.lab.network.inside import inside, set_sysctls
from rempart.model.errors import RempartError

LOOSE = "netfilter/nf_conntrack_tcp_loose"
LARGEST_SHIFT = 14
"""RFC 7323, section 2.3."""


@contextlib.contextmanager
def start(scene: EdgeScene) -> Iterator[Standing]:
    shift = inside(scene.place.namespace, window_shift_here)
    values = {**scene_values(scene), "INTERFACE": scene.interface, "WSCALE": shift}
    rules = scene.folder / "nftables.conf"
    rules.write_text(filled("nftables", "nftables.conf", values))
    with nginx(scene, "none"):
        try:
            _nft(scene, "-f", str(rules))
            # Otherwise the kernel takes a handshake's last packet for a connection that it has missed.
            set_sysctls(scene.place.namespace, {LOOSE: "0"})
            yield Standing(authority=scene.authority)
        finally:
            set_sysctls(scene.place.namespace, {LOOSE: "1"})
            _nft(scene, "flush", "ruleset")


def _nft(scene: EdgeScene, *words: str) -> None:
    argv = scene.place.command(["nft", *words])
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RempartError(f"nft {' '.join(words)}: {done.stderr.strip()}")


def window_shift_here() -> int:
    """The window shift that listeners of this namespace announce: synproxy has to say the same."""
    most = int(Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()[2])
    # Of the machine, and not to be seen in every namespace.
    core = Path("/proc/sys/net/core/rmem_max")
    return window_shift(most, int(core.read_text()) if core.exists() else 0)


def window_shift(tcp_rmem_most: int, rmem_max: int) -> int:
    """As Linux chooses it (``tcp_select_initial_window``) from the two limits, in octets."""
    return min(LARGEST_SHIFT, max(0, max(tcp_rmem_most, rmem_max).bit_length() - 1 - 15))


NFTABLES = Contender(
    name="nftables",
    summary="the packet filter with synproxy and limits for each address, and nginx without limits",
    lacks=lacking(("nginx", "nginx-light"), ("nft", "nftables")),
    start=start,
    versions=versions_of(("nft", "--version"), ("nginx", "-v")),
)
