/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small plan made by hand, for tests and fuzzers of the load: two balancers with an IPv4 and an
 * IPv6 address each, one node of clients, one load. Tests change what they are about.
 */
#ifndef EK_TEST_LOAD_PLAN_H
#define EK_TEST_LOAD_PLAN_H

#include <stdlib.h>

#include "lib/host/host.h"
#include "sim/load/core/load.h"

#define LOAD_PLAN_S 1000000000ll

struct load_plan {
	struct plan plan;
	struct plan_node node[3];
	struct plan_load load[2];
};

static inline void load_plan_init(struct load_plan *t)
{
	*t = (struct load_plan){ .plan = { .seed = 1, .node_n = 3, .load_n = 1 } };
	t->plan.node = t->node;
	t->plan.load = t->load;
	t->node[0] = (struct plan_node){ .name = "clients", .role = PLAN_CLIENTS, .net_n = 2 };
	MUST(prefix_parse(&t->node[0].net[0], "192.160.102.128/25") == 0);
	MUST(prefix_parse(&t->node[0].net[1], "2605:e200:d000:1::/64") == 0);
	t->node[1] = (struct plan_node){ .name = "LB1", .role = PLAN_BALANCER, .addr_n = 2 };
	t->node[2] = (struct plan_node){ .name = "LB2", .role = PLAN_BALANCER, .addr_n = 2 };
	for (unsigned i = 0; i < 2; i++) {
		t->node[1 + i].addr[0] = ip_v4(192, 160, 102, (uint8_t)(2 + i));
		MUST(ip_parse(&t->node[1 + i].addr[1], i ? "2605:e200:d000::3" :
		              "2605:e200:d000::2") == 0);
	}
	t->load[0] = (struct plan_load){
		.node = 0, .clients = 50, .choose = PLAN_PER_QUERY, .arrivals = PLAN_POISSON,
		.rate_mqps = 1000000, .to_ns = 10 * LOAD_PLAN_S, .names = PLAN_ZIPF, .name_n = 1000,
		.zipf_milli = 1000, .type_n = 2,
		.type = { { DNS_A, 700000 }, { DNS_AAAA, 300000 } },
		.edns_size = 1232, .timeout_ns = 2 * LOAD_PLAN_S, .tries = 1, .family = 4,
		.retry = PLAN_OTHER,
	};
	t->load[1] = t->load[0];
	t->plan.end_ns = t->load[0].to_ns + 2 * LOAD_PLAN_S;
}

static inline struct load_gen *load_plan_gen(const struct load_plan *t, struct arena *a)
{
	MUST(host_arena(a, load_gen_arena_size(&t->plan, 0)) == 0);
	struct load_gen *g = load_gen_init(a, &t->plan, 0);
	MUST(a->used == a->cap);
	return g;
}

#endif
