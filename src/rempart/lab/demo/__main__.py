"""The demo's options: the story unless the tour is asked for."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rempart.lab.demo import story, tour
from rempart.lab.demo.tour import CHECKOUT, say
from rempart.model.errors import RempartError


def main() -> int:
    """Run the demo; 0 when everything was as it should be, 1 when not, 3 when something is missing."""
    parser = argparse.ArgumentParser(
        prog="bin/demo",
        description="A real forum falls under attack, stands behind Rempart, falls when three arbiters lift"
        " that, stands at a second operator, and at the first again when an appeal reverses it: five attacks,"
        " and the whole process between them, in a small Internet on this machine, as root.",
    )
    parser.add_argument(
        "--report", type=Path, default=CHECKOUT / "demo-report", help="where the page is written"
    )
    parser.add_argument("--picture", type=Path, help="an SVG of what was said, written here")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same visits and attack")
    touring = parser.add_argument_group("another demo, which needs no root")
    touring.add_argument("--tour", action="store_true", help="one site on this machine, seven things to see")
    touring.add_argument("--serve", action="store_true", help="the tour; keep running, until interrupted")
    touring.add_argument("--screenshot", type=Path, help="the tour; keep Chromium's picture of the page here")
    options = parser.parse_args()
    try:
        if options.tour or options.serve or options.screenshot:
            return tour.tell(serve=options.serve, picture=options.screenshot)
        if os.geteuid() != 0 and shutil.which("sudo"):
            again = ["sudo", sys.executable, "-m", "rempart.lab.demo", *sys.argv[1:]]
            return subprocess.run(again, check=False).returncode
        return story.tell(seed=options.seed, folder=options.report, picture=options.picture)
    except RempartError as error:
        say.print(f"[red]demo:[/] {error}")
        say.print("bin/demo --tour shows what one machine can without namespaces.")
        return error.exit_status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
