"""What goes on, for whoever waits: a bar on a terminal, lines where there is none. On standard error."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, float], None]
"""Words for what goes on, and the share that is done."""


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on the terminal; where there is none, a line for each new thing that goes on."""
    # Ended by a service manager or a time limit, it takes its world down as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        last = ""

        def line(words: str, share: float) -> None:
            nonlocal last
            if words != last:
                sys.stderr.write(f"{share:4.0%}  {words}\n")
                last = words

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda words, share: bar.update(task, description=words, completed=share)
