/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of a histogram, taken when they are needed; see spread.h. */
#include "spread.h"

#include <stdlib.h>

#include "lib/must.h"
#include "table.h"

void spread_free(struct spread *s)
{
	for (unsigned i = 0; i < SPREAD_ROWS; i++)
		free(s->row[i]);
}

void spread_add(struct spread *s, int64_t v)
{
	unsigned bucket = hist_bucket((uint64_t)(v < 0 ? 0 : v));
	uint64_t **row = &s->row[bucket / HIST_SUB];

	if (*row == NULL)
		*row = zeroed(HIST_SUB, sizeof(**row));
	(*row)[bucket % HIST_SUB]++;
	s->n++;
	s->max = v > s->max ? v : s->max;
}

/* The bucket of the value of rank r, 1...n. */
static unsigned bucket_of_rank(const struct spread *s, uint64_t r)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < SPREAD_ROWS; i++)
		for (unsigned k = 0; s->row[i] != NULL && k < HIST_SUB; k++) {
			seen += s->row[i][k];
			if (seen >= r)
				return i * HIST_SUB + k;
		}
	MUST(false);
	return 0;
}

int64_t spread_rank_most(const struct spread *s, uint64_t r)
{
	int64_t v = hist_bucket_most(bucket_of_rank(s, r));

	return v < s->max ? v : s->max;
}

int64_t spread_rank_least(const struct spread *s, uint64_t r)
{
	return r == s->n ? s->max : hist_bucket_least(bucket_of_rank(s, r));
}

/* ceil(n * q / 10^6) without overflow for n < 2^43, at least 1. */
static uint64_t rank_of(uint64_t n, uint32_t q_ppm)
{
	uint64_t rank = (n * q_ppm + 999999) / 1000000;

	return rank > 0 ? rank : 1;
}

int64_t spread_quantile(const struct spread *s, uint32_t q_ppm)
{
	return s->n > 0 ? spread_rank_most(s, rank_of(s->n, q_ppm)) : 0;
}
