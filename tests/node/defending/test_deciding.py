"""The loop with its journal and a person's orders: floods of synthesised samples, real files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rempart.defence.instructions import EnforceRules, Instruction, SampleRate
from rempart.model.attacks import NODE, Action, Event, Layer, Mode, Observation, State
from rempart.model.configuration import Configuration, DefenceSection
from rempart.node.defending import orders
from rempart.node.defending.deciding import Deciding, Naming
from rempart.node.defending.entries import NODE_SUBJECT, Account, Entry
from rempart.node.defending.journal import Journal, read_account, read_history
from rempart.node.defending.packet_words import packet_words
from rempart.node.state_folders import prepare
from tests.defence import traffic
from tests.defence.stage import Stage, calm

NAMING = Naming(key=lambda _: NODE, subject=lambda _: NODE_SUBJECT, words=packet_words)
DAWN = datetime(2026, 11, 21, tzinfo=UTC)
RATE = 200_000


def wall_of(now: float) -> datetime:
    return DAWN + timedelta(seconds=now)


@dataclass
class Judge:
    """A loop's process in the place of the bare loop on a stage."""

    deciding: Deciding

    def handle(self, event: Event, now: float) -> list[Instruction]:
        assert isinstance(event, Observation)
        decided = self.deciding.step(event, now, wall_of(now))
        self.deciding.write(now, wall_of(now))
        told: list[Instruction] = [decided.rules] if decided.rules is not None else []
        return [*told, *([SampleRate(Layer.PACKET, decided.every)] if decided.every else [])]


class Play:
    """A stage after calm, whose loop is a process with a journal in ``configuration``'s folders."""

    def __init__(self, configuration: Configuration, *, at: float = 0.0) -> None:
        self.configuration, self.paths = configuration, configuration.paths
        self.stage = calm()
        self.stage.now += at
        self.deciding = self.process(self.stage)

    def process(self, stage: Stage, *, learnt: bool = True) -> Deciding:
        """A process that starts now; ``learnt``: it knows what is usual and what is good."""
        made = Deciding(
            self.paths, self.configuration.defence, Layer.PACKET, NAMING, stage.now, wall_of(stage.now)
        )
        if learnt:
            fresh, made.defence = made.defence, calm().defence
            made.defence.mitigations = fresh.mitigations
            made.defence._mode, made.defence._enforced = fresh._mode, fresh._enforced
        stage.defence = Judge(made)  # type: ignore[assignment]
        return made

    def flood(self, seconds: float = 1.5) -> None:
        for _ in range(round(seconds * 10)):
            self.stage.tick(attack=traffic.udp_flood, rate=RATE)

    def quiet(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.stage.tick()

    @property
    def account(self) -> Account:
        found = read_account(self.paths, Layer.PACKET)
        assert found is not None
        return found

    def only(self) -> Entry:
        (entry,) = self.account.standing
        return entry

    def revoke(self, one: Entry) -> None:
        made = orders.Revocation(
            id=one.id, layer=one.layer, subject=one.subject, signature=one.signature, at=DAWN
        )
        orders.change(self.paths, lambda before: orders.revoked(before, made))


@pytest.fixture
def play(state: Path) -> Play:
    configuration = Configuration(state=state)
    prepare(configuration, is_root=False)
    return Play(configuration)


def test_what_stands_is_written_with_its_cause_and_evidence_and_goes_to_the_history(play: Play) -> None:
    play.flood()
    one = play.only()
    assert (one.id, one.subject, one.action, one.state) == ("P-1", "node", Action.DROP, State.ENFORCED)
    assert one.words.startswith("UDP")
    assert one.evidence.trial.records > 3_000
    assert one.evidence.trial.upper <= 0.001
    assert one.since <= wall_of(play.stage.now) < one.expires
    (attack,) = play.account.attacks
    assert (attack.kind, attack.mitigations, attack.end) == ("udp-flood", ("P-1",), None)
    play.flood(1.5)
    assert play.only().hits > 100_000
    play.quiet(35)
    assert not play.account.standing
    assert not play.account.attacks
    past = read_history(play.paths, Layer.PACKET)
    (ended,) = [line.mitigation for line in past if line.mitigation]
    assert (ended.state, ended.why) == (State.EXPIRED, "it is over")
    assert [line.attack.end is not None for line in past if line.attack] == [True]


def test_revoked_it_ends_in_the_same_tick_and_sticks_after_a_restart(play: Play) -> None:
    play.flood()
    before = play.only()
    play.revoke(before)
    play.stage.tick(attack=traffic.udp_flood, rate=RATE)
    assert not play.stage.orders.rules
    assert play.account.orders == 1
    assert before.id not in {one.id for one in play.account.standing}
    play.process(play.stage)
    play.stage.orders = EnforceRules((), play.stage.orders.measures, ())
    play.flood()
    assert all(one.signature != before.signature for one in play.account.standing)
    assert not play.stage.orders.rules

    # Taken back, it is found again, with a number that nothing ever had.
    orders.change(play.paths, lambda given: orders.permitted(given, before.id))
    play.quiet(5)
    play.flood(3)
    assert play.only().number > before.number


def test_a_process_that_dies_lets_nothing_in_and_the_next_goes_on(play: Play) -> None:
    play.flood()
    before = play.only()
    # The next one has learnt nothing yet: to it alone, nothing could be said against any packet.
    play.process(play.stage, learnt=False)
    play.flood(3)
    after = play.only()
    assert (after.id, after.signature, after.since) == (before.id, before.signature, before.since)
    assert after.hits > before.hits
    (rule,) = play.stage.orders.rules
    assert rule.id == before.number
    (attack,) = play.account.attacks
    assert attack.mitigations == ("P-1",)
    play.quiet(40)
    assert not play.account.standing
    assert not play.stage.orders.rules


def test_what_another_process_has_told_is_taken_back_when_it_is_only_to_be_observed(play: Play) -> None:
    play.flood()
    assert play.stage.orders.rules
    observing = play.configuration.defence.model_copy(update={"mode": "observe"})
    play.configuration = play.configuration.model_copy(update={"defence": observing})
    play.process(play.stage, learnt=False)
    play.flood(0.2)
    assert play.only().state is State.OBSERVED
    assert not play.stage.orders.rules


def test_an_orderly_end_leaves_nothing_standing(play: Play) -> None:
    play.flood()
    play.deciding.end("stopped", play.stage.now, wall_of(play.stage.now))
    assert not play.account.standing
    assert not play.account.attacks
    (ended,) = [line.mitigation for line in read_history(play.paths, Layer.PACKET) if line.mitigation]
    assert (ended.state, ended.why) == (State.WITHDRAWN, "stopped")
    made = play.process(play.stage)
    assert not made.standing
    assert made.defence.mitigations.upcoming == 2


def test_observed_it_says_what_it_would_do_until_told_otherwise(play: Play) -> None:
    orders.change(play.paths, lambda given: orders.with_mode(given, NODE_SUBJECT, Mode.OBSERVE))
    play.flood(3)
    assert play.only().state is State.OBSERVED
    assert play.only().hits > 100_000
    assert not play.stage.orders.rules
    orders.change(play.paths, lambda given: orders.with_mode(given, NODE_SUBJECT, None))
    play.stage.tick(attack=traffic.udp_flood, rate=RATE)
    assert play.only().state is State.ENFORCED
    assert play.stage.orders.rules
    assert play.account.modes == {}


def test_the_history_is_bounded_in_number_and_age(play: Play) -> None:
    play.flood()
    entry, section = play.only(), DefenceSection(history_entries=10, history_days=7)
    journal = Journal(play.paths, Layer.PACKET, section)
    journal.opened(DAWN)
    for number in range(1, 101):
        at = DAWN + timedelta(days=number / 10)
        one = entry.model_copy(update={"id": f"P-{number}", "ended": at, "state": State.EXPIRED})
        journal.over([one], [], at)
        assert len(read_history(play.paths, Layer.PACKET)) <= 20
    assert journal.opened(at).next == 101
    assert len(read_history(play.paths, Layer.PACKET)) == 10
    journal.opened(DAWN + timedelta(days=16.55))
    (*_, last) = read_history(play.paths, Layer.PACKET)
    assert last.mitigation is not None
    assert last.mitigation.id == "P-100"
    assert len(read_history(play.paths, Layer.PACKET)) == 5


def test_spoilt_files_are_no_reason_not_to_start(play: Play) -> None:
    play.flood()
    (play.paths.packet_journal / "now.json").write_text("{")
    with (play.paths.packet_journal / "history.jsonl").open("a") as file:
        file.write("nonsense\n")
    orders.orders_file(play.paths).write_text("[]")
    made = play.process(play.stage)
    assert not made.standing
    play.stage.orders = EnforceRules((), play.stage.orders.measures, ())
    play.flood()
    assert play.account.standing


def test_a_disk_that_takes_nothing_stops_nobody_and_is_caught_up_with(play: Play) -> None:
    history = play.paths.packet_journal / "history.jsonl"
    history.unlink()
    history.mkdir()
    play.flood()
    assert play.stage.orders.rules
    play.quiet(35)
    assert not play.stage.orders.rules
    history.rmdir()
    play.quiet(2)
    past = read_history(play.paths, Layer.PACKET)
    assert [line.mitigation.id for line in past if line.mitigation] == ["P-1"]


def test_the_node_may_read_what_a_part_has_written_for_itself_alone(state: Path) -> None:
    configuration = Configuration(state=state)
    prepare(configuration, is_root=False)
    before = os.umask(0o077)  # as ``node/privileges.py`` leaves it
    try:
        journal = Journal(configuration.paths, Layer.PACKET, configuration.defence)
        journal.opened(DAWN)
        journal.write(Account(layer=Layer.PACKET, at=DAWN))
    finally:
        os.umask(before)
    modes = {one.name: one.stat().st_mode & 0o777 for one in configuration.paths.packet_journal.iterdir()}
    assert modes == {"now.json": 0o640, "history.jsonl": 0o640}
