"""Sixty-four rules as a defence writes them in the middle of an attack, for ``rempart bench shield``. Pure.

None matches what the benchmark sends but the last one its own packet. What they look at is what signatures of
floods look at: ports that reflect, lengths, TTLs, windows, TCP options, networks.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from rempart.model.shield import Bits, Limit, RuleAction, ShieldRule, Span

REFLECTORS = (17, 19, 69, 111, 123, 137, 161, 389, 520, 1194, 1434, 1900, 3283, 3389, 3702, 5060)
"""UDP ports that amplified floods come from (CISA alert TA14-017A and later lists)."""
SIGNATURE_PORT = 11_211
"""memcached's: the last rule is for it."""
_UDP, _TCP, _ICMP = 17, 6, 1
_SYN = Bits(mask=0x3F, value=0x02)


def rules(count: int) -> tuple[ShieldRule, ...]:
    """So many, 64 at most; of 64 the last drops UDP from ``SIGNATURE_PORT``."""
    made = [_reflected(number, port) for number, port in enumerate(REFLECTORS)]
    made += [_botnet(16 + number) for number in range(16)]
    made += [_network(32 + number) for number in range(16)]
    made += [_oddity(48 + number) for number in range(15)]
    made.append(
        ShieldRule(
            id=64, action=RuleAction.DROP, protocol=_UDP,
            source_ports=Span(first=SIGNATURE_PORT, last=SIGNATURE_PORT),
        )
    )  # fmt: skip
    return tuple(made[:count])


def _reflected(number: int, port: int) -> ShieldRule:
    """Answers that nobody asked for: from one port, of some length."""
    return ShieldRule(
        id=number + 1, action=RuleAction.DROP, protocol=_UDP, source_ports=Span(first=port, last=port),
        length=Span(first=200 + number, last=1_500),
    )  # fmt: skip


def _botnet(number: int) -> ShieldRule:
    """SYNs of one program: its window, TTLs, and header length."""
    window = 1_024 + 512 * number
    return ShieldRule(
        id=number + 1, action=RuleAction.LIMIT, limit=Limit(per_second=100, burst=100), protocol=_TCP,
        tcp_flags=_SYN, window=Span(first=window, last=window), ttl=Span(first=100, last=128), tcp_offset=5,
    )  # fmt: skip


def _network(number: int) -> ShieldRule:
    """Everything from one network, of either family."""
    source = (
        IPv4Network((0x2D000000 + (number << 16), 16))
        if number % 2
        else IPv6Network((0x2A0B << 112 | number << 80, 48))
    )
    return ShieldRule(id=number + 1, action=RuleAction.DROP, source=source)


def _oddity(number: int) -> ShieldRule:
    """A length that one tool sends, in turns over UDP, ICMP, and to a range of ports."""
    odd = Span(first=1_000 + number, last=1_000 + number)
    if number % 3 == 0:
        return ShieldRule(id=number + 1, action=RuleAction.DROP, protocol=_ICMP, length=odd)
    if number % 3 == 1:
        return ShieldRule(
            id=number + 1, action=RuleAction.DROP, protocol=_UDP, length=odd, ttl=Span(first=240, last=255)
        )
    return ShieldRule(
        id=number + 1, action=RuleAction.SAMPLE, protocol=_UDP, length=odd,
        destination_ports=Span(first=1_024, last=65_535),
    )  # fmt: skip
