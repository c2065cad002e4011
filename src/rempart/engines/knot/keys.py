"""DNSSEC keys out of Knot's key database, and into it: through zone-backup and zone-restore.

Knot keeps keys where only its own user reads, and its control protocol has no command that shows one. What it
has are backups: it writes a zone's keys into a folder that it is given, and takes them from one. Both folders
are made here, below ``knot/``, where nobody comes but node and Knot; and the keys in a backup that is to be
restored are put together by keymgr(8), which comes with Knot. Seen with Knot 3.2.6.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rempart.engines.knot.pem import readable_pem
from rempart.engines.knot.records import absolute
from rempart.engines.knot.session import BLOCKING, FORCED, ControlSession
from rempart.model.errors import EngineRefused, EnvironmentLacks
from rempart.model.zone_keys import ALGORITHMS, KeyTimes, ZoneKey, ZoneKeys

KEYMGR_TIMEOUT_S = 30
ONLY_KEYS = "kTZJC"
"""Filters of zone-backup and zone-restore: +kaspdb +notimers +nozonefile +nojournal +nocatalog."""
FOR_KNOT = 0o2777
"""Knot is nobody to the folders that it writes into: it may, because it comes through ``knot/``, where
strangers do not. The set-group-ID bit makes what it writes ours to read; ours to remove it is because the
folders are."""
LABEL = "knot_backup.label"
_LABEL_TEXT = "label: Knot DNS Backup\nbackup_format: 2\n"
_TIMES = tuple(KeyTimes.model_fields)


class KeyExchange:
    """Takes keys from a running knotd, and brings them to it."""

    def __init__(self, connect: Callable[[], ControlSession], folder: Path) -> None:
        """``folder``: where both users come, and nobody else."""
        self._connect = connect
        self._folder = folder

    def take(self, zone: str) -> ZoneKeys | None:
        """The keys that Knot signs ``zone`` with; None when it has none.

        Raises EngineRefused when Knot does not know the zone, EnvironmentLacks when keymgr or the folder
        fails.
        """
        with self._exchange() as place:
            database = place / "keys"
            for folder in (place, database, database / "keys"):
                folder.mkdir(exist_ok=True)
                os.chown(folder, -1, os.getegid())
                folder.chmod(FOR_KNOT)
            with self._connect() as session:
                session.execute(
                    "zone-backup",
                    zone=absolute(zone),
                    flags=BLOCKING + FORCED,
                    filters="d" + ONLY_KEYS,
                    data=str(place),
                )
            listed = json.loads(_keymgr(database, zone, "list", "-j") or "[]")
            keys = [_key(database, one) for one in listed if not one.get("public-only")]
            try:
                return ZoneKeys(zone=zone, keys=tuple(keys)) if keys else None
            except ValidationError as error:
                raise EngineRefused("knot", f"its keys cannot be kept: {_words(error)}", item=zone) from None

    def bring(self, held: ZoneKeys) -> None:
        """Have Knot sign the zone, which it serves, with these keys and no others.

        Raises EngineRefused when it does not take them, EnvironmentLacks when keymgr or the folder fails.
        """
        with self._exchange() as place:
            place.chmod(0o2770)
            database = place / "keys"
            database.mkdir(mode=0o770)
            for number, key in enumerate(held.keys):
                pem = place / f"{number}.pem"
                with pem.open("x") as file:
                    os.fchmod(file.fileno(), 0o600)
                    file.write(key.private_pem)
                _keymgr(database, held.zone, "import-pem", str(pem), *_attributes(key))
                pem.unlink()
            for path in (database, *database.rglob("*")):
                # keymgr writes for its own user; knotd reads, and locks.
                path.chmod(0o770 if path.is_dir() else 0o660)
            (place / LABEL).write_text(_LABEL_TEXT)
            (place / LABEL).chmod(0o640)
            with self._connect() as session:
                session.execute(
                    "zone-restore",
                    zone=absolute(held.zone),
                    flags=BLOCKING + FORCED,
                    filters="d" + ONLY_KEYS,
                    data=str(place),
                )

    @contextmanager
    def _exchange(self) -> Iterator[Path]:
        try:
            place = Path(tempfile.mkdtemp(prefix="keys-", dir=self._folder))
            try:
                yield place
            finally:
                shutil.rmtree(place)
        except OSError as error:
            raise EnvironmentLacks("folder", f"keys cannot be exchanged in {self._folder}: {error}") from None


def _keymgr(database: Path, zone: str, *words: str) -> str:
    command = ["keymgr", "-D", str(database), absolute(zone), *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=KEYMGR_TIMEOUT_S, check=False, umask=0o007
        )
    except FileNotFoundError:
        raise EnvironmentLacks("keymgr", "keymgr is not installed", hint="apt install knot") from None
    except subprocess.TimeoutExpired:
        raise EnvironmentLacks("keymgr", f"keymgr did not end within {KEYMGR_TIMEOUT_S} s") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise EngineRefused("knot", f"keymgr: {lines[-1]}", item=zone)
    return done.stdout


def _key(database: Path, listed: dict[str, Any]) -> ZoneKey:
    pem = (database / "keys" / f"{listed['id']}.pem").read_text("ascii")
    with contextlib.suppress(ValueError):  # pydantic's is one
        return ZoneKey(
            algorithm=listed["algorithm"],
            ksk=listed["ksk"],
            zsk=listed["zsk"],
            times=KeyTimes(**{name: listed.get(name) or None for name in _TIMES}),
            private_pem=readable_pem(pem, listed["algorithm"]),
        )
    raise EngineRefused("knot", f"key {listed.get('tag')} is of a kind that is not known here")


def _attributes(key: ZoneKey) -> list[str]:
    times = {name: at for name in _TIMES if (at := getattr(key.times, name)) is not None}
    return [
        f"algorithm={ALGORITHMS[key.algorithm]}",
        f"ksk={'yes' if key.ksk else 'no'}",
        f"zsk={'yes' if key.zsk else 'no'}",
        *(f"{name}={at}" for name, at in times.items()),
    ]


def _words(error: ValidationError) -> str:
    return str(error.errors(include_url=False, include_input=False)[0]["msg"])
