"""An origin for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.haproxy.edge import Origin


@pytest.fixture
def one() -> Iterator[Origin]:
    with Origin("one") as it:
        yield it
