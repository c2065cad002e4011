"""A log's new signing key, vouched for by the old one in an entry of the log itself.

The statement is a signed note (c2sp.org/signed-note) of three lines, signed with both keys:

    rempart log key rotation v1
    <verifier key that signed until now>
    <verifier key that signs from here on>

Its first line is no log's origin and its second no size: no checkpoint can be taken for it, nor it for one.
Whoever trusts the old key comes to trust the new one by reading the log. From the checkpoint on that covers
the entry, checkpoints are signed with the new key; with the old one too, until everybody has changed over.
"""

from __future__ import annotations

from datetime import datetime

from rempart.governance.log.checkpoint import Checkpoint, parse_checkpoint
from rempart.governance.log.note import (
    Note,
    SigningKey,
    VerifierKey,
    parse_note,
    parse_verifier_key,
    verified,
)
from rempart.governance.log.step import Step
from rempart.model.errors import InvalidInput

KIND = "log-key-rotated"
ROOM = "log-key/"
HEAD = "rempart log key rotation v1"


def step_id(new: VerifierKey) -> str:
    """The step that says it: one for each key."""
    return f"{ROOM}{new.key_id.hex()}"


def rotation_step(old: SigningKey, new: SigningKey, at: datetime) -> Step:
    """The entry in which ``old`` hands over to ``new``; both have the log's name."""
    text = f"{HEAD}\n{old.verifier}\n{new.verifier}\n"
    note = Note(text, (old.sign(text), new.sign(text)))
    return Step(id=step_id(new.verifier), kind=KIND, at=at, public={"note": note.encode().decode()})


def rotation_in(step: Step) -> tuple[VerifierKey, VerifierKey] | None:
    """The old key and the new one, when the step is a statement that both have signed; None otherwise."""
    content = step.public.get("note")
    if step.kind != KIND or not isinstance(content, str):
        return None
    try:
        note = parse_note(content.encode())
        head, old_text, new_text, rest = note.text.split("\n")
        old, new = parse_verifier_key(old_text), parse_verifier_key(new_text)
        signers = {(one.name, one.key_id) for one in verified(note, (old, new))}
    except (InvalidInput, ValueError):
        return None
    wanted = {(key.name, key.key_id) for key in (old, new)}
    whole = head == HEAD and not rest and old.name == new.name and old.kind is new.kind and old != new
    return (old, new) if whole and signers == wanted and step.id == step_id(new) else None


class Lineage:
    """The keys of a log, as far as its entries lead from one that is trusted."""

    def __init__(self, trusted: VerifierKey) -> None:
        self._keys = [trusted]
        self._entries: list[tuple[int, VerifierKey, VerifierKey]] = []

    def note(self, index: int, step: Step) -> None:
        """Look at an entry; they come in their order."""
        found = rotation_in(step)
        if found is None:
            return
        old, new = found
        self._entries.append((index, old, new))
        if old == self._keys[-1]:
            self._keys.append(new)

    @property
    def newest(self) -> VerifierKey:
        """The key that signs now."""
        return self._keys[-1]

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key from the first to the newest; earlier checkpoints bear the signature of any of them."""
        keys = list(self._keys)
        for _, old, new in reversed(self._entries):
            if new == keys[0]:
                keys.insert(0, old)
        return tuple(keys)


def claimed(content: bytes, name: str) -> Checkpoint:
    """The checkpoint that a note says to be, signed by a key of this name: by which, nobody has looked.

    InvalidInput when it does not even say so.
    """
    note = parse_note(content)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != name or not any(one.name == name for one in note.signatures):
        raise InvalidInput(f"it is not of {name}", field="checkpoint")
    return checkpoint
