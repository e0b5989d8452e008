/* SPDX-License-Identifier: BSD-3-Clause */
/* A log-linear histogram; see hist.h. */
#include "hist.h"

#include <string.h>

#include "must.h"

enum { SUB_BITS = 6 };

unsigned hist_bucket(uint64_t v)
{
	if (v < HIST_SUB)
		return (unsigned)v;
	unsigned exp = 63u - (unsigned)__builtin_clzll(v);
	return (exp - SUB_BITS + 1) * HIST_SUB + (unsigned)(v >> (exp - SUB_BITS)) - HIST_SUB;
}

int64_t hist_bucket_least(unsigned bucket)
{
	return bucket == 0 ? 0 : hist_bucket_most(bucket - 1) + 1;
}

int64_t hist_bucket_most(unsigned bucket)
{
	unsigned exp = bucket / HIST_SUB;

	if (exp == 0)
		return bucket;
	uint64_t low = (uint64_t)(bucket % HIST_SUB + HIST_SUB) << (exp - 1);
	return (int64_t)(low + ((uint64_t)1 << (exp - 1)) - 1);
}

void hist_init(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}

void hist_add(struct hist *h, int64_t v)
{
	v = v < 0 ? 0 : v;
	h->count[hist_bucket((uint64_t)v)]++;
	h->n++;
	h->max = v > h->max ? v : h->max;
}

void hist_merge(struct hist *into, const struct hist *from)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		into->count[i] += from->count[i];
	into->n += from->n;
	into->max = from->max > into->max ? from->max : into->max;
}

/* ceil(n * q / 10^6) without overflow for n < 2^43. */
static uint64_t rank_of(uint64_t n, uint32_t q_ppm)
{
	uint64_t rank = (n * q_ppm + 999999) / 1000000;

	return rank > 0 ? rank : 1;
}

int64_t hist_quantile(const struct hist *h, uint32_t q_ppm)
{
	uint64_t seen = 0, rank = rank_of(h->n, q_ppm);

	MUST(q_ppm <= 1000000);
	for (unsigned i = 0; i < HIST_BUCKETS && h->n > 0; i++) {
		seen += h->count[i];
		if (seen >= rank) {
			int64_t v = hist_bucket_most(i);
			return v < h->max ? v : h->max;
		}
	}
	return 0;
}
