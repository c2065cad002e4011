"""The ``[console]`` section: pages for the public, for arbiters and for owners."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from rempart.model.base import Value


class ConsoleSection(Value):
    """Where the controller serves the pages. Visitors come through the edge, at `operator_host`."""

    listen: Annotated[str, AfterValidator(lambda text: str(ipaddress.ip_address(text)))] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] | None = 9184
    """None: there are no pages."""
