/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of keys; see prf.h. A node's children and what belongs to itself come from two streams
 * of its key (drbg_purpose); a child's number is in the stream's index and in the upper half of
 * the block counter, whose lower half is the generator's own.
 */
#include "prf.h"

#include "lib/drbg.h"

void prf_step(struct prf *p, uint64_t n)
{
	struct drbg r;

	drbg_init(&r, p->key, DRBG_ANONYMIZE_STEP, (uint32_t)n);
	r.counter = n & 0xffffffff00000000;
	drbg_bytes(&r, p->key, PRF_KEY);
}

void prf_say(struct prf *p, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	prf_step(p, n);
	while (n > 0) {
		uint64_t word = 0;
		size_t take = n < 8 ? n : 8;
		for (size_t i = 0; i < take; i++)
			word |= (uint64_t)from[i] << (8 * i);
		prf_step(p, word);
		from += take;
		n -= take;
	}
}

void prf_bytes(const struct prf *p, void *out, size_t n)
{
	struct drbg r;

	drbg_init(&r, p->key, DRBG_ANONYMIZE, 0);
	drbg_bytes(&r, out, n);
}
