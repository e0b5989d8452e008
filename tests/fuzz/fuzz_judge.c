/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a run's evidence, for a plan of one client node, a balancer and a recursor: up to
 * the first NUL byte lines of events.jsonl, after it a capture, told as that of every node. The
 * judge must come to a verdict, whatever they are, and the same one twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"
#include "sim/judge/pcap.h"
#include "sim/plan/bounds.h"
#include "sim/plan/plan_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t MS = 1000000;

static struct bal_server server = { .weight = 1, .name = "DNS1", .sockets = 1 };
static int server_node[] = { 2 };
static char conf_path[] = "/x.conf", scenario_path[] = "/x.lua";
static struct plan_conf conf = { .path = conf_path, .policy = BAL_WRANDOM, .server_n = 1,
                                 .server = &server, .server_node = server_node };
static struct plan_node node[3] = {
	{ .name = "clients", .role = PLAN_CLIENTS, .net_n = 1 },
	{ .name = "LB1", .role = PLAN_BALANCER, .addr_n = 1, .config_path = conf_path },
	{ .name = "DNS1", .role = PLAN_RECURSOR, .addr_n = 1, .config_path = conf_path },
};
static struct plan_load load = {
	.clients = 2, .choose = PLAN_PER_QUERY, .arrivals = PLAN_CONSTANT, .rate_mqps = 10000,
	.names = PLAN_ZIPF, .name_n = 2, .type_n = 1, .type = { { DNS_A, 1000000 } },
	.tries = 2, .retry = PLAN_OTHER, .family = 4,
};
static struct plan_fault fault[2] = { { .kind = PLAN_KILL, .node = 2 },
                                      { .kind = PLAN_START, .node = 2 } };
static struct plan_expect expect[8];

static void fill_expects(void)
{
	for (unsigned i = 0; i < 8; i++)
		expect[i] = (struct plan_expect){
			.kind = (enum plan_expect_kind)(PLAN_EVEN + i), .node_n = 1, .node = { 2 },
			.during_to_ns = 2000 * MS, .catch_ppm = 100000, .miss = 1e-4, .flake = 1e-9,
			.within_ns = 10 * MS, .at_most = 3, .to_share = true, .hits_ppm = 500000,
			.quantile_ppm = 900000,
		};
}

static void fill_plan(struct plan *p)
{
	MUST(prefix_parse(&node[0].net[0], "192.160.102.128/25") == 0);
	MUST(ip_parse(&node[1].addr[0], "192.160.102.2") == 0);
	MUST(ip_parse(&node[2].addr[0], "192.0.2.3") == 0);
	bal_server_defaults(&server);
	MUST(ep_parse(&server.addr, "192.0.2.3", 53) == 0);
	load.timeout_ns = 500 * MS;
	load.to_ns = 2000 * MS;
	fault[0].at_ns = 500 * MS;
	fault[1].at_ns = 1500 * MS;
	fill_expects();
	*p = (struct plan){ .name = "fuzz", .scenario_path = scenario_path, .node_n = 3,
	                    .node = node, .conf_n = 1, .conf = &conf, .load_n = 1, .load = &load,
	                    .fault_n = 2, .fault = fault, .expect_n = 8, .expect = expect,
	                    .balancer.checks = PLAN_CHECKS_EXACT, .end_ns = 3000 * MS,
	                    .limits = { MS, 20 * MS, 50 * MS, 20 * MS } };
}

static void tell_lines(struct judge *j, const uint8_t *data, size_t size)
{
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end != NULL ? (size_t)(end - data) : size;
		json_t *event = json_loadb((const char *)data, len, 0, NULL);
		if (json_is_object(event))
			judge_event(j, event);
		json_decref(event);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
}

static char *verdict_of(const struct plan *p, const uint8_t *data, size_t size)
{
	static char copy[1 << 16];
	struct judge_pcap pcap[3] = { { NULL, 0 } };
	char error[JUDGE_ERROR_TEXT];
	const uint8_t *nul = memchr(data, 0, size);
	size_t lines = nul != NULL ? (size_t)(nul - data) : size;
	struct judge *j = judge_new(p, error);

	MUST(j != NULL);
	tell_lines(j, data, lines);
	if (lines + 1 < size) {
		memcpy(copy, data + lines + 1, size - lines - 1);
		for (unsigned i = 0; i < p->node_n; i++)
			pcap[i].file = fmemopen(copy, size - lines - 1, "rb");
		judge_pcaps(j, pcap);
	}
	json_t *doc = judge_finish(j);
	char *text = json_dumps(doc, JSON_SORT_KEYS);
	MUST(text != NULL);
	json_decref(doc);
	judge_free(j);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct plan plan;

	if (plan.node_n == 0)
		fill_plan(&plan);
	if (size > 1 << 16)
		return 0;
	conf.policy = (enum bal_policy)(1 + size % BAL_LUA);
	char *once = verdict_of(&plan, data, size), *again = verdict_of(&plan, data, size);
	MUST(strcmp(once, again) == 0);
	free(once);
	free(again);
	return 0;
}
