"""A real HAProxy of one's own, real origins and a plain client, all on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rempart.engines.contract import ApplyReport, ItemTable
from rempart.engines.haproxy.control import HAProxyEngine, check_command, command_line
from rempart.engines.haproxy.names import SYSTEM_AUTHORITIES
from rempart.lab.leftovers import short_folder
from rempart.lab.processes import free_port
from rempart.model.configuration import AdminSection, Configuration, EdgeSection, TerritorySection
from rempart.model.errors import EnvironmentLacks
from rempart.model.sites import OriginTls, SiteLimits
from rempart.node.confinement import confined
from rempart.snapshot.items import CertificateItem, EdgeOrigin, Item, ItemChange, SiteItem

NO_LIMITS = SiteLimits(requests_per_client=0, requests_per_site=0, connections_per_client=0)


def eventually(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The first true value of ``condition``; AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"did not come true in {seconds:g} s"
        time.sleep(0.03)


# --- origins --------------------------------------------------------------------------------------


class Origin:
    """An HTTP/1.1 server that answers with what it saw, as JSON, and counts.

    ``/sleep/S`` takes S seconds; ``/status/N`` answers N; ``/bytes/N`` answers N bytes.
    """

    def __init__(self, name: str, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.name = name
        self.requests: list[str] = []
        self.now = 0
        self.peak = 0
        self.connections = 0
        self.sni: list[str | None] = []
        self._lock = threading.Lock()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
                    super().handle()

            def answer(self) -> None:
                with origin._lock:
                    origin.requests.append(f"{self.command} {self.path}")
                    origin.now += 1
                    origin.peak = max(origin.peak, origin.now)
                try:
                    length = int(self.headers.get("content-length") or 0)
                    received = self.rfile.read(length).decode(errors="replace")
                    if self.headers.get("transfer-encoding", "").lower() == "chunked":
                        received = self.read_chunks()
                    status, body = self.work(received)
                finally:
                    # Before the answer: after it, the next request may be here already.
                    with origin._lock:
                        origin.now -= 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def read_chunks(self) -> str:
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body.decode(errors="replace")

            def work(self, received: str) -> tuple[int, bytes]:
                status, parts = 200, self.path.strip("/").split("/")
                body = json.dumps(
                    {
                        "origin": origin.name,
                        "method": self.command,
                        "path": self.path,
                        "headers": [[name.lower(), value] for name, value in self.headers.items()],
                        "body": received,
                    }
                ).encode()
                if parts[0] == "sleep":
                    time.sleep(float(parts[1]))
                elif parts[0] == "status":
                    status, body = int(parts[1]), b"the origin's own words"
                elif parts[0] == "bytes":
                    body = b"x" * int(parts[1])
                return status, body

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def get_request(self) -> tuple[socket.socket, Any]:
                connection, address = super().get_request()
                origin.connections += 1
                if tls is not None:
                    connection.settimeout(5)
                    connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                return connection, address

            def handle_error(self, *_: Any) -> None:
                pass

        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: origin.sni.append(name)
        self._server = Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Origin:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RawOrigin:
    """Keeps every byte it is sent, per connection; answers each connection with ``answer``."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") -> None:
        self.received: list[bytes] = []
        self.answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._keep, args=(connection,), daemon=True).start()

    def _keep(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(90)
            place = None
            while data := connection.recv(65536):
                if place is None:
                    place = len(self.received)
                    self.received.append(b"")
                self.received[place] += data
                if self.answer:
                    connection.sendall(self.answer)

    def __enter__(self) -> RawOrigin:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


# --- certificates ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Issued:
    chain_pem: str
    key_pem: str
    id: str

    def write(self, path: Path) -> Path:
        path.write_text(self.chain_pem + self.key_pem)
        path.chmod(0o600)
        return path

    def context(self, path: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.write(path))
        return context


def issue(*hosts: str, signer: Issued | None = None, authority: bool = False) -> Issued:
    """A certificate for ``hosts``, signed by ``signer`` or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(tz=UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    issuer, signing_key = subject, key
    if signer is not None:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        issuer = x509.load_pem_x509_certificate(signer.chain_pem.encode()).subject
        signing_key = load_pem_private_key(signer.key_pem.encode(), None)  # type: ignore[assignment]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(signing_key, hashes.SHA256())
    )
    return Issued(
        chain_pem=certificate.public_bytes(Encoding.PEM).decode(),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        id=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def certificate(*hosts: str) -> CertificateItem:
    issued = issue(*hosts)
    return CertificateItem(id=issued.id, hosts=hosts, chain_pem=issued.chain_pem, key_pem=issued.key_pem)


# --- items ----------------------------------------------------------------------------------------


def origin(port: int, **fields: Any) -> EdgeOrigin:
    default: dict[str, Any] = {
        "address": "127.0.0.1",
        "tls": OriginTls.OFF,
        "weight": 100,
        "backup": False,
        "max_connections": 100,
    }
    return EdgeOrigin(port=port, **{**default, **fields})


def site(
    host: str, *origins: EdgeOrigin, https_redirect: bool = False, limits: SiteLimits = NO_LIMITS
) -> SiteItem:
    return SiteItem(host=host, origins=origins, https_redirect=https_redirect, limits=limits)


# --- the edge -------------------------------------------------------------------------------------


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def seen(self) -> dict[str, str]:
        """The headers that the origin saw."""
        return dict(self.json["headers"])


@dataclass
class Edge:
    """One HAProxy, started from the boot files of its engine."""

    config: Configuration
    engine: HAProxyEngine
    items: dict[str, Item] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_as: tuple[int, int] | None = None
    """User and group that root starts HAProxy as."""

    @property
    def view(self) -> ItemTable:
        return ItemTable(self.items)

    @property
    def http(self) -> int:
        return self.config.edge.http_port

    @property
    def https(self) -> int:
        return self.config.edge.https_port

    def start(self) -> Edge:
        self.engine.write_boot_files(self.view)
        checked = subprocess.run(check_command(self.config), capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        # Warnings would greet the operator at every start.
        assert "[WARNING]" not in checked.stderr, checked.stderr
        log = (self.config.state / "haproxy.out").open("ab")
        command = command_line(self.config)
        with log:
            self.process = subprocess.Popen(
                confined(command, *self.started_as) if self.started_as else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self.engine.alive)
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(EnvironmentLacks):
                    worker = self.engine.worker_pid()
                    subprocess.run(["kill", "-9", str(worker)], check=False)
                self.process.kill()
                self.process.wait()
            self.process = None

    def put(self, *items: Item) -> ApplyReport:
        """Apply items that are new or changed."""
        self.items.update({item.key: item for item in items})
        return self.engine.apply([ItemChange(key=i.key, item=i) for i in items], self.view)

    def drop(self, *keys: str) -> ApplyReport:
        for key in keys:
            del self.items[key]
        return self.engine.apply([ItemChange(key=key, item=None) for key in keys], self.view)

    def get(
        self,
        host: str,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        source: str = "127.0.0.1",
        tls: bool = False,
        timeout: float = 20.0,
    ) -> Answer:
        """One request on a connection of its own."""
        connection: http.client.HTTPConnection
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = _NamedTls(host.partition(":")[0] or "none", self.https, source, context, timeout)
        else:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.http, timeout=timeout, source_address=(source, 0)
            )
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None and "Transfer-Encoding" not in (headers or {}):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())

    def raw(self, data: bytes, *, seconds: float = 5.0, then: bytes = b"") -> bytes:
        """Whatever comes back to raw bytes, until HAProxy closes or is silent for ``seconds``."""
        with socket.create_connection(("127.0.0.1", self.http), timeout=seconds) as connection:
            connection.sendall(data)
            received = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while chunk := connection.recv(65536):
                    received += chunk
                    if then:
                        connection.sendall(then)
                        then = b""
            return received

    def served_certificate(self, name: str) -> x509.Certificate:
        """The certificate shown to a visitor who asks for ``name`` by SNI."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.https), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname=name) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
            assert shown is not None
            return x509.load_der_x509_certificate(shown)


class _NamedTls(http.client.HTTPConnection):
    def __init__(self, name: str, port: int, source: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__("127.0.0.1", port, timeout=timeout, source_address=(source, 0))
        self._name = name
        self._context = context

    def connect(self) -> None:
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name)


@contextlib.contextmanager
def new_edge(
    *items: Item,
    authorities: str = SYSTEM_AUTHORITIES,
    territory: TerritorySection | None = None,
    **edge: Any,
) -> Iterator[Edge]:
    """An edge that is not started yet; afterwards, nothing of it is left."""
    folder = short_folder()
    settings: dict[str, Any] = {
        "listen": ("127.0.0.1",),
        "http_port": free_port(),
        "https_port": free_port(),
        "prepared_sites": 16,
        "max_connections": 1000,
        "threads": 1,
    }
    config = Configuration(
        state=folder,
        edge=EdgeSection(**{**settings, **edge}),
        admin=AdminSection(port=free_port()),
        territory=territory or TerritorySection(),
    )
    for part in ("haproxy", "node"):
        (config.paths.run / part).mkdir(parents=True)
    engine = HAProxyEngine(config, authorities=authorities)
    it = Edge(config, engine, {item.key: item for item in items})
    try:
        yield it
    finally:
        it.stop()
        shutil.rmtree(folder)
