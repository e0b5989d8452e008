/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the timeline does to service, as steps over time: which share of a balancer's queries gets
 * no answer at most, whatever a right system may know at that moment. Out of the plan alone, like
 * bounds.h: failures that overlap, the death of the last recursor, of a balancer, and what clients
 * get by trying again are all in it. A trigger comes at any moment from its earliest to its latest.
 */
#ifndef EK_PLAN_DOWNS_H
#define EK_PLAN_DOWNS_H

#include "plan.h"

enum downs_ask {
	DOWNS_LOST,   /* no answer at all */
	DOWNS_NOT_OK, /* none, or one that isn't right */
};

struct downs;

/* p is borrowed. The caller frees. */
struct downs *downs_new(const struct plan *p, enum downs_ask ask);
void downs_free(struct downs *take_d);
/*
 * The greatest share, 0...1, of queries to a balancer that reach it at t_ns and get none, or no
 * right, answer to that try. Links' planned loss isn't in it.
 */
double downs_share(const struct downs *d, int balancer, int64_t t_ns);
/* The next moment after t_ns at which some share may change; INT64_MAX: never. */
int64_t downs_next(const struct downs *d, int64_t t_ns);
/*
 * How long some silence of the node's lasts from t_ns on, at most: its end, or t_ns when it isn't
 * silent.
 */
int64_t downs_silent_until(const struct downs *d, int node, int64_t t_ns);
/* Whether it is silent, whenever triggers come. */
bool downs_surely_silent(const struct downs *d, int node, int64_t t_ns);
/* False from the beginning of a failure of the recursor until it must be in use again. */
bool downs_surely_up(const struct downs *d, int node, int64_t t_ns);
/* When the node's latest silence until t_ns ended, at the latest; INT64_MIN: it had none. */
int64_t downs_returned(const struct downs *d, int node, int64_t t_ns);
/*
 * From when on after t_ns every recursor but node is up again, and used by whoever knows: t_ns
 * where they are; INT64_MAX: one never comes back.
 */
int64_t downs_others_up(const struct downs *d, int node, int64_t t_ns);

/*
 * Mean of the number of a load's queries planned in [from_ns, to_ns) that get no answer to any try,
 * at most. Tries count as the load makes them: at the same balancer or at another one.
 */
double downs_lost(const struct downs *d, const struct plan *p, const struct plan_load *l,
                  int64_t from_ns, int64_t to_ns);
/* The same over all loads and the whole time. */
double plan_lost_mean(const struct plan *p);

/*
 * Longest time in which somebody waits and nobody gets a right answer, of which a right system
 * exceeds with probability at most flake: silence that nothing answers, the time until enough of
 * the queries that may be answered have come, and the longest that one answer takes.
 */
int64_t plan_outage_ns(const struct plan *p, int64_t from_ns, int64_t to_ns, double flake);
/* Of that, the longest time in which no query at all is sure of an answer. */
int64_t plan_dark_ns(const struct plan *p, int64_t from_ns, int64_t to_ns);

/*
 * Mean of the number of queries that a balancer's clients send to it while it is silent and that no
 * other answers at their second try, at most.
 */
double plan_failover_mean(const struct plan *p, int balancer);
/*
 * By when a second try is answered: the longest time-out of a try, what an answer takes, and by how
 * much the harness may send each of the two late.
 */
int64_t plan_failover_ns(const struct plan *p);
/* What one answer may take at most, where nothing fails. */
int64_t plan_answer_ns(const struct plan *p);
/* The greatest share of queries to a balancer that fail at t_ns, links' loss and all. */
double plan_balancer_fails(const struct plan *p, int balancer, int64_t t_ns);

#endif
