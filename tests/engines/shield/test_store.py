"""Lists on disk: everything acknowledged is there, and damage is told from a crash."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.engines.shield import store
from rempart.engines.shield.entries import Batch, Network
from rempart.engines.shield.store import HEADER, RECORD, ListStore, SpoiltList
from rempart.model.errors import Conflict, EnvironmentLacks

Contents = dict[Network, tuple[int, int]]
PREFIXES = [
    ip_network(text) for text in ("10.0.0.0/8", "10.0.0.0/9", "192.0.2.1", "::/0", "2001:db8::/64", "::1")
]


def contents(batch: Batch) -> Contents:
    return {network: (until, tag) for network, until, tag in batch}


def filled(folder: Path) -> ListStore:
    """A list with entries and a journal."""
    found = ListStore(folder, "blocked")
    found.add(Batch.of(PREFIXES[:3], tag=1))
    found.compact(0)
    found.add(Batch.of(PREFIXES[3:], until=17, tag=2))
    found.remove(PREFIXES[:1])
    return found


FILLED = dict.fromkeys(PREFIXES[1:3], (0, 1)) | dict.fromkeys(PREFIXES[3:], (17, 2))


def test_a_list_that_never_was_is_empty(tmp_path: Path) -> None:
    assert len(ListStore(tmp_path, "blocked").load()) == 0


def test_what_was_added_and_removed_is_there_in_order(tmp_path: Path) -> None:
    filled(tmp_path)
    assert contents(ListStore(tmp_path, "blocked").load()) == FILLED


def test_what_has_expired_is_forgotten(tmp_path: Path) -> None:
    found = filled(tmp_path)
    assert found.compact(17) == 2
    assert contents(found.load()) == dict.fromkeys(PREFIXES[1:3], (0, 1))
    assert not found.journal_path.exists()


_changes = st.lists(
    st.tuples(st.booleans(), st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=5), st.integers(0, 5)),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(_changes, st.integers(1, 6))
def test_any_changes_end_as_a_dictionary_would(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[bool, list[Network], int]], most: int
) -> None:
    expected: Contents = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "JOURNAL_MAX", most)
        found = ListStore(tmp_path_factory.mktemp("list"), "blocked")
        for is_added, networks, tag in changes:
            if is_added:
                found.add(Batch.of(networks, tag=tag))
                expected |= dict.fromkeys(networks, (0, tag))
            else:
                found.remove(networks)
                expected = {one: value for one, value in expected.items() if one not in networks}
            assert contents(found.load()) == expected


@pytest.mark.parametrize("cut", [1, RECORD.itemsize - 1])
def test_a_record_that_a_crash_cut_off_is_passed_over(tmp_path: Path, cut: int) -> None:
    found = filled(tmp_path)
    raw = found.journal_path.read_bytes()
    found.journal_path.write_bytes(raw[:-cut])
    expected = FILLED | {PREFIXES[0]: (0, 1)}
    assert contents(found.load()) == expected
    found.add(Batch.of([ip_network("203.0.113.0/24")]))
    assert contents(found.load()) == expected | {ip_network("203.0.113.0/24"): (0, 0)}


def test_blocks_that_a_crash_left_empty_are_passed_over(tmp_path: Path) -> None:
    found = filled(tmp_path)
    with found.journal_path.open("ab") as file:
        file.write(bytes(3 * RECORD.itemsize))
    assert contents(found.load()) == FILLED
    found.add(Batch.of([ip_network("203.0.113.0/24")]))
    assert contents(found.load()) == FILLED | {ip_network("203.0.113.0/24"): (0, 0)}


def _flip(at: int) -> Callable[[bytes], bytes]:
    return lambda raw: raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: raw[:10], "shorter than its header"),
        (lambda raw: b"", "shorter than its header"),
        (lambda raw: b"#!/bin/sh\n" + raw[10:], "no list of the packet shield"),
        (_flip(9), "its header does not match"),
        (_flip(HEADER.itemsize + 5), "its entries do not match"),
        (lambda raw: raw[:-1], "bytes long where"),
        (lambda raw: raw + b"x", "bytes long where"),
    ],
)
def test_a_damaged_list_is_not_used(tmp_path: Path, damage: Callable[[bytes], bytes], words: str) -> None:
    found = filled(tmp_path)
    raw = damage(found.list_path.read_bytes())
    found.list_path.write_bytes(raw)
    with pytest.raises(SpoiltList, match=words) as caught:
        found.load()
    assert caught.value.path == found.list_path
    assert found.list_path.read_bytes() == raw
    aside = found.set_aside(123)
    assert aside.read_bytes() == raw
    assert len(found.load()) == 0
    found.add(Batch.of(PREFIXES[:1]))
    assert len(found.load()) == 1


def test_a_damaged_journal_is_not_used(tmp_path: Path) -> None:
    found = filled(tmp_path)
    found.journal_path.write_bytes(_flip(3)(found.journal_path.read_bytes()))
    with pytest.raises(SpoiltList, match="record 0 of 4 does not match its checksum"):
        found.load()


def test_a_journal_of_an_earlier_list_counts_no_more(tmp_path: Path) -> None:
    """A crash between the new list and the end of the old journal."""
    found = filled(tmp_path)
    journal = found.journal_path.read_bytes()
    found.compact(17)
    expected = contents(found.load())
    found.journal_path.write_bytes(journal)
    assert contents(found.load()) == expected


WRITER = """
import sys
from ipaddress import ip_network
from pathlib import Path
from rempart.engines.shield import store
from rempart.engines.shield.entries import Batch
store.JOURNAL_MAX = 50
found = store.ListStore(Path(sys.argv[1]), "blocked")
for index in range(100):
    found.add(Batch.of([ip_network((int(sys.argv[2]) << 24 | index << 8, 24))]))
"""


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)]) for number in (11, 12)
    ]
    assert [one.wait() for one in writers] == [0, 0]
    expected = {ip_network((number << 24 | index << 8, 24)) for number in (11, 12) for index in range(100)}
    assert set(contents(ListStore(tmp_path, "blocked").load())) == expected


KILLED = """
import sys
from ipaddress import ip_network
from pathlib import Path
from rempart.engines.shield import store
from rempart.engines.shield.entries import Batch
store.JOURNAL_MAX = 7
found = store.ListStore(Path(sys.argv[1]), "blocked")
for index in range(int(sys.argv[2]), 1_000_000):
    found.add(Batch.of([ip_network(index << 8)]))
    print(index, flush=True)
"""


def test_what_was_acknowledged_is_there_when_the_writer_was_killed(tmp_path: Path) -> None:
    found = ListStore(tmp_path, "blocked")
    begin = 1
    for turn in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), str(begin)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(5 + 3 * turn):
            begin = int(writer.stdout.readline()) + 1
        writer.kill()
        begin = max([begin, *(int(one) + 1 for one in writer.stdout.read().split())])
        writer.stdout.close()
        writer.wait()
        there = set(contents(found.load()))
        assert {ip_network(index << 8) for index in range(1, begin)} <= there
        assert len(there) <= begin
        begin = len(there) + 1


def test_a_writer_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.01)
    found = filled(tmp_path)
    descriptor = os.open(tmp_path / "blocked.lock", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(Conflict, match="another process works on"):
        found.load()
    os.close(descriptor)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="No such file"):
        ListStore(tmp_path / "nowhere", "blocked").load()
