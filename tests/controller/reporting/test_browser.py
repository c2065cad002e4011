"""The pages of reports in Chromium: with keyboard and screen reader, in both languages, without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from rempart.controller import assembly
from tests.controller.console.conftest import House, house_in, served
from tests.e2e.browser import chromium, obstacles, photograph, visitor
from tests.governance.cast import HOST

pytestmark = pytest.mark.slow

WORDS = "La page demande le mot de passe de ma banque et l’envoie ailleurs."


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def seconds() -> list[float]:
    return [0.0]


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: list[float]
) -> Iterator[tuple[House, str]]:
    monkeypatch.setattr(assembly, "own_addresses", lambda: ("127.0.0.1", "::1"))
    with house_in(tmp_path) as house:
        house.controller.desk.door._monotonic = lambda: seconds[0]
        with served(house) as url:
            yield house, url


@pytest.mark.parametrize("scripts", [True, False])
def test_a_report_is_made_with_the_keyboard_and_followed(
    browser: Browser, place: tuple[House, str], seconds: list[float], tmp_path: Path, scripts: bool
) -> None:
    _, url = place
    problems: list[str] = []
    with visitor(browser, "fr", scripts=scripts) as page:
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.goto(f"{url}/reports")
        assert page.locator("h1").inner_text() == "Signaler un abus"
        if scripts:
            assert obstacles(page) == {}
            photograph(page, tmp_path, "report-form")
        seconds[0] += 30
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


def test_what_is_wrong_is_read_out_and_kept(
    browser: Browser, place: tuple[House, str], seconds: list[float]
) -> None:
    _, url = place
    with visitor(browser, "en") as page:
        page.goto(f"{url}/reports/new")
        seconds[0] += 30
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


def test_the_owners_page(browser: Browser, place: tuple[House, str], seconds: list[float]) -> None:
    house, url = place
    with visitor(browser, "en") as page:
        page.goto(f"{url}/reports/new")
        seconds[0] += 30
        page.locator("#urls").fill(f"https://{HOST}/login")
        page.locator("#explanation").fill(WORDS)
        page.locator("#name").fill("Jane")
        page.locator("#email").fill("jane@example.net")
        page.locator("#good_faith").check()
        page.get_by_role("button", name="Send the report").click()
        page.locator("#reference").wait_for()
    with visitor(browser, "en") as page:
        page.goto(f"{url}/reports/own")
        page.locator("#token").fill(house.token)
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
