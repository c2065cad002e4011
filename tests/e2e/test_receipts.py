"""A visitor who was refused asks why, says that it is a mistake, and is let through: all in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from rempart.lab.instance import Instance
from rempart.lab.origin import LittleOrigin
from tests.e2e.browser import chromium, obstacles, photograph, shows, visitor

pytestmark = pytest.mark.slow

LIMITED, ATTACKED, OPERATOR = "shop.example.net", "forum.example.net", "edge.example.org"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with LittleOrigin() as origin, Instance(operator_host=OPERATOR) as running:
        running.start(seconds=90)
        running.cli("site", "add", LIMITED, "--origin", origin.url, "--requests-per-client", "3")
        running.cli("site", "add", ATTACKED, "--origin", origin.url, "--security-level", "under_attack")
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def refused(page: Page, instance: Instance) -> None:
    """Ask for more than the limit allows."""
    for _ in range(10):
        answer = page.goto(f"https://{LIMITED}:{instance.ports.https}/")
        assert answer is not None
        if answer.status == 429:
            return
    raise AssertionError("the limit never refused")


def test_from_a_refusal_to_a_release(instance: Instance, browser: Browser, tmp_path: Path) -> None:
    with visitor(browser, "fr", scripts=False) as page:
        refused(page, instance)
        photograph(page, tmp_path, "receipt-refused")
        receipt = page.locator("code").first.inner_text()
        page.get_by_role("link").click()
        shows(page, "Plus de requêtes sont venues de vous en dix secondes")
        assert page.url == f"https://{OPERATOR}:{instance.ports.https}/receipt/{receipt}"
        photograph(page, tmp_path, "receipt-fr")
        page.get_by_label("Que vouliez-vous faire ?").fill("Lire <b>une</b> page; c’est tout.")
        page.get_by_role("button", name="Envoyer").click()
        shows(page, "Merci. Votre message est arrivé.")
        photograph(page, tmp_path, "receipt-sent")

        (said,) = json.loads(instance.cli("receipts", "--json").stdout)["receipts"]
        assert said["messages"][0]["text"] == "Lire <b>une</b> page; c’est tout."
        assert said["messages"][0]["address"] == "127.0.0.1"
        assert said["receipt"]["layer"] == "limits"
        assert "Lire <b>une</b> page" in instance.cli("receipts").stdout

        released = instance.cli("receipts", "release", page.url).stdout
        assert f"127.0.0.1 passes the limits and the challenge of {LIMITED} until" in released
        assert "followed after" in released
        for _ in range(8):
            answer = page.goto(f"https://{LIMITED}:{instance.ports.https}/")
            assert answer is not None
            assert answer.status == 200
        page.goto(f"https://{OPERATOR}:{instance.ports.https}/receipt/{receipt}?lang=en")
        shows(page, "A person has looked at this and has let your address through until")
        assert "nobody has said" in instance.cli("receipts").stderr
        assert "released" in instance.cli("receipts", "--all").stdout
        instance.cli("receipts", "recall", receipt)
        refused(page, instance)


def test_a_challenge_is_explained_in_plain_words(
    instance: Instance, browser: Browser, tmp_path: Path
) -> None:
    with visitor(browser, "en", scripts=False) as page:
        answer = page.goto(f"https://{ATTACKED}:{instance.ports.https}/")
        assert answer is not None
        assert answer.status == 503
        photograph(page, tmp_path, "receipt-challenge")
        link = page.get_by_role("link", name="Who asks for this, and how to say that it is a mistake")
        address = link.get_attribute("href")
    with visitor(browser, "en") as page:
        page.goto(str(address))
        shows(page, "Every visitor is asked once to show that they are one")
        photograph(page, tmp_path, "receipt-en")
        assert obstacles(page) == {}
        page.goto(f"https://{OPERATOR}:{instance.ports.https}/receipt/")
        page.get_by_label("Receipt").fill("nonsense")
        page.get_by_role("button", name="Look").click()
        shows(page, "This is no receipt of this server")
        photograph(page, tmp_path, "receipt-find")
        assert obstacles(page) == {}
        # The choice of a language is kept on the way.
        page.get_by_role("link", name="Français").click()
        shows(page, "Consulter un reçu")
