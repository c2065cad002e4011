"""The log as the controller uses it: appended once whatever happens, and before its witnesses."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from rempart.controller.transparency import public_log
from rempart.controller.transparency.checking import Trust, check
from rempart.controller.transparency.public_log import PublicLog
from rempart.controller.transparency.sources import FolderSource, HttpSource
from rempart.controller.transparency.witness_service import WitnessKeeper, witness_application
from rempart.governance.log.checkpoint import opened
from rempart.governance.log.note import KeyKind, SigningKey
from rempart.governance.log.proof import proven
from rempart.lab.processes import free_port
from rempart.model.errors import Conflict, EnvironmentLacks, NotFound
from rempart.model.log_settings import LogSection, WitnessSetting
from tests.controller.transparency.conftest import ORIGIN, Place, served
from tests.governance.log import independent
from tests.governance.log.logs import step


def settings(*witnesses: tuple[str, str], required: int = 0) -> LogSection:
    named = tuple(WitnessSetting(url=url, key=key) for url, key in witnesses)
    return LogSection(origin=ORIGIN, witnesses=named, witnesses_required=required)


def log_at(place: Place, *witnesses: tuple[str, str], required: int = 0) -> PublicLog:
    return PublicLog(place.public, place.keeping, settings(*witnesses, required=required))


@contextmanager
def witness(folder: Path, place: Place, port: int | None = None) -> Iterator[tuple[str, str, WitnessKeeper]]:
    """A witness of the log in ``place``: its URL, its key, itself."""
    with log_at(place) as log:
        key = log.key
    keeper = WitnessKeeper(folder, f"witness.example/{folder.name}", [key])
    try:
        with served(witness_application(keeper), port) as url:
            yield url, str(keeper.key), keeper
    finally:
        keeper.close()


def test_steps_are_appended_once_and_found_again(place: Place) -> None:
    with log_at(place) as log:
        first = log.append(step(0, text="é"))
        assert (first.index, log.size) == (0, 1)
        assert opened(first.checkpoint.encode(), log.key).checkpoint.size == 1
        assert log.append(step(0, text="é")).index == 0
        with pytest.raises(Conflict, match="another step with this id"):
            log.append(step(0, text="e"))
        together = log.append_all([step(at) for at in (1, 2, 3, 4)])
        assert [one.index for one in together] == [1, 2, 3, 4]
        # One of them is there already; one contradicts: then nothing is appended.
        assert [one.index for one in log.append_all([step(2), step(5)])] == [2, 5]
        with pytest.raises(Conflict):
            log.append_all([step(6), step(0, text="x")])
        with pytest.raises(Conflict, match="same id"):
            log.append_all([step(6), step(6)])
        assert log.size == 6
    with log_at(place) as log:
        assert log.find(step(3).id) == 3
        assert log.find(step(6).id) is None
        assert log.under("case/2026-000000/") == tuple((step(at).id, at) for at in range(4))
        assert log.steps(3, 10) == (step(3), step(4), step(5))
        assert log.step(4) == step(4)
        proof = log.prove(4)
        assert proven(proof, step(4).encode(), log.key).checkpoint.size == 6
        assert independent.verify_proof(proof.encode().decode(), step(4).encode(), str(log.key)) == 4
        with pytest.raises(NotFound):
            log.prove(6)
        state = log.state()
        assert (state.size, state.published, state.witnesses, state.origin) == (6, 6, (), ORIGIN)
    assert len(independent.verify_log(place.public, state.key)) == 6


@pytest.mark.parametrize("spoil", ["missing", "behind", "broken", "ahead"])
def test_the_index_is_only_a_help(place: Place, tmp_path: Path, spoil: str) -> None:
    index = place.keeping / public_log.INDEX
    with log_at(place) as log:
        log.append_all([step(at) for at in range(300)])
    if spoil == "behind":
        shutil.copy(index, tmp_path / "older")
    with log_at(place) as log:
        log.append_all([step(at) for at in range(300, 310)])
    match spoil:
        case "missing":
            index.unlink()
        case "behind":
            shutil.copy(tmp_path / "older", index)
        case "broken":
            index.write_bytes(b"not a database" * 1000)
        case _:
            import sqlite3

            with sqlite3.connect(index) as connection:
                connection.execute("INSERT INTO steps VALUES ('case/else', 400)")
                connection.execute("UPDATE reached SET size = 401")
            connection.close()
    with log_at(place) as log:
        assert log.append(step(305)).index == 305
        assert log.find("case/else") is None
        assert log.append(step(310)).index == 310


def test_after_a_crash_in_between_the_step_is_there_once(place: Place) -> None:
    """Signed, and neither in the index nor published: what a kill leaves."""
    with log_at(place) as log:
        log.append(step(0))
    with place.open() as writer:
        writer.append([step(1).encode()])
    with log_at(place) as log:
        assert log.append(step(1)).index == 1
        state = log.state()
        assert (state.size, state.published) == (2, 2)


def test_a_damaged_log_takes_nothing(place: Place) -> None:
    with log_at(place) as log:
        log.append(step(0))
    (place.public / "tile/entries/000.p/1").write_bytes(b"")
    with log_at(place) as log:
        for question in (log.state, lambda: log.append(step(1)), lambda: log.append(step(0))):
            with pytest.raises(EnvironmentLacks, match="damaged"):
                question()


# --- witnesses ---------------------------------------------------------------------------------------


def test_a_witness_cosigns_what_is_appended(place: Place, tmp_path: Path) -> None:
    with witness(tmp_path / "w", place) as (url, key, keeper), log_at(place, (url, key), required=1) as log:
        for at in range(5):
            appended = log.append(step(at))
            assert len(opened(appended.checkpoint.encode(), log.key, [keeper.key]).cosignatures) == 1
        state = log.state()
        assert (state.witnesses[0].size, state.witnesses[0].problem) == (5, None)
        trust = Trust(log.key, (keeper.key,))
        assert check(FolderSource(place.public), trust, whole=True).sound
        assert len(independent.verify_log(place.public, str(log.key), [key])) == 5


def test_without_the_cosignatures_that_are_required_there_is_no_effect_yet(
    place: Place, tmp_path: Path
) -> None:
    port = free_port()
    with witness(tmp_path / "w", place, port) as (url, key, keeper):
        pass
    with log_at(place, (url, key), required=1) as log:
        with pytest.raises(EnvironmentLacks, match="0 of 1 witnesses"):
            log.append(step(0))
        assert (log.size, log.state().published) == (1, 0)
        assert "does not answer" in str(log.state().witnesses[0].problem)
        with witness_again(tmp_path / "w", keeper, log, port):
            assert log.append(step(0)).index == 0
            assert (log.size, log.state().published) == (1, 1)


@contextmanager
def witness_again(folder: Path, before: WitnessKeeper, log: PublicLog, port: int) -> Iterator[None]:
    keeper = WitnessKeeper(folder, None, [log.key])
    assert keeper.key == before.key
    try:
        with served(witness_application(keeper), port):
            yield
    finally:
        keeper.close()


def test_one_of_two_is_enough_and_the_other_is_asked_again_later(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with witness(tmp_path / "b", place, port) as (url_b, key_b, keeper):
        pass
    with (
        witness(tmp_path / "a", place) as (url_a, key_a, first),
        log_at(place, (url_a, key_a), (url_b, key_b), required=1) as log,
    ):
        appended = log.append(step(0))
        assert [
            one.name for one in opened(appended.checkpoint.encode(), log.key, [first.key]).cosignatures
        ] == [first.key.name]
        assert not log.ask_witnesses()  # it rests
        monkeypatch.setattr(public_log, "REST_S", 0.0)
        log._rest.clear()
        with witness_again(tmp_path / "b", keeper, log, port):
            assert log.ask_witnesses()
            content = (place.public / "checkpoint").read_bytes()
            assert len(opened(content, log.key, [first.key, keeper.key]).cosignatures) == 2


def test_a_split_view_is_found_by_the_witness(place: Place, tmp_path: Path) -> None:
    """The operator keeps two logs under one key, to show different ones different things."""
    other = Place(tmp_path / "other" / "public", tmp_path / "other" / "keeping")
    with witness(tmp_path / "w", place) as (url, key, keeper):
        with log_at(place, (url, key)) as log:
            log.append_all([step(at) for at in range(3)])
        shutil.copytree(place.public, other.public)
        shutil.copytree(place.keeping, other.keeping)
        with log_at(place, (url, key)) as log:
            log.append(step(3, decided="lifted"))
        with log_at(other, (url, key)) as forked:
            with pytest.raises(Conflict, match="which has only 3 now"):
                forked.append(step(3, decided="nothing happened"))
            assert forked.size == 3  # it did not get that far
        # It is cleverer: first it makes its history as long as the other one, then it asks.
        with other.open() as writer:
            writer.append([step(at, decided="nothing happened").encode() for at in (3, 4)])
        with log_at(other, (url, key)) as forked:
            with pytest.raises(Conflict, match="not begin with what was cosigned"):
                forked.append(step(5))
            assert forked.size == 5
            key_of_log = forked.key
        kept = keeper.last(ORIGIN)
        assert kept is not None
        assert opened(kept, key_of_log).checkpoint.size == 4
        # Both notes are signed by the log, and do not fit: that is the proof.
        evidence = next((tmp_path / "w" / "evidence").iterdir()).read_bytes()
        assert kept in evidence
        with other.open() as writer:
            assert writer.signed.note.encode() in evidence
            writer.publish(writer.signed.note)
        trust = Trust(key_of_log, (keeper.key,))
        assert check(FolderSource(place.public), trust, whole=True).sound
        found = check(FolderSource(other.public), trust, whole=True)
        assert "missing: witness.example/w" in found.faults[0].what


def test_a_dispute_lasts_until_the_witness_agrees(place: Place, tmp_path: Path) -> None:
    """Neither its rest nor its silence is an agreement; nothing is published meanwhile."""
    other = Place(tmp_path / "other" / "public", tmp_path / "other" / "keeping")
    port = free_port()
    with witness(tmp_path / "w", place, port) as (url, key, keeper):
        with log_at(place, (url, key)) as log:
            log.append(step(0))
        shutil.copytree(place.public, other.public)
        shutil.copytree(place.keeping, other.keeping)
        with log_at(place, (url, key)) as log:
            log.append_all([step(1), step(2)])
        forked = log_at(other, (url, key))
        for again in range(3):
            with pytest.raises(Conflict, match="which has only 1 now"):
                forked.append(step(1, decided="nothing happened"))
            assert not forked.ask_witnesses()
            assert (forked.size, forked.state().published) == (1, 1), again
        # A step that is there already is published no better than a new one.
        with pytest.raises(Conflict, match="which has only 1 now"):
            forked.append(step(0))
    with forked:
        with pytest.raises(Conflict, match="does not answer"):
            forked.append(step(1, decided="nothing happened"))
        assert (forked.size, forked.state().published) == (1, 1)
        # The missing entries are brought back: then it agrees, and is asked at once.
        with witness_again(tmp_path / "w", keeper, forked, port):
            writer = forked._opened()
            writer.append([step(1).encode(), step(2).encode()])
            assert forked.append(step(3)).index == 3
            assert forked.state().published == 4
            assert forked.state().witnesses[0].problem is None


def test_a_dispute_is_no_less_one_when_another_witness_agrees(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other" / "public", tmp_path / "other" / "keeping")
    with (
        witness(tmp_path / "a", place) as (url_a, key_a, _),
        witness(tmp_path / "b", place) as (url_b, key_b, _),
    ):
        with log_at(place, (url_a, key_a), (url_b, key_b)) as log:
            log.append(step(0))
        shutil.copytree(place.public, other.public)
        shutil.copytree(place.keeping, other.keeping)
        # Only one of them is shown how it goes on; the other one would cosign anything.
        with log_at(place, (url_a, key_a)) as log:
            log.append(step(1))
        with other.open() as writer:
            writer.append([step(1, decided="nothing happened").encode()])
        with log_at(other, (url_a, key_a), (url_b, key_b)) as forked:
            for _ in range(2):
                assert not forked.ask_witnesses()
                with pytest.raises(Conflict, match="example/a"):
                    forked.append(step(1, decided="nothing happened"))
            assert forked.state().published == 1


def test_a_witness_remembers_through_a_crash(place: Place, tmp_path: Path) -> None:
    with witness(tmp_path / "w", place) as (url, key, keeper), log_at(place, (url, key)) as log:
        log.append(step(0))
        before, watched = keeper.last(ORIGIN), log.key
        with pytest.raises(Conflict):
            WitnessKeeper(tmp_path / "w", None)
    again = WitnessKeeper(tmp_path / "w", None, [watched])
    try:
        assert again.last(ORIGIN) == before
        assert (tmp_path / "w" / "witness.key").stat().st_mode & 0o777 == 0o600
        assert str(again.key) == key
    finally:
        again.close()


def test_what_a_witness_answers_over_http(place: Place, tmp_path: Path) -> None:
    with witness(tmp_path / "w", place) as (url, key, keeper):
        assert httpx.get(url).text == f"{key}\n"
        assert httpx.post(f"{url}/add-checkpoint", content=b"x").status_code == 400
        assert httpx.post(f"{url}/add-checkpoint", content=b"x" * 100_000).status_code == 413
        with log_at(place) as log:
            log.append(step(0))
            note = log.state().checkpoint
            assert note is not None
        sent = httpx.post(f"{url}/add-checkpoint", content=f"old 0\n\n{note}".encode())
        assert sent.status_code == 200
        assert keeper.key.holds(
            note.partition("\n\n")[0] + "\n", independent.strict64(sent.text.split()[2])[4:]
        )
        behind = httpx.post(f"{url}/add-checkpoint", content=f"old 0\n\n{note}".encode())
        assert (behind.status_code, behind.text) == (409, "1\n")
        assert behind.headers["content-type"] == "text/x.tlog.size"
        strange = note.replace(ORIGIN, "log.example/strange")
        assert httpx.post(f"{url}/add-checkpoint", content=f"old 0\n\n{strange}".encode()).status_code == 404


def test_whatever_a_witness_answers_nothing_breaks(place: Place) -> None:
    answers = iter(
        [(200, b"\xff", "text/plain"), (200, b"", "text/plain"), (200, b"x" * 100_000, "text/plain"),
         (409, b"-1", "text/x.tlog.size"), (409, b"0\n", "text/x.tlog.size"), (500, b"", "text/plain"),
         (200, "— a AAAAAAAA\n".encode(), "text/plain")]
    )  # fmt: skip
    app = FastAPI()

    @app.post("/add-checkpoint")
    def add() -> Response:
        status, content, kind = next(answers)
        return Response(content, status_code=status, media_type=kind)

    key = str(SigningKey("witness.example/two", KeyKind.COSIGNATURE, bytes(32)).verifier)
    with served(app) as url, log_at(place, (url, key)) as log:
        log.append(step(0))
        for _ in range(5):
            assert log.state().witnesses[0].problem
            log._rest.clear()
            assert not log.ask_witnesses()
        assert (log.size, log.state().published) == (1, 1)


def test_a_witness_that_drips_its_answer_does_not_hold_up_the_log(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_log, "WITNESS_SECONDS", 0.5)
    app, ending = FastAPI(), threading.Event()

    @app.post("/add-checkpoint")
    async def add() -> StreamingResponse:
        async def drops() -> AsyncIterator[bytes]:
            while not ending.is_set():
                yield b"x"
                await asyncio.sleep(0.1)

        return StreamingResponse(drops())

    key = str(SigningKey("witness.example/two", KeyKind.COSIGNATURE, bytes(32)).verifier)
    with served(app) as url, log_at(place, (url, key)) as log:
        log.append(step(0))
        assert "has not answered" in str(log.state().witnesses[0].problem)
        assert log.state().published == 1
        ending.set()


# --- serving -----------------------------------------------------------------------------------------


def test_a_log_is_served_mirrored_and_verified_over_http(place: Place, tmp_path: Path) -> None:
    from rempart.controller.transparency.checking import mirror
    from rempart.controller.transparency.serving import log_application

    copy = tmp_path / "mirror"
    with log_at(place) as log:
        log.append_all([step(at) for at in range(520)])
        trust = Trust(log.key)
        with served(log_application(place.public, lambda: log.size)) as url, HttpSource.at(url) as source:
            assert check(source, trust).sound
            assert mirror(source, copy, trust).sound
            log.append_all([step(at) for at in range(520, 800)])
            second = mirror(source, copy, trust)
            assert (second.sound, second.entries) == (True, 800)
            # A client that still has the old checkpoint takes what is gone from the full tile.
            answer = httpx.get(f"{url}/tile/0/003.p/32")
            assert answer.headers["cache-control"].endswith("immutable")
            assert httpx.get(f"{url}/tile/0/002.p/8").status_code == 404
            assert httpx.get(f"{url}/checkpoint").headers["content-type"] == "text/plain; charset=utf-8"
            zipped = httpx.get(f"{url}/tile/entries/000", headers={"Accept-Encoding": "gzip"})
            plain = httpx.get(f"{url}/tile/entries/000", headers={"Accept-Encoding": "identity"})
            assert zipped.content == plain.content
            assert zipped.headers["content-encoding"] == "gzip"
            assert "content-encoding" not in plain.headers
            # What is not signed, not a tile, or elsewhere is not shown.
            (place.public / "tile/0/003.p/33").write_bytes(bytes(33 * 32))
            for path in ("tile/0/003.p/33", "tile/0/3", "tile/0/..%2f..%2fcheckpoint", "tile/0/004", "x", ""):
                assert httpx.get(f"{url}/{path}").status_code == 404, path
            assert httpx.head(f"{url}/tile/0/000").status_code == 200
            assert httpx.post(f"{url}/checkpoint").status_code == 405
    assert check(FolderSource(copy), trust, whole=True).sound
    assert len(independent.verify_log(copy, str(trust.key))) == 800


def test_a_mirror_takes_nothing_from_a_log_that_was_rewritten(place: Place, tmp_path: Path) -> None:
    from rempart.controller.transparency.checking import mirror

    fork = Place(tmp_path / "fork" / "public", tmp_path / "fork" / "keeping")
    copy = tmp_path / "mirror"
    with log_at(place) as log:
        log.append(step(0))
        trust = Trust(log.key)
    shutil.copytree(place.public, fork.public)
    shutil.copytree(place.keeping, fork.keeping)
    with log_at(place) as log:
        log.append_all([step(at) for at in range(1, 300)])
    assert mirror(FolderSource(place.public), copy, trust).sound
    with log_at(fork) as log:
        log.append_all([step(at, other=True) for at in range(1, 400)])
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    found = mirror(FolderSource(fork.public), copy, trust)
    assert not found.sound
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert check(FolderSource(copy), trust, whole=True).sound
