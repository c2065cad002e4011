"""The node's end of the feed: asks for what changed, checks every delta, reports what became of it.

Where it stands: ``service.py`` calls it; nothing that came over the socket leaves here unverified.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from rempart.model.errors import EnvironmentLacks, InvalidInput
from rempart.model.zone_keys import ZoneKeys
from rempart.node.following import Position
from rempart.snapshot.feed import DELTA_BYTES_MAX, NodeReport
from rempart.snapshot.items import Delta, SignedDelta
from rempart.snapshot.signing import verify

WAIT_SECONDS = 25.0
ENVELOPE_BYTES_MAX = 2 * DELTA_BYTES_MAX
"""A payload as a JSON string: escaping at most doubles what is mostly quotation marks."""


class FeedClient:
    """One node's connection to its controller's feed socket."""

    def __init__(self, socket: Path, key: Ed25519PublicKey) -> None:
        self._key = key
        self._client = httpx.AsyncClient(
            # No TLS over a Unix socket; an empty context spares reading a list of authorities.
            transport=httpx.AsyncHTTPTransport(
                uds=str(socket), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            ),
            base_url="http://feed",
            timeout=httpx.Timeout(10.0, read=WAIT_SECONDS + 30.0),
            trust_env=False,
        )

    async def next_delta(self, position: Position) -> Delta:
        """The next delta after ``position``, verified; after some waiting it may come back empty.

        Raises EnvironmentLacks when the controller cannot be reached or answers with an error, InvalidInput
        when what it sent must not be used.
        """
        query: dict[str, str | float] = {"since": position.revision, "epoch": position.epoch}
        if position.run is not None:
            query["since"] = position.run.since
            query["cursor"] = position.run.cursor
        else:
            query["wait"] = WAIT_SECONDS
        try:
            async with self._client.stream("GET", "/feed/v1/changes", params=query) as answer:
                body = bytearray()
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > ENVELOPE_BYTES_MAX:
                        raise InvalidInput(f"more than {ENVELOPE_BYTES_MAX} bytes", field="delta size")
        except httpx.HTTPError as error:
            raise EnvironmentLacks("controller", f"the feed cannot be reached: {_words(error)}") from error
        if answer.status_code != httpx.codes.OK:
            words = bytes(body[:200]).decode(errors="replace")
            raise EnvironmentLacks("controller", f"the feed answered {answer.status_code}: {words}")
        # Large ones take their time to parse; the engines' steps go on meanwhile.
        return await asyncio.to_thread(self._verified, bytes(body))

    async def report(self, report: NodeReport) -> None:
        """Deliver a report; EnvironmentLacks when that is not possible."""
        try:
            answer = await self._client.post(
                "/feed/v1/report",
                content=report.model_dump_json(),
                headers={"content-type": "application/json"},
                timeout=10.0,
            )
        except httpx.HTTPError as error:
            raise EnvironmentLacks("controller", f"the feed cannot be reached: {_words(error)}") from error
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise EnvironmentLacks("controller", f"the report was answered with {answer.status_code}")

    async def tell_keys(self, keys: ZoneKeys) -> bool:
        """Deliver keys; False when the controller has no use for them. EnvironmentLacks when that is not
        possible."""
        try:
            answer = await self._client.post(
                "/feed/v1/keys",
                content=keys.model_dump_json(),
                headers={"content-type": "application/json"},
                timeout=10.0,
            )
        except httpx.HTTPError as error:
            raise EnvironmentLacks("controller", f"the feed cannot be reached: {_words(error)}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise EnvironmentLacks("controller", f"the keys were answered with {answer.status_code}")
        return True

    async def close(self) -> None:
        await self._client.aclose()

    def _verified(self, body: bytes) -> Delta:
        try:
            signed = SignedDelta.model_validate_json(body)
        except ValidationError as error:
            raise InvalidInput("not a signed delta", field="delta schema") from error
        return verify(signed, self._key)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
