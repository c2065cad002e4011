"""HAProxy's part of the gate: clearances checked, challenges stated, both without leaving HAProxy. Pure.

A site under attack has the letter ``g`` in its route. For such a site, a request that carries a clearance (an
HS256 token in a cookie) is counted under the token's id instead of the client's address; every other request
is answered with a challenge from memory. What visitors send back goes to the gate's process, which alone
issues clearances. While that process is gone nobody is challenged: the limits hold, the site stays open.

Variables: txn.guard (the site challenges), txn.token (the verified claims), txn.cleared (the token's id),
txn.exempt (not cleared, never challenged, counted apart), txn.challenged. A clearance that was verified is
believed for KNOWN_S on its connection (sess.clearance, sess.until): it is verified once, not per request.
"""

from __future__ import annotations

from rempart.engines.haproxy.challenge_pages import (
    LANGUAGES,
    WORKER_POLICY,
    challenge_page,
    content_security_policy,
    language,
    worker_name,
    worker_script,
)
from rempart.engines.haproxy.names import CLIENTS_COUNTED_MAX, Places
from rempart.engines.haproxy.receipts import RECEIPT_KEY
from rempart.engines.haproxy.replies import page_of, quoted
from rempart.engines.haproxy.state import UNLIMITED
from rempart.model.gate import (
    CHALLENGE_LIFETIME_S,
    CLEARANCE_LENGTH_MAX,
    COOKIE,
    GATE_PATH,
    PROOF_BITS,
    WAIT_S,
    GateKeys,
    Rung,
)
from rempart.model.sites import LIMIT_WINDOW_S

CHALLENGE_KEY = "challenge"
"""The map's entry for the key that signs challenges: its id, a bar, the key in Base64."""

PROOF_RATE_MAX = 500
"""Requests within LIMIT_WINDOW_S on one clearance, where the site has no limit of its own."""
WAIT_RATE_MAX = 150
"""The same on a clearance that only waiting has earned."""
EXEMPT_RATE_MAX = 1_000
"""Requests within LIMIT_WINDOW_S that a site under attack takes from all clients without a clearance
together: feeds, credentialed calls and the other exceptions. Whoever abuses them starves them
only, not the visitors."""
ANSWER_RATE_MAX = 100
"""Answers to challenges that one client may send within LIMIT_WINDOW_S."""
KNOWN_S = 10
"""A clearance whose key was taken away opens nothing after this, not even on an open connection."""
GATE_BODY_MAX = 8_192
FORM_MAX = 2_048
"""Bytes of a form that is kept in the challenge page and sent again by the browser afterwards."""
RETURN_PATH_MAX = 512
GATE_CONNECTIONS_MAX = 64

_SET = "    http-request set-var"
_GUARD = "{ var(txn.guard) -m found }"
_CLEARED = "{ var(txn.cleared) -m found }"
_KEPT = _CLEARED + " { var(txn.lasting) -m found }"
_ORDERED = "{ var(txn.ordered) -m found }"
_EXEMPT = "{ var(txn.exempt) -m found }"
CHALLENGED = "{ var(txn.challenged) -m found }"
_AT_GATE = f"{{ path_beg {GATE_PATH} }}"

# Read by machines that can pass no challenge. Everything here is counted and limited apart.
_OPEN_TO_ALL = (
    "{ path /robots.txt /favicon.ico }",
    "{ path_beg /.well-known/ }",
    "{ method GET HEAD } { path_end .rss .atom .rdf /feed /feed/ /feed.xml /feed.json /rss.xml /atom.xml }",
    # Calls with credentials of their own, which the origin checks; CORS preflights carry no cookie.
    "{ req.hdr(authorization) -m found }",
    "{ method OPTIONS }",
)


def gate_map(keys: GateKeys) -> dict[str, str]:
    """The entries of the gate's map: the key of every header that a clearance may have, and the one that
    signs challenges. Secret."""
    newest = keys.current
    entries = {key.token_header: key.token_key for key in keys.keys}
    entries[CHALLENGE_KEY] = f"{newest.kid}|{newest.challenge_key_base64}"
    if keys.receipts:
        entries[RECEIPT_KEY] = keys.receipt_key_base64
    return entries


def challenge_page_files(places: Places, receipt_url: str | None = None) -> dict[str, str]:
    """Path of the challenge page in every language, and of its worker, and their texts. ``receipt_url``: see
    ``pages.render``."""
    pages = {
        _page_path(code, places): challenge_page(language(code), places, receipt_url) for code in LANGUAGES
    }
    return {**pages, _worker_path(places): worker_script()}


def known(same_site: str) -> list[str]:
    """Pass over everything on a clearance that this connection has shown; ``same_site`` is the condition that
    the entry is the one it was verified for."""
    return [
        f"{_SET}(txn.again) bool(true) if {same_site}"
        f" {{ req.cook({COOKIE}),strcmp(sess.clearance) eq 0 }} {{ date,sub(sess.until) lt 0 }} !{_AT_GATE}",
        "    # Cleared visitors go first in the origin's queue.",
        "    http-request set-priority-class int(-100) if { var(txn.again) -m found }",
        "    http-request allow if { var(txn.again) -m found }",
    ]


def standing(places: Places) -> list[str]:
    """Who has a clearance, who needs none, who is challenged; and by what each is counted."""
    waited = f"{{ var(txn.cleared) -m beg {Rung.WAIT.letter} }}"
    lines = [
        "    # The gate: who has a clearance (RFC 7519) for exactly this host? The algorithm is ours,",
        "    # never the token's choice: the key is found by the whole header. No gate, no challenge.",
        f"{_SET}(txn.clearance) req.cook({COOKIE}) if {_GUARD}",
        f"{_SET}(txn.token_key) var(txn.clearance),field(1,.),map_str({places.gate})"
        f" if {_GUARD} {{ var(txn.clearance),length 1:{CLEARANCE_LENGTH_MAX} }}",
        f"{_SET}(txn.token) var(txn.clearance),field(2,.),ub64dec"
        " if { var(txn.token_key) -m found } { var(txn.clearance),jwt_verify(HS256,txn.token_key) eq 1 }",
        f"{_SET}(txn.now) date if {{ var(txn.token) -m found }}",
        f"{_SET}(txn.until) var(txn.token),json_query('$.exp','int') if {{ var(txn.token) -m found }}",
        f"{_SET}(txn.cleared) var(txn.token),json_query('$.jti')"
        " if { var(txn.token) -m found } { var(txn.until),sub(txn.now) gt 0 }"
        " { var(txn.token),json_query('$.aud'),strcmp(txn.host) eq 0 }",
        "    # A cleared visitor has a budget of their own, whatever address they come from.",
        f"{_SET}(sess.client_key) var(txn.cleared) if {_CLEARED}",
        f"{_SET}(sess.client_rate) int({PROOF_RATE_MAX}) if {_CLEARED}"
        f" {{ var(sess.client_rate) -m int ge {UNLIMITED} }}",
        f"{_SET}(sess.client_rate) int({WAIT_RATE_MAX}) if {waited}"
        f" {{ var(sess.client_rate) -m int gt {WAIT_RATE_MAX} }}",
        f"    http-request set-priority-class int(-100) if {_CLEARED}",
        f"{_SET}(sess.clearance) var(txn.clearance) if {_KEPT}",
        f"{_SET}(sess.until) var(txn.now),add({KNOWN_S}) if {_KEPT}",
        f"{_SET}(sess.until) var(txn.until) if {_KEPT} {{ var(txn.until),sub(sess.until) lt 0 }}",
        f"{_SET}(sess.guarded) var(txn.site) if {_KEPT}",
        "    # What is never challenged, but limited: what machines read, and what the owner has named.",
        f"{_SET}(txn.at_gate) bool(true) if {_AT_GATE}",
        f"{_SET}(txn.doubtful) bool(true) if {_GUARD} !{_CLEARED} !{{ var(txn.at_gate) -m found }}",
    ]
    doubtful = "{ var(txn.doubtful) -m found }"
    lines += [f"{_SET}(txn.exempt) bool(true) if {doubtful} {what}" for what in _OPEN_TO_ALL]
    for what, unless in (
        ("%[path]", " !{ path -m sub .. } !{ path -m sub -i %2e }"),
        ("@%[src,hex,length,div(2)].%[src,hex]", ""),
    ):
        lines += [
            f"{_SET}-fmt(txn.named) %[var(sess.backend)]{what} if {doubtful}{unless} !{_ORDERED}",
            f"{_SET}(txn.exempt) var(txn.named),map_beg({places.exempt}) if {doubtful}",
        ]
    return [
        *lines,
        f"{_SET}-fmt(sess.site_key) %[var(sess.backend)]x if {_EXEMPT}",
        f"{_SET}(sess.site_rate) int({EXEMPT_RATE_MAX}) if {_EXEMPT}"
        f" {{ var(sess.site_rate) -m int gt {EXEMPT_RATE_MAX} }}",
        "    # Nor is whom a person has let through; txn.named is the address, as exemptions name it.",
        f"{_SET}(txn.challenged) bool(true) if {doubtful} !{_EXEMPT}"
        f" !{{ var(txn.named),map_beg({places.released}) -m found }}",
    ]


def challenge(places: Places) -> list[str]:
    """The answer to those who are challenged."""
    form = (
        f"{CHALLENGED} {{ method POST }} {{ req.hdr_val(content-length) 1:{FORM_MAX} }}"
        " { req.hdr(content-type) -m beg -i application/x-www-form-urlencoded }"
    )
    until = f"%[date].%[date({CHALLENGE_LIFETIME_S})]"
    signed = "%[unique-id].%[var(txn.key),field(1,|)].%[var(txn.host)]"
    mac = "hmac(sha256,txn.challenge_key),hex,lower"
    header = f" hdr Content-Security-Policy {quoted(content_security_policy()).replace('%', '%%')}"
    lines = [
        f"{_SET}(txn.why) str(challenge) if {CHALLENGED}",
        f"{_SET}(txn.key) str({CHALLENGE_KEY}),map_str({places.gate}) if {CHALLENGED}",
        f"{_SET}(txn.challenge_key) var(txn.key),field(2,|) if {CHALLENGED}",
        *(
            line
            for name, rung, amount in (("proof", Rung.PROOF, PROOF_BITS), ("wait", Rung.WAIT, WAIT_S))
            for line in (
                f"{_SET}-fmt(txn.{name}) 1.{rung.value}.{until}.{amount}.{signed} if {CHALLENGED}",
                f"{_SET}-fmt(txn.{name}) %[var(txn.{name})].%[var(txn.{name}),{mac}] if {CHALLENGED}",
            )
        ),
        f"{_SET}(txn.to) pathq,url_enc if {CHALLENGED} {{ pathq,length le {RETURN_PATH_MAX} }}",
        f"    http-request wait-for-body time 5s at-least {FORM_MAX} if {form}",
        f"{_SET}(txn.form) req.body,base64 if {form}",
        "    http-request set-var(txn.language)"
        f" req.fhdr(accept-language),language({';'.join(LANGUAGES)},{LANGUAGES[0]}) if {CHALLENGED}",
    ]
    # 503: search engines and archives keep what they have and come back. no-cache is for Lynx, which does
    # not know no-store and would show the challenge again instead of the page.
    lines += [
        "    http-request return status 503 content-type 'text/html; charset=utf-8'"
        f" lf-file {_page_path(code, places)} hdr Cache-Control 'no-store, no-cache'"
        f" hdr Retry-After {WAIT_S + 1}"
        f" hdr Vary 'Cookie, Accept-Language' hdr Content-Language {code}"
        f" hdr X-Content-Type-Options nosniff hdr Referrer-Policy same-origin{header}"
        f" if {CHALLENGED}" + (f" {{ var(txn.language) -m str {code} }}" if code != LANGUAGES[0] else "")
        for code in (*LANGUAGES[1:], LANGUAGES[0])
    ]
    return lines


def route() -> list[str]:
    """What is the gate's goes to the gate, on every site: levels change while visitors are on their way.

    Not on a connection whose last request was to a site that challenges nobody: looking at every path
    would cost all visitors more than this rare race is worth.
    """
    return ["    use_backend gate if { var(txn.at_gate) -m found }"]


def backend(places: Places) -> str:
    """The gate's process. Only one that takes no connection counts as gone: load must not open the site."""
    return (
        "backend gate_clients from edge\n"
        f"    stick-table type ipv6 size {CLIENTS_COUNTED_MAX} expire 30s"
        f" store http_req_rate({LIMIT_WINDOW_S}s)\n\n"
        "backend gate from edge\n"
        "    timeout server 5s\n"
        "    timeout queue 5s\n"
        "    http-request return status 200 content-type 'text/javascript; charset=utf-8'"
        f" file {_worker_path(places)} hdr Cache-Control 'public, max-age=31536000, immutable'"
        f" hdr X-Content-Type-Options nosniff hdr Content-Security-Policy {quoted(WORKER_POLICY)}"
        f" if {{ method GET HEAD }} {{ path {GATE_PATH}{worker_name()} }}\n"
        "    http-request track-sc1 src,ipmask(32,64) table gate_clients\n"
        f"    http-request deny status {page_of(429, places)}"
        f" if {{ sc1_http_req_rate gt {ANSWER_RATE_MAX} }}\n"
        f"    http-request deny deny_status 413 if {{ req.body_size gt {GATE_BODY_MAX} }}\n"
        "    http-request set-header X-Request-ID %[unique-id]\n"
        "    http-request set-header X-Forwarded-For %[src]\n"
        "    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]\n"
        # As clients of proxies ask (RFC 9112 section 3.2.2).
        "    http-request set-uri %[pathq] unless { url_beg / }\n"
        f"    server gate unix@{places.gate_socket} maxconn {GATE_CONNECTIONS_MAX}"
        " check inter 1s fastinter 250ms downinter 250ms rise 1 fall 2\n"
    )


def _page_path(code: str, places: Places) -> str:
    return f"{places.pages}/challenge.{code}.html"


def _worker_path(places: Places) -> str:
    return f"{places.pages}/proof.js"
