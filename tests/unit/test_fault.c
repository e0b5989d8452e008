/* SPDX-License-Identifier: BSD-3-Clause */
/* What faults make of a link, one after the other, and which counts prove them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/net/fault.h"

enum { FAULTS_MAX = 5, PLANNED_NS = 50000, PLANNED_PPM = 7 };

#define L(d, l, c) { .delay_ns = (d), .loss_ppm = (l), .cut = (c) }
static const struct {
	const char *what;
	struct plan_fault fault[FAULTS_MAX]; /* the last that isn't all zero is the one */
	struct link_set want;
	bool differs;            /* inwards the link is another */
	struct link_set inwards;
} after[] = {
	{ "a kill leaves the link alone", { { .kind = PLAN_KILL } },
	  .want = L(PLANNED_NS, PLANNED_PPM, false) },
	{ "loss replaces the planned one", { { .kind = PLAN_LOSS, .value_ppm = 300 } },
	  .want = L(PLANNED_NS, 300, false) },
	{ "loss of none as well", { { .kind = PLAN_LOSS } },
	  .want = L(PLANNED_NS, 0, false) },
	{ "delay replaces the planned one", { { .kind = PLAN_DELAY, .value_ns = 9 } },
	  .want = L(9, PLANNED_PPM, false) },
	{ "loss, then delay: both",
	  { { .kind = PLAN_LOSS, .value_ppm = 300 }, { .kind = PLAN_DELAY, .value_ns = 9 } },
	  .want = L(9, 300, false) },
	{ "loss, then delay, then heal: as planned",
	  { { .kind = PLAN_LOSS, .value_ppm = 300 }, { .kind = PLAN_DELAY, .value_ns = 9 },
	    { .kind = PLAN_HEAL } },
	  .want = L(PLANNED_NS, PLANNED_PPM, false) },
	{ "a second loss replaces the first",
	  { { .kind = PLAN_LOSS, .value_ppm = 300 }, { .kind = PLAN_LOSS, .value_ppm = 4 } },
	  .want = L(PLANNED_NS, 4, false) },
	{ "a blackhole over loss: cut, the loss still set",
	  { { .kind = PLAN_LOSS, .value_ppm = 300 }, { .kind = PLAN_BLACKHOLE } },
	  .want = L(PLANNED_NS, 300, true) },
	{ "loss in a blackhole: still cut",
	  { { .kind = PLAN_BLACKHOLE }, { .kind = PLAN_LOSS, .value_ppm = 300 } },
	  .want = L(PLANNED_NS, 300, true) },
	{ "a start doesn't heal",
	  { { .kind = PLAN_BLACKHOLE }, { .kind = PLAN_KILL }, { .kind = PLAN_START } },
	  .want = L(PLANNED_NS, PLANNED_PPM, true) },
	{ "a blackhole healed, then a delay",
	  { { .kind = PLAN_BLACKHOLE }, { .kind = PLAN_HEAL },
	    { .kind = PLAN_DELAY, .value_ns = 9 } },
	  .want = L(9, PLANNED_PPM, false) },
	{ "other nodes' faults don't count",
	  { { .kind = PLAN_BLACKHOLE, .node = 1 }, { .kind = PLAN_DELAY, .value_ns = 9 },
	    { .kind = PLAN_HEAL, .node = 1 }, { .kind = PLAN_LOSS, .node = 1, .value_ppm = 5 },
	    { .kind = PLAN_START } },
	  .want = L(9, PLANNED_PPM, false) },
	{ "jitter, duplicates, reordering and a rate stand beside each other",
	  { { .kind = PLAN_JITTER, .value_ns = 3 }, { .kind = PLAN_DUPLICATE, .value_ppm = 4 },
	    { .kind = PLAN_REORDER, .value_ppm = 5, .value_ns = 6 },
	    { .kind = PLAN_RATE, .rate_bps = 7000, .queue_bytes = 8000 },
	    { .kind = PLAN_JITTER, .value_ns = 9 } },
	  .want = { .delay_ns = PLANNED_NS, .loss_ppm = PLANNED_PPM, .jitter_ns = 9,
	            .duplicate_ppm = 4, .reorder_ppm = 5, .reorder_ns = 6,
	            .rate_bps = 7000, .queue_bytes = 8000 } },
	{ "a cut outwards cuts one way", { { .kind = PLAN_CUT, .way = PLAN_OUT } },
	  .want = L(PLANNED_NS, PLANNED_PPM, true), .differs = true,
	  .inwards = L(PLANNED_NS, PLANNED_PPM, false) },
	{ "loss inwards, delay outwards",
	  { { .kind = PLAN_LOSS, .value_ppm = 300, .way = PLAN_IN },
	    { .kind = PLAN_DELAY, .value_ns = 9, .way = PLAN_OUT } },
	  .want = L(9, PLANNED_PPM, false), .differs = true, .inwards = L(PLANNED_NS, 300, false) },
	{ "a heal heals both ways",
	  { { .kind = PLAN_CUT, .way = PLAN_IN }, { .kind = PLAN_JITTER, .value_ns = 3 },
	    { .kind = PLAN_RATE, .rate_bps = 7000, .queue_bytes = 8000, .way = PLAN_OUT },
	    { .kind = PLAN_HEAL } },
	  .want = L(PLANNED_NS, PLANNED_PPM, false) },
	{ "a rate of 0 is none",
	  { { .kind = PLAN_RATE, .rate_bps = 7000, .queue_bytes = 8000 },
	    { .kind = PLAN_RATE } },
	  .want = L(PLANNED_NS, PLANNED_PPM, false) },
	{ "each node has its own plan",
	  { { .kind = PLAN_DELAY, .value_ns = 9 },
	    { .kind = PLAN_LOSS, .node = 1, .value_ppm = 5 } },
	  .want = L(2 * PLANNED_NS, 5, false) },
};

static bool same(const struct link_set *a, const struct link_set *b)
{
	return a->delay_ns == b->delay_ns && a->loss_ppm == b->loss_ppm && a->cut == b->cut &&
	       a->jitter_ns == b->jitter_ns && a->duplicate_ppm == b->duplicate_ppm &&
	       a->reorder_ppm == b->reorder_ppm && a->reorder_ns == b->reorder_ns &&
	       a->rate_bps == b->rate_bps && a->queue_bytes == b->queue_bytes;
}

static void a_link_is_what_its_faults_made_of_it(void **state)
{
	struct plan_node node[2] = {
		{ .link = { .delay_ns = PLANNED_NS, .loss_ppm = PLANNED_PPM } },
		{ .link = { .delay_ns = 2 * PLANNED_NS, .loss_ppm = 2 * PLANNED_PPM } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(after); i++) {
		struct plan_fault fault[FAULTS_MAX + 1]; /* what comes later doesn't count yet */
		struct plan p = { .node_n = 2, .node = node, .fault = fault };
		memcpy(fault, after[i].fault, sizeof(after[i].fault));
		while (p.fault_n < FAULTS_MAX && fault[p.fault_n].kind != 0)
			p.fault_n++;
		unsigned last = p.fault_n++;
		fault[last] = (struct plan_fault){ .kind = PLAN_BLACKHOLE,
		                                   .node = fault[last - 1].node };
		struct link_set out = fault_link(&p, last - 1, LINK_OUT);
		struct link_set in = fault_link(&p, last - 1, LINK_IN);
		if (!same(&out, &after[i].want) ||
		    !same(&in, after[i].differs ? &after[i].inwards : &after[i].want))
			fail_msg("%s", after[i].what);
	}
}

#define C(p, l, c) { .passed = (p), .lost = (l), .cut = (c) }
static const struct {
	const char *what;
	struct plan_fault fault;
	struct link_counts was[2], now[2];
	bool want;
	const char *evidence;
} proof[] = {
	{ "a blackhole that cut", { .kind = PLAN_BLACKHOLE }, { { 0 } }, { C(0, 0, 3) }, true,
	  "on DNS1's link, both ways: 3 frames cut, 0 lost, 0 passed" },
	{ "both ways add up", { .kind = PLAN_BLACKHOLE }, { C(9, 1, 2), C(9, 0, 0) },
	  { C(9, 1, 4), C(9, 0, 1) }, true,
	  "on DNS1's link, both ways: 3 frames cut, 0 lost, 0 passed" },
	{ "a blackhole that nothing came to", { .kind = PLAN_BLACKHOLE }, { C(9, 1, 2) },
	  { C(9, 1, 2) }, false, "on DNS1's link, both ways: 0 frames cut, 0 lost, 0 passed" },
	{ "a blackhole that leaked inwards", { .kind = PLAN_BLACKHOLE }, { { 0 } },
	  { C(0, 0, 3), C(1, 0, 0) }, false, NULL },
	{ "a loss that lost", { .kind = PLAN_LOSS, .value_ppm = 10 }, { C(5, 5, 0) },
	  { C(5, 6, 0) }, true, "on DNS1's link, both ways: 0 frames cut, 1 lost, 0 passed" },
	{ "a loss that could have lost 20 and lost none", { .kind = PLAN_LOSS, .value_ppm = 20000 },
	  { C(5, 5, 0) }, { C(1005, 5, 0) }, false, NULL },
	{ "a loss that had one frame less", { .kind = PLAN_LOSS, .value_ppm = 20000 },
	  { C(5, 5, 0) }, { C(1004, 5, 0) }, true, NULL },
	{ "a loss that nothing came to", { .kind = PLAN_LOSS, .value_ppm = 20000 },
	  { C(5, 5, 0) }, { C(5, 5, 0) }, false, NULL },
	{ "a delay that something passed", { .kind = PLAN_DELAY }, { C(5, 0, 0) },
	  { C(5, 0, 0), C(1, 0, 0) }, true,
	  "on DNS1's link, both ways: 0 frames cut, 0 lost, 1 passed" },
	{ "a delay that nothing passed", { .kind = PLAN_DELAY }, { C(5, 0, 0) },
	  { C(5, 1, 1) }, false, NULL },
	{ "a heal that something passed", { .kind = PLAN_HEAL }, { C(5, 0, 8) },
	  { C(6, 0, 8) }, true, NULL },
	{ "a cut inwards, whatever goes out", { .kind = PLAN_CUT, .way = PLAN_IN },
	  { { 0 } }, { { .passed = 7 }, { .cut = 2 } }, true,
	  "on DNS1's link, inwards: 2 frames cut, 0 lost, 0 passed" },
	{ "a cut inwards that let one in", { .kind = PLAN_CUT, .way = PLAN_IN },
	  { { 0 } }, { { .cut = 7 }, { .passed = 1, .cut = 2 } }, false, NULL },
	{ "a cut outwards that nothing came to", { .kind = PLAN_CUT, .way = PLAN_OUT },
	  { { 0 } }, { { 0 }, { .cut = 2 } }, false, NULL },
	{ "a loss outwards isn't shown by one inwards",
	  { .kind = PLAN_LOSS, .value_ppm = 500000, .way = PLAN_OUT },
	  { { 0 } }, { { .passed = 40 }, { .lost = 9 } }, false, NULL },
	{ "duplicates that came", { .kind = PLAN_DUPLICATE, .value_ppm = 10 },
	  { { .doubled = 2 } }, { { .doubled = 3, .passed = 5 } }, true,
	  "on DNS1's link, both ways: 0 frames cut, 0 lost, 5 passed, 1 doubled" },
	{ "no duplicate where 20 were expected", { .kind = PLAN_DUPLICATE, .value_ppm = 100000 },
	  { { .doubled = 2 } }, { { .doubled = 2, .passed = 200 } }, false, NULL },
	{ "no duplicate of a frame less", { .kind = PLAN_DUPLICATE, .value_ppm = 100000 },
	  { { .doubled = 2 } }, { { .doubled = 2, .passed = 199 } }, true, NULL },
	{ "frames held back", { .kind = PLAN_REORDER, .value_ppm = 1000000 },
	  { { 0 } }, { { .reordered = 4, .passed = 4 } }, true,
	  "on DNS1's link, both ways: 0 frames cut, 0 lost, 4 passed, 4 held back" },
	{ "no frame held back", { .kind = PLAN_REORDER, .value_ppm = 1000000 },
	  { { 0 } }, { { .passed = 20 } }, false, NULL },
	{ "jitter", { .kind = PLAN_JITTER, .value_ns = 1000 },
	  { { 0 } }, { { .jittered = 4, .passed = 4 } }, true,
	  "on DNS1's link, both ways: 0 frames cut, 0 lost, 4 passed, 4 delayed by jitter" },
	{ "no jitter", { .kind = PLAN_JITTER, .value_ns = 1000 },
	  { { 0 } }, { { .passed = 40 } }, false, NULL },
	{ "jitter of nothing", { .kind = PLAN_JITTER }, { { 0 } }, { { .passed = 400 } }, true,
	  NULL },
	{ "a rate that all was too much for", { .kind = PLAN_RATE, .rate_bps = 1000 },
	  { { 0 } }, { { .full = 4 } }, true,
	  "on DNS1's link, both ways: 0 frames cut, 0 lost, 0 passed, 4 dropped by its full "
	  "queue" },
	{ "a rate that nothing came to", { .kind = PLAN_RATE, .rate_bps = 1000 },
	  { { .full = 4 } }, { { .full = 4 } }, false, NULL },
	{ "a heal that still cuts", { .kind = PLAN_HEAL }, { C(5, 0, 8) }, { C(5, 0, 9) }, false,
	  NULL },
};

static void only_counts_prove_a_fault(void **state)
{
	char evidence[FAULT_EVIDENCE], cut_off[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(proof); i++) {
		bool got = fault_proven(&proof[i].fault, proof[i].was, proof[i].now, "DNS1",
		                        evidence, sizeof(evidence));
		if (got != proof[i].want)
			fail_msg("%s", proof[i].what);
		if (proof[i].evidence != NULL)
			assert_string_equal(evidence, proof[i].evidence);
		assert_int_equal(fault_proven(&proof[i].fault, proof[i].was, proof[i].now, "DNS1",
		                              cut_off, sizeof(cut_off)), got);
		assert_string_equal(cut_off, "on DNS1");
	}
}

static void each_fault_is_one_sides(void **state)
{
	const char *wires = " blackhole heal loss delay jitter duplicate reorder rate cut ";
	const char *stubs = " servfail slow wrong truncate refuse drop ";
	char name[32];

	(void)state;
	for (enum plan_fault_kind k = PLAN_KILL; k <= PLAN_SET_AUTO; k++) {
		snprintf(name, sizeof(name), " %s ", plan_fault_name(k));
		assert_int_equal(fault_is_wire(k), strstr(wires, name) != NULL);
		assert_int_equal(fault_is_stub(k), strstr(stubs, name) != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_what_its_faults_made_of_it),
		cmocka_unit_test(only_counts_prove_a_fault),
		cmocka_unit_test(each_fault_is_one_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
