"""What is said to reporters, in their languages: one TOML file each. Pages and letters share it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from rempart.governance.reports.outcomes import Told
from rempart.model.abuse_reports import Language
from rempart.model.cases import Category

LANGUAGES: tuple[Language, ...] = ("en", "fr")


def _read(language: Language) -> Mapping[str, str]:
    file = files(__package__).joinpath("languages", f"{language}.toml")
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    return MappingProxyType(
        {f"{table}.{key}": text for table, texts in tables.items() for key, text in texts.items()}
    )


# Read when the module is, because the process that serves them may not be able to look here any more.
WORDS: Mapping[Language, Mapping[str, str]] = MappingProxyType({one: _read(one) for one in LANGUAGES})


def said(language: Language, key: str, **values: str) -> str:
    """The text under ``table.key``, with ``{names}`` filled in."""
    text = WORDS[language][key]
    return text.format_map(values) if values else text


def category(language: Language, one: Category) -> str:
    return said(language, f"category.{one.value}")


def sentences(told: Told, language: Language) -> tuple[str, ...]:
    """What is told, for people."""
    found = [said(language, f"stage.{told.stage.value}")]
    if told.same_as_another:
        found.append(said(language, "said.same"))
    if told.denial is not None:
        found.append(said(language, f"denial.{told.denial.value}"))
    if told.reason:
        found.append(told.reason)
    if told.remedy is not None:
        remedy = said(language, f"remedy.{told.remedy.value}")
        found.append(said(language, "said.measure", remedy=remedy))
    if told.effective_at is not None:
        found.append(said(language, "said.effective", at=f"{told.effective_at:%Y-%m-%d %H:%M} UTC"))
    if told.case is not None:
        found.append(said(language, "said.case", case=told.case))
    if told.appealed:
        found.append(said(language, "said.appealed"))
    found.append(said(language, "said.people"))
    if told.redress:
        found.append(said(language, "said.redress"))
    return tuple(found)
