"""Where a log can be read from: a folder, or a URL. What comes back is not believed by anybody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Protocol

import httpx

from rempart.controller.transparency.folder import Folder
from rempart.controller.transparency.writer import CHECKPOINT
from rempart.governance.log.note import NOTE_BYTES_MAX
from rempart.governance.log.tiles import WIDTH, Tile, narrowed
from rempart.model.errors import EnvironmentLacks, InvalidInput

AT_ONCE = 8
AHEAD = 32
"""Files that are asked for before they are looked at."""
TIMEOUT_S = 30.0


class Source(Protocol):
    """A log to be read."""

    def checkpoint(self) -> bytes:
        """The signed note. EnvironmentLacks when there is none or the source does not answer."""
        ...

    def fetch(self, tiles: Iterable[Tile]) -> Iterator[bytes | None]:
        """Files in order, None for what is not there; a partial one may be taken from its full one."""
        ...


class FolderSource:
    """A log, or a mirror of one, in a folder."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root)

    def checkpoint(self) -> bytes:
        content = self._read(CHECKPOINT, NOTE_BYTES_MAX)
        if content is None:
            raise EnvironmentLacks(
                str(self.folder.root), f"there is no log in {self.folder.root}: it has no file {CHECKPOINT}"
            )
        return content

    def fetch(self, tiles: Iterable[Tile]) -> Iterator[bytes | None]:
        for tile in tiles:
            yield with_fallback(self._tile, tile)

    def _tile(self, tile: Tile) -> bytes | None:
        return self._read(tile.path, tile.bytes_max)

    def _read(self, path: str, bytes_max: int) -> bytes | None:
        try:
            return self.folder.read(path, bytes_max)
        except OSError as error:
            raise EnvironmentLacks(
                str(self.folder.root / path), f"{self.folder.root / path} cannot be read: {error.strerror}"
            ) from error


class HttpSource:
    """A log that is served; several files are asked for at the same time."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self.url = url.rstrip("/")
        self._client = client

    @classmethod
    @contextmanager
    def at(cls, url: str) -> Iterator[HttpSource]:
        """The log under this prefix."""
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True) as client:
            yield cls(url, client)

    def checkpoint(self) -> bytes:
        content = self._get(CHECKPOINT, NOTE_BYTES_MAX)
        if content is None:
            raise EnvironmentLacks(self.url, f"there is no log under {self.url}: {CHECKPOINT} is not found")
        return content

    def fetch(self, tiles: Iterable[Tile]) -> Iterator[bytes | None]:
        left = iter(tiles)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked: deque[Future[bytes | None]] = deque(
                pool.submit(with_fallback, self._tile, tile) for tile in islice(left, AHEAD)
            )
            try:
                while asked:
                    yield asked.popleft().result()
                    asked.extend(pool.submit(with_fallback, self._tile, tile) for tile in islice(left, 1))
            finally:
                for one in asked:
                    one.cancel()

    def _tile(self, tile: Tile) -> bytes | None:
        return self._get(tile.path, tile.bytes_max)

    def _get(self, path: str, bytes_max: int) -> bytes | None:
        url = f"{self.url}/{path}"
        try:
            with self._client.stream("GET", url) as answer:
                if answer.status_code in (404, 410):
                    return None
                if answer.status_code != 200:
                    raise EnvironmentLacks(url, f"{url} answers {answer.status_code}")
                content = bytearray()
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > bytes_max:
                        break  # whatever it is, the audit finds that it is too long
                return bytes(content[: bytes_max + 1])
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EnvironmentLacks(url, f"{url} cannot be read: {error or type(error).__name__}") from error


class Reading(Protocol):
    """One file of a log."""

    def __call__(self, tile: Tile, /) -> bytes | None: ...


def with_fallback(read: Reading, tile: Tile) -> bytes | None:
    """A file; a partial one that is gone is taken from the full one that has replaced it."""
    content = read(tile)
    if content is None and tile.width < WIDTH:
        full = read(tile.full)
        if full is not None:
            try:
                return narrowed(tile, full)
            except InvalidInput:
                return None
    return content
