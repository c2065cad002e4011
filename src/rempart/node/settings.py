"""The operator's one TOML file, read into a Configuration; what it leaves out is filled from this machine.

Where it stands: the command line and ``rempart up`` call ``read_configuration`` and nothing else, so both
see the same values. As root the well-known ports and /var/lib are the defaults, without root high ports
and the user's own state folder (XDG Base Directory Specification).
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from rempart.engines.haproxy.boot import descriptors_needed
from rempart.model.base import Value
from rempart.model.configuration import UNIX_SOCKET_PATH_MAX, Configuration
from rempart.model.errors import EnvironmentLacks, InvalidInput
from rempart.model.validation import in_words

SYSTEM_FILE = Path("/etc/rempart/rempart.toml")
SYSTEM_STATE = Path("/var/lib/rempart")
CONNECTIONS_MIN = 100
HIGH_PORTS: Mapping[str, Mapping[str, int]] = {
    "edge": {"http_port": 8080, "https_port": 8443},
    "dns": {"port": 8053},
}


class Resolved(Value):
    """The configuration complete with everything found on this machine: what services are started with."""

    configuration: Configuration
    off: tuple[str, ...] = ()
    """Protections that do not run here, each with its reason."""


def read_configuration(path: Path | None = None, *, is_root: bool | None = None) -> Configuration:
    """The configuration in ``path``, complete with this machine's defaults.

    Without ``path`` the usual file is read when it exists: ``/etc/rempart/rempart.toml`` as root,
    ``$XDG_CONFIG_HOME/rempart/rempart.toml`` otherwise.

    Raises InvalidInput naming key and file for anything that is not right in the file, EnvironmentLacks
    when a file that was asked for cannot be read.
    """
    is_root = os.geteuid() == 0 if is_root is None else is_root
    asked_for = path is not None
    path = path or (SYSTEM_FILE if is_root else _xdg("XDG_CONFIG_HOME", ".config") / "rempart.toml")
    given: dict[str, Any] = {}
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if asked_for:
            raise EnvironmentLacks(str(path), f"there is no configuration file {path}") from error
    except OSError as error:
        raise EnvironmentLacks(str(path), f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"not TOML: {error}", field=str(path)) from error
    return configuration_from(given, source=str(path), is_root=is_root)


def default_configuration(*, is_root: bool | None = None) -> Configuration:
    """What holds on this machine when no file says otherwise."""
    is_root = os.geteuid() == 0 if is_root is None else is_root
    return configuration_from({}, source="defaults", is_root=is_root)


def configuration_from(given: Mapping[str, Any], *, source: str, is_root: bool) -> Configuration:
    """A parsed TOML document over this machine's defaults. InvalidInput names the key and ``source``."""
    filled = dict(given)
    filled.setdefault("state", str(SYSTEM_STATE if is_root else _xdg("XDG_STATE_HOME", ".local/state")))
    if not is_root:
        for section, ports in HIGH_PORTS.items():
            if isinstance(filled.get(section, {}), Mapping):
                filled[section] = {**ports, **filled.get(section, {})}
    try:
        configuration = Configuration.model_validate(filled)
    except ValidationError as error:
        raise _named(error, source) from error
    configuration = configuration.model_copy(update={"state": _absolute(configuration.state, source)})
    _check_socket_paths(configuration, source)
    return _with_own_addresses(configuration, given)


def what_is_off(configuration: Configuration, *, is_root: bool) -> tuple[str, ...]:
    """Protections and conveniences that do not run like this, each with its reason, for people. The packet
    shield says for itself whether it runs (``node/shield/state.py``)."""
    off = []
    if not is_root:
        off.append(
            "separate users: not started as root, so all parts run as you and can read each other's keys"
        )
        usual = {"HTTP": (configuration.edge.http_port, 80), "HTTPS": (configuration.edge.https_port, 443)}
        usual["DNS"] = (configuration.dns.port, 53)
        moved = [
            f"{name} on {port} instead of {known}" for name, (port, known) in usual.items() if port != known
        ]
        if moved:
            off.append(f"well-known ports: not started as root, {', '.join(moved)}")
    if configuration.dns.rate_limit == 0:
        off.append("DNS response rate limiting: switched off by dns.rate_limit = 0")
    return tuple(off)


def files_wanted(configuration: Configuration) -> int:
    """Open files that HAProxy is configured for."""
    edge = configuration.edge
    return descriptors_needed(edge.max_connections, edge.prepared_sites)


def within_limits(configuration: Configuration, open_files: int) -> tuple[Configuration, str | None]:
    """The configuration with as many connections as ``open_files`` allow, and words when that is fewer.

    Raises EnvironmentLacks when too few would be left.
    """
    if files_wanted(configuration) <= open_files:
        return configuration, None
    edge = configuration.edge
    connections = (open_files - descriptors_needed(0, edge.prepared_sites)) // 2
    if connections < CONNECTIONS_MIN:
        raise EnvironmentLacks(
            "open files",
            f"{files_wanted(configuration)} open files are needed, {open_files} are allowed",
            hint="raise the limit (ulimit -n, LimitNOFILE=), or lower edge.prepared_sites",
        )
    words = (
        f"full capacity: {connections} connections instead of {edge.max_connections}, "
        f"because only {open_files} files may be open (ulimit -n, LimitNOFILE=)"
    )
    narrowed = edge.model_copy(update={"max_connections": connections})
    return configuration.model_copy(update={"edge": narrowed}), words


def own_addresses() -> tuple[str, ...]:
    """The source addresses of the default routes, IPv4 first; ``127.0.0.1`` on a machine without any.

    Connecting a datagram socket asks the kernel for the route and sends nothing; the destinations are
    documentation addresses (RFC 5737, RFC 3849).
    """
    found = []
    for family, destination in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((destination, 53))
                address = ipaddress.ip_address(probe.getsockname()[0].partition("%")[0])
        except OSError:
            continue
        if not (address.is_link_local or address.is_unspecified):
            found.append(str(address))
    return tuple(found) or ("127.0.0.1",)


def has_ipv6() -> bool:
    """Whether this kernel can bind IPv6 sockets at all."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _with_own_addresses(configuration: Configuration, given: Mapping[str, Any]) -> Configuration:
    edge, dns = configuration.edge, configuration.dns
    if not has_ipv6():
        # Only the default is narrowed: an address somebody wrote down is either served or an error.
        if "listen" not in given.get("edge", {}):
            edge = edge.model_copy(update={"listen": _ipv4_of(edge.listen)})
        if "listen" not in given.get("dns", {}):
            dns = dns.model_copy(update={"listen": _ipv4_of(dns.listen)})
    if not edge.addresses:
        edge = edge.model_copy(update={"addresses": own_addresses()})
    return configuration.model_copy(update={"edge": edge, "dns": dns})


def _ipv4_of(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(address for address in addresses if ipaddress.ip_address(address).version == 4)


def _absolute(state: Path, source: str) -> Path:
    state = state.expanduser()
    if not state.is_absolute():
        raise InvalidInput(f"{state} is not an absolute path", field=f"state in {source}")
    return state


def _check_socket_paths(configuration: Configuration, source: str) -> None:
    paths = configuration.paths
    sockets = (
        paths.gate_socket,
        paths.admin_socket,
        paths.feed_socket,
        paths.haproxy_socket,
        paths.haproxy_master_socket,
    )
    longest = max((*sockets, paths.knot_socket), key=lambda socket_path: len(os.fsencode(socket_path)))
    length = len(os.fsencode(longest))
    # HAProxy binds its sockets under a temporary name first: PATH.PID.tmp.
    if length + len(".4194304.tmp") > UNIX_SOCKET_PATH_MAX:
        raise InvalidInput(
            f"{configuration.state} is too long a path: the socket {longest} would not fit into "
            f"{UNIX_SOCKET_PATH_MAX} bytes",
            field=f"state in {source}",
            hint="choose a state folder with a shorter path",
        )


def _named(error: ValidationError, source: str) -> InvalidInput:
    """The first thing wrong, as ``section.key in FILE: words``."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(first["loc"][-1]), _keys_at(first["loc"][:-1]), n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(_keys_at(first['loc'][:-1]))}"
        return InvalidInput("unknown key", field=f"{where} in {source}", hint=hint)
    return InvalidInput(in_words(first), field=f"{where} in {source}")


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Configuration
    for part in location:
        inner = model.model_fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _xdg(variable: str, fallback: str) -> Path:
    chosen = os.environ.get(variable, "")
    base = Path(chosen) if chosen.startswith("/") else Path.home() / fallback
    return base / "rempart"
