"""The plainest visitors: one DNS question, one HTTP request."""

from __future__ import annotations

import http.client

import dns.exception
import dns.message
import dns.query
import dns.rcode

from rempart.lab.instance import Ports


def address_of(ports: Ports, name: str, kind: str = "A") -> list[str]:
    """What our name server answers, [] when it does not answer with data within half a second."""
    try:
        answer = dns.query.udp(dns.message.make_query(name, kind), ports.address, port=ports.dns, timeout=0.5)
    except (dns.exception.DNSException, OSError):
        return []
    if answer.rcode() != dns.rcode.NOERROR:
        return []
    return [
        rdata.to_text() for rrset in answer.answer for rdata in rrset if rrset.name.to_text() == f"{name}."
    ]


def page(ports: Ports, host: str, path: str = "/") -> tuple[int, str]:
    """(status, body) over plain HTTP on a new connection; OSError when there is no answer."""
    connection = http.client.HTTPConnection(ports.address, ports.http, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
