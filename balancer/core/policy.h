/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which server gets the next query. Only servers that are up are candidates, except that roundrobin
 * falls back on all of them. Which are up is read once for each batch (policy_refresh), counts and
 * latencies at each choice. All arithmetic is on integers.
 */
#ifndef EK_BALANCER_POLICY_H
#define EK_BALANCER_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "lib/arena.h"
#include "lib/drbg.h"
#include "shared.h"

struct policy {
	const struct bal_conf *conf;
	struct bal_shared *shared;
	uint16_t *up;      /* indices of the servers that are up, in the configuration's order */
	uint32_t *sum;     /* running sum of their weights, saturated at INT32_MAX */
	unsigned up_n;
};

size_t policy_arena_size(const struct bal_conf *conf);
void policy_init(struct policy *p, struct arena *a, const struct bal_conf *conf,
                 struct bal_shared *shared);
/* Reads anew which servers are up. O(servers). */
void policy_refresh(struct policy *p);
/*
 * The index of the server for one query, -1 when there is none. r: drawn from once by wrandom, not
 * by the others. now_ns: for qps limits. O(log servers) for wrandom, O(1) for roundrobin,
 * O(servers) for the others.
 */
int policy_pick(struct policy *p, struct drbg *r, int64_t now_ns);

#endif
