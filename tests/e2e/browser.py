"""A real Chromium without a window, driven by Playwright; every host name leads to loopback.

Pictures of what it shows are kept in the folder that REMPART_TEST_PICTURES names, else in pytest's own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

PROGRAM = "chromium"
PICTURES = "REMPART_TEST_PICTURES"
PATIENCE_S = 40
PHONE = (360, 640)
DESK = (1100, 700)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own downloads are not used."""
    program = shutil.which(PROGRAM)
    if program is None:
        pytest.skip(f"{PROGRAM} is not installed; bin/setup --test")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--host-resolver-rules=MAP * 127.0.0.1", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def visitor(browser: Browser, language: str, *, scripts: bool = True) -> Iterator[Page]:
    """A page of somebody who was never here, reads ``language`` and takes any certificate."""
    context = browser.new_context(locale=language, java_script_enabled=scripts, ignore_https_errors=True)
    context.set_default_timeout(PATIENCE_S * 1000)
    try:
        yield context.new_page()
    finally:
        context.close()


def shows(page: Page, text: str) -> None:
    """Wait until the page shows ``text``."""
    page.get_by_text(text).first.wait_for()


class Held:
    """The requests to ``pattern``, which wait until they are let go: time to look at a page that is busy."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._page, self._pattern = page, pattern
        self._routes: list[Route] = []
        # Playwright keeps notes on the function, which a bound method of a list does not take.
        page.route(pattern, lambda route: self._routes.append(route))  # noqa: PLW0108

    def arrived(self) -> None:
        """Wait for the first one."""
        for _ in range(PATIENCE_S * 20):
            if self._routes:
                return
            self._page.wait_for_timeout(50)
        raise AssertionError(f"nothing asked for {self._pattern}")

    def let_go(self) -> None:
        for route in self._routes:
            route.continue_()
        self._page.unroute(self._pattern)


def photograph(page: Page, folder: Path, name: str) -> None:
    """The page in light and in dark, on a desk and on a phone."""
    kept = Path(os.environ.get(PICTURES) or folder)
    kept.mkdir(parents=True, exist_ok=True)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for where, (width, height) in (("phone", PHONE), ("desk", DESK)):
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=kept / f"{name}-{where}-{scheme}.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"


def obstacles(page: Page) -> dict[str, str]:
    """What axe-core finds that keeps people from using the page, in light and in dark: rule → impact.

    Scripts must be allowed, for axe-core is one.
    """
    found: dict[str, str] = {}
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for violation in Axe().run(page).response["violations"]:
            found[violation["id"]] = violation["impact"]
    return found


def as_without_scripts(page: Page, html: str) -> None:
    """Show ``html`` as a browser without scripts does, in a page that can run axe-core."""
    html = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    page.set_content(re.sub(r"</?noscript>", "", html))
