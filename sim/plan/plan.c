/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking things up in a plan. */
#include "plan.h"

#include <string.h>

#include "lib/drbg.h"
#include "lib/must.h"
#include "schema.h"

int plan_find_node(const struct plan *p, const char *name)
{
	for (unsigned i = 0; i < p->node_n; i++)
		if (strcmp(p->node[i].name, name) == 0)
			return (int)i;
	return PLAN_NONE;
}

bool plan_same_miss(const struct dist_spec *a, const struct dist_spec *b)
{
	return a->kind == b->kind && a->a_ns == b->a_ns && a->b_ns == b->b_ns;
}

int plan_authority_of(const struct plan *p, int recursor)
{
	for (unsigned i = 0; i < p->node_n; i++)
		if (p->node[i].role == PLAN_AUTHORITY &&
		    plan_same_miss(&p->node[i].miss, &p->node[recursor].miss))
			return (int)i;
	return PLAN_NONE;
}

int64_t plan_fault_earliest(const struct plan_fault *f)
{
	return f->when == PLAN_AT ? f->at_ns : f->earliest_ns;
}

const char *plan_fault_name(enum plan_fault_kind k)
{
	MUST(k >= PLAN_KILL && (int)k < FAULT_N);
	return plan_fault_names[k];
}

bool plan_fault_said(enum plan_fault_kind k)
{
	return k >= PLAN_DRAIN;
}

enum plan_fault_kind plan_fault_unsaid(enum plan_fault_kind k)
{
	return k == PLAN_DRAIN ? PLAN_UNDRAIN : k == PLAN_SET_DOWN ? PLAN_SET_AUTO : 0;
}

const char *plan_expect_name(enum plan_expect_kind k)
{
	MUST(k >= PLAN_EVEN && (int)k < EXPECT_N);
	return plan_expect_names[k];
}

void plan_seed(const struct plan *p, uint8_t out[32])
{
	drbg_seed_from_u64(out, p->seed);
}
