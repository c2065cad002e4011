"""What one layer's loop has learnt, as it outlives its process: octets out of a watch, and back. Pure.

Where it stands: the node keeps the octets in a file (``node/defending/memory.py``). In them are the
profile of each site or class of packets, and the good records. Addresses are cut to their networks (/24,
/48) before anything is kept. What comes back is as old as it is: of records and certainty half is
forgotten every ``HALF_LIFE_S``, and the bound on how fast anything is learnt goes on where it was, so that
who makes a process restart teaches it nothing.

The octets are a line that says what they are, a digest, and arrays in numpy's own format, of which nothing is
executed. Whatever is not exactly that is refused as a whole.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rempart.defence.baseline import HOURS
from rempart.defence.watch import Watch
from rempart.model.attacks import Layer, Records
from rempart.model.base import Value

MAGIC = b"rempart learnt 1\n"
HALF_LIFE_S = 86_400.0
_DIGEST = 32
_FLOATS = ("level", "ceiling", "latency", "known")

Arrays = Mapping[str, NDArray[Any]]


class Recalled(Value):
    """What came back."""

    age_s: float
    profiles: int
    """Sites, or classes of packets and services."""
    records: int
    """Good ones."""


def kept(watch: Watch, services: NDArray[np.int64], now: float, wall: float) -> bytes:
    """All that ``watch`` knows, at ``now`` of the loop's clock, ``wall`` in Unix time. ``services``: of
    packets that have a profile of their own."""
    records, strata = watch.reservoir.records(), watch.reservoir.keys()
    arrays = {
        **watch.baseline.kept(now),
        "services": services,
        "records": shortened(watch.layer, records),
        "strata": strata.copy(),
        "wall": np.array([float(wall)]),
    }
    body = io.BytesIO()
    np.savez(body, **arrays)  # type: ignore[arg-type]  # of its stubs: any name may be an array
    octets = body.getvalue()
    return MAGIC + hashlib.sha256(octets).digest() + octets


def recall(
    octets: bytes, watch: Watch, now: float, wall: float, most_s: float
) -> tuple[Recalled, NDArray[np.int64]]:
    """Give a fresh ``watch`` what was kept; what that was, and the services. ValueError in words when it
    cannot be used, or is older than ``most_s``: then nothing has changed."""
    arrays = _arrays(octets)
    age = max(0.0, wall - float(_array(arrays, "wall", np.dtype(np.float64), 1)[0]))
    if age > most_s:
        raise ValueError(f"it is {age / 86_400:.1f} days old")
    keys = _array(arrays, "keys", np.dtype(np.int64))
    if keys.size and not (np.diff(keys) > 0).all():
        raise ValueError("its keys are not in order")
    floats = {name: _numbers(_array(arrays, name, np.dtype(np.float64), keys.size)) for name in _FLOATS}
    hours = _numbers(_array(arrays, "hours", np.dtype(np.float32), keys.size, HOURS))
    hour_age = float(_numbers(_array(arrays, "hour_age", np.dtype(np.float64), 1))[0])
    records = _array(arrays, "records", watch.reservoir.dtype)
    strata = _array(arrays, "strata", np.dtype(np.int64), records.size)
    services = _array(arrays, "services", np.dtype(np.int64))
    fresh = 0.5 ** (age / HALF_LIFE_S)
    watch.baseline.recall(
        keys,
        {**floats, "known": floats["known"] * fresh},
        hours,
        now - hour_age - age,
    )
    watch.reservoir.recall(records, strata, fresh)
    return Recalled(age_s=age, profiles=int(keys.size), records=watch.reservoir.size), services


def shortened(layer: Layer, records: Records) -> Records:
    """The same records, of whose senders only the networks are left: /24 of IPv4, /48 of IPv6."""
    short = records.copy()
    if layer is Layer.REQUEST:
        short["source"] = short["client"] = short["network"]
        return short
    header = short["header"]
    high, low = header["source_high"].astype(np.uint64), header["source_low"].astype(np.uint64)
    # An IPv4 address stands mapped in the lower half.
    old = high == 0
    header["source_low"] = np.where(old, low & ~np.uint64(0xFF), np.uint64(0))
    header["source_high"] = np.where(old, high, high & ~np.uint64(0xFFFF))
    return short


def _arrays(octets: bytes) -> Arrays:
    if not octets.startswith(MAGIC):
        raise ValueError("it is not what this version keeps")
    body = octets[len(MAGIC) + _DIGEST :]
    if hashlib.sha256(body).digest() != octets[len(MAGIC) : len(MAGIC) + _DIGEST]:
        raise ValueError("it is damaged")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"it cannot be read: {error}") from error


def _array(arrays: Arrays, name: str, dtype: np.dtype[Any], *shape: int) -> NDArray[Any]:
    found = arrays.get(name)
    if (
        found is None
        or found.dtype != dtype
        or (shape and found.shape != shape)
        or found.ndim != max(1, len(shape))
    ):
        raise ValueError(f"its {name} are not what this version keeps")
    return found


def _numbers(found: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(found).all() or (found < 0).any():
        raise ValueError("it holds figures that are none")
    return found
