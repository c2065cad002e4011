"""The attacks there are. An attack that is not in this table does not exist."""

from __future__ import annotations

from rempart.lab.attacks.application import APPLICATION
from rempart.lab.attacks.contract import Attack
from rempart.lab.attacks.http_get_flood import HTTP_GET_FLOOD
from rempart.lab.attacks.network import NETWORK

ATTACKS: dict[str, Attack] = {attack.name: attack for attack in (HTTP_GET_FLOOD, *APPLICATION, *NETWORK)}
