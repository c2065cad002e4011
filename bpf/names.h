/* The name in a DNS question. */
#pragma once

#include "options.h"

#define DNS_HEADER 12
#define NAME_BYTES 255
#define NAME_LABELS 128
#define QNAME_LABELS 32        /* names with more labels get no hash */
#define QNAME_SUFFIX 64        /* and of long suffixes only so many last bytes are hashed */

INLINE struct scratch *scratchpad(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

struct name_walk {
	struct scratch *from;
	u32 at;                    /* of the next length byte, in the scratchpad */
	u32 end;                   /* bytes that are in it */
	u32 labels;
	u32 whole;                 /* the root was reached; `at` is behind it */
	u8 starts[QNAME_LABELS];   /* of the first labels, counted from the beginning of the name */
};

static long walk_label(u32 i, struct name_walk *walk)
{
	u32 at = walk->at;
	u8 length;

	if (at >= walk->end || at >= SCRATCH)
		return 1;
	length = walk->from->bytes[at];
	if (length > 63)
		return 1;
	if (length == 0) {
		walk->at = at + 1;
		walk->whole = at + 1 - DNS_HEADER <= NAME_BYTES;
		return 1;
	}
	if (i < QNAME_LABELS)
		walk->starts[i] = (u8)(at - DNS_HEADER);
	walk->labels = i + 1;
	walk->at = at + 1 + length;
	return 0;
}

/* Walks the name that begins behind the header of the message in the scratchpad. */
INLINE bool walk_name(struct name_walk *walk)
{
	walk->at = DNS_HEADER;
	bpf_loop(NAME_LABELS, walk_label, walk, 0);
	return walk->whole;
}

struct suffix_hash {
	struct scratch *from;
	u32 at, end;
	u32 hash;
};

static long hash_byte(u32 i, struct suffix_hash *suffix)
{
	u32 at = suffix->at + i;
	u8 byte;

	if (at >= suffix->end || at >= SCRATCH)
		return 1;
	byte = suffix->from->bytes[at];
	if (byte >= 'A' && byte <= 'Z')
		byte |= 0x20;
	suffix->hash = fnv(suffix->hash, byte);
	return 0;
}

/* Brings the first bytes of the payload into the scratchpad; how many there are. */
INLINE u32 load_payload(struct xdp_md *ctx, struct packet *packet, struct scratch *into, u32 most)
{
	u32 length = packet->payload_end - packet->payload;

	length = min(length, most);
	barrier_var(length);
	if (length < 1 || length > SCRATCH || bpf_xdp_load_bytes(ctx, packet->payload, into->bytes, length))
		return 0;
	return length;
}

/* FNV-1a over the last `labels` labels of the first question's name; 0 when there is no such name. */
GLOBAL int hash_qname(struct xdp_md *ctx, struct packet *packet, u32 labels)
{
	struct scratch *bytes = scratchpad();
	struct name_walk walk = { .from = bytes };
	struct suffix_hash suffix = { .from = bytes, .hash = FNV_BASIS };
	u32 first, length;

	if (!packet || !bytes)
		return 0;
	walk.end = load_payload(ctx, packet, bytes, DNS_HEADER + NAME_BYTES);
	if (!walk_name(&walk) || walk.labels > QNAME_LABELS)
		return 0;
	suffix.end = walk.at - 1;
	first = walk.labels > labels ? walk.labels - labels : 0;
	if (walk.labels && first < QNAME_LABELS) {
		suffix.at = DNS_HEADER + walk.starts[first];
		length = suffix.end - suffix.at;
		if (length > QNAME_SUFFIX)
			suffix.at = suffix.end - QNAME_SUFFIX;
		bpf_loop(QNAME_SUFFIX, hash_byte, &suffix, 0);
	}
	return (int)suffix.hash;
}
