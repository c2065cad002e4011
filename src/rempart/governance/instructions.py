"""What is to be done about a step. The shell does it once the step is in the public log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rempart.model.cases_remedies import Notice, Restriction


@dataclass(frozen=True, slots=True)
class PutInForce:
    """The restriction is to be in force, in place of ``replaces`` if that is given."""

    restriction: Restriction
    replaces: str | None = None
    notice: Notice | None = None
    """What visitors are told of it."""


@dataclass(frozen=True, slots=True)
class Lift:
    """The restriction is to be in force no longer."""

    restriction: str


class Addressee(StrEnum):
    OWNER = "owner"
    REPORTER = "reporter"
    AUTHORITY = "authority"


@dataclass(frozen=True, slots=True)
class Tell:
    """Somebody is to be told of the step."""

    whom: Addressee
    of: str


Instruction = PutInForce | Lift | Tell
