/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said at balancers' consoles: whether it can be, and which claims it would blur. */
#include "lint.h"

#include "bounds.h"

/* Where what began with fault i, a drain or the like, ends. */
static int64_t out_until(const struct plan *p, unsigned i)
{
	for (unsigned k = i + 1; k < p->fault_n; k++)
		if (p->fault[k].kind == plan_fault_unsaid(p->fault[i].kind) &&
		    p->fault[k].node == p->fault[i].node)
			return p->fault[k].at_ns;
	return p->end_ns;
}

static int64_t last_return(const struct plan *p, int node)
{
	int64_t at = 0;

	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].node == node && plan_fault_returns(p->fault[i].kind))
			at = plan_fault_earliest(&p->fault[i]);
	return at;
}

/* The time that claim e speaks of, where it speaks of shares among those that are up. */
static bool share_time(const struct plan *p, const struct plan_expect *e, int *node, int64_t *from,
                       int64_t *to)
{
	*node = PLAN_NONE; /* any */
	*from = e->during_from_ns;
	*to = e->during_to_ns;
	if (e->kind == PLAN_BACK) {
		*node = e->to_share ? PLAN_NONE : e->node[0];
		*from = last_return(p, e->node[0]);
		*to = p->end_ns;
	}
	return e->kind == PLAN_EVEN || e->kind == PLAN_BACK || e->kind == PLAN_POLICY;
}

/* Shares are of those that are up; nothing in the packets says who was taken out. */
static void lint_shares_out(struct lint *l, const struct plan *p, unsigned i)
{
	const struct plan_fault *f = &p->fault[i];
	int64_t until = out_until(p, i) + plan_slow_start_ns(p, f->node), from, to;
	int node;

	for (unsigned k = 0; k < p->expect_n; k++) {
		const struct plan_expect *e = &p->expect[k];
		if (!share_time(p, e, &node, &from, &to) || (node != PLAN_NONE && node != f->node))
			continue;
		if (plan_fault_earliest(f) < to && until > from)
			lint_add(l, true, NULL, e->line, "expect.%s: %s is %s at %.9gs: "
			         "expected a time without", plan_expect_name(e->kind),
			         p->node[f->node].name, f->kind == PLAN_DRAIN ? "drained"
			         : "set down", (double)f->at_ns / 1e9);
	}
}

/* In namespaces programs are told as an operator would, at the consoles that they have. */
static void lint_consoles(struct lint *l, const struct plan *p, const struct plan_fault *f)
{
	for (unsigned i = 0; i < p->conf_n; i++)
		if (!p->conf[i].console)
			lint_add(l, true, NULL, f->line, "%s: the balancers of %s can't be told: "
			         "expected controlSocket and setKey in it, or engines = "
			         "{ \"virtual\" }", plan_fault_name(f->kind), p->conf[i].path);
}

static void lint_drain(struct lint *l, const struct plan *p, const struct plan_fault *f)
{
	if (p->balancer.path != NULL && (f->kind == PLAN_DRAIN || f->kind == PLAN_UNDRAIN))
		lint_add(l, true, NULL, f->line, "%s: %s has no such command: expected setDown "
		         "and setAuto, or our own balancer", plan_fault_name(f->kind),
		         p->balancer.path);
}

void lint_said(struct lint *l, const struct plan *p)
{
	bool first = true;

	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (!plan_fault_said(f->kind))
			continue;
		if (first && p->for_netns)
			lint_consoles(l, p, f);
		first = false;
		lint_drain(l, p, f);
		if (plan_fault_unsaid(f->kind) != 0)
			lint_shares_out(l, p, i);
	}
}
