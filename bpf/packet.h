/* What is known of the packet in hand. */
#pragma once

#include "maps.h"

/* "Nothing decided yet, go on", where otherwise a reason is returned. */
#define UNDECIDED (-1)

/* For tests: with frozen_clock the clock is clock_at, which a test moves as it likes. Read-only data is known to the
 * verifier, so in a program that was loaded for real nothing of it is left. */
const volatile u64 frozen_clock = 0;
volatile u64 clock_at = 0;

/* TCP options that a SYN cookie has to remember, and their digest. */
struct options {
	u32 digest;
	u32 tsval;
	u8 timestamp, sack, scaled;/* seen? */
	u8 window_scale;
};

struct packet {
	u64 now;                   /* the instant by which all of it is judged; 0: the clock was not read yet */
	u32 frame;                 /* bytes as it came */
	u32 rule;                  /* id of the rule that decided */
	/* Offsets from the beginning of the frame. */
	u32 network;               /* IP header */
	u32 transport;             /* behind IP header and extension headers */
	u32 end;                   /* end of the IP packet; what is behind is padding */
	u32 payload;               /* of TCP, UDP, ICMP; 0 in later fragments and other protocols */
	u32 payload_end;
	u32 question;              /* DNS: bytes of the first question */
	u32 cookie;                /* host order */
	struct options options;
	struct vector vector __attribute__((aligned(8)));
};

INLINE u64 now(struct packet *packet)
{
	if (!packet->now)
		packet->now = frozen_clock ? clock_at : bpf_ktime_get_coarse_ns();
	return packet->now;
}

INLINE struct config *settings(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

INLINE u16 get16(const u8 *bytes)
{
	return (u16)(bytes[0] << 8 | bytes[1]);
}

INLINE void put16(u8 *bytes, u16 number)
{
	bytes[0] = (u8)(number >> 8);
	bytes[1] = (u8)number;
}

/* Copies of fields that stand in network order on both sides. */
#define COPY(to, from) __builtin_memcpy(&(to), &(from), sizeof(to))

/* The IPv4 address in the last four bytes of a mapped one, network order. */
INLINE u32 mapped4(const struct address *address)
{
	return *(const u32 *)(address->bytes + 12);
}

INLINE bool is_fragment(const struct packet *packet)
{
	return packet->vector.fragment & 6;
}
