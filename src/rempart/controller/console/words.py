"""The console's texts: one TOML file for a room and language, joined by name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

LANGUAGES = ("en", "fr")
"""The first one is for everybody who reads none of the others."""
NAMES: Mapping[str, str] = MappingProxyType({"en": "English", "fr": "Français"})
_PREFERENCE = re.compile(r"\s*([A-Za-z*-]{1,35})\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")


@dataclass(frozen=True, slots=True)
class Words:
    """All texts of one language, by ``room.key``."""

    code: str
    texts: Mapping[str, str]

    def __call__(self, key: str, /, **values: object) -> str:
        """The text with ``{names}`` filled in. KeyError for a text or a value that is not there."""
        text = self.texts[key]
        return text.format_map(values) if values else text


def _flat(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _read(code: str) -> Words:
    texts: dict[str, str] = {}
    for file in files(__package__).joinpath("languages", code).iterdir():
        room, dot, suffix = file.name.partition(".")
        if dot and suffix == "toml":
            texts |= _flat(tomllib.loads(file.read_text(encoding="utf-8")), f"{room}.")
    return Words(code, MappingProxyType(texts))


# Read when the module is, because the process that serves them may not be able to look here any more.
WORDS: Mapping[str, Words] = MappingProxyType({code: _read(code) for code in LANGUAGES})


def preferred(header: str | None) -> str:
    """The language that an ``Accept-Language`` header (RFC 9110 section 12.5.4) likes best of ours."""
    best, weight = LANGUAGES[0], 0.0
    for part in (header or "").split(",")[:30]:
        found = _PREFERENCE.fullmatch(part)
        if found is None:
            continue
        code, quality = found[1].lower().partition("-")[0], float(found[2] or 1)
        if code in LANGUAGES and quality > weight:
            best, weight = code, quality
    return best
