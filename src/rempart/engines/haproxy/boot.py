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
# Connection names headers that the next hop removes: it must not name ours. An origin that switches to
# HTTP/2 in the clear (Upgrade) would take requests past all rules. One expression, because each rule of
# this kind looks at every header; HAProxy holds names in lower case. The last branch takes every name that
# is not letters, digits and hyphens: X_Forwarded_For is X-Forwarded-For to a CGI.
UNTRUSTED_HEADERS = (
    "^(?:x-(?:forwarded-|re(?:al-ip|quest-id)$)|cf-|forwarded$|proxy"
    "|http2-settings$|connection$|keep-alive$|upgrade$|[a-z0-9-]*[^a-z0-9-])"
)
UNTRUSTED_HEADERS_END = "-client-ip"

HOST = "capture.req.hdr(0)"
"""The host name as the visitor spelled it, one byte more than HOST_MAX of it."""
HOST_MAX = 255

ONE_LABEL_UP = "regsub(^[^.]*,*)"
"""www.example.org -> *.example.org"""

COUNTED = (
    ("client-rate", "sc1_http_req_rate"),
    ("site-rate", "sc2_http_req_rate"),
    ("client-concurrency", "sc1_conn_cur"),
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
        "    timeout http-request 10s",
        "    timeout http-keep-alive 30s",
        "    timeout client 30s",
        "    timeout client-fin 5s",
        "    timeout connect 3s",
        "    timeout queue 10s",
        "    timeout server 60s",
        "    timeout tunnel 1h",
        "    unique-id-format %[rand]-%[rand]",
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
    lines += [
        f"    maxconn {connections}",
        "    tcp-request connection track-sc0 src,ipmask(32,64) table connections",
        f"    tcp-request connection reject if {{ sc0_conn_cur gt {edge.connections_per_client} }}",
        f"    capture request header Host len {HOST_MAX + 1}",
        "    tcp-request session set-var-fmt(sess.client) %[src]",
        "",
        "    # The request's id goes to the origin, to the visitor and into the log.",
        "    unique-id-header X-Request-ID",
        "    http-after-response set-header X-Request-ID %[unique-id]",
        "",
        *_which_site(places),
        *_what_follows(),
        "",
        *_redirect(edge, places),
        "",
        "    use_backend %[var(sess.backend)]",
    ]
    if edge.hsts:
        lines.append(
            "    http-after-response set-header Strict-Transport-Security max-age=31536000 if { ssl_fc }"
        )
    return "\n".join(lines) + "\n"


def _which_site(places: Places) -> tuple[str, ...]:
    """``txn.site``, the entry of the sites map. Nothing of it when that is the one of the last request."""
    return (
        "    # Which site: the name as it came, as from nearly all visitors. When name and entry are those",
        "    # of the connection's last request, all that follows from them is known.",
        f"    http-request allow if {{ {HOST},strcmp(sess.name) eq 0 }}"
        f" {{ {HOST},map_str({places.sites}),strcmp(sess.site) eq 0 }}",
        f"    http-request set-var(txn.site) {HOST},map_str({places.sites})",
        "    http-request set-var(txn.exact) bool(true) if { var(txn.site) -m found }",
        "    # Else: the name without port, capitals and last dot; else the wildcard one label up.",
        f"    http-request set-var(txn.host) {HOST},host_only,lower,rtrim(.)",
        f"    http-request set-var(txn.site) var(txn.host),map_str({places.sites})"
        " unless { var(txn.site) -m found }",
        f"    http-request set-var(txn.site) var(txn.host),{ONE_LABEL_UP},map_str({places.sites})"
        " unless { var(txn.site) -m found }",
        f"    http-request deny status {_page(421, places)} unless {{ var(txn.site) -m found }}",
        f"    http-request deny status {_page(400, places)}"
        f" unless {{ {HOST} -m reg ^[A-Za-z0-9_.-]+(:[0-9]{{1,5}})?$ }}",
        f"    http-request deny status {_page(400, places)} if {{ {HOST},length gt {HOST_MAX} }}",
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
        "    # and there is no question of a redirect.",
        "    http-request set-var(sess.site) str()",
        f"    http-request set-var(sess.name) {HOST}",
        "    http-request set-var(sess.backend) var(txn.site),word(1,|)",
        "    http-request unset-var(sess.client_key)",
        "    http-request unset-var(sess.site_key)",
        "    http-request unset-var(sess.redirect)",
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
        "    http-request set-var(sess.site) var(txn.site) if { var(txn.exact) -m found }"
        " !{ var(sess.redirect) -m found }",
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
        *_limits(places, "{ var(txn.secured) -m found }"),
        f"    http-request redirect location {to_https} code 301"
        " if { var(txn.secured) -m found } { method GET HEAD }",
        f"    http-request redirect location {to_https} code 308 if {{ var(txn.secured) -m found }}",
    )


def _limits(places: Places, when: str = "") -> tuple[str, ...]:
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
        f"    http-request deny status {_page(429, places)} if {{ var(txn.why) -m found }}",
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


def _site_defaults(places: Places) -> str:
    """What every site's backend does. A rule costs each request something, even when it is not for it."""
    lines = [
        "defaults site from edge",
        "    balance roundrobin",
        "    # Only what the origin cannot have seen is tried again: a connection that never came about.",
        "    option redispatch 1",
        "    retries 2",
        "    retry-on conn-failure",
        "",
        "    # What no visitor's browser sends.",
        f"    http-request deny status {_page(405, places)} if !{{ method GET }} {{ method CONNECT TRACE }}",
        "",
        *_limits(places),
        "",
        "    # Who the visitor is, in our words only.",
        "    http-request set-var(txn.upgrade) req.hdr(upgrade)",
        f"    http-request del-header {UNTRUSTED_HEADERS} -m reg",
        f"    http-request del-header {UNTRUSTED_HEADERS_END} -m end",
        "    http-request add-header Connection upgrade if { var(txn.upgrade) -m str -i websocket }",
        "    http-request add-header Upgrade websocket if { var(txn.upgrade) -m str -i websocket }",
        "    http-request add-header X-Forwarded-For %[var(sess.client)]",
        "    http-request add-header CF-Connecting-IP %[var(sess.client)]",
        "    http-request add-header X-Forwarded-Host %[var(sess.name)]",
        "    http-request add-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
        "    http-request add-header Forwarded %[var(sess.forwarded)]",
        "",
        "    # A body that trickles ends here: the origin sees it once it is whole or fills the buffer.",
        "    # While one stream waits, another of its connection may set sess.*: from here on, only txn.*.",
        "    http-request wait-for-body time 10s"
        " unless { method GET } || { var(txn.upgrade) -m str -i websocket }",
    ]
    return "\n".join(lines) + "\n"


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
