"""The operator's own host at the edge: receipts and the console, for whoever is refused elsewhere. Pure.

It is an entry of the sites map, with a backend of its own that is not of the pool. So its certificate, its
redirect to https and its name in all spellings work as every site's do, and no request to any other site
pays for it. It is no site: it needs no zone and no origin, and nothing that is decided about sites (limits,
challenges, mitigations, remedies) is asked about it; the defence loop leaves its requests out of what it
looks at (``node.requests.service``). What keeps it from being a hole are bounds on what it passes on at the
same time. The entry stands in the boot files: the engine's comparison leaves it alone.
"""

from __future__ import annotations

import ipaddress

from rempart.engines.haproxy.names import OPERATOR, Places
from rempart.engines.haproxy.state import Route, format_route
from rempart.model.base import Value
from rempart.model.configuration import Configuration
from rempart.model.sites import SiteLimits

RECEIPT_PATH = "/receipt/"
RECEIPTS_AT_ONCE = 4
"""Whoever floods this page shares so many places, and the gate answers challenges all the while."""
AT_ONCE_MAX = 100
"""Requests that the console is asked at the same time; the rest queue."""
WAITING_MOST = 200
"""Requests that wait for either; the next one is told 503 at once."""
RECEIPT_BODY_MAX = 16_384
"""A form of 1,000 characters, each at most twelve octets of a form's encoding."""

_NONE = SiteLimits(requests_per_client=0, requests_per_site=0, connections_per_client=0)


class Operator(Value):
    """The host, and where the console listens; no ``port``: there is none."""

    host: str
    address: str = "127.0.0.1"
    port: int | None = None

    @classmethod
    def of(cls, configuration: Configuration) -> Operator | None:
        """None: there is no such host."""
        console = configuration.console
        if configuration.operator_host is None:
            return None
        return cls(
            host=configuration.operator_host,
            address={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(console.listen, console.listen),
            port=console.port,
        )

    @property
    def entry(self) -> str:
        """Its line in the sites map."""
        return f"{self.host} {format_route(self.host, Route(OPERATOR, https_redirect=True, limits=_NONE))}\n"


def backend(operator: Operator, places: Places, untrusted: str) -> str:
    """Its backend: receipts by their path, everything else to the console. ``untrusted``: see boot."""
    receipt = f"{{ path_beg {RECEIPT_PATH} }}"
    check = "check inter 1s fastinter 250ms downinter 250ms rise 1 fall 2"
    lines = [
        f"backend {OPERATOR} from edge",
        "    timeout server 30s",
        "    timeout queue 5s",
        f"    http-request deny deny_status 503 if {{ queue ge {WAITING_MOST} }}",
        # Else the other server would be asked.
        f"    http-request deny deny_status 503 if {receipt} !{{ srv_is_up({OPERATOR}/receipts) }}",
        f"    http-request deny deny_status 413 if {receipt} {{ req.body_size gt {RECEIPT_BODY_MAX} }}",
        f"    http-request wait-for-body time 10s if {receipt} {{ method POST }}",
        # Who the visitor is, in our words only.
        f"    http-request del-header {untrusted} -m reg",
        "    http-request set-header X-Forwarded-For %[src]",
        "    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
        # As clients of proxies ask (RFC 9112 section 3.2.2).
        "    http-request set-uri %[pathq] unless { url_beg / }",
    ]
    if operator.port is None:
        lines.append(
            f"    http-request return status 404 content-type text/plain string none unless {receipt}"
        )
    lines += [
        f"    use-server receipts if {receipt}",
        f"    server receipts unix@{places.receipts_socket} maxconn {RECEIPTS_AT_ONCE} weight 0 {check}",
    ]
    if operator.port is not None:
        address = ipaddress.ip_address(operator.address)
        where = f"[{address}]" if address.version == 6 else str(address)
        lines += [
            f"    use-server console unless {receipt}",
            f"    server console {where}:{operator.port} maxconn {AT_ONCE_MAX} {check}",
        ]
    return "\n".join(lines) + "\n"
