"""The demo's clients: dig, curl, Chromium, and two visitors with addresses of their own."""

from __future__ import annotations

import base64
import hashlib
import http.client
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rempart.lab.instance import Ports
from rempart.model.base import Value


class Answer(Value):
    """One request as its sender saw it. ``status`` 0: no answer at all."""

    status: int
    seconds: float


def dig(ports: Ports, *question: str) -> str:
    """What dig prints for a question to our name server, or "" when dig is not installed."""
    if shutil.which("dig") is None:
        return ""
    return subprocess.run(
        ["dig", f"@{ports.address}", "-p", str(ports.dns), "+time=2", "+tries=2", *question],
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def curl(ports: Ports, host: str, path: str, authority: Path, *options: str) -> str:
    """What curl prints for an HTTPS page through the edge; the connection is checked against our local CA."""
    if shutil.which("curl") is None:
        return ""
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "20", "--cacert", str(authority),
         "--resolve", f"{host}:{ports.https}:{ports.address}", *options, f"https://{host}:{ports.https}{path}"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout  # fmt: skip


class Visitor:
    """A client with an address of its own on loopback, that speaks HTTPS to the edge."""

    def __init__(self, ports: Ports, host: str, source: str, authority: Path) -> None:
        self._ports, self._host, self._source = ports, host, source
        self._trust = ssl.create_default_context(cafile=str(authority))

    def get(self, path: str, timeout: float = 20.0) -> Answer:
        """One request over a connection of its own."""
        began = time.monotonic()
        connection = _Connection(self._ports, self._host, self._source, self._trust, timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return Answer(status=answer.status, seconds=time.monotonic() - began)
        except (OSError, http.client.HTTPException):
            return Answer(status=0, seconds=time.monotonic() - began)
        finally:
            connection.close()


class _Connection(http.client.HTTPSConnection):
    """To the edge's address, from a chosen address, with the site's name for SNI and Host."""

    def __init__(self, ports: Ports, host: str, source: str, trust: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, ports.https, timeout=timeout, context=trust, source_address=(source, 0))
        self._edge, self._trust, self._source = ports.address, trust, source

    def connect(self) -> None:
        plain = http.client.HTTPConnection(
            self._edge, self.port, timeout=self.timeout, source_address=(self._source, 0)
        )
        plain.connect()
        self.sock = self._trust.wrap_socket(plain.sock, server_hostname=self.host)


def flood(visitor: Visitor, path: str, *, threads: int, stop: threading.Event, most: int) -> Counter[int]:
    """One client that asks as fast as it can, from ``threads`` threads, ``most`` requests at the most."""
    seen: Counter[int] = Counter()
    lock = threading.Lock()

    def ask() -> None:
        while not stop.is_set():
            with lock:
                if seen.total() >= most:
                    return
            answer = visitor.get(path)
            with lock:
                seen[answer.status] += 1

    workers = [threading.Thread(target=ask, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return seen


def screenshot(ports: Ports, host: str, path: str, chain_pem: str, picture: Path) -> bool:
    """The page as Chromium shows it, saved as PNG; False when Chromium is not installed or made none.

    The leaf's public key is named to Chromium instead of installing our local CA in its trust store.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        return False
    key = x509.load_pem_x509_certificate(chain_pem.encode()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    with tempfile.TemporaryDirectory(prefix="rp-chromium-") as profile:
        subprocess.run(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}",
             f"--host-resolver-rules=MAP {host} {ports.address}",
             f"--ignore-certificate-errors-spki-list={base64.b64encode(digest).decode()}",
             "--window-size=1100,800", f"--screenshot={picture}", f"https://{host}:{ports.https}{path}"],
            capture_output=True,
            timeout=90,
            check=False,
        )  # fmt: skip
    return picture.exists()
