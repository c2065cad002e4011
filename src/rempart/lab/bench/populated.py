"""Instances that already hold many sites or zones, and the time from a write to what a visitor sees."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import httpx
import psutil

from rempart.controller.assembly import Controller, assembled
from rempart.controller.service import prepare
from rempart.lab.instance import PARTS, Instance, Ports
from rempart.lab.processes import resident_bytes
from rempart.model.errors import RempartError

LIVE_WITHIN_S = 30.0


@contextmanager
def populated(fill: Callable[[Controller], None], *, prepared_sites: int = 64) -> Iterator[Instance]:
    """A running instance whose store ``fill`` wrote before it started, through the same intents as ever."""
    with Instance(settings={"edge": {"prepared_sites": prepared_sites}}) as instance:
        instance.configuration.paths.controller.mkdir(parents=True)
        prepare(instance.configuration)
        with assembled(instance.configuration) as controller:
            fill(controller)
        instance.start(seconds=300)
        yield instance


class Operator:
    """The operator's calls over one kept connection, so that a measurement holds no process start."""

    def __init__(self, instance: Instance) -> None:
        socket = str(instance.configuration.paths.admin_socket)
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=socket), base_url="http://rempart", timeout=60
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call; its JSON. RempartError with the answer's words when it is not a success."""
        answer = self._client.request(method, path, json=body)
        if not answer.is_success:
            raise RempartError(f"{method} {path} was answered with {answer.status_code}: {answer.text}")
        return answer.json()


def seconds_until(seen: Callable[[], bool], *, every: float = 0.001) -> float:
    """Seconds until ``seen`` is first true; RempartError when it is not within LIVE_WITHIN_S."""
    began = time.monotonic()
    while not seen():
        if time.monotonic() - began > LIVE_WITHIN_S:
            raise RempartError(f"a change is not live after {LIVE_WITHIN_S:g} s")
        time.sleep(every)
    return time.monotonic() - began


def status_of(ports: Ports, host: str) -> int:
    """Status of one plain HTTP request for a host, on a new connection; 0 without an answer."""
    connection = http.client.HTTPConnection(ports.address, ports.http, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def answers_with(ports: Ports, name: str, address: str) -> bool:
    """Whether our name server answers ``name`` A with this address alone."""
    try:
        answer = dns.query.udp(dns.message.make_query(name, "A"), ports.address, port=ports.dns, timeout=1)
    except (dns.exception.DNSException, OSError):
        return False
    found = [rdata.to_text() for rrset in answer.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset]
    return found == [address]


def memory(instance: Instance) -> dict[str, float]:
    """Proportional memory of each part, in MiB."""
    return {part: resident_bytes(psutil.Process(instance.pid(part))) / 2**20 for part in PARTS}
