/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that come to a balancer after their query's time, and whether it passes them on all the
 * same: claimed by answers, which counts them.
 */
#ifndef EK_JUDGE_STALE_H
#define EK_JUDGE_STALE_H

#include "inner.h"

void stale_init(struct balancer *b);
void stale_free(struct balancer *b);
/* A query leaves for a server, as the draw that comes next; f: its front, or NULL. */
void stale_forward(struct balancer *b, int64_t t_ns, const struct front *f);
/* The answer to that draw comes. */
void stale_answer(const struct judge *j, struct balancer *b, int64_t t_ns, uint64_t draw);
/* An answer leaves for the client whose query has that key. */
void stale_relay(struct judge *j, struct balancer *b, const struct judge_tap *t, uint64_t key);
/* A balancer has given a query up so long after it left, at the latest, without slack. */
int64_t expiry_most_ns(const struct judge *j, const struct balancer *b);

#endif
