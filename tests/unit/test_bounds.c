/* SPDX-License-Identifier: BSD-3-Clause */
/* Closed-form bounds against figures worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/plan/bounds.h"
#include "sim/plan/downs.h"

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

static void no_check_can_notice_before_this(void **state)
{
	static const struct {
		const char *what;
		enum plan_checks how;
		unsigned failures;
		int64_t interval_ms, timeout_ms, kill_ms, silent_ms;
	} row[] = {
		{ "ours, defaults", PLAN_CHECKS_EXACT, 1, 1000, 1000, 0, 979 },
		{ "ours, three failures", PLAN_CHECKS_EXACT, 3, 1000, 500, 1979, 2479 },
		{ "ours, a timeout that is shorter than a miss", PLAN_CHECKS_EXACT, 1, 1000, 10,
		  0, 0 },
		{ "rounds, defaults", PLAN_CHECKS_ROUNDS, 1, 1000, 1000, 0, 979 },
		{ "rounds, a refusal counts thrice", PLAN_CHECKS_ROUNDS, 3, 1000, 1000, 0, 2979 },
		{ "rounds, four failures", PLAN_CHECKS_ROUNDS, 4, 2000, 1000, 1979, 6979 },
		{ "async, defaults", PLAN_CHECKS_ASYNC, 1, 1000, 1000, 0, 979 },
		{ "async, every second", PLAN_CHECKS_ASYNC, 3, 1000, 1000, 1979, 2979 },
		{ "async, whole seconds", PLAN_CHECKS_ASYNC, 3, 3000, 1000, 3979, 4979 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct bal_check c = { .mode = BAL_CHECK_AUTO, .max_failures = row[i].failures,
		                       .rise = 1, .interval_ns = row[i].interval_ms * MS,
		                       .timeout_ns = row[i].timeout_ms * MS };
		assert_int_equal(bound_notice_ns(row[i].how, &c, false, 21 * MS) / MS,
		                 row[i].kill_ms);
		assert_int_equal(bound_notice_ns(row[i].how, &c, true, 21 * MS) / MS,
		                 row[i].silent_ms);
		assert_true(bound_notice_ns(row[i].how, &c, true, 0) <=
		            bound_detect_ns(row[i].how, &c));
		c.mode = BAL_CHECK_UP;
		assert_true(bound_notice_ns(row[i].how, &c, true, 0) == INT64_MAX);
		c.mode = BAL_CHECK_DOWN;
		assert_int_equal(bound_notice_ns(row[i].how, &c, true, 0), 0);
	}
}

static void a_server_that_is_not_checked_has_no_bound(void **state)
{
	struct bal_check c = { .mode = BAL_CHECK_UP, .max_failures = 1, .rise = 1,
	                       .interval_ns = 1000 * MS, .timeout_ns = 1000 * MS };
	(void)state;
	assert_true(bound_detect_ns(PLAN_CHECKS_EXACT, &c) == INT64_MAX);
	assert_int_equal(bound_back_ns(PLAN_CHECKS_EXACT, &c, 0), 0);
}

/* The reference set-up with one balancer, as data; see reference(). */
static struct {
	struct bal_server server[2];
	int server_node[2];
	struct plan_conf conf;
	struct plan_node node[4];
	struct plan_load load;
	struct plan_fault fault[4];
	struct plan plan;
} ref;

static struct plan *reference(enum plan_fault_kind dies, enum plan_fault_kind returns)
{
	struct bal_check check = { .mode = BAL_CHECK_AUTO, .max_failures = 1, .rise = 1,
	                           .interval_ns = 1000 * MS, .timeout_ns = 1000 * MS };

	memset(&ref, 0, sizeof(ref));
	for (unsigned i = 0; i < 2; i++) {
		ref.server[i] = (struct bal_server){ .weight = 1, .check = check };
		ref.server_node[i] = 2 + (int)i;
		ref.node[2 + i].miss = (struct dist_spec){ DIST_CONSTANT, 20 * MS, 0 };
	}
	for (unsigned i = 0; i < 4; i++) {
		ref.node[i].link.delay_ns = 50000;
		ref.node[i].role = i == 0 ? PLAN_CLIENTS : i == 1 ? PLAN_BALANCER : PLAN_RECURSOR;
	}
	ref.conf = (struct plan_conf){ .server_n = 2, .server = ref.server,
	                               .server_node = ref.server_node, .policy = BAL_WRANDOM };
	ref.load = (struct plan_load){ .rate_mqps = 1000000, .to_ns = 15000ll * MS };
	ref.fault[0] = (struct plan_fault){ .kind = dies, .node = 2, .at_ns = 5000ll * MS };
	ref.fault[1] = (struct plan_fault){ .kind = returns, .node = 2, .at_ns = 10000ll * MS };
	ref.plan = (struct plan){ .node_n = 4, .node = ref.node, .conf_n = 1, .conf = &ref.conf,
	                          .load_n = 1, .load = &ref.load, .fault_n = 2,
	                          .fault = ref.fault, .end_ns = 17000ll * MS,
	                          .limits.slack_ns = 20 * MS,
	                          .balancer = { .checks = PLAN_CHECKS_EXACT } };
	return &ref.plan;
}

static void how_many_queries_a_silent_recursor_swallows_at_least(void **state)
{
	struct plan *p = reference(PLAN_HANG, PLAN_RESUME);
	int64_t way = 20 * MS + 200000;
	(void)state;

	assert_true(plan_notice_ns(p, 0) == 1000 * MS - way);
	assert_int_equal(plan_notice_ns(p, 1), 0);
	/* 500 a second for 979.8 - 20 ms */
	assert_int_equal((int)(plan_misrouted_mean(p, 5000ll * MS, 5000ll * MS +
	                 plan_notice_ns(p, 0), plan_share_least(p, 2)) * 10), 4799);
	ref.fault[1].at_ns = 5300ll * MS;
	assert_int_equal(plan_notice_ns(p, 0), 300 * MS);
	ref.server[0].check.max_failures = 3;
	ref.fault[1].at_ns = 10000ll * MS;
	assert_true(plan_notice_ns(p, 0) == 3000ll * MS - way);
	ref.plan.recursor.path = ref.node[0].name; /* a foreign one, slow to answer checks */
	assert_true(plan_notice_ns(p, 0) == 2000ll * MS);
	ref.server[0].weight = 3;
	assert_int_equal((int)(plan_share_least(p, 2) * 100), 75);
	p = reference(PLAN_KILL, PLAN_START);
	assert_int_equal(plan_notice_ns(p, 0), 0);
}

static void nothing_is_sure_where_checks_may_have_failed_before(void **state)
{
	struct plan *p = reference(PLAN_BLACKHOLE, PLAN_HEAL);
	(void)state;

	assert_true(plan_notice_ns(p, 0) > 0);
	ref.node[1].link.loss_ppm = 1;
	assert_int_equal(plan_notice_ns(p, 0), 0);
	ref.node[1].link.loss_ppm = 0;
	ref.conf.policy = BAL_LEAST_OUTSTANDING;
	assert_int_equal(plan_notice_ns(p, 0), 0);
	ref.conf.policy = BAL_ROUNDROBIN;
	p->fault_n = 3;
	ref.fault[2] = ref.fault[0];
	ref.fault[2].at_ns = 12000ll * MS;
	assert_true(plan_notice_ns(p, 2) > 0);
	ref.fault[2].at_ns = 11000ll * MS; /* may not have been taken in again */
	assert_int_equal(plan_notice_ns(p, 2), 0);
	ref.fault[2].node = 3; /* the other one always was there */
	assert_true(plan_notice_ns(p, 2) > 0);
	ref.fault[0].kind = PLAN_SLOW;
	assert_int_equal(plan_notice_ns(p, 2), 0);
}

static void lost_queries_of_the_reference_set_up(void **state)
{
	struct plan *p = reference(PLAN_KILL, PLAN_START);
	(void)state;

	/* 500 queries a second for 2 s, 20 ms of misses and a round trip of 0.2 ms */
	assert_int_equal((int)(plan_lost_mean(p) * 10), 10101);
	assert_int_equal(plan_fault_end(p, 0), 1);
	assert_int_equal(plan_fault_end(p, 1), PLAN_NONE);
	ref.conf.policy = BAL_CHASHED; /* the names that are asked most may all be its own */
	assert_int_equal((int)(plan_lost_mean(p) * 10), 20202);
	ref.conf.policy = BAL_WRANDOM;
	ref.fault[1].at_ns = 5500ll * MS; /* back before it was noticed */
	assert_int_equal((int)(plan_lost_mean(p) * 10), 2601);
	ref.node[1].link.loss_ppm = 1000; /* four crossings of each of 15,000 queries */
	assert_int_equal((int)(plan_lost_mean(p) * 10), 3201);
}

static void only_names_of_their_own_are_sure_to_pass_a_balancers_cache(void **state)
{
	const int64_t s = 1000 * (int64_t)MS;
	struct plan_conf conf[2] = { { .cache_entries = 0 }, { .cache_entries = 0 } };
	struct plan_load load[2] = {
		{ .rate_mqps = 100000, .to_ns = 10 * s, .names = PLAN_ZIPF, .name_n = 50 },
		{ .rate_mqps = 30000, .from_ns = 5 * s, .to_ns = 10 * s, .names = PLAN_UNIQUE },
	};
	struct plan p = { .conf_n = 2, .conf = conf, .load_n = 2, .load = load };

	(void)state;
	assert_true(plan_queries_forwarded(&p, 0, 10 * s) == 1150);
	assert_false(plan_queries_cached(&p, 0, 10 * s));
	assert_true(plan_misrouted_mean(&p, 0, 10 * s, 0.5) == 575);
	conf[1].cache_entries = 1;
	assert_true(plan_queries_forwarded(&p, 0, 10 * s) == 150);
	assert_true(plan_queries_forwarded(&p, 0, 5 * s) == 0);
	assert_true(plan_queries_cached(&p, 0, 5 * s));
	assert_false(plan_queries_cached(&p, 10 * s, 11 * s));
	assert_true(plan_misrouted_mean(&p, 0, 10 * s, 0.5) == 75);
	assert_true(plan_queries(&p, 0, 10 * s) == 1150);
}

/* A second balancer in the place of the client's link, and the second recursor as node 4. */
static struct plan *two_balancers(void)
{
	static struct plan_node node[5];
	struct plan *p = reference(PLAN_KILL, PLAN_START);

	node[0] = ref.node[0];
	node[1] = node[2] = ref.node[1];
	node[3] = ref.node[2];
	node[4] = ref.node[3];
	ref.server_node[0] = 3;
	ref.server_node[1] = 4;
	ref.load.tries = 1;
	ref.load.timeout_ns = 500 * MS;
	ref.load.choose = PLAN_PER_QUERY;
	p->node = node;
	p->node_n = 5;
	return p;
}

static void lost_queries_of_failures_that_overlap(void **state)
{
	struct plan *p = reference(PLAN_KILL, PLAN_START);
	(void)state;

	/* the other one dies a second later and is back first: nobody is left for a while */
	p->fault_n = 4;
	ref.fault[2] = ref.fault[1];
	ref.fault[3] = (struct plan_fault){ .kind = PLAN_START, .node = 3, .at_ns = 12000ll * MS };
	ref.fault[1] = (struct plan_fault){ .kind = PLAN_HANG, .node = 3, .at_ns = 6000ll * MS };
	ref.fault[2] = (struct plan_fault){ .kind = PLAN_RESUME, .node = 3, .at_ns = 9000ll * MS };
	ref.fault[3] = (struct plan_fault){ .kind = PLAN_START, .node = 2, .at_ns = 10000ll * MS };
	/* half for 1.0 s; all for 3 s; then, until it is surely in use, 1 s + 1.0002 s, of which
	 * the other's return counts for nothing, as it isn't sure either */
	int mean = (int)plan_lost_mean(p);
	assert_in_range(mean, 500 + 3000 + 2000 - 30, 500 + 3000 + 2000 + 60);
	/* who is told, isn't lost: once both are surely known to be away nothing is */
	ref.conf.servfail_when_no_server = true;
	assert_in_range((int)plan_lost_mean(p), 500 + 2000 - 30, 500 + 2000 + 60);
	ref.conf.policy = BAL_ROUNDROBIN; /* takes turns among the dead instead */
	assert_int_equal((int)plan_lost_mean(p), mean);
}

static void lost_queries_of_a_balancer(void **state)
{
	struct plan *p = two_balancers();
	(void)state;

	ref.fault[0].node = ref.fault[1].node = 1;
	/* half of a thousand a second for 5 s, what was on its way, and until its checks are in */
	assert_in_range((int)plan_lost_mean(p), 2500, 2500 + 40);
	assert_int_equal((int)plan_failover_mean(p, 1), (int)(2500));
	ref.load.tries = 2;
	ref.load.retry = PLAN_OTHER;
	assert_int_equal((int)(plan_lost_mean(p) * 1000), 0);
	assert_int_equal((int)(plan_failover_mean(p, 1) * 1000), 0);
	assert_true(plan_failover_ns(p) >= 500 * MS + 20 * MS && plan_failover_ns(p) < 521 * MS);
	ref.load.retry = PLAN_SAME;
	assert_in_range((int)plan_lost_mean(p), 2200, 2300); /* half a second less */
	ref.load.choose = PLAN_PER_CLIENT; /* four clients may all have chosen the same */
	ref.load.clients = 4;
	assert_in_range((int)plan_lost_mean(p), 4400, 4600);
}

static void outages_by_the_timeline(void **state)
{
	struct plan *p = reference(PLAN_KILL, PLAN_START);
	const int64_t end = 15000ll * MS;
	(void)state;

	ref.load.tries = 1;
	assert_int_equal(plan_dark_ns(p, 0, end), 0);
	/* 500 a second are sure: ln(15,001 / 1e-9) + 1 of them take 62.7 ms, an answer 20.4 ms */
	assert_in_range((int)(plan_outage_ns(p, 0, end, 1e-9) / MS), 80, 90);
	p->fault_n = 3;
	ref.fault[2] = ref.fault[1];
	ref.fault[1] = (struct plan_fault){ .kind = PLAN_KILL, .node = 3, .at_ns = 5000ll * MS };
	/* 5 s, and what may be before the first is surely back in use: 2.0002 s */
	assert_in_range((int)(plan_dark_ns(p, 0, end) / MS), 7000, 7022);
	assert_in_range((int)(plan_outage_ns(p, 0, end, 1e-9) / MS), 7040, 7100);
	assert_int_equal(plan_dark_ns(p, 0, 4000ll * MS), 0);
}

static void a_silence_ends_when_its_last_reason_goes(void **state)
{
	struct plan *p = reference(PLAN_KILL, PLAN_START);
	(void)state;

	p->fault_n = 4;
	ref.fault[2] = ref.fault[1];
	ref.fault[1] = (struct plan_fault){ .kind = PLAN_BLACKHOLE, .node = 2, .at_ns =
		6000ll * MS };
	ref.fault[3] = (struct plan_fault){ .kind = PLAN_HEAL, .node = 2, .at_ns = 12000ll * MS };
	assert_int_equal(plan_fault_end(p, 0), 3);
	assert_int_equal(plan_fault_end(p, 1), 3);
	ref.fault[0].kind = PLAN_HANG; /* what hangs may be killed, and started */
	ref.fault[1].kind = PLAN_KILL;
	p->fault_n = 3;
	assert_int_equal(plan_fault_end(p, 0), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detection_and_recovery_by_program),
		cmocka_unit_test(no_check_can_notice_before_this),
		cmocka_unit_test(how_many_queries_a_silent_recursor_swallows_at_least),
		cmocka_unit_test(nothing_is_sure_where_checks_may_have_failed_before),
		cmocka_unit_test(a_server_that_is_not_checked_has_no_bound),
		cmocka_unit_test(lost_queries_of_the_reference_set_up),
		cmocka_unit_test(only_names_of_their_own_are_sure_to_pass_a_balancers_cache),
		cmocka_unit_test(lost_queries_of_failures_that_overlap),
		cmocka_unit_test(lost_queries_of_a_balancer),
		cmocka_unit_test(outages_by_the_timeline),
		cmocka_unit_test(a_silence_ends_when_its_last_reason_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
