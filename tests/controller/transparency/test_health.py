"""How the log says that it is: at once, and clearly when it is out of reach."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rempart.cli import status_log
from rempart.controller.admin_api.messages import LogStatus
from rempart.controller.transparency.log_state import LogHealth, WitnessState
from rempart.lab.processes import free_port
from rempart.model.errors import Conflict, EnvironmentLacks
from tests.controller.transparency.conftest import Place
from tests.controller.transparency.test_public_log import log_at, witness
from tests.governance.log.logs import step

KEY = "witness.example+16ff6d2f+BE6eZ+wNDOj2wPOVfc/KFDPcLqnNUAFgS4qvSg8mxEMp"


def status(health: LogHealth, waiting: int = 0, waiting_s: int | None = None) -> LogStatus:
    return LogStatus(health=health, age_s=90, waiting=waiting, waiting_s=waiting_s)


def test_a_log_that_is_well(place: Place, tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    with witness(tmp_path / "w", place) as (url, key, _), log_at(place, (url, key), required=1) as log:
        assert log.health().size is None
        log.append(step(1))
        found = log.health()
        assert (found.size, found.published, found.cosigned, found.required) == (1, 1, 1, 1)
        assert found.published_at is not None
        assert found.published_at > before
        assert found.problem is None
        assert list(status_log.problems(status(found))) == []
        assert (
            status_log.line(status(found))
            == "public log: 1 entry, checkpoint 90 seconds old, cosigned by 1 of 1 witness"
        )


def test_a_log_whose_witness_is_away_is_out_of_reach(place: Place, tmp_path: Path) -> None:
    port = free_port()
    with log_at(place, (f"http://127.0.0.1:{port}", witness_key(place, tmp_path)), required=1) as log:
        with pytest.raises(EnvironmentLacks):
            log.append(step(1))
        found = log.health()
        assert found.problem is not None
        assert found.since is not None
        assert (found.size, found.published, found.cosigned) == (1, 0, 0)
        words = list(status_log.problems(status(found, 2, 40)))
        assert words[0].startswith("PUBLIC LOG OUT OF REACH since ")
        assert "no step of a case has an effect; 2 steps wait" in words[0]
        assert words[1].startswith("the witness witness.example/w does not answer")
        since = found.since
        assert not log.ask_witnesses()
        assert log.health().since == since, "it is out of reach since the first time"


def witness_key(place: Place, tmp_path: Path) -> str:
    with witness(tmp_path / "w", place) as (_, key, _keeper):
        return key


def test_a_step_that_is_refused_says_nothing_about_the_log(place: Place) -> None:
    with log_at(place) as log:
        log.append(step(1))
        with pytest.raises(Conflict):
            log.append(step(1).model_copy(update={"kind": "other"}))
        assert log.health().problem is None


def test_health_does_not_wait_for_whoever_uses_the_log(place: Place) -> None:
    with log_at(place) as log:
        log.append(step(1))
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with log._lock:
                held.set()
                done.wait(60)

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(60)
        try:
            assert log.health().size == 1
        finally:
            done.set()
            thread.join(60)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7_200, "2 hours"), (259_200, "3 days")],
)
def test_ages(seconds: int, words: str) -> None:
    assert status_log.age(seconds) == words


def test_steps_that_wait_longer_than_a_moment_are_a_problem() -> None:
    well = LogHealth(size=5, published=5)
    assert list(status_log.problems(status(well, 1, 3))) == []
    assert list(status_log.problems(status(well, 1, 600))) == [
        "the public log is behind: 1 step waits, the oldest for 10 minutes"
    ]
    silent = well.model_copy(
        update={"witnesses": (WitnessState(name="w", url="https://w", key=KEY, problem="does not answer"),)}
    )
    assert list(status_log.problems(status(silent))) == ["the witness w does not answer"]
    assert status_log.line(status(LogHealth())) == "public log: not opened yet"
