"""The forum's marks and log are those of the contract, and its pages are really there."""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from rempart.lab.leftovers import short_folder
from rempart.lab.origins import contract
from rempart.lab.origins.contract import OriginScene, read_log
from rempart.lab.origins.forum import FORUM, require_environment
from rempart.lab.origins.forum.board import truth
from rempart.lab.processes import free_port, running, wait_for_port
from rempart.lab.visitors.browsing import MARKED_WITHIN
from rempart.model.errors import EnvironmentLacks

SECRET = "s"


def test_marks_are_the_contracts() -> None:
    for path in ("/", "/search/?q=a+b", "/é"):
        assert truth.mark(SECRET, path) == contract.mark(SECRET, path)


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        (b"<!DOCTYPE html><p>", "text/html; charset=utf-8", b"<!DOCTYPE html><!-- m -->\n<p>"),
        (b" \n<!doctype html><p>", "text/html", b" \n<!doctype html><!-- m -->\n<p>"),
        (b"<!-- old --><p>", "text/html", b"<!-- m -->\n<!-- old --><p>"),
        (b"<?xml version='1.0'?><rss/>", "application/rss+xml", b"<?xml version='1.0'?><!-- m -->\n<rss/>"),
        (b"<!unfinished", "text/html", b"<!-- m -->\n<!unfinished"),
        (b"a{}", 'text/css; charset="utf-8"', b"/* m */\na{}"),
        (b"\x89PNG", "image/png", b"\x89PNG"),
        (b"", "", b""),
    ],
)
def test_a_mark_leaves_what_must_come_first(body: bytes, kind: str, found: bytes) -> None:
    assert truth.marked(body, kind, "m") == found


def asked_once(application: truth.Truthful, method: str, path: str) -> tuple[str, dict[str, str], bytes]:
    seen: list[tuple[str, dict[str, str]]] = []

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        seen.append((status, dict(headers)))

    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "RAW_URI": path,
        "HTTP_X_FORWARDED_FOR": "9.9.9.9, 192.0.2.7",
        "wsgi.input": io.BytesIO(),
    }
    body = b"".join(application(environ, start))
    return *seen[-1], body


def test_every_request_is_logged_and_only_pages_are_marked(tmp_path: Path) -> None:
    def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        there = environ["RAW_URI"] != "/none"
        start_response(
            "200 OK" if there else "404 Not Found", [("Content-Type", "text/html"), ("Content-Length", "3")]
        )
        return [b"<p", b">"] if environ["REQUEST_METHOD"] != "HEAD" else []

    application = truth.Truthful(page, SECRET, tmp_path)
    _, headers, body = asked_once(application, "GET", "/a?b=c")
    assert contract.mark(SECRET, "/a?b=c").encode() in body
    assert headers["Content-Length"] == str(len(body))
    assert asked_once(application, "GET", "/none")[2] == b"<p>"
    assert asked_once(application, "HEAD", "/a")[2] == b""
    told = [(one.client, one.method, one.path, one.status) for one in read_log(tmp_path)]
    assert told == [
        ("192.0.2.7", "GET", "/a?b=c", 200),
        ("192.0.2.7", "GET", "/none", 404),
        ("192.0.2.7", "HEAD", "/a", 200),
    ]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_page_of_the_map_is_there_with_its_mark() -> None:
    try:
        require_environment()
    except EnvironmentLacks as error:
        pytest.skip(str(error))
    folder = short_folder()
    scene = OriginScene(
        address="127.0.0.1", port=free_port(), host="www.shop.example", folder=folder, secret=SECRET
    )
    FORUM.prepare(scene)
    site = FORUM.site
    paths = [
        *(page.path for page in site.pages[:30]),
        site.pages[-1].path,
        *site.pages[0].assets,
        *site.feeds,
        site.searches[0].format("chair+lamp"),
        site.large,
        "/robots.txt",
    ]
    with running(FORUM.command(scene), log=folder / "forum.log"):
        wait_for_port(scene.address, scene.port, seconds=60)
        client = http.client.HTTPConnection(scene.address, scene.port, timeout=60)
        for path in paths:
            client.request("GET", path, headers={"Host": scene.host})
            answer = client.getresponse()
            body = answer.read()
            assert answer.status == 200, path
            assert contract.mark(SECRET, path).encode() in body[:MARKED_WITHIN], path
        # Words of the posts are found, and rare ones are not everywhere.
        client.request("GET", "/search/?q=garden", headers={"Host": scene.host})
        found = re.search(rb"returned <b>(\d+)</b> results", client.getresponse().read())
        assert found
        assert int(found[1]) > 20
        client.close()
    assert [one.path for one in read_log(folder)][: len(paths)] == paths
