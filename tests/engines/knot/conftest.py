"""One knotd a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.knot.server import Server, running_server


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started
