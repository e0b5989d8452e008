/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram of durations: exact below 64, then 64 buckets for each power of two, so a quantile
 * is off by less than 1.6 %. Histograms merge by addition; percentiles are never averaged. No
 * allocation, O(1) to add.
 */
#ifndef EK_HIST_H
#define EK_HIST_H

#include <stdint.h>

enum { HIST_SUB = 64, HIST_BUCKETS = HIST_SUB * 58 };

struct hist {
	uint64_t n;
	int64_t max;              /* exact; 0 when empty */
	uint64_t count[HIST_BUCKETS];
};

/* The bucket that counts v, and the least and greatest value that it counts. */
unsigned hist_bucket(uint64_t v);
int64_t hist_bucket_least(unsigned bucket);
int64_t hist_bucket_most(unsigned bucket);

void hist_init(struct hist *h);
/* Counts v; below 0 counts as 0. */
void hist_add(struct hist *h, int64_t v);
void hist_merge(struct hist *into, const struct hist *from);
/*
 * The least value that at least q_ppm millionths of the counted ones don't exceed, as its bucket's
 * upper end, never above max. q_ppm 0...1000000. 0 when empty.
 */
int64_t hist_quantile(const struct hist *h, uint32_t q_ppm);

#endif
