/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captured answers that a lab's recursors give: reading them into the plan, and what of the loads
 * they don't answer. Not pure: reads files, allocates.
 */
#ifndef EK_PLAN_ANSWERS_H
#define EK_PLAN_ANSWERS_H

#include "plan_io.h"

/*
 * Reads the capture of a, whose path is there, and fills in what it says. What is there already (a
 * plan that was read from JSON) must agree. trouble: PLAN_ERROR_TEXT bytes, what is odd about a
 * capture that was read all the same; or empty. Returns 0, or -EINVAL with one line in error.
 */
int answers_read(struct plan_answers *a, char trouble[PLAN_ERROR_TEXT],
                 char error[PLAN_ERROR_TEXT]) MUST_CHECK;
/* Frees what answers_read took. */
void answers_free(struct plan_answers *a);
/* The table; NULL: answers aren't captured. */
const struct rec_book *plan_book(const struct plan *p);
/*
 * How many of a replay's queries, of one loop, the table has no answer for; *first is the first of
 * them then. 0 without a table, and for what isn't a replay.
 */
uint64_t answers_missing(const struct plan *p, const struct plan_load *l, uint32_t *first);

#endif
