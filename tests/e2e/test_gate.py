"""A site under attack, as visitors meet it: a browser, a browser without scripts, a text browser, curl."""

from __future__ import annotations

import html
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from rempart.lab.instance import Instance
from rempart.lab.origin import LittleOrigin
from rempart.lab.processes import free_port
from rempart.model.gate import GATE_PATH
from tests.e2e.browser import Held, as_without_scripts, chromium, obstacles, photograph, shows, visitor

pytestmark = pytest.mark.slow

HOST = "besieged.example.net"


@pytest.fixture(scope="module")
def besieged() -> Iterator[Instance]:
    """An instance with one site whose zone is under attack."""
    with LittleOrigin() as origin, Instance() as running:
        running.start()
        running.cli("site", "add", HOST, "--origin", origin.url)
        said = running.cli("zone", "set", "example.net", "--security-level", "under_attack").stdout
        assert "under_attack: everybody is challenged once" in said
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def url(instance: Instance, path: str = "/") -> str:
    return f"https://{HOST}:{instance.ports.https}{path}"


class Curl:
    """curl with a cookie jar."""

    def __init__(self, instance: Instance, folder: Path) -> None:
        self._jar = folder / "jar"
        self._place = f"{HOST}:{instance.ports.https}:{instance.ports.address}"

    def __call__(self, *arguments: str) -> str:
        command = ("curl", "-s", "-k", "-i", "-b", str(self._jar), "-c", str(self._jar), "--resolve")
        done = subprocess.run(
            [*command, self._place, *arguments], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout


def test_curl_with_a_cookie_jar_waits_and_passes(besieged: Instance, tmp_path: Path) -> None:
    curl = Curl(besieged, tmp_path)
    page = curl(url(besieged, "//a?b=1&c=2"))
    assert " 503" in page.splitlines()[0]
    found = re.search(r'http-equiv="refresh" content="(\d+);url=([^"]+)"', page)
    assert found is not None
    time.sleep(int(found[1]))
    entered = curl("-L", url(besieged, html.unescape(found[2])))
    assert f"https://{HOST}:{besieged.ports.https}//a?b=1&c=2" in entered
    assert " 200" in curl(url(besieged, "/again")).splitlines()[0]


def test_without_cookies_it_is_told_plainly(besieged: Instance, tmp_path: Path) -> None:
    place = f"{HOST}:{besieged.ports.https}:{besieged.ports.address}"
    command = ["curl", "-s", "-k", "--resolve", place]
    page = subprocess.run([*command, url(besieged)], capture_output=True, text=True, check=True).stdout
    found = re.search(r'http-equiv="refresh" content="(\d+);url=([^"]+)"', page)
    assert found is not None
    time.sleep(int(found[1]))
    where = url(besieged, html.unescape(found[2]))
    said = subprocess.run([*command, "-L", where], capture_output=True, text=True, check=True).stdout
    assert "keeps no cookie" in said


def test_w3m_passes(besieged: Instance, tmp_path: Path) -> None:
    if shutil.which("w3m") is None:
        pytest.skip("w3m is not installed; bin/setup --test")
    besieged.cli("site", "change", HOST, "--no-https-redirect")
    port = besieged.ports.http
    with tempfile.TemporaryDirectory(prefix="rp-", dir="/tmp") as home:
        # As a proxy the edge is found without a resolver.
        options = (
            "use_cookie=1",
            "accept_cookie=1",
            f"http_proxy=http://127.0.0.1:{port}/",
        )

        def w3m(how: str, path: str) -> str:
            command = ["w3m", *(word for option in options for word in ("-o", option)), how]
            return subprocess.run(
                [*command, f"http://{HOST}:{port}{path}"], capture_output=True, text=True, timeout=60,
                check=True, env={"HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            ).stdout  # fmt: skip

        # What a person sees; then what the refresh does, which w3m only does while somebody looks on.
        assert "Without JavaScript it works, too" in w3m("-dump", "/hello")
        page = w3m("-dump_source", "/hello")
        found = re.search(r'http-equiv="refresh" content="(\d+);url=([^"]+)"', page)
        assert found is not None
        time.sleep(int(found[1]))
        said = w3m("-dump", html.unescape(found[2]))
    # The origin is told the address as a proxy is.
    assert said.startswith("origin says")
    assert said.rstrip().endswith("/hello")
    besieged.cli("site", "change", HOST, "--https-redirect")


def test_lynx_passes(besieged: Instance) -> None:
    """As somebody at a terminal would: read, wait, press Return on the first link, which is the refresh's."""
    if shutil.which("lynx") is None:
        pytest.skip("lynx is not installed; bin/setup --test")
    besieged.cli("site", "change", HOST, "--no-https-redirect")
    port = besieged.ports.http
    with tempfile.TemporaryDirectory(prefix="rp-", dir="/tmp") as home:
        proxy = f"http://127.0.0.1:{port}/"
        ours, theirs = pty.openpty()
        lynx = subprocess.Popen(
            ["lynx", "-accept_all_cookies", "-nopause", f"http://{HOST}:{port}/hello"],
            stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True, start_new_session=True,
            env={"HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "vt100",
                 "http_proxy": proxy},
        )  # fmt: skip
        os.close(theirs)
        screen = ""

        def reads(text: str) -> None:
            nonlocal screen
            deadline = time.monotonic() + 30
            while text not in screen:
                assert time.monotonic() < deadline, screen
                if select.select([ours], [], [], 0.1)[0]:
                    screen += os.read(ours, 65_536).decode(errors="replace")

        try:
            reads("Without JavaScript it works, too")
            reads("Use right-arrow or <return> to activate")
            time.sleep(6)
            os.write(ours, b"\r")
            reads("origin says")
        finally:
            lynx.kill()
            lynx.wait()
            os.close(ours)
    besieged.cli("site", "change", HOST, "--https-redirect")


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_chromium_finds_a_proof_in_a_worker(
    besieged: Instance, browser: Browser, tmp_path: Path, language: str, direction: str
) -> None:
    with visitor(browser, language) as page:
        workers: list[str] = []
        page.on("worker", lambda worker: workers.append(worker.url))
        held = Held(page, "**/.rempart/gate/pass")
        page.goto(url(besieged, "/wanted?x=1#part"))
        held.arrived()
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == [
            language,
            direction,
        ]
        assert page.get_attribute("#gate", "data-by") == "worker"
        assert [url(besieged, GATE_PATH) in worker for worker in workers] == [True]
        assert obstacles(page) == {}
        photograph(page, tmp_path, f"proof-{language}")
        held.let_go()
        shows(page, "origin says /wanted?x=1")
        assert page.url == url(besieged, "/wanted?x=1#part")
        # Once is enough; and no script can read the clearance.
        page.goto(url(besieged, "/second"))
        shows(page, "origin says /second")
        assert "rempart" not in page.evaluate("document.cookie")


@pytest.mark.parametrize("obstacle", ["no workers", "worker not found"])
def test_chromium_finds_a_proof_without_a_worker(besieged: Instance, browser: Browser, obstacle: str) -> None:
    with visitor(browser, "en") as page:
        if obstacle == "no workers":
            page.add_init_script("delete window.Worker")
        else:
            page.route("**/gate/proof.*.js", lambda route: route.fulfill(status=404))
        held = Held(page, "**/.rempart/gate/pass")
        page.goto(url(besieged, "/wanted"))
        held.arrived()
        assert page.get_attribute("#gate", "data-by") == "page"
        held.let_go()
        shows(page, "origin says /wanted")


def test_over_plain_http_it_works_too(besieged: Instance, browser: Browser) -> None:
    besieged.cli("site", "change", HOST, "--no-https-redirect")
    with visitor(browser, "en") as page:
        held = Held(page, "**/.rempart/gate/pass")
        page.goto(f"http://{HOST}:{besieged.ports.http}/wanted")
        held.arrived()
        assert page.evaluate("isSecureContext") is False
        assert page.get_attribute("#gate", "data-by") == "worker"
        held.let_go()
        shows(page, "origin says /wanted")
    besieged.cli("site", "change", HOST, "--https-redirect")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_browser_that_is_too_slow_waits_instead(
    besieged: Instance, browser: Browser, tmp_path: Path, language: str
) -> None:
    with visitor(browser, language) as page:
        # A worker that finds nothing; the page must give up on it.
        page.route("**/gate/proof.*.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
        page.goto(url(besieged, "/wanted"))
        waiting = page.get_attribute("#state", "data-waiting")
        assert waiting
        shows(page, waiting)
        assert obstacles(page) == {}
        photograph(page, tmp_path, f"waiting-{language}")
        shows(page, "origin says /wanted")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_chromium_without_scripts_is_let_in_after_the_wait(
    besieged: Instance, browser: Browser, tmp_path: Path, language: str
) -> None:
    with visitor(browser, language, scripts=False) as page:
        page.goto(url(besieged, "/plain"))
        held = Held(page, "**/gate/pass?*")
        assert page.get_attribute("html", "lang") == language
        assert page.locator("button").is_visible()
        html = page.content()
        photograph(page, tmp_path, f"plain-{language}")
        held.arrived()
        held.let_go()
        shows(page, "origin says /plain")
    with visitor(browser, language) as page:
        as_without_scripts(page, html)
        # It goes on by itself on purpose: whoever has no scripts, and perhaps no good hands, need not hit
        # a button.
        assert obstacles(page) == {"meta-refresh": "critical"}


def test_a_form_sent_into_the_challenge_arrives_afterwards(besieged: Instance, browser: Browser) -> None:
    with visitor(browser, "en") as page:
        page.goto(url(besieged, "/robots.txt"))
        send_form(page, {"submit": 'ж & "1"', "text": "a\nb"})
        shows(page, "origin says POST /order: submit=%D0%B6+%26+%221%22&text=a%0D%0Ab")


def test_whose_form_is_too_large_is_told(besieged: Instance, browser: Browser, tmp_path: Path) -> None:
    with visitor(browser, "ar") as page:
        page.goto(url(besieged, "/robots.txt"))
        send_form(page, {"text": "x" * 4_000})
        page.locator("#again").wait_for()
        assert page.inner_text("#state") == page.get_attribute("#state", "data-posted")
        assert obstacles(page) == {}
        photograph(page, tmp_path, "posted-ar")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_gate_s_own_pages(besieged: Instance, browser: Browser, tmp_path: Path, language: str) -> None:
    with visitor(browser, language) as page:
        page.goto(url(besieged, f"{GATE_PATH}enter?to=%2F"))
        assert page.get_attribute("html", "lang") == language
        assert obstacles(page) == {}
        photograph(page, tmp_path, f"cookies-{language}")
        # Whose browser says at once that it keeps none, and whose answers never get through.
        page.add_init_script(
            "Object.defineProperty(Navigator.prototype, 'cookieEnabled', {get: () => false})"
        )
        page.goto(url(besieged))
        page.locator("#again").wait_for()
        assert page.inner_text("#state") == page.get_attribute("#state", "data-cookies")
        assert obstacles(page) == {}
    with visitor(browser, language) as page:
        page.route("**/.rempart/gate/pass", lambda route: route.fulfill(status=410))
        page.goto(url(besieged))
        page.locator("#again").wait_for()
        assert page.inner_text("#state") == page.get_attribute("#state", "data-failed")
        assert obstacles(page) == {}
        photograph(page, tmp_path, f"failed-{language}")
    with visitor(browser, language, scripts=False) as page:
        page.goto(url(besieged, "/plain"))
        # The button, too early.
        page.locator("button").click()
        page.wait_for_url("**/gate/pass?*")
        html = page.content()
        photograph(page, tmp_path, f"early-{language}")
        page.wait_for_timeout(6_000)
        page.locator("a").click()
        shows(page, "origin says /plain")
    with visitor(browser, language) as page:
        as_without_scripts(page, html)
        assert obstacles(page) == {}


def test_pages_of_the_edge_are_accessible(besieged: Instance, browser: Browser, tmp_path: Path) -> None:
    with LittleOrigin() as origin:
        besieged.cli("site", "add", "busy.example.org", "--origin", origin.url, "--requests-per-client", "1")
        besieged.cli("site", "add", "down.example.org", "--origin", f"http://127.0.0.1:{free_port()}")
        with visitor(browser, "en") as page:
            for host, status in (("down", 503), ("busy", 429)):
                where = f"http://{host}.example.org:{besieged.ports.http}/"
                assert any(answered(page, where) == status for _ in range(50))
                assert obstacles(page) == {}
                photograph(page, tmp_path, f"edge-{status}")
        for host in ("busy", "down"):
            besieged.cli("site", "remove", f"{host}.example.org")


def answered(page: Page, where: str) -> int:
    answer = page.goto(where)
    return answer.status if answer is not None else 0


def send_form(page: Page, fields: dict[str, str]) -> None:
    """Send a form to /order from the page, as a browser would."""
    page.evaluate(
        "(fields) => {const f=document.createElement('form');f.method='post';f.action='/order';"
        "f.acceptCharset='utf-8';"
        "for (const [n,v] of Object.entries(fields)) {"
        "const t=document.createElement('textarea');t.name=n;t.value=v;f.append(t)}"
        "document.body.append(f);HTMLFormElement.prototype.submit.call(f)}",
        fields,
    )


def test_the_level_is_left_as_it_was_entered(besieged: Instance, tmp_path: Path) -> None:
    curl = Curl(besieged, tmp_path)
    besieged.cli("zone", "set", "example.net", "--security-level", "medium")
    try:
        assert " 200" in curl(url(besieged)).splitlines()[0]
    finally:
        besieged.cli("zone", "set", "example.net", "--security-level", "under_attack")
    assert " 503" in curl(url(besieged)).splitlines()[0]


def test_a_dead_gate_comes_back_and_keeps_nobody_out_for_long(besieged: Instance, tmp_path: Path) -> None:
    curl = Curl(besieged, tmp_path)
    before = besieged.pid("gate")
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while True:
        answer = curl(url(besieged)).splitlines()[0]
        assert " 200" in answer or " 503" in answer
        status = besieged.json("status")
        now = next(part["pid"] for part in status["parts"] if part["name"] == "gate")
        if now not in (None, before) and " 503" in answer:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
