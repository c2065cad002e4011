"""Signed notes and the keys that sign them (c2sp.org/signed-note).

Keys are written as Go's ``note`` package writes them, so that its programs read ours: a verifier key is
``<name>+<key id>+<base64(type ‖ public key)>``, a signing key
``PRIVATE+KEY+<name>+<key id>+<base64(type ‖ seed)>``.
Base64 is taken in its one canonical form only: otherwise a signature could be altered and still hold.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rempart.model.errors import InvalidInput

NOTE_BYTES_MAX = 65_536
SIGNATURES_MAX = 100
NAME_MAX = 255
_DASH = "— "
_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f]")
_PRIVATE = "PRIVATE+KEY+"
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64


class KeyKind(IntEnum):
    """What a key signs: the signature types of signed notes that are used here."""

    NOTE = 1
    """Ed25519 over the note's text."""
    COSIGNATURE = 4
    """Ed25519 over a time and the text of a checkpoint (c2sp.org/tlog-cosignature)."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. ``value`` is what follows the key id."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """With its newline."""
        return f"{_DASH}{self.name} {encode64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text (ending in a newline) and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(one.line for one in self.signatures)).encode()

    def signed_also(self, signatures: Iterable[Signature]) -> Note:
        """The note with further signatures; of one key only the newest stays."""
        kept = {(one.name, one.key_id): one for one in (*self.signatures, *signatures)}
        return Note(self.text, tuple(kept.values()))


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name."""

    name: str
    kind: KeyKind
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 octets of SHA-256(name ‖ newline ‖ type ‖ public key)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode64(bytes([self.kind]) + self.public)}"

    def holds(self, text: str, value: bytes) -> bool:
        """Whether ``value`` is this key's signature of ``text``, as its kind signs it."""
        if self.kind is KeyKind.COSIGNATURE:
            if len(value) != 8 + _SIGNATURE_BYTES:
                return False
            (time,) = struct.unpack(">Q", value[:8])
            if time >= 1 << 63:
                return False
            message, value = cosigned_message(text, time), value[8:]
        else:
            message = text.encode()
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its name. Its text is a secret; repr does not show it."""

    name: str
    kind: KeyKind
    seed: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.name!r}, {self.kind!r})"

    @property
    def verifier(self) -> VerifierKey:
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return VerifierKey(self.name, self.kind, public)

    @property
    def text(self) -> str:
        """The key as it is kept in a file."""
        key_id = self.verifier.key_id.hex()
        return f"{_PRIVATE}{self.name}+{key_id}+{encode64(bytes([self.kind]) + self.seed)}"

    def sign(self, text: str) -> Signature:
        """Sign a note's text. Only for keys of kind NOTE."""
        assert self.kind is KeyKind.NOTE  # noqa: S101 - a mistake of ours, not of a caller's input
        value = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return Signature(self.name, self.verifier.key_id, value)

    def cosign(self, text: str, time: int) -> Signature:
        """Cosign a checkpoint's text as of ``time`` (POSIX seconds). Only for keys of kind COSIGNATURE."""
        assert self.kind is KeyKind.COSIGNATURE  # noqa: S101
        value = Ed25519PrivateKey.from_private_bytes(self.seed).sign(cosigned_message(text, time))
        return Signature(self.name, self.verifier.key_id, struct.pack(">Q", time) + value)


def cosigned_message(text: str, time: int) -> bytes:
    """What a cosignature v1 signs."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosigned_at(signature: Signature) -> int:
    """The time of a cosignature that was found to hold, POSIX seconds."""
    return int.from_bytes(signature.value[:8], "big")


def parse_note(content: bytes) -> Note:
    """A signed note; InvalidInput naming what makes it none. Its signatures are not checked yet."""
    if len(content) > NOTE_BYTES_MAX:
        raise InvalidInput(f"{len(content)} bytes, more than {NOTE_BYTES_MAX}", field="note")
    try:
        whole = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("it is not UTF-8", field="note") from error
    if _FORBIDDEN.search(whole):
        raise InvalidInput("it has a control character", field="note")
    head, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise InvalidInput("text, an empty line and signatures are expected", field="note")
    return Note(head + "\n", parse_signatures(tail))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Signature lines, each with its newline; one or more."""
    if not lines.endswith("\n") or lines.count("\n") > SIGNATURES_MAX:
        raise InvalidInput(f"1 to {SIGNATURES_MAX} signature lines are expected", field="note")
    return tuple(_signature(line) for line in lines[:-1].split("\n"))


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_name(name):
        raise InvalidInput(f"this is no signature line: {line[:80]!r}", field="note")
    value = decode64(encoded, "signature")
    if len(value) < 5:
        raise InvalidInput("a signature is too short", field="note")
    return Signature(name, value[:4], value[4:])


def verified(note: Note, keys: Iterable[VerifierKey]) -> tuple[Signature, ...]:
    """The note's signatures by ``keys``, all of which hold.

    Signatures by other keys are passed over. InvalidInput when one by a key of ``keys`` does not hold.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[tuple[str, bytes], Signature] = {}
    for one in note.signatures:
        key = known.get((one.name, one.key_id))
        if key is None:
            continue
        if not key.holds(note.text, one.value):
            raise InvalidInput(f"the signature of {one.name} does not hold", field="note")
        found[one.name, one.key_id] = one
    return tuple(found.values())


def parse_verifier_key(text: str) -> VerifierKey:
    """A verifier key in its usual form; InvalidInput when it is none, or its id is not its own."""
    name, key_id, encoded = _parts(text.strip(), "verifier key")
    kind, public = _typed(encoded, "verifier key")
    key = VerifierKey(name, kind, public)
    if key.key_id.hex() != key_id:
        raise InvalidInput(f"its id should be {key.key_id.hex()}, not {key_id}", field="verifier key")
    return key


def parse_signing_key(text: str) -> SigningKey:
    """A signing key in its usual form; InvalidInput (which never shows the key) when it is none."""
    text = text.strip()
    if not text.startswith(_PRIVATE):
        raise InvalidInput(f"it does not begin with {_PRIVATE}", field="signing key")
    name, key_id, encoded = _parts(text.removeprefix(_PRIVATE), "signing key")
    kind, seed = _typed(encoded, "signing key")
    key = SigningKey(name, kind, seed)
    if key.verifier.key_id.hex() != key_id:
        raise InvalidInput("its id is not that of the key in it", field="signing key")
    return key


def is_name(text: str) -> bool:
    """Whether a key may be called so."""
    return (
        0 < len(text) <= NAME_MAX
        and "+" not in text
        and not any(letter.isspace() or ord(letter) < 0x20 for letter in text)
    )


def encode64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def decode64(text: str, field: str) -> bytes:
    """Base64 (RFC 4648 section 4) in its canonical form; InvalidInput otherwise."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("this is not base64", field=field) from error
    if encode64(content) != text:
        raise InvalidInput("this is not base64 in its canonical form", field=field)
    return content


def _parts(text: str, field: str) -> tuple[str, str, str]:
    # Base64 may have a + of its own; names and ids may not.
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_name(parts[0]) or not re.fullmatch("[0-9a-f]{8}", parts[1]):
        raise InvalidInput("name+id+base64 is expected", field=field)
    return parts[0], parts[1], parts[2]


def _typed(encoded: str, field: str) -> tuple[KeyKind, bytes]:
    content = decode64(encoded, field)
    if len(content) != 1 + _KEY_BYTES or content[0] not in tuple(KeyKind):
        raise InvalidInput("only Ed25519 keys are known here (types 1 and 4)", field=field)
    return KeyKind(content[0]), content[1:]
