/* What the program and its loader share: the maps, and the layout of what is in them.
 *
 * `rempart.engines.shield.layout` says the same in Python; a test reads this file's BTF in the built object and
 * holds the two equal. Numbers are the host's own byte order unless a comment says "network order".
 */
#pragma once

#include "kernel.h" /* fixed-width types, map and helper definitions */

#define RULES 64            /* rules in a set */
#define RULE_SLOTS 1024     /* counters and buckets of rules; a rule keeps its slot from set to set */
#define SOURCE_BUCKETS (1u << 20)
#define PREFIX_BUCKETS (1u << 18)
#define PROVEN_SOURCES (1u << 17)
#define BLOCKED_PREFIXES 2000000
#define BLOCKED_HOSTS 2000000     /* and as many networks of IPv6 */
#define BLOCKED_NETS4 1048576     /* /24s; an empty table has 16 bytes for each */
#define ALLOWED_PREFIXES 4096
#define MARTIAN_PREFIXES 8192
#define OWN_ADDRESSES 4096
#define SNAP 128            /* bytes of a packet in a sample */
#define CAPTURE_SNAP 1536   /* and in a capture */
#define SAMPLE_NONE 0xffffffffu

/* --- verdicts and reasons -------------------------------------------------------------------------------- */

/* Every packet ends with exactly one of these; counters[reason] counts it. Never renumbered, only added to. */
enum reason {
	/* passed to the kernel */
	PASS_OFF = 0,              /* the shield is switched off in config */
	PASS_NOT_IP = 1,           /* ARP, LLDP, …: not for us to judge */
	PASS_ALLOWED = 2,          /* on the allow list */
	PASS_RULE = 3,             /* a rule said pass */
	PASS_NOT_OURS = 4,         /* to an address that is not one of ours (forwarded, multicast) */
	PASS_NEIGHBOUR = 5,        /* IPv6 neighbour discovery with hop limit 255 (RFC 4861) */
	PASS_REPLY = 6,            /* to a socket of ours on a port that we do not serve: an answer to us */
	PASS_PROVEN = 7,           /* the ACK that brought a valid cookie back */
	PASS = 8,                  /* nothing spoke against it */
	PASS_FRAGMENT = 9,         /* fragments are let through (config) */
	PASS_SYN_QUEUE = 10,       /* the kernel gives no cookie for this SYN: the listener's queue has room, it keeps it */
	/* answered from the program (XDP_TX) */
	TX_SYN_COOKIE = 16,
	TX_DNS_TRUNCATED = 17,
	/* dropped */
	DROP_ETHERNET = 32,        /* shorter than its header, or more than two VLAN tags */
	DROP_IP = 33,              /* IPv4 or IPv6 header that cannot be */
	DROP_EXTENSION = 34,       /* IPv6 extension headers out of order, too many, cut off, or routing type 0 */
	DROP_TCP = 35,             /* TCP header that cannot be */
	DROP_TCP_FLAGS = 36,       /* flags that no TCP sends */
	DROP_UDP = 37,
	DROP_ICMP = 38,
	DROP_BLOCKED = 39,         /* on the block list */
	DROP_MARTIAN = 40,         /* a source that cannot be real here */
	DROP_RULE = 41,            /* a rule said drop */
	DROP_RULE_LIMIT = 42,      /* a rule's bucket was empty */
	DROP_FRAGMENT = 43,
	DROP_NOT_SERVED = 44,      /* to us, on a port or protocol that we do not serve */
	DROP_SOURCE_SYN = 45,      /* buckets of the source … */
	DROP_SOURCE_UDP = 46,
	DROP_SOURCE_ICMP = 47,
	DROP_PREFIX_SYN = 48,      /* … and of its prefix */
	DROP_PREFIX_UDP = 49,
	DROP_PREFIX_ICMP = 50,
	DROP_SYN_OPTIONS = 51,     /* a SYN with IP options or extension headers while cookies are made */
	/* 52 was another once: counters outlive the program that wrote them */
	DROP_ACK = 53,             /* an ACK to a listener with no connection and no valid cookie */
	DROP_DNS_MALFORMED = 54,
	DROP_DNS_RESPONSE = 55,    /* an answer sent to our server port */
	DROP_DNS_OPCODE = 56,
	DROP_DNS_LIMIT = 57,       /* above the prefix's rate, and not the slipped one */
	REASONS = 64,
};

struct count {
	u64 packets;
	u64 bytes;                 /* of the whole frame */
};

/* --- addresses and prefixes ------------------------------------------------------------------------------- */

/* 16 bytes in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2) wherever both families share a map. */
struct address {
	u8 bytes[16];
};

/* Keys of the LPM tries. IPv4 has tries of its own: 32 levels instead of 128. */
struct prefix4 {
	u32 length;                /* 0…32 */
	u8 bytes[4];
};

struct prefix6 {
	u32 length;                /* 0…128 */
	u8 bytes[16];
};

/* Keys of blocked IPv4 hosts (/32) and IPv6 networks of one subscriber (/64), which stand in hash tables beside the
 * tries: a million of them in a trie cost a chain of cache misses for each packet, in a table one or two. */
struct host4 {
	u8 bytes[4];
};

struct network6 {
	u8 bytes[8];
};

/* And of blocked IPv4 networks of 256 addresses (/24): with hosts, what most lists consist of. */
struct net4 {
	u8 bytes[3];
};

/* Where anything that holds for an address of a /24 may stand, in two bits for each of the 256 /24s of a /16: one cache
 * line answers for a source that is on no list. Two bits may say more than is there, never less. */
#define WHERE_HOSTS 1          /* in blocked4_hosts */
#define WHERE_NETS 2           /* in blocked4_nets */
#define WHERE_ANY 3            /* in either, or in the trie: a prefix of /25 to /31 inside, or a shorter one around it */
#define WHERE_NETWORKS 65536   /* entries, by the first 16 bits of an address */

struct where {
	u8 quads[64];          /* four /24s in each byte, the first in its lowest bits */
};

/* Value of allow and block lists. */
struct listed {
	u64 until;                 /* now() from which it no longer holds; 0: it does not expire */
	u64 packets;               /* hits, added to by the program */
	u64 bytes;
	u32 tag;                   /* whose entry it is; the loader's business */
	u32 length;                /* of this entry's prefix: a look-up in a trie does not say what it found */
};

/* --- the normalised header vector: what rules look at ------------------------------------------------------ */

/* 64 bytes, every field at a fixed place and in network order, so that a mask and a value of 64 bytes match any of
 * them. What a packet has not is zero. */
struct vector {
	u8 family;                 /*  0: 4 or 6 */
	u8 protocol;               /*  1: after extension headers; 44 for a later fragment's is the protocol it names */
	u8 tcp_flags;              /*  2: byte 13 of the TCP header */
	u8 fragment;               /*  3: 1 don't fragment (IPv4), 2 more fragments, 4 offset is not zero */
	u8 source_port[2];         /*  4: TCP, UDP; ICMP: type, code */
	u8 destination_port[2];    /*  6: TCP, UDP */
	u8 length[2];              /*  8: of the IP packet with its header; 65535 at most */
	u8 window[2];              /* 10: TCP, unscaled */
	u8 ttl;                    /* 12: TTL or hop limit */
	u8 traffic_class;          /* 13: TOS byte or traffic class */
	u8 extras;                 /* 14: 1 IPv4 options, 2 IPv6 extension headers, 4 one VLAN tag, 8 two */
	u8 tcp_offset;             /* 15: TCP header length in 32-bit words */
	u8 options_digest[4];      /* 16: of TCP option kinds, when the rule set needs it */
	u8 qname_hash[4];          /* 20: of the last labels of a DNS query's name, when the rule set needs it */
	u8 payload[8];             /* 24: first bytes after the TCP, UDP or ICMP(8 bytes) header, when needed */
	struct address source;     /* 32 */
	struct address destination;/* 48 */
};

/* --- rules ------------------------------------------------------------------------------------------------- */

enum rule_action {
	RULE_PASS = 0,             /* accepted, nothing further is asked */
	RULE_DROP = 1,
	RULE_LIMIT = 2,            /* above the bucket: dropped; within: the next rule */
	RULE_SAMPLE = 3,           /* sampled, and the next rule */
};

/* Inclusive ranges in host order. A whole range (0…max) is not looked at: `ranged` says which are. */
#define RANGE_LENGTH 1
#define RANGE_TTL 2
#define RANGE_SOURCE_PORT 4
#define RANGE_DESTINATION_PORT 8
#define RANGE_WINDOW 16

struct rule {
	struct { u64 mask, value; } word[8]; /* vector & mask == value; the program compares eight words of memory */
	u8 action;
	u8 ranged;
	u16 slot;                  /* into rule_counters and rule_limits, < RULE_SLOTS */
	u32 id;                    /* for samples; 0 is no rule */
	u16 length_min, length_max;
	u16 source_port_min, source_port_max;
	u16 destination_port_min, destination_port_max;
	u16 window_min, window_max;
	u8 ttl_min, ttl_max;
	u8 reserved[2];
	u32 sample_mask;           /* RULE_SAMPLE: hits & sample_mask == 0 are sampled */
	u64 interval;              /* RULE_LIMIT: ns a packet */
	u64 depth;                 /* RULE_LIMIT: ns of packets that may come at once */
};

#define NEEDS_OPTIONS 1
#define NEEDS_QNAME 2
#define NEEDS_PAYLOAD 4

struct rule_set {
	u32 count;                 /* 0…RULES */
	u32 generation;            /* the loader's number of this set */
	u32 needs;
	u32 qname_labels;          /* 1…8: how many of a name's last labels are hashed */
	struct rule rule[RULES];
};

/* --- limits ------------------------------------------------------------------------------------------------ */

/* A token bucket as one number, the theoretical arrival time (GCRA; ITU-T I.371 annex A):
 *   t = max(bucket, now); over when t - now > depth - interval; else bucket = t + interval.
 * An interval of 0 is no limit. depth >= interval. */
struct limit {
	u64 interval;              /* ns a packet */
	u64 depth;                 /* ns of packets that may come at once */
};

enum limit_class { LIMIT_SYN = 0, LIMIT_UDP = 1, LIMIT_ICMP = 2, LIMIT_DNS = 3, LIMIT_CLASSES = 4 };

/* A source that showed that it receives what is sent to it, by returning a SYN cookie or by having a connection. */
struct proven {
	u64 until;
	u64 bucket;                /* of its own SYNs */
};

struct source_key {
	u64 network;               /* IPv4: the address; IPv6: its first 64 bits. As a number. */
	u64 family;                /* 4 or 6 */
};

/* Rates over the whole node, in windows of 100 ms. One entry per enum meter. */
enum meter { METER_SYN = 0, METER_DNS = 1, METER_ACK = 2, METERS = 3 };

struct rate {
	u64 window;                /* now() at which the window began */
	u64 seen;                  /* packets in it */
	u64 active_until;          /* the measure it triggers stands until then */
};

/* --- settings ---------------------------------------------------------------------------------------------- */

#define ON 1                   /* otherwise everything passes as PASS_OFF */
#define DROP_MARTIANS 2
#define ONLY_SERVED 4          /* step 6 */
#define PASS_FRAGMENTS 8
#define DNS_COOKIES 16         /* a valid server cookie (RFC 9018) exempts from the DNS limits */
#define HAS_ALLOWED 32         /* a list with nothing in it is not asked */
#define HAS_BLOCKED4 64
#define HAS_BLOCKED6 128
#define CAPTURING 256
#define HAS_BLOCKED_HOSTS4 512
#define HAS_BLOCKED_NETS6 1024
#define COOKIE_TIMESTAMPS 2048  /* net.ipv4.tcp_timestamps is 2: SYN-ACKs may carry a timestamp (step 8) */

enum when { NEVER = 0, ABOVE_THRESHOLD = 1, ALWAYS = 2 };

struct config {
	u32 flags;
	u8 syn_cookies;            /* enum when */
	u8 dns_challenge;          /* enum when: sources that are not proven are sent to TCP */
	u8 dns_slip;               /* of the answers above the limit every how-many-th is truncated; 0: none, 1: all */
	u8 window_scale;           /* what this kernel will use for a connection that begins with a cookie */
	u16 mss4, mss6;            /* offered in SYN-ACKs: what we can take (RFC 9293, 3.7.1) */
	u32 syn_threshold;         /* SYNs in 100 ms above which cookies are made … */
	u32 dns_threshold;         /* queries in 100 ms above which sources must be proven … */
	u32 sample_mask;           /* of passed packets, by reason: (packets & mask) == 0; SAMPLE_NONE: none */
	u32 drop_sample_mask;      /* of dropped and answered packets */
	u32 capture_mask;
	u32 ack_threshold;         /* ACKs of no connection in 100 ms above which each must bring a cookie … */
	u64 hold;                  /* … and for how long, ns */
	u64 seed;                  /* of the buckets' hash; random */
	u64 proven_for;            /* ns */
	u64 wall;                  /* seconds of Unix time at now() == 0, for DNS cookies */
	u64 dns_cookie_key[2];     /* SipHash-2-4 key shared with the name server; two little-endian words */
	struct limit source[LIMIT_CLASSES];   /* /32, /64 */
	struct limit prefix[LIMIT_CLASSES];   /* /24, /48 */
	struct limit proven_syn;
};

/* services[]: TCP ports at their number, UDP ports at 65536 + number, other protocols at 131072 + number. */
#define SERVICES (131072 + 256)
#define SERVED 1
#define SERVED_DNS 2

/* --- samples ------------------------------------------------------------------------------------------------ */

struct sample {
	u64 time;                  /* now() */
	u32 interface;
	u32 length;                /* of the frame as it came */
	u16 captured;              /* bytes that follow the vector, of the frame as it came (before any rewriting) */
	u8 verdict;                /* XDP_DROP 1, XDP_PASS 2, XDP_TX 3 */
	u8 reason;
	u32 rule;                  /* id of the rule that decided or asked for the sample, or 0 */
	struct vector vector;
	/* captured bytes */
};
