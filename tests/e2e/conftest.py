"""A whole Rempart and an origin for the end-to-end tests, started as an operator starts them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from rempart.lab.instance import Instance


class OriginHandler(http.server.BaseHTTPRequestHandler):
    """Answers every request with its own path, so that a test sees that the origin itself spoke."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802 - the name http.server calls
        body = f"origin says {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """URL of an origin on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OriginHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture(scope="module")
def instance(origin: str) -> Iterator[Instance]:
    """An instance that serves one site, shop.example.org."""
    with Instance() as running:
        running.start()
        running.cli("site", "add", "shop.example.org", "--origin", origin, "--requests-per-client", "0")
        yield running
