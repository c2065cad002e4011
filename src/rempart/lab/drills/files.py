"""Files that a run that is ended leaves whole. The rim."""

from __future__ import annotations

from pathlib import Path


def replace(file: Path, text: str) -> None:
    """Write a file so that a run that is ended meanwhile leaves the old one or the new one."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    new.replace(file)
