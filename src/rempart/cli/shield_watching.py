"""``rempart shield status|top|capture``: what the packet shield does now."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from rempart.cli.output import counted, document, json_option, note, say, table
from rempart.cli.session import Session, pass_session
from rempart.cli.shield_rules import found_by_loop, rule_views
from rempart.cli.shield_views import ListingView, RuleView, ShieldView, TopView
from rempart.engines.shield import rules as kernel_rules
from rempart.engines.shield import tables
from rempart.engines.shield.layout import Flag, Meter, Reason
from rempart.engines.shield.loader import Shield
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks, InvalidInput
from rempart.node.parts import SHIELD, read_part
from rempart.node.shield import capturing
from rempart.node.shield.by_hand import ALLOW, BLOCK, Lists, opened
from rempart.node.shield.metrics import verdict
from rempart.node.shield.rule_files import kept_rules
from rempart.node.shield.state import InterfaceView, ListSizes, ReasonCount, ShieldState, read_state

SECOND_LOOK_SECONDS = 1.0
ROWS = 10
TEXTS: Mapping[str, str] = {one.name: one.text for one in Reason}


@click.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Where it is attached, what it lets through, answers and drops and why, and its lists.

    Exit status 1 when an interface that should be guarded is not.
    """
    configuration = session.configuration
    state, part = read_state(configuration.paths), read_part(configuration.paths, SHIELD)
    held = opened(configuration)
    if held is None:
        reason = state.reason if state is not None else "never started"
        _not_loaded(reason, as_json)
        raise click.exceptions.Exit(1)
    try:
        found = look(configuration, held, state, watched=part is not None and part.up)
    finally:
        held.close()
    if as_json:
        document(found.model_dump(mode="json"))
    else:
        _show(found)
    if not found.on:
        raise click.exceptions.Exit(1)


@click.command()
@click.option("--once", is_flag=True, help="Print one table and end; the default where there is no terminal.")
@click.option("--interval", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds.")
@json_option
@pass_session
def top(session: Session, once: bool, interval: float, as_json: bool) -> None:
    """What is dropped and why, by which rules and list entries, and from where. Ctrl-C ends it."""
    held = opened(session.configuration)
    if held is None:
        raise _nothing_there()
    try:
        before = _counted(held)
        while True:
            time.sleep(interval)
            now = _counted(held)
            found = _top(session, held, before, now)
            if as_json:
                document(found.model_dump(mode="json"))
                return
            alone = once or not sys.stdout.isatty()
            if not alone:
                click.clear()
            _show_top(found)
            if alone:
                return
            before = now
    finally:
        held.close()


@click.command()
@click.option(
    "--write", "file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="FILE.pcapng"
)
@click.option("--seconds", type=click.FloatRange(0.1, 3_600), default=10.0, show_default=True)
@click.option(
    "--every", type=click.IntRange(1, 2**30), default=1, show_default=True, help="One packet in so many."
)
@click.option("--dropped", is_flag=True, help="Only what is dropped or answered.")
@json_option
@pass_session
def capture(session: Session, file: Path, seconds: float, every: int, dropped: bool, as_json: bool) -> None:
    """Write packets with what became of them to a file that Wireshark and tcpdump read."""
    if every & (every - 1):
        raise InvalidInput("a power of two is meant", field="--every")
    held = opened(session.configuration)
    if held is None:
        raise _nothing_there()
    try:
        with file.open("wb") as into:
            done = capturing.capture(
                session.configuration.paths, held, into, seconds=seconds, every=every, dropped=dropped
            )
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}", field="--write") from error
    finally:
        held.close()
    if as_json:
        document({"file": str(file), "packets": done.packets, "lost": done.lost})
        return
    say(f"{counted(done.packets, 'packet')} written to {file}")
    if done.lost:
        note(f"rempart: {done.lost:,} came faster than they could be written; --every takes fewer")


def look(
    configuration: Configuration, held: Shield, state: ShieldState | None, *, watched: bool
) -> ShieldView:
    """The shield in the kernel, looked at twice for its rates."""
    before = _counted(held)
    time.sleep(SECOND_LOOK_SECONDS)
    now = _counted(held)
    interfaces = _interfaces(held, state)
    missing = [f"{one.name}: {one.reason}" for one in interfaces if not one.mode]
    reason = "; ".join(missing) or ("" if interfaces else "it is attached nowhere")
    if not Flag.ON & tables.flags(held):
        reason = "it is attached and switched off: everything passes"
    sizes = Lists(configuration, held).sizes()
    lost_samples, lost_captures = tables.lost(held)
    section = configuration.shield
    cookies = section.syn_cookies == "always" or tables.meter(held, Meter.SYN).active
    challenge = section.dns_challenge == "always" or tables.meter(held, Meter.DNS).active
    return ShieldView(
        on=not reason,
        watched=watched,
        reason=reason,
        interfaces=interfaces,
        counts=tuple(_rates(before, now)),
        lists=ListSizes(
            allowed=sizes[ALLOW], blocked=sizes[BLOCK], rules=int(kernel_rules.active(held)["count"])
        ),
        syn_cookies=(cookies and section.syn_cookies != "never") or challenge,
        dns_challenge=challenge and section.dns_challenge != "never",
        lost_samples=lost_samples,
        lost_captures=lost_captures,
    )


def _interfaces(held: Shield, state: ShieldState | None) -> tuple[InterfaceView, ...]:
    """Those that the part wants guarded, as they are now.

    Its own word where we are in another network namespace than its interfaces.
    """
    attached = {one.interface: str(one.mode) for one in held.attachments()}
    if state is None or not state.interfaces:
        return tuple(InterfaceView(name=name, mode=mode) for name, mode in attached.items())
    return tuple(
        one.model_copy(update={"mode": attached[one.name]}) if one.name in attached else one
        for one in state.interfaces
    )


def _nothing_there() -> EnvironmentLacks:
    return EnvironmentLacks(
        "packet shield", "no packet shield is in the kernel", hint="rempart shield status says why"
    )


_Counted = tuple[float, Mapping[Reason, tables.Count], Mapping[int, tables.Count]]


def _counted(held: Shield) -> _Counted:
    return time.monotonic(), tables.counters(held), kernel_rules.hits(held)


def _rates(before: _Counted, now: _Counted) -> Iterable[ReasonCount]:
    seconds = max(now[0] - before[0], 0.001)
    for reason, count in now[1].items():
        if count.packets:
            earlier = before[1][reason]
            yield ReasonCount(
                reason=reason.name,
                packets=count.packets,
                bytes=count.bytes,
                packets_per_second=round((count.packets - earlier.packets) / seconds, 1),
                bytes_per_second=round((count.bytes - earlier.bytes) / seconds, 1),
            )


def _top(session: Session, held: Shield, before: _Counted, now: _Counted) -> TopView:
    configuration = session.configuration
    seconds = max(now[0] - before[0], 0.001)
    reasons = sorted(_rates(before, now), key=lambda one: (-one.packets_per_second, -one.packets))
    rules = []
    for one in rule_views(held, kept_rules(configuration.paths), found_by_loop(session)):
        earlier = before[2].get(one.id)
        met = one.packets - earlier.packets if earlier is not None else 0
        rules.append(one.model_copy(update={"packets_per_second": round(max(met, 0) / seconds, 1)}))
    state = read_state(configuration.paths)
    return TopView(
        reasons=tuple(reasons),
        rules=tuple(sorted(rules, key=lambda one: (-one.packets_per_second, -one.packets))[:ROWS]),
        blocked=tuple(map(ListingView.of, Lists(configuration, held).most_hit(ROWS))),
        sources=state.sources[:ROWS] if state is not None and state.on else (),
    )


def _not_loaded(reason: str, as_json: bool) -> None:
    if as_json:
        empty = ShieldView(
            on=False, watched=False, reason=reason, interfaces=(), counts=(), lists=ListSizes(),
            syn_cookies=False, dns_challenge=False, lost_samples=0, lost_captures=0,
        )  # fmt: skip
        document(empty.model_dump(mode="json"))
    else:
        say(f"packet shield: off — {reason}")


def _show(found: ShieldView) -> None:
    for one in found.interfaces:
        since = f" since {one.since:%Y-%m-%d %H:%M:%S}" if one.since else ""
        lost = f", taken off from outside {counted(one.lost, 'time')}" if one.lost else ""
        say(f"{one.name}: {one.mode}{since}{lost}" if one.mode else f"{one.name}: NOT guarded — {one.reason}")
    if not found.watched:
        say("nobody watches over it: start rempart up, it takes over what is attached")
    if found.reason:
        say(f"NOT everything is as it should be: {found.reason}")
    say()
    _table_of(found.counts)
    say()
    lists = found.lists
    say(f"lists: {lists.blocked:,} blocked, {lists.allowed:,} allowed; {counted(lists.rules, 'rule')}")
    say(f"SYN cookies: {'made now' if found.syn_cookies else 'not needed now'}")
    say(f"DNS over UDP: {'sent to TCP now' if found.dns_challenge else 'answered'}")
    if found.lost_samples or found.lost_captures:
        say(f"lost: {found.lost_samples:,} samples, {found.lost_captures:,} captured packets")


def _table_of(counts: Iterable[ReasonCount]) -> None:
    rows = [
        (
            verdict(one.reason),
            one.reason,
            f"{one.packets_per_second:,.0f}",
            f"{one.bytes_per_second:,.0f}",
            f"{one.packets:,}",
            TEXTS.get(one.reason, ""),
        )
        for one in counts
    ]
    table(
        ("VERDICT", "REASON", "PACKETS/S", "BYTES/S", "PACKETS", "MEANING"), rows, empty="no packet came yet"
    )


def _show_top(found: TopView) -> None:
    say(f"{datetime.now(UTC):%H:%M:%S} UTC")
    _table_of(found.reasons[: 2 * ROWS])
    if found.rules:
        say()
        rows = [_rule_row(one) for one in found.rules]
        table(("RULE", "ACTION", "PACKETS/S", "PACKETS", "NOTE"), rows, empty="")
    if found.blocked:
        say()
        entries = [(one.prefix, f"{one.packets:,}", f"{one.bytes:,}", one.reason) for one in found.blocked]
        table(("BLOCKED", "PACKETS", "BYTES", "WHY"), entries, empty="")
    if found.sources:
        say()
        sources = [(one.source, f"{one.packets_per_second:,.0f}", one.reason) for one in found.sources]
        table(("SOURCE (SAMPLED)", "PACKETS/S", "REASON"), sources, empty="")


def _rule_row(one: RuleView) -> tuple[str, str, str, str, str]:
    return (
        one.mitigation or str(one.id),
        one.action,
        f"{one.packets_per_second:,.0f}",
        f"{one.packets:,}",
        one.note,
    )
