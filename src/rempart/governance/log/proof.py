"""A proof in one file that an entry is in the log, to be checked without the log (c2sp.org/tlog-proof)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rempart.governance.log.checkpoint import Signed, decimal, opened
from rempart.governance.log.hashing import HASH_BYTES, leaf_hash
from rempart.governance.log.note import VerifierKey, decode64, encode64
from rempart.governance.log.tree import included
from rempart.model.errors import InvalidInput

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
PATH_MAX = 63


@dataclass(frozen=True, slots=True)
class Proof:
    """Entry ``index`` is in the tree that ``checkpoint`` (a signed note) is of. ``extra`` proves nothing."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += map(encode64, self.path)
        return "".join(f"{line}\n" for line in (*lines, "")).encode() + self.checkpoint


def parse_proof(content: bytes) -> Proof:
    """A proof; InvalidInput when it is none. It is not checked yet."""
    head, blank, checkpoint = content.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput("it is not text", field="proof") from error
    if not blank or lines.pop(0) != HEADER:
        raise InvalidInput(f"it does not begin with {HEADER}", field="proof")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = decode64(lines.pop(0).removeprefix("extra "), "extra")
    if not lines or not lines[0].startswith("index "):
        raise InvalidInput("the index is missing", field="proof")
    index = decimal(lines.pop(0).removeprefix("index "), "index")
    return Proof(index, hashes_in_lines(lines), checkpoint, extra)


def hashes_in_lines(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Base64 hashes, at most 63; InvalidInput otherwise."""
    if len(lines) > PATH_MAX:
        raise InvalidInput(f"{len(lines)} hashes, more than {PATH_MAX}", field="proof")
    hashes = tuple(decode64(line, "proof") for line in lines)
    if any(len(one) != HASH_BYTES for one in hashes):
        raise InvalidInput("a line is no SHA-256 hash", field="proof")
    return hashes


def proven(
    proof: Proof,
    entry: bytes,
    key: VerifierKey,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int | None = None,
) -> Signed:
    """The checkpoint under which ``entry`` was proven to be in the log; InvalidInput when it is not."""
    signed = opened(proof.checkpoint, key, witnesses, quorum)
    at = signed.checkpoint
    if not included(proof.index, at.size, leaf_hash(entry), proof.path, at.root):
        raise InvalidInput(
            f"it does not prove that this is entry {proof.index} of the {at.size} of {at.origin}",
            field="proof",
        )
    return signed
