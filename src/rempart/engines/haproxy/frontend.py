"""The rules that a request meets before its site's backend: which site, whose visitor, redirect, gate. Pure.

What follows from host name, map entry and visitor is worked out once and kept with the connection
(``sess.*``). The next request with the same entry (and the same clearance, where a site under attack
wants one) leaves at the first rules. docs/decisions/0009 counts what each rule costs.
"""

from __future__ import annotations

from rempart.engines.haproxy import clearance, remedies, sight, verdicts
from rempart.engines.haproxy.names import Places
from rempart.engines.haproxy.replies import page_of
from rempart.model.configuration import EdgeSection

HTTPS_PORT = 443

HOST = "capture.req.hdr(0)"
"""The host name as the visitor spelled it, one byte more than HOST_MAX of it."""
HOST_MAX = 255

ONE_LABEL_UP = "regsub(^[^.]*,*)"
"""www.example.org -> *.example.org"""

UNANSWERED_MAX, UNANSWERED_NEW = 150, 90
"""Requests of one connection that were not answered, less those that were: at most, and what a new one
begins with, so that it has room for little more than a client may have open at once (``STREAMS_MAX``).
Whoever takes back more than it waits for is heard no more on that connection (CVE-2023-44487); a browser
that leaves a page takes back a few dozen."""
NOTHING_OWED = 1_000_000
"""A balance of 0, in the variable: HAProxy 2.6 takes 2 from -2 and has 2^63 - 1."""
ANSWERED_BELOW = 429
"""Refusals and faults pay for nothing: who draws only those is not served anyway. Challenges do."""
NOT_HEARD_MAX = 200
"""Requests of one client within 10 s that were not heard for that; with more it opens no new connection."""

COUNTED = (
    ("client-rate", "sc1_http_req_rate"),
    ("site-rate", "sc2_http_req_rate"),
    ("client-concurrency", "sc1_conn_cur"),
)
"""A site's limits: what the log calls them, and what is counted."""
OF_ONE_CLIENT = frozenset({"client-rate", "client-concurrency"})
"""From these a person can let a client through. Asked only of who is over the limit."""


def frontend(edge: EdgeSection, places: Places, connections: int) -> str:
    """The frontend of all sites; ``connections`` are taken at the same time."""
    pass_over, to_remedies = remedies.route()
    lines = ["frontend edge from edge"]
    for address in edge.listen:
        where, only = (f"[{address}]", " v6only") if ":" in address else (address, "")
        lines.append(f"    bind {where}:{edge.http_port}{only}")
        tls = f"ssl crt-list {places.certificate_list} alpn h2,http/1.1"
        lines.append(f"    bind {where}:{edge.https_port}{only} {tls}")
    lines += [
        f"    maxconn {connections}",
        "    tcp-request connection track-sc0 src,ipmask(32,64) table connections",
        f"    tcp-request connection reject if {{ sc0_conn_cur gt {edge.connections_per_client} }}",
        f"    tcp-request connection reject if {{ sc0_gpc0_rate gt {NOT_HEARD_MAX} }}",
        f"    capture request header Host len {HOST_MAX + 1}",
        f"    tcp-request session set-var(sess.unanswered) int({NOTHING_OWED + UNANSWERED_NEW})",
        *_visitor(),
        "",
        *_taken_back(),
        *_known(places),
        *_which_site(places),
        *_what_follows(),
        "",
        *_redirect(edge, places),
        "",
        *remedies.found(),
        *sight.look(),
        *verdicts.found(places),
        *clearance.standing(places),
        *sight.tell(),
        *verdicts.refusals(places),
        pass_over,
        *limits(places, clearance.CHALLENGED),
        *clearance.challenge(places),
        "",
        *to_remedies,
        *clearance.route(),
        "    use_backend %[var(sess.backend)]",
        "",
    ]
    if edge.hsts:
        lines.append(
            "    http-after-response set-header Strict-Transport-Security max-age=31536000 if { ssl_fc }"
        )
    lines += _answered()
    return "\n".join(lines) + "\n"


def limits(places: Places, when: str = "") -> tuple[str, ...]:
    """Count the request and refuse it when it is one too many. Refused requests count too: whoever keeps
    hammering stays out. What is not to be counted has no key."""
    condition = f" if {when}" if when else ""
    return (
        f"    http-request track-sc1 var(sess.client_key) table client_of_site{condition}",
        f"    http-request track-sc2 var(sess.site_key) table site{condition}",
        *(
            f"    http-request set-var(txn.why) str({why})"
            f" if {{ {counted},sub(sess.{why.replace('-', '_')}) gt 0 }}"
            + (
                f" !{{ var(sess.client_key),map_str({places.released}) -m found }}"
                if why in OF_ONE_CLIENT
                else ""
            )
            for why, counted in COUNTED
        ),
        f"    http-request deny status {page_of(429, places)} if {{ var(txn.why) -m found }}",
    )


def _visitor() -> tuple[str, ...]:
    """``sess.client``, the visitor's address, and ``sess.node``, the same as RFC 7239 section 6 has it: IPv6
    bracketed and quoted."""
    return (
        "    tcp-request session set-var-fmt(sess.client) %[src]",
        "    tcp-request session set-var(sess.node) var(sess.client) unless { src -m sub : }",
        '    tcp-request session set-var-fmt(sess.node) \\"[%[var(sess.client)]]\\" if { src -m sub : }',
    )


BALANCE = "var(sess.unanswered)"


def _taken_back() -> tuple[str, ...]:
    """Hear no more of who asks and takes back. A stream that was reset is never answered, and frees its place
    at once, here and at the server, while the origin may work on: no limit of concurrent requests sees it.

    The converter ``set-var`` and ``sc0_inc_gpc0`` act by being looked at, which they are when all before
    them is true.
    """
    asked = f"{{ {BALANCE},add(1),set-var(sess.unanswered) -m int gt {NOTHING_OWED + UNANSWERED_MAX} }}"
    return (
        f"    http-request set-var(sess.unanswered) int({NOTHING_OWED})"
        f" if {{ {BALANCE} -m int lt {NOTHING_OWED} }}",
        f"    http-request reject if {asked} {{ sc0_inc_gpc0 gt 0 }}",
        "",
    )


def _answered() -> tuple[str, ...]:
    """After every answer, as the last rules: the balance of ``_taken_back``, and the request's id, which the
    visitor is told when something is wrong."""
    paid = f"{{ {BALANCE},sub(2),set-var(sess.unanswered) -m found }}"
    return (
        f"    http-after-response allow if {{ status lt 400 }} {paid}",
        "    http-after-response set-header X-Request-ID %[unique-id]",
        f"    http-after-response set-var(sess.unanswered) {BALANCE},sub(2)"
        f" if {{ status lt {ANSWERED_BELOW} }} || {clearance.CHALLENGED}",
    )


def _known(places: Places) -> tuple[str, ...]:
    """Pass over everything when all that follows is known from the connection's last request."""
    entry = f"{HOST},map_str({places.sites})"
    same = f"{{ {entry},strcmp(sess.site) eq 0 }}"
    return (
        "    # When the entry is that of the connection's last request, so is the name (an entry names its",
        "    # host), and all that follows is known.",
        f"    http-request allow if {same} {{ {sight.LOT} ge 0 }}",
        *sight.lot(same),
        *clearance.known(f"!{sight.LOOKED_AT} {{ {entry},strcmp(sess.guarded) eq 0 }}"),
    )


def _which_site(places: Places) -> tuple[str, ...]:
    """``txn.site``, the entry of the sites map, and ``txn.host``, the name as it is written there."""
    return (
        "    # Which site: the name as it came, as from nearly all visitors.",
        f"    http-request set-var(txn.site) {HOST},map_str({places.sites})",
        "    http-request set-var(txn.exact) bool(true) if { var(txn.site) -m found }",
        "    # Else: the name without port, capitals and last dot; else the wildcard one label up.",
        f"    http-request set-var(txn.host) {HOST},host_only,lower,rtrim(.)",
        f"    http-request set-var(txn.site) var(txn.host),map_str({places.sites})"
        " unless { var(txn.site) -m found }",
        f"    http-request set-var(txn.site) var(txn.host),{ONE_LABEL_UP},map_str({places.sites})"
        " unless { var(txn.site) -m found }",
        f"    http-request deny status {page_of(421, places)} unless {{ var(txn.site) -m found }}",
        f"    http-request deny status {page_of(400, places)}"
        f" unless {{ {HOST} -m reg ^[A-Za-z0-9_.-]+(:[0-9]{{1,5}})?$ }}",
        f"    http-request deny status {page_of(400, places)} if {{ {HOST},length gt {HOST_MAX} }}",
    )


def _what_follows() -> tuple[str, ...]:
    """What follows from name, entry and visitor, kept with the connection.

    HAProxy looks a variable up in a list, in the order in which they were made: those that each request
    asks for are few and come first.
    """
    flag = "{ var(txn.site),word(2,|) -m sub"
    return (
        "    # What follows. The next request is spared this when the name stands in the map as it came,",
        "    # there is no question of a redirect, and nobody is challenged (else see below).",
        "    http-request set-var(sess.site) str()",
        "    http-request set-var(sess.backend) var(txn.site),word(1,|)",
        "    http-request unset-var(sess.client_key)",
        "    http-request unset-var(sess.site_key)",
        "    http-request unset-var(sess.redirect)",
        "    http-request unset-var(sess.guarded)",
        "    http-request set-var-fmt(sess.client_key) %[var(sess.backend)]|%[src,ipmask(32,64)]"
        f" if {flag} c }}",
        "    http-request set-var(sess.client_rate) var(txn.site),word(3,|),add(0)",
        "    http-request set-var(sess.client_concurrency) var(txn.site),word(5,|),add(0)",
        f"    http-request set-var(sess.site_key) var(sess.backend) if {flag} s }}",
        "    http-request set-var(sess.site_rate) var(txn.site),word(4,|),add(0)",
        f"    http-request set-var(sess.redirect) var(txn.host) if !{{ ssl_fc }} {flag} r }}",
        f"    http-request set-var(txn.guard) bool(true) if {flag} g }} {{ nbsrv(gate) gt 0 }}",
        "    http-request set-var(txn.lasting) bool(true) if { var(txn.exact) -m found }"
        f" !{{ var(sess.redirect) -m found }} !{flag} {remedies.LETTER} }}",
        f"    http-request set-var(sess.site) var(txn.site) if {{ var(txn.lasting) -m found }} !{flag} g }}",
    )


def _redirect(edge: EdgeSection, places: Places) -> tuple[str, ...]:
    port = "" if edge.https_port == HTTPS_PORT else f":{edge.https_port}"
    to_https = f"https://%[var(sess.redirect)]{port}%[pathq]"
    return (
        "    # To https, once a certificate covers the name. 308 keeps the method (RFC 9110 section 15.4.9).",
        f"    http-request set-var(txn.secured) var(sess.redirect),map_str({places.secured})",
        f"    http-request set-var(txn.secured) var(sess.redirect),{ONE_LABEL_UP},map_str({places.secured})",
        "    http-request unset-var(txn.secured)"
        " if { path_beg /.well-known/acme-challenge/ } || { method CONNECT TRACE }",
        *limits(places, "{ var(txn.secured) -m found }"),
        f"    http-request redirect location {to_https} code 301"
        " if { var(txn.secured) -m found } { method GET HEAD }",
        f"    http-request redirect location {to_https} code 308 if {{ var(txn.secured) -m found }}",
    )
