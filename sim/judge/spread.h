/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram like lib/hist.h's, with the same buckets and quantiles, that takes memory only for
 * the powers of two that are counted: there is one for each phase and bin of a run.
 */
#ifndef EK_JUDGE_SPREAD_H
#define EK_JUDGE_SPREAD_H

#include "lib/hist.h"

enum { SPREAD_ROWS = HIST_BUCKETS / HIST_SUB };

struct spread {
	uint64_t n;
	int64_t max;                  /* exact; 0 when empty */
	uint64_t *row[SPREAD_ROWS];   /* HIST_SUB each; NULL: all 0 */
};

/* All zero is an empty one. */
void spread_free(struct spread *s);
/* Counts v; below 0 counts as 0. */
void spread_add(struct spread *s, int64_t v);
/* As hist_quantile. */
int64_t spread_quantile(const struct spread *s, uint32_t q_ppm);
/* The least and greatest that the value of rank r (1...n) may be. */
int64_t spread_rank_least(const struct spread *s, uint64_t r);
int64_t spread_rank_most(const struct spread *s, uint64_t r);

#endif
