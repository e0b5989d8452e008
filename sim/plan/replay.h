/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads that are captured queries: reading the capture into the plan, and what the plan's figures
 * want of it. Not pure: reads files, allocates.
 */
#ifndef EK_PLAN_REPLAY_H
#define EK_PLAN_REPLAY_H

#include "plan_io.h"

/* What is odd about a capture that was read all the same; nothing: empty. */
enum { REPLAY_TROUBLE_TEXT = 512 };

/*
 * A capture's hash into sha256, which must be the one that it has already, unless that is empty.
 * Returns 0, or -EINVAL with one line in error.
 */
int plan_check_sha256(const char *path, char sha256[65], char error[PLAN_ERROR_TEXT]) MUST_CHECK;
/*
 * Reads the capture of a load whose settings are there, and fills in what it says: sha256, number
 * of queries and period, clients, rate, names. What is there already (a plan that was read from
 * JSON) must agree. Returns 0, or -EINVAL with one line in error, without a place.
 */
int replay_read(const struct plan *p, struct plan_load *l, char trouble[REPLAY_TROUBLE_TEXT],
                char error[PLAN_ERROR_TEXT]) MUST_CHECK;
/* Frees what replay_read took. */
void replay_free(struct plan_replay *r);

/* Queries of the load that are due in [from, to), instants of the plan. */
uint64_t replay_queries(const struct plan_load *l, int64_t from_ns, int64_t to_ns);
/*
 * Different names in the mean, when each of the queries in [from, to) is looked at with this
 * probability. Of a window longer than a loop one loop's names count. O(n log n).
 */
double replay_names(const struct plan_load *l, int64_t from_ns, int64_t to_ns, double probability);
/* Whether any load is captured queries. */
bool plan_replays(const struct plan *p);
/* Whether some of its queries asked a balancer of the lab when they were captured. */
bool replay_keeps(const struct plan *p, const struct plan_load *l);
/* The load's rate, in thousandths a second: a replay's is that of its busiest tenth of a second. */
uint64_t plan_load_peak_mqps(const struct plan_load *l);

#endif
