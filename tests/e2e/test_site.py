"""What an operator and a visitor see of one site, from the command line to the page."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable

import h2.connection
import h2.events
import psutil
import pytest

from rempart.lab.instance import Instance
from tests.e2e.clients import address_of, page

HOST = "shop.example.org"
pytestmark = [pytest.mark.slow]


def test_its_name_answers_with_the_edge(instance: Instance) -> None:
    assert address_of(instance.ports, HOST) == [instance.ports.address]


def test_plain_http_is_sent_to_https(instance: Instance) -> None:
    assert page(instance.ports, HOST)[0] == 301


def test_https_is_checked_by_curl_against_the_local_authority(instance: Instance) -> None:
    authority = instance.json("ca", "show")["certificate"]
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--cacert", authority, "--resolve",
         f"{HOST}:{instance.ports.https}:{instance.ports.address}",
         f"https://{HOST}:{instance.ports.https}/some/path"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "origin says /some/path\n", "")


def test_https_speaks_http2(instance: Instance) -> None:
    authority = instance.json("ca", "show")["certificate"]
    trust = ssl.create_default_context(cafile=authority)
    trust.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((instance.ports.address, instance.ports.https), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname=HOST) as stream,
    ):
        assert stream.selected_alpn_protocol() == "h2"
        connection = h2.connection.H2Connection()
        connection.initiate_connection()
        headers = [(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/over-h2")]
        connection.send_headers(1, headers, end_stream=True)
        stream.sendall(connection.data_to_send())
        body = b""
        while not body.endswith(b"\n"):
            for event in connection.receive_data(stream.recv(65_535)):
                if isinstance(event, h2.events.DataReceived):
                    body += event.data
    assert body == b"origin says /over-h2\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("site", "add", "bad-.example.org", "--origin", "http://192.0.2.1"),
        ("site", "add", "a..example.org", "--origin", "http://192.0.2.1"),
        ("site", "add", f"{'x' * 64}.example.org", "--origin", "http://192.0.2.1"),
        ("site", "add", "192.0.2.1", "--origin", "http://192.0.2.1"),
        ("site", "add", "xn--a.example.org", "--origin", "http://192.0.2.1"),
        ("site", "add", "new.example.org", "--origin", "ftp://192.0.2.1"),
        ("site", "add", "new.example.org", "--origin", "http://169.254.169.254"),
        ("site", "add", "new.example.org", "--origin", "http://[::ffff:169.254.169.254]"),
        ("site", "add", "new.example.org", "--origin", "http://0.0.0.0"),
        ("site", "add", "new.example.org", "--origin", "http://224.0.0.1"),
        ("site", "add", "new.example.org", "--origin", "http://192.0.2.1:99999"),
        ("record", "add", "example.org", "x", "A", "192.0.2.256"),
        ("record", "add", "example.org", "x", "AAAA", "192.0.2.1"),
        ("record", "add", "example.org", "x.example.net.", "A", "192.0.2.1"),
        ("zone", "add", "example..org"),
    ],
)
def test_bad_input_changes_nothing(instance: Instance, arguments: tuple[str, ...]) -> None:
    before = (instance.json("site", "list"), instance.cli("zone", "export", "example.org").stdout)
    done = instance.cli(*arguments, check=False)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("rempart: ")
    assert "unexpected" not in done.stderr
    after = (instance.json("site", "list"), instance.cli("zone", "export", "example.org").stdout)
    assert without_serial(after) == without_serial(before)


def without_serial(seen: tuple[object, str]) -> str:
    sites, zone = seen
    return json.dumps(sites) + "\n".join(line for line in zone.splitlines() if "SOA" not in line)


def test_the_edge_itself_is_no_origin(instance: Instance) -> None:
    done = instance.cli(
        "site", "add", "loop.example.org",
        "--origin", f"http://{instance.ports.address}:{instance.ports.http}", check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "loop" in done.stderr or "edge" in done.stderr


def test_an_international_name_is_served_under_its_a_label(instance: Instance, origin: str) -> None:
    instance.cli("site", "add", "bücher.example.org", "--origin", origin, "--no-https-redirect")
    assert page(instance.ports, "xn--bcher-kva.example.org")[0] == 200
    instance.cli("site", "remove", "bücher.example.org")
    assert page(instance.ports, "xn--bcher-kva.example.org")[0] == 421


def test_status_names_a_site_without_an_origin_that_is_up(instance: Instance) -> None:
    instance.cli("site", "add", "dead.example.org", "--origin", "http://127.0.0.1:9")
    try:
        until(lambda: "dead.example.org: no origin is up" in instance.cli("status", check=False).stderr)
        shown = instance.cli("status", "--json", check=False)
        assert shown.returncode == 1
        engines = json.loads(shown.stdout)["controller"]["nodes"][0]["engines"]
        assert [one["sites_down"] for one in engines if one["name"] == "haproxy"] == [["dead.example.org"]]
    finally:
        instance.cli("site", "remove", "dead.example.org")
    until(lambda: instance.cli("status", check=False).returncode == 0)


def test_what_a_frozen_engine_has_not_taken_is_not_called_live(instance: Instance) -> None:
    knot = psutil.Process(instance.pid("knot"))
    knot.suspend()
    try:
        said = instance.cli("record", "add", "example.org", "frozen", "A", "203.0.113.9").stdout
        assert "live         not yet" in said
        assert "knot on node-1" in said
        # What visitors come through is another engine's, and live.
        assert (
            " ms on 1 node" in instance.cli("site", "change", HOST, "--connections-per-client", "99").stdout
        )
    finally:
        knot.resume()
    until(lambda: address_of(instance.ports, "frozen.example.org") == ["203.0.113.9"])
    until(lambda: instance.cli("status", check=False).returncode == 0)


def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_status_is_one_document_and_all_is_well(instance: Instance) -> None:
    status = instance.json("status")
    assert status["ok"] is True
    assert {part["name"] for part in status["parts"]} >= {"controller", "node", "haproxy", "knot"}
