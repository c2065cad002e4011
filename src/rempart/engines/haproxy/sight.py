"""What HAProxy notes of a request for the defence loop, and how the loop's records are made of it. Pure.

Where it stands: some requests are looked at (``proc.attend`` of 65,536; all while anything stands, see
``verdicts``). Of these one text is made, FIELDS joined by commas: digests and bits, never an address's
owner's words. Verdicts are found by that text, and of a share of them (``proc.within`` of 65,536) it is
sent to the loop **when the request arrives**: the ordinary log speaks of a request when it is over, which
under attack may be ten seconds later. HAProxy 2.6 can send such a line from Lua only, so two lines of Lua
are all there is.

Texts are crc32 digests that HAProxy makes (``zlib.crc32``): the loop's numbers are HAProxy's own, so that
whatever the loop says of them is exactly what HAProxy compares. Who makes texts collide gains nothing: a
request that wants to look like another one can have its text.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np

from rempart.model.attacks import REQUEST, Records

WHOLE = 65_536
"""``proc.attend`` and ``proc.within`` are shares of this."""

HEADERS = (
    "accept",
    "accept-encoding",
    "accept-language",
    "user-agent",
    "cookie",
    "referer",
    "sec-fetch-mode",
    "sec-ch-ua",
    "upgrade-insecure-requests",
    "cache-control",
    "connection",
    "origin",
    "if-none-match",
    "x-requested-with",
    "x-forwarded-for",
    "authorization",
)
"""Which of these a request has: bit 0 is the first."""

METHODS = ("", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE")
"""REQUEST's ``method`` is the place in this; 0: another one."""
VERSIONS = {"1.0": 10, "1.1": 11, "2.0": 20, "3.0": 30}

FIELDS = (
    "site", "source", "method", "version", "tls", "headers", "agent", "language", "path", "path_shape",
    "query_shape",
)  # fmt: skip
"""The order of the text."""

# A hello as JA3 looks at it, but for the order of extensions, which browsers shuffle: their number is kept.
_HELLO = (
    "%[ssl_fc_protocol_hello_id]-%[ssl_fc_cipherlist_bin(1),xxh32]-%[ssl_fc_extlist_bin(1),hex,length]"
    "-%[ssl_fc_eclist_bin(1),xxh32]-%[ssl_fc_ecformats_bin,hex]"
)
HELLO_BYTES = 512
"""Of each hello that HAProxy keeps: today's browsers send some 120 octets of lists."""

# What has a digit in it, or is long, is a number, a key or a word of a random generator.
_SHAPED = {
    # One that is long would push the line over what is sent; it counts as another one.
    "method": 'method,regsub("[^A-Z]","",g),regsub("^.{17,}","")',
    "path_shape": 'path,regsub("[^/]*[0-9][^/]*|[^/]{24,}","0",g),crc32',
    "query_shape": 'query,regsub("=[^&]*","",g),regsub("[^&]*[0-9][^&]*|[^&]{24,}","0",g),crc32',
}
_EXPRESSIONS = {
    "site": "var(txn.site),word(6,|)",
    "source": "src,ipmask(32,64),hex",
    "version": "req.ver",
    "tls": "var(txn.hello),crc32",
    "agent": "req.fhdr(user-agent),crc32",
    "language": "req.fhdr(accept-language),crc32",
    "path": "path,crc32",
    **_SHAPED,
}

LOOKED_AT = "{ var(txn.look) -m found }"
SAMPLED = "{ var(txn.sampled) -m found }"


LOT = f"rand({WHOLE}),sub(proc.attend)"
"""Below 0: this request is looked at."""


def lot(drawn: str) -> tuple[str, ...]:
    """Whether this request is looked at; ``drawn`` is the condition that its lot was drawn, and fell."""
    return (
        "    # The defence loop looks at a share of all requests; of all, while it acts against any.",
        f"    http-request set-var(txn.look) bool(true) if {drawn} || {{ {LOT} lt 0 }}",
    )


def look() -> tuple[str, ...]:
    """The text of a request that is looked at; after it is known which site."""
    fields = ",".join(_bits() if name == "headers" else f"%[{_EXPRESSIONS[name]}]" for name in FIELDS)
    return (
        f"    http-request set-var-fmt(txn.hello) '{_HELLO}' if {LOOKED_AT} {{ ssl_fc }}",
        f"    http-request set-var-fmt(txn.seen) '{fields}' if {LOOKED_AT}",
        "    http-request set-var(txn.sampled) bool(true)"
        f" if {LOOKED_AT} {{ rand({WHOLE}),sub(proc.within) lt 0 }}",
    )


def _bits() -> str:
    # The last header comes first, so that the text is the number in binary.
    return "".join(f"%[req.fhdr_cnt({name}),bool]" for name in reversed(HEADERS))


def tell() -> tuple[str, ...]:
    """Send the line; once it is known what is done with the request."""
    return (f"    http-request lua.tell if {SAMPLED}",)


# core.Debug sends to the loggers of the global section only.
LUA = """\
core.register_action("tell", {"http-req"}, function(txn)
  core.Debug(table.concat({
    txn:get_var("txn.seen") or "",
    txn:get_var("txn.verdict") or "",
    (txn:get_var("txn.refused") or txn:get_var("txn.challenged")) and "1" or "",
    txn:get_var("txn.cleared") or "",
    txn:get_var("proc.attend") or "",
    txn:get_var("proc.within") or "",
  }, " "))
end, 0)
"""


def shares(every: int, *, standing: bool) -> tuple[int, int]:
    """``proc.attend`` and ``proc.within`` for one line of ``every`` requests; 0: none."""
    if every <= 0:
        return (WHOLE if standing else 0), 0
    share = max(1, WHOLE // every)
    return (WHOLE, share) if standing else (share, WHOLE)


def records(lines: Iterable[bytes]) -> tuple[Records, dict[int, str]]:
    """REQUEST records of lines, and the digests of the sites in them (the record's number → HAProxy's text).

    A line that is not one of ours is left out.
    """
    rows = []
    sites: dict[int, str] = {}
    for line in lines:
        row = _row(line, sites)
        if row is not None:
            rows.append(row)
    return np.array(rows, REQUEST), sites


def _row(line: bytes, sites: dict[int, str]) -> tuple[object, ...] | None:
    try:
        seen, verdict, refused, cleared, attend, within = line.decode("ascii").rstrip("\n").split(" ")
        text = seen.split(",")
        site, address, method, version, tls, bits, agent, language, path, shape, query = text
        number = int(site[:8], 16)
        source, network = _source(address)
        sites[number] = site
        share = int(attend) * int(within)
        return (
            number,
            WHOLE * WHOLE / share,
            source,
            network,
            _client(cleared) if cleared else source,
            int(path or 0),
            int(shape or 0),
            int(query or 0),
            int(agent or 0),
            int(language or 0),
            int(tls or 0),
            int(bits, 2),
            int(verdict.split(".")[1]) if verdict else 0,
            0,
            METHODS.index(method) if method in METHODS else 0,
            VERSIONS.get(version, 0),
            bool(cleared),
            bool(refused),
        )
    except (ValueError, IndexError, ZeroDivisionError):
        return None


def site_number(digest: str) -> int:
    """REQUEST's ``site`` of what stands in the map of sites (see state.host_digest)."""
    return int(digest[:8], 16)


def _source(address: str) -> tuple[int, int]:
    """``source`` and ``network`` of an address in hexadecimal (IPv6: its /64, zeros after it)."""
    if len(address) == 8:
        source = int(address, 16)
        return source, source & ~0xFF
    source = int(address[:16], 16)
    return source, source & ~0xFFFF


def _client(cleared: str) -> int:
    # Above all addresses: 2^63 and a digest of the clearance's id.
    return 1 << 63 | zlib.crc32(cleared.encode())
