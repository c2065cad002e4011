"""What was learnt, on disk: for the next process, for so long as is set, for nobody else's eyes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rempart.model.attacks import Layer
from rempart.model.configuration import Configuration, DefenceSection
from rempart.node.defending.deciding import KEEP_SECONDS, Deciding
from rempart.node.defending.memory import Memory, learnt_file
from rempart.node.state_folders import prepare
from tests.defence import traffic
from tests.node.defending.test_deciding import NAMING, RATE, Play, wall_of


@pytest.fixture
def play(state: Path) -> Play:
    configuration = Configuration(state=state)
    prepare(configuration, is_root=False)
    return Play(configuration)


def file_of(play: Play) -> Path:
    return learnt_file(play.paths, Layer.PACKET)


def next_process(play: Play, days: float = 7, *, after: timedelta = timedelta(seconds=1)) -> Deciding:
    section = DefenceSection(learnt_days=days)
    now = play.stage.now
    return Deciding(play.paths, section, Layer.PACKET, NAMING, now, wall_of(now) + after)


def test_it_is_written_now_and_then_and_the_next_process_begins_with_it(play: Play) -> None:
    now = play.stage.now
    play.deciding.write(now + KEEP_SECONDS - 1, wall_of(now))
    assert not file_of(play).exists()
    play.deciding.write(now + KEEP_SECONDS, wall_of(now))
    assert file_of(play).stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file_of(play).parent.iterdir() if one.name.startswith(".learnt")] == []
    play.process(play.stage, learnt=False)
    play.stage.tick(attack=traffic.udp_flood, rate=RATE)
    play.flood(0.5)
    assert play.only().evidence.trial.records > 3_000
    assert play.stage.orders.rules


def test_an_orderly_end_keeps_it_too(play: Play) -> None:
    play.deciding.end("stopped", play.stage.now, wall_of(play.stage.now))
    assert next_process(play).defence.packets.reservoir.size > 3_000


@pytest.mark.parametrize("content", [b"", b"rempart learnt 1\n", b"x" * 5_000])
def test_a_file_that_cannot_be_used_is_said_and_costs_nothing_else(
    play: Play, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Memory(play.paths, Layer.PACKET).write(content)
    capsys.readouterr()
    deciding = next_process(play)
    assert deciding.defence.packets.reservoir.size == 0
    said = "".join(capsys.readouterr())
    assert "beginning cold" in said
    assert str(file_of(play)) in said
    # Its place is taken by what is learnt from now on.
    deciding.keep(play.stage.now, wall_of(play.stage.now))
    assert file_of(play).read_bytes() != content


def test_it_is_kept_for_so_long_as_is_set(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play.deciding.keep(play.stage.now, wall_of(play.stage.now))
    assert next_process(play, days=2, after=timedelta(days=1)).defence.packets.reservoir.size > 0
    assert next_process(play, days=2, after=timedelta(days=3)).defence.packets.reservoir.size == 0
    assert "days old" in "".join(capsys.readouterr())
    assert next_process(play, days=0).defence.packets.reservoir.size == 0
    assert not file_of(play).exists()
    none = next_process(play, days=0)
    none.keep(play.stage.now, wall_of(play.stage.now))
    assert not file_of(play).exists()


def test_a_disk_that_takes_nothing_stops_nobody(play: Play) -> None:
    (file_of(play).parent / ".learnt.bin.new").mkdir()
    play.deciding.keep(play.stage.now, wall_of(play.stage.now))
    play.flood()
    assert play.stage.orders.rules
