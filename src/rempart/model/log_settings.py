"""The ``[log]`` section: the public log of the process, and who witnesses it."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from rempart.model.base import Value


class WitnessSetting(Value):
    """One witness (c2sp.org/tlog-witness)."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    """Its submission prefix; ``/add-checkpoint`` is added."""
    key: Annotated[str, Field(pattern=r"^[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$")]
    """Its verifier key, as its operator publishes it."""


class LogSection(Value):
    """The public log."""

    origin: Annotated[str, Field(pattern=r"^[^+\s]{1,255}$")] | None = None
    """The log's name: where it is published, without the scheme (``log.example.org``). Made up when the log
    is begun without one. A log keeps its name for ever."""
    provider: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The service provider's name in transparency reports; without one, the log's."""
    listen: Annotated[str, AfterValidator(lambda text: str(ipaddress.ip_address(text)))] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Where the controller serves the log's files; None: it does not, any web server can."""
    witnesses: tuple[WitnessSetting, ...] = Field(default=(), max_length=15)
    witnesses_required: int = Field(default=0, ge=0)
    """How many witnesses must have cosigned a step before it has an effect."""

    @model_validator(mode="after")
    def _enough(self) -> LogSection:
        if self.witnesses_required > len(self.witnesses):
            raise ValueError(
                f"witnesses_required is {self.witnesses_required}, but witnesses has {len(self.witnesses)}"
            )
        return self
