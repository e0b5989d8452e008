/* SPDX-License-Identifier: BSD-3-Clause */
/* ChaCha20 as a random generator; see drbg.h. Bytes are the same on every byte order. */
#include "drbg.h"

#include <string.h>

#include "must.h"

/*
 * Four blocks of the key stream at once, one in each lane: what a processor has vectors for, it
 * does in about the time of one block. Without vectors the compiler makes plain code of it.
 */
typedef uint32_t lanes __attribute__((vector_size(16)));

static lanes rotl(lanes v, unsigned n)
{
	return (v << n) | (v >> (32 - n));
}

/* Little-endian, whatever the machine. */
static uint32_t little32(uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	return v;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return little32(v);
}

static void store32(uint8_t *p, uint32_t v)
{
	v = little32(v);
	memcpy(p, &v, sizeof(v));
}

#define QUARTER(a, b, c, d)                                                                        \
	do {                                                                                       \
		a += b, d = rotl(d ^ a, 16);                                                       \
		c += d, b = rotl(b ^ c, 12);                                                       \
		a += b, d = rotl(d ^ a, 8);                                                        \
		c += d, b = rotl(b ^ c, 7);                                                        \
	} while (0)

static void double_round(lanes x[16])
{
	QUARTER(x[0], x[4], x[8], x[12]);
	QUARTER(x[1], x[5], x[9], x[13]);
	QUARTER(x[2], x[6], x[10], x[14]);
	QUARTER(x[3], x[7], x[11], x[15]);
	QUARTER(x[0], x[5], x[10], x[15]);
	QUARTER(x[1], x[6], x[11], x[12]);
	QUARTER(x[2], x[7], x[8], x[13]);
	QUARTER(x[3], x[4], x[9], x[14]);
}

/* The state of the next four blocks, before the rounds. */
static void begin(lanes in[16], const struct drbg *r)
{
	static const uint32_t words[4] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	for (unsigned i = 0; i < 4; i++)
		in[i] = (lanes){ 0 } + words[i];
	for (unsigned i = 0; i < 8; i++)
		in[4 + i] = (lanes){ 0 } + r->key[i];
	for (unsigned k = 0; k < 4; k++) {
		in[12][k] = (uint32_t)(r->counter + k);
		in[13][k] = (uint32_t)((r->counter + k) >> 32);
	}
	in[14] = (lanes){ 0 } + r->nonce[0];
	in[15] = (lanes){ 0 } + r->nonce[1];
}

static void next_blocks(struct drbg *r)
{
	lanes in[16], x[16];

	begin(in, r);
	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 10; i++)
		double_round(x);
	for (unsigned i = 0; i < 16; i++)
		x[i] += in[i];
	for (unsigned k = 0; k < 4; k++)
		for (unsigned i = 0; i < 16; i++)
			store32(r->block + 64 * k + 4 * i, x[i][k]);
	r->counter += 4;
	r->used = 0;
}

void drbg_init(struct drbg *r, const uint8_t seed[DRBG_SEED], enum drbg_purpose purpose,
               uint32_t index)
{
	memset(r, 0, sizeof(*r));
	for (int i = 0; i < 8; i++)
		r->key[i] = load32(seed + 4 * i);
	r->nonce[0] = (uint32_t)purpose;
	r->nonce[1] = index;
	r->used = DRBG_BLOCK;
}

void drbg_seed_from_u64(uint8_t seed[DRBG_SEED], uint64_t n)
{
	memset(seed, 0, DRBG_SEED);
	store32(seed, (uint32_t)n);
	store32(seed + 4, (uint32_t)(n >> 32));
}

void drbg_bytes(struct drbg *r, void *out, size_t len)
{
	uint8_t *to = out;

	while (len > 0) {
		if (r->used == DRBG_BLOCK)
			next_blocks(r);
		size_t n = DRBG_BLOCK - r->used;
		n = n < len ? n : len;
		memcpy(to, r->block + r->used, n);
		r->used += (uint32_t)n;
		to += n;
		len -= n;
	}
}

/* The next n bytes, where they are or in room. */
static const uint8_t *take(struct drbg *r, uint8_t *room, uint32_t n)
{
	if (DRBG_BLOCK - r->used >= n) {
		r->used += n;
		return r->block + r->used - n;
	}
	drbg_bytes(r, room, n);
	return room;
}

uint16_t drbg_u16(struct drbg *r)
{
	uint8_t room[2];
	const uint8_t *b = take(r, room, sizeof(room));

	return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t drbg_u32(struct drbg *r)
{
	uint8_t room[4];

	return load32(take(r, room, sizeof(room)));
}

uint64_t drbg_u64(struct drbg *r)
{
	uint8_t room[8];
	const uint8_t *b = take(r, room, sizeof(room));

	return load32(b) | (uint64_t)load32(b + 4) << 32;
}

uint64_t drbg_below(struct drbg *r, uint64_t bound)
{
	uint64_t v;

	MUST(bound >= 1);
	do /* what makes 2^64 no multiple of bound is refused: the lowest 2^64 mod bound */
		v = drbg_u64(r);
	while (v < bound && v < (0 - bound) % bound);
	return v % bound;
}
