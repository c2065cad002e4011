"""Whatever is altered in a log is found, by our verification and by the one that was written for itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rempart.controller.transparency.checking import Checked, Trust, check
from rempart.controller.transparency.sources import FolderSource
from rempart.governance.log.checkpoint import Checkpoint
from rempart.governance.log.growing import Edge, grow
from rempart.governance.log.note import Note
from tests.controller.transparency.conftest import Place
from tests.governance.log import independent
from tests.governance.log.logs import KEY, WITNESS, signed, step, steps

TRUST = Trust(KEY.verifier, (WITNESS.verifier,))


def make(root: Path, sizes: list[int], entries: list[bytes] | None = None) -> None:
    """A cosigned log that was appended to in parts, with the partial files of all of them."""
    edge = Edge()
    entries = entries or steps(sizes[-1])
    for size in sizes:
        growth = grow(edge, entries[edge.size : size])
        edge = growth.edge
        for tile, content in growth.files:
            (root / tile.path).parent.mkdir(parents=True, exist_ok=True)
            (root / tile.path).write_bytes(content)
    (root / "checkpoint").write_bytes(cosigned(edge).encode())


def cosigned(edge: Edge) -> Note:
    note = signed(KEY, edge)
    return note.signed_also([WITNESS.cosign(note.text, 1_700_000_000)])


def checked(root: Path, earlier: bytes | None = None) -> Checked:
    return check(FolderSource(root), TRUST, earlier, whole=True)


def independently(root: Path) -> list[bytes]:
    return independent.verify_log(root, str(KEY.verifier), [str(WITNESS.verifier)])


def test_every_octet_of_every_file_of_a_small_log(tmp_path: Path) -> None:
    make(tmp_path, [2, 3])
    assert checked(tmp_path).sound
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5
    for path in files:
        content = path.read_bytes()
        leftover = path.parent.name.endswith(".p") and path.name == "2"
        for at in range(len(content)):
            path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
            found = checked(tmp_path)
            assert not found.sound, (path, at)
            assert any(path.name in str(fault) for fault in found.faults), (path, at)
            if not leftover:
                with pytest.raises(independent.WrongError):
                    independently(tmp_path)
        path.write_bytes(content)
    assert checked(tmp_path).sound


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("large")
    make(root, [100, 257, 300, 511, 514])
    assert checked(root).sound
    assert independently(root) == steps(514)
    return root


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_alteration_of_a_larger_log(large: Path, data: st.DataObject) -> None:
    files = sorted(path for path in large.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    altered = data.draw(
        st.sampled_from(
            [
                content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :],
                content[:at],
                content + b"\x00",
                content[:at] + b"x" + content[at:],
            ]
        )
    )
    path.write_bytes(altered)
    try:
        assert not checked(large).sound
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("path", ["tile/0/001.p/3", "tile/entries/002.p/2", "tile/1/000.p/2", "tile/0/001"])
def test_a_file_that_is_gone(large: Path, tmp_path: Path, path: str) -> None:
    root = tmp_path / "copy"
    shutil.copytree(large, root)
    if not (root / path).exists():
        assert path.endswith(".p/3")
        return
    (root / path).unlink()
    found = checked(root)
    assert found.faults[0].path == path
    with pytest.raises(independent.WrongError):
        independently(root)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("index.html", "no file of a log"),
        ("tile/0/003", "beyond the end"),
        ("tile/0/002.p/3", "beyond the end"),
        ("tile/0/000.p/7", "not the beginning"),
        ("tile/9/000", "beyond the end"),
        ("tile/0/1", "no file of a log"),
    ],
)
def test_a_file_that_does_not_belong(large: Path, tmp_path: Path, path: str, what: str) -> None:
    root = tmp_path / "copy"
    shutil.copytree(large, root)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(bytes(32))
    assert [(fault.path, what in fault.what) for fault in checked(root).faults] == [(path, True)]


def test_a_log_that_is_consistent_in_itself_but_was_rewritten(tmp_path: Path) -> None:
    make(tmp_path / "first", [300])
    seen = (tmp_path / "first" / "checkpoint").read_bytes()
    entries = steps(400)
    make(tmp_path / "grown", [400], entries)
    assert checked(tmp_path / "grown", seen).sound
    entries[17] = step(17, n=-1).encode()
    make(tmp_path / "rewritten", [400], entries)
    assert checked(tmp_path / "rewritten").sound
    assert "it was rewritten" in checked(tmp_path / "rewritten", seen).faults[0].what
    make(tmp_path / "cut", [200])
    assert "it was cut short" in checked(tmp_path / "cut", seen).faults[0].what


def test_a_size_root_or_entry_that_its_own_log_lies_about(tmp_path: Path) -> None:
    """What only whoever holds the key can do."""
    make(tmp_path, [300])
    edge = grow(Edge(), steps(300)).edge
    for size, root in ((299, edge.root), (301, edge.root), (300, bytes(32)), (10**15, edge.root)):
        text = Checkpoint(KEY.name, size, root).text
        note = Note(text, (KEY.sign(text), WITNESS.cosign(text, 1)))
        (tmp_path / "checkpoint").write_bytes(note.encode())
        assert not checked(tmp_path).sound
    entries = steps(5)
    entries[3] = entries[1]
    make(tmp_path / "twice", [5], entries)
    assert "has the same id as entry" in checked(tmp_path / "twice").faults[0].what
    entries[3] = b'{"x":1}'
    make(tmp_path / "other", [5], entries)
    assert "is no step" in checked(tmp_path / "other").faults[0].what
    assert len(independently(tmp_path / "other")) == 5  # a log it is, of other things


def test_a_writer_s_log_is_what_both_expect(place: Place) -> None:
    with place.open() as log:
        for first in range(0, 520, 130):
            log.append(steps(130, first))
            log.publish(log.signed.note)
        assert independent.verify_log(place.public, str(log.key.verifier)) == steps(520)
