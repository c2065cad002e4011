"""How a sender of ours keeps its truth: a line with running totals ten times a second, the last when it
ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from rempart.lab import bpf
from rempart.lab.attacks.contract import Order, Sample, Sender, Sent
from rempart.lab.network.inside import is_a_labs
from rempart.model.errors import RempartError

SENT_FILE = "sent.tsv"
EVERY_S = 0.1


class Tally:
    """Running totals of one sender, written down every tenth of a second."""

    def __init__(self, folder: Path) -> None:
        self.units = self.packets = self.bytes = self.answered = 0
        self._file = (folder / SENT_FILE).open("w", buffering=1)
        self._next = 0.0

    def maybe_write(self, now: float) -> None:
        """Write the totals when a tenth of a second has passed since the last time."""
        if now >= self._next:
            self.write(now)

    def write(self, now: float) -> None:
        self._file.write(f"{now:.6f}\t{self.units}\t{self.packets}\t{self.bytes}\t{self.answered}\n")
        self._next = now + EVERY_S

    def close(self) -> None:
        self.write(time.monotonic())
        self._file.close()


def read_sent(folder: Path, *, packets: bool = False) -> Sent:
    """What a sender of ours has written by now. ``packets``: it counts packets and octets on the wire."""
    file = folder / SENT_FILE
    samples = []
    for line in file.read_text().splitlines(keepends=True) if file.exists() else ():
        parts = line.split("\t")
        if len(parts) != 5 or not line.endswith("\n"):
            continue
        samples.append(
            Sample(
                at=float(parts[0]),
                units=int(parts[1]),
                packets=int(parts[2]) if packets else None,
                bytes=int(parts[3]) if packets else None,
                answered=None if packets else int(parts[4]),
            )
        )
    return Sent(samples=tuple(samples))


def own_sender(order: Order, module: str, *, packets: bool = False) -> Sender:
    """The sender that is ``python -m rempart.lab.attacks.MODULE ORDER``. ``packets``: it builds frames by
    itself."""
    return Sender(
        argv=(sys.executable, "-m", f"rempart.lab.attacks.{module}", str(order.folder / "order.json")),
        read=lambda: read_sent(order.folder, packets=packets),
        lacks=bpf.lacking if packets else lambda: None,
    )


def run_sender(carry_out: Callable[[Order, Tally], None]) -> None:
    """The main of a sender of ours: reads the order it was given, refuses to attack from anywhere but a lab,
    carries it out, keeps the tally."""
    if not is_a_labs():
        raise RempartError("attacks are sent inside the lab's namespaces only")
    order = Order.model_validate_json(Path(sys.argv[1]).read_text())
    tally = Tally(order.folder)
    try:
        carry_out(order, tally)
    finally:
        tally.close()


class Pacing:
    """When how much should have been sent, pauses of a pulse wave left out. Pure of clocks: time is given."""

    def __init__(self, order: Order, rate: float, on_s: float, off_s: float, rise_s: float = 0.0) -> None:
        self._begin, self._seconds = order.begin_at, order.seconds
        self._rate, self._on, self._off, self._rise = rate, on_s, off_s, rise_s

    def due(self, now: float) -> int:
        """Units that should have left by ``now``."""
        passed = min(now - self._begin, self._seconds)
        if passed <= 0:
            return 0
        if self._on > 0 and self._off > 0:
            whole, part = divmod(passed, self._on + self._off)
            passed = whole * self._on + min(part, self._on)
        risen = min(passed, self._rise)
        # The area under a line that grows from nothing, and what comes after it.
        grown = risen * risen / (2 * self._rise) if self._rise else 0.0
        return int((grown + passed - risen) * self._rate)

    def over(self, now: float) -> bool:
        return now >= self._begin + self._seconds
