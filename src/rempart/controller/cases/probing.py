"""Looks from outside whether a remedy is in force, or gone: asks the name server, fetches pages.

A URL is fetched in several spellings: a block that one of them leads around is none. A warning is read and
gone on from. What is seen is judged by `is_in_force`; observations are written so that no address of an
origin is in them.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import httpx

from rempart.controller.territory import Territory
from rempart.model.cases_remedies import Measure, Remedy
from rempart.model.configuration import Configuration
from rempart.model.gate import GATE_PATH, READ_PATH

ANSWER_S = 3.0
HTTPS_PORT = 443
MISDIRECTED = 421
REFUSED = (403, 451)
CASE_HEADER = "rempart-case"
_FORM = re.compile(f'action="({re.escape(READ_PATH)}[^"]*)"')


@dataclass(frozen=True, slots=True)
class PageSeen:
    """One page as a visitor gets it."""

    path: str
    status: int
    cases: tuple[str, ...] = ()
    """The cases that the edge names in its answer: it refuses, or warns."""
    challenged: bool = False
    gone_on: bool | None = None
    """Whether who has read the warning gets to the page; None: there was none."""

    def in_words(self) -> str:
        said = f"{self.path} status {self.status}"
        if self.challenged:
            said += ", a challenge"
        if self.gone_on is not None:
            said += ", a warning" + ("" if self.gone_on else " that nobody gets past")
        return said + (f" by case {', '.join(self.cases)}" if self.cases else "")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a visitor of one name would see."""

    name: str
    rcode: str | None
    """None: no name server answered."""
    addresses: frozenset[str]
    pages: tuple[PageSeen, ...] = ()
    """From the edge, in the order in which they were asked for; none: the edge did not answer."""
    country: str | None = None
    """Where the edge takes us to be, when that was asked."""

    def in_words(self, edge: frozenset[str]) -> str:
        """Without addresses."""
        if self.rcode is None:
            asked = "no name server answers"
        elif not self.addresses:
            asked = f"{self.rcode}, no address"
        else:
            asked = "the edge's address" if self.addresses <= edge else "another address than the edge's"
        pages = "; ".join(page.in_words() for page in self.pages) or "no answer"
        return f"{self.name}: {asked}; at the edge {pages}"


def is_in_force(measure: Measure, case: str, seen: Seen, edge: frozenset[str]) -> bool | None:
    """Whether the remedy of ``case`` shows in what was seen; None when nobody answered, half of it shows, or
    there is nothing to see from here."""
    if measure.remedy is Remedy.FORWARD or seen.rcode is None or not seen.pages:
        return None
    if measure.territory and seen.country not in measure.territory:
        return None
    first = seen.pages[0]
    match measure.remedy:
        case Remedy.BLOCK_URL:
            return _all_alike(one.status in REFUSED and case in one.cases for one in seen.pages)
        case Remedy.INTERSTITIAL:
            return _all_alike(case in one.cases and bool(one.gone_on) for one in seen.pages)
        case Remedy.CHALLENGE:
            return first.challenged
        case Remedy.DROP_PROXY:
            return bool(seen.addresses) and not seen.addresses & edge and first.status == MISDIRECTED
        case Remedy.DROP_DNS | Remedy.CLOSE_ACCOUNT:
            return not seen.addresses and first.status == MISDIRECTED
        case _:
            return None


def _all_alike(shown: Iterable[bool]) -> bool | None:
    found = set(shown)
    return found.pop() if len(found) == 1 else None


def look(
    configuration: Configuration,
    name: str,
    edge: Iterable[str],
    paths: Sequence[str] = ("/",),
    territory: Territory | None = None,
) -> Seen:
    """Ask and fetch ``name`` (a wildcard: a name that it answers for). Takes seconds when nobody answers.
    With ``territory``, look up where the edge takes us to be."""
    host = name.replace("*", "rempart-probe", 1)
    rcode, addresses = None, frozenset[str]()
    for server in _reachable(edge, configuration.dns.listen):
        asked = _ask(server, configuration.dns.port, host)
        if asked is not None:
            rcode, addresses = asked
            break
    for server in _reachable(edge, configuration.edge.listen):
        try:
            with Visit(server, configuration.edge.https_port, host) as visit:
                pages = tuple(map(visit.look, paths))
        except (httpx.HTTPError, OSError):
            continue
        country = None if territory is None or visit.source is None else territory.country_of(visit.source)
        return Seen(name, rcode, addresses, pages, country)
    return Seen(name, rcode, addresses)


def spellings(path: str) -> tuple[str, ...]:
    """Other ways to ask for the page at ``path``, which may have a query."""
    plain, mark, query = path.partition("?")
    rest = mark + query
    # The first letter that is not encoded already.
    at = next(
        (n for n, one in enumerate(plain) if one.isalnum() and "%" not in plain[max(0, n - 2) : n]), None
    )
    encoded = plain if at is None else f"{plain[:at]}%{ord(plain[at]):02x}{plain[at + 1 :]}"
    more = (encoded + rest, f"/.{plain}{rest}", f"/rempart-probe/..{plain}{rest}", f"/{plain}{rest}")
    return tuple(dict.fromkeys((path, *more, f"{path}{'&' if mark else '?'}rempart-probe=1")))


class Visit:
    """A visitor of ``host`` at one address of the edge. Use as a context manager."""

    def __init__(self, server: str, port: int, host: str) -> None:
        self._base = f"https://{f'[{server}]' if ':' in server else server}:{port}"
        self._host = host if port == HTTPS_PORT else f"{host}:{port}"
        self._name = host
        self.source: str | None = None
        """Our own address, as the edge saw it."""
        with warnings.catch_warnings():
            # Which certificate is shown is not the question; there is none for a site that is not served.
            self._client = httpx.Client(verify=False, timeout=ANSWER_S)  # noqa: S501

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def look(self, path: str) -> PageSeen:
        """Fetch a page; go on from a warning. httpx.HTTPError or OSError when nobody answers."""
        answer = self._ask("GET", path)
        cases = tuple(one for one in answer.headers.get(CASE_HEADER, "").split(", ") if one)
        challenged = answer.status_code == 503 and GATE_PATH in answer.text
        form = _FORM.search(answer.text) if cases else None
        gone_on = None
        if form is not None:
            sent = self._ask("POST", unescape(form[1]), Origin=f"https://{self._host}")
            cookie = sent.headers.get("set-cookie", "").partition(";")[0]
            then = self._ask("GET", path, Cookie=cookie) if cookie else answer
            gone_on = not then.headers.get(CASE_HEADER)
        return PageSeen(path, answer.status_code, cases, challenged, gone_on)

    def _ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        # The path as it stands: httpx would take dot segments out.
        url = httpx.URL(self._base, raw_path=path.encode("ascii"))
        request = self._client.build_request(method, url, headers={"Host": self._host, **headers})
        request.extensions["sni_hostname"] = self._name
        answer = self._client.send(request)
        stream = answer.extensions.get("network_stream")
        address = None if stream is None else stream.get_extra_info("client_addr")
        if address:
            self.source = str(address[0])
        return answer


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
