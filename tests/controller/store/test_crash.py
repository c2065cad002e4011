"""A write that was acknowledged survives SIGKILL at any moment; what was not is there whole or not at all."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rempart.controller.intents import OPERATOR, Intents
from rempart.controller.store.database import Store
from rempart.model.configuration import Configuration
from tests.controller.intents.conftest import published

WRITER = """
import sys
from pathlib import Path
from rempart.controller.intents import OPERATOR, Intents
from rempart.controller.store.database import Store
from rempart.model.configuration import Configuration
from rempart.model.records import RecordDraft

edge = {"addresses": ["192.0.2.80"]}
configuration = Configuration.model_validate({"state": Path(sys.argv[1]), "edge": edge})
intents = Intents(Store.open(configuration), configuration)
intents.apply_configuration()
zone = intents.zones.list(name="example.org").items[0]
for number in range(100_000):
    tag = f"{sys.argv[2]}-{number}"
    # Two records in one transaction: both must be there, or none.
    drafts = [
        RecordDraft.model_validate({"type": "A", "name": f"{half}-{tag}", "content": "203.0.113.1"})
        for half in "ab"
    ]
    written = intents.records.import_drafts(OPERATOR, zone.id, drafts)
    print(tag, written.revision, flush=True)
"""


@pytest.mark.slow
def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    configuration = Configuration.model_validate({"state": tmp_path, "edge": {"addresses": ["192.0.2.80"]}})
    with Store.open(configuration) as store:
        intents = Intents(store, configuration)
        intents.apply_configuration()
        intents.zones.create(OPERATOR, "example.org")
    chance = random.Random(7)
    acknowledged: dict[str, int] = {}
    for round_ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(round_)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        try:
            lines = [writer.stdout.readline()]  # it has begun
            time.sleep(chance.uniform(0.0, 0.4))
            writer.send_signal(signal.SIGKILL)
            lines += writer.stdout.read().splitlines()
        finally:
            writer.kill()
            writer.wait()
            writer.stdout.close()
        for line in lines:
            if len(line.split()) == 2 and line.strip():
                tag, revision = line.split()
                acknowledged[tag] = int(revision)
        with Store.open(configuration) as store:
            intents = Intents(store, configuration)
            zone = intents.zones.get("example.org")
            names = {record.name for record in intents.records.export(zone.id)}
            items = published(intents)
            for tag in acknowledged:
                assert f"a-{tag}.example.org" in names
            for name in names:
                assert f"rrset/example.org/{name}/A" in items, "a row without its item"
                other = ("b" if name.startswith("a") else "a") + name[1:]
                assert other in names, "half a transaction"
            assert intents.published.revision() >= max(acknowledged.values())
            assert intents.audit.list().total == len(names) // 2 + 2
    assert len(acknowledged) > 8
