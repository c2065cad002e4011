"""``rempart drill`` as scripts call it."""

from __future__ import annotations

import json
import os

import pytest

from rempart.cli.main import run


def test_drills_and_contenders_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drill", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"calm", "http-get-flood", "syn-flood", "story"} <= {one["name"] for one in listed["drills"]}
    assert {one["name"] for one in listed["contenders"]} == {
        "none", "nftables", "nginx", "haproxy", "fail2ban", "crowdsec", "rempart",
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "nosuch"],
        ["run", "calm", "--against", "none,nosuch"],
        ["run", "calm", "--duration", "0"],
        ["run", "story", "--against", "nginx"],
        ["run"],
    ],
)
def test_what_does_not_exist_is_status_two(arguments: list[str]) -> None:
    assert run(["drill", *arguments]) == 2


def test_without_root_it_is_status_three_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run(["drill", "run", "calm", "--against", "none"]) == 3
    assert "need root" in capsys.readouterr().err
