"""Clearances: whose they are, how long they hold, and that nobody makes their own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from hypothesis import given
from hypothesis import strategies as st

from rempart.gate import clearance
from rempart.model.gate import CLEARANCE_LENGTH_MAX, CLEARANCE_LIFETIME_S, GateKey, GateKeys, Rung

NOW = 1_800_000_000
KEY = GateKey(kid="one", secret="11" * 32, created=NOW)
OTHER = GateKey(kid="two", secret="22" * 32, created=NOW)
KEYS = GateKeys(keys=(KEY,))
HOLDS = clearance.issue("a.test", Rung.PROOF, b"r" * 16, NOW)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(header: object, claims: object, key: bytes) -> str:
    text = f"{part(header)}.{part(claims)}"
    mac = hmac.digest(key, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


CLAIMS = {"aud": "a.test", "exp": NOW + 100, "iat": NOW, "jti": HOLDS.id}
HEADER = {"alg": "HS256", "kid": "one", "typ": "JWT"}


@given(
    st.from_regex(r"\A[a-z0-9-]{1,60}(\.[a-z0-9-]{1,60}){0,2}\Z"),
    st.sampled_from(Rung),
    st.binary(min_size=16, max_size=16),
    st.integers(0, CLEARANCE_LIFETIME_S - 1),
)
def test_what_is_issued_holds_for_its_host_and_its_time(
    host: str, rung: Rung, random: bytes, age: int
) -> None:
    issued = clearance.issue(host, rung, random, NOW)
    text = clearance.sign(issued, KEY)
    assert len(text) <= CLEARANCE_LENGTH_MAX
    assert clearance.verify(text, host, KEYS, NOW + age) == issued
    assert issued.rung is rung
    assert clearance.verify(text, f"x{host}", KEYS, NOW + age) is None
    assert clearance.verify(text, host, KEYS, NOW + CLEARANCE_LIFETIME_S) is None


def test_it_outlives_one_rotation_of_the_keys() -> None:
    text = clearance.sign(HOLDS, KEY)
    assert clearance.verify(text, "a.test", KEYS.rotated(OTHER), NOW) == HOLDS
    assert clearance.verify(text, "a.test", GateKeys(keys=(OTHER,)), NOW) is None


def test_the_algorithm_is_never_the_tokens_choice() -> None:
    key = KEY.token_key.encode()
    assert clearance.verify(token(HEADER, CLAIMS, key), "a.test", KEYS, NOW)
    for alg in ("none", "None", "RS256", "HS512", "", None, 5):
        assert clearance.verify(token({**HEADER, "alg": alg}, CLAIMS, key), "a.test", KEYS, NOW) is None
    unsigned = token({**HEADER, "alg": "none"}, CLAIMS, key).rpartition(".")[0] + "."
    assert clearance.verify(unsigned, "a.test", KEYS, NOW) is None
    # The key of challenges is another one.
    assert clearance.verify(token(HEADER, CLAIMS, KEY.challenge_key), "a.test", KEYS, NOW) is None


def test_claims_of_the_wrong_kind_are_no_clearance() -> None:
    key = KEY.token_key.encode()
    wrong: list[dict[str, object]] = [
        {"exp": str(NOW + 100)},
        {"exp": True},
        {"exp": NOW},
        {"iat": NOW + 3600},
        {"iat": None},
        {"aud": ["a.test"]},
        {"jti": "be_0001|192.0.2.1"},
        {"jti": 7},
    ]
    for claims in wrong:
        assert clearance.verify(token(HEADER, {**CLAIMS, **claims}, key), "a.test", KEYS, NOW) is None
    others: list[object] = [[], 5, None, "x"]
    for body in others:
        assert clearance.verify(token(HEADER, body, key), "a.test", KEYS, NOW) is None


@given(st.text(max_size=700))
def test_any_text_gets_an_answer(text: str) -> None:
    assert clearance.verify(text, "a.test", KEYS, NOW) is None


@given(st.integers(min_value=0), st.sampled_from("ABab01-_.="))
def test_no_changed_character_holds(place: int, other: str) -> None:
    text = clearance.sign(HOLDS, KEY)
    place %= len(text)
    changed = text[:place] + other + text[place + 1 :]
    if changed != text:
        assert clearance.verify(changed, "a.test", KEYS, NOW) is None
