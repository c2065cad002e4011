"""A log goes on under a new key, and whoever trusted the old one finds out from the log itself."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rempart.controller.transparency.checking import Checked, Trust, check, mirror
from rempart.controller.transparency.sources import FolderSource
from rempart.controller.transparency.writer import LogWriter
from rempart.governance.log.checkpoint import opened
from rempart.governance.log.note import VerifierKey
from rempart.model.errors import Conflict, InvalidInput, RempartError
from tests.controller.transparency.conftest import ORIGIN, Place
from tests.controller.transparency.test_public_log import log_at, witness
from tests.governance.log import independent
from tests.governance.log.logs import step

AT = datetime(2026, 5, 1, tzinfo=UTC)


def checked(place: Place, key: VerifierKey, earlier: bytes | None = None) -> Checked:
    return check(FolderSource(place.public), Trust(key), earlier, whole=True)


def checkpoint(place: Place) -> bytes:
    return (place.public / "checkpoint").read_bytes()


def test_both_keys_sign_until_the_old_one_is_gone(place: Place) -> None:
    with log_at(place) as log:
        old = log.key
        log.append(step(0))
        before = checkpoint(place)
        state = log.rotate_key(AT)
        new = log.key
        assert new != old
        assert (state.key, state.previous_key) == (str(new), str(old))
        assert log.rotate_key(AT) == state, "it is begun once"
        log.append(step(1))
        for key in (old, new):
            assert opened(checkpoint(place), key).checkpoint.size == 3
            assert checked(place, key, before).sound
            assert len(independent.verify_log(place.public, str(key))) == 3
        state = log.finish_rotation()
        assert (state.key, state.previous_key) == (str(new), None)
        log.append(step(2))
    assert not (place.keeping / "log.key.next").exists()
    with pytest.raises(InvalidInput, match="not signed by"):
        opened(checkpoint(place), old)
    for key in (old, new):
        found = checked(place, key, before)
        assert found.sound, found.faults
        assert found.signed is not None
        assert independent.verify_from(place.public, str(key))[0] == str(new)
    with log_at(place) as log:
        assert log.key == new
        assert log.append(step(3)).index == 4


def test_a_second_rotation_follows_the_first(place: Place) -> None:
    with log_at(place) as log:
        keys = [log.key]
        for at in range(2):
            log.append(step(at))
            log.rotate_key(AT)
            keys.append(log.key)
            log.finish_rotation()
        log.append(step(9))
    assert len(set(keys)) == 3
    for key in keys:
        assert checked(place, key).sound
        assert independent.verify_from(place.public, str(key))[0] == str(keys[-1])


def test_the_old_key_alone_signs_nothing_after_it_handed_over(place: Place, tmp_path: Path) -> None:
    """A thief of the old key goes on from the public files: readers of the statement do not follow."""
    with log_at(place) as log:
        old = log.key
        log.append(step(0))
        thief = Place(tmp_path / "thief", tmp_path / "stolen")
        shutil.copytree(place.keeping, thief.keeping)
        log.rotate_key(AT)
        log.finish_rotation()
    shutil.copytree(place.public, thief.public)
    (thief.keeping / "signed").unlink()
    (thief.public / "checkpoint").unlink()
    forged = LogWriter(thief.public, thief.keeping, ORIGIN)
    with forged:
        # Its tools take what is on the disk for nothing; the thief writes the same entries anew.
        content = [entry for at in range(1) for entry in independent.split_bundle(_bundle(place))]
        forged.append(content)
        forged.publish(forged.signed.note)
    found = checked(thief, old)
    assert found.signed is None
    assert "not signed by" in found.faults[0].what


def _bundle(place: Place) -> bytes:
    return (place.public / "tile/entries/000.p/2").read_bytes()


def test_another_key_is_believed_by_nobody(place: Place, tmp_path: Path) -> None:
    with log_at(place) as log:
        log.append(step(0))
        key = log.key
    with log_at(Place(tmp_path / "b", tmp_path / "k")) as other:
        other.append(step(0))
        stranger = other.key
    assert key.name == stranger.name
    found = checked(place, stranger)
    assert found.signed is None
    assert "it is not signed by" in found.faults[0].what
    with pytest.raises(InvalidInput, match="not signed by"):
        checked(place, key, (tmp_path / "b/checkpoint").read_bytes())


def test_a_mirror_follows(place: Place, tmp_path: Path) -> None:
    with log_at(place) as log:
        old = log.key
        log.append(step(0))
        assert mirror(FolderSource(place.public), tmp_path / "m", Trust(old)).sound
        log.rotate_key(AT)
        log.finish_rotation()
        log.append(step(1))
        new = log.key
    for key in (old, new):
        assert mirror(FolderSource(place.public), tmp_path / "m", Trust(key)).sound
    assert checked(Place(tmp_path / "m", tmp_path), old).sound


def test_it_is_not_finished_before_anybody_could_read_of_it(place: Place) -> None:
    with log_at(place) as log:
        log.append(step(0))
        with pytest.raises(Conflict, match="no new key"):
            log.finish_rotation()
    with LogWriter(place.public, place.keeping) as writer:
        writer.begin_rotation()
        with pytest.raises(Conflict, match="has not signed"):
            writer.end_rotation()
    with log_at(place) as log:
        with pytest.raises(Conflict, match="nobody can read"):
            log.finish_rotation()
        log.rotate_key(AT)
        log.finish_rotation()


@pytest.mark.parametrize("call", ["replace", "link", "fsync"])
@pytest.mark.parametrize("after", range(4))
def test_stopped_in_between_it_goes_on_where_it_was(
    place: Place, monkeypatch: pytest.MonkeyPatch, call: str, after: int
) -> None:
    """The disk refuses at some write; the next attempt completes what was done, and the log is sound."""
    with log_at(place) as log:
        old = log.key
        log.append(step(0))
    real, left = getattr(os, call), [after]

    def refusing(*arguments: object, **more: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return real(*arguments, **more)

    monkeypatch.setattr(os, call, refusing)
    for act in ("rotate_key", "finish_rotation"):
        with suppress(RempartError, OSError), log_at(place) as log:
            getattr(log, act)(*([AT] if act == "rotate_key" else []))
    monkeypatch.undo()
    with log_at(place) as log:
        if log.key == old:
            log.rotate_key(AT)
        if (place.keeping / "log.key.next").exists():
            log.rotate_key(AT)
            log.finish_rotation()
        log.append(step(1))
        new = log.key
    assert new != old
    assert checked(place, old).sound
    assert independent.verify_from(place.public, str(old))[0] == str(new)


def test_a_witness_cosigns_both_and_then_needs_the_new_one(place: Place, tmp_path: Path) -> None:
    with witness(tmp_path / "w", place) as (url, key, _), log_at(place, (url, key)) as log:
        log.append(step(0))
        log.rotate_key(AT)
        assert log.health().cosigned == 1, "it knows the old key, which signs still"
        log.finish_rotation()
        log.append(step(1))
        assert log.health().cosigned == 0
        assert "403" in str(log.health().witnesses[0].problem)
    with witness(tmp_path / "w", place) as (url, key, _), log_at(place, (url, key)) as log:
        log.append(step(2))
        assert log.health().cosigned == 1, "its operator has added the new key"
        assert independent.verify_from(place.public, str(log.key), [key])[0] == str(log.key)
