/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which server of a pool gets the next query; each pool has a struct policy of its own. Only
 * servers that are up and not drained are candidates, except that roundrobin falls back on all that
 * aren't drained. Which are is asked once for each batch (policy_look), counts and latencies at
 * each choice. All arithmetic is on integers.
 *
 * With a balancing factor, a server is no candidate either while outstanding > factor * fair share;
 * the fair share is its weight's part of all outstanding queries and the one at hand.
 */
#ifndef EK_BALANCER_POLICY_H
#define EK_BALANCER_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "lib/arena.h"
#include "lib/drbg.h"
#include "hashring.h"
#include "hooks.h"
#include "shared.h"

struct candidates {
	uint16_t *server;  /* indices, in the configuration's order */
	uint32_t *sum;     /* running sum of their weights, saturated at INT32_MAX */
	unsigned n;
};

struct policy {
	const struct bal_conf *conf;
	struct bal_shared *shared;
	enum bal_policy kind;
	unsigned pool, member_n;
	uint16_t *member;           /* the pool's servers, in the configuration's order */
	uint64_t batch;             /* what policy_look saw last */
	uint64_t edition;           /* of the servers, that policy_refresh saw last */
	struct candidates up;       /* of this batch */
	struct candidates light;    /* those of up that aren't above their bound; of one query */
	uint8_t *is_up;             /* by server; for chashed */
	bool slow;                  /* some server starts slowly (slow.h) */
	unsigned growing;           /* how many of this batch's have a part of their share */
	uint32_t *part;             /* by server, of SLOW_WHOLE */
	struct candidates some;     /* those of up that take the query at hand; while growing */
	uint8_t *is_some;
	uint32_t perturbation;
	struct hashring ring;           /* chashed alone has one */
	const struct bal_hooks *hooks;  /* BAL_LUA alone needs them */
	unsigned function;
#ifdef EK_DEFECTS
	unsigned herd, herd_left;       /* who gets the next so many */
#endif
};

size_t policy_arena_size(const struct bal_conf *conf, unsigned pool);
/* seed: the balancer's, which draws the hash's perturbation unless conf sets it. */
void policy_init(struct policy *p, struct arena *a, const struct bal_conf *conf, unsigned pool,
                 struct bal_shared *shared, const uint8_t seed[DRBG_SEED]);
/* Reads anew which of its servers are up, and which start slowly. O(the pool's servers). */
void policy_refresh(struct policy *p, int64_t now_ns);
/*
 * The same, once for each number of a batch, which is above 0; and only where a server has changed
 * since, or one grows.
 */
static inline void policy_look(struct policy *p, uint64_t batch, int64_t now_ns)
{
	if (p->batch == batch)
		return;
	p->batch = batch;
	if (p->growing > 0 || p->edition != bal_shared_edition(p->shared))
		policy_refresh(p, now_ns);
}
/*
 * The index of the server for one query, -1 when there is none. r: drawn from once by wrandom and
 * orderedWrandUntag, not by the others. now_ns: for qps limits. name: the question's, in wire form;
 * only whashed and chashed look at it. O(log servers) for wrandom, whashed and orderedWrandUntag,
 * O(1) for roundrobin, O(log points) for chashed and a step for each point that is passed because
 * its server is no candidate, O(servers) for the others, and for all with a balancing factor, or
 * while a server starts slowly; then r is drawn from once more for each such one, but for hashes.
 * Not for BAL_LUA.
 */
int policy_pick(struct policy *p, struct drbg *r, int64_t now_ns, const uint8_t *name,
                size_t name_len);
/*
 * A server for a query that `not` hasn't answered yet: of the others that are up the one with the
 * fewest outstanding, then the lowest order, then the lowest latency, whatever the policy; -1: none
 * is. Takes no turn, no draw and no token. O(servers).
 */
int policy_other(const struct policy *p, unsigned not);

/* True when a function of the configuration chooses: then policy_call instead of policy_pick. */
static inline bool policy_calls(const struct policy *p)
{
	return p->function != 0;
}

/*
 * What the function chose for q among the servers that aren't drained, up or not: an index, or
 * BAL_HOOK_NONE or BAL_HOOK_FAILED. Costs what the function does.
 */
int policy_call(const struct policy *p, const struct bal_hook_query *q);

#endif
