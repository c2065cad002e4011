/* Turning a packet round: what the SYN-ACK and the truncated answer have in common. */
#pragma once

#include "packet.h"

#define REPLY_TTL 64

INLINE u16 fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}

INLINE u64 sum_words(const u32 *words, u32 count)
{
	u64 sum = 0;
	u32 i;

#pragma unroll
	for (i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

/* The pseudo header of TCP and UDP. A mapped IPv4 address is its address and 0xffff, which sums to nothing; so one sum
 * serves both families. */
INLINE u64 sum_pseudo_header(const struct packet *packet, u8 protocol, u32 length)
{
	return sum_words((const u32 *)packet->vector.source.bytes, 4) +
	       sum_words((const u32 *)packet->vector.destination.bytes, 4) + bpf_htonl(protocol) + bpf_htonl(length);
}

INLINE u32 ip_header_size(const struct packet *packet)
{
	return packet->vector.family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* VLAN tags stay where they are. */
INLINE void turn_ethernet(void *frame)
{
	u16 *half = frame, kept;
	u32 i;

#pragma unroll
	for (i = 0; i < 3; i++) {
		kept = half[i];
		half[i] = half[i + 3];
		half[i + 3] = kept;
	}
}

INLINE void write_ip4(struct iphdr *ip, const struct packet *packet, u8 protocol, u32 length)
{
	u32 word[5];

	word[0] = bpf_htonl(0x45000000 | (sizeof(*ip) + length));
	word[1] = bpf_htonl(0x00004000); /* id 0, don't fragment */
	word[2] = bpf_htonl((u32)REPLY_TTL << 24 | (u32)protocol << 16);
	word[3] = mapped4(&packet->vector.destination);
	word[4] = mapped4(&packet->vector.source);
	word[2] |= (u32)bpf_htonl(bpf_ntohs(fold(sum_words(word, 5))));
	__builtin_memcpy(ip, word, sizeof(word));
}

INLINE void write_ip6(struct ipv6hdr *ip, const struct packet *packet, u8 protocol, u32 length)
{
	u32 *word = (u32 *)ip;

	word[0] = bpf_htonl(0x60000000);
	word[1] = bpf_htonl(length << 16 | (u32)protocol << 8 | REPLY_TTL);
	COPY(ip->saddr, packet->vector.destination);
	COPY(ip->daddr, packet->vector.source);
}

/* Gives the frame its length; the only way in which it can fail is a driver without room behind the frame. */
INLINE int resize(struct xdp_md *ctx, u32 size)
{
	s32 difference = (s32)(size - (u32)(ctx->data_end - ctx->data));

	return difference ? (int)bpf_xdp_adjust_tail(ctx, difference) : 0;
}
