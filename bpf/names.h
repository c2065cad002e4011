/* The name in a DNS question. */
#pragma once

#include "options.h"

#define DNS_HEADER 12
#define NAME_BYTES 255
#define NAME_LABELS 128
#define QNAME_SUFFIX 64        /* of long suffixes only so many last bytes are hashed */

INLINE struct scratch *scratchpad(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

/* bpf_loop hands over only what is on the stack: a pointer to the scratchpad. */
struct walk {
	struct scratch *in;
};

static long walk_label(u32 i, struct walk *walk)
{
	struct scratch *name = walk->in;
	u32 at = name->at;
	u8 length;

	if (at >= name->end || at >= SCRATCH)
		return 1;
	length = name->bytes[at];
	if (length > 63)
		return 1;
	if (length == 0) {
		name->found = at + 1 - DNS_HEADER <= NAME_BYTES ? at + 1 : 0;
		return 1;
	}
	if (i < QNAME_LABELS)
		name->starts[i] = (u8)(at - DNS_HEADER);
	name->labels = i + 1;
	name->at = at + 1 + length;
	return 0;
}

/* Walks the name behind the header of the message in the scratchpad; the offset behind it, or 0 when it is none. */
INLINE u32 walk_name(struct scratch *message)
{
	struct walk walk = { .in = message };

	message->at = DNS_HEADER;
	message->labels = 0;
	message->found = 0;
	bpf_loop(NAME_LABELS, walk_label, &walk, 0);
	return message->found;
}

static long hash_byte(u32 i, struct walk *walk)
{
	struct scratch *name = walk->in;
	u32 at = name->at + i;
	u8 byte;

	if (at >= name->end || at >= SCRATCH)
		return 1;
	byte = name->bytes[at];
	if (byte >= 'A' && byte <= 'Z')
		byte |= 0x20;
	name->hash = fnv(name->hash, byte);
	return 0;
}

/* Brings the first bytes of the payload into the scratchpad; how many there are. */
INLINE u32 load_payload(struct xdp_md *ctx, struct packet *packet, struct scratch *into, u32 most)
{
	u32 length = packet->payload_end - packet->payload;

	length = min(length, most);
	barrier_var(length);
	if (length < 1 || length > SCRATCH || bpf_xdp_load_bytes(ctx, packet->payload, into->bytes, length))
		length = 0;
	into->end = length;
	return length;
}

/* FNV-1a over the last `labels` labels of the first question's name; 0 when there is no such name. */
GLOBAL int hash_qname(struct xdp_md *ctx, struct packet *packet, u32 labels)
{
	struct scratch *name = scratchpad();
	struct walk walk = { .in = name };
	u32 behind, first, at;

	if (!packet || !name)
		return 0;
	load_payload(ctx, packet, name, DNS_HEADER + NAME_BYTES);
	behind = walk_name(name);
	if (!behind || name->labels > QNAME_LABELS)
		return 0;
	name->hash = FNV_BASIS;
	name->end = behind - 1;
	first = name->labels > labels ? name->labels - labels : 0;
	if (name->labels && first < QNAME_LABELS) {
		at = DNS_HEADER + name->starts[first];
		name->at = name->end - at > QNAME_SUFFIX ? name->end - QNAME_SUFFIX : at;
		bpf_loop(QNAME_SUFFIX, hash_byte, &walk, 0);
	}
	return (int)name->hash;
}
