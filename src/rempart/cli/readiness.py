"""Says when ``rempart up`` has come up: both engines serve, every port listens, controller and API answer.

Where it stands: a thread beside the supervisor's loop, which must not wait for anybody. It asks as a stranger
would, over the sockets, and ends once it has said so.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import ValidationError

from rempart.controller.admin_api.messages import ControllerStatus
from rempart.model.configuration import Configuration
from rempart.node.ports import ListenPoint, listen_points
from rempart.node.shield.state import NAME as SHIELD_NAME
from rempart.node.shield.state import STARTING, read_state

LOOK_SECONDS = 0.2
ASK_SECONDS = 2.0
LATE_SECONDS = 20.0
"""What is not ready by then is named, once."""
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def waiting_for(configuration: Configuration, *, shield_too: bool = True) -> tuple[str, ...]:
    """What is not there yet, in words; nothing when all is ready. ``shield_too``: also the packet shield,
    which everything else does without."""
    status = controller_status(configuration.paths.admin_socket)
    if status is None:
        return ("the controller does not answer",)
    shield = read_state(configuration.paths)
    starting = shield is not None and shield.reason == STARTING
    return (
        *awaited(status),
        *((f"the {SHIELD_NAME} is not there yet",) if shield_too and starting else ()),
        *(
            f"nothing listens on {point}"
            for point in listen_points(configuration)
            if not point.datagram and not listens(point)
        ),
    )


def awaited(status: ControllerStatus) -> tuple[str, ...]:
    """What of nodes and engines is not there yet. Pure."""
    if not status.nodes:
        return ("no node has reported to the controller",)
    silent = [
        f"{engine.name} does not answer"
        for node in status.nodes
        for engine in node.engines
        if not engine.alive
    ]
    late = [f"{node.node} does not yet serve what is stored" for node in status.nodes]
    return tuple(silent) or tuple(
        words for words, node in zip(late, status.nodes, strict=True) if node.revision < status.revision
    )


def ready_line(configuration: Configuration, off: tuple[str, ...], shield: str = "") -> str:
    """Where what is served, and what is off, on one line for people. ``shield``: the packet shield's
    state."""
    edge, dns, api = configuration.edge, configuration.dns, configuration.api
    ports = f"HTTP {edge.http_port}, HTTPS {edge.https_port}"
    if edge.listen == dns.listen:
        places = f"{ports}, DNS {dns.port} on {' and '.join(edge.listen)}"
    else:
        places = f"{ports} on {' and '.join(edge.listen)}, DNS {dns.port} on {' and '.join(dns.listen)}"
    host = f"[{api.listen}]" if ":" in api.listen else api.listen
    # The shield is said with its reason, where it is on and where it is off.
    names = [words.partition(":")[0] for words in off]
    others = [name for name in names if not (shield and name == SHIELD_NAME)]
    missing = f"; off: {', '.join(others)}" if others else ""
    said = f"; {SHIELD_NAME}: {shield}" if shield else ""
    return f"Rempart is ready: {places}, API {host}:{api.port}{said}{missing}"


def announce(configuration: Configuration, off: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Have it said, from a thread of its own, when all is ready: to the log, and to ``say`` for people."""
    threading.Thread(target=_watch, args=(configuration, off, say), name="readiness", daemon=True).start()


def _watch(configuration: Configuration, off: tuple[str, ...], say: Callable[[str], None]) -> None:
    log = structlog.get_logger("supervisor")
    began, late = time.monotonic(), False
    while missing := waiting_for(configuration, shield_too=not late):
        if not late and time.monotonic() - began > LATE_SECONDS:
            late = True
            log.warning("not ready yet", waiting_for=list(missing), logs=str(configuration.paths.log))
            say(f"Rempart is not ready yet: {'; '.join(missing)} (logs: {configuration.paths.log})")
        time.sleep(LOOK_SECONDS)
    edge, dns, api = configuration.edge, configuration.dns, configuration.api
    state = read_state(configuration.paths)
    shield = state.line if state is not None else ""
    log.info(
        "ready",
        seconds=round(time.monotonic() - began, 1),
        http=[f"{one} {edge.http_port}" for one in edge.listen],
        https=[f"{one} {edge.https_port}" for one in edge.listen],
        dns=[f"{one} {dns.port}" for one in dns.listen],
        api=f"{api.listen} {api.port}",
        shield=shield,
        off=[words.partition(":")[0] for words in off],
    )
    say(ready_line(configuration, off, shield))


def listens(point: ListenPoint) -> bool:
    """Whether somebody takes TCP connections there."""
    try:
        address = _HERE.get(point.address, point.address)
        with socket.create_connection((address, point.port), timeout=ASK_SECONDS):
            return True
    except OSError:
        return False


def controller_status(path: Path) -> ControllerStatus | None:
    """What the controller says over its socket; None while it says nothing."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/v1/status")
        answer = connection.getresponse()
        return ControllerStatus.model_validate_json(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValidationError):
        return None
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """Python's own client, so that the supervisor stays small."""

    def __init__(self, path: Path) -> None:
        super().__init__("rempart", timeout=ASK_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ASK_SECONDS)
        self.sock.connect(str(self._path))
