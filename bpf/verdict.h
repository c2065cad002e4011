/* The steps of docs/shield.md, one after the other. */
#pragma once

#include "limits.h"
#include "lists.h"
#include "parse.h"
#include "rules.h"
#include "sample.h"
#include "served.h"

INLINE int judge_tcp(struct xdp_md *ctx, struct packet *packet)
{
	bool syn = (packet->vector.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	int reason;

	if (syn) {
		reason = judge_by_limits(packet, LIMIT_SYN);
		if (reason != UNDECIDED)
			return reason;
	}
	return PASS;
}

INLINE int judge_udp(struct xdp_md *ctx, struct packet *packet, u32 service)
{
	int reason;

	reason = judge_by_limits(packet, LIMIT_UDP);
	return reason == UNDECIDED ? PASS : reason;
}

INLINE int judge_ours(struct xdp_md *ctx, struct packet *packet, u32 flags)
{
	u32 service;
	int reason;

	if (is_fragment(packet))
		return flags & PASS_FRAGMENTS ? PASS_FRAGMENT : DROP_FRAGMENT;
	if (is_icmp(packet)) {
		reason = judge_by_limits(packet, LIMIT_ICMP);
		return reason == UNDECIDED ? PASS : reason;
	}
	service = service_flags(packet);
	if (flags & ONLY_SERVED && !(service & SERVED))
		return judge_unserved(ctx, packet);
	if (packet->vector.protocol == IPPROTO_TCP)
		return judge_tcp(ctx, packet);
	if (packet->vector.protocol == IPPROTO_UDP)
		return judge_udp(ctx, packet, service);
	return PASS;
}

INLINE int judge(struct xdp_md *ctx, struct packet *packet, u32 flags)
{
	int reason;

	if (unlikely(!(flags & ON)))
		return PASS_OFF;
	reason = parse(ctx, packet);
	if (reason != UNDECIDED)
		return reason;
	reason = judge_by_lists(packet, flags);
	if (reason != UNDECIDED)
		return reason;
	reason = judge_by_rules(ctx, packet);
	if (reason != UNDECIDED)
		return reason;
	if (!is_ours(packet))
		return PASS_NOT_OURS;
	return judge_ours(ctx, packet, flags);
}

/* Counts the packet, and samples it when it is its turn. */
INLINE void conclude(struct xdp_md *ctx, struct packet *packet, u32 reason, const struct config *config)
{
	struct count *count = bpf_map_lookup_elem(&counters, &reason);

	if (!count)
		return;
	count->packets++;
	count->bytes += packet->frame;
	if (unlikely(is_sampled(count->packets, reason < TX_SYN_COOKIE ? config->sample_mask : config->drop_sample_mask)))
		take_sample(ctx, packet, reason, packet->rule);
	if (unlikely(config->flags & CAPTURING && is_sampled(count->packets, config->capture_mask)))
		take_capture(ctx, packet, reason, packet->rule);
}
