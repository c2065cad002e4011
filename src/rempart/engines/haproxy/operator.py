"""The operator's own host: the console, which is there for whoever is refused elsewhere. Pure.

It is no site: it needs no zone, no origin, no entry of a map, and nothing that is decided about sites
(challenges, mitigations, remedies) is asked about it. Its rules stand where a connection's site is looked
for, so a request that passes over those pays nothing. What another part serves on this host (``/receipt/``) is
put before the console's rules: whatever comes first keeps its paths.
"""

from __future__ import annotations

import ipaddress

from rempart.engines.haproxy.names import CLIENTS_COUNTED_MAX, Places
from rempart.engines.haproxy.replies import page_of
from rempart.model.base import Value
from rempart.model.configuration import Configuration
from rempart.model.sites import LIMIT_WINDOW_S

BACKEND = "console"
RATE_MAX = 300
"""Requests of one client within LIMIT_WINDOW_S: a page is one, with what it loads four."""
AT_ONCE_MAX = 100
"""Requests that the console is asked at the same time; the rest queue."""
_OURS = "{ var(txn.operator) -m found }"


class Operator(Value):
    """The host, and where the console listens."""

    host: str
    https_port: int
    address: str
    port: int

    @classmethod
    def of(cls, configuration: Configuration) -> Operator | None:
        """None: there is no such host, or no console."""
        console = configuration.console
        if configuration.operator_host is None or console.port is None:
            return None
        return cls(
            host=configuration.operator_host,
            https_port=configuration.edge.https_port,
            address={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(console.listen, console.listen),
            port=console.port,
        )


def rules(operator: Operator | None, places: Places, host: str) -> list[str]:
    """What a request to the host meets; before its site is looked for. ``host``: the name as it came."""
    if operator is None:
        return []
    port = "" if operator.https_port == 443 else f":{operator.https_port}"
    to_https = f"https://{operator.host}{port}%[pathq]"
    plain = f"{_OURS} !{{ ssl_fc }} {{ str({operator.host}),map_str({places.secured}) -m found }}"
    return [
        "    # The operator's own host. What is known of the connection's last site is forgotten:",
        "    # the next request may be for that one again.",
        "    http-request set-var(txn.operator) bool(true)"
        f" if {{ {host},host_only,lower,rtrim(.) -m str {operator.host} }}",
        f"    http-request set-var(sess.site) str() if {_OURS}",
        f"    http-request unset-var(sess.guarded) if {_OURS}",
        f"    http-request set-var(sess.backend) str({BACKEND}) if {_OURS}",
        f"    http-request redirect location {to_https} code 301 if {plain} {{ method GET HEAD }}",
        f"    http-request redirect location {to_https} code 308 if {plain}",
        f"    http-request allow if {_OURS}",
    ]


def backend(operator: Operator | None, places: Places) -> list[str]:
    """The console's process."""
    if operator is None:
        return []
    address = ipaddress.ip_address(operator.address)
    where = f"[{address}]" if address.version == 6 else str(address)
    return [
        f"backend {BACKEND}_clients from edge\n"
        f"    stick-table type ipv6 size {CLIENTS_COUNTED_MAX // 10} expire 30s"
        f" store http_req_rate({LIMIT_WINDOW_S}s)\n",
        f"backend {BACKEND} from edge\n"
        f"    http-request track-sc1 src,ipmask(32,64) table {BACKEND}_clients\n"
        f"    http-request deny status {page_of(429, places)} if {{ sc1_http_req_rate gt {RATE_MAX} }}\n"
        "    http-request del-header ^(?:x-(?:forwarded-|real-ip)|forwarded$|proxy) -m reg\n"
        "    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]\n"
        "    http-request set-header X-Forwarded-For %[src]\n"
        # As clients of proxies ask (RFC 9112 section 3.2.2).
        "    http-request set-uri %[pathq] unless { url_beg / }\n"
        f"    server {BACKEND} {where}:{operator.port} maxconn {AT_ONCE_MAX}"
        " check inter 1s fastinter 250ms downinter 250ms rise 1 fall 2\n",
    ]
