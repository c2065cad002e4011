"""A whole Rempart of one's own on loopback, as ``rempart up`` runs it: for the demo, measurements and tests.

Everything goes through the public command line, so what is shown is what an operator gets.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from rempart.lab.leftovers import forget_pins, short_folder
from rempart.lab.network.place import Place
from rempart.lab.processes import free_port
from rempart.model.base import Value
from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError

REMPART = (sys.executable, "-m", "rempart")
PARTS = ("controller", "node", "gate", "defence", "haproxy", "knot")


class Ports(Value):
    """Where an instance listens, all on one address."""

    address: str
    http: int
    https: int
    dns: int
    admin: int
    api: int
    console: int = 9184

    @classmethod
    def free(cls, address: str = "127.0.0.1") -> Ports:
        return cls(
            address=address,
            http=free_port(),
            https=free_port(),
            dns=free_port(),
            admin=free_port(),
            api=free_port(),
            console=free_port(),
        )


class Instance:
    """One Rempart in a folder of its own. Use as a context manager: it leaves no process and no file."""

    def __init__(
        self,
        ports: Ports | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        operator_host: str | None = None,
        place: Place | None = None,
        folder: Path | None = None,
    ):
        """``place``: the namespace in which ``rempart up`` runs, when not the host's own. ``folder``:
        where, when not in a new one of its own; short, because Unix sockets lie in it."""
        self._place = place
        self.ports = ports or Ports.free()
        self.folder = folder or short_folder()
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.state = self.folder / "state"
        self.config_file = self.folder / "rempart.toml"
        self._supervisor: subprocess.Popen[bytes] | None = None
        sections: dict[str, dict[str, Any]] = {
            "edge": {
                "listen": [self.ports.address],
                "addresses": [self.ports.address],
                "http_port": self.ports.http,
                "https_port": self.ports.https,
                "prepared_sites": 64,
            },
            "dns": {"listen": [self.ports.address], "port": self.ports.dns},
            "admin": {"port": self.ports.admin},
            "api": {"port": self.ports.api},
            "console": {"port": self.ports.console},
            # Never to the interfaces of the machine that a test or a measurement happens to run on: whoever
            # wants it, in a namespace, says so.
            "shield": {"enabled": False},
        }
        for name, section in (settings or {}).items():
            sections.setdefault(name, {}).update(section)
        lines = [f"state = {json.dumps(str(self.state))}"]
        if operator_host is not None:
            lines.append(f"operator_host = {json.dumps(operator_host)}")
        for name, section in sections.items():
            lines.append(f"\n[{name}]")
            # JSON's strings, numbers, booleans and lists are TOML's too.
            lines += [f"{key} = {json.dumps(value)}" for key, value in section.items()]
        self.config_file.write_text("\n".join(lines) + "\n")
        self.configuration = Configuration(state=self.state, operator_host=operator_host, **sections)

    # --- the supervisor ------------------------------------------------------------------------

    def launch(self) -> subprocess.Popen[bytes]:
        """Run ``rempart up`` and return at once."""
        with (self.folder / "up.log").open("ab") as log:
            command = [*REMPART, "up", "--config", str(self.config_file)]
            self._supervisor = subprocess.Popen(
                self._place.command(command) if self._place else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._supervisor

    def start(self, *, seconds: float = 90.0) -> Self:
        """Run ``rempart up`` and return once every part is up and the status command says so."""
        self.launch()
        return self.wait_until_up(seconds=seconds)

    def wait_until_up(self, *, seconds: float = 90.0) -> Self:
        """Return once every part of what was launched is up and the status command says so."""
        supervisor = self._supervisor
        if supervisor is None:
            raise RempartError("this instance was not started")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if supervisor.poll() is not None:
                raise RempartError(f"rempart up ended with {supervisor.returncode}:\n{self.up_log()}")
            if self.cli("status", check=False).returncode == 0:
                return self
            time.sleep(0.1)
        raise RempartError(f"rempart is not up after {seconds:g} s:\n{self.up_log()}")

    @property
    def supervisor(self) -> psutil.Process:
        if self._supervisor is None:
            raise RempartError("this instance was not started")
        return psutil.Process(self._supervisor.pid)

    def up_log(self) -> str:
        """The last that ``rempart up`` printed."""
        return (self.folder / "up.log").read_text(errors="replace")[-4000:]

    def kill_supervisor(self) -> None:
        """SIGKILL to the supervisor alone; the parts go on."""
        if self._supervisor is not None:
            self._supervisor.kill()
            self._supervisor.wait()
            self._supervisor = None

    def pid(self, part: str) -> int:
        """The process of a part, as ``rempart status`` names it."""
        status = json.loads(self.cli("status", "--json", check=False).stdout)
        return int(next(entry["pid"] for entry in status["parts"] if entry["name"] == part))

    def stop(self, *, seconds: float = 30.0) -> int | None:
        """SIGTERM to the supervisor, as an operator ends it; its exit status."""
        if self._supervisor is None:
            return None
        self._supervisor.terminate()
        try:
            return self._supervisor.wait(timeout=seconds)
        finally:
            self._supervisor = None

    # --- the command line ----------------------------------------------------------------------

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One call of the command line against this instance; RempartError with its words when it fails."""
        done = subprocess.run(
            [*REMPART, "--config", str(self.config_file), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if check and done.returncode != 0:
            raise RempartError(
                f"rempart {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}{done.stdout}"
            )
        return done

    def json(self, *arguments: str) -> Any:
        """The one JSON document that a command prints with ``--json``."""
        return json.loads(self.cli(*arguments, "--json").stdout)

    # --- cleaning up ---------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop(seconds=15)
        finally:
            self.kill_all()
            forget_pins(self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill_all(self) -> None:
        """SIGKILL to whatever runs from this instance's folder, whoever started it."""
        folder = str(self.folder)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and any(folder in word for word in process.cmdline()):
                    process.send_signal(signal.SIGKILL)
