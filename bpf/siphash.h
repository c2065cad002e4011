/* SipHash-2-4 (Aumasson, Bernstein 2012) over whole words and a last one. */
#pragma once

#include "kernel.h"

struct siphash {
	u64 v0, v1, v2, v3;
};

INLINE u64 rotate(u64 x, u32 bits)
{
	return x << bits | x >> (64 - bits);
}

INLINE void sip_round(struct siphash *state)
{
	state->v0 += state->v1;
	state->v1 = rotate(state->v1, 13) ^ state->v0;
	state->v0 = rotate(state->v0, 32);
	state->v2 += state->v3;
	state->v3 = rotate(state->v3, 16) ^ state->v2;
	state->v0 += state->v3;
	state->v3 = rotate(state->v3, 21) ^ state->v0;
	state->v2 += state->v1;
	state->v1 = rotate(state->v1, 17) ^ state->v2;
	state->v2 = rotate(state->v2, 32);
}

INLINE void sip_begin(struct siphash *state, const u64 *key)
{
	state->v0 = key[0] ^ 0x736f6d6570736575ull;
	state->v1 = key[1] ^ 0x646f72616e646f6dull;
	state->v2 = key[0] ^ 0x6c7967656e657261ull;
	state->v3 = key[1] ^ 0x7465646279746573ull;
}

INLINE void sip_word(struct siphash *state, u64 word)
{
	state->v3 ^= word;
	sip_round(state);
	sip_round(state);
	state->v0 ^= word;
}

/* The last word carries the length of the message in its highest byte. */
INLINE u64 sip_end(struct siphash *state, u64 last)
{
	sip_word(state, last);
	state->v2 ^= 0xff;
	sip_round(state);
	sip_round(state);
	sip_round(state);
	sip_round(state);
	return state->v0 ^ state->v1 ^ state->v2 ^ state->v3;
}
