"""A whole Rempart and an origin for the end-to-end tests, started as an operator starts them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rempart.lab.instance import Instance
from rempart.lab.origin import LittleOrigin


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """URL of an origin on loopback."""
    with LittleOrigin() as running:
        yield running.url


@pytest.fixture(scope="module")
def instance(origin: str) -> Iterator[Instance]:
    """An instance that serves one site, shop.example.org."""
    with Instance() as running:
        running.start()
        running.cli("site", "add", "shop.example.org", "--origin", origin, "--requests-per-client", "0")
        yield running
