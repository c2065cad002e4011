"""The files that HAProxy starts from: configuration, maps, certificate list, certificates, pages. Pure.

A HAProxy started from these files is in the same state as one that was brought there by runtime
commands. The configuration holds the whole pool of prepared backends, filled or empty.
"""

from __future__ import annotations

from rempart.engines.haproxy.names import Ownership, Places, backend_name
from rempart.engines.haproxy.pages import CONTENT_TYPE, PAGES, Page, render
from rempart.engines.haproxy.state import EdgeState, format_route
from rempart.model.configuration import EdgeSection
from rempart.model.sites import LIMIT_WINDOW_S

HTTPS_PORT = 443
CLIENTS_COUNTED_MAX = 200_000
"""Clients (and pairs of client and site) that are counted at the same time; the stalest make room.
An entry takes about 200 bytes, so this bounds what a botnet can make grow to some 40 MB."""
SITE_QUEUE_MAX = 1_000
"""Requests of one site that wait for its origins; one more gets 503 at once, so that a site whose origin
is slow cannot use up the connections of all."""
HEADERS_MAX = 100

# Nobody but us says who the client is. "Proxy" becomes HTTP_PROXY in CGI (httpoxy, CVE-2016-5385).
# Few rules with prefixes instead of one per name: each of them looks at every header.
UNTRUSTED_HEADERS = (
    "X-Forwarded- -m beg",
    "Forwarded",
    "CF- -m beg",
    "-Client-IP -m end",
    "X-Real-IP",
    "Proxy -m beg",
    "HTTP2-Settings",
    # Connection names headers that the next hop removes: it must not name ours.
    "Connection",
    "Keep-Alive",
)

# Mozilla's "intermediate" recommendation without finite-field Diffie-Hellman: TLS 1.2 and 1.3, AEAD only.
CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
CIPHER_SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

LOG_FORMAT = (
    '{"id":"%ID","at":%Ts.%ms,"client":"%[src,ipmask(24,48)]","tls":"%sslv",'
    '"method":"%HM","host":"%[capture.req.hdr(0),json(utf8s)]","status":%ST,"why":"%[var(txn.why)]",'
    '"end":"%tsc","backend":"%b","server":"%s","bytes":%B,"retries":"%rc",'
    '"ms":{"request":%TR,"queue":%Tw,"connect":%Tc,"response":%Tr,"total":%Ta},'
    '"queued":{"server":%sq,"backend":%bq}}'
)


def configuration(
    edge: EdgeSection,
    places: Places,
    state: EdgeState,
    pool: int,
    *,
    authorities: str,
    ownership: Ownership | None,
    descriptors: int | None = None,
) -> str:
    """haproxy.cfg. ``descriptors`` is how many file descriptors the system allows; None: any number."""
    connections = connections_possible(edge.max_connections, pool, descriptors)
    sections = [
        _global(edge, places, ownership, descriptors_needed(connections, pool)),
        _defaults(places),
        _frontend(edge, places, connections),
        _tables(pool),
        _site_defaults(),
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


def sites_map(state: EdgeState) -> str:
    return "".join(f"{host} {format_route(route)}\n" for host, route in sorted(state.routes.items()))


def secured_map(state: EdgeState) -> str:
    return "".join(f"{host} 1\n" for host in sorted(state.secured))


def certificate_list(state: EdgeState, places: Places) -> str:
    """The crt-list. The first entry answers every name that no other does."""
    lines = [places.default_certificate]
    lines += [f"{held.file} {' '.join(held.hosts)}" for _, held in sorted(state.certificates.items())]
    return "".join(f"{line}\n" for line in lines)


def page_files(places: Places) -> dict[str, str]:
    """Path of every page, and its text."""
    return {_page_path(page, places): render(page) for page in PAGES}


# --- sections of the configuration -----------------------------------------------------------------


def _global(edge: EdgeSection, places: Places, ownership: Ownership | None, descriptors: int) -> str:
    socket = f"    stats socket {places.runtime_socket} mode 660 level admin expose-fd listeners"
    lines = ["global"]
    if ownership is not None:
        socket += f" user {ownership.socket_user} group {ownership.socket_group}"
        lines += [f"    user {ownership.worker_user}", f"    group {ownership.worker_group}"]
    if edge.threads:
        lines.append(f"    nbthread {edge.threads}")
    lines += [
        socket,
        "    stats timeout 1m",
        f"    log {places.log_socket} len 4096 format raw daemon",
        # No maxconn here: HAProxy would refuse to start where the system allows fewer descriptors than
        # that needs. The frontend has it; servers and checks that come later are in this number.
        f"    fd-hard-limit {descriptors}",
        # What still runs in a worker that was replaced (downloads, WebSockets) has five minutes.
        "    hard-stop-after 5m",
        "    spread-checks 20",
        f"    tune.http.maxhdr {HEADERS_MAX}",
        "    tune.h2.max-concurrent-streams 100",
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
        "    log global",
        "    option dontlog-normal",
        "    option dontlognull",
        "    option disable-h2-upgrade",
        "    option http-restrict-req-hdr-names delete",
        "    timeout http-request 10s",
        "    timeout http-keep-alive 30s",
        "    timeout client 30s",
        "    timeout client-fin 5s",
        "    timeout connect 3s",
        "    timeout queue 10s",
        "    timeout server 60s",
        "    timeout tunnel 1h",
        "    unique-id-format %[uuid]",
        f"    log-format {_quoted(LOG_FORMAT)}",
    ]
    # One status has one page here; 421 and the rest come by rules of their own.
    for page in PAGES:
        if page.status not in (405, 421):
            lines.append(f"    http-error status {_reply(page, places)}")
    return "\n".join(lines) + "\n"


def _frontend(edge: EdgeSection, places: Places, connections: int) -> str:
    lines = ["frontend edge from edge"]
    for address in edge.listen:
        where, only = (f"[{address}]", " v6only") if ":" in address else (address, "")
        lines.append(f"    bind {where}:{edge.http_port}{only}")
        tls = f"ssl crt-list {places.certificate_list} alpn h2,http/1.1"
        lines.append(f"    bind {where}:{edge.https_port}{only} {tls}")
    port = "" if edge.https_port == HTTPS_PORT else f":{edge.https_port}"
    to_https = f"https://%[var(txn.host)]{port}%[pathq]"
    flag = "var(txn.site),word(2,|) -m sub"
    plain = f"!{{ ssl_fc }} {{ {flag} r }}"
    lines += [
        f"    maxconn {connections}",
        "    tcp-request connection track-sc0 src,ipmask(32,64) table connections",
        f"    tcp-request connection reject if {{ sc0_conn_cur gt {edge.connections_per_client} }}",
        "    capture request header Host len 256",
        "    # Texts about the visitor are made once per connection, not once per request.",
        "    tcp-request session set-var-fmt(sess.client) %[src]",
        "    tcp-request session set-var-fmt(sess.network) |%[src,ipmask(32,64)]",
        "    tcp-request session set-var-fmt(sess.scheme) %[ssl_fc,iif(https,http)]",
        "    # RFC 7239 section 6: an IPv6 address is bracketed and quoted, and so is a host with a port.",
        "    tcp-request session set-var-fmt(sess.for) for=%[src];proto=%[ssl_fc,iif(https,http)]"
        " unless { src -m sub : }",
        '    tcp-request session set-var-fmt(sess.for) for=\\"[%[src]]\\";proto=%[ssl_fc,iif(https,http)]'
        " if { src -m sub : }",
        "",
        "    # The request's id goes to the origin, to the visitor and into the log.",
        "    http-request del-header X-Request-ID",
        "    unique-id-header X-Request-ID",
        "    http-after-response set-header X-Request-ID %[unique-id]",
        "",
        "    # Which site: the name as it came, as from nearly all visitors; else the name without port,",
        "    # capitals and last dot; else the wildcard one label up.",
        f"    http-request set-var(txn.site) req.hdr(host),map_str({places.sites})",
        "    http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)"
        f" if !{{ var(txn.site) -m found }} || {plain}",
        f"    http-request set-var(txn.site) var(txn.host),map_str({places.sites})"
        " unless { var(txn.site) -m found }",
        "    http-request set-var-fmt(txn.wildcard) *.%[var(txn.host),field(2,.,0)]"
        " unless { var(txn.site) -m found }",
        f"    http-request set-var(txn.site) var(txn.wildcard),map_str({places.sites})"
        " if { var(txn.wildcard) -m found }",
        f"    http-request deny status {_page(421, places)} unless {{ var(txn.site) -m found }}",
        "",
        "    # What no visitor's browser sends.",
        f"    http-request deny status {_page(405, places)} if {{ method CONNECT TRACE }}",
        f"    http-request deny status {_page(400, places)}"
        " if { var(txn.host) -m found } !{ req.hdr(host) -m reg ^[A-Za-z0-9_.-]+(:[0-9]{1,5})?$ }",
        "",
        "    # Limits. Refused requests count too: whoever keeps hammering stays out.",
        "    http-request track-sc1 var(txn.site),word(1,|),concat(,sess.network) table client_of_site"
        f" if {{ {flag} c }}",
        f"    http-request track-sc2 var(txn.site),word(1,|) table site if {{ {flag} s }}",
        *_limit("client-rate", "sc1_http_req_rate", 3),
        *_limit("site-rate", "sc2_http_req_rate", 4),
        *_limit("client-concurrency", "sc1_conn_cur", 5),
        f"    http-request deny status {_page(429, places)} if {{ var(txn.why) -m found }}",
        "",
        "    # To https, once a certificate covers the name. 308 keeps the method (RFC 9110 section 15.4.9).",
        f"    http-request set-var(txn.secured) var(txn.host),map_str({places.secured})"
        f" if {plain} !{{ path_beg /.well-known/acme-challenge/ }}",
        "    http-request set-var-fmt(txn.above) *.%[var(txn.host),field(2,.,0)]"
        f" if {plain} !{{ path_beg /.well-known/acme-challenge/ }}"
        " !{ var(txn.secured) -m found }",
        f"    http-request set-var(txn.secured) var(txn.above),map_str({places.secured})"
        " if { var(txn.above) -m found }",
        f"    http-request redirect location {to_https} code 301"
        " if { var(txn.secured) -m found } { method GET HEAD }",
        f"    http-request redirect location {to_https} code 308 if {{ var(txn.secured) -m found }}",
        "",
        "    # Who the visitor is, in our words only.",
        *(f"    http-request del-header {name}" for name in UNTRUSTED_HEADERS),
        "    # An origin that switches to HTTP/2 in the clear would take requests past all rules.",
        "    http-request set-header Connection upgrade if { req.hdr(upgrade) -i websocket }",
        "    http-request del-header Upgrade unless { req.hdr(upgrade) -i websocket }",
        "    option forwardfor",
        "    http-request add-header CF-Connecting-IP %[var(sess.client)]",
        "    http-request add-header X-Forwarded-Host %[req.hdr(host)]",
        "    http-request add-header X-Forwarded-Proto %[var(sess.scheme)]",
        '    http-request add-header Forwarded %[var(sess.for)];host=\\"%[req.hdr(host)]\\"',
        "",
        "    # A body that trickles ends here: the origin sees it once it is whole or fills the buffer.",
        "    http-request wait-for-body time 10s unless { method GET } { req.hdr(upgrade) -i websocket }",
        "    use_backend %[var(txn.site),word(1,|)]",
    ]
    if edge.hsts:
        lines.append(
            "    http-after-response set-header Strict-Transport-Security max-age=31536000 if { ssl_fc }"
        )
    return "\n".join(lines) + "\n"


def _limit(why: str, counted: str, place: int) -> tuple[str, str]:
    """Set the reason when ``counted`` is above the limit at ``place`` of the route."""
    name = why.replace("-", "_")
    return (
        f"    http-request set-var(txn.{name}) var(txn.site),word({place},|),add(0)",
        f"    http-request set-var(txn.why) str({why}) if {{ {counted},sub(txn.{name}) gt 0 }}",
    )


def _tables(pool: int) -> str:
    size = CLIENTS_COUNTED_MAX
    rate = f"http_req_rate({LIMIT_WINDOW_S}s)"
    return (
        "backend connections from edge\n"
        f"    stick-table type ipv6 size {size} expire 1m store conn_cur\n\n"
        "backend client_of_site from edge\n"
        f"    stick-table type string len 64 size {size} expire 30s store {rate},conn_cur\n\n"
        "backend site from edge\n"
        f"    stick-table type string len 12 size {2 * pool} expire 30s store {rate}\n"
    )


def _site_defaults() -> str:
    # Only what the origin cannot have seen is tried again: a connection that never came about.
    return (
        "defaults site from edge\n"
        "    balance roundrobin\n"
        "    option redispatch 1\n"
        "    retries 3\n"
        "    retry-on conn-failure\n"
    )


def _backend(name: str, state: EdgeState) -> str:
    lines = [
        f"backend {name} from site",
        f"    http-request deny deny_status 503 if {{ queue({name}) ge {SITE_QUEUE_MAX} }}",
    ]
    lines += [
        f"    server {server.name} {server.arguments} weight {server.weight} maxconn {server.max_connections}"
        for _, server in sorted(state.servers.get(name, {}).items())
    ]
    return "\n".join(lines) + "\n"


def _page(status: int, places: Places) -> str:
    return _reply(next(page for page in PAGES if page.status == status), places)


def _page_path(page: Page, places: Places) -> str:
    return f"{places.pages}/{page.name}.html"


def _reply(page: Page, places: Places) -> str:
    retry = f" hdr Retry-After {page.retry_after_s}" if page.retry_after_s else ""
    return (
        f"{page.status} content-type {_quoted(CONTENT_TYPE)} lf-file {_page_path(page, places)}"
        f" hdr Cache-Control no-store{retry}"
    )


def _quoted(text: str) -> str:
    """In HAProxy's strong quotes, inside which nothing is special (configuration manual, section 2.2)."""
    return f"'{text}'"
