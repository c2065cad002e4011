"""What the story looks like from outside: where names lead, what the page answers. The rim."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from functools import partial

import dns.dnssec
import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from rempart.lab.drills.starting import HOST
from rempart.lab.network.inside import inside
from rempart.lab.network.world import PARENT_V4, Edge, Role, World
from rempart.model.base import Value
from rempart.model.errors import RempartError
from rempart.model.gate import GATE_PATH

ASKED_S = 2.0
LOOK_EVERY_S = 0.1


class View(Value):
    """What a visitor sees who asks for the site's name and fetches its page."""

    addresses: frozenset[str]
    """IPv4 and IPv6; none: the name is not answered."""
    status: int | None = None
    """Of the page over TLS at the first address; None: no answer."""
    challenged: bool = False

    def words(self, plan: World) -> str:
        names = ", ".join(sorted(self.addresses)) or "no address"
        page = "no answer" if self.status is None else f"status {self.status}"
        challenge = ", a challenge" if self.challenged else ""
        return f"{HOST} → {names} ({place_of(plan, self)}); page: {page}{challenge}"


def edges_of(plan: World) -> dict[str, Edge]:
    """The places that the site's name can lead to, by what they are called."""
    named = dict(zip(("the first operator's edge", "the second operator's edge"), plan.edges, strict=False))
    return named if plan.bare_origin is None else {**named, "the bare origin": plan.bare_origin}


def place_of(plan: World, view: View) -> str:
    """Where the names lead, in words."""
    for words, edge in edges_of(plan).items():
        if view.addresses == {edge.v4, edge.v6}:
            return words
    return "nowhere" if not view.addresses else "elsewhere"


def look(plan: World) -> View:
    """What a visitor sees now."""
    return inside(plan.namespace(Role.VISITORS), partial(_look, plan.resolver_v4))


def where(plan: World, server: str | None = None) -> frozenset[str]:
    """The addresses that the resolver says for the site; or those that a name server itself says."""
    asked = partial(_addresses, server or plan.resolver_v4)
    return inside(plan.namespace(Role.VISITORS), asked)


def until_at(plan: World, edge: Edge, *, seconds: float, server: str | None = None) -> float:
    """CLOCK_MONOTONIC at which the site's name was first seen to lead to ``edge``, and nowhere else;
    RempartError when it never does within ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = where(plan, server)
        if found == {edge.v4, edge.v6}:
            return time.monotonic()
        if time.monotonic() > deadline:
            raise RempartError(f"{HOST} leads to {', '.join(sorted(found)) or 'nothing'}, not to {edge.v4}")
        time.sleep(LOOK_EVERY_S)


def records(plan: World, server: str, name: str, kind: str) -> frozenset[str]:
    """What a name server says of a name."""
    return inside(plan.namespace(Role.VISITORS), partial(_records, server, name, kind))


def vouched_for(plan: World, server: str, zone: str, name: str) -> bool:
    """Whether a name server's answer for ``name`` is signed by a key of ``zone`` that the parent has a DS of
    (RFC 4035 section 5)."""
    return inside(plan.namespace(Role.VISITORS), partial(_vouched_for, server, zone, name))


def _vouched_for(server: str, zone: str, name: str) -> bool:
    apex = dns.name.from_text(zone)
    parent = _records(PARENT_V4, zone, "DS")
    keys, signed_keys = _signed(server, zone, dns.rdatatype.DNSKEY)
    answer, signed_answer = _signed(server, name, dns.rdatatype.A)
    if not parent or keys is None or signed_keys is None or answer is None or signed_answer is None:
        return False
    digests = {dns.dnssec.make_ds(apex, key, "SHA256").to_text() for key in keys}
    try:
        dns.dnssec.validate(keys, signed_keys, {apex: keys})
        dns.dnssec.validate(answer, signed_answer, {apex: keys})
    except dns.exception.DNSException:
        return False
    return bool(digests & parent)


def _signed(
    server: str, name: str, kind: dns.rdatatype.RdataType
) -> tuple[dns.rrset.RRset | None, dns.rrset.RRset | None]:
    """An RRset as a name server has it, and its signatures."""
    question = dns.message.make_query(name, kind, want_dnssec=True)
    try:
        answer = dns.query.tcp(question, server, timeout=ASKED_S)
    except (dns.exception.DNSException, OSError):
        return None, None
    owner = question.question[0].name
    found = answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, kind)
    return found, answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, dns.rdatatype.RRSIG, kind)


def _look(resolver: str) -> View:
    addresses = _addresses(resolver)
    first = next((one for one in sorted(addresses) if ":" not in one), None)
    status, challenged = (None, False) if first is None else _page(first)
    return View(addresses=addresses, status=status, challenged=challenged)


def _addresses(server: str) -> frozenset[str]:
    return _records(server, HOST, "A") | _records(server, HOST, "AAAA")


def _records(server: str, name: str, kind: str) -> frozenset[str]:
    try:
        answer = dns.query.udp(dns.message.make_query(name, kind), server, timeout=ASKED_S)
    except (dns.exception.DNSException, OSError):
        return frozenset()
    wanted = dns.rdatatype.from_text(kind)
    return frozenset(rdata.to_text() for rrset in answer.answer if rrset.rdtype == wanted for rdata in rrset)


def _page(address: str) -> tuple[int | None, bool]:
    """(status, whether it is a challenge). Who signed the certificate is not the question here."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((address, 443), timeout=ASKED_S) as plain:
            plain.settimeout(10.0)
            with context.wrap_socket(plain, server_hostname=HOST) as wrapped:
                client = http.client.HTTPSConnection(HOST)
                client.sock = wrapped
                client.request("GET", "/", headers={"Host": HOST})
                answer = client.getresponse()
                body = answer.read().decode(errors="replace")
                return answer.status, GATE_PATH in body
    except (OSError, http.client.HTTPException):
        return None, False
