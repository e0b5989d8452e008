/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of "even" share: a balancer's draws in the order in which it made them, the
 * stretches of time in which its choice is among the same servers, and the pools of equal
 * probabilities that draws are counted in. even.c fills it; turns.c and independent.c look.
 */
#ifndef EK_JUDGE_EVEN_H
#define EK_JUDGE_EVEN_H

#include "inner.h"

enum { KINDS = PLAN_EXPECT_NODES_MAX, POOLS_MAX = 64, LEFT_OUT = 255 };

/* All stretches in which the kinds, which are the named nodes, have these probabilities. */
struct pool {
	double p[KINDS];
	int index[KINDS];        /* kind to the e-process's numbering; -1: p is 0 */
	bool full;               /* every named node is eligible */
	struct stat_e_set all;
	struct stat_e_set *by_balancer;
	double log_e;
};

struct even {
	struct judge *j;
	const struct plan_expect *e;
	unsigned kind_n;
	struct pool pool[POOLS_MAX];
	unsigned pool_n;
	double log_e, log_e_max;
	double *lb_log_e;        /* by balancer, its greatest */
	uint8_t **order;         /* by balancer: kind in the full pool or LEFT_OUT */
	size_t *order_n;
	uint64_t left_out, ineligible, spread_max;
	unsigned spread_balancer;
	uint32_t bad_frame;      /* first draw to a server that was down */
	unsigned bad_node, bad_server_node;
	int64_t bad_ns;
};

/* A stretch of one balancer's time in which no server's state changes, within the window. */
struct stretch {
	int64_t from_ns, until_ns;
	bool certain;
	struct pool *pool;
	size_t cursor[BAL_SERVERS_MAX];
	enum server_state state[BAL_SERVERS_MAX];
};

/*
 * turns.c: takes in a stretch that is over, for roundrobin: how far its servers' counts are apart,
 * at the least.
 */
void turns_stretch(struct even *v, unsigned balancer, const struct stretch *s);

/* independent.c: true, or false with the reason in t. o: the full pool, or NULL. */
bool even_independent(struct even *v, const struct pool *o, struct text *t);

#endif
