/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults of links; see fault.h. */
#include "fault.h"

#include <stdio.h>

static const uint64_t LOSSES_EXPECTED_PPM = 20000000;

bool fault_is_wire(enum plan_fault_kind k)
{
	return k == PLAN_BLACKHOLE || k == PLAN_HEAL || k == PLAN_LOSS || k == PLAN_DELAY;
}

bool fault_is_stub(enum plan_fault_kind k)
{
	return k >= PLAN_SERVFAIL && k <= PLAN_DROP;
}

struct link_set fault_link(const struct plan *p, unsigned fault)
{
	MUST(fault < p->fault_n);
	int node = p->fault[fault].node;
	const struct plan_link *link = &p->node[node].link;
	const struct link_set planned = { link->delay_ns, link->loss_ppm, false };
	struct link_set set = planned;

	for (unsigned i = 0; i <= fault; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != node)
			continue;
		if (f->kind == PLAN_HEAL)
			set = planned;
		else if (f->kind == PLAN_BLACKHOLE)
			set.cut = true;
		else if (f->kind == PLAN_LOSS)
			set.loss_ppm = f->value_ppm;
		else if (f->kind == PLAN_DELAY)
			set.delay_ns = f->value_ns;
	}
	return set;
}

static bool took_effect(const struct plan_fault *f, const struct link_counts *d)
{
	if (f->kind == PLAN_BLACKHOLE)
		return d->cut > 0 && d->passed == 0;
	if (f->kind == PLAN_LOSS)
		return d->lost > 0 ||
		       (d->passed > 0 && d->passed * f->value_ppm < LOSSES_EXPECTED_PPM);
	return d->passed > 0;
}

bool fault_proven(const struct plan_fault *f, const struct link_counts was[2],
                  const struct link_counts now[2], const char *node_name, char *evidence,
                  size_t cap)
{
	struct link_counts d = { 0 };

	for (unsigned way = 0; way < 2; way++) {
		d.passed += now[way].passed - was[way].passed;
		d.lost += now[way].lost - was[way].lost;
		d.cut += now[way].cut - was[way].cut;
	}
	snprintf(evidence, cap, "on %s's link, both ways: %llu frames cut, %llu lost, %llu passed",
	         node_name, (unsigned long long)d.cut, (unsigned long long)d.lost,
	         (unsigned long long)d.passed);
	return took_effect(f, &d);
}
