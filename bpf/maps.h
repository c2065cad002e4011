/* The maps, as docs/shield.md lists them. */
#pragma once

#include "tables.h"

#define TABLE(name, map_type, key_type, value_type, entries)	\
	struct {						\
		__uint(type, map_type);				\
		__uint(max_entries, entries);			\
		__type(key, key_type);				\
		__type(value, value_type);			\
	} name SEC(".maps")

/* Entries are allocated as they come: a trie cannot do otherwise, and a table for two millions would take its memory
 * on machines that block nobody. */
#define SPARSE_TABLE(name, map_type, key_type, value_type, entries)	\
	struct {						\
		__uint(type, map_type);				\
		__uint(max_entries, entries);			\
		__uint(map_flags, BPF_F_NO_PREALLOC);		\
		__type(key, key_type);				\
		__type(value, value_type);			\
	} name SEC(".maps")

TABLE(config, BPF_MAP_TYPE_ARRAY, u32, struct config, 1);
TABLE(counters, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct count, REASONS);

SPARSE_TABLE(allowed4, BPF_MAP_TYPE_LPM_TRIE, struct prefix4, struct listed, ALLOWED_PREFIXES);
SPARSE_TABLE(allowed6, BPF_MAP_TYPE_LPM_TRIE, struct prefix6, struct listed, ALLOWED_PREFIXES);
SPARSE_TABLE(blocked4_hosts, BPF_MAP_TYPE_HASH, struct host4, struct listed, BLOCKED_HOSTS);
SPARSE_TABLE(blocked4_nets, BPF_MAP_TYPE_HASH, struct net4, struct listed, BLOCKED_NETS4);
/* In memory shared with the loader, which sets single bits; and so its entries are whole cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WHERE_NETWORKS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct where);
} blocked4_where SEC(".maps");
SPARSE_TABLE(blocked6_nets, BPF_MAP_TYPE_HASH, struct network6, struct listed, BLOCKED_HOSTS);
SPARSE_TABLE(blocked4, BPF_MAP_TYPE_LPM_TRIE, struct prefix4, struct listed, BLOCKED_PREFIXES);
SPARSE_TABLE(blocked6, BPF_MAP_TYPE_LPM_TRIE, struct prefix6, struct listed, BLOCKED_PREFIXES);
SPARSE_TABLE(martians4, BPF_MAP_TYPE_LPM_TRIE, struct prefix4, u32, MARTIAN_PREFIXES);
SPARSE_TABLE(martians6, BPF_MAP_TYPE_LPM_TRIE, struct prefix6, u32, MARTIAN_PREFIXES);

/* Only for its type: clang leaves a struct that is met behind pointers alone as a forward declaration, and libbpf
 * then cannot tell how large the inner map's value is. */
struct rule_set no_rules SEC(".bss.unused");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(max_entries, 1);
		__type(key, u32);
		__type(value, struct rule_set);
	});
} rules SEC(".maps");
TABLE(rule_counters, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct count, RULE_SLOTS);
TABLE(rule_limits, BPF_MAP_TYPE_ARRAY, u32, u64, RULE_SLOTS);

TABLE(addresses, BPF_MAP_TYPE_HASH, struct address, u32, OWN_ADDRESSES);
TABLE(services, BPF_MAP_TYPE_ARRAY, u32, u32, SERVICES);

TABLE(source_buckets, BPF_MAP_TYPE_ARRAY, u32, u64, SOURCE_BUCKETS);
TABLE(prefix_buckets, BPF_MAP_TYPE_ARRAY, u32, u64, PREFIX_BUCKETS);
TABLE(proven, BPF_MAP_TYPE_LRU_HASH, struct source_key, struct proven, PROVEN_SOURCES);
TABLE(meters, BPF_MAP_TYPE_ARRAY, u32, struct rate, METERS);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} captures SEC(".maps");
TABLE(lost, BPF_MAP_TYPE_PERCPU_ARRAY, u32, u64, 2);

/* Room for the beginning of a DNS message, which the stack has not, and for walks through it: of what is in a map the
 * verifier remembers nothing, so that one round of a walk is to it like every other. */
#define SCRATCH 1024
#define QNAME_LABELS 32        /* names with more labels get no hash */

struct scratch {
	u8 bytes[SCRATCH + 64];    /* what is read at an offset under SCRATCH stays inside */
	u32 at, end;               /* the walk is at this offset, and must not come to that one */
	u32 labels;                /* of a name, so far */
	u32 found;                 /* what the walk was for: a name's end, an option */
	u32 hash;
	u8 starts[QNAME_LABELS];   /* of a name's first labels, counted from its beginning */
};
TABLE(scratch, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct scratch, 1);
