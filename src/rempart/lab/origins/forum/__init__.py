"""A real forum: django-machina with a few thousand posts in SQLite, searched by Whoosh, served by Gunicorn.

Nobody here wrote it; ``board/`` is the project that its documentation asks for, and what fills it. It has an
environment of its own (``bin/setup --demo``), so what runs there and what runs here do not know each other:
``scene.json`` in its folder is all that it is told.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from rempart.lab.origins.contract import Origin, OriginScene, Page, SiteMap
from rempart.lab.origins.forum.board.seed import FORUMS, TOPICS
from rempart.model.errors import EnvironmentLacks, RempartError

HERE = Path(__file__).resolve().parent
ENVIRONMENT = Path(__file__).resolve().parents[5] / ".venv-forum"
WORKERS, THREADS = 2, 4
SEED_SECONDS = 120.0

_ASSETS = (
    "/static/css/machina.board_theme.vendor.min.css",
    "/static/css/machina.board_theme.min.css",
    "/static/js/machina.packages.min.js",
    "/static/js/machina.min.js",
)
# The category is number 1; forums and topics are numbered as they were made.
_FORUMS = tuple(f"/forum/{name.lower().replace(' ', '-')}-{n}/" for n, name in enumerate(FORUMS, start=2))
SITE = SiteMap(
    pages=(
        Page(path="/", assets=_ASSETS, weight=40.0),
        *(Page(path=path, assets=_ASSETS, weight=6.0) for path in _FORUMS),
        *(
            Page(
                path=f"{_FORUMS[number % len(_FORUMS)]}topic/topic-{number + 1}-{number + 1}/", assets=_ASSETS
            )
            for number in range(TOPICS)
        ),
    ),
    searches=("/search/?q={}",),
    # Whoever writes here has logged in; the forum has no interface for programs.
    forms=(),
    feeds=tuple(f"/feeds{path}topics/" for path in _FORUMS),
    api=(),
    large=_ASSETS[0],
)


def command(scene: OriginScene) -> tuple[str, ...]:
    """Gunicorn as its documentation has it behind a proxy: a few workers with threads."""
    return (
        "env",
        f"FORUM_SCENE={scene_file(scene)}",
        str(ENVIRONMENT / "bin" / "gunicorn"),
        f"--chdir={HERE}",
        f"--bind={scene.address}:{scene.port}",
        f"--workers={WORKERS}",
        f"--threads={THREADS}",
        # Loaded once, then forked: it is ready sooner on a part of a processor.
        "--preload",
        # One of the release we have: it would lie in the home of whoever runs the drill.
        "--no-control-socket",
        "--log-level=warning",
        "board.wsgi:application",
    )


def prepare(scene: OriginScene) -> None:
    """Give the forum a database and a search index of its own: the same posts every time."""
    shutil.copytree(filled(), scene.folder, dirs_exist_ok=True)
    scene_file(scene).write_text(scene.model_dump_json())


def filled() -> Path:
    """A folder with what a forum begins with, which no forum ever changes. It is made once for the
    environment and what fills it: the search index alone takes six seconds of a processor."""
    require_environment()
    sources = sorted((HERE / "board").glob("*.py"))
    parts = [(ENVIRONMENT / ".stamp").read_bytes(), *(source.read_bytes() for source in sources)]
    kept = ENVIRONMENT / f"filled-{hashlib.sha256(b''.join(parts)).hexdigest()[:16]}"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=ENVIRONMENT, prefix="filling-") as above:
            folder = Path(above) / "forum"
            folder.mkdir(mode=0o755)
            scene = OriginScene(
                address="127.0.0.1", port=80, host="localhost", folder=folder, secret=secrets.token_hex(16)
            )
            _fill(scene)
            scene_file(scene).unlink()
            try:
                folder.rename(kept)
            except OSError:
                # Somebody was faster and has made the same.
                if not kept.exists():
                    raise
    return kept


def _fill(scene: OriginScene) -> None:
    scene_file(scene).write_text(scene.model_dump_json())
    try:
        done = subprocess.run(
            [str(ENVIRONMENT / "bin" / "python"), "-m", "board.seed"],
            cwd=HERE,
            env={**os.environ, "FORUM_SCENE": str(scene_file(scene))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SEED_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RempartError(f"the forum was not filled within {SEED_SECONDS:g} s") from None
    if done.returncode != 0:
        raise RempartError(f"the forum could not be filled:\n{done.stderr[-2000:]}")


def scene_file(scene: OriginScene) -> Path:
    return scene.folder / "scene.json"


def require_environment() -> None:
    """EnvironmentLacks when ``bin/setup --demo`` has not been run."""
    if not (ENVIRONMENT / "bin" / "gunicorn").exists():
        raise EnvironmentLacks("django-machina", "the forum is missing", hint="run bin/setup --demo")


FORUM = Origin(
    name="forum",
    summary="django-machina, a real forum: a page costs some 20 ms of a processor, a search some 45 ms",
    site=SITE,
    command=command,
    prepare=prepare,
)
