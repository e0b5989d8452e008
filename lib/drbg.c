/* SPDX-License-Identifier: BSD-3-Clause */
/* ChaCha20 as a random generator; see drbg.h. Bytes are the same on every byte order. */
#include "drbg.h"

#include <string.h>

#include "must.h"

static uint32_t rotl(uint32_t v, unsigned n)
{
	return (v << n) | (v >> (32 - n));
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

#define QUARTER(a, b, c, d)                                                                        \
	do {                                                                                       \
		a += b, d = rotl(d ^ a, 16);                                                       \
		c += d, b = rotl(b ^ c, 12);                                                       \
		a += b, d = rotl(d ^ a, 8);                                                        \
		c += d, b = rotl(b ^ c, 7);                                                        \
	} while (0)

static void double_round(uint32_t x[16])
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

static void next_block(struct drbg *r)
{
	uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[16];

	memcpy(in + 4, r->key, sizeof(r->key));
	in[12] = (uint32_t)r->counter;
	in[13] = (uint32_t)(r->counter >> 32);
	in[14] = r->nonce[0];
	in[15] = r->nonce[1];
	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 10; i++)
		double_round(x);
	for (int i = 0; i < 16; i++)
		store32(r->block + 4 * i, x[i] + in[i]);
	r->counter++;
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
			next_block(r);
		size_t n = DRBG_BLOCK - r->used;
		n = n < len ? n : len;
		memcpy(to, r->block + r->used, n);
		r->used += (uint32_t)n;
		to += n;
		len -= n;
	}
}

uint16_t drbg_u16(struct drbg *r)
{
	uint8_t b[2];

	drbg_bytes(r, b, sizeof(b));
	return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t drbg_u32(struct drbg *r)
{
	uint8_t b[4];

	drbg_bytes(r, b, sizeof(b));
	return load32(b);
}

uint64_t drbg_u64(struct drbg *r)
{
	uint64_t low = drbg_u32(r);

	return low | (uint64_t)drbg_u32(r) << 32;
}

uint64_t drbg_below(struct drbg *r, uint64_t bound)
{
	uint64_t v, reject;

	MUST(bound >= 1);
	reject = (0 - bound) % bound; /* 2^64 mod bound */
	do
		v = drbg_u64(r);
	while (v < reject);
	return v % bound;
}
