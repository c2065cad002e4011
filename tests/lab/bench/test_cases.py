"""The benchmark of cases runs, on few; its cases are what the state machine makes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from rempart.lab.bench import cases
from rempart.lab.bench.case_filling import fill, played
from rempart.model.cases import Outcome, Phase


@pytest.mark.slow
def test_it_measures_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FEW", 40), ("ROUNDS", 2), ("SIGNED", 2)):
        monkeypatch.setattr(cases, name, value)
    report = cases.run(100)
    rows = {row.name: row.value for row in report.rows}
    assert {"GET one case", "POST a signature", "a year's transparency report", "disk: store"} <= rows.keys()
    assert all(value is not None and value >= 0 for value in rows.values())
    assert len(report.bars) == 2


def test_filling_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rempart.lab.bench.case_filling.BATCH", 20)
    with cases.opened(tmp_path) as controller:
        assert fill(controller, 20, None, lambda _: None) == 20
        size = controller.log.state().size
    with cases.opened(tmp_path) as controller:
        assert fill(controller, 40, None, lambda _: None) == 40
        assert controller.log.state().size > size
        charter = controller.docket.charter.get()
        made = [played(number, charter).case for number in range(40)]
        assert [controller.docket.get(one.id) for one in made] == made
        phases = Counter(one.phase for one in made)
        assert phases[Phase.DISMISSED] == 28
        assert {one.outcome for one in made} == {None, Outcome.UPHELD, Outcome.REVERSED}
        assert set(phases) >= {Phase.NOTIFIED, Phase.IN_EFFECT, Phase.CLOSED}
