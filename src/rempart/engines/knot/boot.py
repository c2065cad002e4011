"""knot.conf on disk and in the running server: written atomically, checked before, verified after."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rempart.engines.contract import ItemView, Refusal
from rempart.engines.knot.compile import (
    Peer,
    check_command,
    configuration_text,
    cookie_secret,
    peers,
)
from rempart.engines.knot.session import ControlSession
from rempart.engines.knot.transactions import Tally
from rempart.model.configuration import Configuration
from rempart.model.dns_cookies import key_of
from rempart.model.errors import EngineRefused, EnvironmentLacks
from rempart.snapshot.items import SecondaryItem

CHECK_TIMEOUT_S = 30
SECRET_SECTIONS = ("key", "remote", "acl", "mod-cookies")


@dataclass(frozen=True, slots=True)
class _Wanted:
    text: str = field(repr=False)
    secondaries: tuple[Peer, ...]
    cookie_key: bytes | None = field(repr=False)
    refusals: tuple[Refusal, ...]


class BootFiles:
    """The one file knotd starts from, and the folders it needs."""

    def __init__(self, config: Configuration) -> None:
        self._config = config

    def write(self, view: ItemView) -> None:
        """Write the file, and make the folders where they are missing.

        Raises EnvironmentLacks when they cannot be written, EngineRefused when Knot would not start from it.
        """
        self._make_folders()
        text = self._wanted(view).text
        if self._on_disk() != text:
            self._replace(text)

    def follow(self, connect: Callable[[], ControlSession], view: ItemView, tally: Tally) -> None:
        """Make the file and the running server hold the secondaries of ``view`` and the cookies' key; reload
        only on a difference.

        A reload leaves zones, their contents and open sockets as they are.
        """
        wanted = self._wanted(view)
        text, expected = wanted.text, _expected(wanted)
        tally.refusals.extend(wanted.refusals)
        with connect() as session:
            before = self._on_disk()
            if before == text and _running(session) == expected:
                return
            try:
                if before != text:
                    self._replace(text)
                session.execute("reload")
                tally.commands += 1
                if _running(session) != expected:
                    raise EngineRefused("knot", "the server does not run with the settings it was given")
            except EngineRefused as error:
                if before is not None and self._on_disk() != before:
                    self._write(before)
                for item in _secondaries(view):
                    tally.refuse(item.key, error.message)

    def _wanted(self, view: ItemView) -> _Wanted:
        good, refusals = peers(_secondaries(view))
        try:
            key = key_of(self._config.paths.dns_cookie_key.read_bytes())
        except OSError:
            key = None
        return _Wanted(configuration_text(self._config, good, key), good, key, refusals)

    def _make_folders(self) -> None:
        paths = self._config.paths
        try:
            for folder in (paths.knot, paths.knot_db, paths.knot_socket.parent):
                folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            raise EnvironmentLacks("folder", f"the name server's folders cannot be made: {error}") from None

    def _on_disk(self) -> str | None:
        try:
            return self._config.paths.knot_config.read_text()
        except FileNotFoundError:
            return None

    def _replace(self, text: str) -> None:
        """Check ``text`` with Knot's own checker, then put it in place of the file."""
        trial = self._config.paths.knot_config.with_suffix(".new")
        self._write(text, trial)
        try:
            _check(trial)
            trial.replace(self._config.paths.knot_config)
        finally:
            trial.unlink(missing_ok=True)

    def _write(self, text: str, path: Path | None = None) -> None:
        """Write the file whole. It holds secrets: the owner writes, and knotd's group reads where the
        folder is shared with it (mode 2750, by the supervisor)."""
        target = path or self._config.paths.knot_config
        draft = target.with_name(f".{target.name}.draft")
        draft.unlink(missing_ok=True)
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                if target.parent.stat().st_mode & stat.S_ISGID:
                    os.fchmod(descriptor, 0o640)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except OSError as error:
            raise EnvironmentLacks("folder", f"{target} cannot be written: {error}") from None


def _secondaries(view: ItemView) -> list[SecondaryItem]:
    return [item for item in view.under("secondary/") if isinstance(item, SecondaryItem)]


def _check(path: Path) -> None:
    try:
        outcome = subprocess.run(
            check_command(path), capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise EnvironmentLacks("knot", "knotc is not installed", hint="apt install knot") from None
    if outcome.returncode != 0:
        lines = (outcome.stderr or outcome.stdout).strip().splitlines() or ["no reason given"]
        raise EngineRefused("knot", lines[-1])


Setting = tuple[str, str, str, str]
"""Section, identifier, item, value, as ``conf-read`` gives them."""


def _running(session: ControlSession) -> frozenset[Setting]:
    """What the server runs with, as far as secondaries and cookies are concerned."""
    settings: set[Setting] = set()
    for section in SECRET_SECTIONS:
        for reply in session.execute("conf-read", section=section):
            if reply.id and reply.item and reply.item not in ("via", "badcookie-slip"):
                settings.add((section, reply.id, reply.item, reply.data))
    return frozenset(settings)


def _expected(wanted: _Wanted) -> frozenset[Setting]:
    settings: set[Setting] = set()
    if wanted.cookie_key is not None:
        settings.add(("mod-cookies", "default", "secret", cookie_secret(wanted.cookie_key)))
    for one in wanted.secondaries:
        key = f"{one.tsig_name}."
        settings |= {
            ("key", key, "algorithm", one.tsig_algorithm),
            ("key", key, "secret", one.tsig_secret),
            ("remote", one.remote, "address", f"{one.address}@{one.port}"),
            ("remote", one.remote, "key", key),
            ("acl", one.remote, "address", one.address),
            ("acl", one.remote, "key", key),
            ("acl", one.remote, "action", "transfer"),
        }
    return frozenset(settings)
