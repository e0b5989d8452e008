/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults of links; see fault.h. */
#include "fault.h"

#include <stdio.h>

static const uint64_t EXPECTED_PPM = 20000000; /* 20 frames */

bool fault_is_wire(enum plan_fault_kind k)
{
	return k >= PLAN_BLACKHOLE && k <= PLAN_CUT;
}

bool fault_is_stub(enum plan_fault_kind k)
{
	return k >= PLAN_SERVFAIL && k <= PLAN_DROP;
}

struct link_set fault_link_planned(const struct plan_link *l)
{
	return (struct link_set){
		.delay_ns = l->delay_ns, .loss_ppm = l->loss_ppm, .jitter_ns = l->jitter_ns,
		.duplicate_ppm = l->duplicate_ppm, .reorder_ppm = l->reorder_ppm,
		.reorder_ns = l->reorder_ns, .rate_bps = l->rate_bps,
		.queue_bytes = l->queue_bytes,
	};
}

bool fault_acts(const struct plan_fault *f, enum link_way way)
{
	return f->way == PLAN_BOTH_WAYS || (f->way == PLAN_IN) == (way == LINK_IN);
}

static void apply(struct link_set *s, const struct plan_fault *f)
{
	switch (f->kind) {
	case PLAN_BLACKHOLE: case PLAN_CUT:
		s->cut = true;
		break;
	case PLAN_LOSS:
		s->loss_ppm = f->value_ppm;
		break;
	case PLAN_DELAY:
		s->delay_ns = f->value_ns;
		break;
	case PLAN_JITTER:
		s->jitter_ns = f->value_ns;
		break;
	case PLAN_DUPLICATE:
		s->duplicate_ppm = f->value_ppm;
		break;
	case PLAN_REORDER:
		s->reorder_ppm = f->value_ppm;
		s->reorder_ns = f->value_ns;
		break;
	case PLAN_RATE:
		s->rate_bps = f->rate_bps;
		s->queue_bytes = f->queue_bytes;
		break;
	case PLAN_HEAL: case PLAN_KILL: case PLAN_START: case PLAN_HANG: case PLAN_RESUME:
	case PLAN_SERVFAIL: case PLAN_SLOW: case PLAN_WRONG: case PLAN_TRUNCATE:
	case PLAN_REFUSE: case PLAN_DROP: case PLAN_DRAIN: case PLAN_UNDRAIN:
	case PLAN_SET_DOWN: case PLAN_SET_AUTO:
		break;
	}
}

struct link_set fault_link(const struct plan *p, unsigned fault, enum link_way way)
{
	MUST(fault < p->fault_n);
	int node = p->fault[fault].node;
	const struct link_set planned = fault_link_planned(&p->node[node].link);
	struct link_set set = planned;

	for (unsigned i = 0; i <= fault; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != node || !fault_acts(f, way))
			continue;
		if (f->kind == PLAN_HEAL)
			set = planned;
		else
			apply(&set, f);
	}
	return set;
}

/* n frames of those that passed were befallen, where a share of them should have been. */
static bool befell(uint64_t n, uint64_t passed, uint64_t ppm)
{
	return n > 0 || (passed > 0 && passed * ppm < EXPECTED_PPM);
}

static bool took_effect(const struct plan_fault *f, const struct link_counts *d)
{
	if (f->kind == PLAN_BLACKHOLE || f->kind == PLAN_CUT)
		return d->cut > 0 && d->passed == 0;
	if (f->kind == PLAN_LOSS)
		return befell(d->lost, d->passed, f->value_ppm);
	if (f->kind == PLAN_DUPLICATE)
		return befell(d->doubled, d->passed, f->value_ppm);
	if (f->kind == PLAN_REORDER)
		return befell(d->reordered, d->passed, f->value_ppm);
	if (f->kind == PLAN_JITTER) /* at 1 ns every other frame is spared */
		return befell(d->jittered, d->passed, f->value_ns > 0 ? 500000 : 0);
	if (f->kind == PLAN_RATE)
		return d->passed + d->full > 0;
	return d->passed > 0;
}

/* What only some faults do, for those. */
static void own_count(const struct plan_fault *f, const struct link_counts *d, char *out,
                     size_t cap)
{
	unsigned long long n = f->kind == PLAN_JITTER ? d->jittered :
	                       f->kind == PLAN_DUPLICATE ? d->doubled :
	                       f->kind == PLAN_REORDER ? d->reordered : d->full;
	const char *what = f->kind == PLAN_JITTER ? "delayed by jitter" :
	                   f->kind == PLAN_DUPLICATE ? "doubled" :
	                   f->kind == PLAN_REORDER ? "held back" : "dropped by its full queue";

	if (f->kind < PLAN_JITTER || f->kind > PLAN_RATE)
		out[0] = '\0';
	else
		snprintf(out, cap, ", %llu %s", n, what);
}

static void add(struct link_counts *d, const struct link_counts *was,
                const struct link_counts *now)
{
	d->passed += now->passed - was->passed;
	d->lost += now->lost - was->lost;
	d->cut += now->cut - was->cut;
	d->jittered += now->jittered - was->jittered;
	d->doubled += now->doubled - was->doubled;
	d->reordered += now->reordered - was->reordered;
	d->full += now->full - was->full;
}

bool fault_proven(const struct plan_fault *f, const struct link_counts was[2],
                  const struct link_counts now[2], const char *node_name, char *evidence,
                  size_t cap)
{
	static const char *const ways[] = { "both ways", "outwards", "inwards" };
	struct link_counts d = { 0 };
	char own[64];

	for (unsigned way = 0; way < 2; way++)
		if (fault_acts(f, (enum link_way)way))
			add(&d, &was[way], &now[way]);
	own_count(f, &d, own, sizeof(own));
	snprintf(evidence, cap, "on %s's link, %s: %llu frames cut, %llu lost, %llu passed%s",
	         node_name, ways[f->way], (unsigned long long)d.cut, (unsigned long long)d.lost,
	         (unsigned long long)d.passed, own);
	return took_effect(f, &d);
}
