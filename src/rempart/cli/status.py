"""``rempart status``: what runs, what follows, what was refused, what is off.

Works with everything down: the parts are read from the files that the supervisor writes, and only what
the controller knows is missing then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import click

from rempart.cli import status_log
from rempart.cli.output import counted, document, json_option, note, say, table
from rempart.cli.session import Session, pass_session
from rempart.controller.admin_api.messages import ControllerStatus, NodeView
from rempart.controller.reports import ItemRefusal, Lag
from rempart.model.attacks import Layer, State
from rempart.model.base import Value
from rempart.model.configuration import StatePaths
from rempart.model.errors import RempartError
from rempart.node.defending.entries import Account
from rempart.node.defending.journal import read_accounts
from rempart.node.defending.running import stale
from rempart.node.parts import NEEDED, PartState, read_parts, supervisor_pid
from rempart.node.shield.state import NAME as SHIELD_NAME
from rempart.node.shield.state import ShieldState, off_words, problem, read_state

NO_CONTROLLER = "the controller is not running"
SITES_SHOWN = 20
"""Sites without an origin that are named on a line of their own."""


class PartView(Value):
    """One part for ``--json``."""

    name: str
    phase: str
    up: bool
    pid: int | None
    since: str
    starts: int
    adopted: bool
    version: str
    last_exit: str


class LoopView(Value):
    """One layer's defence loop, in numbers."""

    layer: Layer
    attacks: int
    mitigations: int
    observed: int
    """Of these, so many only say what they would do."""
    subjects: tuple[str, ...]
    """What is attacked."""
    stale: str = ""
    """Why this need not hold any more; empty when it does."""

    @property
    def line(self) -> str:
        if self.stale:
            return f"{self._now}, but {self.stale}"
        return self._now

    @property
    def _now(self) -> str:
        if not self.attacks and not self.mitigations:
            return f"{self.layer}s calm"
        on = f" on {', '.join(self.subjects[:SITES_SHOWN])}" if self.subjects else ""
        observed = f", {self.observed} only observed" if self.observed else ""
        attacks, answers = counted(self.attacks, "attack"), counted(self.mitigations, "mitigation")
        return f"{self.layer}s {attacks}{on}, {answers}{observed}"


class Status(Value):
    """Everything that ``rempart status --json`` prints."""

    ok: bool
    """Every part is up and watched, the controller answers, a node is connected, nothing was refused, every
    site has an origin that can serve."""
    problems: tuple[str, ...]
    parts: tuple[PartView, ...]
    controller: ControllerStatus | None
    shield: ShieldState | None
    """The packet shield, as its part says; None when it was never started here."""
    defence: tuple[LoopView, ...] = ()
    """What each defence loop says; empty when none was ever started here."""
    off: tuple[str, ...]


@click.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """What runs, what follows, what was refused, what is down, what is off.

    Exit status 1 when something is not right.
    """
    paths = session.configuration.paths
    parts = read_parts(paths)
    watched = supervisor_pid(paths) is not None
    if not parts and not watched and not paths.admin_socket.exists():
        found = never_started(paths)
    else:
        known, words = asked(session)
        found = judged(parts, known, words, read_state(paths), watched=watched)
        wall, accounts = datetime.now(UTC), read_accounts(paths)
        late = {one.layer: stale(paths, one, wall) for one in accounts}
        found = found.model_copy(update={"defence": loops(accounts, late)})
    if as_json:
        document(found.model_dump(mode="json"))
    else:
        show(found)
    if not found.ok:
        raise click.exceptions.Exit(1)


def loops(accounts: Iterable[Account], late: Mapping[Layer, str] | None = None) -> tuple[LoopView, ...]:
    """What the defence loops say of now, in numbers; ``late``: see ``LoopView.stale``. Pure."""
    return tuple(
        LoopView(
            layer=one.layer,
            attacks=len(one.attacks),
            mitigations=len(one.standing),
            observed=sum(entry.state is State.OBSERVED for entry in one.standing),
            subjects=tuple(dict.fromkeys(attack.subject for attack in one.attacks)),
            stale=(late or {}).get(one.layer, ""),
        )
        for one in accounts
    )


def asked(session: Session) -> tuple[ControllerStatus | None, str]:
    """What the running controller says; None and why it says nothing."""
    try:
        with session.running_controller() as controller:
            if controller is None:
                return None, NO_CONTROLLER
            return controller.ask(ControllerStatus, "/v1/status"), ""
    except RempartError as error:
        return None, str(error)


def never_started(paths: StatePaths) -> Status:
    """Before the first start there is one thing to say."""
    words = f"nothing was ever started on {paths.root}; start it with: rempart up"
    return Status(ok=False, problems=(words,), parts=(), controller=None, shield=None, off=())


def judged(
    parts: tuple[PartState, ...],
    known: ControllerStatus | None,
    words: str,
    shield: ShieldState | None = None,
    *,
    watched: bool,
) -> Status:
    """What to make of it. ``watched``: a supervisor runs. Pure."""
    up = {part.name for part in parts if part.up}
    problems = ["nobody watches over the parts: start rempart up, it takes over what runs"] * (
        bool(up) and not watched
    )
    if up or watched:
        problems += [f"{name} is {_phase(parts, name)}" for name in NEEDED if name not in up]
    else:
        problems.append("nothing runs; start it with: rempart up")
    if shield is not None and (up or watched or shield.interfaces) and (fault := problem(shield)):
        problems.append(fault)
    off: tuple[str, ...] = ()
    if known is None:
        if up or watched or words != NO_CONTROLLER:
            problems.append(words)
    else:
        problems += [*(f"not connected: {one}" for one in _unconnected(known)), *map(_lag, known.lagging)]
        problems += [
            f"{node.node}: {engine.name} does not answer{_noted(engine.note)}"
            for node in known.nodes
            for engine in node.engines
            if not engine.alive
        ]
        problems += map(_refusal, known.refusals)
        problems += [
            f"{one.host} cannot be resolved: {one.problem}" for one in known.unresolved if not one.addresses
        ]
        problems += [words for node in known.nodes for words in _down(node)]
        problems += [] if known.log is None else status_log.problems(known.log)
        off = tuple(sorted({words for node in known.nodes for words in node.off if not _of_shield(words)}))
    if shield is not None and (unguarded := off_words(shield)):
        # From its own file: it is there when the controller is not, and newer than the node's last report.
        off = (unguarded, *off)
    return Status(
        ok=not problems,
        problems=tuple(problems),
        parts=tuple(_view(part) for part in parts),
        controller=known,
        shield=shield,
        off=off,
    )


def show(found: Status) -> None:
    if not found.parts:
        for problem in found.problems:
            note(f"rempart: {problem}")
        return
    rows = [
        (
            part.name,
            part.phase,
            str(part.pid or ""),
            part.since,
            str(part.starts),
            part.last_exit,
        )
        for part in found.parts
    ]
    table(
        ("PART", "STATE", "PID", "SINCE", "STARTS", "LAST EXIT"), rows, empty="no part was ever started here"
    )
    if found.controller is not None:
        known = found.controller
        say()
        say(f"revision {known.revision}, {counted(known.zones, 'zone')}, {counted(known.sites, 'site')}")
        for node in known.nodes:
            _show_node(node, known.revision)
        for one in known.unresolved:
            if one.addresses:
                note(f"rempart: warning: {one.host} is served by its last answer: {one.problem}")
        if known.log is not None:
            say(status_log.line(known.log))
    if found.shield is not None:
        say(f"{SHIELD_NAME}: {found.shield.line}")
    if found.defence:
        say(f"defence: {'; '.join(one.line for one in found.defence)}")
    for words in found.off:
        if not _of_shield(words):
            say(f"off: {words}")
    for problem in found.problems:
        note(f"rempart: {problem}")


def _show_node(node: NodeView, revision: int) -> None:
    behind = "" if node.revision >= revision else f", {revision - node.revision} behind"
    say(f"{node.node}: revision {node.revision}{behind}, {counted(node.items, 'item')}")
    for engine in node.engines:
        words = "answers" if engine.alive else "does not answer"
        if engine.pending:
            words += ", something is still to be done"
        if engine.refusals:
            words += f", refuses {counted(len(engine.refusals), 'item')}"
        say(f"  {engine.name:<10} {words}{_noted(engine.note)}")


def _view(part: PartState) -> PartView:
    return PartView(
        name=part.name,
        phase=part.phase,
        up=part.up,
        pid=part.pid,
        since=part.since.isoformat(timespec="seconds"),
        starts=part.starts,
        adopted=part.adopted,
        version=part.version,
        last_exit=part.last_exit,
    )


def _of_shield(words: str) -> bool:
    return words.startswith(f"{SHIELD_NAME}:")


def _phase(parts: tuple[PartState, ...], name: str) -> str:
    return next((part.phase for part in parts if part.name == name), "not running")


def _unconnected(known: ControllerStatus) -> tuple[str, ...]:
    return () if known.nodes else ("no node has reported to the controller",)


def _lag(lag: Lag) -> str:
    return f"{lag.node} lags: it is at revision {lag.revision}"


def _down(node: NodeView) -> Iterator[str]:
    """Sites that visitors get 503 for."""
    for engine in node.engines:
        for host in engine.sites_down[:SITES_SHOWN]:
            yield f"{host}: no origin is up, visitors get 503 (see rempart site show {host})"
        more = engine.sites_down_count - min(len(engine.sites_down), SITES_SHOWN)
        if more > 0:
            yield f"{counted(more, 'more site')} without an origin that is up (--json names them)"


def _refusal(refusal: ItemRefusal) -> str:
    return f"{refusal.engine} on {refusal.node} refuses {refusal.key}: {refusal.reason}"


def _noted(note: str) -> str:
    return f" ({note})" if note else ""
