"""``rempart shield rules``: filters of the operator's own, checked as a whole before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from rempart.cli.files import read_text
from rempart.cli.output import counted, document, json_option, note, say, table
from rempart.cli.session import Session, pass_session
from rempart.cli.shield_views import RuleView
from rempart.engines.shield import rules as kernel_rules
from rempart.engines.shield.loader import Shield
from rempart.model.attacks import Layer
from rempart.model.errors import EnvironmentLacks
from rempart.model.shield import ShieldRule
from rempart.node.defending.entries import identity
from rempart.node.defending.journal import read_account
from rempart.node.shield.by_hand import opened
from rempart.node.shield.rule_files import forget_rules, keep_rules, kept_rules, read_rules
from rempart.node.shield.rule_sets import is_derived, mitigation_of

NOT_LOADED = "no packet shield is in the kernel: they are stored, and hold from the next start of rempart up"


@click.group()
def rules() -> None:
    """Rules: what a packet must be, and what then happens."""


@rules.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """The rules in their order, and how often each was met."""
    held = opened(session.configuration)
    try:
        found = rule_views(held, kept_rules(session.configuration.paths), found_by_loop(session))
    finally:
        if held is not None:
            held.close()
    if as_json:
        document([one.model_dump(mode="json") for one in found])
        return
    rows = [
        (one.mitigation or str(one.id), one.action, f"{one.packets:,}", f"{one.bytes:,}", one.note)
        for one in found
    ]
    table(
        ("ID", "ACTION", "PACKETS", "BYTES", "NOTE"), rows, empty="no rules; rempart shield rules load FILE"
    )
    if found and held is None:
        note(f"rempart: {NOT_LOADED}")


@rules.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="FILE.toml")
@json_option
@pass_session
def load(session: Session, file: Path, as_json: bool) -> None:
    """Make the rules in FILE the rules, all at one moment. Those that keep their id keep their counters.

    Rules that the defence loop has found stay, behind them.
    """
    text = read_text(file, "FILE")
    given = read_rules(text, str(file))
    _replace(session, given, text)
    if as_json:
        document({"rules": len(given), "live": _is_live(session)})
    else:
        say(
            f"{counted(len(given), 'rule')} in force."
            if _is_live(session)
            else f"{counted(len(given), 'rule')}."
        )


@rules.command()
@json_option
@pass_session
def clear(session: Session, as_json: bool) -> None:
    """Remove all rules of the operator's. Those of the defence loop go with their mitigations."""
    before = len(kept_rules(session.configuration.paths))
    _replace(session, (), None)
    if as_json:
        document({"rules": 0, "live": _is_live(session)})
    else:
        say(f"{counted(before, 'rule')} removed." if before else "There were no rules: unchanged.")


def found_by_loop(session: Session) -> dict[str, str]:
    """What stands by the word of the defence loop, by id, in words."""
    account = read_account(session.configuration.paths, Layer.PACKET)
    return {one.id: one.words for one in account.standing} if account is not None else {}


def rule_views(held: Shield | None, kept: tuple[ShieldRule, ...], found: Mapping[str, str]) -> list[RuleView]:
    """The rules that are in the kernel, with what is known of them; those on disk where no shield is
    loaded. ``found``: the signatures of the defence loop's, by mitigation."""
    words = {one.id: one.note for one in kept}
    if held is None:
        return [RuleView(id=one.id, action=one.action, note=one.note, packets=0, bytes=0) for one in kept]
    record = kernel_rules.active(held)
    actions = {int(one["id"]): int(one["action"]) for one in record["rule"][: int(record["count"])]}
    names = ("pass", "drop", "limit", "sample")
    views = []
    for id_, count in kernel_rules.hits(held).items():
        if id_ not in actions:
            continue
        by = identity(Layer.PACKET, mitigation_of(id_)) if is_derived(id_) else ""
        views.append(
            RuleView(
                id=id_,
                mitigation=by,
                action=names[actions[id_]],
                note=f"defence loop: {found.get(by, '')}".rstrip(": ") if by else words.get(id_, ""),
                packets=count.packets,
                bytes=count.bytes,
            )
        )
    return views


def _replace(session: Session, given: tuple[ShieldRule, ...], text: str | None) -> None:
    """The kernel first: it refuses what contradicts itself, and then nothing is stored either."""
    paths = session.configuration.paths
    held = opened(session.configuration)
    if held is None and not paths.shield.is_dir():
        raise EnvironmentLacks(
            "packet shield", f"nothing was ever started on {paths.root}", hint="start it with: rempart up"
        )
    try:
        if held is not None:
            kernel_rules.replace(held, given, keep=is_derived)
        if text is None:
            forget_rules(paths)
        else:
            keep_rules(paths, text)
    finally:
        if held is not None:
            held.close()
    if held is None:
        note(f"rempart: {NOT_LOADED}")


def _is_live(session: Session) -> bool:
    return (session.configuration.shield_pins / "program").exists()
