/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buckets of rules that count queries (struct bal_limit), shared by all workers without a lock. A
 * bucket's level is kept as the time at which it will be full again: a token moves that gap_ns on,
 * and there is one while it is at most burst_ns ahead. A limit by client has a table of fixed size
 * for that: a place whose bucket is full again says nothing any more and is anybody's, so only
 * clients that are asking right now need one.
 */
#ifndef EK_BALANCER_LIMIT_H
#define EK_BALANCER_LIMIT_H

#include <stdatomic.h>

#include "lib/arena.h"
#include "ruleset.h"

struct limit_place {
	_Atomic uint64_t key;          /* of the client's network; 0: none yet */
	_Atomic int64_t full_ns;
};

struct limit {
	_Alignas(64) _Atomic int64_t full_ns;
	_Atomic uint64_t crowded;      /* queries that passed because no place was free nearby */
	struct limit_place *place;     /* BAL_LIMIT_PLACES; NULL: not by client */
};

size_t limits_arena_size(const struct bal_rules *rules);
/* rules->limit_n of them; by client: 1 MiB of zero pages each, touched where used. */
struct limit *limits_init(struct arena *a, const struct bal_rules *rules);
/*
 * Takes a token; false: there is none. secret: keys the table, unknown to clients, the same in all
 * workers. A client whose corner of the table is full of others passes, counted. O(1).
 */
bool limit_take(struct limit *l, const struct bal_limit *conf, const struct ip *client,
                uint64_t secret, int64_t now_ns);

#endif
