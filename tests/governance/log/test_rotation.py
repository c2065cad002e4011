"""A log's key hands over to another: what counts as that, and what does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rempart.governance.log.checkpoint import parse_checkpoint
from rempart.governance.log.note import KeyKind, Note, SigningKey, parse_note
from rempart.governance.log.rotation import HEAD, KIND, Lineage, claimed, rotation_in, rotation_step
from rempart.governance.log.step import Step, parse_step
from rempart.model.errors import InvalidInput
from tests.governance.log import independent

AT = datetime(2026, 5, 1, tzinfo=UTC)
NAME = "log.example/test"


def key(number: int, name: str = NAME, kind: KeyKind = KeyKind.NOTE) -> SigningKey:
    return SigningKey(name, kind, bytes([number]) * 32)


OLD, NEW, NEXT, STRANGER = key(1), key(2), key(3), key(9)


def said(text: str, *signers: SigningKey, **fields: Any) -> Step:
    note = Note(text, tuple(one.sign(text) for one in signers)).encode().decode()
    made = {"id": f"log-key/{NEW.verifier.key_id.hex()}", "kind": KIND, "at": AT, "public": {"note": note}}
    return Step.model_validate({**made, **fields})


TEXT = f"{HEAD}\n{OLD.verifier}\n{NEW.verifier}\n"


def test_a_statement_that_both_have_signed() -> None:
    step = parse_step(rotation_step(OLD, NEW, AT).encode())
    assert rotation_in(step) == (OLD.verifier, NEW.verifier)
    assert independent.passes(step.encode(), str(OLD.verifier)) == str(NEW.verifier)
    assert independent.passes(step.encode(), str(NEXT.verifier)) is None


@pytest.mark.parametrize(
    "step",
    [
        said(TEXT, OLD),
        said(TEXT, NEW),
        said(TEXT, OLD, STRANGER),
        said(TEXT, OLD, NEW, kind="other"),
        said(TEXT, OLD, NEW, id="log-key/00000000"),
        said(TEXT, OLD, NEW, public={}),
        said(TEXT, OLD, NEW, public={"note": "no note"}),
        said(TEXT.replace(HEAD, "rempart log key rotation v2"), OLD, NEW),
        said(TEXT + "more\n", OLD, NEW),
        said(f"{HEAD}\n{OLD.verifier}\n{OLD.verifier}\n", OLD),
        said(
            f"{HEAD}\n{OLD.verifier}\n{key(2, 'log.example/other').verifier}\n",
            OLD,
            key(2, "log.example/other"),
        ),
    ],
)
def test_what_is_no_statement(step: Step) -> None:
    assert rotation_in(step) is None


def test_a_signature_that_does_not_hold() -> None:
    good = said(TEXT, OLD, NEW).public["note"]
    other = said(TEXT.replace("v1", "v2"), OLD, NEW).public["note"]
    signatures = parse_note(other.encode()).signatures
    spoilt = Note(parse_note(good.encode()).text, signatures).encode().decode()
    step = said(TEXT, OLD, NEW, public={"note": spoilt})
    assert rotation_in(step) is None
    with pytest.raises(independent.WrongError):
        independent.passes(step.encode(), str(OLD.verifier))


def test_no_checkpoint_can_be_taken_for_a_statement() -> None:
    with pytest.raises(InvalidInput):
        parse_checkpoint(TEXT)


def test_keys_follow_one_another() -> None:
    steps = [rotation_step(OLD, NEW, AT), rotation_step(NEW, NEXT, AT)]
    for trusted, newest in ((OLD, NEXT), (NEW, NEXT), (NEXT, NEXT), (STRANGER, STRANGER)):
        lineage = Lineage(trusted.verifier)
        for index, step in enumerate(steps):
            lineage.note(index, step)
        assert lineage.newest == newest.verifier
    whole = tuple(one.verifier for one in (OLD, NEW, NEXT))
    for trusted in (OLD, NEW, NEXT):
        lineage = Lineage(trusted.verifier)
        for index, step in enumerate(steps):
            lineage.note(index, step)
        assert lineage.keys == whole


def test_a_key_that_was_handed_over_hands_over_nothing_more() -> None:
    lineage = Lineage(OLD.verifier)
    lineage.note(0, rotation_step(OLD, NEW, AT))
    lineage.note(1, rotation_step(OLD, STRANGER, AT))
    assert lineage.newest == NEW.verifier


def test_what_a_note_claims() -> None:
    text = f"{NAME}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    note = Note(text, (STRANGER.sign(text),)).encode()
    assert claimed(note, NAME).size == 0
    with pytest.raises(InvalidInput, match="it is not of"):
        claimed(note, "log.example/other")
    other = key(4, "log.example/other")
    with pytest.raises(InvalidInput, match="it is not of"):
        claimed(Note(text, (other.sign(text),)).encode(), NAME)
