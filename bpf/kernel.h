/* What the program takes from the kernel: types, helpers, map macros, header layouts.
 *
 * Everything comes from libbpf-dev and linux-libc-dev; nothing depends on the headers or the BTF of the running kernel,
 * so one object loads on every kernel from 6.1 on.
 */
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

#define INLINE static __always_inline

/* A function with external linkage is verified once, by itself, with nothing known of its arguments. What the verifier
 * has to walk through is then the sum of the parts and not their product; it costs a call and a check for NULL. */
#define GLOBAL __attribute__((noinline))
