/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the judge knows of a foreign capture beyond a run's: which servers are up, out of the
 * queries that they get (quiet.c), and the changes of their states, as they are told (changed.c).
 */
#ifndef EK_JUDGE_QUIET_H
#define EK_JUDGE_QUIET_H

#include "sim/judge/tap.h"

struct balancer;
struct draw;
struct quiet;

/* level: the probability that a right balancer seems to have taken some server out, ever. */
struct quiet *quiet_new(const struct balancer *b, double level);
void quiet_free(struct quiet *take_q);
/* A draw, made from its in_ns on until its t_ns, in the order in which they leave. */
void quiet_draw(struct judge *j, struct balancer *b, const struct draw *d);
void quiet_answer(struct balancer *b, unsigned server);
/* Draws before that may settle: what is known of them doesn't change any more. */
int64_t quiet_until(const struct balancer *b);
/* No more taps. */
void quiet_finish(struct judge *j, struct balancer *b);

/* At most JUDGE_CHANGES_MAX, in the order of telling. */
struct changes {
	size_t n, cap;
	uint64_t more;
	struct judge_change *at;
};

void changes_add(struct judge *j, const struct judge_change *c);
/* The last change of that server by its traffic; NULL: none. */
struct judge_change *changes_last(struct judge *j, const struct balancer *b, unsigned server);

/* ---- absent.c: health checks that didn't come ---- */

struct probe;
struct health;
struct outcome;

/* A probe is over, in the order in which they were sent. */
void absent_probe(struct balancer *b, const struct probe *p);
/* Every probe that was sent until now_ns is over. */
void absent_look(struct judge *j, struct balancer *b, int64_t now_ns);
/* Draws before that may settle: nobody misses a probe that told of them. */
int64_t absent_until(const struct balancer *b);
/* health.c: puts it in its place by time. */
void outcome_add(struct health *h, const struct outcome *o);

#endif
