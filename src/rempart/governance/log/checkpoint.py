"""Checkpoints: what a log says of itself, signed (c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rempart.governance.log.hashing import HASH_BYTES
from rempart.governance.log.note import (
    KeyKind,
    Note,
    Signature,
    VerifierKey,
    decode64,
    encode64,
    parse_note,
    verified,
)
from rempart.model.errors import InvalidInput

_DECIMAL = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree's size and root under the log's name. ``extensions``: lines of no meaning here."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note's text, as it is signed."""
        lines = (self.origin, str(self.size), encode64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that the log has signed, and who cosigned it."""

    checkpoint: Checkpoint
    note: Note
    cosignatures: tuple[Signature, ...] = ()


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text; InvalidInput when it is none."""
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < 3 or not all(lines):
        raise InvalidInput("origin, size and root hash are expected, a line each", field="checkpoint")
    origin, size, root, *extensions = lines
    hash_ = decode64(root, "checkpoint")
    if len(hash_) != HASH_BYTES:
        raise InvalidInput("the root is no SHA-256 hash", field="checkpoint")
    return Checkpoint(origin, decimal(size, "checkpoint"), hash_, tuple(extensions))


def decimal(text: str, field: str) -> int:
    """A number in ASCII digits without leading zeros, below 10**19; InvalidInput otherwise."""
    if not _DECIMAL.fullmatch(text):
        raise InvalidInput(f"{text[:30]!r} is no size", field=field)
    return int(text)


def opened(
    content: bytes, key: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int | None = None
) -> Signed:
    """The checkpoint in a signed note, once the log's signature and the witnesses' were found to hold.

    ``quorum``: how many of ``witnesses`` must have cosigned; None: all. InvalidInput says what is missing.
    """
    note = parse_note(content)
    checkpoint = parse_checkpoint(note.text)
    good = verified(note, (key, *witnesses))
    if not any((one.name, one.key_id) == (key.name, key.key_id) for one in good):
        raise InvalidInput(f"it is not signed by {key}", field="checkpoint", hint="is this the log's key?")
    if key.kind is KeyKind.NOTE and checkpoint.origin != key.name:
        raise InvalidInput(f"it is of {checkpoint.origin}, not of {key.name}", field="checkpoint")
    cosigned = {(one.name, one.key_id): one for one in good}
    there = [cosigned[one.name, one.key_id] for one in witnesses if (one.name, one.key_id) in cosigned]
    wanted = len(witnesses) if quorum is None else quorum
    if len(there) < wanted:
        names = {one.name for one in there}
        missing = ", ".join(one.name for one in witnesses if one.name not in names)
        raise InvalidInput(
            f"{len(there)} of the {wanted} cosignatures that are asked for are there; missing: {missing}",
            field="checkpoint",
        )
    return Signed(checkpoint, note, tuple(there))
