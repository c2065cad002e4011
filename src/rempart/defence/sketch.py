"""Heavy hitters in bounded memory: which keys had most, whatever number of keys there were.

Misra and Gries' summary (1982), fed by whole batches: a batch's exact counts are merged into the summary and
the ``capacity + 1``-th largest count is taken off all (Agarwal et al., Mergeable Summaries, PODS 2012,
section 3). A count is too small by at most total / (capacity + 1), never too large. docs/decisions/0015 says
why not a library.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Counts = NDArray[np.float64]


class HeavyHitters:
    """Counts of at most ``capacity`` keys."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.keys: Keys = np.zeros(0, np.uint64)
        self.counts: Counts = np.zeros(0)
        self.total = 0.0

    def add(self, keys: Keys, weights: Counts) -> None:
        """A batch; a key may come more than once."""
        every, place = np.unique(np.concatenate([self.keys, keys.astype(np.uint64)]), return_inverse=True)
        counts: Counts = np.bincount(
            place, weights=np.concatenate([self.counts, weights]), minlength=every.size
        ).astype(np.float64)
        self.total += float(weights.sum())
        if every.size > self.capacity:
            cut = np.partition(counts, every.size - self.capacity - 1)[every.size - self.capacity - 1]
            kept = counts > cut
            every, counts = every[kept], counts[kept] - cut
        self.keys, self.counts = every, counts

    def fade(self, share: float) -> None:
        """Forget part of everything, so that what was heavy long ago is not heavy for ever."""
        self.counts = self.counts * share
        self.total *= share

    def heavy(self, share: float) -> Keys:
        """Keys with more than ``share`` of all."""
        return np.asarray(self.keys[self.counts > share * self.total], dtype=np.uint64)
