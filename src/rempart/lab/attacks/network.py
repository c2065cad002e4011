"""The attacks by packets, by questions to the name server and by connections, for the catalogue."""

from __future__ import annotations

from rempart.lab.attacks.ack_flood import ACK_FLOOD
from rempart.lab.attacks.connection_flood import CONNECTION_FLOOD
from rempart.lab.attacks.contract import Attack
from rempart.lab.attacks.dns_query_flood import DNS_QUERY_FLOOD
from rempart.lab.attacks.dns_random_subdomain import DNS_RANDOM_SUBDOMAIN
from rempart.lab.attacks.fragment_flood import FRAGMENT_FLOOD
from rempart.lab.attacks.reflected_answer_flood import REFLECTED_ANSWER_FLOOD
from rempart.lab.attacks.slow_loris import SLOW_LORIS
from rempart.lab.attacks.slow_post import SLOW_POST
from rempart.lab.attacks.slow_read import SLOW_READ
from rempart.lab.attacks.syn_flood import SYN_FLOOD
from rempart.lab.attacks.tls_handshake_flood import TLS_HANDSHAKE_FLOOD
from rempart.lab.attacks.udp_flood import UDP_FLOOD

NETWORK: tuple[Attack, ...] = (
    SYN_FLOOD,
    ACK_FLOOD,
    UDP_FLOOD,
    FRAGMENT_FLOOD,
    REFLECTED_ANSWER_FLOOD,
    DNS_QUERY_FLOOD,
    DNS_RANDOM_SUBDOMAIN,
    CONNECTION_FLOOD,
    TLS_HANDSHAKE_FLOOD,
    SLOW_LORIS,
    SLOW_READ,
    SLOW_POST,
)
