"""The rules that a request meets before its site's backend: which site, whose visitor, redirect, gate. Pure.

What follows from host name, map entry and visitor is worked out once and kept with the connection
(``sess.*``). The next request with the same entry (and the same clearance, where a site under attack
wants one) leaves at the first rules. docs/decisions/0009 counts what each rule costs.
"""

from __future__ import annotations

from rempart.engines.haproxy import clearance, sight, verdicts
from rempart.engines.haproxy import operator as operators
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
ANSWERED_BELOW = 429
"""Refusals and faults pay for nothing: who draws only those is not served anyway. Challenges do."""
NOT_HEARD_MAX = 200
"""Requests of one client within 10 s that were not heard for that; with more it opens no new connection."""

COUNTED = (
    ("client-rate", "sc1_http_req_rate"),
    ("site-rate", "sc2_http_req_rate"),
    ("client-concurrency", "sc1_conn_cur"),
)


def frontend(
    edge: EdgeSection, places: Places, connections: int, operator: operators.Operator | None = None
) -> str:
    """The frontend of all sites; ``connections`` are taken at the same time."""
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
        f"    tcp-request session set-var(sess.unanswered) int({UNANSWERED_NEW})",
        "    tcp-request session set-var-fmt(sess.client) %[src]",
        "",
        "    # The request's id goes to the origin and into the log; to the visitor when something is wrong.",
        "    unique-id-header X-Request-ID",
        "    http-after-response set-header X-Request-ID %[unique-id] if { status ge 400 }",
        "",
        *sight.lot(),
        *_taken_back(),
        *_known(places),
        *operators.rules(operator, places, HOST),
        *_which_site(places),
        *_what_follows(),
        "",
        *_redirect(edge, places),
        "",
        *sight.look(),
        *verdicts.found(places),
        *clearance.standing(places),
        *sight.tell(),
        *verdicts.refusals(places),
        *limits(places, clearance.CHALLENGED),
        *clearance.challenge(places),
        "",
        *clearance.route(),
        "    use_backend %[var(sess.backend)]",
    ]
    if edge.hsts:
        lines.append(
            "    http-after-response set-header Strict-Transport-Security max-age=31536000 if { ssl_fc }"
        )
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
            for why, counted in COUNTED
        ),
        f"    http-request deny status {page_of(429, places)} if {{ var(txn.why) -m found }}",
    )


def _taken_back() -> tuple[str, ...]:
    """Hear no more of who asks and takes back. A stream that was reset is never answered, and frees its place
    at once, here and at the server, while the origin may work on: no limit of concurrent requests sees it.

    ``sc0_inc_gpc0`` counts by being looked at, which it is when all before it is true.
    """
    balance = "var(sess.unanswered)"
    owing = f"{{ {balance} -m int gt 1 }}"
    many = f"{{ {balance} -m int gt {UNANSWERED_MAX} }}"
    return (
        f"    http-request set-var(sess.unanswered) {balance},add(1)",
        f"    http-request reject if {many} {{ sc0_inc_gpc0 gt 0 }}",
        f"    http-after-response set-var(sess.unanswered) {balance},sub(2)"
        f" if {owing} {{ status lt {ANSWERED_BELOW} }} || {owing} {clearance.CHALLENGED}",
        "",
    )


def _known(places: Places) -> tuple[str, ...]:
    """Pass over everything when all that follows is known from the connection's last request."""
    entry = f"{HOST},map_str({places.sites})"
    return (
        "    # When the entry is that of the connection's last request, so is the name (an entry names its",
        "    # host), and all that follows is known.",
        f"    http-request allow if !{sight.LOOKED_AT} {{ {entry},strcmp(sess.site) eq 0 }}",
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
    proto = "proto=%[ssl_fc,iif(https,http)]"
    host = f'host=\\"%[{HOST}]\\"'
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
        "    # RFC 7239 section 6: an IPv6 address is bracketed and quoted, and so is a host with a port.",
        f"    http-request set-var-fmt(sess.forwarded) for=%[var(sess.client)];{proto};{host}"
        " unless { src -m sub : }",
        f'    http-request set-var-fmt(sess.forwarded) for=\\"[%[var(sess.client)]]\\";{proto};{host}'
        " if { src -m sub : }",
        f"    http-request set-var(sess.redirect) var(txn.host) if !{{ ssl_fc }} {flag} r }}",
        f"    http-request set-var(txn.guard) bool(true) if {flag} g }} {{ nbsrv(gate) gt 0 }}",
        "    http-request set-var(txn.lasting) bool(true) if { var(txn.exact) -m found }"
        " !{ var(sess.redirect) -m found }",
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
