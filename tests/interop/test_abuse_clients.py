"""Abuse reports through Cloudflare's own library, and through the public page, on a whole Rempart: afterwards
everything that its processes have written is searched for who reported."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from rempart.lab.instance import Instance
from tests.controller.reporting.test_identity import files_with_a_secret
from tests.interop.clients import PROGRAMS, base_url, installed, last_json, new_token, run

pytestmark = pytest.mark.slow

HOST = "forum.example.org"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with Instance() as started:
        started.start()
        yield started


def test_the_official_library(instance: Instance) -> None:
    instance.cli("site", "add", HOST, "--origin", "http://192.0.2.1:3000")
    instance.cli("account", "add", "reporters")
    environment = {
        "CLOUDFLARE_BASE_URL": base_url(instance),
        "CLOUDFLARE_API_TOKEN": new_token(instance),
        "REPORTER_TOKEN": new_token(instance, "--account", "reporters"),
    }
    command = [str(installed(".venv-interop") / "python"), str(PROGRAMS / "sdk_abuse.py"), HOST]
    seen = last_json(run(command, environment))
    assert seen["version"].startswith("5.")
    assert seen["sent"] == ["success"] * 7
    assert seen["repeat"] == ["abuse_phishing", True]
    assert [one[0] for one in seen["submitted"]] == [
        *("DMCA", "EMER", "GEN", "NCSEI", "PHISH", "PHISH", "THREAT", "TM")
    ]
    assert seen["denied"] == ["duplicate_report"]
    assert seen["whole"][1:] == [
        ["192.0.2.1", "192.0.2.2"],
        ["80/TCP", "53/UDP"],
        [f"https://{HOST}/1", f"https://{HOST}/2"],
        "Jane Quimby",
        True,
    ]
    assert seen["emails"] == []
    # Threats and child abuse wait for a person.
    assert [one[0] for one in seen["received"]] == ["DMCA", "GEN", "NCSEI", "PHISH", "TM"]
    details = seen["details"]
    assert details["PHISH"] == ["The page asks for the password of my bank. […]", None, None]
    assert details["DMCA"][1:] == ["My book", "Jane Quimby"], "who chose to be named is"
    assert details["NCSEI"][2] is None
    assert seen["refused"] == [
        ["BadRequestError", 1001],
        ["BadRequestError", 1001],
        ["NotFoundError", 7003],
        ["NotFoundError", 7003],
    ]


def test_the_notice_to_a_whole_rempart_and_the_search(instance: Instance) -> None:
    url = f"http://127.0.0.1:{instance.ports.console}/reports"
    notice = {
        "category": "phishing",
        "urls": [f"https://{HOST}/9"],
        "explanation": "It asks for the password of my bank. Jane Quimby, 06 12 34 56 78",
        "name": "Jane Quimby",
        "email": "jane.quimby@example.net",
        "telephone": "+33 6 12 34 56 78",
        "good_faith": True,
    }
    answer = httpx.post(url, json=notice, timeout=60)
    assert answer.status_code == 201, answer.text
    followed = httpx.get(f"{url}/{answer.json()['reference']}", timeout=60)
    assert "passed your report on" in followed.text
    instance.stop()
    state = instance.configuration.state
    assert list((state / "log").iterdir()), "logs of the processes are among what is searched"
    assert list(files_with_a_secret(state)) == []
