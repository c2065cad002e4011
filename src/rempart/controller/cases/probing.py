"""Looks from outside whether a remedy is in force, or gone: asks the name server, fetches the page.

What is seen is judged by `is_in_force`; observations are written so that no address of an origin is in them.
"""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import httpx

from rempart.model.cases_remedies import Measure, Remedy
from rempart.model.configuration import Configuration
from rempart.model.gate import GATE_PATH

ANSWER_S = 3.0
MISDIRECTED = 421


@dataclass(frozen=True, slots=True)
class Seen:
    """What a visitor of one name would see."""

    name: str
    rcode: str | None
    """None: no name server answered."""
    addresses: frozenset[str]
    status: int | None
    """Of the page, from the edge; None: the edge did not answer."""
    challenged: bool

    def in_words(self, edge: frozenset[str]) -> str:
        """Without addresses."""
        if self.rcode is None:
            asked = "no name server answers"
        elif not self.addresses:
            asked = f"{self.rcode}, no address"
        else:
            asked = "the edge's address" if self.addresses <= edge else "another address than the edge's"
        page = "no answer" if self.status is None else f"status {self.status}"
        return f"{self.name}: {asked}; at the edge {page}{', a challenge' if self.challenged else ''}"


def is_in_force(measure: Measure, seen: Seen, edge: frozenset[str]) -> bool | None:
    """Whether the remedy shows in what was seen; None when nobody answered, or there is nothing to see."""
    if measure.remedy is Remedy.FORWARD:
        return None
    if seen.rcode is None or seen.status is None:
        return None
    match measure.remedy:
        case Remedy.CHALLENGE:
            return seen.challenged
        case Remedy.DROP_PROXY:
            return bool(seen.addresses) and not seen.addresses & edge and seen.status == MISDIRECTED
        case Remedy.DROP_DNS:
            return not seen.addresses and seen.status == MISDIRECTED
        case _:
            return None


def look(configuration: Configuration, name: str, edge: Iterable[str]) -> Seen:
    """Ask and fetch ``name`` (a wildcard: a name that it answers for). Takes seconds when nobody answers."""
    host = name.replace("*", "rempart-probe", 1)
    rcode, addresses = None, frozenset[str]()
    for server in _reachable(edge, configuration.dns.listen):
        asked = _ask(server, configuration.dns.port, host)
        if asked is not None:
            rcode, addresses = asked
            break
    for server in _reachable(edge, configuration.edge.listen):
        fetched = _fetch(server, configuration.edge.https_port, host)
        if fetched is not None:
            return Seen(name, rcode, addresses, *fetched)
    return Seen(name, rcode, addresses, None, False)


def _reachable(edge: Iterable[str], listen: Iterable[str]) -> list[str]:
    """Where to ask: the public addresses, then (they may not be reachable from here) what is listened on."""
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return list(dict.fromkeys((*edge, *(loopback.get(one, one) for one in listen))))


def _ask(server: str, port: int, host: str) -> tuple[str, frozenset[str]] | None:
    found: set[str] = set()
    rcode = dns.rcode.NOERROR
    for kind in ("A", "AAAA"):
        try:
            answer = dns.query.udp(dns.message.make_query(host, kind), server, timeout=ANSWER_S, port=port)
        except (dns.exception.DNSException, OSError):
            return None
        rcode = answer.rcode()
        for rrset in answer.answer:
            if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                found |= {str(ipaddress.ip_address(rdata.address)) for rdata in rrset}
    return dns.rcode.to_text(rcode), frozenset(found)


def _fetch(server: str, port: int, host: str) -> tuple[int, bool] | None:
    address = f"[{server}]" if ":" in server else server
    try:
        with warnings.catch_warnings(), httpx.Client(verify=False, timeout=ANSWER_S) as client:  # noqa: S501
            # Which certificate is shown is not the question; there is none for a site that is not served.
            request = client.build_request("GET", f"https://{address}:{port}/", headers={"Host": host})
            request.extensions["sni_hostname"] = host
            answer = client.send(request)
    except (httpx.HTTPError, OSError):
        return None
    return answer.status_code, answer.status_code == 503 and GATE_PATH in answer.text
