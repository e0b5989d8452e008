/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies of pools: each chooses among its own servers, with turns and a ring of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/policy.h"
#include "tests/bal_rig.h"

enum { POOLS = 3, SERVERS = 5 };

/* Pool 0: servers 0, 1, 2; pool 1: 2, 3; pool 2: 4. */
static const uint64_t in[SERVERS] = { 1, 1, 1 | 2, 2, 4 };

struct chooser {
	struct rig rig;
	struct bal_pool pool[POOLS];
	struct policy policy[POOLS];
	struct drbg random;
};

static void start(struct chooser *c, enum bal_policy policy)
{
	size_t size = 0;
	uint8_t seed[DRBG_SEED];

	rig_conf(&c->rig, SERVERS);
	memset(c->pool, 0, sizeof(c->pool));
	for (unsigned i = 0; i < SERVERS; i++) {
		c->rig.server[i].pools = in[i];
		c->rig.server[i].weight = 100;
	}
	for (unsigned i = 0; i < POOLS; i++)
		c->pool[i].policy = policy;
	c->rig.conf.policy = policy;
	c->rig.conf.pool = c->pool;
	c->rig.conf.pool_n = POOLS;
	for (unsigned i = 0; i < POOLS; i++)
		size += policy_arena_size(&c->rig.conf, i);
	MUST(host_arena(&c->rig.arena, size + bal_shared_arena_size(&c->rig.conf)) == 0);
	drbg_seed_from_u64(seed, 1);
	drbg_init(&c->random, seed, DRBG_TEST, 0);
	c->rig.shared = bal_shared_init(&c->rig.arena, &c->rig.conf);
	for (unsigned i = 0; i < POOLS; i++)
		policy_init(&c->policy[i], &c->rig.arena, &c->rig.conf, i, c->rig.shared, seed);
}

static int pick(struct chooser *c, unsigned pool, unsigned k)
{
	const uint8_t name[] = { 3, (uint8_t)('a' + k % 26), (uint8_t)('a' + k / 26 % 26), 'x', 0 };

	policy_refresh(&c->policy[pool], 0);
	return policy_pick(&c->policy[pool], &c->random, 0, name, sizeof(name));
}

static void each_policy_chooses_among_the_pools_servers_and_all_of_them(void **state)
{
	struct chooser c;

	(void)state;
	for (enum bal_policy p = BAL_FIRST_AVAILABLE; p <= BAL_ORDERED_WRANDOM; p++) {
		start(&c, p);
		for (unsigned pool = 0; pool < POOLS; pool++) {
			uint64_t seen = 0, all = 0;
			for (unsigned k = 0; k < 400; k++)
				seen |= UINT64_C(1) << pick(&c, pool, k);
			for (unsigned i = 0; i < SERVERS; i++)
				all |= (in[i] >> pool & 1) << i;
			if (p == BAL_FIRST_AVAILABLE)
				all &= -all;
			if (seen != all)
				fail_msg("policy %d, pool %u: servers %llx, not %llx", (int)p, pool,
				         (unsigned long long)seen, (unsigned long long)all);
		}
		host_arena_free(&c.rig.arena);
	}
}

static void the_fewest_outstanding_of_the_pool_counts(void **state)
{
	struct chooser c;

	(void)state;
	start(&c, BAL_LEAST_OUTSTANDING);
	for (unsigned i = 0; i < SERVERS; i++)
		atomic_store(&c.rig.shared->server[i].outstanding, (int)(SERVERS - i));
	assert_int_equal(pick(&c, 0, 0), 2);
	assert_int_equal(pick(&c, 1, 0), 3);
	assert_int_equal(pick(&c, 2, 0), 4);
	host_arena_free(&c.rig.arena);
}

static void turns_of_one_pool_are_none_of_another(void **state)
{
	static const int want[] = { 0, 2, 1, 3, 2, 2, 0, 3 };
	struct chooser c;

	(void)state;
	start(&c, BAL_ROUNDROBIN);
	for (size_t i = 0; i < COUNT_OF(want); i++)
		assert_int_equal(pick(&c, i % 2, 0), want[i]);
	host_arena_free(&c.rig.arena);
}

static void a_pool_without_a_server_that_is_up_has_none(void **state)
{
	struct chooser c;

	(void)state;
	start(&c, BAL_WRANDOM);
	bal_shared_set_up(c.rig.shared, 4, false);
	assert_int_equal(pick(&c, 2, 0), -1);
	assert_true(pick(&c, 0, 0) >= 0);
	assert_false(bal_shared_any_up(c.rig.shared, &c.rig.conf, 2));
	assert_true(bal_shared_any_up(c.rig.shared, &c.rig.conf, 1));
	host_arena_free(&c.rig.arena);
}

static void a_batch_is_looked_at_once_by_each(void **state)
{
	struct chooser c;

	(void)state;
	start(&c, BAL_WRANDOM);
	policy_look(&c.policy[2], 1, 0);
	bal_shared_set_up(c.rig.shared, 4, false);
	policy_look(&c.policy[2], 1, 0);
	assert_int_equal(c.policy[2].up.n, 1);
	policy_look(&c.policy[2], 2, 0);
	assert_int_equal(c.policy[2].up.n, 0);
	host_arena_free(&c.rig.arena);
}

/* Reading all servers anew is for when one has changed. */
static void servers_that_didn_t_change_aren_t_looked_at(void **state)
{
	struct chooser c;

	(void)state;
	start(&c, BAL_WRANDOM);
	struct policy *p = &c.policy[1];
	policy_look(p, 1, 0);
	assert_int_equal(p->up.n, 2);
	p->up.n = 1; /* until it looks again */
	policy_look(p, 2, 0);
	bal_shared_set_up(c.rig.shared, 2, true);
	policy_look(p, 3, 0);
	assert_int_equal(p->up.n, 1);
	bal_shared_set_weight(c.rig.shared, 2, 300);
	policy_look(p, 4, 0);
	assert_int_equal(p->up.sum[1], 400);
	p->up.n = 1;
	bal_shared_set_order(c.rig.shared, 2, 7);
	policy_look(p, 5, 0);
	assert_int_equal(p->up.n, 2);
	assert_true(bal_shared_drain(c.rig.shared, 2, true, 0));
	policy_look(p, 6, 0);
	assert_int_equal(p->up.n, 1);
	host_arena_free(&c.rig.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_policy_chooses_among_the_pools_servers_and_all_of_them),
		cmocka_unit_test(the_fewest_outstanding_of_the_pool_counts),
		cmocka_unit_test(turns_of_one_pool_are_none_of_another),
		cmocka_unit_test(a_pool_without_a_server_that_is_up_has_none),
		cmocka_unit_test(a_batch_is_looked_at_once_by_each),
		cmocka_unit_test(servers_that_didn_t_change_aren_t_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
