"""What nftables is told in ``rempart bench shield``: the shield's decisions as its documentation recommends
them for speed. Pure.

Two variants, since which is faster depends on the decision: the netdev family's ingress hook, "much earlier
than prerouting" (nftables wiki, *Netfilter hooks*), and prerouting at priority raw, before connection
tracking. Lists are sets (interval sets for prefixes), limits by source are dynamic sets with a limit in
each element (nft(8), *Set statement*), SYNs are answered by ``synproxy`` (nft(8), *Synproxy statement*),
which is the ip family's alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from rempart.lab.bench.shield_decisions import BURST, DNS, HTTPS, OURS, RATE, Decision
from rempart.model.base import Value


class Hook(StrEnum):
    """Where the rules stand."""

    INGRESS = "netdev ingress"
    RAW = "prerouting raw"


class Ruleset(Value):
    """Texts for ``nft -f``. ``made`` once (sets, which may be large); ``on`` and ``off`` for each run."""

    made: str
    on: str
    off: str


SYNPROXY_SYSCTLS = {"netfilter/nf_conntrack_tcp_loose": "0", "ipv4/tcp_timestamps": "1"}
"""As nft(8) says; ``tcp_syncookies`` is set for all contenders."""

_SYN = "tcp flags & (fin | syn | rst | ack) == syn"
_METER = "type ipv4_addr; flags dynamic, timeout; timeout 1m; size 65535;"


def ruleset(decision: Decision, hook: Hook, interface: str, blocked: Sequence[str] = ()) -> Ruleset | None:
    """The rules for a decision; None where this hook cannot make it. ``blocked``: prefixes of the list."""
    if decision is Decision.SYN_COOKIE:
        return None if hook is Hook.INGRESS else _synproxy()
    family = "netdev" if hook is Hook.INGRESS else "ip"
    table = f"{family} {decision.name.lower()}"
    at = f'ingress device "{interface}" priority -500' if hook is Hook.INGRESS else "prerouting priority raw"
    sets, rule = _set_and_rule(decision, blocked)
    made = [f"add table {table}"]
    if sets:
        made.append(f"add set {table} found {{ {sets} }}")
    on = f"add chain {table} filter {{ type filter hook {at}; }}\nadd rule {table} filter {rule}\n"
    return Ruleset(made="\n".join(made) + "\n", on=on, off=f"delete chain {table} filter\n")


def _set_and_rule(decision: Decision, blocked: Sequence[str]) -> tuple[str, str]:
    over = f"limit rate over {RATE}/minute burst {BURST} packets"
    match decision:
        case Decision.BLOCKED:
            elements = f" elements = {{ {', '.join(blocked)} }};" if blocked else ""
            return f"type ipv4_addr; flags interval;{elements}", "ip saddr @found drop"
        case Decision.NOT_SERVED:
            return "", f"ip daddr {OURS} tcp dport != {{ {DNS}, {HTTPS} }} drop"
        case Decision.NOT_SERVED_UDP:
            return "", f"ip daddr {OURS} udp dport != {{ {DNS}, {HTTPS} }} drop"
        case Decision.SYN_LIMIT:
            return _METER, f"tcp dport {HTTPS} {_SYN} add @found {{ ip saddr {over} }} drop"
        case Decision.UDP_LIMIT:
            return _METER, f"udp dport {HTTPS} add @found {{ ip saddr {over} }} drop"
        case _:
            return _METER, f"udp dport {DNS} add @found {{ ip saddr and 255.255.255.0 {over} }} drop"


def _synproxy() -> Ruleset:
    table = "ip syn_cookie"
    proxy = "synproxy mss 1460 wscale 7 timestamp sack-perm"
    on = (
        f"add chain {table} early {{ type filter hook prerouting priority raw; }}",
        f"add rule {table} early tcp dport {HTTPS} tcp flags syn notrack",
        f"add chain {table} late {{ type filter hook input priority filter; }}",
        f"add rule {table} late tcp dport {HTTPS} ct state invalid,untracked {proxy}",
        f"add rule {table} late ct state invalid drop",
    )
    off = f"flush table {table}\ndelete chain {table} early\ndelete chain {table} late\n"
    return Ruleset(made=f"add table {table}\n", on="\n".join(on) + "\n", off=off)
