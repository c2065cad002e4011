/* Step 7 and the meters: buckets that cost the same memory for one source and for a billion. */
#pragma once

#include "packet.h"

/* MurmurHash3's 64-bit finaliser. */
INLINE u64 mix(u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

/* GCRA; two CPUs that charge one bucket at the same moment may charge it once. */
INLINE u64 arrival(u64 bucket, u64 now)
{
	return max(bucket, now);
}

INLINE bool is_over(u64 bucket, u64 now, u64 interval, u64 depth)
{
	return arrival(bucket, now) - now > depth - interval;
}

INLINE void charge(u64 *bucket, u64 now, u64 interval)
{
	*bucket = arrival(*bucket, now) + interval;
}

/* Takes a packet out of a bucket; true when it was over. */
INLINE bool take(u64 *bucket, u64 now, u64 interval, u64 depth)
{
	if (is_over(*bucket, now, interval, depth))
		return true;
	charge(bucket, now, interval);
	return false;
}

/* The same with the two buckets that a key has. */
INLINE bool take_either(u64 *first, u64 *second, u64 now, const struct limit *limit)
{
	u64 interval = limit->interval, depth = limit->depth;
	bool first_over, second_over;

	if (!first || !second)
		return false;
	first_over = is_over(*first, now, interval, depth);
	if (first == second) {
		if (!first_over)
			charge(first, now, interval);
		return first_over;
	}
	second_over = is_over(*second, now, interval, depth);
	if (!first_over)
		charge(first, now, interval);
	if (!second_over)
		charge(second, now, interval);
	return first_over && second_over;
}

INLINE void source_key(struct source_key *key, const struct packet *packet)
{
	const struct address *source = &packet->vector.source;

	key->family = packet->vector.family;
	key->network = key->family == 4 ? bpf_ntohl(mapped4(source)) : bpf_be64_to_cpu(*(const u64 *)source->bytes);
}

INLINE bool source_is_over(struct packet *packet, const struct config *config, u32 class, const struct source_key *key)
{
	u64 x = mix(mix(mix(config->seed ^ class) ^ key->network) ^ key->family);
	u32 i = (u32)x & (SOURCE_BUCKETS - 1), j = (u32)(x >> 32) & (SOURCE_BUCKETS - 1);

	return take_either(bpf_map_lookup_elem(&source_buckets, &i), bpf_map_lookup_elem(&source_buckets, &j), now(packet),
			   &config->source[class]);
}

INLINE bool prefix_is_over(struct packet *packet, const struct config *config, u32 class, const struct source_key *key)
{
	u64 prefix = key->network & (key->family == 4 ? ~0xffull : ~0xffffull);
	u64 x = mix(mix(mix(config->seed ^ class) ^ prefix) ^ (key->family + 16));
	u32 i = (u32)x & (PREFIX_BUCKETS - 1), j = (u32)(x >> 32) & (PREFIX_BUCKETS - 1);

	return take_either(bpf_map_lookup_elem(&prefix_buckets, &i), bpf_map_lookup_elem(&prefix_buckets, &j), now(packet),
			   &config->prefix[class]);
}

/* Counts a packet in a meter; above the threshold the measure it triggers stands until now + hold. */
INLINE void count_in_meter(struct packet *packet, const struct config *config, u32 which, u32 threshold)
{
	struct rate *rate = bpf_map_lookup_elem(&meters, &which);

	if (!rate)
		return;
	if (now(packet) - rate->window >= 100000000ull) {
		rate->window = now(packet);
		rate->seen = 0;
	}
	if (++rate->seen > threshold)
		rate->active_until = now(packet) + config->hold;
}

INLINE bool is_active(struct packet *packet, u8 when, u32 which)
{
	struct rate *rate;

	if (when != ABOVE_THRESHOLD)
		return when == ALWAYS;
	rate = bpf_map_lookup_elem(&meters, &which);
	return rate && now(packet) < rate->active_until;
}

INLINE struct proven *proof(struct packet *packet, const struct source_key *key)
{
	struct proven *proof = bpf_map_lookup_elem(&proven, key);

	return proof && now(packet) < proof->until ? proof : NULL;
}

/* Step 7 for one class. Reasons of the three classes stand in the order of the classes. */
GLOBAL int judge_by_limits(struct packet *packet, u32 class)
{
	struct config *config = settings();
	struct source_key key;
	struct proven *known;

	if (!packet || !config || class > LIMIT_ICMP)
		return UNDECIDED;
	source_key(&key, packet);
	if (class == LIMIT_SYN) {
		known = proof(packet, &key);
		if (known) {
			if (config->proven_syn.interval && take(&known->bucket, now(packet), config->proven_syn.interval,
								config->proven_syn.depth))
				return DROP_SOURCE_SYN;
			return UNDECIDED;
		}
	}
	if (config->source[class].interval && source_is_over(packet, config, class, &key))
		return DROP_SOURCE_SYN + class;
	if (config->prefix[class].interval && prefix_is_over(packet, config, class, &key))
		return DROP_PREFIX_SYN + class;
	return UNDECIDED;
}
