/* The steps of docs/shield.md, one after the other. */
#pragma once

#include "cookies.h"
#include "dns.h"
#include "limits.h"
#include "lists.h"
#include "parse.h"
#include "rules.h"
#include "sample.h"
#include "served.h"

INLINE int judge_tcp(struct xdp_md *ctx, struct packet *packet, const struct config *config, u32 service)
{
	u8 flags = packet->vector.tcp_flags;
	int reason;

	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		reason = judge_by_limits(packet, LIMIT_SYN);
		if (reason != UNDECIDED)
			return reason;
		count_in_meter(packet, config, METER_SYN, config->syn_threshold);
		return cookies_are_made(packet, config) ? judge_syn(ctx, packet) : PASS;
	}
	if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_ACK)
		return judge_ack(ctx, packet, service);
	return PASS;
}

INLINE int judge_class(struct packet *packet, u32 class)
{
	int reason = judge_by_limits(packet, class);

	return reason == UNDECIDED ? PASS : reason;
}

INLINE int judge_ours(struct xdp_md *ctx, struct packet *packet, const struct config *config)
{
	u32 flags = config->flags, service;

	if (is_fragment(packet))
		return flags & PASS_FRAGMENTS ? PASS_FRAGMENT : DROP_FRAGMENT;
	if (is_icmp(packet))
		return judge_class(packet, LIMIT_ICMP);
	service = service_flags(packet);
	if (flags & ONLY_SERVED && !(service & SERVED))
		return judge_unserved(ctx, packet);
	if (packet->vector.protocol == IPPROTO_TCP)
		return judge_tcp(ctx, packet, config, service);
	if (packet->vector.protocol == IPPROTO_UDP)
		return service & SERVED_DNS ? judge_dns(ctx, packet) : judge_class(packet, LIMIT_UDP);
	return PASS;
}

INLINE int judge(struct xdp_md *ctx, struct packet *packet, const struct config *config)
{
	u32 flags = config->flags;
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
	return judge_ours(ctx, packet, config);
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

/* Makes the answer out of the frame, after everything was told about the frame as it came. */
INLINE u8 carry_out(struct xdp_md *ctx, struct packet *packet, u32 reason)
{
	if (unlikely(reason == TX_SYN_COOKIE))
		return answer_syn(ctx, packet) ? XDP_DROP : XDP_TX;
	if (unlikely(reason == TX_DNS_TRUNCATED))
		return answer_dns(ctx, packet) ? XDP_DROP : XDP_TX;
	return verdict_of(reason);
}
