/* Step 8: SYN cookies, and the ACKs that bring them back.
 *
 * The cookie is the listener's own: it is made and checked by the kernel's helpers for the socket, so that the stack
 * takes the ACK as it takes those of its own cookies.
 */
#pragma once

#include "limits.h"
#include "options.h"
#include "parse.h"
#include "reply.h"
#include "served.h"

#define MAX_TCP_HEADER 60

/* What a SYN cookie remembers in the low bits of a timestamp, as Linux's cookie_init_timestamp() has it. */
#define TIMESTAMP_BITS 6
#define TIMESTAMP_NO_SCALE 15
#define TIMESTAMP_SACK 16

#define SYN_ACK_SHORT 24
#define SYN_ACK_LONG 40
#define SYN_ACK_WINDOW 65535

/* A challenged resolver comes back over TCP, and shows by the cookie that it is where it says it is. */
INLINE bool cookies_are_made(struct packet *packet, const struct config *config)
{
	return is_active(packet, config->syn_cookies, METER_SYN) || is_active(packet, config->dns_challenge, METER_DNS);
}

INLINE struct bpf_sock *find_socket(struct xdp_md *ctx, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};

	if (four_tuple(&tuple, &packet->vector) == sizeof(tuple.ipv4))
		return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

INLINE u32 syn_ack_size(const struct packet *packet)
{
	return packet->options.timestamp ? SYN_ACK_LONG : SYN_ACK_SHORT;
}

/* The helper's answer for the listener of this SYN: a cookie, a negative errno, or 0 when nothing listens. No real
 * answer is 0, since there is an MSS beside the cookie. */
GLOBAL s64 make_cookie(struct xdp_md *ctx, struct packet *packet)
{
	u8 tcp[MAX_TCP_HEADER] = {};
	void *data, *end, *ip;
	struct bpf_sock *socket;
	u32 length, network;
	s64 answer = 0;

	if (!packet)
		return 0;
	length = packet->vector.tcp_offset * 4;
	network = packet->network;
	barrier_var(length);
	barrier_var(network);
	/* The helper wants the header's own length; a copy saves growing the frame until the longest would fit. */
	if (length < sizeof(struct tcphdr) || length > sizeof(tcp) || network > ETH_HLEN + 8 ||
	    bpf_xdp_load_bytes(ctx, packet->transport, tcp, length))
		return 0;
	socket = find_socket(ctx, packet);
	if (!socket)
		return 0;
	if (socket->state == BPF_TCP_LISTEN) {
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		ip = data + network;
		if (packet->vector.family == 4 && ip + sizeof(struct iphdr) <= end)
			answer = bpf_tcp_gen_syncookie(socket, ip, sizeof(struct iphdr), (void *)tcp, length);
		else if (packet->vector.family == 6 && ip + sizeof(struct ipv6hdr) <= end)
			answer = bpf_tcp_gen_syncookie(socket, ip, sizeof(struct ipv6hdr), (void *)tcp, length);
	}
	bpf_sk_release(socket);
	return answer;
}

GLOBAL int judge_syn(struct xdp_md *ctx, struct packet *packet)
{
	struct config *config = settings();
	u32 size;
	s64 answer;

	if (!packet || !config)
		return PASS;
	if (packet->vector.extras & (EXTRA_IP4_OPTIONS | EXTRA_EXTENSIONS))
		return DROP_SYN_OPTIONS;
	answer = make_cookie(ctx, packet);
	if (!answer)
		return PASS;
	/* The kernel wants none made (ENOENT), or cannot: the listener was closed since we found it. It decides. */
	if (answer < 0)
		return PASS_SYN_QUEUE;
	packet->cookie = (u32)answer;

	if (config->flags & COOKIE_TIMESTAMPS)
		read_options(ctx, packet);
	else
		packet->options.timestamp = 0; /* a rule may have read them */
	/* Room is made now, while the verdict can still be another. */
	size = packet->network + ip_header_size(packet) + syn_ack_size(packet);
	if (size > packet->frame && resize(ctx, size))
		return PASS_SYN_QUEUE;
	return TX_SYN_COOKIE;
}

INLINE u32 cookie_timestamp(struct packet *packet)
{
	const struct options *syn = &packet->options;
	u32 clock = (u32)(now(packet) / 1000000), stamp;

	stamp = clock & ~((1u << TIMESTAMP_BITS) - 1);
	stamp |= syn->scaled ? syn->window_scale : TIMESTAMP_NO_SCALE;
	if (syn->sack)
		stamp |= TIMESTAMP_SACK;
	return stamp > clock ? stamp - (1u << TIMESTAMP_BITS) : stamp;
}

INLINE void fill_syn_ack(u32 *word, const struct tcphdr *syn, struct packet *packet, const struct config *config)
{
	const struct options *options = &packet->options;
	struct tcphdr *tcp = (struct tcphdr *)word;
	u16 mss = packet->vector.family == 4 ? config->mss4 : config->mss6;
	u32 size = syn_ack_size(packet);

	tcp->source = syn->dest;
	tcp->dest = syn->source;
	word[1] = bpf_htonl(packet->cookie);
	word[2] = bpf_htonl(bpf_ntohl(syn->seq) + 1);
	word[3] = bpf_htonl(size << 26 | (u32)(TCP_SYN | TCP_ACK) << 16 | SYN_ACK_WINDOW);
	word[4] = 0;
	word[5] = bpf_htonl(0x02040000 | mss);
	if (size == SYN_ACK_LONG) {
		word[6] = bpf_htonl(options->sack ? 0x0402080a : 0x0101080a);
		word[7] = bpf_htonl(cookie_timestamp(packet));
		word[8] = bpf_htonl(options->tsval);
		word[9] = bpf_htonl(options->scaled ? 0x01030300 | config->window_scale : 0x01010101);
	}
	/* Words that are not sent are zero and add nothing. */
	word[4] = fold(sum_words(word, SYN_ACK_LONG / 4) + sum_pseudo_header(packet, IPPROTO_TCP, size));
}

/* Rewrites the frame into the SYN-ACK; the frame is at least as long already. Returns 0 when it is done. */
GLOBAL int answer_syn(struct xdp_md *ctx, struct packet *packet)
{
	struct config *config = settings();
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip, *tcp;
	u32 word[SYN_ACK_LONG / 4] = {}, network, header;

	if (!packet || !config)
		return -1;
	network = packet->network;
	if (network > ETH_HLEN + 8)
		return -1;
	header = ip_header_size(packet);
	ip = data + network;
	tcp = ip + header;
	if (data + ETH_HLEN > end || tcp + SYN_ACK_SHORT > end)
		return -1;
	fill_syn_ack(word, tcp, packet, config);

	turn_ethernet(data);
	if (header == sizeof(struct iphdr))
		write_ip4(ip, packet, IPPROTO_TCP, syn_ack_size(packet));
	else
		write_ip6(ip, packet, IPPROTO_TCP, syn_ack_size(packet));
	__builtin_memcpy(tcp, word, SYN_ACK_SHORT);
	if (packet->options.timestamp) {
		if (tcp + SYN_ACK_LONG > end)
			return -1;
		__builtin_memcpy(tcp + SYN_ACK_SHORT, &word[SYN_ACK_SHORT / 4], SYN_ACK_LONG - SYN_ACK_SHORT);
	}
	return resize(ctx, network + header + syn_ack_size(packet));
}

/* A source brought a cookie back, or has a connection: it receives what is sent to it. */
INLINE void remember_proven(struct packet *packet, const struct config *config)
{
	struct proven fresh = { .until = now(packet) + config->proven_for }, *known;
	struct source_key key;

	source_key(&key, packet);
	known = bpf_map_lookup_elem(&proven, &key);
	if (known)
		known->until = fresh.until;
	else
		bpf_map_update_elem(&proven, &key, &fresh, BPF_ANY);
}

INLINE bool brings_cookie(struct xdp_md *ctx, const struct packet *packet, struct bpf_sock *socket)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip, *tcp;
	u32 network = packet->network, transport = packet->transport;

	barrier_var(network);
	barrier_var(transport);
	if (network > ETH_HLEN + 8 || transport > MAX_OFFSET)
		return false;
	ip = data + network;
	tcp = data + transport;
	if (tcp + sizeof(struct tcphdr) > end)
		return false;
	if (packet->vector.family == 4)
		return ip + sizeof(struct iphdr) <= end &&
		       !bpf_tcp_check_syncookie(socket, ip, sizeof(struct iphdr), tcp, sizeof(struct tcphdr));
	return ip + sizeof(struct ipv6hdr) <= end &&
	       !bpf_tcp_check_syncookie(socket, ip, sizeof(struct ipv6hdr), tcp, sizeof(struct tcphdr));
}

/* Whether an ACK that belongs to no connection must bring a cookie. They are counted in calm only: no packet of a
 * connection writes to what all CPUs share. */
INLINE bool cookies_are_asked_for(struct packet *packet, const struct config *config)
{
	if (cookies_are_made(packet, config))
		return true;
	count_in_meter(packet, config, METER_ACK, config->ack_threshold);
	return is_active(packet, ABOVE_THRESHOLD, METER_ACK);
}

GLOBAL int judge_ack(struct xdp_md *ctx, struct packet *packet, u32 service)
{
	struct config *config = settings();
	struct bpf_sock *socket;
	int reason = PASS;
	u32 state;

	if (!packet || !config)
		return PASS;
	socket = find_socket(ctx, packet);
	if (!socket)
		return service & SERVED && cookies_are_asked_for(packet, config) ? DROP_ACK : PASS;
	state = socket->state;
	if (state == BPF_TCP_LISTEN && cookies_are_asked_for(packet, config))
		reason = brings_cookie(ctx, packet, socket) ? PASS_PROVEN : DROP_ACK;
	bpf_sk_release(socket);
	/* A handshake that the kernel made itself proves as much as a cookie does. */
	if (reason == PASS_PROVEN || (state == BPF_TCP_ESTABLISHED && cookies_are_made(packet, config)))
		remember_proven(packet, config);
	return reason;
}
