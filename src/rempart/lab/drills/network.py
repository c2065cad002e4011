"""Drills of attacks by packets, by questions to the name server and by connections."""

from __future__ import annotations

from rempart.lab.drills.bars import MITIGATED, UNNOTICED
from rempart.lab.drills.contract import Drill, Wave
from rempart.lab.network.world import WorldShape
from rempart.lab.visitors.contract import Population

_WITH_RESOLVERS = Population(dns_queries_per_second=50)
"""Who attacks a name server harms those who ask it. The visitors of pages know the address already."""

_SMALL = WorldShape(edge_cpu=0.5)
"""An edge that one generator on the same machine can overrun with packets, with a margin: near
the edge of what it bears, two runs would not say the same."""

NETWORK = (
    Drill(
        name="syn-flood",
        summary="200,000 SYNs a second from spoofed sources",
        world=_SMALL,
        waves=(Wave(attack="syn-flood"),),
        bars=UNNOTICED,
    ),
    Drill(
        name="ack-flood",
        summary="200,000 ACKs a second that belong to no connection, from spoofed sources",
        world=_SMALL,
        waves=(Wave(attack="ack-flood"),),
        bars=UNNOTICED,
    ),
    Drill(
        name="udp-flood",
        summary="200,000 datagrams of noise a second to any port, from spoofed sources",
        world=_SMALL,
        waves=(Wave(attack="udp-flood"),),
        bars=UNNOTICED,
    ),
    Drill(
        name="fragment-flood",
        summary="150,000 fragments a second, IPv4 and IPv6, of datagrams that never become whole",
        world=_SMALL,
        waves=(Wave(attack="fragment-flood"),),
        bars=UNNOTICED,
    ),
    Drill(
        name="reflected-answer-flood",
        summary="250 Mbit/s of large answers of DNS, NTP and memcached servers to questions that were forged",
        waves=(Wave(attack="reflected-answer-flood"),),
        bars=UNNOTICED,
    ),
    Drill(
        name="dns-query-flood",
        summary="120,000 questions a second for the site's own name, from spoofed sources",
        visitors=_WITH_RESOLVERS,
        waves=(Wave(attack="dns-query-flood"),),
        bars=UNNOTICED,
    ),
    Drill(
        name="dns-random-subdomain",
        summary="100,000 questions a second for names that do not exist, from 20,000 resolvers",
        visitors=_WITH_RESOLVERS,
        waves=(Wave(attack="dns-random-subdomain"),),
        bars=UNNOTICED,
    ),
    Drill(
        name="connection-flood",
        summary="20,000 bots open 5,000 connections a second and hold them without a word",
        waves=(Wave(attack="connection-flood"),),
        bars=MITIGATED,
    ),
    Drill(
        name="tls-handshake-flood",
        summary="20,000 bots begin 2,500 dear TLS handshakes a second and leave when the edge has signed",
        waves=(Wave(attack="tls-handshake-flood"),),
        bars=MITIGATED,
    ),
    Drill(
        name="slow-loris",
        summary="600 more requests a second whose head never ends",
        waves=(Wave(attack="slow-loris"),),
        bars=MITIGATED,
    ),
    Drill(
        name="slow-read",
        summary="150 more readers a second of the largest page, who take a few octets at a time",
        waves=(Wave(attack="slow-read"),),
        bars=MITIGATED,
    ),
    Drill(
        name="slow-post",
        summary="600 more forms a second whose body comes a few octets at a time",
        waves=(Wave(attack="slow-post"),),
        bars=MITIGATED,
    ),
)
