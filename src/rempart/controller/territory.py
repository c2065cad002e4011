"""The operator's table of networks and countries, as the controller needs it: which countries there are, and
where this machine is. The edge has its own copy (``engines.haproxy.territory``)."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rempart.model.configuration import TerritorySection
from rempart.model.errors import EnvironmentLacks, InvalidInput
from rempart.model.territory import Network, networks

_WHAT_TO_DO = 'name a CSV file of network,country in rempart.toml: [territory] networks = "FILE"'


class Territory:
    """Safe to use from any thread. What the table says is kept until the file changes."""

    def __init__(self, section: TerritorySection) -> None:
        self._file = section.networks
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, int], frozenset[str]] | None = None

    def check(self, countries: Iterable[str]) -> None:
        """EnvironmentLacks without a table; InvalidInput for a country that it has no network of."""
        there = self._countries()
        unknown = sorted(set(countries) - there)
        if unknown:
            raise InvalidInput(
                f"{self._file} has no network of {', '.join(unknown)}", field="measure.territory"
            )

    def country_of(self, address: str) -> str | None:
        """Where the smallest network with this address is; None when no network has it. Reads all of the
        table: seconds for a large one."""
        if self._file is None:
            return None
        ip = ipaddress.ip_address(address)
        best: tuple[int, str] | None = None
        with self._table(self._file) as found:
            for network, country in found:
                if ip in network and (best is None or network.prefixlen > best[0]):
                    best = network.prefixlen, country
        return None if best is None else best[1]

    def _countries(self) -> frozenset[str]:
        if self._file is None:
            raise EnvironmentLacks(
                "territory.networks",
                "where visitors are is not known: there is no table of networks",
                hint=_WHAT_TO_DO,
            )
        with self._lock, self._table(self._file) as found:
            about = self._file.stat()
            stamp = (about.st_size, about.st_mtime_ns)
            if self._known is None or self._known[0] != stamp:
                self._known = stamp, frozenset(country for _, country in found)
            return self._known[1]

    @contextmanager
    def _table(self, file: Path) -> Iterator[Iterator[tuple[Network, str]]]:
        try:
            with file.open(newline="", encoding="utf-8") as lines:
                yield networks(lines, str(file))
        except OSError as error:
            raise EnvironmentLacks(
                "territory.networks", f"{file} cannot be read: {error.strerror}", hint=_WHAT_TO_DO
            ) from error
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{file} is no text", field="territory.networks") from error
