/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold under a schedule that nobody thought of: claims that are true of a right system
 * whatever the schedule is, and those that this one is gentle enough for (docs/search.md). And the
 * plan that a schedule comes to.
 */
#ifndef EK_SEARCH_CLAIMS_H
#define EK_SEARCH_CLAIMS_H

#include "shrink.h"

/* A scenario as search takes it: topology, load, what may be drawn, which claims are kept. */
struct search_base {
	const struct plan *plan;
	struct search_spec spec;
	uint32_t keep;              /* bits 1 << plan_expect_kind: of the scenario's own */
};

/* "lost,latency" into base->keep. 0, or -EINVAL with one line in error. */
int search_keep_parse(struct search_base *base, const char *text, char error[SEARCH_ERROR])
	MUST_CHECK;

/* The whole load, and the schedule that seed draws. */
void search_case_draw(struct search_case *c, const struct search_base *base, uint64_t seed);
/*
 * The plan of a case: base's, with that seed, timeline and claims. NULL when the timeline is
 * impossible. The caller frees with search_plan_free; base must outlive it.
 */
struct plan *search_plan(const struct search_base *base, const struct search_case *c,
                         uint64_t seed);
void search_plan_free(struct plan *take_p);

#endif
