"""What contenders share: their configuration files filled in, programs looked for, nginx started."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path

import psutil

from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.model.errors import RempartError

_PLACE = re.compile(r"@[A-Z0-9_]+@")
_VERSION = re.compile(r"\d+(?:\.\d+)+")
SEARCHED = ("/usr/sbin", "/sbin", "/usr/local/sbin")


def lacking(*programs: tuple[str, str]) -> Callable[[], str | None]:
    """A contender's ``lacks``: the first of these (program, Debian package) that is not installed."""

    def lacks() -> str | None:
        path = os.pathsep.join((os.environ.get("PATH", ""), *SEARCHED))
        for program, package in programs:
            if shutil.which(program, path=path) is None:
                return f"{program} is not installed (Debian: {package})"
        return None

    return lacks


def versions_of(*commands: tuple[str, ...]) -> Callable[[], tuple[str, ...]]:
    """A contender's ``versions``: of each program, asked with the command that makes it say its version."""

    def versions() -> tuple[str, ...]:
        path = os.pathsep.join((os.environ.get("PATH", ""), *SEARCHED))
        found = []
        for argv in commands:
            if (program := shutil.which(argv[0], path=path)) is None:
                continue
            done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, check=False)
            number = _VERSION.search(done.stdout + done.stderr)
            found.append(f"{argv[0]} {number[0] if number else 'of no known version'}")
        return tuple(found)

    return versions


def filled(package: str, file: str, values: Mapping[str, object]) -> str:
    """A configuration file of the repository with ``@NAME@`` replaced by values; a name without value is a
    fault."""
    text = resources.files(f"rempart.lab.contenders.{package}").joinpath(file).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    for line in text.splitlines():
        if not line.lstrip().startswith("#") and _PLACE.search(line):
            raise RempartError(f"{package}/{file}: a value is missing in: {line.strip()}")
    return text


def scene_values(scene: EdgeScene) -> dict[str, object]:
    """What configuration files may name."""
    return {
        "FOLDER": scene.folder,
        "HOST": scene.host,
        "V4": scene.v4,
        "V6": scene.v6,
        "ORIGIN": f"{scene.origin_address}:{scene.origin_port}",
        "CERTIFICATE": scene.certificate,
    }


@contextlib.contextmanager
def nginx(scene: EdgeScene, package: str) -> Iterator[psutil.Process]:
    """nginx with a contender's ``nginx.conf`` while the block runs."""
    config = scene.folder / "nginx.conf"
    config.write_text(filled(package, "nginx.conf", scene_values(scene)))
    argv = ["nginx", "-c", str(config), "-p", str(scene.folder), "-e", str(scene.folder / "error.log")]
    with scene.place.running(argv, log=scene.folder / "nginx.out") as process:
        yield process


def nginx_contender(name: str, summary: str) -> Contender:
    """A contender that is nginx with the ``nginx.conf`` in the folder of its name."""

    @contextlib.contextmanager
    def start(scene: EdgeScene) -> Iterator[Standing]:
        with nginx(scene, name):
            yield Standing(authority=scene.authority)

    return Contender(
        name=name,
        summary=summary,
        lacks=lacking(("nginx", "nginx-light")),
        start=start,
        versions=versions_of(("nginx", "-v")),
    )


def last_words(folder: Path) -> str:
    """The end of every log in a contender's folder, for when it did not come up."""
    words = []
    for file in sorted((*folder.glob("*.log"), *folder.glob("*.out"))):
        text = file.read_text(errors="replace")[-600:].strip()
        if text:
            words.append(f"{file.name}: {text}")
    return "\n".join(words)
