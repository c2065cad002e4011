"""Whether the packet shield can run here, before anything is started, and why not. The rim.

Where it stands: ``rempart up`` asks. What only the kernel can tell (whether it takes the program, whether a
driver can do XDP) the part finds out itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError
from rempart.node import privileges
from rempart.node.shield import choosing, network

CAPABILITIES = (privileges.CAP_NET_ADMIN, privileges.CAP_BPF)
"""What the part keeps when it leaves root: to read and write tables (CAP_BPF), to attach and to set the
network's sysctls (CAP_NET_ADMIN). Loading needs CAP_PERFMON too (the program subtracts packet pointers),
which could read all of the kernel's memory: so it is done before."""
_TO_LOAD = {
    privileges.CAP_NET_ADMIN: "CAP_NET_ADMIN",
    privileges.CAP_PERFMON: "CAP_PERFMON",
    privileges.CAP_BPF: "CAP_BPF",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """What ``rempart up`` does about the shield."""

    start: bool
    reason: str = ""
    """Why it is not started."""
    wanted: bool = False
    """Whether not to have it is a fault."""
    interfaces: tuple[str, ...] = ()


def planned(configuration: Configuration, *, is_root: bool) -> Planned:
    """Whether to start it, with everything that is known before."""
    section = configuration.shield
    demanded = section.enabled is True
    if section.enabled is False:
        return Planned(False, "switched off by shield.enabled = false")
    if not is_root:
        return Planned(False, "not started as root, so no packet can be looked at", demanded)
    lacking = [name for one, name in _TO_LOAD.items() if not privileges.capabilities() >> one & 1]
    if lacking:
        return Planned(False, f"this machine or container does not give {' and '.join(lacking)}", demanded)
    try:
        privileges.user_id(configuration.users.shield)
        interfaces = choosing.guarded(configuration, network.look())
        _loadable()
    except RempartError as error:
        return Planned(False, str(error), demanded)
    if not interfaces:
        return Planned(False, choosing.nothing_to_guard(configuration), demanded)
    return Planned(True, wanted=True, interfaces=interfaces)


def _loadable() -> None:
    """Raises EnvironmentLacks when the library or the compiled program is missing."""
    from rempart.engines.shield.libbpf import library
    from rempart.node.shield.kernel import program_bytes

    library()
    program_bytes()
