"""The difference between what should be and what is, as runtime commands. Pure.

The commands come in phases. New servers and certificates are in place before a route leads to them;
what is replaced is retired only then; what has no visitor left is deleted last. Applying the
commands and taking the difference again yields nothing, except servers that still drain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from rempart.engines.haproxy.names import Places, certificate_id
from rempart.engines.haproxy.state import EdgeState, Route, Server, format_route


class Phase(IntEnum):
    """When a command is carried out. A key refused in one phase has no part in the later ones."""

    PREPARE = 1
    SWITCH = 2
    RETIRE = 3
    SWEEP = 4


@dataclass(frozen=True, slots=True)
class RuntimeCommand:
    """One command of HAProxy's runtime API (management guide, section 9.3)."""

    phase: Phase
    key: str
    """Key of the item that it is for."""
    text: str
    expects: str | None = ""
    """What a good answer contains; empty: a good answer is empty; None: every answer will do."""
    payload: str | None = field(default=None, repr=False)
    """Lines after ``<<``; certificates with keys among them, hence never shown."""

    def taken(self, answer: str) -> bool:
        """True when ``answer`` says that HAProxy did it."""
        if self.expects is None:
            return True
        return self.expects in answer if self.expects else not answer

    @property
    def line(self) -> str:
        """The command as it is written to the socket."""
        return f"{self.text}\n" if self.payload is None else f"{self.text} <<\n{self.payload.rstrip()}\n\n"


def diff(desired: EdgeState, observed: EdgeState, places: Places) -> tuple[RuntimeCommand, ...]:
    """Commands that take ``observed`` to ``desired``; both may be restricted to what a change touches."""
    commands = [
        *_certificates(desired, observed, places),
        *_secured(desired, observed, places),
        *_routes(desired, observed, places),
        *_servers(desired, observed),
    ]
    return tuple(sorted(commands, key=lambda command: command.phase))


def _routes(desired: EdgeState, observed: EdgeState, places: Places) -> list[RuntimeCommand]:
    commands = []
    for host, route in desired.routes.items():
        was = observed.routes.get(host)
        if was == route:
            continue
        key = f"site/{host}"
        commands += _exemptions(key, route, was, places)
        commands += _remedies(key, route, was, places)
        if was is not None and format_route(host, was) == format_route(host, route):
            continue
        verb = "add" if was is None else "set"
        text = f"{verb} map {places.sites} {host} {format_route(host, route)}"
        commands.append(RuntimeCommand(Phase.SWITCH, key, text))
    for host in observed.routes.keys() - desired.routes.keys():
        commands += _exemptions(f"site/{host}", None, observed.routes[host], places)
        commands += _remedies(f"site/{host}", None, observed.routes[host], places)
        commands.append(RuntimeCommand(Phase.SWITCH, f"site/{host}", f"del map {places.sites} {host}"))
    return commands


def _exemptions(key: str, route: Route | None, was: Route | None, places: Places) -> list[RuntimeCommand]:
    # They come after the route and go before it, so that no backend ever returns to the pool with one.
    wanted = {f"{route.backend}{exempt}" for exempt in route.exempt} if route else set()
    present = {f"{was.backend}{exempt}" for exempt in was.exempt} if was else set()
    removed = [
        RuntimeCommand(Phase.PREPARE, key, f"del map {places.exempt} {entry}")
        for entry in sorted(present - wanted)
    ]
    added = [
        RuntimeCommand(Phase.RETIRE, key, f"add map {places.exempt} {entry} 1")
        for entry in sorted(wanted - present)
    ]
    return removed + added


def _remedies(key: str, route: Route | None, was: Route | None, places: Places) -> list[RuntimeCommand]:
    # In place before the route says that there are any, gone only after it does not: never half a remedy.
    wanted = {f"{route.backend}{entry}": value for entry, value in route.remedies} if route else {}
    present = {f"{was.backend}{entry}": value for entry, value in was.remedies} if was else {}
    # What a page says comes before the rule that shows it.
    put = [
        RuntimeCommand(
            Phase.PREPARE,
            key,
            f"{'set' if entry in present else 'add'} map {places.remedies} {entry} {value}",
        )
        for entry, value in sorted(wanted.items(), key=lambda item: ("@" not in item[0], item))
        if present.get(entry) != value
    ]
    removed = [
        RuntimeCommand(Phase.RETIRE, key, f"del map {places.remedies} {entry}")
        for entry in sorted(present.keys() - wanted.keys(), key=lambda entry: ("@" in entry, entry))
    ]
    return put + removed


def _servers(desired: EdgeState, observed: EdgeState) -> list[RuntimeCommand]:
    host_of = {route.backend: host for host, route in observed.routes.items()}
    host_of.update({route.backend: host for host, route in desired.routes.items()})
    commands = []
    for backend in sorted(desired.servers.keys() | observed.servers.keys()):
        key = f"site/{host_of.get(backend, backend)}"
        wanted = desired.servers.get(backend, {})
        present = observed.servers.get(backend, {})
        for name, server in wanted.items():
            for phase, text in _server(f"{backend}/{name}", server, present.get(name)):
                expects = "New server registered" if text.startswith("add") else ""
                commands.append(RuntimeCommand(phase, key, text, expects))
        for name in sorted(present.keys() - wanted.keys()):
            if present[name].enabled:
                commands.append(RuntimeCommand(Phase.RETIRE, key, f"disable server {backend}/{name}"))
            commands.append(
                RuntimeCommand(Phase.SWEEP, key, f"del server {backend}/{name}", "Server deleted")
            )
    return commands


def _server(where: str, server: Server, present: Server | None) -> list[tuple[Phase, str]]:
    if present is None:
        size = f"weight {server.weight} maxconn {server.max_connections}"
        return [
            (Phase.PREPARE, f"add server {where} {server.arguments} {size}"),
            (Phase.PREPARE, f"enable server {where}"),
            (Phase.PREPARE, f"enable health {where}"),
        ]
    commands = []
    if present.weight != server.weight:
        commands.append((Phase.PREPARE, f"set server {where} weight {server.weight}"))
    if present.max_connections != server.max_connections:
        commands.append((Phase.PREPARE, f"set maxconn server {where} {server.max_connections}"))
    if not present.enabled:
        commands.append((Phase.PREPARE, f"enable server {where}"))
    if not present.checked:
        commands.append((Phase.PREPARE, f"enable health {where}"))
    return commands


def _certificates(desired: EdgeState, observed: EdgeState, places: Places) -> list[RuntimeCommand]:
    commands = []
    listing = places.certificate_list
    for file, certificate in desired.certificates.items():
        key = f"certificate/{certificate_id(file)}"
        was = observed.certificates.get(file)
        if was is not None and set(was.hosts) == set(certificate.hosts):
            continue
        if was is not None:
            commands.append(
                RuntimeCommand(Phase.PREPARE, key, f"del ssl crt-list {listing} {file}", "deleted")
            )
        else:
            if file in observed.unlisted:  # perhaps half of it: begin anew
                commands.append(RuntimeCommand(Phase.PREPARE, key, f"del ssl cert {file}", "deleted"))
            commands += [
                RuntimeCommand(Phase.PREPARE, key, f"new ssl cert {file}", "New empty certificate store"),
                RuntimeCommand(
                    Phase.PREPARE, key, f"set ssl cert {file}", "Transaction", payload=certificate.pem
                ),
                RuntimeCommand(Phase.PREPARE, key, f"commit ssl cert {file}", "Success!"),
                # HAProxy has one transaction at a time: that of a refused certificate would block the next.
                RuntimeCommand(Phase.PREPARE, key, f"abort ssl cert {file}", None),
            ]
        entry = f"{file} {' '.join(certificate.hosts)}"
        commands.append(
            RuntimeCommand(Phase.PREPARE, key, f"add ssl crt-list {listing}", "Success!", payload=entry)
        )
    for file in sorted(observed.certificates.keys() - desired.certificates.keys()):
        key = f"certificate/{certificate_id(file)}"
        commands.append(RuntimeCommand(Phase.RETIRE, key, f"del ssl crt-list {listing} {file}", "deleted"))
        commands.append(RuntimeCommand(Phase.RETIRE, key, f"del ssl cert {file}", "deleted"))
    for file in sorted(observed.unlisted - desired.certificates.keys()):
        key = f"certificate/{certificate_id(file)}"
        commands.append(RuntimeCommand(Phase.RETIRE, key, f"del ssl cert {file}", "deleted"))
    return commands


def _secured(desired: EdgeState, observed: EdgeState, places: Places) -> list[RuntimeCommand]:
    # The key is that of the first certificate that covers the host, so that a refused certificate
    # does not turn redirects on.
    covers: dict[str, str] = {}
    for state in (desired, observed):
        for file, certificate in state.certificates.items():
            for host in certificate.hosts:
                covers.setdefault(host, f"certificate/{certificate_id(file)}")
    added = [
        RuntimeCommand(Phase.SWITCH, covers.get(host, f"host/{host}"), f"add map {places.secured} {host} 1")
        for host in sorted(desired.secured - observed.secured)
    ]
    # Redirects end before the certificate goes.
    removed = [
        RuntimeCommand(Phase.SWITCH, covers.get(host, f"host/{host}"), f"del map {places.secured} {host}")
        for host in sorted(observed.secured - desired.secured)
    ]
    return added + removed
