"""What every writing command says at the end: what was done, and whether it is live."""

from __future__ import annotations

from datetime import datetime

from rempart.cli.output import counted, document, note, say
from rempart.controller.admin_api.messages import Made, NameServer
from rempart.controller.reports import Lag, Reach
from rempart.model.configuration import Configuration
from rempart.model.errors import EngineRefused


def finish(made: Made, *, online: bool, as_json: bool, lines: list[str]) -> None:
    """Print the result of a writing command; EngineRefused when an engine did not take what was written."""
    if as_json:
        document(made.model_dump(mode="json"))
    else:
        for line in lines:
            say(line)
        if not made.changed:
            say("  unchanged    what is served was so already")
        say(f"  live         {liveness(made.reach, online=online)}")
    for warning in made.warnings:
        note(f"rempart: warning: {warning}")
    if made.reach is not None and made.reach.refusals:
        first = made.reach.refusals[0]
        for refusal in made.reach.refusals[1:]:
            note(f"rempart: {refusal.engine} on {refusal.node} refused {refusal.key}: {refusal.reason}")
        raise EngineRefused(
            first.engine, f"{first.engine} on {first.node} did not take it: {first.reason}", item=first.key
        )


def liveness(reach: Reach | None, *, online: bool) -> str:
    """Whether a change is live, in words."""
    if not online or reach is None:
        return "not yet: no controller runs; it is stored, and goes live with: rempart up"
    if reach.live:
        return f"after {reach.waited_ms} ms on {counted(reach.nodes, 'node')}"
    if not reach.nodes:
        return "not yet: no node is connected; it goes live as soon as one is (see rempart status)"
    behind = "; ".join(_behind(lag, reach.revision) for lag in reach.lagging)
    return (
        f"not yet after {reach.waited_ms} ms: {behind}. "
        "It is stored and goes live by itself once that is over; rempart status tells when"
    )


def _behind(lag: Lag, revision: int) -> str:
    """What of a node has not followed, and where to look."""
    words = [
        f"{engine} on {lag.node} does not answer (its log: log/{engine}.log)"
        if engine in lag.silent
        else f"{engine} on {lag.node} has not confirmed it"
        for engine in lag.pending
    ]
    return ", ".join(words) or f"{lag.node} is at revision {lag.revision} of {revision}"


def delegation_lines(zone: str, nameservers: tuple[NameServer, ...], ds: tuple[str, ...] = ()) -> list[str]:
    """What to do at the registrar."""
    lines = [f"At the registrar of {zone} set these name servers:"]
    for server in nameservers:
        glue = f"  with glue {' '.join(server.glue)}" if server.glue else ""
        lines.append(f"  NS  {server.name}{glue}")
    lines += [f"  DS  {one}" for one in ds]
    return lines


def day(moment: datetime) -> str:
    """A point in time for people, to the day."""
    return f"{moment:%Y-%m-%d}"


def try_lines(configuration: Configuration, host: str, addresses: tuple[str, ...]) -> list[str]:
    """How to look at a site before the world does."""
    if not addresses or host.startswith("*."):
        return []
    from rempart.controller.local_ca import root_certificate

    address = addresses[0]
    port = configuration.edge.https_port
    shown = "" if port == 443 else f":{port}"
    bracketed = f"[{address}]" if ":" in address else address
    dns_port = "" if configuration.dns.port == 53 else f"-p {configuration.dns.port} "
    return [
        "Try it:",
        f"  dig @{address} {dns_port}{host}",
        f"  curl --cacert {root_certificate(configuration.paths)} \\",
        f"    --resolve {host}:{port}:{bracketed} \\",
        f"    https://{host}{shown}/",
    ]
