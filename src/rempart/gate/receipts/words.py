"""The words of a receipt's page, in its languages. Pure, but for reading its own files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from rempart.model.base import Value
from rempart.model.receipts import WHY_CHALLENGE, WHY_DEFENCE, Condition, Notice, Refusal

LANGUAGES = ("en", "fr")
LIMITS = ("client-rate", "site-rate", "client-concurrency")


class Words(Value):
    """One language. Texts with braces are filled by ``str.format``."""

    code: str = ""
    name: str
    texts: Mapping[str, str]
    months: tuple[str, ...]
    tables: Mapping[str, Mapping[str, str]]

    def __getitem__(self, key: str) -> str:
        return self.texts[key]

    def fill(self, key: str, **values: object) -> str:
        return self.texts[key].format(**values)

    def of(self, table: str, key: str, otherwise: str = "other") -> str:
        found = self.tables[table]
        return found[key] if key in found else found[otherwise]

    def moment(self, when: datetime) -> str:
        at = when.astimezone(UTC)
        return self.fill(
            "moment", day=at.day, month=self.months[at.month - 1], year=at.year, time=f"{at:%H:%M:%S}"
        )


@cache
def words(code: str) -> Words:
    """The words of a language out of LANGUAGES."""
    text = files("rempart.gate.receipts").joinpath("languages", f"{code}.toml").read_text("utf-8")
    read = tomllib.loads(text)
    return Words(
        code=code,
        name=read["name"],
        months=tuple(read["months"]),
        texts={key: one for key, one in read.items() if isinstance(one, str)},
        tables={key: one for key, one in read.items() if isinstance(one, dict)},
    )


def layer(refusal: Refusal, in_words: Words) -> str:
    """Who stopped the request."""
    if refusal.why in LIMITS:
        return in_words.of("layers", "limits")
    if refusal.why == WHY_DEFENCE or (refusal.why == WHY_CHALLENGE and refusal.by is not None):
        return in_words.of("layers", "defence")
    return in_words.of("layers", refusal.why or "edge")


def rule(refusal: Refusal, notice: Notice | None, in_words: Words) -> tuple[str, tuple[str, ...], str]:
    """The rule: a sentence, what the request had in common with the attack, what is done with such ones."""
    if notice is not None:
        return (
            in_words.of("rules", "defence"),
            tuple(conditions(notice.conditions, in_words)),
            in_words.of("actions", notice.action, "drop"),
        )
    if refusal.by is not None:
        return in_words.of("rules", "forgotten"), (), ""
    if refusal.why in in_words.tables["rules"]:
        return in_words.of("rules", refusal.why), (), ""
    if refusal.why:
        return in_words.of("rules", "other").format(why=refusal.why), (), ""
    return in_words.of("statuses", str(refusal.status), "500"), (), ""


def conditions(found: Iterable[Condition], in_words: Words) -> list[str]:
    """Each condition in words."""
    lines = [line for one in found for line in _condition(one, in_words)]
    return lines or [in_words.of("conditions", "intro_all")]


def _condition(one: Condition, in_words: Words) -> Iterable[str]:
    table = in_words.tables["conditions"]
    if one.field == "headers":
        if one.exactly:
            names = ", ".join(one.present)
            yield table["intro_exactly" if names else "intro_exactly_none"].format(value=names)
            return
        for kind in ("present", "absent"):
            if names := ", ".join(getattr(one, kind)):
                yield table[f"intro_{kind}"].format(value=names)
        return
    key = f"intro_{one.field}{'_missing' if one.missing else ''}"
    yield table.get(key, table["intro_other"]).format(value=one.value, field=one.field)


def since(refusal: Refusal, notice: Notice | None, in_words: Words) -> str:
    """Since when."""
    return in_words.moment(notice.since if notice is not None else refusal.when)


def until(refusal: Refusal, notice: Notice | None, in_words: Words, now: datetime) -> str:
    """Until when."""
    if notice is not None:
        ended = notice.ended or notice.until < now
        return in_words.of("untils", "over" if ended else "later").format(until=in_words.moment(notice.until))
    if refusal.by is not None:
        return in_words.of("untils", "unknown")
    return in_words.of("untils", refusal.why or "none", "none")
