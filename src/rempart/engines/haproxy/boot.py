"""The files that HAProxy starts from: configuration, maps, certificate list, certificates, pages. Pure.

A HAProxy started from these files is in the same state as one that was brought there by runtime
commands. The configuration holds the whole pool of prepared backends, filled or empty.
"""

from __future__ import annotations

from collections.abc import Mapping

from rempart.engines.haproxy import clearance, remedies, sight, verdicts
from rempart.engines.haproxy import operator as operators
from rempart.engines.haproxy.frontend import frontend, limits
from rempart.engines.haproxy.names import CLIENTS_COUNTED_MAX, Places, backend_name
from rempart.engines.haproxy.pages import PAGES
from rempart.engines.haproxy.replies import page_of, quoted, reply
from rempart.engines.haproxy.state import EdgeState, format_route
from rempart.model.configuration import EdgeSection
from rempart.model.sites import LIMIT_WINDOW_S

SITE_QUEUE_MAX = 1_000
"""Requests of one site that wait for its origins; one more gets 503 at once, so that a site whose origin
is slow cannot use up the connections of all."""
HEADERS_MAX = 100
STREAMS_MAX = 50
"""Requests that an HTTP/2 client may have open at once; browsers hold back what is more. RFC 9113 section
6.5.2 advises 100; but who takes back all that it asks can make work for so many on each new connection."""

# Nobody but us says who the client is. "Proxy" becomes HTTP_PROXY in CGI (httpoxy, CVE-2016-5385).
# Connection names headers that the next hop removes: it must not name ours. An origin that switches to
# HTTP/2 in the clear (Upgrade) would take requests past all rules. A name that is not letters, digits and
# hyphens is out: X_Forwarded_For is X-Forwarded-For to a CGI. HAProxy holds names in lower case.
_BEGINNINGS = "x-forwarded-|cf-|proxy"
_NAMES = "x-real-ip|x-request-id|forwarded|http2-settings|connection|keep-alive|upgrade"
UNTRUSTED_HEADERS = f"^(?:{_BEGINNINGS}|(?:{_NAMES}|.*-client-ip)$|.*[^a-z0-9-])"
"""The names."""
UNTRUSTED_AMONG = f"[^a-z0-9,-]|-client-ip(?:,|$)|(?:^|,)(?:{_BEGINNINGS}|(?:{_NAMES})(?:,|$))"
"""The same, of a request's names joined by commas: one look for most requests, not one a header."""

# Mozilla's "intermediate" recommendation without finite-field Diffie-Hellman: TLS 1.2 and 1.3, AEAD only.
CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
CIPHER_SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

LOG_FORMAT = (
    '{"id":"%ID","at":%Ts.%ms,"client":"%[src,ipmask(24,48)]","tls":"%sslv",'
    '"method":"%HM","host":"%[capture.req.hdr(0),json(utf8s)]","status":%ST,"why":"%[var(txn.why)]","mitigation":"%[var(txn.verdict),field(2,.)]",'
    '"end":"%tsc","backend":"%b","server":"%s","bytes":%B,"retries":"%rc",'
    '"ms":{"request":%TR,"queue":%Tw,"connect":%Tc,"response":%Tr,"total":%Ta},'
    '"queued":{"server":%sq,"backend":%bq}}'
)

RUN_QUEUE_DEPTH = 1_000_000
"""Tasks that HAProxy works through before it looks at its connections again: all there are. With its own
choice (some 200) requests whose reset came with them were sent on when more than that were ready at once."""


def configuration(
    edge: EdgeSection,
    places: Places,
    state: EdgeState,
    pool: int,
    *,
    authorities: str,
    descriptors: int | None = None,
    operator: operators.Operator | None = None,
) -> str:
    """haproxy.cfg. ``descriptors`` is how many file descriptors the system allows; None: any number.
    ``operator``: the operator's own host; None: there is none."""
    connections = connections_possible(edge.max_connections, pool, descriptors)
    sections = [
        _global(edge, places, descriptors_needed(connections, pool)),
        _defaults(places),
        frontend(edge, places, connections),
        _tables(pool),
        verdicts.tables(),
        clearance.backend(places),
        *([operators.backend(operator, places, UNTRUSTED_HEADERS)] if operator is not None else []),
        remedies.backend(places, limits(places)),
        _site_defaults(places),
        # A ca-file can only be named at run time when the start has loaded it.
        "backend authorities from edge\n"
        f"    server none 127.0.0.1:1 ssl verify required ca-file {authorities} disabled\n",
    ]
    for number in range(1, pool + 1):
        name = backend_name(number)
        sections.append(_backend(name, state))
    return "\n".join(sections)


def descriptors_needed(connections: int, pool: int) -> int:
    """File descriptors for so many visitors, their connections to origins, and a health check a site."""
    return 2 * connections + pool + 500


def connections_possible(wanted: int, pool: int, descriptors: int | None) -> int:
    """``wanted``, or as many as there are file descriptors for. Health checks must never go without."""
    if descriptors is None:
        return wanted
    return max(100, min(wanted, (descriptors - descriptors_needed(0, pool)) // 2))


def sites_map(state: EdgeState, operator: operators.Operator | None = None) -> str:
    """``operator``: see ``configuration``."""
    own = operator.entry if operator is not None else ""
    routes = sorted(state.routes.items())
    return own + "".join(f"{host} {format_route(host, route)}\n" for host, route in routes)


def secured_map(state: EdgeState) -> str:
    return "".join(f"{host} 1\n" for host in sorted(state.secured))


def exempt_map(state: EdgeState) -> str:
    entries = {f"{route.backend}{what}": "1" for route in state.routes.values() for what in route.exempt}
    return map_text(entries)


def remedies_map(state: EdgeState) -> str:
    return map_text({f"{r.backend}{key}": value for r in state.routes.values() for key, value in r.remedies})


def map_text(entries: Mapping[str, str]) -> str:
    """A map file."""
    return "".join(f"{key} {value}\n" for key, value in sorted(entries.items()))


def certificate_list(state: EdgeState, places: Places) -> str:
    """The crt-list. The first entry answers every name that no other does."""
    lines = [places.default_certificate]
    lines += [f"{held.file} {' '.join(held.hosts)}" for _, held in sorted(state.certificates.items())]
    return "".join(f"{line}\n" for line in lines)


# --- sections of the configuration -----------------------------------------------------------------


def _global(edge: EdgeSection, places: Places, descriptors: int) -> str:
    socket = f"    stats socket {places.runtime_socket} mode 660 level admin expose-fd listeners"
    lines = ["global"]
    if edge.threads:
        lines.append(f"    nbthread {edge.threads}")
    lines += [
        socket,
        "    stats timeout 1m",
        # Only what Lua says goes here: the frontend has a logger of its own.
        f"    log {places.requests_socket} len 1024 format raw daemon debug",
        f"    lua-load-per-thread {places.sight}",
        f"    lua-load-per-thread {places.remedy}",
        f"    tune.ssl.capture-buffer-size {sight.HELLO_BYTES}",
        # Nobody is looked at, nothing stands, until the defence loop says so.
        "    set-var proc.attend int(0)",
        "    set-var proc.within int(0)",
        "    set-var proc.until int(0)",
        # No maxconn here: HAProxy would refuse to start where the system allows fewer descriptors than
        # that needs. The frontend has it; servers and checks that come later are in this number.
        f"    fd-hard-limit {descriptors}",
        # What still runs in a worker that was replaced (downloads, WebSockets) has five minutes.
        "    hard-stop-after 5m",
        "    spread-checks 20",
        f"    tune.http.maxhdr {HEADERS_MAX}",
        f"    tune.h2.max-concurrent-streams {STREAMS_MAX}",
        f"    tune.runqueue-depth {RUN_QUEUE_DEPTH}",
        f"    ssl-default-bind-ciphers {CIPHERS}",
        f"    ssl-default-bind-ciphersuites {CIPHER_SUITES}",
        "    ssl-default-bind-options prefer-client-ciphers ssl-min-ver TLSv1.2 no-tls-tickets",
        "    ssl-default-server-options ssl-min-ver TLSv1.2",
    ]
    return "\n".join(lines) + "\n"


def _defaults(places: Places) -> str:
    lines = [
        "defaults edge",
        "    mode http",
        f"    log {places.log_socket} len 4096 format raw daemon",
        "    option dontlog-normal",
        "    option dontlognull",
        "    option disable-h2-upgrade",
        "    timeout http-request 10s",
        "    timeout http-keep-alive 30s",
        "    timeout client 30s",
        "    timeout client-fin 5s",
        "    timeout connect 3s",
        "    timeout queue 10s",
        "    timeout server 60s",
        "    timeout tunnel 1h",
        "    unique-id-format %[rand]-%rt",
        f"    log-format {quoted(LOG_FORMAT)}",
    ]
    # One status has one page here; 421 and the rest come by rules of their own.
    for page in PAGES:
        if page.status not in (405, 421):
            lines.append(f"    http-error status {reply(page, places)}")
    return "\n".join(lines) + "\n"


def _tables(pool: int) -> str:
    size = CLIENTS_COUNTED_MAX
    rate = f"http_req_rate({LIMIT_WINDOW_S}s)"
    return (
        "backend connections from edge\n"
        f"    stick-table type ipv6 size {size} expire 1m store conn_cur,gpc0,gpc0_rate(10s)\n\n"
        "backend client_of_site from edge\n"
        f"    stick-table type string len 64 size {size} expire 30s store {rate},conn_cur\n\n"
        "backend site from edge\n"
        f"    stick-table type string len 12 size {2 * pool} expire 30s store {rate}\n"
    )


def _site_defaults(places: Places) -> str:
    """What every site's backend does. A rule costs each request something, even when it is not for it."""
    lines = [
        "defaults site from edge",
        "    balance roundrobin",
        "    # Who has left is not asked for: HTTP/2 resets would otherwise reach the origin as requests.",
        "    option abortonclose",
        "    # Only what the origin cannot have seen is tried again: a connection that never came about.",
        "    option redispatch 1",
        "    retries 2",
        "    retry-on conn-failure",
        "",
        *limits(places),
        f"    http-request deny deny_status 503 if {{ queue ge {SITE_QUEUE_MAX} }}",
        "",
        "    # Who the visitor is, in our words only.",
        f"    http-request set-var(txn.rare) bool(true) if {{ req.hdr_names -m reg {UNTRUSTED_AMONG} }}",
        "    http-request set-var(txn.upgrade) req.hdr(upgrade) if { var(txn.rare) -m found }",
        f"    http-request del-header {UNTRUSTED_HEADERS} -m reg if {{ var(txn.rare) -m found }}",
        f"    http-request add-header {_told('https')} if {{ ssl_fc }}",
        f"    http-request add-header {_told('http')} if !{{ ssl_fc }}",
        "    # That was all for nearly all requests.",
        "    http-request allow if { method GET } !{ var(txn.upgrade) -m found }",
        "    # What no visitor's browser sends.",
        f"    http-request deny status {page_of(405, places)} if {{ method CONNECT TRACE }}",
        "    http-request add-header Connection upgrade if { var(txn.upgrade) -m str -i websocket }",
        "    http-request add-header Upgrade websocket if { var(txn.upgrade) -m str -i websocket }",
        "",
        "    # A body that trickles ends here: the origin sees it once it is whole or fills the buffer.",
        "    # While one stream waits, another of its connection may set sess.*: from here on, only txn.*.",
        "    http-request wait-for-body time 10s unless { var(txn.upgrade) -m str -i websocket }",
    ]
    return "\n".join(lines) + "\n"


def _told(scheme: str) -> str:
    """What the origin is told of visitor and request: one header whose value holds the lines of the others.

    A rule for each would cost a request as much as all limits together (docs/decisions/0009). HAProxy writes
    HTTP/1.1 to origins, where lines are lines; and it encodes line ends in what it puts in from variables.
    """
    return (
        "X-Forwarded-For %[var(sess.client)]"
        r"\r\nCF-Connecting-IP:\ %[var(sess.client)]"
        rf"\r\nX-Forwarded-Proto:\ {scheme}"
        rf"\r\nForwarded:\ for=%[var(sess.node)];proto={scheme}"
        r"\r\nX-Request-ID:\ %[unique-id]"
    )


def _backend(name: str, state: EdgeState) -> str:
    lines = [f"backend {name} from site"]
    lines += [
        f"    server {server.name} {server.arguments} weight {server.weight} maxconn {server.max_connections}"
        for _, server in sorted(state.servers.get(name, {}).items())
    ]
    return "\n".join(lines) + "\n"
