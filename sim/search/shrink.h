/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a failing schedule small: fewer windows, then an earlier end of the load, then rounder
 * times and values, as long as it fails in the same way. Every case that is tried is a possible
 * timeline. Deterministic, given a deterministic judge; pure otherwise.
 */
#ifndef EK_SEARCH_SHRINK_H
#define EK_SEARCH_SHRINK_H

#include "schedule.h"

struct search_case {
	struct search_schedule s;
	int64_t cut_ns;             /* loads end here, or earlier by themselves */
};

enum { SEARCH_TRIES = 400 };

/* Whether the case still fails in the same way. */
typedef bool search_fails_fn(void *arg, const struct search_case *c);

/*
 * c: a case that fails; becomes one that does, of which no window can be taken out. Asks at most
 * SEARCH_TRIES times; returns how often. p: topology and load.
 */
unsigned search_shrink(struct search_case *c, const struct plan *p, search_fails_fn *fails,
                       void *arg);

#endif
