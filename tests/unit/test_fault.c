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

static const struct {
	const char *what;
	struct plan_fault fault[FAULTS_MAX]; /* the last that isn't all zero is the one */
	struct link_set want;
} after[] = {
	{ "a kill leaves the link alone", { { .kind = PLAN_KILL } },
	  { PLANNED_NS, PLANNED_PPM, false } },
	{ "loss replaces the planned one", { { .kind = PLAN_LOSS, .value_ppm = 300 } },
	  { PLANNED_NS, 300, false } },
	{ "loss of none as well", { { .kind = PLAN_LOSS } }, { PLANNED_NS, 0, false } },
	{ "delay replaces the planned one", { { .kind = PLAN_DELAY, .value_ns = 9 } },
	  { 9, PLANNED_PPM, false } },
	{ "loss, then delay: both",
	  { { .kind = PLAN_LOSS, .value_ppm = 300 }, { .kind = PLAN_DELAY, .value_ns = 9 } },
	  { 9, 300, false } },
	{ "loss, then delay, then heal: as planned",
	  { { .kind = PLAN_LOSS, .value_ppm = 300 }, { .kind = PLAN_DELAY, .value_ns = 9 },
	    { .kind = PLAN_HEAL } },
	  { PLANNED_NS, PLANNED_PPM, false } },
	{ "a second loss replaces the first",
	  { { .kind = PLAN_LOSS, .value_ppm = 300 }, { .kind = PLAN_LOSS, .value_ppm = 4 } },
	  { PLANNED_NS, 4, false } },
	{ "a blackhole over loss: cut, the loss still set",
	  { { .kind = PLAN_LOSS, .value_ppm = 300 }, { .kind = PLAN_BLACKHOLE } },
	  { PLANNED_NS, 300, true } },
	{ "loss in a blackhole: still cut",
	  { { .kind = PLAN_BLACKHOLE }, { .kind = PLAN_LOSS, .value_ppm = 300 } },
	  { PLANNED_NS, 300, true } },
	{ "a start doesn't heal",
	  { { .kind = PLAN_BLACKHOLE }, { .kind = PLAN_KILL }, { .kind = PLAN_START } },
	  { PLANNED_NS, PLANNED_PPM, true } },
	{ "a blackhole healed, then a delay",
	  { { .kind = PLAN_BLACKHOLE }, { .kind = PLAN_HEAL },
	    { .kind = PLAN_DELAY, .value_ns = 9 } },
	  { 9, PLANNED_PPM, false } },
	{ "other nodes' faults don't count",
	  { { .kind = PLAN_BLACKHOLE, .node = 1 }, { .kind = PLAN_DELAY, .value_ns = 9 },
	    { .kind = PLAN_HEAL, .node = 1 }, { .kind = PLAN_LOSS, .node = 1, .value_ppm = 5 },
	    { .kind = PLAN_START } },
	  { 9, PLANNED_PPM, false } },
	{ "each node has its own plan",
	  { { .kind = PLAN_DELAY, .value_ns = 9 },
	    { .kind = PLAN_LOSS, .node = 1, .value_ppm = 5 } },
	  { 2 * PLANNED_NS, 5, false } },
};

static void a_link_is_what_its_faults_made_of_it(void **state)
{
	struct plan_node node[2] = {
		{ .link = { PLANNED_NS, PLANNED_PPM } },
		{ .link = { 2 * PLANNED_NS, 2 * PLANNED_PPM } },
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
		struct link_set got = fault_link(&p, last - 1);
		if (got.delay_ns != after[i].want.delay_ns ||
		    got.loss_ppm != after[i].want.loss_ppm || got.cut != after[i].want.cut)
			fail_msg("%s", after[i].what);
	}
}

static const struct {
	const char *what;
	struct plan_fault fault;
	struct link_counts was[2], now[2];
	bool want;
	const char *evidence;
} proof[] = {
	{ "a blackhole that cut", { .kind = PLAN_BLACKHOLE }, { { 0 } }, { { 0, 0, 3 } }, true,
	  "on DNS1's link, both ways: 3 frames cut, 0 lost, 0 passed" },
	{ "both ways add up", { .kind = PLAN_BLACKHOLE }, { { 9, 1, 2 }, { 9, 0, 0 } },
	  { { 9, 1, 4 }, { 9, 0, 1 } }, true,
	  "on DNS1's link, both ways: 3 frames cut, 0 lost, 0 passed" },
	{ "a blackhole that nothing came to", { .kind = PLAN_BLACKHOLE }, { { 9, 1, 2 } },
	  { { 9, 1, 2 } }, false, "on DNS1's link, both ways: 0 frames cut, 0 lost, 0 passed" },
	{ "a blackhole that leaked inwards", { .kind = PLAN_BLACKHOLE }, { { 0 } },
	  { { 0, 0, 3 }, { 1, 0, 0 } }, false, NULL },
	{ "a loss that lost", { .kind = PLAN_LOSS, .value_ppm = 10 }, { { 5, 5, 0 } },
	  { { 5, 6, 0 } }, true, "on DNS1's link, both ways: 0 frames cut, 1 lost, 0 passed" },
	{ "a loss that could have lost 20 and lost none", { .kind = PLAN_LOSS, .value_ppm = 20000 },
	  { { 5, 5, 0 } }, { { 1005, 5, 0 } }, false, NULL },
	{ "a loss that had one frame less", { .kind = PLAN_LOSS, .value_ppm = 20000 },
	  { { 5, 5, 0 } }, { { 1004, 5, 0 } }, true, NULL },
	{ "a loss that nothing came to", { .kind = PLAN_LOSS, .value_ppm = 20000 },
	  { { 5, 5, 0 } }, { { 5, 5, 0 } }, false, NULL },
	{ "a delay that something passed", { .kind = PLAN_DELAY }, { { 5, 0, 0 } },
	  { { 5, 0, 0 }, { 1, 0, 0 } }, true,
	  "on DNS1's link, both ways: 0 frames cut, 0 lost, 1 passed" },
	{ "a delay that nothing passed", { .kind = PLAN_DELAY }, { { 5, 0, 0 } },
	  { { 5, 1, 1 } }, false, NULL },
	{ "a heal that something passed", { .kind = PLAN_HEAL }, { { 5, 0, 8 } },
	  { { 6, 0, 8 } }, true, NULL },
	{ "a heal that still cuts", { .kind = PLAN_HEAL }, { { 5, 0, 8 } }, { { 5, 0, 9 } }, false,
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
	const char *wires = " blackhole heal loss delay ";
	const char *stubs = " servfail slow wrong truncate refuse drop ";
	char name[32];

	(void)state;
	for (enum plan_fault_kind k = PLAN_KILL; k <= PLAN_UNDRAIN; k++) {
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
