"""An entry of the public log: one step of the process, as everybody may read it.

What is public stands in it as text. What is confidential stands in it as a seal: a hash over a random salt
and the content, which says nothing to anybody, and binds whoever holds salt and content to them. Whoever is
shown both can check the seal; when the salt is destroyed, nobody ever can.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, field_serializer

from rempart.governance.log.canonical import canonical, parse_canonical
from rempart.governance.log.note import decode64, encode64
from rempart.governance.log.tiles import ENTRY_BYTES_MAX
from rempart.model.base import Value
from rempart.model.errors import InvalidInput

FORMAT = "rempart-step/1"
SALT_BYTES = 32
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NAME = r"[a-z0-9][a-z0-9._-]{0,62}"


def _whole_seconds(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("it has no time zone")
    return at.astimezone(UTC).replace(microsecond=0)


def _seal(text: str) -> str:
    if len(decode64(text, "seal")) != sha256().digest_size:
        raise ValueError("a seal is a SHA-256 hash in base64")
    return text


SealName = Annotated[str, Field(pattern=f"^{_NAME}$")]
SealText = Annotated[str, AfterValidator(_seal)]


class Step(Value):
    """One step. Its ``id`` occurs once in a log: what is appended again under it is the same step."""

    id: Annotated[str, Field(pattern=rf"^{_NAME}(?:/{_NAME}){{0,7}}$", max_length=200)]
    """A path, such as ``case/2026-000017/4``: steps of one case have its beginning in common."""
    kind: Annotated[str, Field(pattern=f"^{_NAME}$")]
    """What happened, as the case's state machine calls it."""
    at: Annotated[datetime, AfterValidator(_whole_seconds)]
    """When, UTC, to the second."""
    public: dict[str, Any] = Field(default_factory=dict)
    """What everybody may read: JSON without fractions."""
    sealed: dict[SealName, SealText] = Field(default_factory=dict)
    """Name → seal (`seal`) of what is confidential."""

    @field_serializer("at")
    def _written(self, at: datetime) -> str:
        return at.strftime(_TIME)

    def encode(self) -> bytes:
        """The entry: canonical JSON. InvalidInput when it is longer than an entry may be."""
        entry = canonical({"format": FORMAT, **self.model_dump()})
        if len(entry) > ENTRY_BYTES_MAX:
            raise InvalidInput(
                f"{len(entry)} bytes, and an entry of the log holds {ENTRY_BYTES_MAX}",
                field=self.id,
                hint="publish the long text beside the log and put its SHA-256 into the step",
            )
        return entry


def parse_step(entry: bytes) -> Step:
    """The step in an entry; InvalidInput when the entry is not exactly one step in its canonical form."""
    value = parse_canonical(entry)
    if not isinstance(value, dict) or value.pop("format", None) != FORMAT:
        raise InvalidInput(f"it is no {FORMAT}", field="entry")
    try:
        step = Step.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise InvalidInput(first["msg"], field=".".join(("entry", *map(str, first["loc"])))) from error
    # All else has one form in JSON; a field that is left out, or a time, has several.
    if value.keys() != Step.model_fields.keys() or value["at"] != step.at.strftime(_TIME):
        raise InvalidInput("a field is missing, or its time is not written as it must be", field="entry")
    return step


def seal(name: str, content: bytes, salt: bytes) -> str:
    """The seal of ``content`` under ``salt`` (32 random octets, new for each seal, kept with the content).

    Base64 of SHA-256(``rempart-seal/1`` LF name LF salt ‖ content).
    """
    if len(salt) != SALT_BYTES or not re.fullmatch(_NAME, name):
        raise InvalidInput(f"a salt has {SALT_BYTES} octets, a name a-z, 0-9, dots, dashes", field=name)
    return encode64(sha256(b"rempart-seal/1\n" + name.encode() + b"\n" + salt + content).digest())


def sealed_in(step: Step, name: str, content: bytes, salt: bytes) -> bool:
    """Whether the seal ``name`` of ``step`` is that of ``content`` under ``salt``."""
    return hmac.compare_digest(step.sealed.get(name, ""), seal(name, content, salt))
