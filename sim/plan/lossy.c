/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a plan asks for loss on TCP, which virtual time doesn't model: clients are sent to TCP
 * (truncate) while a link loses frames by chance.
 */
#include "bounds.h"
#include "lint.h"

/* When a truncating recursor stops: told to, or killed. */
static int64_t truncates_until(const struct plan *p, unsigned i)
{
	for (unsigned k = i + 1; k < p->fault_n; k++) {
		const struct plan_fault *f = &p->fault[k];
		if (f->node == p->fault[i].node &&
		    (f->kind == PLAN_KILL || (f->kind == PLAN_TRUNCATE && f->value_ppm == 0)))
			return f->at_ns;
	}
	return INT64_MAX;
}

static bool loses_within(const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	for (unsigned i = 0; i < p->node_n; i++)
		if (p->node[i].link.loss_ppm > 0)
			return true;
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		int end = plan_fault_end(p, i);
		if (f->kind == PLAN_LOSS && f->value_ppm > 0 && f->at_ns < to_ns &&
		    (end == PLAN_NONE || p->fault[end].at_ns > from_ns))
			return true;
	}
	return false;
}

bool plan_loses_tcp(const struct plan *p, unsigned *line)
{
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		*line = f->line;
		if (f->kind == PLAN_TRUNCATE && f->value_ppm > 0 &&
		    loses_within(p, f->at_ns, truncates_until(p, i)))
			return true;
	}
	return false;
}
