"""A witness as a state machine: it cosigns one history, whoever tells it others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.governance.log.growing import Edge, grow
from rempart.governance.log.hashing import leaf_hash, root_of
from rempart.governance.log.note import KeyKind, SigningKey
from rempart.governance.log.tree import consistency_path
from rempart.governance.log.witnessing import (
    Cosign,
    Refuse,
    Submission,
    Watched,
    decide,
    origin_of,
    parse_submission,
)
from rempart.model.errors import InvalidInput
from tests.governance.log.logs import KEY, reader, signed


def entries(size: int, history: int = 0, fork: int = 0) -> list[bytes]:
    """Entries of one of several histories, which part after ``fork`` entries."""
    return [b"%d" % at if at < fork else b"%d/%d" % (at, history) for at in range(size)]


def submission(size: int, old: int, history: int = 0, fork: int = 0, key: SigningKey = KEY) -> Submission:
    whole = entries(size, history, fork)
    path = consistency_path(old, size, reader(list(map(leaf_hash, whole)))) if old <= size else ()
    return Submission(old, path, signed(key, grow(Edge(), whole).edge).encode())


def watched(size: int, history: int = 0, fork: int = 0) -> Watched:
    decided = decide(Watched((KEY.verifier,)), submission(size, 0, history, fork))
    assert isinstance(decided, Cosign)
    return Watched((KEY.verifier,), decided.checkpoint)


def refused(decided: Cosign | Refuse) -> tuple[int, bool]:
    assert isinstance(decided, Refuse)
    return decided.status, decided.split


@given(st.integers(0, 40), st.integers(0, 40))
def test_what_begins_with_the_last_is_cosigned(old: int, more: int) -> None:
    sent = submission(old + more, old)
    assert parse_submission(sent.encode()) == sent
    assert origin_of(sent) == KEY.name
    decided = decide(watched(old), sent)
    assert isinstance(decided, Cosign)
    assert decided.checkpoint.root == root_of(list(map(leaf_hash, entries(old + more))))


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 39))
def test_another_history_is_never_cosigned(old: int, more: int, fork: int) -> None:
    fork = min(fork, old - 1)
    status, split = refused(decide(watched(old, 0, fork), submission(old + more, old, 1, fork)))
    assert (status, split) == (422, True)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1), st.integers(0, 30)), max_size=12),
    st.integers(0, 29),
)
@settings(max_examples=60)
def test_whatever_it_is_told_its_cosignatures_are_of_one_history(
    told: list[tuple[int, int, int]], fork: int
) -> None:
    state = Watched((KEY.verifier,))
    cosigned: list[tuple[int, bytes]] = []
    for size, history, old in told:
        decided = decide(state, submission(size, old, history, fork))
        if isinstance(decided, Cosign):
            state = Watched(state.keys, decided.checkpoint)
            cosigned.append((decided.checkpoint.size, decided.checkpoint.root))
    sizes = [size for size, _ in cosigned]
    assert sizes == sorted(sizes)
    histories = [
        [(size, root_of(list(map(leaf_hash, entries(size, one, fork))))) for size in sizes] for one in (0, 1)
    ]
    assert cosigned in histories


def test_the_answers_of_the_specification() -> None:
    stranger = SigningKey(KEY.name, KeyKind.NOTE, bytes(32))
    assert refused(decide(None, submission(3, 0))) == (404, False)
    assert refused(decide(watched(3), submission(5, 3, key=stranger))) == (403, False)
    assert refused(decide(watched(3), submission(2, 3))) == (400, False)
    behind = decide(watched(3), submission(5, 2))
    assert isinstance(behind, Refuse)
    assert (behind.status, behind.body, behind.content_type) == (409, "3\n", "text/x.tlog.size")
    assert refused(decide(watched(3), submission(3, 3, history=1))) == (422, True)
    assert refused(decide(watched(3), Submission(3, (), submission(5, 3).note))) == (422, True)
    assert refused(decide(watched(0), Submission(0, (bytes(32),), submission(5, 0).note))) == (422, False)
    assert isinstance(decide(watched(3), submission(3, 3)), Cosign)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1\n",
        b"old 01\n\nx",
        b"new 1\n\nx",
        b"old 1\nAAAA\n\nx",
        b"\xff\n\nx",
        b"old 1" + b"\nAAAA" * 64 + b"\n\nx",
    ],
)
def test_what_is_no_submission(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_submission(body)
