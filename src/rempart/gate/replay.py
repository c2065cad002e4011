"""The bounded memory of nonces that were used. Pure: time is an argument.

It starts empty, so whatever was issued before it began counts as expired: a gate that was restarted does not
take a challenge a second time. When it is full the oldest is forgotten; each entry has cost somebody a passed
challenge, so REMEMBERED_MAX within one challenge's lifetime is more than a gate can pass.
"""

from __future__ import annotations

REMEMBERED_MAX = 200_000
"""About 40 MB."""


class ReplayMemory:
    """Which nonces were used. ``since``: when this memory began, in seconds since the epoch."""

    def __init__(self, since: float, *, size: int = REMEMBERED_MAX) -> None:
        self._since = int(since)
        self._size = size
        self._expires: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._expires)

    def forgets(self, issued: int, now: float) -> bool:
        """True for a challenge from before this memory.

        Once a clock was set back to before the beginning, nothing is: else nobody would pass until it has
        caught up. What was used since is still known.
        """
        if now < self._since:
            self._since = 0
        return issued < self._since

    def first_time(self, nonce: str, expires: int, now: float) -> bool:
        """True when ``nonce`` was not used yet; it is from now on."""
        self._sweep(now)
        if nonce in self._expires:
            return False
        if len(self._expires) >= self._size:
            del self._expires[next(iter(self._expires))]
        self._expires[nonce] = expires
        return True

    def _sweep(self, now: float) -> None:
        # In the order of use, which is nearly that of expiry: looking at the oldest few is enough.
        for nonce in [nonce for nonce, _ in zip(self._expires, range(4), strict=False)]:
            if self._expires[nonce] <= now:
                del self._expires[nonce]
