/* Step 10: what user space sees of the packets. */
#pragma once

#include "packet.h"

#define LOST_SAMPLE 0
#define LOST_CAPTURE 1

INLINE u8 verdict_of(u32 reason)
{
	return reason >= DROP_ETHERNET ? XDP_DROP : reason >= TX_SYN_COOKIE ? XDP_TX : XDP_PASS;
}

INLINE bool is_sampled(u64 count, u32 mask)
{
	return mask != SAMPLE_NONE && !(count & mask);
}

INLINE void count_lost(u32 what)
{
	u64 *count = bpf_map_lookup_elem(&lost, &what);

	if (count)
		(*count)++;
}

INLINE void fill_sample(struct sample *sample, struct xdp_md *ctx, struct packet *packet, u32 reason, u32 rule)
{
	sample->time = now(packet);
	sample->interface = ctx->ingress_ifindex;
	sample->length = packet->frame;
	sample->verdict = verdict_of(reason);
	sample->reason = (u8)reason;
	sample->rule = rule;
	__builtin_memcpy(&sample->vector, &packet->vector, sizeof(sample->vector));
}

/* Records have one size, whatever is in them: a reservation must be of a constant one, and a copy through other memory
 * would cost more than the unused end. */
GLOBAL int take_sample(struct xdp_md *ctx, struct packet *packet, u32 reason, u32 rule)
{
	struct {
		struct sample sample;
		u8 bytes[SNAP];
	} *record;
	u32 length;

	if (!packet)
		return 0;
	record = bpf_ringbuf_reserve(&samples, sizeof(*record), 0);
	if (!record) {
		count_lost(LOST_SAMPLE);
		return 0;
	}
	fill_sample(&record->sample, ctx, packet, reason, rule);
	length = min(packet->frame, (u32)SNAP);
	if (length < 1 || length > SNAP || bpf_xdp_load_bytes(ctx, 0, record->bytes, length))
		length = 0;
	record->sample.captured = (u16)length;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

GLOBAL int take_capture(struct xdp_md *ctx, struct packet *packet, u32 reason, u32 rule)
{
	struct {
		struct sample sample;
		u8 bytes[CAPTURE_SNAP];
	} *record;
	u32 length;

	if (!packet)
		return 0;
	record = bpf_ringbuf_reserve(&captures, sizeof(*record), 0);
	if (!record) {
		count_lost(LOST_CAPTURE);
		return 0;
	}
	fill_sample(&record->sample, ctx, packet, reason, rule);
	length = min(packet->frame, (u32)CAPTURE_SNAP);
	if (length < 1 || length > CAPTURE_SNAP || bpf_xdp_load_bytes(ctx, 0, record->bytes, length))
		length = 0;
	record->sample.captured = (u16)length;
	bpf_ringbuf_submit(record, 0);
	return 0;
}
