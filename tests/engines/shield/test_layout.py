"""Python's view of the shared memory against C's: the compiler is asked, not the text."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
import pytest

from rempart.engines.shield import layout
from rempart.engines.shield.btf import Field, Types
from tests.engines.shield.objects import compiled

EVERYTHING = """
#include "tables.h"
#define KEEP(type, name) struct type kept_##name;
{kept}
enum reason kept_reason; enum rule_action kept_action; enum limit_class kept_class; enum meter kept_meter;
enum when kept_when;
{constants}
int kept(void *context) {{ return 0; }}
"""
CONSTANTS = (
    "RULES", "RULE_SLOTS", "SOURCE_BUCKETS", "PREFIX_BUCKETS", "PROVEN_SOURCES", "BLOCKED_PREFIXES",
    "BLOCKED_HOSTS", "BLOCKED_NETS4", "WHERE_HOSTS", "WHERE_NETS", "WHERE_ANY", "WHERE_NETWORKS",
    "ALLOWED_PREFIXES", "MARTIAN_PREFIXES", "OWN_ADDRESSES", "SNAP", "CAPTURE_SNAP", "SAMPLE_NONE",
    "SERVICES",
)  # fmt: skip
FLAGS: tuple[tuple[type[IntFlag], str], ...] = (
    (layout.Flag, ""),
    (layout.Needs, "NEEDS_"),
    (layout.Ranged, "RANGE_"),
)


@pytest.fixture(scope="module")
def types() -> Types:
    macros = {name: name for name in CONSTANTS}
    macros |= {f"{prefix}{one.name}": f"{prefix}{one.name}" for flags, prefix in FLAGS for one in flags}
    macros |= {"SERVED": "SERVED", "SERVED_DNS": "SERVED_DNS"}
    constants = "".join(f"enum constant_{name} {{ CONSTANT_{name} = {name} }} k_{name};\n" for name in macros)
    kept = "".join(f"KEEP({name}, {name})\n" for name in layout.STRUCTURES)
    source = EVERYTHING.format(kept=kept, constants=constants)
    return Types(compiled(source, "layout").btf)


@pytest.mark.parametrize("name", layout.STRUCTURES)
def test_structures_are_equal(types: Types, name: str) -> None:
    size, fields = types.structures()[name]
    ours = layout.STRUCTURES[name]
    assert size == ours.itemsize
    _same_fields(types, fields, ours)


def _same_fields(types: Types, theirs: tuple[Field, ...], ours: np.dtype[Any]) -> None:
    assert ours.fields is not None
    assert [(one.name, one.offset, types.size(one.type)) for one in theirs] == [
        (name, ours.fields[name][1], ours.fields[name][0].itemsize) for name in ours.names or ()
    ]


def test_rules_compare_words_of_mask_and_value(types: Types) -> None:
    _, fields = types.structures()["rule"]
    assert types.description(fields[0].type) == "{0 mask 1:8, 8 value 1:8}:16[8]"


@pytest.mark.parametrize(
    ("name", "ours", "prefix", "last"),
    [
        ("reason", layout.Reason, "", ("REASONS", layout.REASONS)),
        ("rule_action", layout.RuleAction, "RULE_", None),
        ("limit_class", layout.LimitClass, "LIMIT_", ("LIMIT_CLASSES", layout.LIMIT_CLASSES)),
        ("meter", layout.Meter, "METER_", ("METERS", layout.METERS)),
        ("when", layout.When, "", None),
    ],
)
def test_enumerations_are_equal(
    types: Types, name: str, ours: type[IntEnum], prefix: str, last: tuple[str, int] | None
) -> None:
    assert types.enumerations()[name] == {f"{prefix}{one.name}": one.value for one in ours} | dict(
        [last] if last else []
    )


def test_constants_are_equal(types: Types) -> None:
    found = {
        name.removeprefix("constant_"): next(iter(values.values())) & 0xFFFFFFFF
        for name, values in types.enumerations().items()
        if name.startswith("constant_")
    }
    ours = {name: getattr(layout, name) for name in CONSTANTS}
    ours |= {f"{prefix}{one.name}": int(one) for flags, prefix in FLAGS for one in flags}
    ours |= {"SERVED": int(layout.Served.SERVED), "SERVED_DNS": int(layout.Served.DNS)}
    assert found == ours


def test_every_reason_has_its_words() -> None:
    assert all(reason.text for reason in layout.Reason)


@pytest.mark.parametrize("reason", layout.Reason)
def test_the_verdict_is_in_the_name(reason: layout.Reason) -> None:
    assert reason.name.split("_", maxsplit=1)[0] == reason.verdict.name
