"""Challenges: what passes, what does not and why; the memory of what was used."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.gate import challenge
from rempart.gate.challenge import SKEW_S, Challenge, Passed, Refused, Why
from rempart.gate.replay import ReplayMemory
from rempart.model.gate import CHALLENGE_LIFETIME_S, GateKey, GateKeys, Rung

NOW = 1_800_000_000
KEY = GateKey(kid="one", secret="11" * 32, created=NOW)
OTHER = GateKey(kid="two", secret="22" * 32, created=NOW)
KEYS = GateKeys(keys=(KEY,))
NONCE = "0f2aaa23-e0d4-4701-9a7c-f530966dae0e"


def waiting(host: str = "a.test", now: int = NOW) -> Challenge:
    return challenge.issue(host, Rung.WAIT, 5, NONCE, now)


def proving(bits: int = 8) -> Challenge:
    return challenge.issue("a.test", Rung.PROOF, bits, NONCE, NOW)


def proof_of(bits: int) -> str:
    return next(str(n) for n in itertools.count() if challenge.proves(NONCE, str(n), bits))


def verify(
    text: str,
    *,
    proof: str = "",
    host: str = "a.test",
    now: float = NOW + 6,
    keys: GateKeys = KEYS,
    replays: ReplayMemory | None = None,
) -> Passed | Refused:
    memory = ReplayMemory(NOW - 100) if replays is None else replays
    return challenge.verify(text, proof, host, keys, memory, now)


def test_whoever_waits_passes_and_only_once() -> None:
    text, replays = challenge.sign(waiting(), KEY), ReplayMemory(NOW)
    assert verify(text, now=NOW + 2, replays=replays) == Refused(Why.TOO_EARLY, wait_s=4)
    assert verify(text, replays=replays) == Passed(Rung.WAIT)
    assert verify(text, replays=replays) == Refused(Why.REPLAYED)


def test_a_proof_passes_at_once_and_a_wrong_one_can_be_mended() -> None:
    text, replays = challenge.sign(proving(), KEY), ReplayMemory(NOW)
    for wrong in ("", "x", "-1", "9" * 13, "１", "0x1"):
        assert verify(text, proof=wrong, now=NOW, replays=replays) == Refused(Why.WRONG_PROOF)
    assert verify(text, proof=proof_of(8), now=NOW, replays=replays) == Passed(Rung.PROOF)


def test_both_challenges_of_a_page_are_worth_one_clearance() -> None:
    replays = ReplayMemory(NOW)
    assert verify(challenge.sign(proving(), KEY), proof=proof_of(8), replays=replays) == Passed(Rung.PROOF)
    assert verify(challenge.sign(waiting(), KEY), replays=replays) == Refused(Why.REPLAYED)


@pytest.mark.parametrize(
    ("text", "asked", "why"),
    [
        (challenge.sign(waiting(), OTHER), {}, Why.FORGED),
        (challenge.sign(waiting("b.test"), KEY), {}, Why.OTHER_SITE),
        (challenge.sign(waiting(), KEY), {"now": NOW + CHALLENGE_LIFETIME_S}, Why.EXPIRED),
        (challenge.sign(waiting(), KEY), {"replays": ReplayMemory(NOW + 1)}, Why.EXPIRED),
        (challenge.sign(waiting(now=NOW + 60), KEY), {}, Why.CLOCK_SKEW),
        ("", {}, Why.MALFORMED),
        ("1." * 300, {}, Why.MALFORMED),
    ],
)
def test_refusals_have_a_reason(text: str, asked: dict[str, object], why: Why) -> None:
    found = verify(text, **asked)  # type: ignore[arg-type]
    assert isinstance(found, Refused)
    assert found.why is why


def test_what_is_tolerated_when_clocks_differ() -> None:
    """The edge's clock may be SKEW_S ahead; a clock that was set back locks nobody out."""
    ahead = challenge.sign(challenge.issue("a.test", Rung.PROOF, 8, NONCE, NOW + SKEW_S), KEY)
    assert verify(ahead, proof=proof_of(8), now=NOW) == Passed(Rung.PROOF)
    assert verify(ahead, proof=proof_of(8), now=NOW - 1) == Refused(Why.CLOCK_SKEW)
    # The gate's clock behind lets nobody wait less.
    assert verify(challenge.sign(waiting(), KEY), now=NOW - SKEW_S) == Refused(Why.TOO_EARLY, wait_s=11)
    # Set back by an hour after the gate's start: what was used stays used, what is stated now passes.
    replays = ReplayMemory(NOW)
    before, after = challenge.sign(waiting(), KEY), NOW - 3_600
    assert verify(before, replays=replays) == Passed(Rung.WAIT)
    stated = challenge.issue("a.test", Rung.WAIT, 5, "12-34", after)
    assert verify(challenge.sign(stated, KEY), now=after + 6, replays=replays) == Passed(Rung.WAIT)
    assert verify(before, now=after + 6, replays=replays) == Refused(Why.CLOCK_SKEW)
    assert verify(before, replays=replays) == Refused(Why.REPLAYED)


def test_a_challenge_outlives_the_key_it_was_signed_with_by_one_rotation() -> None:
    text = challenge.sign(waiting(), KEY)
    once = KEYS.rotated(OTHER)
    assert once.current == OTHER
    assert verify(text, keys=once) == Passed(Rung.WAIT)
    twice = once.rotated(GateKey(kid="three", secret="33" * 32, created=NOW))
    assert verify(text, keys=twice) == Refused(Why.FORGED)


@given(st.integers(min_value=0), st.characters(min_codepoint=33, max_codepoint=126))
def test_no_changed_character_passes(place: int, other: str) -> None:
    text = challenge.sign(waiting(), KEY)
    place %= len(text)
    changed = text[:place] + other + text[place + 1 :]
    if changed != text:
        assert isinstance(verify(changed), Refused)


@given(st.text(max_size=600))
def test_any_text_gets_an_answer(text: str) -> None:
    assert isinstance(verify(text), Refused)


def test_the_memory_is_bounded_and_forgets_what_has_expired() -> None:
    replays = ReplayMemory(NOW, size=100)
    for number in range(1_000):
        assert replays.first_time(str(number), NOW + 300, NOW)
    assert len(replays) == 100
    assert not replays.first_time("999", NOW + 300, NOW)
    for number in range(30):
        replays.first_time(f"later {number}", NOW + 900, NOW + 400)
    assert len(replays) == 30


def test_a_key_is_due_when_it_is_old_or_from_the_future() -> None:
    assert not KEYS.due(NOW)
    assert not KEYS.due(NOW + 3600)
    assert KEYS.due(NOW + 24 * 3600)
    assert KEYS.due(NOW - 10)
    assert len(KEYS.rotated(OTHER).rotated(OTHER).keys) == 2
    assert KEY.secret not in repr(KEYS)
