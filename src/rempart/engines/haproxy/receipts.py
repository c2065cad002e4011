"""How HAProxy makes a receipt (``model.receipts``): expressions inside the page, so only who is refused
pays. Pure.

A page's expressions are evaluated in their order, and the converter ``set-var`` keeps what one printed, so
the last one can sign what those before it have printed. No ``regsub`` here: HAProxy 2.6 dies of one in a
page of its ``defaults``. ``tests/engines/haproxy/test_receipts.py`` holds this against
``model.receipts.read``.
"""

from __future__ import annotations

from rempart.engines.haproxy.names import Places
from rempart.model.receipts import HOST_MOST, KEY_VALUES, MAC_DIGITS, NETWORK_DIGITS, SHORT4, SHORT6

RECEIPT_KEY = "receipt"
"""Its key in the gate's map."""


def first(status: int, places: Places) -> str:
    """The log-format text that works the receipt out and prints it; once, before ``again``."""
    return "".join(
        (
            f"%[capture.req.hdr(0),host_only,lower,rtrim(.),url_enc,bytes(0,{HOST_MOST}),set-var(txn.r_host)]",
            f".{status}-%[var(txn.why)]-%[var(txn.verdict),field(2,.),set-var(txn.r_number)]",
            ".%[date,hex,bytes(8,8),lower,set-var(txn.r_time)]",
            # What is printed of the key names it and tells nothing else of it.
            f".%[str({RECEIPT_KEY}),map_str({places.gate}),set-var(txn.r_key),crc32,mod({KEY_VALUES}),set-var(txn.r_kid)]",
            f".%[src,ipmask({SHORT4},{SHORT6}),hex,bytes(0,{NETWORK_DIGITS}),lower,set-var(txn.r_net)]",
            f".%[str(1),concat(.,txn.r_host),concat(.{status}-,txn.why,-),concat(,txn.r_number,.),concat(,txn.r_time,.)"
            f",concat(,txn.r_kid,.),concat(,txn.r_net),set-var(txn.r_text),hmac(sha256,txn.r_key),hex"
            f",bytes(0,{MAC_DIGITS}),lower,set-var(txn.r_mac)]",
        )
    )


def again() -> str:
    """The same receipt once more in the same page."""
    # Without the version in front, which is only signed.
    return "%[var(txn.r_text),bytes(2)].%[var(txn.r_mac)]"
