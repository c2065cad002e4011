"""The operator's own host at the edge: receipts and the console, never behind a challenge, a limit or a
mitigation.

It is an entry of the sites map like any site, with a backend of its own that is not of the pool. So its
certificate, its redirect to https and its name in all spellings work as every site's do, no request to any
other site pays for it, and no rule of a site means it: it has no limits and no security level, and the
defence loop leaves its requests out of what it looks at (``node.requests.service``). What keeps it from
being a hole are bounds on what it passes on at the same time. The entry stands in the boot files only: the
engine's comparison leaves it alone. Pure.
"""

from __future__ import annotations

from rempart.engines.haproxy.names import OPERATOR, Places
from rempart.engines.haproxy.state import Route, format_route
from rempart.model.console_settings import ConsoleSection
from rempart.model.sites import SiteLimits

RECEIPT_PATH = "/receipt/"
RECEIPTS_AT_ONCE = 4
"""Whoever floods this page shares so many places, and the gate answers challenges all the while."""
CONSOLE_AT_ONCE = 32
WAITING_MOST = 200
"""Requests that wait for either; the next one is told 503 at once."""
RECEIPT_BODY_MAX = 16_384
"""A form of 1,000 characters, each at most twelve octets of a form's encoding."""

_NONE = SiteLimits(requests_per_client=0, requests_per_site=0, connections_per_client=0)


def entry(host: str) -> str:
    """Its line in the sites map."""
    return f"{host} {format_route(host, Route(OPERATOR, https_redirect=True, limits=_NONE))}\n"


def backend(places: Places, console: ConsoleSection, untrusted: str, untrusted_end: str) -> str:
    """Its backend: receipts by their path, everything else to the console. ``untrusted``: see boot."""
    receipt = f"{{ path_beg {RECEIPT_PATH} }}"
    lines = [
        f"backend {OPERATOR} from edge",
        "    timeout server 30s",
        "    timeout queue 5s",
        f"    http-request deny deny_status 503 if {{ queue ge {WAITING_MOST} }}",
        f"    http-request deny deny_status 413 if {receipt} {{ req.body_size gt {RECEIPT_BODY_MAX} }}",
        "    http-request wait-for-body time 10s if { method POST }",
        # Who the visitor is, in our words only.
        f"    http-request del-header {untrusted} -m reg",
        f"    http-request del-header {untrusted_end} -m end",
        "    http-request set-header X-Forwarded-For %[src]",
        "    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
        "    http-request set-uri %[pathq] unless { url_beg / }",
    ]
    if console.port is None:
        lines.append(
            f"    http-request return status 404 content-type text/plain string none unless {receipt}"
        )
    lines += [
        f"    use-server receipts if {receipt}",
        f"    server receipts unix@{places.receipts_socket} maxconn {RECEIPTS_AT_ONCE} weight 0",
    ]
    if console.port is not None:
        where = f"[{console.listen}]" if ":" in console.listen else console.listen
        lines += [
            f"    use-server console unless {receipt}",
            f"    server console {where}:{console.port} maxconn {CONSOLE_AT_ONCE}",
        ]
    return "\n".join(lines) + "\n"
