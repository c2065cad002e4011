"""The attacks that are said over HTTP, for the catalogue."""

from __future__ import annotations

from rempart.lab.attacks.browser_copy import BROWSER_COPY
from rempart.lab.attacks.cache_busting_flood import CACHE_BUSTING_FLOOD
from rempart.lab.attacks.challenge_bots import CHALLENGE_BOTS
from rempart.lab.attacks.contract import Attack
from rempart.lab.attacks.cookie_bots import COOKIE_BOTS
from rempart.lab.attacks.http2_continuation import HTTP2_CONTINUATION
from rempart.lab.attacks.http2_rapid_reset import HTTP2_RAPID_RESET
from rempart.lab.attacks.post_flood import POST_FLOOD
from rempart.lab.attacks.pulse_wave import PULSE_WAVE

APPLICATION: tuple[Attack, ...] = (
    CACHE_BUSTING_FLOOD,
    POST_FLOOD,
    HTTP2_RAPID_RESET,
    HTTP2_CONTINUATION,
    COOKIE_BOTS,
    CHALLENGE_BOTS,
    PULSE_WAVE,
    BROWSER_COPY,
)
