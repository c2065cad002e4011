"""The operator's rules and the defence loop's in one set."""

from __future__ import annotations

from rempart.model.shield import RULES_MAX, RuleAction, ShieldRule
from rempart.node.shield.rule_sets import derived, is_derived, mitigation_of, together


def rule(number: int, qname: str | None = None) -> ShieldRule:
    return ShieldRule(id=number, action=RuleAction.DROP, protocol=17, qname=qname)


def test_the_operators_come_first_and_the_loops_are_told_by_their_numbers() -> None:
    found = together([rule(9), rule(3)], [derived(rule(1)), derived(rule(2))])
    assert [is_derived(one.id) for one in found] == [False, False, True, True]
    assert [mitigation_of(one.id) for one in found[2:]] == [1, 2]


def test_no_more_than_fit() -> None:
    found = together([rule(n) for n in range(1, 61)], [derived(rule(n)) for n in range(1, 41)])
    assert len(found) == RULES_MAX
    assert [mitigation_of(one.id) for one in found[60:]] == [1, 2, 3, 4]


def test_names_of_equally_many_labels_only() -> None:
    loops = [derived(rule(1, "shop.example")), derived(rule(2, "a.shop.example")), derived(rule(3))]
    assert [mitigation_of(one.id) for one in together([], loops)] == [1, 3]
    kept = together([rule(5, "x.y.example")], loops)
    assert [mitigation_of(one.id) for one in kept[1:]] == [2, 3]
