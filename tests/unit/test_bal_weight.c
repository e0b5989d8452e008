/* SPDX-License-Identifier: BSD-3-Clause */
/* A weight or an order that is changed while the balancer runs counts from the next batch on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/bal_rig.h"

static struct rig r;

/* Asks n queries, one a batch; counts who gets them. */
static void ask(unsigned n, unsigned got[RIG_SERVERS])
{
	uint8_t buf[RIG_BYTES];

	memset(got, 0, RIG_SERVERS * sizeof(*got));
	for (unsigned i = 0; i < n; i++) {
		struct dgram d = rig_query(buf, i, (uint16_t)i, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		unsigned server = bal_port_server(r.b, d.port);
		got[server]++;
		rig_turn(&d, DNS_NOERROR);
		assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
	}
}

static void start(enum bal_policy policy, unsigned servers)
{
	rig_conf(&r, servers);
	r.conf.policy = policy;
	rig_start(&r, 1);
}

static void a_weight_changes_a_share(void **state)
{
	static const enum bal_policy policies[] = { BAL_WRANDOM, BAL_ORDERED_WRANDOM };
	unsigned got[RIG_SERVERS];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(policies); i++) {
		start(policies[i], 2);
		ask(8000, got);
		assert_in_range(got[0], 3781, 4219); /* at 1e-6, as below */
		bal_shared_set_weight(r.shared, 0, 3);
		ask(8000, got);
		assert_in_range(got[0], 5806, 6194);
		assert_int_equal(bal_shared_weight(r.shared, 0), 3);
		rig_stop(&r);
	}
}

static void an_order_changes_who_is_first(void **state)
{
	static const struct { const char *what; enum bal_policy policy; } rows[] = {
		{ "least", BAL_LEAST_OUTSTANDING }, { "first", BAL_FIRST_AVAILABLE },
		{ "ordered", BAL_ORDERED_WRANDOM },
	};
	unsigned got[RIG_SERVERS];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(rows[i].policy, 4);
		bal_shared_set_order(r.shared, 2, -5);
		ask(50, got);
		if (got[2] != 50)
			fail_msg("%s: %u of 50", rows[i].what, got[2]);
		bal_shared_set_order(r.shared, 2, 7);
		bal_shared_set_order(r.shared, 3, 0);
		ask(50, got);
		if (got[3] != 50)
			fail_msg("%s, then another: %u of 50", rows[i].what, got[3]);
		assert_int_equal(bal_shared_order(r.shared, 3), 0);
		rig_stop(&r);
	}
}

static void a_factor_bounds_by_the_new_weight(void **state)
{
	uint8_t buf[RIG_BYTES];
	unsigned got[2] = { 0, 0 };

	(void)state;
	rig_conf(&r, 2);
	r.conf.weighted_factor_ppm = 1000000;
	rig_start(&r, 1);
	bal_shared_set_weight(r.shared, 0, 9);
	for (unsigned i = 0; i < 200; i++) { /* all of them stay outstanding */
		struct dgram d = rig_query(buf, i, (uint16_t)i, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		got[bal_port_server(r.b, d.port)]++;
	}
	assert_in_range(got[0], 179, 181);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_weight_changes_a_share),
		cmocka_unit_test(an_order_changes_who_is_first),
		cmocka_unit_test(a_factor_bounds_by_the_new_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
