"""What an arbiter signs to sign in at the console: proof of the key, good once, at one place, for minutes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rempart.model.base import Value
from rempart.model.cases import Slug
from rempart.model.cases_remedies import Moment


class SignIn(Value):
    """`governance.canonical.sign_in_bytes` are the bytes."""

    console: Annotated[str, Field(pattern=r"^https?://[^\s/]{1,300}$")]
    """Where: scheme, host and port, so that what was signed for another place is of no use."""
    arbiter: Slug
    nonce: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,64}$")]
    at: Moment
    until: Moment
