/* Steps 2 to 4: allow list, block lists, sources that cannot be real. */
#pragma once

#include "packet.h"

/* Is there an entry, and has it not expired? Then it is a hit. Hits of several CPUs at the same moment may count as one:
 * an atomic addition would cost each dropped packet more than the exact figure is worth. */
INLINE bool hit(struct listed *entry, struct packet *packet)
{
	if (!entry || (entry->until && now(packet) >= entry->until))
		return false;
	entry->packets++;
	entry->bytes += packet->frame;
	return true;
}

INLINE void source_prefix4(struct prefix4 *key, const struct packet *packet)
{
	key->length = 32;
	*(u32 *)key->bytes = mapped4(&packet->vector.source);
}

INLINE void source_prefix6(struct prefix6 *key, const struct packet *packet)
{
	key->length = 128;
	COPY(key->bytes, packet->vector.source);
}

INLINE bool is_allowed(struct packet *packet)
{
	if (packet->vector.family == 4) {
		struct prefix4 key;

		source_prefix4(&key, packet);
		return hit(bpf_map_lookup_elem(&allowed4, &key), packet);
	} else {
		struct prefix6 key;

		source_prefix6(&key, packet);
		return hit(bpf_map_lookup_elem(&allowed6, &key), packet);
	}
}

/* Which of the three maps may hold anything for this address: WHERE_…. */
INLINE u32 where4(const u8 *bytes)
{
	u32 index = (u32)bytes[0] << 8 | bytes[1];
	const struct where *where = bpf_map_lookup_elem(&blocked4_where, &index);

	return where ? where->quads[bytes[2] >> 2] >> (bytes[2] & 3) * 2 & WHERE_ANY : WHERE_ANY;
}

INLINE bool is_blocked4(struct packet *packet, u32 flags)
{
	struct listed *entry = NULL, *network;
	struct prefix4 key;
	u32 where;

	if (!(flags & (HAS_BLOCKED4 | HAS_BLOCKED_HOSTS4)))
		return false;
	source_prefix4(&key, packet);
	where = where4(key.bytes);
	if (where & WHERE_HOSTS && flags & HAS_BLOCKED_HOSTS4)
		entry = bpf_map_lookup_elem(&blocked4_hosts, key.bytes);
	/* A host is the longest prefix there is: if it stands in its table, expired or not, that decides. */
	if (entry || !(flags & HAS_BLOCKED4))
		return hit(entry, packet);
	if (where == WHERE_ANY)
		entry = bpf_map_lookup_elem(&blocked4, &key);
	if (where & WHERE_NETS && !(entry && entry->length > 24)) {
		network = bpf_map_lookup_elem(&blocked4_nets, key.bytes);
		if (network)
			entry = network;
	}
	return hit(entry, packet);
}

INLINE bool is_blocked6(struct packet *packet, u32 flags)
{
	struct listed *entry = NULL, *network;
	struct prefix6 key;

	source_prefix6(&key, packet);
	if (flags & HAS_BLOCKED6)
		entry = bpf_map_lookup_elem(&blocked6, &key);
	if (flags & HAS_BLOCKED_NETS6 && !(entry && entry->length > 64)) {
		network = bpf_map_lookup_elem(&blocked6_nets, key.bytes);
		if (network)
			entry = network;
	}
	return hit(entry, packet);
}

INLINE bool is_blocked(struct packet *packet, u32 flags)
{
	return packet->vector.family == 4 ? is_blocked4(packet, flags) : is_blocked6(packet, flags);
}

INLINE bool is_martian(struct packet *packet)
{
	const struct vector *vector = &packet->vector;
	const u64 *source = (const u64 *)vector->source.bytes, *destination = (const u64 *)vector->destination.bytes;
	u32 *martian;

	if (source[0] == destination[0] && source[1] == destination[1])
		return true;
	if (vector->family == 4) {
		struct prefix4 key;

		source_prefix4(&key, packet);
		martian = bpf_map_lookup_elem(&martians4, &key);
	} else {
		struct prefix6 key;

		source_prefix6(&key, packet);
		martian = bpf_map_lookup_elem(&martians6, &key);
	}
	return martian && *martian == 1;
}

/* Neighbour discovery, which RFC 4861 accepts with hop limit 255 only: nobody sent it from behind a router. */
INLINE bool is_neighbour(const struct packet *packet)
{
	const struct vector *vector = &packet->vector;
	u8 type = vector->source_port[0];

	return vector->family == 6 && vector->protocol == IPPROTO_ICMPV6 && !is_fragment(packet) && vector->ttl == 255 &&
	       type >= 133 && type <= 137;
}

INLINE int judge_by_lists(struct packet *packet, u32 flags)
{
	if (flags & HAS_ALLOWED && is_allowed(packet))
		return PASS_ALLOWED;
	if (flags & (HAS_BLOCKED4 | HAS_BLOCKED6 | HAS_BLOCKED_HOSTS4 | HAS_BLOCKED_NETS6) && is_blocked(packet, flags))
		return DROP_BLOCKED;
	if (unlikely(is_neighbour(packet)))
		return PASS_NEIGHBOUR;
	if (flags & DROP_MARTIANS && is_martian(packet))
		return DROP_MARTIAN;
	return UNDECIDED;
}
