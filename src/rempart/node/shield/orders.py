"""From the operator's ``[shield]`` section to the engine's orders. Pure."""

from __future__ import annotations

from rempart.model.attacks import Measure
from rempart.model.shield import ClassLimits, Limit, ShieldOrders, Thresholds, When
from rempart.model.shield_settings import ShieldSection
from rempart.node.shield.surroundings import Surroundings

IPV4_AND_TCP, IPV6_AND_TCP = 40, 60
"""Bytes of headers without options: what of an MTU is no segment."""
MSS4_MIN, MSS6_MIN = 536, 1220
MTU_USUAL = 1500
_NONE = Measure(0)


def orders(
    section: ShieldSection,
    found: Surroundings,
    interfaces: tuple[str, ...],
    *,
    window_scale: int,
    timestamps: bool,
    measures: Measure = _NONE,
    sample_passed: int | None = None,
) -> ShieldOrders:
    """``interfaces``: those that are guarded. ``timestamps``: the kernel takes options out of ours.

    ``measures``: what the defence loop demands; what the operator has said shall never be is not.
    ``sample_passed``: the loop's, which follows the load; None: the operator's.
    """
    guarded = [one.mtu for one in found.interfaces if one.name in interfaces]
    # One program serves all of them, so the smallest decides; beyond the usual MTU nothing is won on the
    # Internet.
    mtu = min([*guarded, MTU_USUAL])

    def limit(per_second: int) -> Limit | None:
        if per_second == 0:
            return None
        return Limit(per_second=per_second, burst=max(1.0, per_second * section.burst_seconds))

    return ShieldOrders(
        drop_martians=section.martians,
        only_served=section.only_served,
        pass_fragments=section.fragments == "pass",
        syn_cookies=_when(section.syn_cookies, Measure.SYN_COOKIES in measures),
        cookie_timestamps=timestamps,
        dns_challenge=_when(section.dns_challenge, Measure.DNS_CHALLENGE in measures),
        dns_slip=section.dns_slip,
        window_scale=window_scale,
        mss4=max(mtu - IPV4_AND_TCP, MSS4_MIN),
        mss6=max(mtu - IPV6_AND_TCP, MSS6_MIN),
        thresholds=Thresholds(
            syn=section.syn_threshold, dns=section.dns_threshold, hold_seconds=section.hold_seconds
        ),
        proven_seconds=section.proven_seconds,
        source=ClassLimits(
            syn=limit(section.syn_per_source),
            udp=limit(section.udp_per_source),
            icmp=limit(section.icmp_per_source),
        ),
        prefix=ClassLimits(
            syn=limit(section.syn_per_prefix),
            udp=limit(section.udp_per_prefix),
            icmp=limit(section.icmp_per_prefix),
            dns=limit(section.dns_per_prefix),
        ),
        proven_syn=limit(section.syn_per_proven),
        sample_passed=section.sample_passed if sample_passed is None else sample_passed,
        sample_dropped=section.sample_dropped,
    )


def _when(given: str, demanded: bool) -> When:
    return When.ALWAYS if demanded and given != "never" else When(given)
