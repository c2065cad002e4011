"""HAProxyEngine: makes the running HAProxy equal to the items. The rim: its sockets and boot files.

A change costs what it touches: the engine remembers what HAProxy holds (read once, and again whenever
another worker answers), takes the difference for the hosts and certificates that changed, and sends
it in one batch per phase. Nothing here reloads HAProxy except ``reload``.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from rempart.engines.contract import ApplyReport, ItemView, Refusal
from rempart.engines.haproxy import boot, clearance, observe, remedies, replies, sight, verdicts
from rempart.engines.haproxy.changes import Phase, RuntimeCommand, diff
from rempart.engines.haproxy.commands import check_command, command_line
from rempart.engines.haproxy.compile import ENGINE, RUNTIME_PAYLOAD_MAX, desired_state
from rempart.engines.haproxy.files import (
    folder_like_its_parent,
    private_folder,
    self_signed_certificate,
    write_atomically,
)
from rempart.engines.haproxy.gate_keys import fresh_key, read_or_make_keys, write_keys
from rempart.engines.haproxy.memory import EdgeMemory
from rempart.engines.haproxy.names import (
    SYSTEM_AUTHORITIES,
    Places,
    backend_number,
    certificate_id,
)
from rempart.engines.haproxy.operator import Operator
from rempart.engines.haproxy.pool import assign
from rempart.engines.haproxy.runtime import RuntimeSocket
from rempart.engines.haproxy.state import EdgeState, parse_route
from rempart.engines.haproxy.statistics import EdgeStatistics, parse_statistics, sites_down
from rempart.engines.haproxy.territory import write_territory
from rempart.model.configuration import Configuration
from rempart.model.errors import EngineRefused, EnvironmentLacks
from rempart.model.gate import GateKeys
from rempart.snapshot.items import CertificateItem, Item, ItemChange, SiteItem

__all__ = ["HAProxyEngine", "check_command", "command_line"]

DRAIN_S = 60.0
"""What still runs on a server that was taken out (a WebSocket, a download) is ended after this."""
RELOAD_S = 60.0

ItemT = TypeVar("ItemT", SiteItem, CertificateItem)


class HAProxyEngine:
    """HAProxy, seen by the node (engines.contract.Engine). Not for two threads at a time.

    ``authorities`` is the file of certificate authorities that strict origins are verified with.
    """

    name = ENGINE

    def __init__(
        self,
        config: Configuration,
        *,
        authorities: str = SYSTEM_AUTHORITIES,
    ) -> None:
        self._config = config
        self._authorities = authorities
        self._places = Places.of(config.paths)
        self._runtime = RuntimeSocket(config.paths.haproxy_socket)
        self._master = RuntimeSocket(config.paths.haproxy_master_socket)
        self._memory: EdgeMemory | None = None
        self._told_keys: GateKeys | None = None
        """The gate's keys that HAProxy holds, as far as this engine has made it so."""

    # --- the contract ---------------------------------------------------------------------------

    def apply(self, changes: Sequence[ItemChange], view: ItemView) -> ApplyReport:
        """Follow ``changes``; what drains from earlier changes is looked after, too."""
        memory = self._contact()
        keys = dict.fromkeys(change.key for change in changes)
        hosts = [key.removeprefix("site/") for key in keys if key.startswith("site/")]
        ids = [key.removeprefix("certificate/") for key in keys if key.startswith("certificate/")]
        wanted = self._wanted(
            memory,
            _of_kind(SiteItem, (view.get(f"site/{host}") for host in hosts)),
            _of_kind(CertificateItem, (view.get(f"certificate/{id_}") for id_ in ids)),
        )
        observed = memory.part(
            (host for host in hosts if host not in wanted.left_hosts),
            (id_ for id_ in ids if id_ not in wanted.left_ids),
            wanted.state.secured,
        )
        return self._make_equal(memory, wanted, observed)

    def reconcile(self, view: ItemView) -> ApplyReport:
        """Read everything, and make it equal to ``view``."""
        memory = self._contact(afresh=True)
        wanted = self._wanted(
            memory,
            _of_kind(SiteItem, view.under("site/")),
            _of_kind(CertificateItem, view.under("certificate/")),
        )
        self._make_keys_equal(self._gate_keys())
        return self._make_equal(memory, wanted, memory.whole(wanted.left_hosts, wanted.left_ids))

    def write_boot_files(self, view: ItemView) -> None:
        """Write what HAProxy starts from. A certificate or site that HAProxy could not take is left out."""
        places = self._places
        root = self._config.paths.haproxy
        private_folder(root)
        for folder in (Path(places.certificates), Path(places.pages)):
            folder_like_its_parent(folder)
        sites = _of_kind(SiteItem, view.under("site/"))
        assigned, pool = assign(
            (site.host for site in sites), self._assignment(), self._config.edge.prepared_sites
        )
        state, _ = desired_state(
            ((site, assigned[site.host]) for site in sites),
            _of_kind(CertificateItem, view.under("certificate/")),
            places,
            self._authorities,
            sound=frozenset(map(str, Path(places.certificates).iterdir())),
            reserved=self._config.operator_host,
        )
        # What the configuration names comes before the configuration, what it no longer names goes after.
        if not Path(places.default_certificate).exists():
            write_atomically(Path(places.default_certificate), self_signed_certificate())
        written = [
            write_atomically(Path(file), certificate.pem, durable=False)
            for file, certificate in state.certificates.items()
            if certificate.pem is not None and not Path(file).exists()
        ]
        url = self._config.receipt_url
        pages = {**replies.page_files(places, url), **clearance.challenge_page_files(places, url)}
        pages |= remedies.page_files(places)
        written += [write_atomically(Path(f), t, durable=False) for f, t in pages.items()]
        if any(written):
            os.sync()
        write_atomically(Path(places.sites), boot.sites_map(state, Operator.of(self._config)))
        write_atomically(Path(places.exempt), boot.exempt_map(state))
        write_atomically(Path(places.remedies), boot.remedies_map(state))
        write_atomically(Path(places.remedy), remedies.lua(places))
        write_territory(self._config.territory, Path(places.territory))
        write_atomically(Path(places.secured), boot.secured_map(state))
        write_atomically(Path(places.gate), boot.map_text(clearance.gate_map(self._gate_keys())))
        write_atomically(Path(places.sight), sight.LUA)
        write_atomically(Path(places.verdicts), f"{' '.join(verdicts.NOBODY)}\n")
        write_atomically(Path(places.released), f"{' '.join(verdicts.NOBODY)}\n")
        write_atomically(Path(places.certificate_list), boot.certificate_list(state, places))
        write_atomically(
            Path(places.config),
            boot.configuration(
                self._config.edge,
                places,
                state,
                pool,
                authorities=self._authorities,
                descriptors=_descriptors(),
                operator=Operator.of(self._config),
            ),
        )
        for old in Path(places.certificates).iterdir():
            if str(old) not in state.certificates:
                old.unlink()

    def alive(self) -> bool:
        """True when the worker answers its runtime socket."""
        try:
            self.worker_pid()
        except EnvironmentLacks:
            return False
        return True

    def look_after(self) -> None:
        """A new key for the gate when one is due; and whatever keys an operator has put in their place."""
        keys = self._gate_keys()
        if keys.due(now := int(time.time())):
            self.rotate_gate_keys(keys.rotated(fresh_key(now)))
        elif keys != self._told_keys:
            write_atomically(Path(self._places.gate), boot.map_text(clearance.gate_map(keys)))
            self._make_keys_equal(keys)

    # --- beyond the contract --------------------------------------------------------------------

    def worker_pid(self) -> int:
        """Process id of the worker that answers. EnvironmentLacks when none does."""
        return int(observe.information(self._runtime.ask("show info"))["Pid"])

    def reload(self, *, seconds: float = RELOAD_S) -> None:
        """Start a new worker from the boot files; the old one hands over its listeners and finishes.

        EngineRefused when HAProxy would not start from the boot files; the old worker goes on.
        """
        checked = subprocess.run(
            check_command(self._config), capture_output=True, text=True, timeout=300, check=False
        )
        if checked.returncode != 0:
            raise EngineRefused(self.name, f"boot files refused: {checked.stderr.strip()[-1000:]}")
        before = self.worker_pid()
        self._master.send("reload")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if self.worker_pid() != before:
                    return
            except EnvironmentLacks:
                pass  # between two workers, the socket may be missing for a moment
            time.sleep(0.02)
        raise EngineRefused(self.name, f"no new worker within {seconds:g} s of a reload")

    def assignment(self) -> dict[str, str]:
        """Backend -> host of every site that is served now."""
        return {backend: host for host, backend in self._contact().backends().items()}

    def rotate_gate_keys(self, keys: GateKeys) -> None:
        """Let the newest of ``keys`` sign from now on. Nobody's clearance or challenge is lost on the way."""
        before = self._gate_keys()
        # HAProxy knows the new key before the gate signs with it, and states challenges with it when the gate
        # knows it, too.
        shared = {
            name: value for name, value in clearance.gate_map(keys).items() if name != clearance.CHALLENGE_KEY
        }
        self._make_entries_equal({**clearance.gate_map(before), **shared})
        write_keys(self._config.paths.gate_keys, keys)
        write_atomically(Path(self._places.gate), boot.map_text(clearance.gate_map(keys)))
        self._make_keys_equal(keys)

    def statistics(self) -> EdgeStatistics:
        """What HAProxy counted since its worker started."""
        information, table = self._runtime.exchange(["show info\n", "show stat\n"])
        return parse_statistics(information, table, self.assignment())

    def sites_down(self) -> tuple[str, ...]:
        """Hosts of the sites no origin of which can serve, sorted."""
        hosts = self.assignment()
        table = self._runtime.ask(observe.SERVERS_ONLY)
        return sites_down(table, hosts)

    # --- the gate's keys ------------------------------------------------------------------------

    def _gate_keys(self) -> GateKeys:
        return read_or_make_keys(self._config.paths.gate_keys, int(time.time()))

    def _make_keys_equal(self, keys: GateKeys) -> None:
        self._make_entries_equal(clearance.gate_map(keys))
        self._told_keys = keys

    def _make_entries_equal(self, wanted: Mapping[str, str]) -> None:
        name = self._places.gate
        present = observe.map_entries(self._runtime.ask(f"show map {name}"))
        if not present:
            return  # started by a version without a gate: it learns them at its next start
        lines = [
            f"{'set' if entry in present else 'add'} map {name} {entry} {value}\n"
            for entry, value in wanted.items()
            if present.get(entry) != value
        ]
        lines += [f"del map {name} {entry}\n" for entry in present.keys() - wanted.keys()]
        for answer in self._runtime.exchange(lines):
            if answer:
                raise EngineRefused(self.name, "a key of the gate was not taken")

    # --- how ------------------------------------------------------------------------------------

    def _contact(self, *, afresh: bool = False) -> EdgeMemory:
        """What the worker that answers now holds."""
        pid = self.worker_pid()
        if afresh or self._memory is None or self._memory.pid != pid:
            self._memory = self._observe(pid)
        return self._memory

    def _observe(self, pid: int) -> EdgeMemory:
        places = self._places
        sites, exempt, standing, secured, servers, backends, listed, held = self._runtime.exchange(
            [
                f"show map {places.sites}\n",
                f"show map {places.exempt}\n",
                f"show map {places.remedies}\n",
                f"show map {places.secured}\n",
                f"{observe.SERVERS_ONLY}\n",
                "show backend\n",
                f"show ssl crt-list {places.certificate_list}\n",
                "show ssl cert\n",
            ]
        )
        certificates = observe.certificates(listed)
        files = observe.certificate_files(held)
        certificates.pop(places.default_certificate, None)
        state = EdgeState(
            routes=observe.routes(sites, exempt, standing),
            servers=observe.servers(servers),
            certificates=certificates,
            secured=frozenset(observe.map_entries(secured)),
            unlisted=files - certificates.keys() - {places.default_certificate},
        )
        pool = max((backend_number(line) or 0 for line in backends.splitlines()), default=0)
        return EdgeMemory(pid, pool, state)

    def _assignment(self) -> dict[str, str]:
        """Host -> backend as it runs, or as it was when HAProxy last ran."""
        try:
            return self._contact().backends()
        except EnvironmentLacks:
            pass
        assigned = {}
        path = Path(self._places.sites)
        for line in path.read_text().splitlines() if path.exists() else ():
            host, _, value = line.partition(" ")
            assigned[host] = parse_route(value).backend
        return assigned

    def _wanted(
        self, memory: EdgeMemory, sites: Sequence[SiteItem], certificates: Sequence[CertificateItem]
    ) -> _Wanted:
        """What these items ask for, and which of them must wait for a reload or are refused."""
        placed, unplaced = [], []
        for site in sites:
            backend = memory.backend_for(site.host)
            if backend is None:
                unplaced.append(site.host)
            else:
                placed.append((site, backend))
        reserved = self._config.operator_host
        state, flaws = desired_state(placed, certificates, self._places, self._authorities, reserved=reserved)
        too_long = {
            certificate_id(file)
            for file, held in state.certificates.items()
            if held.pem is not None
            and len(held.pem) > RUNTIME_PAYLOAD_MAX
            and file not in memory.certificates
        }
        if too_long:
            certificates = [item for item in certificates if item.id not in too_long]
            state, flaws = desired_state(
                placed, certificates, self._places, self._authorities, reserved=reserved
            )
        left = {flaw.field or "" for flaw in flaws}
        return _Wanted(
            state=state,
            refusals=tuple(Refusal(key=flaw.field or "", reason=flaw.message) for flaw in flaws),
            left_hosts=frozenset(key.removeprefix("site/") for key in left).union(unplaced),
            left_ids=frozenset(key.removeprefix("certificate/") for key in left) | too_long,
            needs_reload=bool(unplaced or too_long),
        )

    def _make_equal(self, memory: EdgeMemory, wanted: _Wanted, observed: EdgeState) -> ApplyReport:
        # A name stays secured while a certificate that this change does not touch covers it.
        names = observed.secured | {n for held in observed.certificates.values() for n in held.hosts}
        elsewhere = memory.covered_elsewhere(names, observed.certificates)
        desired = replace(wanted.state, secured=wanted.state.secured | elsewhere)
        observed = replace(observed, secured=observed.secured | (elsewhere & memory.secured))
        commands = diff(desired, observed, self._places)
        done, refusals = self._carry_out([c for c in commands if c.phase is not Phase.SWEEP])
        if refusals:
            memory = self._undo(observed, {refusal.key for refusal in refusals}, memory)
        else:
            memory.absorb(desired, observed, time.monotonic())
        swept = self._sweep(memory)
        return ApplyReport(
            commands=done + swept,
            refusals=(*wanted.refusals, *refusals),
            pending=bool(memory.retired),
            needs_reload=wanted.needs_reload,
        )

    def _carry_out(self, commands: Sequence[RuntimeCommand]) -> tuple[int, list[Refusal]]:
        """Carry out commands phase by phase; the number of those that were taken, and the refusals."""
        refused: dict[str, str] = {}
        done = 0
        for phase in Phase:
            batch = [c for c in commands if c.phase is phase and c.key not in refused]
            answers = self._runtime.exchange([command.line for command in batch])
            for command, answer in zip(batch, answers, strict=True):
                if command.taken(answer):
                    done += 1
                else:
                    refused.setdefault(command.key, _first_words(answer))
        return done, [Refusal(key=key, reason=reason) for key, reason in refused.items()]

    def _undo(self, before: EdgeState, keys: set[str], memory: EdgeMemory) -> EdgeMemory:
        """Take away what was prepared for refused items, so that they are as they were."""
        places = self._places
        self._memory = now = self._observe(memory.pid)
        hosts = {key.removeprefix("site/") for key in keys if key.startswith("site/")}
        ids = {key.removeprefix("certificate/") for key in keys if key.startswith("certificate/")}
        backends = {route.backend for host, route in before.routes.items() if host in hosts}
        backends |= {b for host, b in memory.backends().items() if host in hosts}
        restored = EdgeState(servers={b: held for b, held in before.servers.items() if b in backends})
        present = EdgeState(servers={b: held for b, held in now.servers.items() if b in backends})
        kept = before.certificates.keys()
        files = [file for file in now.unlisted | now.certificates.keys() if certificate_id(file) in ids]
        lines = [
            line
            for file in sorted(set(files) - kept)
            for line in (
                f"abort ssl cert {file}\n",
                f"del ssl crt-list {places.certificate_list} {file}\n",
                f"del ssl cert {file}\n",
            )
        ]
        lines += [command.line for command in diff(restored, present, places)]
        self._runtime.exchange(lines)
        self._memory = self._observe(memory.pid)
        for (backend, name), since in memory.retired.items():
            if name in self._memory.servers.get(backend, {}):
                self._memory.retired[backend, name] = since
        return self._memory

    def _sweep(self, memory: EdgeMemory) -> int:
        """Delete servers that were taken out and have no connection left; how many."""
        retired = list(memory.retired.items())
        answers = self._runtime.exchange([f"del server {b}/{name}\n" for (b, name), _ in retired])
        swept, overdue = 0, []
        for ((backend, name), since), answer in zip(retired, answers, strict=True):
            if "Server deleted" in answer or "No such server" in answer:
                memory.forget_server(backend, name)
                swept += 1
            elif time.monotonic() - since > DRAIN_S:
                overdue.append(f"shutdown sessions server {backend}/{name}\n")
        self._runtime.exchange(overdue)
        memory.release()
        return swept


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What items ask for; what is left as it is because it was refused or needs a reload."""

    state: EdgeState
    refusals: tuple[Refusal, ...]
    left_hosts: frozenset[str]
    left_ids: frozenset[str]
    needs_reload: bool


def _of_kind(kind: type[ItemT], items: Iterable[Item | None]) -> list[ItemT]:
    return [item for item in items if isinstance(item, kind)]


def _descriptors() -> int | None:
    """How many file descriptors a process here may have; None: any number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def _first_words(answer: str) -> str:
    """What HAProxy answered, on one line and short."""
    return " ".join(answer.split())[:300]
