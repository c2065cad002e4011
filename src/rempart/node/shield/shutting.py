"""Ending what an earlier start has left of the packet shield, where this one shall not have it. The rim.

Where it stands: ``rempart up`` without the shield. A program that nobody looks after would go on deciding
with services and addresses of yesterday.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

import structlog

from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError
from rempart.node import processes
from rempart.node.parts import SHIELD, parts_folder
from rempart.node.shield.sysctls import Sysctls
from rempart.node.supervisor import left_running

PATIENCE_SECONDS = 5.0


def end(configuration: Configuration, *, is_root: bool) -> None:
    """End the part's process, detach the program, forget both. What cannot be ended is said in the log."""
    log = structlog.get_logger("supervisor")
    paths = configuration.paths
    left = left_running(paths, SHIELD)
    if left is not None and (descriptor := processes.open_pidfd(left[0])) is not None:
        log.warning("packet shield: switched off, its process is ended", pid=left[0].pid)
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while processes.is_alive(left[0]) and time.monotonic() < deadline:
                time.sleep(0.05)
        os.close(descriptor)
    (parts_folder(paths) / f"{SHIELD}.json").unlink(missing_ok=True)
    if is_root and configuration.shield_pins.is_dir():
        from rempart.engines.shield import loader

        try:
            if loader.remove(configuration.shield_pins):
                log.warning("packet shield: switched off, its program is detached")
            Sysctls.of(paths).restore()
        except RempartError as error:
            log.error("packet shield: its program cannot be detached", reason=str(error))
