/* SPDX-License-Identifier: BSD-3-Clause */
/* The stream of planned queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "load_plan.h"

static void constant_arrivals_are_exact_multiples(void **state)
{
	static const struct { const char *what; uint64_t rate_mqps; } rows[] = {
		{ "a round rate", 1000000 }, { "three a second", 3000 }, { "seven thousandths", 7 },
		{ "a prime rate", 999983 }, { "fast", 1234567891 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct load_plan t;
		struct arena a;
		struct load_query q;
		load_plan_init(&t);
		t.load[0].arrivals = PLAN_CONSTANT;
		t.load[0].rate_mqps = rows[i].rate_mqps;
		t.load[0].from_ns = 5 * LOAD_PLAN_S;
		t.load[0].to_ns = INT64_MAX / 8;
		struct load_gen *g = load_plan_gen(&t, &a);
		for (uint64_t k = 0; k < 2000; k++) {
			assert_true(load_gen_next(g, &q));
			__extension__ unsigned __int128 exact = 1000000000000u;
			exact = exact * k / rows[i].rate_mqps;
			if (q.t_ns != t.load[0].from_ns + (int64_t)exact)
				fail_msg("%s: query %u is off", rows[i].what, (unsigned)k);
		}
		host_arena_free(&a);
	}
}

static void a_load_is_planned_from_its_begin_and_ends_before_its_end(void **state)
{
	struct load_plan t;
	struct arena a;
	struct load_query q;
	uint64_t n = 0;

	(void)state;
	load_plan_init(&t);
	t.load[0].arrivals = PLAN_CONSTANT;
	t.load[0].from_ns = LOAD_PLAN_S;
	t.load[0].to_ns = 2 * LOAD_PLAN_S;
	struct load_gen *g = load_plan_gen(&t, &a);
	for (; load_gen_next(g, &q); n++)
		assert_true(q.index == n && q.t_ns >= LOAD_PLAN_S && q.t_ns < 2 * LOAD_PLAN_S);
	assert_int_equal(n, 1000);
	assert_false(load_gen_next(g, &q));
	host_arena_free(&a);
}

static void names_are_wire_names_of_their_number(void **state)
{
	static const struct { enum plan_names names; uint64_t number; const char *text; } rows[] = {
		{ PLAN_ZIPF, 0, "k0.zipf.example." }, { PLAN_ZIPF, 17, "k17.zipf.example." },
		{ PLAN_UNIQUE, 0, "u0.l0.unique.example." },
		{ PLAN_UNIQUE, 0xbeef, "ubeef.l0.unique.example." },
		{ PLAN_UNIQUE, UINT64_MAX, "uffffffffffffffff.l0.unique.example." },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct load_plan t;
		struct arena a;
		uint8_t name[DNS_NAME_MAX];
		char text[DNS_NAME_TEXT];
		load_plan_init(&t);
		t.load[0].names = rows[i].names;
		struct load_gen *g = load_plan_gen(&t, &a);
		uint16_t n = load_gen_name(g, rows[i].number, name);
		dns_name_format(name, n, text);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(dns_name_skip(name, n, 0), n);
		host_arena_free(&a);
	}
}

static void clients_come_in_order_from_nets_of_the_family(void **state)
{
	static const struct {
		const char *what, *net[2];
		unsigned family, i;
		const char *want;
	} rows[] = {
		{ "the network's own address is left out", { "10.0.0.0/24" }, 4, 0, "10.0.0.1" },
		{ "up to the broadcast", { "10.0.0.0/30", "10.1.0.0/24" }, 4, 1, "10.0.0.2" },
		{ "then the next net", { "10.0.0.0/30", "10.1.0.0/24" }, 4, 2, "10.1.0.1" },
		{ "a host prefix itself", { "10.0.0.7/32", "10.1.0.0/24" }, 4, 0, "10.0.0.7" },
		{ "both of a /31", { "10.0.0.6/31" }, 4, 1, "10.0.0.7" },
		{ "not another family's", { "10.0.0.0/30", "fd00::/64" }, 6, 0, "fd00::1" },
		{ "IPv6 has no broadcast", { "fd00::/126" }, 6, 2, "fd00::3" },
		{ "a wide net", { "2605:e200:d000::/44" }, 6, 65535, "2605:e200:d000::1:0" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct load_plan t;
		char text[IP_TEXT];
		load_plan_init(&t);
		t.node[0].net_n = rows[i].net[1] != NULL ? 2 : 1;
		for (unsigned k = 0; k < t.node[0].net_n; k++)
			assert_int_equal(prefix_parse(&t.node[0].net[k], rows[i].net[k]), 0);
		t.load[0].family = rows[i].family;
		t.load[0].clients = rows[i].i + 1;
		assert_null(load_gen_refuses(&t.plan, 0));
		struct ip ip = load_client(&t.plan, 0, rows[i].i);
		ip_format(&ip, text);
		if (strcmp(text, rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].what, text, rows[i].want);
	}
}

static void balancers_are_asked_at_their_address_of_the_family(void **state)
{
	struct load_plan t;
	struct arena a;
	struct load_query q;
	unsigned seen = 0;

	(void)state;
	load_plan_init(&t);
	t.load[0].family = 6;
	struct load_gen *g = load_plan_gen(&t, &a);
	for (int i = 0; i < 100; i++) {
		assert_true(load_gen_next(g, &q));
		assert_true(q.balancer < 2 && q.to.port == 53);
		assert_true(ip_eq(&q.to.ip, &t.node[1 + q.balancer].addr[1]));
		seen |= 1u << q.balancer;
	}
	assert_int_equal(seen, 3);
	host_arena_free(&a);
}

static void per_client_a_client_keeps_its_balancer(void **state)
{
	struct load_plan t;
	struct arena a;
	struct load_query q;
	int of[256];
	unsigned seen = 0;

	(void)state;
	load_plan_init(&t);
	t.load[0].choose = PLAN_PER_CLIENT;
	memset(of, 0xff, sizeof(of));
	struct load_gen *g = load_plan_gen(&t, &a);
	while (load_gen_next(g, &q)) {
		int *b = &of[q.client.b[15]];
		assert_true(*b == -1 || *b == (int)q.balancer);
		*b = (int)q.balancer;
		seen |= 1u << q.balancer;
	}
	assert_int_equal(seen, 3);
	host_arena_free(&a);
}

static void an_id_returns_to_its_socket_only_after_all_others(void **state)
{
	static uint8_t used[LOAD_SOCKETS][65536];
	struct load_plan t;
	struct arena a;
	struct load_query q;

	(void)state;
	load_plan_init(&t);
	t.load[0].to_ns = 500 * LOAD_PLAN_S;
	struct load_gen *g = load_plan_gen(&t, &a);
	while (load_gen_next(g, &q))
		assert_int_equal(used[q.source][q.id]++, 0);
	host_arena_free(&a);
}

/* Of socket 0: when each ID was used last, in uses of the socket; and what came between. */
static void ids_of_later_tries_keep_away_from_those_of_first_ones(void **state)
{
	static uint32_t first_at[65536], spare_at[65536], spare_when[65536];
	struct load_plan t;
	struct arena a;
	struct load_query q;
	struct drbg r;
	uint8_t seed[DRBG_SEED];
	uint32_t firsts = 20000, spares = 20000; /* 0 in the tables is long ago */

	(void)state;
	load_plan_init(&t);
	t.load[0].to_ns = INT64_MAX / 8;
	struct load_gen *g = load_plan_gen(&t, &a);
	drbg_seed_from_u64(seed, 5);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (unsigned i = 0; i < 6000000; i++) {
		uint64_t many = i / 500000 % 3; /* by turns few later tries, many, and most */
		if (drbg_below(&r, 100) < (many == 0 ? 1 : many == 1 ? 5 : 60)) {
			uint16_t id = load_gen_spare_id(g, 0);
			assert_true(firsts - first_at[id] > 8192 || first_at[id] == 0);
			assert_true(spares - spare_at[id] > 8192 || spare_at[id] == 0);
			spare_at[id] = spares++;
			spare_when[id] = firsts;
			continue;
		}
		assert_true(load_gen_next(g, &q));
		if (q.source != 0)
			continue;
		assert_true(firsts - spare_when[q.id] >= 8192 || spare_when[q.id] == 0);
		first_at[q.id] = firsts++;
	}
	host_arena_free(&a);
}

/* Answers come until the time-out: until then no other try may have the ID, however fast it is. */
static void ids_of_later_tries_are_theirs_for_a_time_out(void **state)
{
	static int64_t spare_ns[LOAD_SOCKETS][65536], first_ns[LOAD_SOCKETS][65536];
	struct load_plan t;
	struct arena a;
	struct load_query q;
	unsigned met = 0;

	(void)state;
	load_plan_init(&t);
	t.load[0].rate_mqps = 100000000; /* 100,000 a second */
	t.load[0].from_ns = 10 * LOAD_PLAN_S; /* 0 in the tables is long ago */
	t.load[0].to_ns = INT64_MAX / 8;
	struct load_gen *g = load_plan_gen(&t, &a);
	for (unsigned i = 0; i < 4000000; i++) {
		assert_true(load_gen_next(g, &q));
		met += spare_ns[q.source][q.id] > 0;
		assert_true(q.t_ns - spare_ns[q.source][q.id] > t.load[0].timeout_ns);
		first_ns[q.source][q.id] = q.t_ns;
		if (i % 50 > 0)
			continue;
		uint16_t id = load_gen_spare_id(g, q.source);
		assert_true(q.t_ns - first_ns[q.source][id] > t.load[0].timeout_ns);
		spare_ns[q.source][id] = q.t_ns;
	}
	assert_true(met > 10000);
	host_arena_free(&a);
}

static void a_plan_that_cannot_be_generated_is_refused(void **state)
{
	struct load_plan t;

	(void)state;
#define REFUSED(change)                                                                            \
	load_plan_init(&t);                                                                        \
	assert_null(load_gen_refuses(&t.plan, 0));                                                 \
	change;                                                                                    \
	assert_non_null(load_gen_refuses(&t.plan, 0))
	REFUSED(t.plan.load_n = 0);
	REFUSED(t.load[0].node = 1);
	REFUSED(t.load[0].node = PLAN_NONE);
	REFUSED(t.load[0].clients = 127);
	REFUSED(t.load[0].clients = 0);
	REFUSED(t.load[0].family = 5);
	REFUSED(t.load[0].rate_mqps = 0);
	REFUSED(t.load[0].tries = 0);
	REFUSED(t.load[0].timeout_ns = 0);
	REFUSED(t.load[0].from_ns = 20 * LOAD_PLAN_S);
	REFUSED(t.load[0].name_n = 0);
	REFUSED(t.load[0].type_n = 0);
	REFUSED(t.load[0].type[0].share_ppm = 1);
	REFUSED(t.node[1].addr_n = t.node[2].addr_n = 0);
	load_plan_init(&t);
	assert_non_null(load_gen_refuses(&t.plan, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constant_arrivals_are_exact_multiples),
		cmocka_unit_test(a_load_is_planned_from_its_begin_and_ends_before_its_end),
		cmocka_unit_test(names_are_wire_names_of_their_number),
		cmocka_unit_test(clients_come_in_order_from_nets_of_the_family),
		cmocka_unit_test(balancers_are_asked_at_their_address_of_the_family),
		cmocka_unit_test(per_client_a_client_keeps_its_balancer),
		cmocka_unit_test(an_id_returns_to_its_socket_only_after_all_others),
		cmocka_unit_test(ids_of_later_tries_keep_away_from_those_of_first_ones),
		cmocka_unit_test(ids_of_later_tries_are_theirs_for_a_time_out),
		cmocka_unit_test(a_plan_that_cannot_be_generated_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
