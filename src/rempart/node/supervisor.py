"""``rempart up``: starts the parts, adopts those that run, restarts those that die, drains them at the end.

Where it stands: the thin shell around ``supervision.step``. It owns no pipe to any part and answers nobody:
whatever happens to it, the parts go on, and the next supervisor finds them by their records in
``run/parts``. Children and adopted processes are watched in the same way, through pidfds.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import structlog

from rempart.model.configuration import Configuration, StatePaths
from rempart.model.errors import EnvironmentLacks
from rempart.node import processes, supervision
from rempart.node.confinement import is_confined
from rempart.node.logs import keep_bounded, last_lines
from rempart.node.parts import (
    CONTROLLER,
    DEFENCE,
    GATE,
    HAPROXY,
    KNOT,
    NODE,
    PARTS,
    SHIELD,
    PartState,
    read_part,
    write_part,
)
from rempart.node.processes import ProcessIdentity
from rempart.node.state_folders import read_plain
from rempart.node.supervision import PartRule, Phase, StopStep

BOOT_FILE_POLL_SECONDS = 0.1
OLD_BOOT_FILE_SECONDS = 10.0
LOG_CHECK_SECONDS = 5.0
HAPROXY_DRAIN_SECONDS = 25.0
"""What visitors get to finish what they have begun."""

_term, _kill, _usr1, _usr2 = signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1, signal.SIGUSR2
_last_words = (StopStep(_term, 5.0), StopStep(_kill, 2.0))
RULES = (
    # The order of draining: visitors first, then the answers that led them here, then those who steer.
    PartRule(HAPROXY, (StopStep(_usr1, HAPROXY_DRAIN_SECONDS), *_last_words), _last_words, False),
    PartRule(KNOT, (StopStep(_term, 10.0), StopStep(_kill, 2.0)), _last_words, False),
    PartRule(GATE, _last_words, _last_words, True),
    # SIGUSR2: what stands at the edge stays for the next process.
    PartRule(DEFENCE, _last_words, _last_words, True, (StopStep(_usr2, 5.0), StopStep(_kill, 2.0))),
    PartRule(NODE, _last_words, _last_words, True),
    PartRule(CONTROLLER, _last_words, _last_words, True),
    # What it guards is gone by now. SIGUSR2: the program goes on by itself until the next process takes it
    # over.
    PartRule(SHIELD, _last_words, _last_words, True, (StopStep(_usr2, 5.0), StopStep(_kill, 2.0))),
)


@dataclass(frozen=True, slots=True)
class PartCommand:
    """How a part is started."""

    command: Sequence[str]
    version: str
    """A running process of another version is outdated."""
    boot_file: Path | None = None
    """Must exist before the part can start."""
    search_path: tuple[Path, ...] = ()
    """Folders a Python part imports from when it could not get to them by itself."""
    mark: Path | None = None
    """Holds the version that the boot file was made for. While it is another one, the part waits a little
    for the node to write the file anew, but starts from the old one rather than not at all."""
    stale: tuple[Path, ...] = ()
    """What a dead process of the part may have left and a new one would stumble over: pid files, sockets. It
    is never believed: Start is only given for a part that is gone, so these are removed unread."""
    confined_to: int | None = None
    """The user number that the part is started as, without root (see ``confinement.py``). One that runs with
    more than that, started by an older version, is replaced."""


@dataclass(slots=True)
class _Watched:
    identity: ProcessIdentity
    pidfd: int
    adopted: bool
    version: str


class Supervisor:
    """Runs parts until it is told to end. The state folder must be prepared and its lock held."""

    def __init__(self, configuration: Configuration, commands: Mapping[str, PartCommand]) -> None:
        self._paths = configuration.paths
        self._commands = commands
        self._state = supervision.Supervision(
            tuple(supervision.Part(rule) for rule in RULES if rule.name in commands)
        )
        self._watched: dict[str, _Watched] = {}
        self._last_exit: dict[str, str] = {}
        self._exit_statuses: dict[int, int] = {}
        self._since: dict[str, tuple[Phase, datetime]] = {}
        self._unconfined: set[str] = set()
        self._selector = selectors.DefaultSelector()
        self._began = time.monotonic()
        self._on_terminal = sys.stderr.isatty()
        self._log = structlog.get_logger("supervisor")

    def run(self) -> None:
        """Returns when all parts are down (SIGTERM, SIGINT) or left to the next supervisor (SIGUSR2)."""
        wake, alarm = socket.socketpair()
        with wake, alarm:
            wake.setblocking(False)
            alarm.setblocking(False)
            self._selector.register(wake, selectors.EVENT_READ, None)
            before = signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
            handled = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGHUP, signal.SIGCHLD)
            previous = {number: signal.signal(number, _noted) for number in handled}
            try:
                self._loop(wake)
            finally:
                signal.set_wakeup_fd(before)
                for number, handler in previous.items():
                    signal.signal(number, handler)
                for watched in self._watched.values():
                    os.close(watched.pidfd)
                self._selector.close()

    # --- the loop ------------------------------------------------------------------------------

    def _loop(self, wake: socket.socket) -> None:
        for name in PARTS:
            if name in self._commands:
                self._look_for(name)
        logs_due = time.monotonic()
        while not self._state.finished:
            self._start_what_is_ready()
            self._write_records()
            now = time.monotonic()
            if now >= logs_due:
                self._bound_logs()
                logs_due = now + LOG_CHECK_SECONDS
            due = supervision.next_due(self._state)
            waits = [logs_due - now]
            if due is not None:
                waits.append(due - now)
            idle = any(part.phase is Phase.IDLE for part in self._state.parts)
            if not self._state.draining and (idle or self._unconfined):
                waits.append(BOOT_FILE_POLL_SECONDS)
            ready = self._selector.select(max(0.0, min(waits)))
            for key, _ in ready:
                if key.data is None:
                    self._signalled(wake)
            self._exit_statuses.update(processes.reap())
            for key, _ in ready:
                if isinstance(key.data, str):
                    self._ended(key.data)
            watched = {one.identity.pid for one in self._watched.values()}
            self._exit_statuses = {pid: how for pid, how in self._exit_statuses.items() if pid in watched}
            self._handle(supervision.Tick())
        self._write_records()

    def _look_for(self, name: str) -> None:
        """Adopt what an earlier supervisor left running."""
        left = left_running(self._paths, name)
        if left is None:
            return
        identity, version = left
        if self._watch(name, identity, adopted=True, version=version):
            confined_to = self._commands[name].confined_to
            if confined_to is not None and not is_confined(identity.pid, confined_to):
                self._unconfined.add(name)
            self._handle(supervision.Found(name, current=version == self._commands[name].version))

    def _start_what_is_ready(self) -> None:
        if self._state.draining:
            return
        for name, part in self._commands.items():
            if self._state.part(name).phase is Phase.IDLE and self._can_start(part):
                self._handle(supervision.Ready(name))
            elif name in self._unconfined and self._can_start(part):
                self._unconfined.discard(name)
                self._log.warning("runs with more privileges than it needs and is replaced", part=name)
                self._handle(supervision.Replace(name))

    def _can_start(self, part: PartCommand) -> bool:
        if part.boot_file is None:
            return True
        if not part.boot_file.exists():
            return False
        if part.mark is None or time.monotonic() - self._began >= OLD_BOOT_FILE_SECONDS:
            return True
        try:
            # The node's file: whatever it has put there, reading it must not hold the supervisor up.
            return read_plain(part.mark) == part.version.encode()
        except OSError:
            return False

    def _signalled(self, wake: socket.socket) -> None:
        try:
            numbers = wake.recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            # A terminal that goes away takes along what was started on it; elsewhere SIGHUP means nothing.
            if number in (signal.SIGTERM, signal.SIGINT) or (number == signal.SIGHUP and self._on_terminal):
                self._log.info("hurrying" if self._state.draining else "draining", signal=_name(number))
                self._handle(supervision.Terminate())
            elif number == signal.SIGUSR2:
                self._log.info("leaving all parts running for the next supervisor")
                self._handle(supervision.HandOver())

    def _handle(self, event: supervision.Event) -> None:
        self._state, instructions = supervision.step(self._state, event, time.monotonic())
        for instruction in instructions:
            match instruction:
                case supervision.Start():
                    self._start(instruction.part)
                case supervision.Adopt():
                    self._adopted(instruction.part)
                case supervision.Send():
                    self._send(instruction.part, instruction.signal)
                case supervision.Finish():
                    self._log.info("finished")

    # --- processes -----------------------------------------------------------------------------

    def _start(self, name: str) -> None:
        part = self._commands[name]
        environment = {
            **_inherited_environment(),
            processes.STATE_VARIABLE: str(self._paths.root),
            processes.PART_VARIABLE: name,
        }
        try:
            for path in part.stale:
                # Left by kill -9 or a power cut; meanwhile the number may be any other process's.
                remove_stale(path)
            identity = processes.spawn(
                part.command,
                log=self._paths.log / f"{name}.log",
                environment=environment,
                search_path=part.search_path,
            )
        except EnvironmentLacks as error:
            self._last_exit[name] = str(error)
            self._log.error("cannot start", part=name, reason=str(error))
            self._handle(supervision.Exited(name))
            return
        if self._watch(name, identity, adopted=False, version=part.version):
            self._write_record(name)
            self._log.info("started", part=name, pid=identity.pid)
        else:
            self._handle(supervision.Exited(name))

    def _adopted(self, name: str) -> None:
        watched = self._watched[name]
        self._log.info("adopted", part=name, pid=watched.identity.pid)
        outdated = watched.version != self._commands[name].version
        if outdated and not self._state.part(name).rule.replace_outdated:
            self._log.warning(
                "was started with other settings or by another version; ours hold from its next start",
                part=name,
            )

    def _watch(self, name: str, identity: ProcessIdentity, *, adopted: bool, version: str) -> bool:
        pidfd = processes.open_pidfd(identity)
        if pidfd is None:
            return False
        self._selector.register(pidfd, selectors.EVENT_READ, name)
        self._watched[name] = _Watched(identity, pidfd, adopted, version)
        return True

    def _ended(self, name: str) -> None:
        watched = self._watched.pop(name)
        self._unconfined.discard(name)
        self._selector.unregister(watched.pidfd)
        os.close(watched.pidfd)
        status = self._exit_statuses.pop(watched.identity.pid, None)
        words = "exit status unknown (adopted)" if status is None else _in_words(status)
        self._last_exit[name] = words
        wanted = self._state.part(name).phase is Phase.STOPPING
        if wanted:
            self._log.info("ended", part=name, how=words)
        else:
            tail = last_lines(self._paths.log / f"{name}.log", 3)
            self._log.warning("died", part=name, how=words, log=tail)
        self._handle(supervision.Exited(name))
        part = self._state.part(name)
        if part.phase is Phase.WAITING and part.due is not None:
            self._log.warning(
                "waiting before the next start",
                part=name,
                failures=part.failures,
                seconds=round(part.due - part.since, 2),
            )

    def _send(self, name: str, number: signal.Signals) -> None:
        watched = self._watched.get(name)
        if watched is None:
            return
        try:
            signal.pidfd_send_signal(watched.pidfd, number)
        except ProcessLookupError:
            return
        self._log.info("signalled", part=name, signal=number.name)

    # --- records and logs ----------------------------------------------------------------------

    def _write_records(self) -> None:
        """Write the records whose phase has changed."""
        for part in self._state.parts:
            known = self._since.get(part.rule.name)
            if known is None or known[0] is not part.phase:
                self._write_record(part.rule.name)

    def _write_record(self, name: str) -> None:
        part, watched = self._state.part(name), self._watched.get(name)
        now = datetime.now(UTC)
        self._since[name] = (part.phase, now)
        record = PartState(
            name=name,
            phase=part.phase.value,
            process=watched.identity if watched else None,
            version=watched.version if watched else "",
            since=now,
            starts=part.starts,
            adopted=watched.adopted if watched else False,
            last_exit=self._last_exit.get(name, ""),
        )
        try:
            write_part(self._paths, record)
        except OSError as error:
            # A full disk must not end the supervision of what still serves.
            self._log.error("cannot write a record", part=name, reason=str(error))

    def _bound_logs(self) -> None:
        for name in (*PARTS, "edge"):
            path = self._paths.log / f"{name}.log"
            try:
                if keep_bounded(path):
                    self._log.info("log cut", file=str(path))
            except OSError as error:
                self._log.error("cannot cut a log", file=str(path), reason=str(error))


def still_running(paths: StatePaths) -> frozenset[str]:
    """Names of the parts that an earlier supervisor left running."""
    return frozenset(name for name in PARTS if left_running(paths, name) is not None)


def left_running(paths: StatePaths, name: str) -> tuple[ProcessIdentity, str] | None:
    """The process of a part and its version, by its record, or by its environment when there is no record."""
    record = read_part(paths, name)
    if record is not None and record.process is not None:
        return record.process, record.version
    marked = processes.marked(paths.root, name, _users_of(paths, name))
    return (marked, "") if marked is not None else None


def _users_of(paths: StatePaths, name: str) -> frozenset[int]:
    """Who a part's process may run as: whoever starts it, and whom it becomes, as its folder says."""
    folder = {
        CONTROLLER: paths.controller,
        NODE: paths.node,
        GATE: paths.gate_socket.parent,
        DEFENCE: paths.request_journal,
        HAPROXY: paths.haproxy_socket.parent,
        KNOT: paths.knot_db,
        SHIELD: paths.shield_state.parent,
    }[name]
    try:
        return frozenset({os.geteuid(), folder.stat(follow_symlinks=False).st_uid})
    except OSError:
        return frozenset({os.geteuid()})


def remove_stale(path: Path) -> None:
    """Remove a pid file or socket from a folder that may belong to a less privileged user; EnvironmentLacks
    when it stays. Only the name in the folder itself goes: nothing is followed, read or believed."""
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _stale(path, error) from error
    try:
        os.unlink(path.name, dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _stale(path, error) from error
    finally:
        os.close(folder)


def _stale(path: Path, error: OSError) -> EnvironmentLacks:
    return EnvironmentLacks(
        str(path),
        f"{path}, left by a dead process, cannot be removed: {error.strerror}",
        hint=f"remove {path}",
    )


def _inherited_environment() -> dict[str, str]:
    """What parts get of our environment: little, and nothing an operator's shell has in it by chance."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "SSL_CERT_FILE")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment.setdefault("PATH", ":".join(processes.BINARY_FOLDERS))
    return environment


def _in_words(status: int) -> str:
    return f"killed by {_name(-status)}" if status < 0 else f"exit status {status}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor has carried the signal's number to the loop already."""
