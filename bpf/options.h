/* TCP options: their digest for rules, and what a SYN cookie has to remember of them. */
#pragma once

#include "packet.h"

#define FNV_BASIS 0x811c9dc5u
#define FNV_PRIME 0x01000193u
#define TCP_OPTIONS 24         /* options that are walked */
#define TCP_OPTION_BYTES 40

#define OPTION_WINDOW_SCALE 3
#define OPTION_SACK_PERMITTED 4
#define OPTION_TIMESTAMP 8

INLINE u32 fnv(u32 hash, u8 byte)
{
	return (hash ^ byte) * FNV_PRIME;
}

/* Room behind the last byte, so that a whole option can be read at any offset that is inside. */
struct option_bytes {
	u8 bytes[TCP_OPTION_BYTES + 16];
};

struct option_walk {
	struct option_bytes *from;
	struct options *into;
	u32 at, length;
};

static long walk_option(u32 i, struct option_walk *walk)
{
	struct options *found = walk->into;
	u32 at = walk->at, size;
	u8 *option, kind;

	if (at >= walk->length || at >= TCP_OPTION_BYTES)
		return 1;
	option = walk->from->bytes + at;
	kind = option[0];
	if (kind == 0)
		return 1;
	found->digest = fnv(found->digest, kind);
	if (kind == 1) {
		walk->at = at + 1;
		return 0;
	}
	size = at + 1 < walk->length ? option[1] : 0;
	if (size < 2 || at + size > walk->length) {
		found->digest = fnv(found->digest, 0xff);
		return 1;
	}
	walk->at = at + size;

	if (kind == OPTION_WINDOW_SCALE && size == 3) {
		found->scaled = 1;
		found->window_scale = min(option[2], 14); /* RFC 7323, 2.3 */
	} else if (kind == OPTION_SACK_PERMITTED && size == 2) {
		found->sack = 1;
	} else if (kind == OPTION_TIMESTAMP && size == 10) {
		found->timestamp = 1;
		found->tsval = (u32)get16(option + 2) << 16 | get16(option + 4);
	}
	return 0;
}

/* Walks the options of the TCP header; `found` is cleared first. */
GLOBAL int read_options(struct xdp_md *ctx, struct packet *packet)
{
	struct option_bytes bytes = {};
	struct options found = {};
	struct option_walk walk = { .from = &bytes, .into = &found };
	u32 length;

	if (!packet)
		return 0;
	length = packet->vector.tcp_offset * 4 - sizeof(struct tcphdr);
	/* What the compiler knows of the length must not make it leave out the check that the verifier needs. */
	barrier_var(length);
	if (length >= 1 && length <= TCP_OPTION_BYTES &&
	    !bpf_xdp_load_bytes(ctx, packet->transport + sizeof(struct tcphdr), bytes.bytes, length)) {
		found.digest = FNV_BASIS;
		walk.length = length;
		bpf_loop(TCP_OPTIONS, walk_option, &walk, 0);
	}
	packet->options = found;
	return 0;
}
