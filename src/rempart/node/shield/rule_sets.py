"""The rules of the operator and those of the defence loop, in one set. Pure.

The operator's come first. The loop's are told by their numbers, which no rule of an operator may have.
"""

from __future__ import annotations

from collections.abc import Sequence

from rempart.model.shield import DERIVED, RULES_MAX, ShieldRule


def is_derived(number: int) -> bool:
    """Whether a rule of this number is the defence loop's."""
    return number >= DERIVED


def derived(rule: ShieldRule) -> ShieldRule:
    """A rule of the loop's, whose number is its mitigation's, as it stands in the program."""
    return rule.model_copy(update={"id": DERIVED + rule.id})


def mitigation_of(number: int) -> int:
    """The number of the mitigation behind a derived rule."""
    return number - DERIVED


def together(operator: Sequence[ShieldRule], loop: Sequence[ShieldRule]) -> tuple[ShieldRule, ...]:
    """The operator's, then as many of the loop's (as ``derived`` has made them) as fit.

    A set looks at equally many labels of names in all its rules: of the loop's, those that would need another
    number than the first are left out.
    """
    count = next((labels(one) for one in operator if one.qname is not None), None)
    chosen: list[ShieldRule] = []
    for one in loop:
        if len(operator) + len(chosen) >= RULES_MAX:
            break
        if one.qname is not None:
            count = count or labels(one)
            if labels(one) != count:
                continue
        chosen.append(one)
    return (*operator, *chosen)


def labels(rule: ShieldRule) -> int:
    """How many labels of a name it looks at."""
    return len((rule.qname or "").rstrip(".").split("."))
