/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses to nodes: each to its own, nets behind them, none far from its place in the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/net/route.h"

enum { NODES = 200, RUN_MAX = 24 };

static struct plan_node nodes[NODES + 1];

static struct ip neighbour(unsigned i, bool v6)
{
	struct ip ip = ip_v4(192, 0, 2, (uint8_t)(i + 1));

	if (v6)
		memcpy(ip.b, "\x26\x05\xe2\x00\xd0\0\0\0\0\0\0", 12);
	return ip;
}

/* So many neighbours, and clients in a net that holds them all. */
static struct plan many(bool v6)
{
	memset(nodes, 0, sizeof(nodes));
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i].addr[0] = neighbour(i, v6);
		nodes[i].addr_n = 1;
	}
	MUST(prefix_parse(&nodes[NODES].net[0], v6 ? "2605:e200:d000::/64" : "192.0.2.0/24") == 0);
	nodes[NODES].net_n = 1;
	return (struct plan){ .node_n = NODES + 1, .node = nodes };
}

static unsigned longest_run(const struct routes *r)
{
	unsigned run = 0, most = 0;

	for (size_t i = 0; i < r->slots; i++) {
		run = r->addr[i].node != PLAN_NONE ? run + 1 : 0;
		most = run > most ? run : most;
	}
	return most;
}

static void each_address_leads_to_its_node(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct plan p = many(v6 != 0);
		struct ip other = ip_v4(203, 0, 113, 1), client = neighbour(NODES + 1, v6 != 0);
		struct routes r;
		routes_init(&r, &p);
		for (unsigned i = 0; i < NODES; i++)
			assert_int_equal(routes_find(&r, &nodes[i].addr[0]), i);
		assert_int_equal(routes_find(&r, &client), NODES);
		assert_int_equal(routes_find(&r, &other), PLAN_NONE);
		routes_fini(&r);
	}
}

/* What is looked for is found in a few steps, however many neighbours there are. */
static void neighbours_don_t_crowd(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct plan p = many(v6 != 0);
		struct routes r;
		routes_init(&r, &p);
		assert_in_range(longest_run(&r), 1, RUN_MAX);
		routes_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_address_leads_to_its_node),
		cmocka_unit_test(neighbours_don_t_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
