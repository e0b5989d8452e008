/* SPDX-License-Identifier: BSD-3-Clause */
/* Which server each policy chooses; test_bal_hashed.c has those that look at names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/policy.h"
#include "tests/bal_rig.h"

struct chooser {
	struct rig rig;
	struct policy policy;
	struct drbg random;
};

static void start(struct chooser *c, enum bal_policy policy, unsigned servers)
{
	rig_conf(&c->rig, servers);
	c->rig.conf.policy = policy;
}

static void run(struct chooser *c)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, 1);
	drbg_init(&c->random, seed, DRBG_TEST, 0);
	MUST(host_arena(&c->rig.arena, policy_arena_size(&c->rig.conf, 0) +
	                               bal_shared_arena_size(&c->rig.conf)) == 0);
	c->rig.shared = bal_shared_init(&c->rig.arena, &c->rig.conf);
	policy_init(&c->policy, &c->rig.arena, &c->rig.conf, 0, c->rig.shared, seed);
	policy_refresh(&c->policy, c->rig.now_ns);
}

static void set_up(struct chooser *c, unsigned server, bool up)
{
	bal_shared_set_up(c->rig.shared, server, up);
	policy_refresh(&c->policy, c->rig.now_ns);
}

static const uint8_t root[] = ""; /* a name that these don't look at */

static int pick_at(struct chooser *c, int64_t now_ns)
{
	return policy_pick(&c->policy, &c->random, now_ns, root, sizeof(root));
}

/* Counts n choices of each server. */
static void count(struct chooser *c, unsigned n, unsigned got[RIG_SERVERS])
{
	memset(got, 0, RIG_SERVERS * sizeof(*got));
	for (unsigned i = 0; i < n; i++) {
		int s = pick_at(c, 0);
		assert_in_range(s, 0, RIG_SERVERS - 1);
		got[s]++;
	}
}

static void wrandom_ignores_order_and_follows_weights(void **state)
{
	/* accept region of 8,000 draws at 1e-6: p=1/2, and mean +- 5 sigma for the rest */
	static const struct {
		const char *what;
		int32_t weight[3], order[3];
		unsigned low[3], high[3];
	} rows[] = {
		{ "equal", { 1, 1, 0 }, { 1, 1, 1 }, { 3781, 3781, 0 }, { 4219, 4219, 0 } },
		{ "another order", { 1, 1, 0 }, { 1, 9, 1 }, { 3781, 3781, 0 }, { 4219, 4219, 0 } },
		{ "3:1", { 3, 1, 0 }, { 1, 1, 1 }, { 5806, 1806, 0 }, { 6194, 2194, 0 } },
		{ "1:2:5", { 1, 2, 5 }, { 1, 1, 1 }, { 852, 1806, 4783 }, { 1148, 2194, 5217 } },
		{ "the sum saturates", { 2000000000, 2000000000, 0 }, { 1, 1, 1 },
		  { 7330, 433, 0 }, { 7567, 670, 0 } },
		{ "the third falls off", { INT32_MAX, 1, 1 }, { 1, 1, 1 }, { 8000, 0, 0 },
		  { 8000, 0, 0 } },
	};
	static struct chooser c;
	unsigned got[RIG_SERVERS];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(&c, BAL_WRANDOM, rows[i].weight[2] == 0 ? 2 : 3);
		for (unsigned s = 0; s < c.rig.conf.server_n; s++) {
			c.rig.server[s].weight = rows[i].weight[s];
			c.rig.server[s].order = rows[i].order[s];
		}
		run(&c);
		count(&c, 8000, got);
		for (unsigned s = 0; s < 3; s++)
			if (got[s] < rows[i].low[s] || got[s] > rows[i].high[s])
				fail_msg("%s: server %u got %u", rows[i].what, s, got[s]);
		host_arena_free(&c.rig.arena);
	}
}

static void only_servers_that_are_up_are_chosen(void **state)
{
	static const enum bal_policy policies[] = {
		BAL_WRANDOM, BAL_ROUNDROBIN, BAL_LEAST_OUTSTANDING, BAL_FIRST_AVAILABLE,
	};
	static struct chooser c;
	unsigned got[RIG_SERVERS];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(policies); i++) {
		start(&c, policies[i], 4);
		c.rig.conf.roundrobin_fail_on_no_server = true;
		run(&c);
		set_up(&c, 0, false);
		set_up(&c, 2, false);
		count(&c, 100, got);
		assert_int_equal(got[1] + got[3], 100);
		set_up(&c, 1, false);
		count(&c, 100, got);
		assert_int_equal(got[3], 100);
		set_up(&c, 3, false);
		assert_int_equal(pick_at(&c, 0), -1);
		host_arena_free(&c.rig.arena);
	}
}

static void roundrobin_takes_exact_turns_and_all_when_none_is_up(void **state)
{
	static struct chooser c;
	unsigned got[RIG_SERVERS];

	(void)state;
	start(&c, BAL_ROUNDROBIN, 3);
	run(&c);
	for (int i = 0; i < 9; i++)
		assert_int_equal(pick_at(&c, 0), i % 3);
	set_up(&c, 1, false);
	count(&c, 100, got);
	assert_int_equal(got[0], 50);
	assert_int_equal(got[2], 50);
	set_up(&c, 0, false);
	set_up(&c, 2, false);
	count(&c, 99, got);
	for (int s = 0; s < 3; s++)
		assert_int_equal(got[s], 33);
	host_arena_free(&c.rig.arena);
}

static void least_outstanding_compares_outstanding_then_order_then_latency(void **state)
{
	static const struct {
		const char *what;
		int32_t outstanding[2], order[2];
		uint32_t latency[2];
		int want;
	} rows[] = {
		{ "all equal: the first", { 0, 0 }, { 1, 1 }, { 5, 5 }, 0 },
		{ "fewer outstanding", { 3, 2 }, { 1, 2 }, { 5, 9 }, 1 },
		{ "lower order", { 2, 2 }, { 2, 1 }, { 5, 9 }, 1 },
		{ "lower latency", { 2, 2 }, { 1, 1 }, { 9, 5 }, 1 },
	};
	static struct chooser c;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(&c, BAL_LEAST_OUTSTANDING, 2);
		for (int s = 0; s < 2; s++)
			c.rig.server[s].order = rows[i].order[s];
		run(&c);
		for (int s = 0; s < 2; s++) {
			atomic_store(&c.rig.shared->server[s].outstanding, rows[i].outstanding[s]);
			atomic_store(&c.rig.shared->server[s].latency_us128, rows[i].latency[s]);
		}
		if (pick_at(&c, 0) != rows[i].want)
			fail_msg("%s: not server %d", rows[i].what, rows[i].want);
		host_arena_free(&c.rig.arena);
	}
}

static void first_available_fills_one_bucket_after_the_other(void **state)
{
	const int64_t second = 1000000000;
	static struct chooser c;
	unsigned got[RIG_SERVERS];

	(void)state;
	start(&c, BAL_FIRST_AVAILABLE, 3);
	c.rig.server[0].qps = 10;
	c.rig.server[1].qps = 5;
	run(&c);
	count(&c, 20, got); /* full buckets hold a second's worth; then the one without limit */
	assert_int_equal(got[0], 10);
	assert_int_equal(got[1], 5);
	assert_int_equal(got[2], 5);
	assert_int_equal(pick_at(&c, second / 10 - 1), 2);
	assert_int_equal(pick_at(&c, second / 10), 0);
	assert_int_equal(pick_at(&c, second / 10), 2);
	assert_int_equal(pick_at(&c, second / 5), 0);
	assert_int_equal(pick_at(&c, second / 5), 1);
	for (int i = 0; i < 10; i++) /* an hour's rest gives no more than a second's worth */
		assert_int_equal(pick_at(&c, 3600 * second), 0);
	assert_int_equal(pick_at(&c, 3600 * second), 1);
	host_arena_free(&c.rig.arena);
}

static void first_available_without_room_falls_back_on_least_outstanding(void **state)
{
	static struct chooser c;

	(void)state;
	start(&c, BAL_FIRST_AVAILABLE, 2);
	c.rig.server[0].qps = c.rig.server[1].qps = 1;
	run(&c);
	atomic_store(&c.rig.shared->server[0].outstanding, 7);
	assert_int_equal(pick_at(&c, 0), 0);
	assert_int_equal(pick_at(&c, 0), 1);
	assert_int_equal(pick_at(&c, 0), 1);
	assert_int_equal(pick_at(&c, 0), 1);
	host_arena_free(&c.rig.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrandom_ignores_order_and_follows_weights),
		cmocka_unit_test(only_servers_that_are_up_are_chosen),
		cmocka_unit_test(roundrobin_takes_exact_turns_and_all_when_none_is_up),
		cmocka_unit_test(least_outstanding_compares_outstanding_then_order_then_latency),
		cmocka_unit_test(first_available_fills_one_bucket_after_the_other),
		cmocka_unit_test(first_available_without_room_falls_back_on_least_outstanding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
