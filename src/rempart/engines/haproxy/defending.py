"""EdgeDefence: what the defence loop reads of HAProxy and tells it. The rim: its runtime socket.

Nothing here touches what the node's engine (``control``) compares: the map of verdicts and three variables
of the process are the loop's alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rempart.engines.haproxy import verdicts
from rempart.engines.haproxy.names import Places
from rempart.engines.haproxy.runtime import RuntimeSocket
from rempart.engines.haproxy.site_counts import EdgeCount, KnownSite, answers, known_sites, questions
from rempart.model.configuration import StatePaths
from rempart.model.errors import EngineRefused

_VERSION = re.compile(r"New version created: ([0-9]+)")


class EdgeDefence:
    """One HAProxy. Every method raises EnvironmentLacks when it cannot be reached."""

    def __init__(self, paths: StatePaths, *, timeout_s: float = 5.0) -> None:
        self._places = Places.of(paths)
        self._runtime = RuntimeSocket(paths.haproxy_socket, timeout_s=timeout_s)

    def counts(self, backends: Iterable[str]) -> EdgeCount:
        """The edge's counters, and those of these backends. EngineRefused for an answer that says nothing."""
        try:
            return answers(self._runtime.exchange(questions(backends)))
        except ValueError as error:
            raise EngineRefused("haproxy", str(error)) from None

    def sites(self) -> dict[int, KnownSite]:
        """Who is who now."""
        return known_sites(self._runtime.ask(f"show map {self._places.sites}"))

    def look(self, attend: int, within: int) -> None:
        """Look at so many of 65,536 requests, and tell of so many of 65,536 of those."""
        self._set(("attend", attend), ("within", within))

    def hold_until(self, unix: int) -> None:
        """What stands holds so long."""
        self._set(("until", unix))

    def enforce(self, entries: Sequence[tuple[str, str]]) -> None:
        """Replace all verdicts at once. EngineRefused when HAProxy does not take one: then all are as
        before."""
        self._replace(self._places.verdicts, entries)

    def release(self, keys: Sequence[str]) -> None:
        """Let these through, and nobody else (see ``verdicts.release_keys``). EngineRefused as above."""
        self._replace(self._places.released, [(key, "1") for key in keys])

    def _replace(self, name: str, entries: Sequence[tuple[str, str]]) -> None:
        created = _VERSION.search(self._runtime.ask(f"prepare map {name}"))
        if created is None:
            raise EngineRefused("haproxy", f"it has no map {name}; it learns of it at its next start")
        version = f"@{created[1]} {name}"
        lines = [f"add map {version} {key} {value}\n" for key, value in (verdicts.NOBODY, *entries)]
        try:
            self._checked(lines)
        except EngineRefused:
            self._runtime.ask(f"clear map {version}")
            raise
        self._checked([f"commit map {version}\n"])

    def _set(self, *variables: tuple[str, int]) -> None:
        # Variables of the process can be set at run time since 2.6 and are still called experimental.
        lines = [f"set var proc.{name} int({number})\n" for name, number in variables]
        self._checked(["experimental-mode on\n", *lines])

    def _checked(self, lines: Sequence[str]) -> None:
        for answer in self._runtime.exchange(lines):
            if answer.strip():
                raise EngineRefused("haproxy", " ".join(answer.split())[:300])
