"""Why a packet ended as it did, and what became of it: the numbers of `enum reason` in bpf/tables.h."""

from __future__ import annotations

from enum import IntEnum


class Verdict(IntEnum):
    """What an XDP program returns (linux/bpf.h, enum xdp_action)."""

    DROP = 1
    PASS = 2
    TX = 3


class Reason(IntEnum):
    """Every packet ends with exactly one of these."""

    PASS_OFF = 0
    PASS_NOT_IP = 1
    PASS_ALLOWED = 2
    PASS_RULE = 3
    PASS_NOT_OURS = 4
    PASS_NEIGHBOUR = 5
    PASS_REPLY = 6
    PASS_PROVEN = 7
    PASS = 8
    PASS_FRAGMENT = 9
    TX_SYN_COOKIE = 16
    TX_DNS_TRUNCATED = 17
    DROP_ETHERNET = 32
    DROP_IP = 33
    DROP_EXTENSION = 34
    DROP_TCP = 35
    DROP_TCP_FLAGS = 36
    DROP_UDP = 37
    DROP_ICMP = 38
    DROP_BLOCKED = 39
    DROP_MARTIAN = 40
    DROP_RULE = 41
    DROP_RULE_LIMIT = 42
    DROP_FRAGMENT = 43
    DROP_NOT_SERVED = 44
    DROP_SOURCE_SYN = 45
    DROP_SOURCE_UDP = 46
    DROP_SOURCE_ICMP = 47
    DROP_PREFIX_SYN = 48
    DROP_PREFIX_UDP = 49
    DROP_PREFIX_ICMP = 50
    DROP_SYN_OPTIONS = 51
    DROP_SYN_COOKIE_FAILED = 52
    DROP_ACK = 53
    DROP_DNS_MALFORMED = 54
    DROP_DNS_RESPONSE = 55
    DROP_DNS_OPCODE = 56
    DROP_DNS_LIMIT = 57

    @property
    def verdict(self) -> Verdict:
        """Below 16 packets pass, below 32 they are answered, the rest is dropped."""
        return Verdict.PASS if self < 16 else Verdict.TX if self < 32 else Verdict.DROP
