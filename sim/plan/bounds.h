/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closed-form bounds out of the configuration and each program's documented way of health checking:
 * what "model" means in a scenario. Nothing here is measured, so the code under test can't make its
 * own bound. Without slack: whoever asserts a bound adds the plan's and the measured loop gap, and
 * prints both.
 */
#ifndef EK_PLAN_BOUNDS_H
#define EK_PLAN_BOUNDS_H

#include "plan.h"

/*
 * Longest time from a server's death (kill, hang and blackhole alike: a probe's refusal may be lost
 * to the kernel's ICMP limit) until no query goes to it. INT64_MAX: it isn't health-checked.
 */
int64_t bound_detect_ns(enum plan_checks how, const struct bal_check *c);
/* Longest time from a server's return until queries may go to it again. rtt_ns: of a probe. */
int64_t bound_back_ns(enum plan_checks how, const struct bal_check *c, int64_t rtt_ns);

/*
 * Shortest time from a server's death until the checks can have noticed: a refused probe may fail
 * at once, one that nobody answers only at its timeout, and it was sent rtt_ns before the death at
 * the earliest. dnsdist up to 1.7.5 counts a refusal three times. INT64_MAX: no health checks.
 */
int64_t bound_unnoticed_ns(enum plan_checks how, const struct bal_check *c, bool refused,
                           int64_t rtt_ns);

/* Both for a node of the plan: the longest over every balancer's servers that it answers for. */
int64_t plan_detect_ns(const struct plan *p, int node);
int64_t plan_back_ns(const struct plan *p, int node);

/* Weight share of a node among all servers of a configuration, 0...1; the policy's p. */
double plan_share(const struct plan_conf *c, int node);
/*
 * Mean of the number of queries that are lost, at most: to each recursor while it is dead and not
 * yet taken out, and to the links' planned loss.
 */
double plan_lost_mean(const struct plan *p);

/*
 * Mean of the number of queries that must go to fault i's recursor after its death, before any
 * balancer can have noticed: fewer, and the fault didn't happen. 0 where a plan can't tell: another
 * kind of fault or node, a policy that doesn't draw by weight, a recursor that an earlier fault may
 * have left out of service, loss or faults on the way there.
 */
double plan_misrouted_least(const struct plan *p, unsigned i);

/* Queries that all loads plan in [from, to), in the mean; first tries. */
double plan_queries(const struct plan *p, int64_t from_ns, int64_t to_ns);

/* True for faults after which a node answers nothing, and for those that end one. */
bool plan_fault_silences(enum plan_fault_kind k);
bool plan_fault_returns(enum plan_fault_kind k);
/* Index of the fault that ends fault i's silence, or PLAN_NONE. */
int plan_fault_end(const struct plan *p, unsigned i);

#endif
