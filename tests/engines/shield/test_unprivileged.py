"""The shield's own user: without root, with the three capabilities that are needed, everything works."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from rempart.engines.shield import bpffs, lists, loader, rules, tables
from rempart.engines.shield.layout import Reason
from rempart.model.shield import RuleAction, ShieldOrders, ShieldRule
from tests.engines.shield.conftest import Wire
from tests.engines.shield.objects import SHIELD, binary

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become another user"),
]

CAPABILITIES = "+bpf,+net_admin,+perfmon"
SOURCE = Path(loader.__file__).parents[3]
SCRIPT = """
import os, sys
from pathlib import Path
from rempart.engines.shield import lists, loader, ring, rules, tables
from rempart.model.shield import RuleAction, ShieldOrders, ShieldRule

assert os.geteuid() != 0
shield = loader.load(Path(sys.argv[2]).read_bytes(), Path(sys.argv[1]))
with shield.lock():
    attachment = shield.attach("guarded0")
tables.configure(shield, ShieldOrders())
tables.serve(shield, {443: 1})
blocked = lists.blocked(shield)
blocked.put("198.51.100.7")
assert blocked.remove("198.51.100.7").is_free
blocked.put("198.51.100.8")
blocked.sweep()
before = sorted(rules.hits(shield))
rules.replace(shield, [ShieldRule(id=int(sys.argv[3]), action=RuleAction.DROP, protocol=99)])
ring.Ring(shield.maps["samples"]).read()
print(attachment.adopted, shield.loaded.adopted, len(shield.loaded.kept), before, sorted(rules.hits(shield)))
"""


def _as_nobody(wire: Wire, pins: Path, program: Path, number: int) -> str:
    user = pwd.getpwnam("nobody")
    done = subprocess.run(
        wire.command(
            *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
            *("--inh-caps", f"-all,{CAPABILITIES}", "--ambient-caps", f"-all,{CAPABILITIES}"),
            *("--bounding-set", f"-all,{CAPABILITIES}", "--no-new-privs"),
            *(sys.executable, "-c", SCRIPT, str(pins), str(program), str(number)),
        ),
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def programs() -> tuple[Path, Path]:
    """Two versions, where everybody may read them."""
    from rempart.lab.leftovers import short_folder

    folder = short_folder()
    folder.chmod(0o755)
    paths = (folder / "first.o", folder / "second.o")
    paths[0].write_bytes(loader.compiled())
    paths[1].write_bytes(binary(SHIELD + "int another_version;"))
    return paths


def test_it_loads_attaches_changes_and_takes_over(
    wire: Wire, pins: Path, programs: tuple[Path, Path]
) -> None:
    nobody = pwd.getpwnam("nobody")
    bpffs.prepare(pins, (nobody.pw_uid, nobody.pw_gid))
    maps = len(loader.load(loader.compiled(), None).maps)
    assert _as_nobody(wire, pins, programs[0], 1) == "False False 0 [] [1]"
    assert _as_nobody(wire, pins, programs[0], 2).startswith("True True ")
    taken_over = _as_nobody(wire, pins, programs[1], 3)
    assert taken_over.startswith("True False ")
    assert taken_over.endswith("[2] [3]")
    assert 0 < int(taken_over.split()[2]) <= maps


def test_what_root_writes_stays_its_own(wire: Wire, pins: Path, programs: tuple[Path, Path]) -> None:
    nobody = pwd.getpwnam("nobody")
    bpffs.prepare(pins, (nobody.pw_uid, nobody.pw_gid))
    _as_nobody(wire, pins, programs[0], 1)
    shield = loader.adopt(pins)
    lists.blocked(shield).put("203.0.113.0/24")
    tables.configure(shield, ShieldOrders())
    rules.replace(shield, [ShieldRule(id=8, action=RuleAction.DROP, protocol=98)])
    assert tables.counters(shield)[Reason.DROP_BLOCKED].packets == 0
    assert {one.stat().st_uid for one in pins.iterdir()} == {nobody.pw_uid}
    assert "[8] [9]" in _as_nobody(wire, pins, programs[0], 9)
