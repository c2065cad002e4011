"""A second implementation of the log's verification, from the specifications alone.

It imports nothing of ours. Written from c2sp.org/signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature
and tlog-proof, and from RFC 6962 section 2.1, as plainly as they say it: no proof is shorter than its
definition, nothing is remembered.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class WrongError(Exception):
    """The log is not what it claims to be."""


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise WrongError(what)


# --- RFC 6962 section 2.1 ----------------------------------------------------------------------------


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def mth(leaves: list[bytes]) -> bytes:
    """Merkle Tree Hash over leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]), section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def consistency(m: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]), section 2.1.2, for 0 < m < n."""
    return _subproof(m, leaves, True)


def _subproof(m: int, leaves: list[bytes], b: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if b else [mth(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m <= k:
        return [*_subproof(m, leaves[:k], b), mth(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def root_by_path(m: int, n: int, hash_: bytes, proof: list[bytes]) -> bytes:
    """The root that a PATH leads to: its definition, read backwards."""
    if n == 1:
        expect(not proof, "the proof is too long")
        return hash_
    expect(bool(proof), "the proof is too short")
    k = 1
    while 2 * k < n:
        k *= 2
    if m < k:
        return hashlib.sha256(b"\x01" + root_by_path(m, k, hash_, proof[:-1]) + proof[-1]).digest()
    return hashlib.sha256(b"\x01" + proof[-1] + root_by_path(m - k, n - k, hash_, proof[:-1])).digest()


# --- signed-note, tlog-checkpoint, tlog-cosignature ---------------------------------------------------


def strict64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise WrongError("not base64") from error
    expect(base64.b64encode(data).decode() == text, "not canonical base64")
    return data


def key_parts(vkey: str) -> tuple[str, bytes, int, bytes]:
    name, key_id, encoded = vkey.split("+", 2)
    data = strict64(encoded)
    computed = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    expect(computed.hex() == key_id, "the key's id is not its own")
    return name, computed, data[0], data[1:]


def ed25519(public: bytes, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature as error:
        raise WrongError("a signature does not hold") from error


def checkpoint(note: bytes, log_key: str, witness_keys: list[str]) -> tuple[int, bytes]:
    """Size and root of a checkpoint, all of whose wanted signatures hold."""
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WrongError("not UTF-8") from error
    expect(all(letter >= " " or letter == "\n" for letter in text), "a control character")
    at = text.rfind("\n\n")
    expect(at >= 0 and text.endswith("\n"), "no signed note")
    body, lines = text[: at + 1], text[at + 2 : -1].split("\n")
    signatures: dict[tuple[str, bytes], bytes] = {}
    for line in lines:
        found = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        expect(found is not None, "no signature line")
        assert found is not None
        data = strict64(found[2])
        signatures[found[1], data[:4]] = data[4:]
    name, key_id, kind, public = key_parts(log_key)
    expect(kind == 1, "not an Ed25519 note key")
    expect((name, key_id) in signatures, "not signed by the log")
    ed25519(public, signatures[name, key_id], body.encode())
    for witness in witness_keys:
        name, key_id, kind, public = key_parts(witness)
        expect(kind == 4, "not a cosignature key")
        expect((name, key_id) in signatures, "not cosigned by a witness")
        value = signatures[name, key_id]
        expect(len(value) == 72, "no timestamped signature")
        time = int.from_bytes(value[:8], "big")
        ed25519(public, value[8:], f"cosignature/v1\ntime {time}\n".encode() + body.encode())
    origin, size, root, *extensions = body[:-1].split("\n")
    expect(origin == key_parts(log_key)[0], "another log's checkpoint")
    expect(not extensions, "extension lines")
    expect(re.fullmatch("0|[1-9][0-9]*", size) is not None, "no tree size")
    return int(size), strict64(root)


# --- tlog-tiles --------------------------------------------------------------------------------------


def tile_path(level: str, index: int, width: int) -> str:
    digits = str(index)
    while len(digits) % 3:
        digits = "0" + digits
    parts = re.findall("...", digits)
    parts = ["x" + part for part in parts[:-1]] + parts[-1:]
    return "/".join(["tile", level, *parts]) + ("" if width == 256 else f".p/{width}")


def read(root: Path, level: str, index: int, width: int) -> bytes:
    """A tile; a partial one that was deleted is the beginning of the full one."""
    try:
        return (root / tile_path(level, index, width)).read_bytes()
    except FileNotFoundError as error:
        raise WrongError(f"{tile_path(level, index, width)} is missing") from error


def split_bundle(data: bytes) -> list[bytes]:
    entries = []
    while data:
        expect(len(data) >= 2, "a bundle ends within a length")
        length = data[0] * 256 + data[1]
        expect(len(data) >= 2 + length, "a bundle ends within an entry")
        entries.append(data[2 : 2 + length])
        data = data[2 + length :]
    return entries


def verify_log(root: Path, log_key: str, witness_keys: list[str] | None = None) -> list[bytes]:
    """Every file that the log of the signed size must have, against the definition of what is in it; its
    entries."""
    size, signed_root = checkpoint((root / "checkpoint").read_bytes(), log_key, witness_keys or [])
    entries: list[bytes] = []
    for index in range((size + 255) // 256):
        width = min(size - 256 * index, 256)
        bundle = split_bundle(read(root, "entries", index, width))
        expect(len(bundle) == width, "a bundle has another number of entries")
        entries += bundle
    hashes = [leaf(entry) for entry in entries]
    expect(mth(hashes) == signed_root, "the entries do not come to the signed root")
    level, row = 0, hashes
    while row:
        for index in range((len(row) + 255) // 256):
            part = row[256 * index : 256 * index + 256]
            expect(
                read(root, str(level), index, len(part)) == b"".join(part), "a tile is not what it must be"
            )
        row = [mth(row[at : at + 256]) for at in range(0, len(row) // 256 * 256, 256)]
        level += 1
    return entries


# --- a key that has passed to another (docs/log.md, "A new key") ----------------------------------------


def passes(entry: bytes, log_key: str) -> str | None:
    """The key to which an entry hands the log's signature over from ``log_key``; None when it does not."""
    step = json.loads(entry)
    if step.get("kind") != "log-key-rotated":
        return None
    body, lines = step["public"]["note"].rsplit("\n\n", 1)
    head, old, new = body.split("\n")
    if head != "rempart log key rotation v1" or old != log_key:
        return None
    name = key_parts(old)[0]
    expect(key_parts(new)[0] == name, "another log's key")
    values = [strict64(line.split(" ")[2]) for line in lines[:-1].split("\n")]
    signatures = {value[:4]: value[4:] for value in values}
    for key in (old, new):
        _, key_id, kind, public = key_parts(key)
        expect(kind == 1 and key_id in signatures, "not signed by both keys")
        ed25519(public, signatures[key_id], (body + "\n").encode())
    return str(new)


def verify_from(root: Path, log_key: str, witness_keys: list[str] | None = None) -> tuple[str, list[bytes]]:
    """The key that signs now, coming from one that signed once, and the entries."""
    size = int((root / "checkpoint").read_text().split("\n")[1])
    key = log_key
    for index in range((size + 255) // 256):
        for entry in split_bundle(read(root, "entries", index, min(size - 256 * index, 256))):
            key = passes(entry, key) or key
    return key, verify_log(root, key, witness_keys)


# --- tlog-proof --------------------------------------------------------------------------------------


def verify_proof(content: str, entry: bytes, log_key: str, witness_keys: list[str] | None = None) -> int:
    """The index at which a .tlog-proof proves ``entry`` to be."""
    head, _, note = content.partition("\n\n")
    lines = head.split("\n")
    expect(lines.pop(0) == "c2sp.org/tlog-proof@v1", "no proof")
    if lines[0].startswith("extra "):
        strict64(lines.pop(0)[6:])
    found = re.fullmatch("index (0|[1-9][0-9]*)", lines.pop(0))
    expect(found is not None, "no index")
    assert found is not None
    index = int(found[1])
    size, root = checkpoint(note.encode(), log_key, witness_keys or [])
    expect(index < size, "beyond the end")
    expect(root_by_path(index, size, leaf(entry), [strict64(line) for line in lines]) == root, "another root")
    return index
