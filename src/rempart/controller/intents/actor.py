"""Who wants something written. Carried by every write: it decides what may be named, and it is recorded."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from rempart.model.base import Value
from rempart.model.configuration import OriginsSection
from rempart.model.errors import InvalidInput
from rempart.snapshot.origin_policy import why_never, why_refused
from rempart.snapshot.surroundings import Surroundings


class ActorKind(StrEnum):
    OPERATOR = "operator"  # whoever may use the state folder
    TOKEN = "token"  # noqa: S105 - the bearer of an API token
    SYSTEM = "system"  # Rempart itself: resolutions, configuration, renewals


class Actor(Value):
    """``id`` is a system user, a token's id, or the part of Rempart that acts."""

    kind: ActorKind
    id: str
    account_id: str | None = None
    """The account that a token belongs to, whose zones alone it may touch."""

    @model_validator(mode="after")
    def _token_has_account(self) -> Self:
        if self.kind is ActorKind.TOKEN and self.account_id is None:
            raise ValueError("a token belongs to an account")
        return self

    def policy(self, configured: OriginsSection) -> OriginsSection:
        """Which origins this actor may name."""
        if self.kind is ActorKind.TOKEN:
            return configured
        return configured.model_copy(update={"loopback": True})

    def check_origin(self, address: str, port: int, surroundings: Surroundings, *, field: str) -> None:
        """Raise InvalidInput when this actor may not name the origin."""
        never = why_never(address, port, surroundings)
        why = never or why_refused(address, port, surroundings, self.policy(surroundings.origins))
        if why:
            raise InvalidInput(
                why,
                field=field,
                hint=None if never else "the operator may allow such origins: [origins] in rempart.toml",
            )


OPERATOR = Actor(kind=ActorKind.OPERATOR, id="local")
SYSTEM = Actor(kind=ActorKind.SYSTEM, id="controller")
