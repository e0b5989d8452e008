/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The policies that map names to servers, the ring, balancing factors and draining: which server,
 * exactly. The ring is held against dnsdist's own way to say it: for each server the least of its
 * points at the name's hash or after, of those the least, else the least point of all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/policy.h"
#include "lib/namehash.h"
#include "tests/bal_rig.h"

enum { NAMES = 2000 };

struct chooser {
	struct rig rig;
	struct policy policy;
	struct drbg random;
};

static struct chooser c;

static void start(enum bal_policy policy, unsigned servers)
{
	rig_conf(&c.rig, servers);
	c.rig.conf.policy = policy;
	c.rig.conf.perturbation_set = true;
	c.rig.conf.perturbation = 42;
}

static void run_with(uint64_t seed_number)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, seed_number);
	drbg_init(&c.random, seed, DRBG_TEST, 0);
	MUST(host_arena(&c.rig.arena, policy_arena_size(&c.rig.conf, 0) +
	                              bal_shared_arena_size(&c.rig.conf)) == 0);
	c.rig.shared = bal_shared_init(&c.rig.arena, &c.rig.conf);
	policy_init(&c.policy, &c.rig.arena, &c.rig.conf, 0, c.rig.shared, seed);
	policy_refresh(&c.policy, c.rig.now_ns);
}

static void run(void)
{
	run_with(1);
}

static void stop(void)
{
	host_arena_free(&c.rig.arena);
}

static void set_up(unsigned server, bool up)
{
	bal_shared_set_up(c.rig.shared, server, up);
	policy_refresh(&c.policy, c.rig.now_ns);
}

static void carry(unsigned server, int32_t outstanding)
{
	atomic_store(&c.rig.shared->server[server].outstanding, outstanding);
}

static size_t name_of(unsigned i, uint8_t wire[DNS_NAME_MAX])
{
	char text[32];

	snprintf(text, sizeof(text), "n%u.example.", i);
	int len = dns_name_parse(wire, text);
	MUST(len > 0);
	return (size_t)len;
}

static int pick(unsigned name)
{
	uint8_t wire[DNS_NAME_MAX];
	size_t len = name_of(name, wire);

	return policy_pick(&c.policy, &c.random, 0, wire, len);
}

static uint32_t hash_of(unsigned name)
{
	uint8_t wire[DNS_NAME_MAX];
	size_t len = name_of(name, wire);

	return namehash(wire, len, c.policy.perturbation);
}

static void whashed_takes_the_hash_modulo_the_weights(void **state)
{
	/* worked out by another program, of n0.example. and on, perturbation 42, weights 1 */
	static const int known[] = { 0, 1, 3, 1, 2, 1, 3, 2, 1, 2 };

	(void)state;
	start(BAL_WHASHED, 4);
	run();
	for (unsigned i = 0; i < COUNT_OF(known); i++)
		assert_int_equal(pick(i), known[i]);
	stop();
	start(BAL_WHASHED, 3);
	c.rig.server[0].weight = 1;
	c.rig.server[1].weight = 5;
	c.rig.server[2].weight = 2;
	run();
	set_up(1, false);
	for (unsigned i = 0; i < NAMES; i++)
		assert_int_equal(pick(i), hash_of(i) % 3 < 1 ? 0 : 2);
	set_up(1, true);
	for (unsigned i = 0; i < NAMES; i++)
		assert_int_equal(pick(i), hash_of(i) % 8 < 1 ? 0 : hash_of(i) % 8 < 6 ? 1 : 2);
	stop();
}

/* Point k of a server, as the manual says it. */
static uint32_t point(unsigned server, int32_t k)
{
	char id[BAL_SERVER_ID], text[BAL_SERVER_ID + 16];

	bal_server_id(&c.rig.server[server], id);
	snprintf(text, sizeof(text), "%s-%d", id, k);
	return namehash((const uint8_t *)text, strlen(text), c.policy.perturbation);
}

/* Where dnsdist's loop ends up. */
static int slow_chashed(uint32_t hash)
{
	uint64_t best = UINT64_MAX;
	int at = -1;

	for (unsigned s = 0; s < c.rig.conf.server_n; s++)
		for (int32_t k = 1; bal_shared_up(c.rig.shared, s) && k <= c.rig.server[s].weight;
		     k++) {
			uint64_t p = point(s, k);
			p += p < hash ? (uint64_t)1 << 32 : 0;
			at = p < best ? (int)s : at;
			best = p < best ? p : best;
		}
	return at;
}

static void chashed_takes_the_next_point_on_the_ring(void **state)
{
	static const int32_t weights[][4] = { { 1, 1, 1, 1 }, { 100, 100, 50, 7 } };

	(void)state;
	for (size_t w = 0; w < COUNT_OF(weights); w++) {
		start(BAL_CHASHED, 4);
		snprintf(c.rig.server[1].name, BAL_NAME_TEXT, "DNS3");
		snprintf(c.rig.server[2].id, BAL_NAME_TEXT, "an id of its own");
		for (unsigned s = 0; s < 4; s++)
			c.rig.server[s].weight = weights[w][s];
		run();
		for (unsigned down = 0; down < 5; down++) {
			for (unsigned s = 0; s < 4; s++)
				set_up(s, s != down);
			for (unsigned i = 0; i < 500; i++)
				assert_int_equal(pick(i), slow_chashed(hash_of(i)));
		}
		for (unsigned s = 0; s < 4; s++)
			set_up(s, false);
		assert_int_equal(pick(0), -1);
		stop();
	}
}

static void chashed_moves_no_name_but_those_of_the_server_that_goes(void **state)
{
	static int before[NAMES];
	unsigned moved = 0;

	(void)state;
	start(BAL_CHASHED, 4);
	for (unsigned s = 0; s < 4; s++)
		c.rig.server[s].weight = 100;
	run();
	for (unsigned i = 0; i < NAMES; i++)
		before[i] = pick(i);
	set_up(2, false);
	for (unsigned i = 0; i < NAMES; i++) {
		int now = pick(i);
		assert_true(before[i] == 2 ? now != 2 : now == before[i]);
		moved += now != before[i];
	}
	assert_in_range(moved, 1, NAMES / 2);
	set_up(2, true);
	for (unsigned i = 0; i < NAMES; i++)
		assert_int_equal(pick(i), before[i]);
	stop();
}

static void a_server_is_known_by_id_else_by_name_and_address(void **state)
{
	struct bal_server s = { .addr = { ip_v4(192, 0, 2, 3), 53 } };
	char id[BAL_SERVER_ID];

	(void)state;
	assert_int_equal(bal_server_id(&s, id), 12);
	assert_string_equal(id, "192.0.2.3:53");
	snprintf(s.name, sizeof(s.name), "DNS1");
	assert_int_equal(bal_server_id(&s, id), 19);
	assert_string_equal(id, "DNS1 (192.0.2.3:53)");
	snprintf(s.id, sizeof(s.id), "one");
	assert_int_equal(bal_server_id(&s, id), 3);
	assert_string_equal(id, "one");
	memset(s.name, 'n', sizeof(s.name) - 1);
	s.id[0] = '\0';
	MUST(ep_parse(&s.addr, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", 53) == 0);
	assert_true(bal_server_id(&s, id) < sizeof(id));
}

static void the_perturbation_is_the_seeds_own_unless_it_is_set(void **state)
{
	uint32_t first;

	(void)state;
	start(BAL_WHASHED, 2);
	run_with(1);
	assert_int_equal(c.policy.perturbation, 42);
	stop();
	c.rig.conf.perturbation_set = false;
	run_with(1);
	first = c.policy.perturbation;
	stop();
	run_with(1);
	assert_int_equal(c.policy.perturbation, first);
	stop();
	run_with(2);
	assert_int_not_equal(c.policy.perturbation, first);
	stop();
}

static void ordered_wrandom_stays_within_the_lowest_order_that_is_up(void **state)
{
	static const int32_t orders[] = { 2, 1, 2, 1 };
	unsigned got[4] = { 0 };

	(void)state;
	start(BAL_ORDERED_WRANDOM, 4);
	for (unsigned s = 0; s < 4; s++)
		c.rig.server[s].order = orders[s];
	run();
	for (unsigned i = 0; i < 1000; i++)
		got[pick(i)]++;
	assert_int_equal(got[0] + got[2], 0);
	assert_true(got[1] > 0 && got[3] > 0);
	set_up(1, false);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pick(i), 3);
	set_up(3, false);
	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < 1000; i++)
		got[pick(i)]++;
	assert_int_equal(got[1] + got[3], 0);
	assert_true(got[0] > 0 && got[2] > 0);
	stop();
}

static void a_server_above_its_bound_is_no_candidate(void **state)
{
	static const struct {
		const char *what;
		enum bal_policy policy;
		uint32_t factor_ppm;
		int32_t weight[2], outstanding[2];
		bool first;             /* server 0 may be chosen */
	} rows[] = { /* the bound of server 0 is factor * (outstanding + 1) * its weight's part */
		{ "no bound", BAL_WRANDOM, 0, { 1, 1 }, { 1000, 0 }, true },
		{ "at the bound", BAL_WRANDOM, 1000000, { 1, 1 }, { 5, 4 }, true },
		{ "above it", BAL_WRANDOM, 1000000, { 1, 1 }, { 6, 4 }, false },
		{ "1.5 times: at it", BAL_WRANDOM, 1500000, { 1, 1 }, { 9, 2 }, true },
		{ "1.5 times: above it", BAL_WRANDOM, 1500000, { 1, 1 }, { 10, 2 }, false },
		{ "three quarters: at it", BAL_WHASHED, 1000000, { 3, 1 }, { 15, 4 }, true },
		{ "three quarters: above it", BAL_WHASHED, 1000000, { 3, 1 }, { 16, 4 }, false },
		{ "great numbers", BAL_WHASHED, 1000000000, { INT32_MAX, 1 },
		  { INT32_MAX, INT32_MAX }, true },
		{ "ordered", BAL_ORDERED_WRANDOM, 1000000, { 1, 1 }, { 6, 4 }, false },
		{ "the ring: at the bound", BAL_CHASHED, 1000000, { 9, 9 }, { 5, 4 }, true },
		{ "the ring: above it", BAL_CHASHED, 1000000, { 9, 9 }, { 6, 4 }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned first = 0;
		start(rows[i].policy, 2);
		for (unsigned s = 0; s < 2; s++)
			c.rig.server[s].weight = rows[i].weight[s];
		if (rows[i].policy == BAL_CHASHED)
			c.rig.conf.chashed_factor_ppm = rows[i].factor_ppm;
		else
			c.rig.conf.weighted_factor_ppm = rows[i].factor_ppm;
		run();
		for (unsigned s = 0; s < 2; s++)
			carry(s, rows[i].outstanding[s]);
		for (unsigned k = 0; k < 200; k++)
			first += pick(k) == 0;
		if ((first > 0) != rows[i].first)
			fail_msg("%s: the first got %u", rows[i].what, first);
		stop();
	}
}

/* The other policy's factor doesn't matter, and servers that are down don't count as carrying. */
static void a_bound_is_of_its_policy_and_of_those_that_are_up(void **state)
{
	(void)state;
	start(BAL_CHASHED, 3);
	for (unsigned s = 0; s < 3; s++)
		c.rig.server[s].weight = 100;
	c.rig.conf.weighted_factor_ppm = 1000000;
	run();
	carry(0, 1000);
	unsigned first = 0;
	for (unsigned i = 0; i < 300; i++)
		first += pick(i) == 0;
	assert_true(first > 0);
	stop();
	start(BAL_WHASHED, 3);
	c.rig.conf.weighted_factor_ppm = 1000000;
	run();
	carry(0, 6);
	carry(1, 4);
	carry(2, 1000); /* its load would lift the bound */
	set_up(2, false);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pick(i), 1);
	stop();
}

static void a_drained_server_takes_nothing_new(void **state)
{
	static const enum bal_policy all[] = {
		BAL_LEAST_OUTSTANDING, BAL_FIRST_AVAILABLE, BAL_WRANDOM, BAL_ROUNDROBIN,
		BAL_WHASHED, BAL_CHASHED, BAL_ORDERED_WRANDOM,
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		start(all[i], 2);
		run();
		bal_shared_drain(c.rig.shared, 0, true, 0);
		policy_refresh(&c.policy, c.rig.now_ns);
		assert_true(bal_shared_up(c.rig.shared, 0) && bal_shared_drained(c.rig.shared, 0));
		for (unsigned k = 0; k < 50; k++)
			assert_int_equal(pick(k), 1);
		set_up(1, false); /* roundrobin takes the one that is down before a drained one */
		assert_int_equal(pick(0), all[i] == BAL_ROUNDROBIN ? 1 : -1);
		bal_shared_drain(c.rig.shared, 0, false, 0);
		policy_refresh(&c.policy, c.rig.now_ns);
		assert_int_equal(pick(0), 0);
		stop();
	}
}

static void an_answer_of_a_drained_server_still_counts(void **state)
{
	uint8_t buf[RIG_BYTES], other[RIG_BYTES];
	static struct rig r;

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 1);
	struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	bal_shared_drain(r.shared, 0, true, 0);
	struct dgram e = rig_query(other, 2, 78, "www.example.", false);
	assert_int_equal(rig_rx(&r, &e), BAL_DROP_NO_SERVER);
	rig_turn(&d, DNS_NOERROR);
	assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
	assert_int_equal(dns_id(d.data), 77);
	assert_int_equal(atomic_load(&r.shared->server[0].outstanding), 0);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whashed_takes_the_hash_modulo_the_weights),
		cmocka_unit_test(chashed_takes_the_next_point_on_the_ring),
		cmocka_unit_test(chashed_moves_no_name_but_those_of_the_server_that_goes),
		cmocka_unit_test(a_server_is_known_by_id_else_by_name_and_address),
		cmocka_unit_test(the_perturbation_is_the_seeds_own_unless_it_is_set),
		cmocka_unit_test(ordered_wrandom_stays_within_the_lowest_order_that_is_up),
		cmocka_unit_test(a_server_above_its_bound_is_no_candidate),
		cmocka_unit_test(a_bound_is_of_its_policy_and_of_those_that_are_up),
		cmocka_unit_test(a_drained_server_takes_nothing_new),
		cmocka_unit_test(an_answer_of_a_drained_server_still_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
