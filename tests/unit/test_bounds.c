/* SPDX-License-Identifier: BSD-3-Clause */
/* Closed-form bounds against figures worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/plan/bounds.h"

enum { MS = 1000000 };

static void detection_and_recovery_by_program(void **state)
{
	static const struct {
		const char *what;
		enum plan_checks how;
		unsigned failures, rise;
		int64_t interval_ms, timeout_ms, detect_ms, back_ms;
	} row[] = {
		{ "ours, defaults", PLAN_CHECKS_EXACT, 1, 1, 1000, 1000, 2000, 1001 },
		{ "ours, three failures", PLAN_CHECKS_EXACT, 3, 2, 1000, 500, 3500, 2001 },
		{ "rounds, defaults", PLAN_CHECKS_ROUNDS, 1, 1, 1000, 1000, 2100, 2100 },
		{ "rounds, two failures", PLAN_CHECKS_ROUNDS, 2, 1, 1000, 200, 2600, 1300 },
		{ "async, defaults", PLAN_CHECKS_ASYNC, 1, 1, 1000, 1000, 2100, 2100 },
		{ "async, three failures", PLAN_CHECKS_ASYNC, 3, 1, 2000, 1000, 7300, 3100 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct bal_check c = { .mode = BAL_CHECK_AUTO, .max_failures = row[i].failures,
		                       .rise = row[i].rise, .interval_ns = row[i].interval_ms * MS,
		                       .timeout_ns = row[i].timeout_ms * MS };
		assert_int_equal(bound_detect_ns(row[i].how, &c) / MS, row[i].detect_ms);
		assert_int_equal(bound_back_ns(row[i].how, &c, 1 * MS) / MS, row[i].back_ms);
	}
}

static void nobody_can_notice_sooner(void **state)
{
	static const struct {
		const char *what;
		enum plan_checks how;
		unsigned failures;
		int64_t interval_ms, timeout_ms, refused_ms, silent_ms;
	} row[] = {
		{ "ours, defaults", PLAN_CHECKS_EXACT, 1, 1000, 1000, 0, 999 },
		{ "ours, three failures", PLAN_CHECKS_EXACT, 3, 1000, 500, 2000, 2499 },
		{ "rounds, a refusal counts three", PLAN_CHECKS_ROUNDS, 3, 1000, 500, 0, 2499 },
		{ "rounds, four failures", PLAN_CHECKS_ROUNDS, 4, 1000, 500, 1000, 3499 },
		{ "async, two failures", PLAN_CHECKS_ASYNC, 2, 3000, 1000, 0, 2999 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct bal_check c = { .mode = BAL_CHECK_AUTO, .max_failures = row[i].failures,
		                       .interval_ns = row[i].interval_ms * MS,
		                       .timeout_ns = row[i].timeout_ms * MS };
		assert_int_equal(bound_unnoticed_ns(row[i].how, &c, true, MS) / MS,
		                 row[i].refused_ms);
		assert_int_equal(bound_unnoticed_ns(row[i].how, &c, false, MS) / MS,
		                 row[i].silent_ms);
	}
}

static void a_server_that_is_not_checked_has_no_bound(void **state)
{
	struct bal_check c = { .mode = BAL_CHECK_UP, .max_failures = 1, .rise = 1,
	                       .interval_ns = 1000 * MS, .timeout_ns = 1000 * MS };
	(void)state;
	assert_true(bound_detect_ns(PLAN_CHECKS_EXACT, &c) == INT64_MAX);
	assert_int_equal(bound_back_ns(PLAN_CHECKS_EXACT, &c, 0), 0);
	assert_true(bound_unnoticed_ns(PLAN_CHECKS_EXACT, &c, false, 0) == INT64_MAX);
}

static void lost_queries_of_the_reference_set_up(void **state)
{
	struct bal_server server[2] = { { .weight = 1 }, { .weight = 1 } };
	int server_node[2] = { 2, 3 };
	struct plan_conf conf = { .server_n = 2, .server = server, .server_node = server_node };
	struct plan_node node[4] = {
		{ .role = PLAN_CLIENTS, .link = { 50000, 0 } },
		{ .role = PLAN_BALANCER, .link = { 50000, 0 } },
		{ .role = PLAN_RECURSOR, .link = { 50000, 0 },
		  .miss = { DIST_CONSTANT, 20 * MS, 0 } },
		{ .role = PLAN_RECURSOR, .link = { 50000, 0 },
		  .miss = { DIST_CONSTANT, 20 * MS, 0 } },
	};
	struct plan_load load = { .rate_mqps = 1000000, .to_ns = 15000ll * MS };
	struct plan_fault fault[2] = { { .kind = PLAN_KILL, .node = 2, .at_ns = 5000ll * MS },
	                               { .kind = PLAN_START, .node = 2, .at_ns = 10000ll * MS } };
	struct plan p = { .node_n = 4, .node = node, .conf_n = 1, .conf = &conf, .load_n = 1,
	                  .load = &load, .fault_n = 2, .fault = fault,
	                  .balancer = { .checks = PLAN_CHECKS_EXACT } };
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		server[i].check = (struct bal_check){ .mode = BAL_CHECK_AUTO, .max_failures = 1,
		        .rise = 1, .interval_ns = 1000 * MS, .timeout_ns = 1000 * MS };
	/* 500 queries a second for 2 s, 20 ms of misses and a round trip of 0.2 ms */
	assert_int_equal((int)(plan_lost_mean(&p) * 10), 10101);
	assert_int_equal(plan_fault_end(&p, 0), 1);
	assert_int_equal(plan_fault_end(&p, 1), PLAN_NONE);
	fault[1].at_ns = 5500ll * MS; /* back before it was noticed */
	assert_int_equal((int)(plan_lost_mean(&p) * 10), 2601);
	node[1].link.loss_ppm = 1000; /* four crossings of each of 15,000 queries */
	assert_int_equal((int)(plan_lost_mean(&p) * 10), 3201);
}

static void misrouted_queries_at_least(void **state)
{
	struct bal_server server = { .weight = 1, .check = { .mode = BAL_CHECK_AUTO,
	        .max_failures = 1, .rise = 1, .interval_ns = 1000 * MS, .timeout_ns = 1000 * MS } };
	int server_node = 2;
	struct plan_conf conf = { .policy = BAL_WRANDOM, .server_n = 1, .server = &server,
	                          .server_node = &server_node };
	struct plan_node node[3] = { { .role = PLAN_CLIENTS }, { .role = PLAN_BALANCER },
	                             { .role = PLAN_RECURSOR } };
	struct plan_load load = { .rate_mqps = 1000000, .to_ns = 15000ll * MS };
	struct plan_fault fault = { .kind = PLAN_HANG, .node = 2, .at_ns = 5000ll * MS };
	struct plan p = { .node_n = 3, .node = node, .conf_n = 1, .conf = &conf, .load_n = 1,
	                  .load = &load, .fault_n = 1, .fault = &fault,
	                  .balancer = { .checks = PLAN_CHECKS_EXACT } };
	(void)state;
	assert_int_equal((int)(plan_misrouted_least(&p, 0) + 0.5), 1000);
	fault.kind = PLAN_KILL; /* may be refused at once */
	assert_int_equal((int)(plan_misrouted_least(&p, 0) + 0.5), 0);
	fault.kind = PLAN_HANG;
	conf.policy = BAL_LEAST_OUTSTANDING;
	assert_int_equal((int)(plan_misrouted_least(&p, 0) + 0.5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detection_and_recovery_by_program),
		cmocka_unit_test(a_server_that_is_not_checked_has_no_bound),
		cmocka_unit_test(nobody_can_notice_sooner),
		cmocka_unit_test(lost_queries_of_the_reference_set_up),
		cmocka_unit_test(misrouted_queries_at_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
