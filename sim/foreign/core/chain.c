/* SPDX-License-Identifier: BSD-3-Clause */
/* Which file goes on with which; see chain.h. */
#include "chain.h"

static const int64_t SECOND = 1000000000;

/* a tells of hosts that b tells of, and of no others. */
static bool within(const struct chain_file *a, const struct chain_file *b)
{
	for (unsigned i = 0; i < WHO_BACKENDS / 64; i++)
		if ((a->backends[i] & ~b->backends[i]) != 0)
			return false;
	return (a->balancers & ~b->balancers) == 0 && (a->fronts & ~b->fronts) == 0;
}

static bool brief(const struct chain_file *f)
{
	return f->last_ns - f->first_ns < CHAIN_SHORT_S * SECOND;
}

/* b is of the same place as a: of the same hosts, unless one of them is too short to tell. */
static bool alike(const struct chain_file *a, const struct chain_file *b)
{
	bool in = within(b, a), around = within(a, b);

	return (in && around) || (in && brief(b)) || (around && brief(a));
}

/* b begins where a ended, and later than a began, so that nothing goes on with itself. */
static bool goes_on(const struct chain_file *a, const struct chain_file *b)
{
	return a->last_ns >= a->first_ns && b->first_ns >= a->last_ns &&
	       b->first_ns > a->first_ns && b->first_ns - a->last_ns <= CHAIN_GAP_S * SECOND &&
	       alike(a, b);
}

/* No other file goes on with a already. */
static bool is_end(uint32_t a, const uint32_t *before, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (before[i] == a && i != a)
			return false;
	return true;
}

/* The file that b goes on with, the latest of those; b: none. */
static uint32_t before_of(const struct chain_file *f, uint32_t n, uint32_t b,
                          const uint32_t *before)
{
	uint32_t best = b;

	for (uint32_t a = 0; a < n; a++)
		if (a != b && goes_on(&f[a], &f[b]) && is_end(a, before, n) &&
		    (best == b || f[a].last_ns > f[best].last_ns))
			best = a;
	return best;
}

uint32_t chain_files(const struct chain_file *f, uint32_t n, uint32_t *tap)
{
	uint32_t chained = 0;

	for (uint32_t i = 0; i < n; i++)
		tap[i] = i;
	for (uint32_t i = 0; i < n; i++) {
		if (f[i].last_ns < f[i].first_ns)
			continue;
		tap[i] = before_of(f, n, i, tap);
		chained += tap[i] != i;
	}
	for (uint32_t i = 0; i < n; i++)
		while (tap[tap[i]] != tap[i])
			tap[i] = tap[tap[i]];
	return chained;
}
