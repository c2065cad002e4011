"""``rempart up``: checks this machine, then supervises all parts until it is told to end."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

import rempart
from rempart.cli.session import Session, pass_session
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks

if TYPE_CHECKING:
    from rempart.node.supervisor import PartCommand

ENGINE_PROGRAMS = (("haproxy", "haproxy"), ("knotd", "knot"), ("setpriv", "util-linux"))
"""(program, Debian package)."""


@click.command()
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file; the same as before the command.",
)
@pass_session
def up(session: Session, config_file: Path | None) -> None:
    """Start everything and watch over it, in the foreground.

    As root on the well-known ports with a user for each part, otherwise on high ports. SIGTERM or Ctrl-C
    lets visitors finish first; a second one does not. SIGUSR2 ends the supervisor alone: all parts go on,
    and the next `rempart up` takes them over without a gap.
    """
    from rempart.cli.readiness import announce
    from rempart.node import logs, settings, state_folders
    from rempart.node.parts import SHIELD, supervisor_pid, take_lock
    from rempart.node.ports import check_ports
    from rempart.node.shield import preflight, shutting
    from rempart.node.shield.state import NAME, STARTING, off_state, write_state
    from rempart.node.supervisor import Supervisor, still_running

    configuration = settings.read_configuration(config_file) if config_file else session.configuration
    is_root = os.geteuid() == 0
    logs.configure()
    _check_programs()
    configuration, narrowed = settings.within_limits(
        configuration, _open_files(settings.files_wanted(configuration))
    )
    off = (*settings.what_is_off(configuration, is_root=is_root), *((narrowed,) if narrowed else ()))
    shield = preflight.planned(configuration, is_root=is_root)
    if not shield.start:
        off = (f"{NAME}: {shield.reason}", *off)
    owners = state_folders.prepare(configuration, is_root=is_root)
    paths = configuration.paths
    lock = take_lock(paths)
    if lock is None:
        pid = supervisor_pid(paths)
        raise EnvironmentLacks(
            "state folder",
            f"Rempart is running already on {paths.root}" + (f" (supervisor pid {pid})" if pid else ""),
            hint="rempart status shows its parts",
        )
    try:
        running = still_running(paths)
        check_ports(configuration, running)
        if not shield.start:
            shutting.end(configuration, is_root=is_root)
            write_state(paths.shield_state, off_state(shield.reason, wanted=shield.wanted))
        elif SHIELD not in running:
            write_state(paths.shield_state, off_state(STARTING, wanted=True))
        state_folders.prepare_keys(paths, owners)
        state_folders.prepare_cookie_key(paths, owners, now=time.time(), is_running=bool(running))
        resolved = settings.Resolved(configuration=configuration, off=off)
        file = paths.run / "configuration.json"
        state_folders.write_private(file, resolved.model_dump_json().encode())
        commands = part_commands(configuration, file, is_root=is_root, shield=shield.start)
        for line in summary(configuration, off, shield.interfaces):
            click.echo(line)
        sys.stdout.flush()
        os.chdir("/")
        announce(configuration, off, click.echo if sys.stdout.isatty() else _nobody)
        Supervisor(configuration, commands).run()
    finally:
        os.close(lock)


def part_commands(
    configuration: Configuration, file: Path, *, is_root: bool, shield: bool = False
) -> Mapping[str, PartCommand]:
    """How each part is started. ``file``: the complete configuration. ``shield``: whether it can run here."""
    from rempart.node.engines import engine_commands
    from rempart.node.parts import CONTROLLER, DEFENCE, GATE, NODE, SHIELD
    from rempart.node.search_path import closed_folders
    from rempart.node.supervisor import PartCommand
    from rempart.node.versions import version_for

    ours = version_for(configuration)
    folders = closed_folders() if is_root else ()
    # -P: whatever lies in the folder that the command was given in is not imported.
    service = (sys.executable, "-P", "-m", "rempart", "service")
    first = (
        {SHIELD: PartCommand((*service, "shield", str(file)), ours, search_path=folders)} if shield else {}
    )
    return {
        **first,
        CONTROLLER: PartCommand((*service, "controller", str(file)), ours, search_path=folders),
        GATE: PartCommand(
            (*service, "gate", str(file)), ours, configuration.paths.gate_keys, search_path=folders
        ),
        NODE: PartCommand((*service, "node", str(file)), ours, search_path=folders),
        DEFENCE: PartCommand((*service, "defence", str(file)), ours, search_path=folders),
        **engine_commands(configuration, is_root=is_root),
    }


def summary(
    configuration: Configuration, off: tuple[str, ...], guarded: tuple[str, ...] = ()
) -> Iterator[str]:
    """What listens where and what is off, for people. ``guarded``: the packet shield's interfaces."""
    edge, dns, admin, api = configuration.edge, configuration.dns, configuration.admin, configuration.api
    console = configuration.console
    rows = (
        ("HTTP", _places(edge.listen, edge.http_port)),
        ("HTTPS", _places(edge.listen, edge.https_port)),
        ("DNS", _places(dns.listen, dns.port)),
        ("API", f"http://{_place(api.listen, api.port)}/client/v4"),
        *(() if console.port is None else (("pages", f"http://{_place(console.listen, console.port)}/"),)),
        ("metrics", f"http://{_place(admin.listen, admin.port)}/metrics"),
        ("state", str(configuration.paths.root)),
        ("answers", f"proxied names answer with {', '.join(edge.addresses)}"),
    )
    yield f"Rempart {rempart.__version__}"
    for name, where in rows:
        yield f"  {name:<8} {where}"
    if guarded:
        yield f"  {'shield':<8} packets are looked at on {', '.join(guarded)}"
    for words in off:
        yield f"  {'off':<8} {words}"


def _nobody(_: str) -> None:
    """Who reads the log needs no second line."""


def _open_files(wanted: int) -> int:
    """How many files a part may open, raised to ``wanted`` where that is allowed; parts inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    for limit in (max(wanted, hard), hard):
        if limit == resource.RLIM_INFINITY:
            continue
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
    return soft


def _check_programs() -> None:
    from rempart.node.processes import programs_missing

    for program, package in programs_missing(ENGINE_PROGRAMS):
        raise EnvironmentLacks(
            program, f"{program} is not installed", hint=f"apt install {package}, or bin/setup"
        )


def _places(addresses: tuple[str, ...], port: int) -> str:
    return ", ".join(_place(address, port) for address in addresses)


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
