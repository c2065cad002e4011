"""Rules as a person writes them, and what is answered to mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rempart.engines.shield.compile import assign_slots, rule_set
from rempart.model.configuration import Configuration
from rempart.model.errors import InvalidInput
from rempart.model.shield import Bits, Limit, RuleAction, Span
from rempart.node.shield.rule_files import forget_rules, keep_rules, kept_rules, read_rules

GOOD = """
[[rule]]
id = 1
note = "memcached"
action = "drop"
protocol = "udp"
source_ports = 11211
length = "100-1500"
payload = "00ff"

[[rule]]
id = 2
action = "limit"
limit = { per_second = 500, burst = 1000 }
protocol = "tcp"
tcp_flags = { mask = 0x12, value = 0x02 }
destination_ports = "443"
source = "198.51.100.0/24"
"""


def test_a_file_says_what_the_program_gets() -> None:
    first, second = read_rules(GOOD, "rules.toml")
    assert (first.id, first.action, first.protocol) == (1, RuleAction.DROP, 17)
    assert (first.source_ports, first.length) == (Span(first=11211, last=11211), Span(first=100, last=1500))
    assert first.payload == b"\x00\xff"
    assert second.limit == Limit(per_second=500, burst=1000)
    assert second.tcp_flags == Bits(mask=0x12, value=0x02)
    assert str(second.source) == "198.51.100.0/24"
    # And the engine's compiler takes them.
    assert rule_set((first, second), assign_slots([1, 2], {}), 1)["count"] == 2


def rule(text: str) -> str:
    return f'[[rule]]\nid = 1\naction = "drop"\n{text}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rule", ("not TOML", "rules.toml")),
        ("", ("there is no rule in it",)),
        ("rule = 5", ("a table is meant", "[[rule]]")),
        ("[[rules]]\nid = 1", ("unknown key", "rules in rules.toml", "[[rule]]")),
        (rule("") + rule(""), ("rule 2: id", "another rule has the id 1")),
        (rule("prtocol = 6"), ("rule 1: prtocol", "unknown")),
        (rule('protocol = "tpc"'), ("rule 1: protocol", "icmpv6")),
        (rule("source_ports = 53"), ("rule 1", "ports need protocol")),
        (
            rule('protocol = 6\nsource_ports = "9-1"'),
            ("rule 1: source_ports", "the smaller number comes first"),
        ),
        (rule("protocol = 6\nsource_ports = 70000"), ("rule 1: source_ports", "65535 at most")),
        (rule('protocol = 6\nsource_ports = "web"'), ("rule 1: source_ports", "a number or a range")),
        (rule('payload = "xy"'), ("rule 1: payload", "hexadecimal")),
        (rule('source = "198.51.100.1/24"'), ("rule 1: source", "the prefix is 198.51.100.0/24")),
        (rule('source = "198.51.100.0/24"\nfamily = 6'), ("rule 1", "it never matches")),
        (rule("limit = { per_second = 5 }"), ("rule 1", "a limit belongs to the action limit")),
        (rule("ttl = 300"), ("rule 1", "255 at most")),
        ("".join(rule("").replace("id = 1", f"id = {n}") for n in range(1, 66)), ("65 rules, and 64 fit",)),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_rules(text, "rules.toml")
    assert all(word in str(caught.value) for word in words), caught.value


def test_what_was_given_is_kept_as_it_was(tmp_path: Path) -> None:
    paths = Configuration(state=tmp_path).paths
    paths.shield.mkdir()
    assert kept_rules(paths) == ()
    keep_rules(paths, GOOD)
    assert kept_rules(paths) == read_rules(GOOD, "x")
    (paths.shield / "rules.toml").write_text("spoilt")
    with pytest.raises(InvalidInput, match=r"rules\.toml"):
        kept_rules(paths)
    forget_rules(paths)
    assert kept_rules(paths) == ()
