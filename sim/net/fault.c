#include "fault.h"
#include <stdio.h>
bool fault_is_wire(enum plan_fault_kind k) { return k == PLAN_BLACKHOLE || k == PLAN_HEAL || k == PLAN_LOSS || k == PLAN_DELAY; }
bool fault_is_stub(enum plan_fault_kind k) { return k >= PLAN_SERVFAIL; }
struct link_set fault_link(const struct plan *p, unsigned i)
{
	const struct plan_fault *f = &p->fault[i];
	const struct plan_link *planned = &p->node[f->node].link;
	struct link_set set = { planned->delay_ns, planned->loss_ppm, false };
	for (const struct plan_fault *g = p->fault; g <= f; g++) {
		if (g->node != f->node) continue;
		if (g->kind == PLAN_HEAL) set = (struct link_set){ planned->delay_ns, planned->loss_ppm, false };
		if (g->kind == PLAN_BLACKHOLE) set.cut = true;
		if (g->kind == PLAN_LOSS) set.loss_ppm = g->value_ppm;
		if (g->kind == PLAN_DELAY) set.delay_ns = g->value_ns;
	}
	return set;
}
bool fault_proven(const struct plan_fault *f, const struct link_counts was[2], const struct link_counts now[2], const char *node, char *evidence, size_t cap)
{
	uint64_t passed = 0, lost = 0, cut = 0;
	for (unsigned way = 0; way < 2; way++) { passed += now[way].passed - was[way].passed; lost += now[way].lost - was[way].lost; cut += now[way].cut - was[way].cut; }
	snprintf(evidence, cap, "on %s's link, both ways: %llu frames cut, %llu lost, %llu passed", node, (unsigned long long)cut, (unsigned long long)lost, (unsigned long long)passed);
	if (f->kind == PLAN_BLACKHOLE) return cut > 0 && passed == 0;
	if (f->kind == PLAN_LOSS) return lost > 0 || (passed > 0 && passed * f->value_ppm < 20000000);
	return passed > 0;
}
