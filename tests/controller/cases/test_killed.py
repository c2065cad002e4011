"""The controller's process is killed at its writes, life after life, while a case goes from report to
reversal.

``test_crash`` kills at every write within the docket; here it is the process that serves, with its own
sockets, tasks and files: every file brought to the disk or put in its place, and every commit, is a moment to
die at.
"""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rempart.controller.admin_api.case_messages import CaseView, NewAnswer, NewAppeal, NewNotice
from rempart.controller.intents import OPERATOR
from rempart.controller.transparency.checking import Trust
from rempart.controller.transparency.checking import check as check_log
from rempart.controller.transparency.sources import FolderSource
from rempart.governance.canonical import motion_digest
from rempart.governance.log.note import parse_verifier_key
from rempart.lab.leftovers import short_folder
from rempart.lab.processes import free_port
from rempart.model.cases import Act, Case, MotionKind, Outcome, Phase
from rempart.model.cases_events import Moved, Notified, Stated, Triaged
from rempart.model.configuration import Configuration
from rempart.model.sites import Origin
from rempart.snapshot.signing import new_key_pair
from tests.controller.cases.conftest import QUICK, court_on
from tests.controller.cases.test_crash import check
from tests.controller.intents.conftest import Clock
from tests.governance.cast import HOST, Play, motion, signed

FIRST, STRIDE = 16, 5
"""The first life dies at about its first write for the case, each one after it lives a little longer."""
PATIENCE_S = 60.0
MAIN = """
import os, signal, sys
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from rempart.controller import service
from rempart.model.configuration import Configuration

left = int(sys.argv[2])

def count():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(call):
    def counting(*arguments, **named):
        count()
        done = call(*arguments, **named)
        count()
        return done
    return counting

def before(connection):
    if connection.get_execution_options().get("writes"):
        count()

def after(session):
    if session.get_bind().get_execution_options().get("writes"):
        count()

configuration = Configuration.model_validate_json(sys.argv[1])
service.LOCK_WAIT_S = 10.0
service.prepare(configuration)
os.fsync, os.replace = counted(os.fsync), counted(os.replace)
event.listen(Engine, "commit", before)
event.listen(Session, "after_commit", after)
service.run(configuration)
"""


@pytest.fixture
def own() -> Iterator[Configuration]:
    """A state folder with a site, a charter and a case that was reported."""
    folder = short_folder()
    configuration = Configuration.model_validate(
        {
            "state": folder,
            "edge": {"addresses": ["192.0.2.80", "2001:db8::80"]},
            "api": {"port": free_port()},
            "console": {"port": free_port()},
        }
    )
    paths = configuration.paths
    for made in (paths.controller, paths.node, paths.admin_socket.parent):
        made.mkdir(parents=True, mode=0o700)
    private, public = new_key_pair()
    (paths.controller / "feed.key").write_bytes(private)
    paths.feed_public_key.write_bytes(public)
    clock = Clock()
    clock.now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    court = court_on(folder, clock)
    court.intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.7", port=80),))
    court.found(QUICK.model_copy(update={"answer_s": 1, "notice_s": 1})).open()
    court.log.close()
    court.store.close()
    yield configuration
    shutil.rmtree(folder)


class Died(Exception):
    """The process has ended."""


class Life:
    """One process, until it dies at its write number ``at``, counted from when it begins to serve."""

    def __init__(self, configuration: Configuration, at: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", MAIN, configuration.model_dump_json(), str(at)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        self._socket = str(configuration.paths.admin_socket)

    def __enter__(self) -> Life:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def case(self) -> Case:
        """The one case; as soon as the process answers."""
        _, found = self._call("GET", "/v1/cases")
        (one,) = found["cases"]
        return CaseView.model_validate(one).case

    def take(self, id_: str, step: Any) -> None:
        """Ask for a step. It may be refused: what was taken up again meanwhile was this very step."""
        status, answer = self._call("POST", f"/v1/cases/{id_}/steps", {"step": step.model_dump(mode="json")})
        assert status in (200, 201, 409), answer

    def _call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while self._process.poll() is None:
            try:
                return self._asked(method, path, None if body is None else json.dumps(body))
            except (OSError, http.client.HTTPException):
                # Not there yet, or there no more.
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert self._process.returncode == -signal.SIGKILL, "it ended by itself"
        raise Died

    def _asked(self, method: str, path: str, body: str | None) -> tuple[int, Any]:
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(30)
            plain.connect(self._socket)
            client = http.client.HTTPConnection("rempart")
            client.sock = plain
            client.request(method, path, body, {"Content-Type": "application/json"})
            answer = client.getresponse()
            return answer.status, json.loads(answer.read())


def onward(life: Life, case: Case) -> None:
    """The next thing that anybody would do; nothing when it is the controller's turn."""
    now = datetime.now(UTC).replace(microsecond=0)
    play = Play(now=now)
    play.case = case

    def moves(name: str, kind: MotionKind, **fields: Any) -> Moved:
        made = motion(case, name, now, kind, **fields)
        return Moved(motion=made, signed=signed(play.statement(name, Act.MOVE, motion=motion_digest(made))))

    def agrees(name: str) -> Stated:
        return Stated(signed=signed(play.statement(name, Act.APPROVE)))

    step: Any = None
    match case.phase:
        case Phase.REPORTED:
            step = Triaged(accepted=True, reason="It may be so.", by="operator")
        case Phase.TRIAGED:
            step = Notified(by="operator")
        case Phase.NOTIFIED if not case.answered:
            step = NewAnswer(text="It was satire.")
        case Phase.NOTIFIED if case.motion is None:
            step = moves("ada", MotionKind.DECISION)
        case Phase.NOTIFIED:
            step = agrees("ben")
        case Phase.DECIDED:
            step = NewNotice(by="operator")
        case Phase.IN_EFFECT if case.lift_due is not None:
            pass
        case Phase.IN_EFFECT if case.appeal is None:
            step = NewAppeal(text="It was satire.")
        case Phase.IN_EFFECT if case.motion is None:
            step = moves("cleo", MotionKind.APPEAL, outcome=Outcome.REVERSED)
        case Phase.IN_EFFECT:
            step = agrees("dan")
        case _:
            pass
    if step is None:
        time.sleep(0.05)
    else:
        life.take(case.id, step)


def lives(configuration: Configuration, at: int) -> bool:
    """Go on until the process dies at its write number ``at``, or all is done; whether it is."""
    with Life(configuration, at) as life:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while (case := life.case()).phase is not Phase.LIFTED:
                assert time.monotonic() < deadline, f"nothing happens any more: {case.phase}"
                onward(life, case)
        except Died:
            return False
    return True


def looked_at(configuration: Configuration, id_: str, copy: Path) -> Case:
    """What a dead process has left holds together; seen in a copy, so that the next finds it as it is."""
    shutil.copytree(configuration.state, copy, ignore=shutil.ignore_patterns("run"))
    court = court_on(copy, Clock())
    try:
        return check(court, id_)
    finally:
        court.log.close()
        court.store.close()
        shutil.rmtree(copy)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_case_survives_the_deaths_of_its_controller(own: Configuration, tmp_path: Path) -> None:
    court = court_on(own.state, Clock())
    (id_,) = (one.id for one in court.docket.list().items)
    key = parse_verifier_key(court.log.state().key)
    court.log.close()
    court.store.close()
    at, deaths = FIRST, Counter[int]()
    while not lives(own, at):
        deaths[looked_at(own, id_, tmp_path / "copy").seq] += 1
        at += STRIDE
    assert len(deaths) > 5, f"it always died at the same steps: {deaths}"
    court = court_on(own.state, Clock())
    try:
        assert check(court, id_).phase is Phase.LIFTED
        kinds: Counter[str] = Counter(one.event.kind for one in court.docket.steps(id_))
    finally:
        court.log.close()
        court.store.close()
    once = ("opened", "triaged", "notified", "announced", "took_effect", "appealed", "lifted")
    assert [kinds[kind] for kind in once] == [1] * len(once)
    assert (kinds["moved"], kinds["stated"]) == (2, 2)
    checked = check_log(FolderSource(own.paths.public_log), Trust(key, (), None), None, whole=True)
    assert checked.sound, checked.faults
