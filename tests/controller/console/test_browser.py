"""The console as people see it: in Chromium, with and without scripts, by keyboard, on a desk and on a phone.

Nothing is loaded from elsewhere, nothing is blocked by our own policy, axe-core finds no obstacle.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page

from rempart.model.cases import MotionKind
from tests.controller.console.conftest import House, house_in, served
from tests.e2e.browser import chromium, obstacles, photograph, shows, visitor
from tests.governance.cast import HOST, key_of

HOSTILE = (
    "They <img src=x onerror=document.title='pwned'> <script>document.title='pwned'</script> call for it."
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(
    beginning: tuple[Path, tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[House, str]]:
    """A console with a case in effect and one that waits for arbiters."""
    founded, tokens = beginning
    folder = tmp_path_factory.mktemp("console") / "state"
    shutil.copytree(founded, folder)
    with house_in(folder, tokens) as house:
        house.in_effect(facts=HOSTILE)
        house.court.moves(house.court.to_notified().id, "ada", MotionKind.EMERGENCY)
        with served(house) as address:
            yield house, address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@contextmanager
def watched(browser: Browser, language: str = "en", *, scripts: bool = True) -> Iterator[Page]:
    """Somebody's page; whatever it loads from elsewhere, or the browser complains of, fails the test."""
    with visitor(browser, language, scripts=scripts) as page:
        complaints: list[str] = []
        page.on("console", lambda one: complaints.append(one.text))
        page.on("pageerror", lambda one: complaints.append(str(one)))
        page.on("request", lambda one: _ours(one.url, complaints))
        yield page
        assert complaints == []
        assert page.title() != "pwned"


def _ours(url: str, complaints: list[str]) -> None:
    if not url.startswith("http://localhost:"):
        complaints.append(url)


def _enter_as_owner(page: Page, house: House, address: str) -> None:
    page.goto(f"{address}/sign-in/owner")
    page.get_by_label(re.compile("API token|Jeton d’API")).fill(house.token)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/cases")


def _enter_as_arbiter(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/docket")
    page.get_by_role("combobox").select_option(name)
    page.get_by_role("button", name=re.compile("Continue|Continuer")).click()
    with page.expect_download() as got:
        page.get_by_role("link", name=re.compile("sign-in.txt")).click()
    signature = key_of(name).sign(Path(got.value.path()).read_bytes())
    file: FilePayload = {"name": "sign-in.sig", "mimeType": "application/octet-stream", "buffer": signature}
    page.locator("#signature_file").set_input_files([file])
    page.get_by_role("button", name=re.compile("Sign in as|Se connecter comme")).click()
    page.wait_for_url(f"{address}/docket")


def _public(house: House) -> dict[str, str]:
    case = house.controller.register.search().items[0].case
    return {
        "first": "/",
        "decisions": "/decisions",
        "decision": f"/decisions/{case}",
        "policies": "/policies",
        "policy": "/policies/v1",
        "arbiters": "/arbiters",
        "log": "/log",
        "sign-in": "/sign-in",
        "sign-in-owner": "/sign-in/owner",
        "sign-in-arbiter": "/sign-in/arbiter?arbiter=ada",
    }


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_public_page_can_be_used_by_everybody(
    place: tuple[House, str], browser: Browser, language: str, tmp_path: Path
) -> None:
    house, address = place
    with watched(browser, language) as page:
        for name, path in _public(house).items():
            page.goto(address + path)
            assert page.evaluate("document.documentElement.lang") == language
            assert page.locator("h1").count() == 1
            assert obstacles(page) == {}, path
            photograph(page, tmp_path, f"console-{name}-{language}")
        page.goto(f"{address}{_public(house)['decision']}")
        shows(page, "They <img src=x onerror=")


def test_the_search_answers_without_a_reload_and_without_scripts(
    place: tuple[House, str], browser: Browser
) -> None:
    _, address = place
    with watched(browser) as page:
        page.goto(f"{address}/decisions")
        page.evaluate("window.still = true")
        page.get_by_label("Remedy").focus()
        page.get_by_label("Remedy").select_option("challenge")
        shows(page, "Nothing was found.")
        assert page.evaluate("window.still") is True
        assert "remedy=challenge" in page.url
        page.get_by_label("Remedy").select_option("drop_proxy")
        shows(page, "1 decision")
        assert page.evaluate("document.activeElement.id") == "remedy", "focus stays where it was"
    with watched(browser, scripts=False) as page:
        page.goto(f"{address}/decisions")
        page.get_by_label("Site").fill("nowhere.example")
        page.keyboard.press("Enter")
        shows(page, "Nothing was found.")
        page.get_by_label("Site").fill(HOST)
        page.get_by_role("button", name="Search").click()
        shows(page, "1 decision")


def test_the_keyboard_leads_everywhere(place: tuple[House, str], browser: Browser) -> None:
    _, address = place
    with watched(browser) as page:
        page.goto(f"{address}/decisions")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "target", "past the navigation"
        page.goto(address)
        seen = []
        for _ in range(30):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.textContent.trim()"))
            outlined = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outlined != "none", seen[-1]
            if seen[-1] == "Check it yourself":
                break
        for place_ in ("Decisions", "Policies", "Arbiters", "Public log", "Français", "Sign in"):
            assert place_ in seen


@pytest.mark.parametrize("scripts", [True, False])
def test_an_arbiter_signs_in_and_signs(
    place: tuple[House, str], browser: Browser, scripts: bool, tmp_path: Path
) -> None:
    _, address = place
    name = "ben" if scripts else "cleo"
    with watched(browser, "fr" if scripts else "en", scripts=scripts) as page:
        _enter_as_arbiter(page, address, name)
        if scripts:
            assert obstacles(page) == {}
            photograph(page, tmp_path, "console-docket")
        page.locator(".entries a").first.click()
        if scripts:
            assert obstacles(page) == {}
            photograph(page, tmp_path, "console-docket-case")
        page.locator("#act-reject").check()
        page.locator("#impartial").check()
        page.locator("section:has(#word) button").click()
        if scripts:
            assert obstacles(page) == {}
            photograph(page, tmp_path, "console-docket-sign")
        with page.expect_download() as got:
            page.get_by_role("button", name=re.compile("statement.txt")).click()
        content = Path(got.value.path()).read_bytes()
        assert content.startswith(b"rempart case statement v1\n")
        assert b'"act":"reject"' in content
        page.locator("#signature").fill(base64.b64encode(key_of(name).sign(content)).decode())
        page.get_by_role("button", name=re.compile("Bring the signature|Apporter la signature")).click()
        shows(page, "stands in the log" if not scripts else "figure au registre")
        page.get_by_role("button", name=re.compile("Sign out|Se déconnecter")).click()
        page.wait_for_url(f"{address}/")
        page.goto(f"{address}/docket")
        assert "/sign-in/arbiter" in page.url


def test_the_form_of_a_motion_can_be_used(place: tuple[House, str], browser: Browser, tmp_path: Path) -> None:
    house, address = place
    case = house.controller.register.search().items[0].case
    with watched(browser) as page:
        _enter_as_arbiter(page, address, "dan")
        page.goto(f"{address}/docket/{case}")
        page.get_by_role("link", name=re.compile("ending it")).click()
        page.get_by_label("Facts and circumstances").fill("It is gone.")
        assert obstacles(page) == {}
        page.get_by_role("button", name="Continue to the statement").click()
        shows(page, "Sign your statement")
        photograph(page, tmp_path, "console-motion")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_an_owner_signs_in_and_answers(
    place: tuple[House, str], browser: Browser, language: str, tmp_path: Path
) -> None:
    house, address = place
    case = house.court.to_notified().id
    with watched(browser, language) as page:
        _enter_as_owner(page, house, address)
        assert obstacles(page) == {}
        photograph(page, tmp_path, f"console-cases-{language}")
        page.goto(f"{address}/cases/{case}")
        assert obstacles(page) == {}
        page.locator("#text-answer").fill("<b>It was satire.</b>")
        photograph(page, tmp_path, f"console-case-{language}")
        page.locator("section:has(#text-answer) button").click()
        shows(page, "<b>It was satire.</b>")
        cookies = {one["name"]: one for one in page.context.cookies()}
        session = cookies["__Host-rempart"]
        assert (session["httpOnly"], session["secure"], session["sameSite"]) == (True, True, "Strict")


def test_a_page_of_another_site_cannot_answer_for_an_owner(
    place: tuple[House, str], browser: Browser
) -> None:
    house, address = place
    case = house.court.to_notified().id
    with visitor(browser, "en") as page:
        _enter_as_owner(page, house, address)
        page.goto("about:blank")
        page.set_content(
            f"<form method=post action={address}/cases/{case}/answer><input name=text value=x>"
            "<input name=guard value=x><button>go</button></form>"
        )
        before = house.court.docket.get(case).seq
        page.get_by_role("button").click()
        shows(page, "Not from here")
        assert house.court.docket.get(case).seq == before
