"""What Rempart has learnt in a drill's calm is there for the next turn. A real world, a real Rempart."""

from __future__ import annotations

from pathlib import Path

import pytest

from rempart.defence.loop import Defence
from rempart.lab.contenders.rempart import give, kept_files
from rempart.lab.drills import teaching
from rempart.lab.instance import Instance
from rempart.model.attacks import Layer
from rempart.node.defending.memory import learnt_file

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]


def test_what_was_learnt_in_calm_is_what_the_next_turn_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "CALM_S", 3.0)
    known = teaching.learnt(tmp_path / "learnt", lambda words, share: None)
    assert known.name == "rempart"
    for name, layer in kept_files().items():
        found = Defence().recall((tmp_path / "learnt" / name).read_bytes(), layer, 0.0, 0.0, 1e12)
        assert found.profiles >= 1
    # What is there already is not made again.
    monkeypatch.setattr(teaching, "rehearse", None)
    teaching.learnt(tmp_path / "learnt", lambda words, share: None)
    with Instance() as instance:
        give(tmp_path / "learnt", instance)
        file = learnt_file(instance.configuration.paths, Layer.REQUEST)
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_uid == file.parent.stat().st_uid
        assert file.read_bytes() == (tmp_path / "learnt" / "request.bin").read_bytes()
