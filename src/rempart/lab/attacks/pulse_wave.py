"""Pulse wave: the GET flood in bursts with pauses between. Defences that need seconds to rise and fall again
in the pause meet every burst anew."""

from __future__ import annotations

from rempart.lab.attacks.bots import BotParameters
from rempart.lab.attacks.contract import Attack, Sources, Unit
from rempart.lab.attacks.reporting import own_sender

PULSE_WAVE = Attack(
    name="pulse-wave",
    unit=Unit.REQUESTS,
    summary="the GET flood of a costly page, 3 s on, 3 s off",
    defaults=BotParameters(rate=150, sources=Sources.PREFIXES, v6_share=0.2, on_s=3.0, off_s=3.0),
    sender=lambda order: own_sender(order, "http_get_flood"),
)
