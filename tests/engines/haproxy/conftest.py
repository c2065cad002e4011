"""An edge that runs, and an origin, for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.haproxy.edge import Edge, Origin, new_edge
from tests.engines.haproxy.guarded import Guarded, besieged


@pytest.fixture
def edge() -> Iterator[Edge]:
    """HAProxy with no site at all."""
    with new_edge() as it:
        yield it.start()


@pytest.fixture
def one() -> Iterator[Origin]:
    with Origin("one") as it:
        yield it


@pytest.fixture
def two() -> Iterator[Origin]:
    with Origin("two") as it:
        yield it


@pytest.fixture
def guarded(one: Origin) -> Iterator[Guarded]:
    """HAProxy with one site under attack, and the gate."""
    with besieged(one) as it:
        yield it
