/* Step 1: from a frame to its header vector, or the reason why it is none. */
#pragma once

#include "packet.h"

#define FRAGMENT_DF 1
#define FRAGMENT_MORE 2
#define FRAGMENT_LATER 4

#define EXTRA_IP4_OPTIONS 1
#define EXTRA_EXTENSIONS 2
#define EXTRA_VLAN 4
#define EXTRA_TWO_VLANS 8

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_PSH 8
#define TCP_ACK 16
#define TCP_URG 32

#define EXTENSIONS 6           /* extension headers that are walked */
/* Behind two VLAN tags, an IPv6 header and six extension headers of 2,048 bytes nothing begins later than this. The
 * verifier wants an offset bounded before it is added to a pointer. */
#define MAX_OFFSET 0x3fff

INLINE bool is_vlan(u16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

INLINE int parse_ethernet(struct xdp_md *ctx, struct packet *packet, u16 *type)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u16 *at = data + 12;

	if (unlikely(data + ETH_HLEN > end))
		return DROP_ETHERNET;
	*type = *at;
	packet->network = ETH_HLEN;
	if (likely(!is_vlan(*type)))
		return UNDECIDED;

	if (data + ETH_HLEN + 4 > end)
		return DROP_ETHERNET;
	*type = at[2];
	packet->network = ETH_HLEN + 4;
	if (!is_vlan(*type))
		return UNDECIDED;

	if (data + ETH_HLEN + 8 > end)
		return DROP_ETHERNET;
	*type = at[4];
	packet->network = ETH_HLEN + 8;
	return is_vlan(*type) ? DROP_ETHERNET : UNDECIDED;
}

INLINE u8 vlan_extras(const struct packet *packet)
{
	return packet->network == ETH_HLEN ? 0 : packet->network == ETH_HLEN + 4 ? EXTRA_VLAN : EXTRA_TWO_VLANS;
}

INLINE int parse_ip4(struct xdp_md *ctx, struct packet *packet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct vector *vector = &packet->vector;
	u32 network = packet->network, there, header, total;
	struct iphdr *ip;
	u16 fragment;

	if (network > ETH_HLEN + 8)
		return DROP_ETHERNET;
	ip = data + network;
	if (unlikely((void *)(ip + 1) > end))
		return DROP_IP;
	there = packet->frame - network;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (unlikely(ip->version != 4 || header < sizeof(*ip) || header > there || total < header || total > there))
		return DROP_IP;

	packet->transport = network + header;
	packet->end = network + total;
	fragment = bpf_ntohs(ip->frag_off);
	vector->family = 4;
	vector->protocol = ip->protocol;
	COPY(vector->length, ip->tot_len);
	vector->ttl = ip->ttl;
	vector->traffic_class = ip->tos;
	vector->fragment = (fragment & 0x4000 ? FRAGMENT_DF : 0) | (fragment & 0x2000 ? FRAGMENT_MORE : 0) |
			   (fragment & 0x1fff ? FRAGMENT_LATER : 0);
	vector->extras = vlan_extras(packet) | (header > sizeof(*ip) ? EXTRA_IP4_OPTIONS : 0);
	*(u16 *)(vector->source.bytes + 10) = 0xffff;
	*(u32 *)(vector->source.bytes + 12) = ip->saddr;
	*(u16 *)(vector->destination.bytes + 10) = 0xffff;
	*(u32 *)(vector->destination.bytes + 12) = ip->daddr;
	return UNDECIDED;
}

INLINE bool is_extension(u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT ||
	       protocol == IPPROTO_AH || protocol == IPPROTO_DSTOPTS;
}

/* Walks the extension headers; a function of its own since few packets have any. */
GLOBAL int parse_extensions(struct xdp_md *ctx, struct packet *packet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	bool fragment_seen = false;
	struct vector *vector;
	u32 at, size;
	u8 *header;
	int i;

	if (!packet)
		return DROP_EXTENSION;
	vector = &packet->vector;
	for (i = 0; i < EXTENSIONS; i++) {
		if (!is_extension(vector->protocol))
			return UNDECIDED;
		at = packet->transport;
		if (at > MAX_OFFSET || at + 8 > packet->end)
			return DROP_EXTENSION;
		header = data + at;
		if ((void *)header + 8 > end)
			return DROP_EXTENSION;

		size = (header[1] + 1) * 8;
		switch (vector->protocol) {
		case IPPROTO_HOPOPTS:
			if (i)
				return DROP_EXTENSION;
			break;
		case IPPROTO_ROUTING:
			if (header[2] == 0) /* RFC 5095 */
				return DROP_EXTENSION;
			break;
		case IPPROTO_AH:
			size = (header[1] + 2) * 4;
			break;
		case IPPROTO_FRAGMENT:
			if (fragment_seen)
				return DROP_EXTENSION;
			size = 8;
			break;
		}
		if (at + size > packet->end)
			return DROP_EXTENSION;

		if (vector->protocol == IPPROTO_FRAGMENT) {
			fragment_seen = true;
			vector->fragment = (header[3] & 1 ? FRAGMENT_MORE : 0) |
					   (get16(header + 2) & 0xfff8 ? FRAGMENT_LATER : 0);
		}
		vector->protocol = header[0];
		vector->extras |= EXTRA_EXTENSIONS;
		packet->transport = at + size;
		if (vector->fragment & FRAGMENT_LATER)
			return UNDECIDED;
	}
	return is_extension(vector->protocol) ? DROP_EXTENSION : UNDECIDED;
}

INLINE int parse_ip6(struct xdp_md *ctx, struct packet *packet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct vector *vector = &packet->vector;
	u32 network = packet->network, total;
	struct ipv6hdr *ip;

	if (network > ETH_HLEN + 8)
		return DROP_ETHERNET;
	ip = data + network;
	if (unlikely((void *)(ip + 1) > end))
		return DROP_IP;
	total = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (unlikely(ip->version != 6 || total > packet->frame - network))
		return DROP_IP;

	packet->transport = network + sizeof(*ip);
	packet->end = network + total;
	vector->family = 6;
	vector->protocol = ip->nexthdr;
	put16(vector->length, total > 0xffff ? 0xffff : (u16)total);
	vector->ttl = ip->hop_limit;
	vector->traffic_class = (u8)(ip->priority << 4 | ip->flow_lbl[0] >> 4);
	vector->extras = vlan_extras(packet);
	COPY(vector->source, ip->saddr);
	COPY(vector->destination, ip->daddr);
	return is_extension(vector->protocol) ? parse_extensions(ctx, packet) : UNDECIDED;
}

INLINE int check_tcp_flags(u8 flags)
{
	switch (flags & (TCP_SYN | TCP_FIN | TCP_RST)) {
	case TCP_SYN:
	case TCP_RST:
		return UNDECIDED;
	case TCP_FIN:
	case 0:
		return flags & TCP_ACK ? UNDECIDED : DROP_TCP_FLAGS;
	default:
		return DROP_TCP_FLAGS;
	}
}

INLINE int parse_tcp(void *at, void *end, struct packet *packet)
{
	struct vector *vector = &packet->vector;
	struct tcphdr *tcp = at;
	u32 header;

	if (unlikely(packet->transport + sizeof(*tcp) > packet->end || (void *)(tcp + 1) > end))
		return DROP_TCP;
	COPY(vector->source_port, tcp->source);
	COPY(vector->destination_port, tcp->dest);
	COPY(vector->window, tcp->window);
	vector->tcp_flags = ((u8 *)at)[13];
	vector->tcp_offset = tcp->doff;
	header = tcp->doff * 4;
	if (unlikely(header < sizeof(*tcp) || packet->transport + header > packet->end))
		return DROP_TCP;
	if (unlikely(!tcp->source || !tcp->dest))
		return DROP_TCP;
	packet->payload = packet->transport + header;
	packet->payload_end = packet->end;
	return check_tcp_flags(vector->tcp_flags);
}

INLINE int parse_udp(void *at, void *end, struct packet *packet)
{
	struct vector *vector = &packet->vector;
	struct udphdr *udp = at;
	u32 length, there;

	if (unlikely(packet->transport + sizeof(*udp) > packet->end || (void *)(udp + 1) > end))
		return DROP_UDP;
	COPY(vector->source_port, udp->source);
	COPY(vector->destination_port, udp->dest);
	length = bpf_ntohs(udp->len);
	there = packet->end - packet->transport;
	if (unlikely(!udp->dest || length < sizeof(*udp) || (length > there && !is_fragment(packet))))
		return DROP_UDP;
	packet->payload = packet->transport + sizeof(*udp);
	packet->payload_end = packet->transport + min(length, there);
	return UNDECIDED;
}

INLINE int parse_icmp(void *at, void *end, struct packet *packet)
{
	if (unlikely(packet->transport + 8 > packet->end || at + 8 > end))
		return DROP_ICMP;
	__builtin_memcpy(packet->vector.source_port, at, 2);
	packet->payload = packet->transport + 8;
	packet->payload_end = packet->end;
	return UNDECIDED;
}

/* ICMP in the family that it belongs to. */
INLINE bool is_icmp(const struct packet *packet)
{
	return packet->vector.protocol == (packet->vector.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

INLINE int parse_transport(struct xdp_md *ctx, struct packet *packet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u32 transport = packet->transport;
	u8 protocol = packet->vector.protocol;

	if (packet->vector.fragment & FRAGMENT_LATER)
		return UNDECIDED;
	if (transport > MAX_OFFSET)
		return DROP_IP;
	if (likely(protocol == IPPROTO_TCP))
		return parse_tcp(data + transport, end, packet);
	if (protocol == IPPROTO_UDP)
		return parse_udp(data + transport, end, packet);
	if (is_icmp(packet))
		return parse_icmp(data + transport, end, packet);
	return UNDECIDED;
}

GLOBAL int parse(struct xdp_md *ctx, struct packet *packet)
{
	int reason;
	u16 type;

	if (!packet)
		return DROP_ETHERNET;
	reason = parse_ethernet(ctx, packet, &type);
	if (reason != UNDECIDED)
		return reason;
	if (type == bpf_htons(ETH_P_IP))
		reason = parse_ip4(ctx, packet);
	else if (type == bpf_htons(ETH_P_IPV6))
		reason = parse_ip6(ctx, packet);
	else
		return PASS_NOT_IP;
	return reason == UNDECIDED ? parse_transport(ctx, packet) : reason;
}
