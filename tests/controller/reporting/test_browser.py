"""The pages of reports in Chromium: with keyboard and screen reader, in both languages, without scripts."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from rempart.controller.console.application import console_application
from rempart.controller.intents import OPERATOR
from rempart.controller.sockets import server
from tests.controller.reporting.conftest import HOST, Desk
from tests.e2e.browser import chromium, obstacles, photograph, visitor

pytestmark = pytest.mark.slow

WORDS = "La page demande le mot de passe de ma banque et l’envoie ailleurs."


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    """The console of the desk's controller, served on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = server(console_application(desk.controller))
        thread = threading.Thread(
            target=lambda: asyncio.run(serving.serve(sockets=[listener])), name="console", daemon=True
        )
        thread.start()
        try:
            yield f"http://localhost:{listener.getsockname()[1]}"
        finally:
            serving.should_exit = True
            thread.join(60)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_report_is_made_with_the_keyboard_and_followed(
    browser: Browser, desk: Desk, url: str, tmp_path: Path, scripts: bool
) -> None:
    problems: list[str] = []
    with visitor(browser, "fr", scripts=scripts) as page:
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.goto(f"{url}/reports")
        assert page.locator("h1").inner_text() == "Signaler un abus"
        if scripts:
            assert obstacles(page) == {}
            photograph(page, tmp_path, "report-form")
        desk.seconds[0] += 30
        page.locator("#category").focus()
        page.keyboard.press("Tab")
        page.keyboard.type(f"https://{HOST}/login")
        page.keyboard.press("Tab")
        page.keyboard.type(WORDS)
        page.keyboard.press("Tab")
        page.keyboard.type("Jeanne")
        page.keyboard.press("Tab")
        page.keyboard.type("jeanne@example.net")
        page.locator("#good_faith").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        reference = page.locator("#reference").inner_text()
        assert len(reference) == 32
        if scripts:
            assert obstacles(page) == {}
            photograph(page, tmp_path, "report-receipt")
        page.locator(f'a[href="/reports/{reference}"]').click()
        assert "transmis votre signalement" in page.locator("#stage").inner_text()
        if scripts:
            assert obstacles(page) == {}
        page.goto(f"{url}/reports/follow?lang=en")
        page.locator("#reference").fill(reference)
        page.keyboard.press("Enter")
        page.get_by_text("passed your report on").wait_for()
    assert problems == [], "the browser refuses nothing that the pages need"


def test_what_is_wrong_is_read_out_and_kept(browser: Browser, desk: Desk, url: str) -> None:
    with visitor(browser, "en") as page:
        page.goto(f"{url}/reports/new")
        desk.seconds[0] += 30
        page.locator("#urls").fill("https://elsewhere.example.net/")
        page.locator("#explanation").fill(WORDS)
        page.locator("#name").fill("Jane")
        page.locator("#email").fill("jane@example.net")
        page.locator("#good_faith").check()
        page.get_by_role("button", name="Send the report").click()
        page.get_by_role("alert").wait_for()
        assert "not served here" in page.get_by_role("alert").inner_text()
        assert page.locator("#urls").get_attribute("aria-invalid") == "true"
        assert page.locator("#explanation").input_value() == WORDS
        assert obstacles(page) == {}


def test_the_owners_page(browser: Browser, desk: Desk, url: str) -> None:
    account = desk.controller.intents.zones.list().items[0].account_id
    token = desk.controller.intents.tokens.create(OPERATOR, account, "laptop").value.secret
    with visitor(browser, "en") as page:
        page.goto(f"{url}/reports/new")
        desk.seconds[0] += 30
        page.locator("#urls").fill(f"https://{HOST}/login")
        page.locator("#explanation").fill(WORDS)
        page.locator("#name").fill("Jane")
        page.locator("#email").fill("jane@example.net")
        page.locator("#good_faith").check()
        page.get_by_role("button", name="Send the report").click()
        page.locator("#reference").wait_for()
    with visitor(browser, "en") as page:
        page.goto(f"{url}/reports/own")
        page.locator("#token").fill(token)
        page.keyboard.press("Enter")
        page.get_by_role("link", name=f"Report about {HOST}").click()
        assert "jane" not in page.content().lower()
        assert obstacles(page) == {}
        page.locator("#kind").select_option("removed")
        page.locator("#text").fill("It is gone.")
        page.get_by_role("button", name="Send the answer").click()
        page.get_by_text("It is gone.").wait_for()
        page.goto(f"{url}/reports/own")
        page.get_by_text("1 of 1 reports answered").wait_for()
        assert obstacles(page) == {}
