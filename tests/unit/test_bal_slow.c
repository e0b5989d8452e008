/* SPDX-License-Identifier: BSD-3-Clause */
/* Slow start: what part of its share a server has after its return, under each policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/policy.h"
#include "balancer/core/slow.h"
#include "tests/bal_rig.h"

#define SECOND INT64_C(1000000000)

enum { NAMES = 4000 };

static struct rig rig;
static struct policy policy;
static struct drbg draws;

/* Server 0 starts slowly, over 100 s; all are up. */
static void start(enum bal_policy p, unsigned servers)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, 1);
	drbg_init(&draws, seed, DRBG_TEST, 0);
	rig_conf(&rig, servers);
	rig.conf.policy = p;
	for (unsigned i = 0; i < servers; i++)
		rig.server[i].weight = p == BAL_CHASHED ? 1000 : 1;
	rig.server[0].slow_start_ns = 100 * SECOND;
	MUST(host_arena(&rig.arena, policy_arena_size(&rig.conf, 0) +
	                            bal_shared_arena_size(&rig.conf)) == 0);
	rig.shared = bal_shared_init(&rig.arena, &rig.conf);
	policy_init(&policy, &rig.arena, &rig.conf, 0, rig.shared, seed);
}

static void stop(void)
{
	host_arena_free(&rig.arena);
}

/* Goes at 0, returns at 1 s. */
static void return_of(unsigned server)
{
	bal_shared_turn(rig.shared, server, false, false, 0);
	bal_shared_turn(rig.shared, server, true, false, SECOND);
}

static int pick_name(unsigned i)
{
	uint8_t wire[DNS_NAME_MAX];
	char name[32];

	snprintf(name, sizeof(name), "n%u.example.", i);
	int len = dns_name_parse(wire, name);
	return policy_pick(&policy, &draws, 0, wire, (size_t)len);
}

static unsigned count_at(int64_t now_ns, unsigned server)
{
	unsigned n = 0;

	policy_refresh(&policy, now_ns);
	for (unsigned i = 0; i < NAMES; i++)
		n += pick_name(i) == (int)server;
	return n;
}

static void the_part_grows_on_a_straight_line(void **state)
{
	static const struct { int64_t t_ns; unsigned part; } rows[] = {
		{ 1 * SECOND, 0 }, { 2 * SECOND, 655 }, { 26 * SECOND, SLOW_WHOLE / 4 },
		{ 51 * SECOND, SLOW_WHOLE / 2 }, { 100 * SECOND, SLOW_WHOLE - 656 },
		{ 101 * SECOND - 1, SLOW_WHOLE - 1 }, { 101 * SECOND, SLOW_WHOLE },
		{ 1000 * SECOND, SLOW_WHOLE },
	};

	(void)state;
	start(BAL_WRANDOM, 2);
	assert_int_equal(slow_part(rig.shared, 0, 0), SLOW_WHOLE); /* it never was away */
	return_of(0);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_in_range(slow_part(rig.shared, 0, rows[i].t_ns) + 1, rows[i].part,
		                rows[i].part + 2);
	stop();
}

static void a_year_is_no_overflow(void **state)
{
	(void)state;
	start(BAL_WRANDOM, 1);
	rig.shared->slow_start_ns[0] = 365 * 86400 * SECOND;
	return_of(0);
	assert_in_range(slow_part(rig.shared, 0, SECOND + 365 * 43200 * SECOND),
	                SLOW_WHOLE / 2 - 1, SLOW_WHOLE / 2 + 1);
	stop();
}

static void its_share_under_each_policy(void **state)
{
	static const struct {
		enum bal_policy policy;
		unsigned whole;        /* its share in a thousand, of three servers */
	} rows[] = {
		{ BAL_WRANDOM, 333 }, { BAL_ORDERED_WRANDOM, 333 }, { BAL_ROUNDROBIN, 333 },
		{ BAL_WHASHED, 333 }, { BAL_CHASHED, 333 },
		{ BAL_LEAST_OUTSTANDING, 1000 }, { BAL_FIRST_AVAILABLE, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(rows[i].policy, 3);
		return_of(0);
		unsigned whole = NAMES * rows[i].whole / 1000, near = NAMES / 25;
		assert_int_equal(count_at(SECOND, 0), 0);
		for (unsigned part = 1; part <= 4; part++)
			assert_in_range(count_at(SECOND + part * 25 * SECOND, 0),
			                whole * part / 4 > near ? whole * part / 4 - near : 0,
			                whole * part / 4 + near);
		stop();
	}
}

static void names_move_to_it_one_by_one_and_stay(void **state)
{
	static const enum bal_policy hashed[] = { BAL_WHASHED, BAL_CHASHED };
	static int before[NAMES];

	(void)state;
	for (size_t k = 0; k < COUNT_OF(hashed); k++) {
		start(hashed[k], 3);
		return_of(0);
		policy_refresh(&policy, SECOND);
		for (unsigned i = 0; i < NAMES; i++)
			before[i] = pick_name(i);
		for (int64_t t = SECOND; t <= 101 * SECOND; t += 5 * SECOND) {
			policy_refresh(&policy, t);
			for (unsigned i = 0; i < NAMES; i++) {
				int now = pick_name(i);
				if (before[i] == 0)
					assert_int_equal(now, 0);
				else if (hashed[k] == BAL_CHASHED)
					assert_true(now == 0 || now == before[i]);
				before[i] = now;
			}
		}
		stop();
	}
}

static void a_reserve_carries_what_the_first_does_not(void **state)
{
	(void)state;
	start(BAL_ORDERED_WRANDOM, 2);
	rig.server[1].order = 2;
	return_of(0);
	assert_in_range(count_at(26 * SECOND, 1), NAMES * 7 / 10, NAMES * 8 / 10);
	assert_int_equal(count_at(101 * SECOND, 1), 0);
	stop();
}

static void nothing_is_held_back_where_no_other_is_up(void **state)
{
	static const enum bal_policy policies[] = {
		BAL_LEAST_OUTSTANDING, BAL_FIRST_AVAILABLE, BAL_WRANDOM, BAL_ROUNDROBIN,
		BAL_WHASHED, BAL_CHASHED, BAL_ORDERED_WRANDOM,
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(policies); i++) {
		start(policies[i], 2);
		return_of(0);
		bal_shared_set_up(rig.shared, 1, false);
		assert_int_equal(count_at(2 * SECOND, 0), NAMES);
		stop();
	}
}

static void the_first_result_is_no_return(void **state)
{
	(void)state;
	start(BAL_WRANDOM, 2);
	bal_shared_set_up(rig.shared, 0, false);
	bal_shared_turn(rig.shared, 0, true, true, SECOND);
	assert_int_equal(slow_part(rig.shared, 0, SECOND), SLOW_WHOLE);
	bal_shared_turn(rig.shared, 0, true, false, 2 * SECOND); /* it was up already */
	assert_int_equal(slow_part(rig.shared, 0, 2 * SECOND), SLOW_WHOLE);
	assert_int_equal(rig.shared->server[0].slow_starts, 0);
	stop();
}

static void an_undrained_server_starts_slowly(void **state)
{
	(void)state;
	start(BAL_WRANDOM, 2);
	assert_true(bal_shared_drain(rig.shared, 0, true, SECOND));
	assert_false(bal_shared_drain(rig.shared, 0, true, SECOND));
	assert_int_equal(count_at(SECOND, 0), 0);
	assert_true(bal_shared_drain(rig.shared, 0, false, 2 * SECOND));
	assert_int_equal(count_at(2 * SECOND, 0), 0);
	assert_in_range(count_at(52 * SECOND, 0), NAMES / 5, NAMES * 3 / 10);
	assert_int_equal(rig.shared->server[0].drains, 1);
	assert_int_equal(rig.shared->server[0].slow_starts, 1);
	stop();
}

static void a_server_without_it_gets_its_share_at_once(void **state)
{
	(void)state;
	start(BAL_WRANDOM, 2);
	return_of(1);
	assert_in_range(count_at(SECOND, 1), NAMES * 9 / 20, NAMES * 11 / 20);
	assert_int_equal(rig.shared->server[1].slow_starts, 0);
	stop();
}

static void a_balancing_factor_still_bounds_the_others(void **state)
{
	(void)state;
	start(BAL_WRANDOM, 3);
	rig.conf.weighted_factor_ppm = 1000000;
	return_of(0);
	atomic_store(&rig.shared->server[1].outstanding, 100);
	assert_int_equal(count_at(SECOND, 2), NAMES);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_part_grows_on_a_straight_line),
		cmocka_unit_test(a_year_is_no_overflow),
		cmocka_unit_test(its_share_under_each_policy),
		cmocka_unit_test(names_move_to_it_one_by_one_and_stay),
		cmocka_unit_test(a_reserve_carries_what_the_first_does_not),
		cmocka_unit_test(nothing_is_held_back_where_no_other_is_up),
		cmocka_unit_test(the_first_result_is_no_return),
		cmocka_unit_test(an_undrained_server_starts_slowly),
		cmocka_unit_test(a_server_without_it_gets_its_share_at_once),
		cmocka_unit_test(a_balancing_factor_still_bounds_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
