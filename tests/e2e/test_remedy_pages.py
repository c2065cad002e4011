"""The pages of remedies as people meet them: in a browser, by keyboard, without scripts, in two languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from rempart.model.cases_remedies import Remedy
from tests.e2e.browser import chromium, obstacles, photograph, shows, visitor
from tests.engines.haproxy.edge import Edge, Origin, certificate, new_edge
from tests.engines.haproxy.test_remedies import HOST, ORDER, WARNING, remedy, with_remedies

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def served() -> Iterator[Edge]:
    with Origin("one") as one, new_edge(certificate(HOST)) as edge:
        edge.start()
        block = remedy(path="/c", notice=ORDER)
        edge.put(with_remedies(one.port, WARNING, block, remedy(Remedy.INTERSTITIAL, "/a", case="2026-two")))
        yield edge


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    ("language", "title", "button"),
    [("en", "Before you go on: a warning", "I have read this"), ("fr", "Avant de continuer", "J’ai lu ceci")],
)
def test_the_warning_is_read_and_gone_on_from_by_keyboard(
    served: Edge, browser: Browser, language: str, title: str, button: str, scripts: bool, tmp_path: Path
) -> None:
    with visitor(browser, language, scripts=scripts) as page:
        answer = page.goto(f"https://{HOST}:{served.https}/a/b/c?x=%20y#part")
        assert answer is not None
        assert answer.status == 403
        shows(page, title)
        shows(page, "Violence")
        if scripts:
            assert obstacles(page) == {}
            photograph(page, tmp_path, f"warning-{language}")
        page.get_by_role("button", name=button).focus()
        page.keyboard.press("Enter")
        shows(page, '"origin": "one"')
        assert page.url.partition("#")[0].endswith("/a/b/c?x=%20y")
        again = page.goto(f"https://{HOST}:{served.https}/a/b")
        assert again is not None
        assert again.status == 200


@pytest.mark.parametrize(
    ("language", "said"), [("en", "A court or an authority has ordered"), ("fr", "Un tribunal")]
)
def test_a_refusal_says_whose_it_is(
    served: Edge, browser: Browser, language: str, said: str, tmp_path: Path
) -> None:
    with visitor(browser, language) as page:
        answer = page.goto(f"https://{HOST}:{served.https}/c")
        assert answer is not None
        assert answer.status == 451
        shows(page, said)
        shows(page, "Court of Somewhere")
        assert obstacles(page) == {}
        photograph(page, tmp_path, f"blocked-{language}")
