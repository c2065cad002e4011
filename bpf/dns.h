/* Step 9: what reaches a name server, and the answer that sends a resolver to TCP. */
#pragma once

#include "limits.h"
#include "names.h"
#include "parse.h"
#include "reply.h"
#include "siphash.h"

#define QUESTION_TAIL 4        /* type and class */
#define MAX_QUESTION (NAME_BYTES + QUESTION_TAIL)

#define DNS_QR 0x80            /* of the header's third byte */
#define DNS_OPCODE 0x78
#define DNS_TC 0x02
#define DNS_RD 0x01
#define DNS_CD 0x10            /* of its fourth */
#define OPCODE_NOTIFY 4
#define OPCODE_UPDATE 5

#define OPT_HEADER 11          /* root name, type, class, TTL, length */
#define TYPE_OPT 41
#define EDNS_OPTIONS 8         /* options that are walked */
#define EDNS_COOKIE 10
#define COOKIE_LENGTH 24       /* client's 8 bytes, server's 16 */
#define COOKIE_VERSION 1       /* RFC 9018 */
#define COOKIE_AGE 3600        /* s */
#define COOKIE_AHEAD 300

/* Is it an operation that is served, and a question if it is a query? Brings the message into the scratchpad. */
GLOBAL int check_dns(struct xdp_md *ctx, struct packet *packet)
{
	struct config *config = settings();
	struct scratch *message = scratchpad();
	u32 most, behind, length;
	u8 opcode, *header;

	if (!packet || !config || !message)
		return DROP_DNS_MALFORMED;
	most = config->flags & DNS_COOKIES ? SCRATCH : DNS_HEADER + MAX_QUESTION;
	length = load_payload(ctx, packet, message, most);
	if (length < DNS_HEADER)
		return DROP_DNS_MALFORMED;
	header = message->bytes;
	if (header[2] & DNS_QR)
		return DROP_DNS_RESPONSE;
	opcode = (header[2] & DNS_OPCODE) >> 3;
	if (opcode == OPCODE_NOTIFY || opcode == OPCODE_UPDATE)
		return UNDECIDED;
	if (opcode)
		return DROP_DNS_OPCODE;
	if (get16(header + 4) != 1 || get16(header + 6) || get16(header + 8) > 1 || get16(header + 10) > 2)
		return DROP_DNS_MALFORMED;
	behind = walk_name(message);
	if (!behind || behind + QUESTION_TAIL > length)
		return DROP_DNS_MALFORMED;
	packet->question = behind + QUESTION_TAIL - DNS_HEADER;
	return UNDECIDED;
}

static long walk_edns_option(u32 i, struct walk *walk)
{
	struct scratch *message = walk->in;
	u32 at = message->at, length;
	u8 *option;

	if (at + 4 > message->end || at > SCRATCH - 4)
		return 1;
	option = message->bytes + at;
	length = get16(option + 2);
	if (at + 4 + length > message->end)
		return 1;
	if (get16(option) == EDNS_COOKIE) {
		message->found = length == COOKIE_LENGTH ? at + 4 : 0;
		return 1;
	}
	message->at = at + 4 + length;
	return 0;
}

/* Where in the message the data of its COOKIE option is; 0: nowhere. */
INLINE u32 find_cookie(struct scratch *message, const struct packet *packet)
{
	u32 length = packet->payload_end - packet->payload, at = DNS_HEADER + packet->question;
	struct walk walk = { .in = message };
	u8 *record;

	if (get16(message->bytes + 8) || !get16(message->bytes + 10))
		return 0;
	if (at > DNS_HEADER + MAX_QUESTION || at + OPT_HEADER > length)
		return 0;
	record = message->bytes + at;
	if (record[0] || get16(record + 1) != TYPE_OPT)
		return 0;
	message->at = at + OPT_HEADER;
	message->end = message->at + get16(record + 9); /* may be behind the scratchpad */
	if (message->end > length)
		return 0;
	message->found = 0;
	bpf_loop(EDNS_OPTIONS, walk_edns_option, &walk, 0);
	return message->found;
}

INLINE u64 hash_cookie(const u64 *cookie, const struct packet *packet, const u64 *key)
{
	const u64 *source = (const u64 *)packet->vector.source.bytes;
	struct siphash state;

	sip_begin(&state, key);
	sip_word(&state, cookie[0]);
	sip_word(&state, cookie[1]);
	if (packet->vector.family == 4)
		return sip_end(&state, 20ull << 56 | mapped4(&packet->vector.source));
	sip_word(&state, source[0]);
	sip_word(&state, source[1]);
	return sip_end(&state, 32ull << 56);
}

/* Does the query carry a server cookie that our name server gave this source not long ago (RFC 9018)? */
GLOBAL int has_valid_cookie(struct packet *packet)
{
	struct config *config = settings();
	struct scratch *message = scratchpad();
	u64 cookie[3], key[2];
	u32 at, stamp;
	s32 age;

	if (!packet || !config || !message)
		return 0;
	at = find_cookie(message, packet);
	if (!at || at > SCRATCH - COOKIE_LENGTH)
		return 0;
	__builtin_memcpy(cookie, message->bytes + at, sizeof(cookie));
	if ((cookie[1] & 0xff) != COOKIE_VERSION)
		return 0;
	stamp = bpf_ntohl((u32)(cookie[1] >> 32));
	age = (s32)((u32)(config->wall + now(packet) / 1000000000) - stamp);
	if (age > COOKIE_AGE || age < -COOKIE_AHEAD)
		return 0;
	key[0] = config->dns_cookie_key[0];
	key[1] = config->dns_cookie_key[1];
	return hash_cookie(cookie, packet, key) == cookie[2];
}

/* A truncated answer if it can be one. Behind IP options or extension headers only an attacker's would begin. */
INLINE int truncate(const struct packet *packet)
{
	if (!packet->question || packet->vector.extras & (EXTRA_IP4_OPTIONS | EXTRA_EXTENSIONS))
		return DROP_DNS_LIMIT;
	return TX_DNS_TRUNCATED;
}

INLINE u64 counted(u32 reason)
{
	struct count *count = bpf_map_lookup_elem(&counters, &reason);

	return count ? count->packets : 0;
}

GLOBAL int judge_dns(struct xdp_md *ctx, struct packet *packet)
{
	struct config *config = settings();
	struct source_key key;
	u8 slip;
	int reason;

	if (!packet || !config)
		return PASS;
	reason = check_dns(ctx, packet);
	if (reason != UNDECIDED)
		return reason;
	count_in_meter(packet, config, METER_DNS, config->dns_threshold);

	source_key(&key, packet);
	if (proof(packet, &key))
		return PASS;
	if (config->flags & DNS_COOKIES && packet->question && has_valid_cookie(packet))
		return PASS;
	if (is_active(packet, config->dns_challenge, METER_DNS))
		return truncate(packet);
	if (!config->prefix[LIMIT_DNS].interval || !prefix_is_over(packet, config, LIMIT_DNS, &key))
		return PASS;
	slip = config->dns_slip;
	if (slip && (counted(DROP_DNS_LIMIT) + counted(TX_DNS_TRUNCATED)) % slip == 0)
		return truncate(packet);
	return DROP_DNS_LIMIT;
}

INLINE void turn_dns_header(u8 *header)
{
	header[2] = DNS_QR | DNS_TC | (header[2] & DNS_RD);
	header[3] &= DNS_CD;
	*(u32 *)(header + 4) = bpf_htonl(0x00010000);
	*(u32 *)(header + 8) = 0;
}

/* Rewrites the query into its truncated answer, which is never longer. Returns 0 when it is done. */
GLOBAL int answer_dns(struct xdp_md *ctx, struct packet *packet)
{
	struct scratch *message = scratchpad();
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip;
	u32 network, header, size, padded, length;
	struct udphdr *udp;
	u64 sum;
	u16 check;

	if (!packet || !message)
		return -1;
	network = packet->network;
	size = DNS_HEADER + packet->question;
	barrier_var(size);
	if (network > ETH_HLEN + 8 || size > DNS_HEADER + MAX_QUESTION)
		return -1;
	header = ip_header_size(packet);
	ip = data + network;
	udp = ip + header;
	if (data + ETH_HLEN > end || (void *)(udp + 1) + DNS_HEADER > end)
		return -1;

	turn_dns_header(message->bytes);
	*(u32 *)(message->bytes + size) = 0; /* the checksum is over whole words */
	padded = (size + 3) & ~3u;
	barrier_var(padded);
	if (padded > SCRATCH)
		return -1;
	length = sizeof(*udp) + size;
	sum = (u64)bpf_csum_diff(NULL, 0, (void *)message->bytes, padded, 0);
	sum += sum_pseudo_header(packet, IPPROTO_UDP, length);
	sum += *(u16 *)packet->vector.source_port + (u32)*(u16 *)packet->vector.destination_port + bpf_htons((u16)length);
	check = fold(sum);

	turn_ethernet(data);
	if (header == sizeof(struct iphdr))
		write_ip4(ip, packet, IPPROTO_UDP, length);
	else
		write_ip6(ip, packet, IPPROTO_UDP, length);
	COPY(udp->source, packet->vector.destination_port);
	COPY(udp->dest, packet->vector.source_port);
	udp->len = bpf_htons((u16)length);
	udp->check = check ? check : 0xffff; /* 0 would say that there is none (RFC 768) */
	__builtin_memcpy(udp + 1, message->bytes, DNS_HEADER);
	return resize(ctx, network + header + length);
}
