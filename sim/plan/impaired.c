/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults that don't silence: what share of queries they cost, and how long; see impaired.h. */
#include "impaired.h"

#include "bounds.h"

static bool stub_fault(enum plan_fault_kind k)
{
	return k >= PLAN_SERVFAIL && k <= PLAN_DROP;
}

/* The least time after which somebody gives up: a client's try, or a balancer. */
static int64_t patience(const struct plan *p)
{
	int64_t least = IMPAIRED_FAR;

	for (unsigned i = 0; i < p->load_n; i++)
		least = p->load[i].timeout_ns < least ? p->load[i].timeout_ns : least;
	for (unsigned i = 0; i < p->conf_n; i++)
		least = p->conf[i].udp_timeout_ns < least ? p->conf[i].udp_timeout_ns : least;
	return least;
}

/* A recursor that asks others: questions and answers cross its link again. */
static bool asks_far(const struct plan *p, int node)
{
	return p->node[node].role == PLAN_RECURSOR && plan_authority_of(p, node) != PLAN_NONE;
}

double impaired(const struct plan *p, const struct plan_fault *f, enum downs_ask ask,
                int64_t way_ns)
{
	double x = f->value_ppm / 1e6, stays = 1 - x;
	unsigned ways = f->way == PLAN_BOTH_WAYS ? 2 : 1;
	bool far = asks_far(p, f->node);
	int64_t held = (far ? 2 : 1) * ways * plan_fault_holds_ns(f);
	int64_t more = f->kind == PLAN_SLOW ? f->value_ns : held;
	bool late = more + (p->node[f->node].role == PLAN_RECURSOR ? way_ns : 0) >=
	            patience(p);

	switch (f->kind) {
	case PLAN_LOSS:
		stays = ways == 2 ? stays * stays : stays;
		far = far || p->node[f->node].role == PLAN_BALANCER;
		return far ? 1 - stays * stays : 1 - stays;
	case PLAN_DELAY: case PLAN_JITTER: case PLAN_REORDER:
		return late ? 1 : 0;
	case PLAN_DUPLICATE:
		return 0;
	case PLAN_RATE:
		return 1; /* who fills its queue isn't in the plan */
	case PLAN_SLOW:
		return late ? x : 0;
	case PLAN_DROP:
		return x;
	default:
		return ask == DOWNS_NOT_OK ? x : 0;
	}
}

int64_t impaired_until(const struct plan *p, unsigned fault)
{
	const struct plan_fault *f = &p->fault[fault];

	for (unsigned k = fault + 1; k < p->fault_n; k++) {
		const struct plan_fault *o = &p->fault[k];
		if (o->node == f->node &&
		    (o->kind == f->kind || (o->kind == PLAN_HEAL && !stub_fault(f->kind))))
			return o->at_ns;
	}
	return IMPAIRED_FAR;
}
