/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When faults happen that wait for balancers to mark a recursor: the same for both engines. An
 * engine tells which faults it has carried out and which marks balancers have made, and asks when
 * each fault is due. All times are as in the plan, from t = 0. Owns its memory; no clock, no draw.
 */
#ifndef EK_WHEN_H
#define EK_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/plan/plan.h"

struct whens;

struct whens *whens_new(const struct plan *p);
void whens_free(struct whens *take_w);
/* Fault i was carried out: what is after it listens from now on. */
void whens_struck(struct whens *w, unsigned i);
/*
 * A balancer node has marked a recursor node at t_ns. True when some fault is due by that. A mark
 * that comes too late for the fault's latest instant, or a balancer's second, changes nothing.
 */
bool whens_marked(struct whens *w, unsigned balancer, int server, bool up, int64_t t_ns);
/* When fault i is to be carried out; INT64_MAX: it waits for marks. */
int64_t whens_due(const struct whens *w, unsigned i);
/* Some fault waits for marks, now or later. */
bool whens_any(const struct whens *w);
/* Some fault listens for marks. */
bool whens_listen(const struct whens *w);
/* Why fault i hasn't become due, in one line cut off at cap. */
void whens_missing(const struct whens *w, unsigned i, char *out, size_t cap);

#endif
