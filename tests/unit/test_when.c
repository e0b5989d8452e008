/* SPDX-License-Identifier: BSD-3-Clause */
/* Triggers: which marks make a fault due, and what a balancer's log says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/net/when.h"
#include "sim/netns/lab.h"

enum { LB1, LB2, LB3, DNS1, DNS3, NODES };

/* kill DNS1 at 1000; start DNS1 5 after down, 100 later at most; hang DNS3 when DNS1 is up. */
static struct plan_fault fault[] = {
	{ .kind = PLAN_KILL, .node = DNS1, .at_ns = 1000 },
	{ .kind = PLAN_START, .node = DNS1, .at_ns = 1105, .when = PLAN_WHEN_DOWN,
	  .when_node = DNS1, .after = 1, .plus_ns = 5, .earliest_ns = 1005 },
	{ .kind = PLAN_HANG, .node = DNS3, .at_ns = 1200, .when = PLAN_WHEN_UP,
	  .when_node = DNS1, .after = 2, .earliest_ns = 1005 },
};

static struct bal_server server[] = {
	{ .name = "DNS1", .check.mode = BAL_CHECK_AUTO },
	{ .name = "", .check.mode = BAL_CHECK_AUTO },
};
static int server_node[] = { DNS1, DNS3 };

/* The third balancer doesn't check. */
static struct bal_server unchecked[] = {
	{ .name = "DNS1", .check.mode = BAL_CHECK_UP },
};
static struct plan_conf conf[] = {
	{ .server_n = 2, .server = server, .server_node = server_node },
	{ .server_n = 1, .server = unchecked, .server_node = server_node },
};
static struct plan_node node[NODES] = {
	[LB1] = { .name = "LB1", .role = PLAN_BALANCER },
	[LB2] = { .name = "LB2", .role = PLAN_BALANCER },
	[LB3] = { .name = "LB3", .role = PLAN_BALANCER, .conf = 1 },
	[DNS1] = { .name = "DNS1", .role = PLAN_RECURSOR },
	[DNS3] = { .name = "DNS3", .role = PLAN_RECURSOR },
};
static const struct plan plan = {
	.node_n = NODES, .node = node, .conf_n = 2, .conf = conf,
	.fault_n = COUNT_OF(fault), .fault = fault,
};

static void the_last_balancer_s_mark_decides(void **state)
{
	struct whens *w = whens_new(&plan);

	(void)state;
	assert_true(whens_any(w));
	assert_int_equal(whens_due(w, 0), 1000);
	assert_int_equal(whens_due(w, 1), INT64_MAX);
	whens_struck(w, 0);
	assert_true(whens_listen(w));
	assert_false(whens_marked(w, LB1, DNS1, false, 1010));
	assert_false(whens_marked(w, LB1, DNS1, false, 1020)); /* twice is once */
	assert_false(whens_marked(w, LB2, DNS3, false, 1020)); /* another server */
	assert_false(whens_marked(w, LB2, DNS1, true, 1020));  /* the other way */
	assert_false(whens_marked(w, LB3, DNS1, false, 1020)); /* isn't asked */
	assert_int_equal(whens_due(w, 1), INT64_MAX);
	assert_true(whens_marked(w, LB2, DNS1, false, 1030));
	assert_int_equal(whens_due(w, 1), 1035);
	assert_false(whens_listen(w));
	assert_false(whens_marked(w, LB2, DNS1, false, 1040)); /* the first one counts */
	assert_int_equal(whens_due(w, 1), 1035);
	whens_free(w);
}

static void marks_from_before_dont_count(void **state)
{
	struct whens *w = whens_new(&plan);
	char why[200];

	(void)state;
	assert_false(whens_listen(w));
	assert_false(whens_marked(w, LB1, DNS1, false, 900));
	assert_false(whens_marked(w, LB2, DNS1, false, 900));
	whens_missing(w, 1, why, sizeof(why));
	assert_string_equal(why, "not triggered: what it comes after wasn't carried out");
	whens_struck(w, 0);
	assert_int_equal(whens_due(w, 1), INT64_MAX);
	assert_false(whens_marked(w, LB1, DNS1, true, 1010));
	assert_false(whens_marked(w, LB2, DNS1, true, 1010)); /* before the start was struck */
	whens_struck(w, 1);
	assert_int_equal(whens_due(w, 2), INT64_MAX);
	assert_false(whens_marked(w, LB1, DNS1, true, 1110));
	assert_true(whens_marked(w, LB2, DNS1, true, 1120));
	assert_int_equal(whens_due(w, 2), 1120);
	whens_free(w);
}

static void a_mark_after_the_bound_is_none(void **state)
{
	struct whens *w = whens_new(&plan);
	char why[200], cut_off[8];

	(void)state;
	whens_struck(w, 0);
	assert_false(whens_marked(w, LB1, DNS1, false, 1100));
	assert_false(whens_marked(w, LB2, DNS1, false, 1101));
	assert_int_equal(whens_due(w, 1), INT64_MAX);
	whens_missing(w, 1, why, sizeof(why));
	assert_string_equal(why, "not triggered: LB2 hasn't marked DNS1 down by 1.1e-06 s");
	whens_missing(w, 1, cut_off, sizeof(cut_off));
	assert_string_equal(cut_off, "not tri");
	whens_free(w);
}

static const struct {
	const char *line;
	int server; /* -1: says nothing */
	bool up;
} lines[] = {
	{ "Marking downstream DNS1 (192.0.2.3:53) as 'down'", DNS1, false },
	{ "Marking downstream DNS1 (192.0.2.3:53) as 'up'", DNS1, true },
	{ "Nov 26 21:00:00 Marking downstream DNS1 (192.0.2.3:53) as 'up'", DNS1, true },
	{ "Marking downstream 192.0.2.4:53 as 'down'", DNS3, false },
	{ "Marking downstream DNS2 (192.0.2.9:53) as 'down'", -1, false },
	{ "Marking downstream DNS1 (192.0.2.3:53) as 'upper'", -1, true },
	{ "Marking downstream DNS1 (192.0.2.3:53) as 'odd'", -1, false },
	{ "Marking downstream DNS (192.0.2.3:53) as 'down'", -1, false },
	{ "Marking downstream DNS1", -1, false },
	{ " as 'down' Marking downstream ", -1, false },
	{ "", -1, false },
};

static void logs_are_read_leniently(void **state)
{
	(void)state;
	assert_int_equal(ep_parse(&server[0].addr, "192.0.2.3:53", 53), 0);
	assert_int_equal(ep_parse(&server[1].addr, "192.0.2.4:53", 53), 0);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		int found;
		bool up, said = lab_when_read(&plan, LB1, lines[i].line, &found, &up);
		if (said != (lines[i].server >= 0) ||
		    (said && (found != lines[i].server || up != lines[i].up)))
			fail_msg("%s", lines[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_balancer_s_mark_decides),
		cmocka_unit_test(marks_from_before_dont_count),
		cmocka_unit_test(a_mark_after_the_bound_is_none),
		cmocka_unit_test(logs_are_read_leniently),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
