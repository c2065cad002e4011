/* Step 6: is it to us, and do we serve it? */
#pragma once

#include "parse.h"

#define UDP_SERVICES 65536
#define PROTOCOL_SERVICES 131072

INLINE bool is_ours(const struct packet *packet)
{
	return bpf_map_lookup_elem(&addresses, &packet->vector.destination);
}

INLINE u32 service_flags(const struct packet *packet)
{
	u32 index = get16(packet->vector.destination_port), *flags;

	if (packet->vector.protocol == IPPROTO_UDP)
		index += UDP_SERVICES;
	else if (packet->vector.protocol != IPPROTO_TCP)
		index = PROTOCOL_SERVICES + packet->vector.protocol;
	flags = bpf_map_lookup_elem(&services, &index);
	return flags ? *flags : 0;
}

/* The four-tuple as the kernel's tables of sockets have it; returns its size. */
INLINE u32 four_tuple(struct bpf_sock_tuple *tuple, const struct vector *vector)
{
	if (vector->family == 4) {
		tuple->ipv4.saddr = mapped4(&vector->source);
		tuple->ipv4.daddr = mapped4(&vector->destination);
		COPY(tuple->ipv4.sport, vector->source_port);
		COPY(tuple->ipv4.dport, vector->destination_port);
		return sizeof(tuple->ipv4);
	}
	COPY(tuple->ipv6.saddr, vector->source);
	COPY(tuple->ipv6.daddr, vector->destination);
	COPY(tuple->ipv6.sport, vector->source_port);
	COPY(tuple->ipv6.dport, vector->destination_port);
	return sizeof(tuple->ipv6);
}

/* A connection of ours, or one that just ended: any TCP socket but a listener. */
GLOBAL int has_connection(struct xdp_md *ctx, struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	bool connected;

	if (!packet)
		return 0;
	if (four_tuple(&tuple, &packet->vector) == sizeof(tuple.ipv4))
		socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	else
		socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return 0;
	connected = socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return connected;
}

GLOBAL int has_udp_socket(struct xdp_md *ctx, struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;

	if (!packet)
		return 0;
	if (four_tuple(&tuple, &packet->vector) == sizeof(tuple.ipv4))
		socket = bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	else
		socket = bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return 0;
	bpf_sk_release(socket);
	return 1;
}

/* To a port that we do not serve: is it an answer to something that we sent? */
INLINE int judge_unserved(struct xdp_md *ctx, struct packet *packet)
{
	const struct vector *vector = &packet->vector;

	if (vector->protocol == IPPROTO_TCP && (vector->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN && has_connection(ctx, packet))
		return PASS_REPLY;
	if (vector->protocol == IPPROTO_UDP && has_udp_socket(ctx, packet))
		return PASS_REPLY;
	return DROP_NOT_SERVED;
}
