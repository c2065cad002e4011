"""The benchmark of the public log runs, on a small one."""

from __future__ import annotations

import pytest

from rempart.lab.bench import public_log


@pytest.mark.slow
def test_it_measures_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_log, "SINGLE", 3)
    monkeypatch.setattr(public_log, "PROOFS", 5)
    report = public_log.run(1_000)
    rows = {row.name: row.value for row in report.rows}
    assert {"open", "inclusion proof", "consistency proof", "verify everything"} <= rows.keys()
    assert all(value is not None and value >= 0 for value in rows.values())
    assert len(report.bars) == 2
