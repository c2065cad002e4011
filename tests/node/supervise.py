"""A supervisor over six small processes: ``python -m tests.node.supervise STATE VERSION [marked]``.

The parts stand for their engines only in that they live, ignore or take signals, and die; everything about
supervising them is real.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rempart.model.configuration import Configuration
from rempart.node import logs, state_folders
from rempart.node.parts import settings_mark, take_lock
from rempart.node.supervisor import PartCommand, Supervisor

LIVE = """
import signal, sys, time
def end(number, frame):
    print("ended by", signal.Signals(number).name, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGUSR1, end)
print("begun", flush=True)
while True:
    time.sleep(60)
"""


def main(state: Path, version: str, marked: bool) -> None:
    configuration = Configuration(state=state)
    logs.configure()
    state_folders.prepare(configuration, is_root=False)
    if take_lock(configuration.paths) is None:
        sys.exit(3)

    def part(name: str, boot_file: Path | None = None) -> PartCommand:
        used = "engine" if boot_file else version
        mark = settings_mark(configuration.paths, name) if boot_file and marked else None
        return PartCommand((sys.executable, "-c", LIVE, str(state), name), used, boot_file, mark=mark)

    paths = configuration.paths
    commands = {
        "controller": part("controller"),
        "node": part("node"),
        "gate": part("gate"),
        "defence": part("defence"),
        "haproxy": part("haproxy", paths.haproxy_config),
        "knot": part("knot", paths.knot_config),
    }
    Supervisor(configuration, commands).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], "marked" in sys.argv[3:])
