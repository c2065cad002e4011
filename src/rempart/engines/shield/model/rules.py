"""Step 5: the active rule set."""

from __future__ import annotations

from rempart.engines.shield.layout import RULES, SNAP, Reason, RuleAction
from rempart.engines.shield.model.parse import Packet
from rempart.engines.shield.model.passage import Passage, is_sampled, sample
from rempart.engines.shield.model.state import Count, charged
from rempart.engines.shield.model.tables import Ranged, Rule
from rempart.engines.shield.model.vector import vector


def rules(p: Passage) -> Reason | None:
    """Step 5: fill the costly fields of the vector, and ask rule after rule."""
    if p.tables.rules is None:
        return None
    p.vector = vector(p.packet, p.tables.rules)
    number = int.from_bytes(p.vector, "big")
    for rule in p.tables.rules.rules[:RULES]:
        if number & rule.mask != rule.value or (rule.ranged and not _in_ranges(rule, p.packet)):
            continue
        matched = p.state.rule_counters.setdefault(rule.slot, Count()).add(p.packet.frame)
        if rule.action is RuleAction.PASS:
            p.rule = rule.id
            return Reason.PASS_RULE
        if rule.action is RuleAction.DROP:
            p.rule = rule.id
            return Reason.DROP_RULE
        if rule.action is RuleAction.LIMIT:
            bucket = charged(p.state.rule_limits.get(rule.slot, 0), rule.limit, p.now)
            if bucket is None:
                p.rule = rule.id
                return Reason.DROP_RULE_LIMIT
            p.state.rule_limits[rule.slot] = bucket
        elif is_sampled(matched, rule.sample_mask):
            p.samples.append(sample(p, Reason.PASS, rule.id, SNAP))
    return None


def _in_ranges(rule: Rule, packet: Packet) -> bool:
    return (
        _in(rule, Ranged.LENGTH, rule.length, packet.length)
        and _in(rule, Ranged.TTL, rule.ttl, packet.ttl)
        and _in(rule, Ranged.SOURCE_PORT, rule.source_port, packet.source_port)
        and _in(rule, Ranged.DESTINATION_PORT, rule.destination_port, packet.destination_port)
        and _in(rule, Ranged.WINDOW, rule.window, packet.window)
    )


def _in(rule: Rule, which: int, bounds: tuple[int, int], number: int) -> bool:
    return not rule.ranged & which or bounds[0] <= number <= bounds[1]
