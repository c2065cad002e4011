"""Rules for the packet shield as a person writes them: a TOML file of ``[[rule]]`` tables, and the copy of it
that holds from the next start.

Everything is checked before anything is changed; what is wrong is named with its place in the file::

    [[rule]]
    id = 1
    note = "chargen amplification"
    action = "drop"                     # pass, drop, limit, sample
    protocol = "udp"
    source_ports = 19
    length = "100-1500"

    [[rule]]
    id = 2
    action = "limit"
    limit = { per_second = 500, burst = 1000 }
    protocol = "tcp"
    tcp_flags = { mask = 0x12, value = 0x02 }
    destination_ports = "443"
    source = "198.51.100.0/24"
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from rempart.model.configuration import StatePaths
from rempart.model.errors import InvalidInput
from rempart.model.shield import DERIVED, RULES_MAX, ShieldRule
from rempart.model.validation import in_words
from rempart.node.shield.prefix_files import one_prefix

PROTOCOLS: Mapping[str, int] = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "sctp": 132,
}  # fmt: skip
KEPT = "rules.toml"
SPANS = ("source_ports", "destination_ports", "length", "ttl", "window")
_SPAN = re.compile(r"([0-9]{1,5})\s*(?:-\s*([0-9]{1,5}))?")


def read_rules(text: str, source: str) -> tuple[ShieldRule, ...]:
    """The rules in a file, in their order. InvalidInput names ``source``, the rule and the key."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"not TOML: {error}", field=source) from error
    unknown = sorted(set(document) - {"rule"})
    if unknown:
        raise InvalidInput(
            "unknown key", field=f"{unknown[0]} in {source}", hint="rules are written as [[rule]]"
        )
    given = document.get("rule", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise InvalidInput(
            "a table is meant", field=f"rule in {source}", hint="rules are written as [[rule]]"
        )
    if not given:
        raise InvalidInput(
            "there is no rule in it", field=source, hint="rempart shield rules clear removes all"
        )
    if len(given) > RULES_MAX:
        raise InvalidInput(f"{len(given)} rules, and {RULES_MAX} fit", field=source)
    rules = tuple(_rule(one, number, source) for number, one in enumerate(given, 1))
    seen: set[int] = set()
    for number, rule in enumerate(rules, 1):
        if rule.id in seen:
            raise InvalidInput(f"another rule has the id {rule.id}", field=f"rule {number}: id in {source}")
        seen.add(rule.id)
    return rules


def kept_rules(paths: StatePaths) -> tuple[ShieldRule, ...]:
    """The rules that were given last; none when none were. Raises InvalidInput when the copy is spoilt."""
    try:
        text = (paths.shield / KEPT).read_text(encoding="utf-8")
    except OSError:
        return ()
    except UnicodeDecodeError as error:
        raise InvalidInput("no text (UTF-8)", field=str(paths.shield / KEPT)) from error
    return read_rules(text, str(paths.shield / KEPT))


def keep_rules(paths: StatePaths, text: str) -> None:
    """Have these from now on: the file as it was given, remarks and all. It was read before."""
    fresh = paths.shield / f".{KEPT}.new"
    with fresh.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o640)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(paths.shield / KEPT)


def forget_rules(paths: StatePaths) -> None:
    (paths.shield / KEPT).unlink(missing_ok=True)


def _rule(given: Mapping[str, Any], number: int, source: str) -> ShieldRule:
    def place(key: str) -> str:
        return f"rule {number}: {key} in {source}" if key else f"rule {number} in {source}"

    values = dict(given)
    for name in SPANS:
        if name in values:
            values[name] = _span(values[name], place(name))
    if isinstance(values.get("protocol"), str):
        name = values["protocol"].lower()
        if name not in PROTOCOLS:
            raise InvalidInput(
                f"{name!r} is no protocol known by name",
                field=place("protocol"),
                hint=f"a number, or one of {', '.join(PROTOCOLS)}",
            )
        values["protocol"] = PROTOCOLS[name]
    for name in ("source", "destination"):
        if name in values:
            values[name] = one_prefix(str(values[name]), place(name))
    if "payload" in values:
        try:
            values["payload"] = bytes.fromhex(str(values["payload"]))
        except ValueError:
            raise InvalidInput(
                "hexadecimal digits are meant, two for each byte", field=place("payload")
            ) from None
    if isinstance(values.get("id"), int) and values["id"] >= DERIVED:
        raise InvalidInput(
            f"numbers from {DERIVED} on are the defence loop's", field=place("id"), hint="take a smaller one"
        )
    try:
        return ShieldRule.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("IPv"))
        raise InvalidInput(in_words(first), field=place(key)) from error


def _span(value: object, field: str) -> Mapping[str, int]:
    """``53``, ``"53"`` and ``"1024-65535"``."""
    found = _SPAN.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if found is None:
        raise InvalidInput(
            f"{value!r}: a number or a range is meant", field=field, hint='like 53 or "1-1023"'
        )
    return {"first": int(found[1]), "last": int(found[2] or found[1])}
