"""Drills of attacks over HTTP, and the mixture."""

from __future__ import annotations

from rempart.lab.drills.bars import MITIGATED
from rempart.lab.drills.contract import Drill, Wave

APPLICATION = (
    Drill(
        name="cache-busting-flood",
        summary="20,000 bots ask for ordinary pages, 400 a second, each with a query that no cache has seen",
        waves=(Wave(attack="cache-busting-flood"),),
        bars=MITIGATED,
    ),
    Drill(
        name="post-flood",
        summary="20,000 bots send forms of 8,000 octets, 400 a second",
        waves=(Wave(attack="post-flood"),),
        bars=MITIGATED,
    ),
    Drill(
        name="http2-rapid-reset",
        summary="12,000 HTTP/2 requests a second for a costly page, each taken back at once",
        waves=(Wave(attack="http2-rapid-reset"),),
        bars=MITIGATED,
    ),
    Drill(
        name="http2-continuation",
        summary="20,000 CONTINUATION frames a second, of headers that never end",
        waves=(Wave(attack="http2-continuation"),),
        bars=MITIGATED,
    ),
    Drill(
        name="cookie-bots",
        summary="2,000 bots with sessions: cookies, referers, pauses; half of what they want is costly",
        waves=(Wave(attack="cookie-bots"),),
        bars=MITIGATED,
    ),
    Drill(
        name="challenge-bots",
        summary="1,500 bots that pass the challenge where there is one, and flood with the clearance",
        waves=(Wave(attack="challenge-bots"),),
        bars=MITIGATED,
    ),
    Drill(
        name="pulse-wave",
        summary="the GET flood in bursts of 3 s with pauses of 3 s",
        waves=(Wave(attack="pulse-wave"),),
        attack_s=15.0,
        least_attack_s=9.0,
        bars=MITIGATED,
    ),
    Drill(
        name="browser-copy",
        summary="10,000 bots that copy Chrome's headers exactly; half of what they want is costly",
        waves=(Wave(attack="browser-copy"),),
        bars=MITIGATED,
    ),
    Drill(
        name="mixture",
        summary="a GET flood, joined one after the other by SYNs, bots with cookies, and HTTP/2 resets",
        waves=(
            Wave(attack="http-get-flood", parameters={"rate": 80.0}),
            Wave(attack="syn-flood", begins=0.2, parameters={"rate": 40_000.0}),
            Wave(attack="cookie-bots", begins=0.4, parameters={"rate": 60.0}),
            Wave(attack="http2-rapid-reset", begins=0.6, parameters={"rate": 500.0}),
        ),
        attack_s=20.0,
        bars=MITIGATED,
    ),
)
