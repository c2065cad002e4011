"""What HAProxy does with requests that a mitigation means: rules that stand always, entries that come and go.

Where it stands: each mitigation is one entry of a map whose keys are regular expressions over the text of
``sight``, and whose value says what is done. So every signature of the loop can be said, whatever fields it
names, nothing is reloaded, and all entries are replaced at once by a transaction of the runtime API. A
request is compared entry by entry, strongest first, and an entry begins with its site: one of another site
costs some tens of nanoseconds. HAProxy remembers what it found for the last 10,000 texts.

What stands holds until ``proc.until`` (Unix time), which the loop moves on every second: when nobody does,
it lapses by itself. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping

from rempart.engines.haproxy.names import Places
from rempart.engines.haproxy.replies import page_of
from rempart.engines.haproxy.sight import FIELDS, HEADERS, LOOKED_AT, METHODS, SAMPLED, VERSIONS
from rempart.model.attacks import Action, Layer, Mitigation, Term

LETTERS: Mapping[Action, str] = {
    Action.DROP: "d",
    Action.LIMIT: "l",
    Action.CHALLENGE: "c",
    Action.QUEUE: "q",
}
"""Strongest first: the order of entries."""
WHY = "defence"
"""What the log says of a request that a mitigation refused."""
NOBODY = ("^-$", "-")
"""An entry that means no request and is always there: HAProxy remembers of a text that nothing was found for
it, and forgets that only when a commit takes something out of the map."""
LIMITED_AT_ONCE = 1_024
LAST = 100
"""Priority class of who waits last; clearances have -100 (see clearance)."""
_ANY = "[^,]*"

_REFUSED = "{ var(txn.refused) -m found }"


def _is(action: Action) -> str:
    return f"{{ var(txn.verdict) -m beg {LETTERS[action]} }}"


def tables() -> str:
    """Requests of each limited mitigation that went through, for ``limit``."""
    return (
        "backend limited from edge\n"
        f"    stick-table type string len 32 size {LIMITED_AT_ONCE} expire 10s store gpc0,gpc0_rate(1s)\n"
    )


def found(places: Places) -> tuple[str, ...]:
    """Which mitigation means this request, if any, and whether it is refused; after ``sight.look``."""
    limited = _is(Action.LIMIT)
    return (
        "    # Mitigations. What nobody confirms lapses.",
        f"    http-request set-var(txn.verdict) var(txn.seen),map_reg({places.verdicts})"
        f" if {LOOKED_AT} {{ date,sub(proc.until) lt 0 }}",
        f"    http-request set-var(txn.refused) str(403) if {_is(Action.DROP)}",
        "    # Only what goes through is counted, so a flood does not use up what its limit leaves.",
        # Instead of the site's own total, which the limit is below; the client's limits stay.
        f"    http-request track-sc2 var(txn.verdict) table limited if {limited}",
        f"    http-request set-var(txn.most) var(txn.verdict),field(3,.) if {limited}",
        f"    http-request set-var(txn.refused) str(429) if {limited} {{ sc2_gpc0_rate,sub(txn.most) ge 0 }}",
        f"    http-request sc-inc-gpc0(2) if {limited} !{_REFUSED}",
        f"    http-request set-var(txn.guard) bool(true) if {_is(Action.CHALLENGE)} {{ nbsrv(gate) gt 0 }}",
        "    # What follows from a challenge of this request alone is not kept with the connection.",
        f"    http-request set-var(sess.site) str() if {_is(Action.CHALLENGE)}",
        f"    http-request set-priority-class int({LAST}) if {_is(Action.QUEUE)}",
    )


def refusals(places: Places) -> tuple[str, ...]:
    """Refuse; after ``sight.tell``. The log has a share of them, as the loop has."""
    return (
        f"    http-request set-log-level silent if {_REFUSED} !{SAMPLED}",
        f"    http-request set-var(txn.why) str({WHY}) if {_REFUSED}",
        f"    http-request deny status {page_of(429, places)} if {{ var(txn.refused) -m str 429 }}",
        f"    http-request deny status {page_of(403, places)} if {_REFUSED}",
    )


def entries(mitigations: Iterable[Mitigation]) -> tuple[tuple[str, str], ...]:
    """Key and value of each mitigation of requests that is enforced, in the order in which they are asked."""
    strength = list(LETTERS)
    mine = [one for one in mitigations if one.signature.layer is Layer.REQUEST]
    return tuple(
        (key(one.signature.site, one.signature.terms), value(one))
        for one in sorted(mine, key=lambda one: (strength.index(one.action), one.id))
    )


def release_keys(backend: str, address: str) -> tuple[str, str]:
    """How a client of a site is named where it is counted, and where it is challenged. ``address``: an IPv4
    address, or an IPv6 /64; ValueError for anything else."""
    network = ipaddress.ip_network(address)
    if network.prefixlen != (32 if network.version == 4 else 64):
        raise ValueError(f"{address} is not one client")
    first = network.network_address
    digits = first.packed.hex().upper()[: network.prefixlen // 4]
    return f"{backend}|{first}", f"{backend}@{network.max_prefixlen // 8}.{digits}"


def key(site: int | None, terms: Iterable[Term]) -> str:
    """The regular expression (PCRE) that means the same requests.

    ValueError for a term that HAProxy's text does not have: a range, an unknown field, bits of anything but
    headers. The loop makes none (``defence.signatures``).
    """
    parts = dict.fromkeys(FIELDS, _ANY)
    if site is not None:
        parts["site"] = f"{site:08x}{_ANY}"
    for term in terms:
        name = "source" if term.field == "network" else term.field
        if term.first != term.last or term.text is not None or (term.mask is not None and name != "headers"):
            raise ValueError(f"no request can be found by {term.words()}")
        maker = _TERMS.get(term.field)
        if maker is None:
            raise ValueError(f"requests have no {term.field}")
        parts[name] = maker(term)
    return f"^{','.join(parts[name] for name in FIELDS)}$"


def value(mitigation: Mitigation) -> str:
    """What is done, by whom: ``d.17``, and for a limit how many a second: ``l.17.50``."""
    start = f"{LETTERS[mitigation.action]}.{mitigation.id}"
    if mitigation.action is not Action.LIMIT:
        return start
    return f"{start}.{max(1, round(mitigation.per_second or 1))}"


def _digest(term: Term) -> str:
    # What is not there has no text, and so the number 0.
    return str(term.first) if term.first else "0?"


def _headers(term: Term) -> str:
    mask = (1 << len(HEADERS)) - 1 if term.mask is None else term.mask
    bits = reversed(range(len(HEADERS)))
    return "".join(("." if not mask >> bit & 1 else str(term.first >> bit & 1)) for bit in bits)


def _method(term: Term) -> str:
    if term.first:
        return METHODS[term.first]
    return f"(?!(?:{'|'.join(METHODS[1:])}),){_ANY}"


def _version(term: Term) -> str:
    texts = [text.replace(".", "[.]") for text, number in VERSIONS.items() if number == term.first]
    return texts[0] if texts else f"(?!(?:{'|'.join(VERSIONS)}),){_ANY}"


def _source(term: Term) -> str:
    if term.first < 2**32:
        return f"{term.first:08X}"
    return f"{term.first:016X}0{{16}}"


def _network(term: Term) -> str:
    if term.first < 2**32:
        return f"{term.first >> 8:06X}.."
    return f"{term.first >> 16:012X}.{{4}}0{{16}}"


_TERMS: Mapping[str, Callable[[Term], str]] = {
    **dict.fromkeys(("tls", "agent", "language", "path", "path_shape", "query_shape"), _digest),
    "headers": _headers,
    "method": _method,
    "version": _version,
    "source": _source,
    "network": _network,
}
