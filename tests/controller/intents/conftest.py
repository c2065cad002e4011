"""A store in a folder of its own, a clock that stands still until told, and intents on top."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from rempart.controller.intents import Intents
from rempart.controller.store.database import Store
from rempart.controller.store.tables import Base
from rempart.model.configuration import Configuration
from rempart.snapshot.items import Item

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration.model_validate(
        {"state": tmp_path, "edge": {"addresses": ["192.0.2.80", "2001:db8::80"]}}
    )


@pytest.fixture
def store(configuration: Configuration) -> Iterator[Store]:
    with Store.open(configuration) as opened:
        yield opened


@pytest.fixture
def intents(store: Store, configuration: Configuration, clock: Clock) -> Intents:
    made = Intents(store, configuration, clock=clock)
    made.apply_configuration()
    return made


def published(intents: Intents) -> dict[str, Item]:
    return {item.key: item for item in intents.published.items()}


def dump(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with store.reading() as session:
        return {
            table.name: sorted(map(tuple, session.execute(select(table)).all()), key=repr)
            for table in Base.metadata.sorted_tables
        }
