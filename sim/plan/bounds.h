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

/* Error of a bound that no expectation asserts, and whose flake nobody can set. */
#define PLAN_FLAKE 1e-9

/*
 * Longest time from a server's death (kill, hang and blackhole alike: a probe's refusal may be lost
 * to the kernel's ICMP limit) until no query goes to it. INT64_MAX: it isn't health-checked, or it
 * is lazily, and that depends on the load.
 */
int64_t bound_detect_ns(enum plan_checks how, const struct bal_check *c);
/* Longest time from a server's return until queries may go to it again. rtt_ns: of a probe. */
int64_t bound_back_ns(enum plan_checks how, const struct bal_check *c, int64_t rtt_ns);

/*
 * Shortest time from a server's death until the configured checks can have noticed it, given that
 * none of them failed before; 0 when nothing surely keeps queries coming. silent: hang, blackhole;
 * else kill, whose refusals need no timeout. way_ns: a check's round trip and the server's time for
 * it: what had set out when the server died may be the first to fail.
 */
int64_t bound_notice_ns(enum plan_checks how, const struct bal_check *c, bool silent,
                        int64_t way_ns);

/*
 * lazy.c: the first for a server whose checks are lazy, as the plan's load has it; INT64_MAX: the
 * load doesn't say. At PLAN_FLAKE, as what waits for queries waits for chance.
 */
int64_t plan_lazy_detect_ns(const struct plan *p, const struct plan_conf *c, unsigned server);

/*
 * The first two for a node: the longest over every balancer's servers that it answers for; the
 * second until it must have its whole share again, slow start and all.
 */
int64_t plan_detect_ns(const struct plan *p, int node);
int64_t plan_back_ns(const struct plan *p, int node);
/*
 * The third for a fault that silences a recursor: the shortest over all balancers, and not beyond
 * the next fault. 0 where something else may have taken the server out before: loss, another
 * fault, an earlier silence; or where the policy doesn't give it its weight.
 */
int64_t plan_notice_ns(const struct plan *p, unsigned fault);
/*
 * Mean number of queries that go to a dead recursor in [from, to), at least: those that are
 * planned in [from, to - slack), so that they are on their way in time, and surely forwarded.
 * share: of all queries.
 */
double plan_misrouted_mean(const struct plan *p, int64_t from_ns, int64_t to_ns, double share);
/* The least share that any balancer's configuration gives the node. */
double plan_share_least(const struct plan *p, int node);

/* Weight share of a node among all servers of a configuration, 0...1; the policy's p. */
double plan_share(const struct plan_conf *c, int node);
/* Queries that a load, that all loads plan in [from, to), in the mean; first tries. */
double plan_load_queries(const struct plan_load *l, int64_t from_ns, int64_t to_ns);
double plan_queries(const struct plan *p, int64_t from_ns, int64_t to_ns);

/*
 * Those of them that a balancer surely forwards, if it gets to them: all, without a packet cache;
 * with one on any balancer, those of loads with unique names. A name that repeats may have been
 * asked before, however rare it is, so nothing is sure of zipf's.
 */
double plan_queries_forwarded(const struct plan *p, int64_t from_ns, int64_t to_ns);
/* True when plan_queries_forwarded leaves queries of [from, to) out. */
bool plan_queries_cached(const struct plan *p, int64_t from_ns, int64_t to_ns);

/* The longest slow start of the node's, over all balancers; 0: none. */
int64_t plan_slow_start_ns(const struct plan *p, int node);
/* A balancer's probe to a recursor and back. */
int64_t plan_probe_rtt_ns(const struct plan *p, unsigned balancer, int node);
/* The same of a health check: twice that over TCP, where a connection is made before. */
int64_t plan_check_rtt_ns(const struct plan *p, unsigned balancer, int node,
                          const struct bal_check *c);
/* The longest that an answer took in the capture whose delays a miss takes; 0: there is none. */
int64_t plan_captured_miss_ns(const struct plan *p);
/* What a cache miss takes, at most: queries that wait for it die with the recursor. */
int64_t plan_miss_ns(const struct dist_spec *d);
/* Of a recursor's: with the way to its authority and back, where it asks one. */
int64_t plan_recursor_miss_ns(const struct plan *p, int node);

/* The check of the node's that a fault spares: the first configuration's; NULL: it has none. */
const struct bal_check *plan_check_of(const struct plan *p, int node);

/*
 * True when a balancer with this configuration tells each client of a query that no server answered
 * (setServFailOnTimeout) while all clients still wait. False for any other.
 */
bool plan_tells_timeouts(const struct plan *p, const struct plan_conf *c);

/*
 * After how long such a balancer asks another server, where that one's answer comes in time for all
 * clients (setUDPRetry); 0: never. answer_ns: what an answer takes at most.
 */
int64_t plan_retries_ns(const struct plan *p, const struct plan_conf *c, int64_t answer_ns);

/* The longest that a link holds up a frame that it doesn't lose, one way. */
int64_t plan_link_most_ns(const struct plan_link *l);
/* The longest that a link's fault holds a frame up, one way; 0 for other faults. */
int64_t plan_fault_holds_ns(const struct plan_fault *f);
/* True when a link may lose frames: by loss, or by a queue that is full. */
bool plan_link_loses(const struct plan_link *l);

/* True for faults after which a node answers nothing, and for those that end one. */
bool plan_fault_silences(enum plan_fault_kind k);
bool plan_fault_returns(enum plan_fault_kind k);
/*
 * Index of the fault that ends fault i's silence, or PLAN_NONE. A node that is silent for another
 * reason by then stays so: the last of the reasons to go ends the silence of all.
 */
int plan_fault_end(const struct plan *p, unsigned i);

#endif
