/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of one measure over many runs, and their quantiles by nearest rank: the p quantile of n
 * values is the one of rank ceil(p n), so each is a value that some run had. A value may lie beyond
 * all others (a query that was lost has no latency, but it isn't a fast one), or there may be none
 * (nothing was there to be measured), which takes no part. Integers only.
 */
#ifndef EK_SEEDS_QUANT_H
#define EK_SEEDS_QUANT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define SEEDS_BEYOND INT64_MAX

struct seeds_quant {
	int64_t *v;             /* sorted only by seeds_quant_sort */
	size_t n, cap;
	uint64_t none;          /* runs that had no value */
};

void seeds_quant_free(struct seeds_quant *q);
/* v: SEEDS_BEYOND for one that lies beyond all. */
void seeds_quant_add(struct seeds_quant *q, int64_t v);
void seeds_quant_sort(struct seeds_quant *q);
/* The quantile of ppm millionths (0: the least, 1,000,000: the greatest) of n > 0 sorted values. */
int64_t seeds_quant_at(const struct seeds_quant *q, uint32_t ppm);
/*
 * {"n", "none", "beyond", "min", "p1", "p50", "p90", "p99", "max"} of sorted values; a quantile is
 * null where it lies beyond, or there is no value at all. New reference.
 */
json_t *seeds_quant_json(const struct seeds_quant *q);

#endif
