/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random durations and ranks. Each distribution is a table of integers made once at init out of
 * lib/fmath; sampling is integer arithmetic, so it repeats bit for bit on every machine. Durations
 * are drawn by inverting the distribution function: 4,096 equal steps, linear in between, and the
 * tail beyond the last step refined by a second table of the same size.
 */
#ifndef EK_DIST_H
#define EK_DIST_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "drbg.h"

enum dist_kind { DIST_CONSTANT, DIST_UNIFORM, DIST_EXPONENTIAL, DIST_LOGNORMAL };

/* What a user describes; plain data, part of a plan. Times in ns, >= 0. */
struct dist_spec {
	enum dist_kind kind;
	int64_t a_ns; /* constant: value; uniform: low; exponential: mean; lognormal: median */
	int64_t b_ns; /* uniform: high, included; lognormal: the 84.13 % quantile, > a_ns */
};

enum { DIST_STEPS = 4096 };

struct dist {
	struct dist_spec spec;
	int64_t *body; /* DIST_STEPS + 1 quantiles at i / DIST_STEPS; NULL: not needed */
	int64_t *tail; /* the same of the last step, finer; its end is the greatest value drawn */
};

size_t dist_arena_size(const struct dist_spec *spec);
void dist_init(struct dist *d, const struct dist_spec *spec, struct arena *a);
/* One duration in ns, >= 0. */
int64_t dist_draw(const struct dist *d, struct drbg *r);

/* Ranks 0...n-1 with P(k) proportional to 1 / (k+1)^s: names by popularity (alias method, O(1)). */
struct zipf {
	uint32_t n;
	uint32_t *accept; /* of 2^32, n of them */
	uint32_t *alias;
};

size_t zipf_arena_size(uint32_t n);
/* n: 1...10,000,000. s_milli: the exponent in thousandths, 0 (uniform) ... 10,000. O(n). */
void zipf_init(struct zipf *z, uint32_t n, uint32_t s_milli, struct arena *a);
uint32_t zipf_draw(const struct zipf *z, struct drbg *r);

#endif
