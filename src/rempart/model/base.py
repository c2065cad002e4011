"""The one base of all model values: frozen, strict about unknown fields."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value. Unknown fields are refused; equal fields mean equal values."""

    model_config = ConfigDict(frozen=True, extra="forbid")
