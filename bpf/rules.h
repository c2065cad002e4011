/* Step 5: the active rule set, and the parts of the vector that only rules need. */
#pragma once

#include "limits.h"
#include "names.h"
#include "options.h"
#include "parse.h"
#include "sample.h"

INLINE void fill_payload(struct xdp_md *ctx, struct packet *packet)
{
	u32 length = packet->payload_end - packet->payload;
	u8 bytes[8] = {};

	length = min(length, (u32)sizeof(bytes));
	barrier_var(length);
	if (length < 1 || length > sizeof(bytes) || bpf_xdp_load_bytes(ctx, packet->payload, bytes, length))
		return;
	COPY(packet->vector.payload, bytes);
}

INLINE bool may_be_query(const struct packet *packet)
{
	return packet->vector.protocol == IPPROTO_UDP && get16(packet->vector.destination_port) == 53 &&
	       packet->payload_end > packet->payload + DNS_HEADER;
}

/* The optional parts of the vector, for every packet that came so far while the set needs them. */
GLOBAL int fill_optional(struct xdp_md *ctx, struct packet *packet, u32 needs, u32 qname_labels)
{
	if (!packet)
		return 0;
	if (needs & NEEDS_OPTIONS && packet->vector.tcp_offset > 5) {
		read_options(ctx, packet);
		*(u32 *)packet->vector.options_digest = bpf_htonl(packet->options.digest);
	}
	if (needs & NEEDS_PAYLOAD && packet->payload)
		fill_payload(ctx, packet);
	if (needs & NEEDS_QNAME && may_be_query(packet))
		*(u32 *)packet->vector.qname_hash = bpf_htonl((u32)hash_qname(ctx, packet, qname_labels));
	return 0;
}

INLINE bool in_ranges(const struct rule *rule, const struct vector *vector)
{
	u8 ranged = rule->ranged;
	u16 number;

	if (ranged & RANGE_LENGTH) {
		number = get16(vector->length);
		if (number < rule->length_min || number > rule->length_max)
			return false;
	}
	if (ranged & RANGE_TTL && (vector->ttl < rule->ttl_min || vector->ttl > rule->ttl_max))
		return false;
	if (ranged & RANGE_SOURCE_PORT) {
		number = get16(vector->source_port);
		if (number < rule->source_port_min || number > rule->source_port_max)
			return false;
	}
	if (ranged & RANGE_DESTINATION_PORT) {
		number = get16(vector->destination_port);
		if (number < rule->destination_port_min || number > rule->destination_port_max)
			return false;
	}
	if (ranged & RANGE_WINDOW) {
		number = get16(vector->window);
		if (number < rule->window_min || number > rule->window_max)
			return false;
	}
	return true;
}

/* What a rule that matched does. Apart, since most rules do not match. */
GLOBAL int apply_rule(struct xdp_md *ctx, struct packet *packet, const struct rule *rule)
{
	struct count *count;
	u64 *bucket;
	u32 slot;

	if (!packet || !rule)
		return UNDECIDED;
	slot = rule->slot;
	count = bpf_map_lookup_elem(&rule_counters, &slot);
	if (!count)
		return UNDECIDED;
	count->packets++;
	count->bytes += packet->frame;

	switch (rule->action) {
	case RULE_PASS:
		packet->rule = rule->id;
		return PASS_RULE;
	case RULE_DROP:
		packet->rule = rule->id;
		return DROP_RULE;
	case RULE_LIMIT:
		bucket = bpf_map_lookup_elem(&rule_limits, &slot);
		if (!bucket || !rule->interval || !take(bucket, now(packet), rule->interval, rule->depth))
			return UNDECIDED;
		packet->rule = rule->id;
		return DROP_RULE_LIMIT;
	case RULE_SAMPLE:
		if (is_sampled(count->packets, rule->sample_mask))
			take_sample(ctx, packet, PASS, rule->id);
		return UNDECIDED;
	}
	return UNDECIDED;
}

GLOBAL int judge_by_rules(struct xdp_md *ctx, struct packet *packet)
{
	const struct rule *rule;
	struct rule_set *set;
	u64 word[8];
	u32 zero = 0, i, count;
	void *inner;
	int reason;

	inner = bpf_map_lookup_elem(&rules, &zero);
	if (!inner || !packet)
		return UNDECIDED;
	set = bpf_map_lookup_elem(inner, &zero);
	if (!set)
		return UNDECIDED;
	if (set->needs)
		fill_optional(ctx, packet, set->needs, set->qname_labels);
	count = set->count;
	if (!count)
		return UNDECIDED;
	__builtin_memcpy(word, &packet->vector, sizeof(word));

#define DIFFERS(n) ((word[n] & rule->word[n].mask) != rule->word[n].value)
	for (i = 0; i < RULES; i++) {
		if (i >= count)
			break;
		rule = &set->rule[i];
		if (DIFFERS(0) || DIFFERS(1) || DIFFERS(2) || DIFFERS(3) || DIFFERS(4) || DIFFERS(5) || DIFFERS(6) ||
		    DIFFERS(7))
			continue;
		if (rule->ranged && !in_ranges(rule, &packet->vector))
			continue;
		reason = apply_rule(ctx, packet, rule);
		if (reason != UNDECIDED)
			return reason;
	}
#undef DIFFERS
	return UNDECIDED;
}
