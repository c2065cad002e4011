"""The writer: one at a time, whole after any crash, and never two histories."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rempart.controller.transparency.checking import Trust, check
from rempart.controller.transparency.sources import FolderSource
from rempart.controller.transparency.writer import CHECKPOINT, SIGNED, LogWriter
from rempart.governance.log.checkpoint import opened
from rempart.governance.log.note import KeyKind
from rempart.governance.log.tiles import Tile, tile_at
from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput, NotFound
from tests.controller.transparency.conftest import ORIGIN, Place
from tests.governance.log import independent
from tests.governance.log.logs import steps

CALLS = ("replace", "fsync", "mkdir", "unlink", "rmdir", "link", "open")


def sound(place: Place, log: LogWriter) -> int:
    """The size of a published log in which both implementations find nothing wrong."""
    checked = check(FolderSource(place.public), Trust(log.key.verifier), whole=True)
    assert checked.faults == ()
    return len(independent.verify_log(place.public, str(log.key.verifier)))


def append(log: LogWriter, first: int, number: int) -> None:
    log.append(steps(number, first))
    log.publish(log.signed.note)


def test_a_new_log_is_empty_signed_and_has_a_key_of_its_own(place: Place) -> None:
    with place.open() as log:
        assert log.size == 0
        assert log.published is None
        log.publish(log.signed.note)
        assert sound(place, log) == 0
        key = log.key
    path = place.keeping / "log.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (place.keeping / SIGNED).stat().st_mode & 0o777 == 0o600
    assert place.keeping.stat().st_mode & 0o777 == 0o700
    assert (place.public / CHECKPOINT).stat().st_mode & 0o777 == 0o644
    with place.open() as log:
        assert log.key == key
        assert log.key.kind is KeyKind.NOTE
    with LogWriter(place.public, place.keeping) as log:
        assert log.key.name == ORIGIN
    with pytest.raises(EnvironmentLacks, match="a name stays for ever"):
        LogWriter(place.public, place.keeping, "log.example/renamed")


@pytest.mark.parametrize(
    "parts", [[1] * 5, [255, 1, 1], [256, 1], [200, 100, 300], [600], [254, 1, 1, 1, 255, 1]]
)
def test_what_is_appended_is_there_after_every_opening(place: Place, parts: list[int]) -> None:
    size = 0
    for part in parts:
        with place.open() as log:
            append(log, size, part)
            size += part
            assert sound(place, log) == log.size == size
            assert [log.entry(at) for at in (0, size // 2, size - 1)] == [
                steps(1, at)[0] for at in (0, size // 2, size - 1)
            ]
            with pytest.raises(NotFound):
                log.entry(size)
    # No partial file of a tile that is full is left.
    tiles = [tile_at(path) for path in FolderSource(place.public).folder.paths() if path != CHECKPOINT]
    partial = {(tile.level, tile.index) for tile in tiles if tile is not None and tile.width < 256}
    assert not partial & {
        (tile.level, tile.index) for tile in tiles if tile is not None and tile.width == 256
    }


def test_a_second_writer_is_refused(place: Place) -> None:
    with place.open():
        for _ in range(2):
            with pytest.raises(Conflict, match="one writer"):
                place.open()
    with place.open():
        pass


# --- crashes -----------------------------------------------------------------------------------------


def killed_at(number: int, work: Callable[[], None]) -> bool:
    """Run ``work`` in a process that is killed before its ``number``-th call about files; whether it was, or
    had ended before."""
    child = os.fork()
    if child == 0:
        try:
            left = [number]

            def stopping(call: Callable[..., Any]) -> Callable[..., Any]:
                def stopped(*arguments: Any, **named: Any) -> Any:
                    left[0] -= 1
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return call(*arguments, **named)

                return stopped

            for name in CALLS:
                setattr(os, name, stopping(getattr(os, name)))
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed before it was killed"
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize(("before", "more"), [(0, 1), (3, 2), (255, 1), (250, 300)])
def test_killed_at_any_write_the_log_is_whole(memory: Path, before: int, more: int) -> None:
    start = Place(memory / "start" / "public", memory / "start" / "keeping")
    if before:
        with start.open() as log:
            append(log, 0, before)
            key = log.key
    sizes = []
    for number in range(1, 1000):
        root = memory / "run"
        shutil.rmtree(root, ignore_errors=True)
        if before:
            shutil.copytree(start.public.parent, root)
        place = Place(root / "public", root / "keeping")

        def work(place: Place = place) -> None:
            with place.open() as log:
                append(log, before, more)

        killed = killed_at(number, work)
        seen = (place.public / CHECKPOINT).read_bytes() if (place.public / CHECKPOINT).exists() else None
        with place.open() as log:
            assert log.size in (before, before + more)
            sizes.append(log.size)
            if before:
                assert log.key == key
            log.publish(log.signed.note)
            checked = check(FolderSource(place.public), Trust(log.key.verifier), seen, whole=True)
            assert checked.faults == ()
            assert sound(place, log) == log.size
            # It goes on, whichever it was.
            append(log, log.size, 1)
            assert sound(place, log) == log.size
        if not killed:
            break
    assert not killed
    assert len(sizes) > 10
    assert sizes == sorted(sizes)
    assert {before, before + more} == set(sizes)


def test_killed_while_it_recovers_it_recovers_again(memory: Path) -> None:
    place = Place(memory / "start" / "public", memory / "start" / "keeping")
    with place.open() as log:
        append(log, 0, 255)
        # Signed, but not published, as after a crash; and rubbish of one that was never signed.
        log.append(steps(3, 255))
        log._public.write(Tile(0, 1, 100).path, bytes(3200))
        log._public.settle()
        (place.public / "tile/entries/.001.new").write_bytes(b"x")
    for number in range(1, 1000):
        root = memory / "run"
        shutil.rmtree(root, ignore_errors=True)
        copy = Place(root / "public", root / "keeping")
        shutil.copytree(place.public, copy.public)
        shutil.copytree(place.keeping, copy.keeping)

        def work(copy: Place = copy) -> None:
            with copy.open() as log:
                log.publish(log.signed.note)

        killed = killed_at(number, work)
        with copy.open() as log:
            log.publish(log.signed.note)
            assert sound(copy, log) == 258
        if not killed:
            return
    raise AssertionError("it never ended")


def test_everything_is_on_the_disk_before_it_is_signed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill does not lose what the kernel has; a power failure does. So the order of fsync is looked at."""
    written: list[Path] = []
    safe: set[Path] = set()
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        safe.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    def replace(source: Path, target: Path) -> None:
        assert Path(source) in safe, "renamed before its content was safe"
        if Path(target).name in (SIGNED, CHECKPOINT):
            for path in written:
                assert path.parent in safe, f"{target.name} before the name of {path} was safe"
        real_replace(source, target)
        safe.discard(Path(target).parent)
        written.append(Path(target))

    with place.open() as log:
        append(log, 0, 3)
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)
        append(log, 3, 600)
    assert {path.name for path in written} >= {SIGNED, CHECKPOINT}
    assert all(path.parent in safe for path in written)


def test_after_a_failed_write_the_next_append_finds_out_first(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.open() as log:
        append(log, 0, 10)
        real, calls = os.replace, [0]

        def full(source: str, target: str) -> None:
            calls[0] += 1
            if calls[0] == 2:
                raise OSError(28, "No space left on device")
            real(source, target)

        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(EnvironmentLacks, match="No space left"):
            log.append(steps(5, 10))
        monkeypatch.undo()
        assert log.size == 10
        append(log, 10, 2)
        assert sound(place, log) == 12


# --- damage ------------------------------------------------------------------------------------------


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("path", [Tile(0, 1, 44).path, Tile(1, 0, 1).path, Tile(None, 1, 44).path])
def test_on_a_damaged_edge_nothing_is_signed(place: Place, path: str) -> None:
    with place.open() as log:
        append(log, 0, 300)
    spoil(place.public / path)
    with pytest.raises(EnvironmentLacks, match="is damaged"):
        place.open()


@pytest.mark.parametrize("name", [SIGNED, "log.key"])
def test_what_is_missing_is_not_made_up(place: Place, name: str) -> None:
    with place.open() as log:
        append(log, 0, 3)
    (place.keeping / name).unlink()
    with pytest.raises(EnvironmentLacks, match="missing"):
        place.open()


def test_an_older_copy_of_what_is_signed_is_noticed(place: Place) -> None:
    with place.open() as log:
        append(log, 0, 3)
        old = (place.keeping / SIGNED).read_bytes()
        append(log, 3, 3)
    # The tiles of the old size are there still, and fit.
    (place.keeping / SIGNED).write_bytes(old)
    with pytest.raises(EnvironmentLacks, match="6 entries are published, 3 are kept"):
        place.open()


def test_a_key_that_others_can_read_is_not_used(place: Place) -> None:
    with place.open():
        pass
    (place.keeping / "log.key").chmod(0o640)
    with pytest.raises(EnvironmentLacks, match="others can read it"):
        place.open()
    (place.keeping / "log.key").chmod(0o600)
    (place.keeping / "log.key").write_text("PRIVATE+KEY+secret")
    with pytest.raises(EnvironmentLacks) as caught:
        place.open()
    assert "secret" not in str(caught.value)


def test_only_the_newest_checkpoint_can_be_published(place: Place) -> None:
    with place.open() as log:
        append(log, 0, 3)
        old = log.signed.note
        append(log, 3, 3)
        with pytest.raises(Conflict):
            log.publish(old)
        with pytest.raises(InvalidInput):
            log.publish(old.signed_also(()).__class__(old.text.replace("3", "4"), old.signatures))
        assert opened((place.public / CHECKPOINT).read_bytes(), log.key.verifier).checkpoint.size == 6
