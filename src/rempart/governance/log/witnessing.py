"""What a witness decides: ``(what it knows of a log, what is submitted) → cosign it or refuse it``
(c2sp.org/tlog-witness).

A witness remembers the last checkpoint it cosigned of every log it knows and cosigns only what begins with
it. So a log that shows one history to some and another to others gets a cosignature for one of them at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from rempart.governance.log.checkpoint import Checkpoint, decimal, parse_checkpoint
from rempart.governance.log.hashing import EMPTY_ROOT
from rempart.governance.log.note import NOTE_BYTES_MAX, Note, VerifierKey, encode64, parse_note, verified
from rempart.governance.log.proof import PATH_MAX, hashes_in_lines
from rempart.governance.log.tree import consistent
from rempart.model.errors import InvalidInput

SIZE_TYPE = "text/x.tlog.size"
SUBMISSION_BYTES_MAX = NOTE_BYTES_MAX + 64 * 64


@dataclass(frozen=True, slots=True)
class Submission:
    """The body of add-checkpoint: a checkpoint, and the proof that it begins with the one of size ``old``."""

    old: int
    path: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        lines = (f"old {self.old}", *map(encode64, self.path), "")
        return "".join(f"{line}\n" for line in lines).encode() + self.note


@dataclass(frozen=True, slots=True)
class Watched:
    """A log a witness knows: the keys it trusts for it, and the last checkpoint it cosigned."""

    keys: tuple[VerifierKey, ...]
    last: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class Cosign:
    """Keep ``checkpoint`` as the last one, durably; then answer with a cosignature of the note's text."""

    checkpoint: Checkpoint
    note: Note


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with this HTTP status. ``split``: the log has signed two histories; keep both as evidence."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"
    split: bool = False


def parse_submission(body: bytes) -> Submission:
    """The body of add-checkpoint; InvalidInput when it is none."""
    head, blank, note = body.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput("it is not text", field="submission") from error
    if not blank or not first.startswith("old "):
        raise InvalidInput("old size, hashes, an empty line, a checkpoint are expected", field="submission")
    if len(lines) > PATH_MAX:
        raise InvalidInput(f"{len(lines)} hashes, more than {PATH_MAX}", field="submission")
    return Submission(decimal(first.removeprefix("old "), "old"), hashes_in_lines(lines), note)


def origin_of(submission: Submission) -> str:
    """Which log a submission is about; InvalidInput when it holds no checkpoint."""
    return parse_checkpoint(parse_note(submission.note).text).origin


def decide(watched: Watched | None, submission: Submission) -> Cosign | Refuse:
    """Decide about a submission to a log that ``origin_of`` has named; None: the witness does not know it."""
    note = parse_note(submission.note)
    checkpoint = parse_checkpoint(note.text)
    if watched is None:
        return Refuse(404, f"the log {checkpoint.origin} is not known here\n")
    try:
        trusted = verified(note, watched.keys)
    except InvalidInput as error:
        return Refuse(403, f"{error}\n")
    if not trusted:
        return Refuse(403, "no signature by a key that is trusted for this log\n")
    if submission.old > checkpoint.size:
        return Refuse(400, "the old size is larger than the checkpoint's\n")
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        return Refuse(422, "this is not the root of a log without entries\n")
    last = watched.last
    known = 0 if last is None else last.size
    if last is not None and submission.old == known == checkpoint.size and last.root != checkpoint.root:
        return Refuse(422, "another root was cosigned for this size: the log is split\n", split=True)
    if submission.old != known:
        return Refuse(409, f"{known}\n", SIZE_TYPE)
    if last is None or last.size == 0:
        # Everything begins with nothing; there is no proof to be given.
        if submission.path:
            return Refuse(422, "a proof from size 0 is empty\n")
        return Cosign(checkpoint, note)
    if not consistent(last.size, checkpoint.size, last.root, checkpoint.root, submission.path):
        # Without a proof that holds nobody knows whether the log is split or its submitter mistaken.
        return Refuse(422, "this does not begin with what was cosigned last\n", split=True)
    return Cosign(checkpoint, note)
