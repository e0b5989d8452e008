/* SPDX-License-Identifier: BSD-3-Clause */
/* sim/plan: what a scenario comes to, and the exact line for what is wrong with one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plan_files.h"
#include "sim/plan/load.h"

static struct plan *load(const char *const *set, char *error)
{
	struct plan_options o = { .set = set };

	return plan_load("s.lua", &o, error);
}

static void the_reference_scenario_comes_to_its_plan(void **state)
{
	(void)state;
	char error[PLAN_ERROR_TEXT], text[IP_TEXT];
	plan_write_all();
	struct plan *p = load(NULL, error);
	assert_string_equal(error, "");
	assert_string_equal(p->name, "s");
	assert_int_equal(p->seed, 1);
	assert_int_equal(p->node_n, 5);
	assert_int_equal(plan_find_node(p, "LB2"), 2);
	assert_int_equal(plan_find_node(p, "DNS3"), 4);
	assert_int_equal(plan_find_node(p, "DNS2"), PLAN_NONE);
	ip_format(&p->node[4].addr[0], text);
	assert_string_equal(text, "192.0.2.4"); /* from newServer, by name */
	assert_int_equal(p->node[3].miss.a_ns, 20000000);
	assert_true(p->node[3].packetcache);
	assert_int_equal(p->node[0].link.delay_ns, 50000);
	assert_int_equal(p->conf_n, 1);
	assert_int_equal(p->conf[0].policy, BAL_WRANDOM);
	assert_int_equal(p->conf[0].server_node[1], 4);
	assert_int_equal(p->load[0].rate_mqps, 1000000);
	assert_int_equal(p->load[0].clients, 50);
	assert_int_equal(p->load[0].family, 4);
	assert_int_equal(p->fault[1].kind, PLAN_START);
	assert_int_equal(p->fault[1].at_ns, 10000000000);
	assert_int_equal(p->expect[0].line, 16);
	assert_int_equal(p->expect[1].within_ns, PLAN_MODEL);
	assert_true(p->expect[2].to_share);
	assert_int_equal(p->end_ns, 17000000000);
	plan_free(p);
}

/* One replacement in one of the files, and the line that it must give. */
struct row {
	const char *what, *file, *from, *to, *error;
};

static void check_rows(const struct row *row, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char error[PLAN_ERROR_TEXT];
		plan_write_all();
		const char *text = row[i].file[0] == 'd' ? plan_dnsdist
		                   : row[i].file[0] == 'r' ? plan_recursor : plan_scenario;
		plan_write_changed(row[i].file, text, row[i].from, row[i].to);
		struct plan *p = load(NULL, error);
		if (p != NULL)
			fail_msg("%s: loaded", row[i].what);
		char *at = strstr(error, plan_folder);
		size_t folder = strlen(plan_folder) + 1;
		if (at != NULL)
			memmove(at, at + folder, strlen(at + folder) + 1);
		if (strcmp(error, row[i].error) != 0)
			fail_msg("%s: '%s', expected '%s'", row[i].what, error, row[i].error);
	}
}

static const struct row broken_scenarios[] = {
	{ "no Lua", "s.lua", "lab {", "lab {{",
	 "s.lua:9: '}' expected (to close '{' at line 1) "
	  "near 'load'" },
	{ "an unknown word", "s.lua", "load {", "laod {",
	 "s.lua:9: no 'laod' here: did you mean "
	  "'load'?" },
	{ "a global", "s.lua", "lab {", "x = 1 lab {",
	 "s.lua:1: 'x' can't be set: say 'local'" },
	{ "a misspelt global", "s.lua", "lab {", "sed = 1 lab {",
	 "s.lua:1: 'sed' can't be set: "
	  "did you mean 'seed'?" },
	{ "no lab", "s.lua", "lab {", "local _ = {",
	 "s.lua: no lab: expected lab { balancers = "
	  "..., recursors = ..., clients = ... }" },
	{ "two labs", "s.lua", "load {", "lab {} load {",
	 "s.lua:9: a second lab: the first is on "
	  "line 1" },
	{ "an unknown key", "s.lua", "rate = 1000", "rat = 1000",
	 "s.lua:10: load.rat: no such "
	  "key: did you mean 'rate'? expected one of rate, from, to, arrivals, timeout, "
		"tries, "
	  "retry, family, names, types, edns, clients" },
	{ "a key that is missing", "s.lua", "rate = 1000, ", "",
	 "s.lua:9: load: no 'rate': "
	  "expected rate = ..." },
	{ "a wrong type", "s.lua", "rate = 1000", "rate = \"fast\"", "s.lua:10: load.rate: "
	  "'fast': expected queries a second 0.001...10000000" },
	{ "out of range", "s.lua", "rate = 1000", "rate = 0",
	 "s.lua:10: load.rate: 0: expected "
	  "queries a second 0.001...10000000" },
	{ "a time without unit", "s.lua", "\"15s\"", "15",
	 "s.lua:10: load.to: 15: expected a "
	  "time 1ns...100d with its unit, such as \"20ms\"" },
	{ "an unknown unit", "s.lua", "\"50us\"", "\"50 us\"", "s.lua:7: lab.links.delay: "
	  "'50 us': expected a time 0s...60s with its unit, such as \"20ms\"" },
	{ "a machine that never wakes", "s.lua", "links = {", "wake = \"1s\", links = {",
	  "s.lua:7: lab.wake: '1s': expected a time 1ns...100ms with its unit, such as \"20ms\"" },
	{ "a machine that never starts", "s.lua", "links = {",
	  "recursor_start = \"11s\", links = {",
	  "s.lua:7: lab.recursor_start: '11s': expected a time 1ns...10s with its unit, such as "
	  "\"20ms\"" },
	{ "a broken address", "s.lua", "\"192.160.102.3\"", "\"192.160.102\"", "s.lua:3: "
	  "lab.balancers.LB2[1]: '192.160.102': expected an IP address" },
	{ "an address twice", "s.lua", "\"192.160.102.3\"", "\"192.160.102.2\"",
	 "s.lua: LB1 and "
	  "LB2 share the address 192.160.102.2: expected one for each" },
	{ "an address of a client", "s.lua", "\"192.160.102.3\"", "\"192.160.102.130\"",
	 "s.lua: "
	  "the address 192.160.102.130 of LB2 lies in the network of clients: expected "
		"another" },
	{ "a node twice", "s.lua", "\"DNS1\", \"DNS3\", config",
	 "\"DNS1\", \"DNS1\", config",
	  "s.lua:5: lab.recursors[2]: a second node 'DNS1': expected a name of its own" },
	{ "a name with a slash", "s.lua", "\"DNS1\", \"DNS3\", config",
	 "\"DNS1\", \"../x\", "
	  "config", "s.lua:5: lab.recursors[2]: '../x': expected a name of letters, "
		"digits, '_', "
	  "'-' and '.'" },
	{ "too many clients", "s.lua", "count = 50", "count = 127", "s.lua:6: "
	  "lab.clients.count: 127: expected at most 126, the addresses of the networks" },
	{ "a missing file", "s.lua", "\"dnsdist.conf\"", "\"none.conf\"", "s.lua:4: "
	  "lab.balancers.config: 'none.conf': No such file or directory" },
	{ "an unknown fault", "s.lua", "kill =", "kil =",
	 "s.lua:13: at.kil: no such key: did you "
	  "mean 'kill'? expected one of at, ratio, by, way, bits, queue, kill, start, hang, "
	  "resume, blackhole, heal, loss, delay, jitter, duplicate, reorder, rate, "
	  "cut, servfail, slow, wrong, truncate, refuse, drop, drain, undrain, setDown, "
	  "setAuto, spare" },
	{ "a fault on nobody", "s.lua", "kill = \"DNS1\"", "kill = \"DNS2\"",
	 "s.lua:13: at.kill: "
	  "no such node 'DNS2': did you mean 'DNS1'? expected one of LB1, LB2, DNS1, "
		"DNS3" },
	{ "start of what runs", "s.lua", "kill = \"DNS1\"", "hang = \"DNS1\"",
	 "s.lua:14: at: "
	  "start of DNS1 at 10s is impossible: it wasn't killed" },
	{ "a fault after the load", "s.lua", "at \"10s\"", "at \"15s\"",
	 "s.lua:14: at.at: '15s': "
	  "expected an instant before the last load's end" },
	{ "loss without ratio", "s.lua", "{ start", "{ loss",
	 "s.lua:14: at: loss: no ratio: "
	  "expected ratio = 0.2" },
	{ "an at alone", "s.lua", "{ start = \"DNS1\" }", "",
	 "s.lua:14: at: no fault follows: "
	  "at \"5s\" { kill = \"DNS1\" }" },
	{ "two faults in one", "s.lua", "{ start = \"DNS1\" }",
	 "{ start = \"DNS1\", heal = "
	  "\"DNS1\" }", "s.lua:14: at: 'start' and 'heal' in one: expected an at for "
		"each" },
	{ "an unknown claim", "s.lua", "lost {", "loss {",
	 "s.lua:19: no 'loss' here: did you "
	  "mean 'lost'?" },
	{ "no claim", "s.lua", "lost {", "{",
	 "s.lua:15: expect: claim 4: expected even { ... }, "
	  "detect, back, lost, answers, cache, latency, flaps, outage, overshoot or failover" },
	{ "a claim about nobody", "s.lua", "detect { \"DNS1\"", "detect { \"DNS4\"",
	 "s.lua:17: "
	  "expect.detect[1]: no recursor 'DNS4': did you mean 'DNS1'? expected one of "
		"DNS1, "
	  "DNS3" },
	{ "nothing to detect", "s.lua", "detect { \"DNS1\"", "detect { \"DNS3\"",
	 "s.lua:17: "
	  "expect.detect: nothing takes down DNS3: expected an at with kill, hang or "
	  "blackhole" },
	{ "a window outside of the load", "s.lua", "\"0s\", \"5s\"", "\"0s\", \"16s\"",
	  "s.lua:16: expect.even.during[2]: '16s': expected an instant while a load runs" },
	{ "an even of one", "s.lua", "even { \"DNS1\", \"DNS3\"", "even { \"DNS1\"",
	 "s.lua:16: "
	  "expect.even: 1 recursor named: expected two at least" },
	{ "an even that can't be decided", "s.lua", "rate = 1000", "rate = 100",
	 "s.lua:16: "
	  "expect.even: 500 queries are planned that count (372 at least, at flake 1e-09), "
		"and to "
	  "catch 0.1 takes 2396: expected 5.405 times the rate (541 a second), 27.06 s of "
		"it, or "
	  "a greater catch" },
	{ "a share that is over before all others are back", "s.lua", "at \"10s\" {",
	  "at \"10.5s\" { kill = \"DNS3\" } at \"14s\" { start = \"DNS3\" } at \"10s\" {",
	  "s.lua:18: expect.back: 0 queries are planned that count (0 at least, at flake "
	  "1e-09), and to catch 0.1 takes 2396: expected a greater catch, or time in which "
	  "every recursor is up" },
	{ "a catch that shares can't have", "s.lua", "catch = 0.1", "catch = 0.3",
	 "s.lua:16: "
	  "expect.even.catch: 0.3: expected at most 0.25, half of the smallest share" },
	{ "a return before the bound", "s.lua", "at \"10s\"", "at \"6s\"", "s.lua:17: "
	  "expect.detect: DNS1 is down for 1.000 s of load, not longer than the bound of "
		"2.020 s: "
	  "expected more time after line 13" },
	{ "a miss that looks like a hit", "s.lua", "miss = \"20ms\"", "miss = \"1ms\"",
	  "s.lua:21: expect.cache: a miss of DNS1 takes 1 ms at most, so all look like "
		"hits: "
	  "expected a miss above 2 ms" },
	{ "a cache of nobody", "s.lua", "hits = 0.5", "hits = 0.5, at = \"clients\"",
	  "s.lua:21: expect.cache.at: 'clients': expected one of \"recursors\", "
	  "\"balancers\"" },
	{ "a balancers' cache that isn't there", "s.lua", "hits = 0.5",
	  "hits = 0.5, at = \"balancers\"", "s.lua:21: expect.cache.at: no packet cache in "
	  "dnsdist.conf: expected getPool(\"\"):setCache(newPacketCache(10000))" },
	{ "names that a balancer's cache may hold", "dnsdist.conf", "setServerPolicy(",
	  "getPool(\"\"):setCache(newPacketCache(9)) setServerPolicy(",
	  "s.lua:16: expect.even: names that repeat may be in a balancer's packet cache, so 0 "
	  "queries are sure to be forwarded (0 at least, at flake 1e-09), and to catch 0.1 takes "
	  "2396: expected unique() names" },
	{ "a quantile of nothing", "s.lua", "cache { hits = 0.5 }",
	 "latency { quantile = 0.9999, "
	  "within = \"1ms\" }", "s.lua:21: expect.latency: 14271 queries are planned at "
		"least, "
	  "1.43 above the quantile: expected 20, so 200000 queries" },
	{ "flaps that chance may do", "s.lua", "at \"5s\" { kill",
	  "at \"1s\" { loss = \"DNS1\", ratio = 0.2 } expect { flaps { \"DNS1\" } } "
	  "at \"5s\" { kill",
	  "s.lua:13: expect.flaps.at_most: 0: health checks are lost at random, so a "
	  "right system's may change their minds 25.92 times in the mean: expected at "
	  "least 80" },
	{ "a herd that chance may do", "s.lua", "cache { hits = 0.5 }",
	  "overshoot { \"DNS1\", at_most = 0.8 }",
	  "s.lua:21: expect.overshoot.at_most: 0.8: a right system exceeds it with a "
	  "probability of up to 0.00691, above flake 1e-09: expected at least 0.96, or "
	  "a greater flake" },
	{ "an overshoot without a share", "s.lua", "cache { hits = 0.5 }",
	  "overshoot { \"DNS1\" }",
	  "s.lua:21: expect.overshoot: no 'at_most': expected at_most = ..." },
	{ "a failover of a recursor", "s.lua", "cache { hits = 0.5 }",
	  "failover { \"DNS1\" }",
	  "s.lua:21: expect.failover[1]: no such node 'DNS1': expected one of LB1, LB2" },
	{ "a failover of who lives", "s.lua", "cache { hits = 0.5 }",
	  "failover { \"LB1\" }",
	  "s.lua:21: expect.failover: nothing takes down LB1: expected an at with "
	  "kill, hang or blackhole" },
	{ "a failover of clients that ask once", "s.lua", "at \"10s\" {",
	  "at \"6s\" { kill = \"LB1\" } expect { failover { \"LB1\" } } at \"10s\" {",
	  "s.lua:14: expect.failover: clients of load 1 ask no other balancer: "
	  "expected tries = 2, retry = \"other\" and a second balancer" },
	{ "a share of a balancer", "s.lua", "at \"10s\" {", "at \"6s\" { kill = \"LB1\" } "
	  "at \"9s\" { start = \"LB1\" } expect { back { \"LB1\", to = \"share\", "
	  "within = \"1s\" } } at \"10s\" {",
	  "s.lua:14: expect.back.to: a balancer has no share: clients choose it" },
	{ "more errors than queries", "s.lua", "wrong = 0, duplicate = 0",
	  "error_least = 20000",
	  "s.lua:20: expect.answers.error_least: 20000: expected at most 14271, as "
	  "many queries as there are surely planned" },
	{ "a kill that spares", "s.lua", "kill = \"DNS1\"", "kill = \"DNS1\", "
	  "spare = \"checks\"",
	  "s.lua:13: at.spare: kill spares nobody" },
	{ "whom a later try asks", "s.lua", "rate = 1000", "retry = \"any\", rate = 1000",
	  "s.lua:10: load.retry: 'any': expected one of \"other\", \"same\"" },
};

static void a_broken_scenario_is_refused_with_its_line(void **state)
{
	(void)state;
	check_rows(broken_scenarios, COUNT_OF(broken_scenarios));
}

static void files_that_contradict_the_lab_are_refused(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "an unknown function", "dnsdist.conf", "setServerPolicy(", "setServerPolicyy(",
		  "dnsdist.conf:6: unknown name 'setServerPolicyy': did you mean "
		  "'setServerPolicy'?" },
		{ "a server without node", "dnsdist.conf", "name=\"DNS3\"", "name=\"DNS4\"",
		  "dnsdist.conf:5: no node answers for server 'DNS4' (192.0.2.4:53): expected a "
		  "recursor of that name in lab.recursors" },
		{ "a recursor without server", "dnsdist.conf", "newServer{address=\"192.0.2.4\", "
		  "name=\"DNS3\", order=1}\n", "", "s.lua: no newServer is named 'DNS3': expected "
			"one, "
		  "for its address" },
		{ "a bind that two would share", "dnsdist.conf", "\"0.0.0.0:53\"",
		 "\"192.160.102.2:53\"",
		  "dnsdist.conf: LB1 and LB2 would share the bind 192.160.102.2:53: expected a "
		  "wildcard, or a file for each" },
		{ "an address that nobody listens on", "dnsdist.conf", "addLocal(\"[::]:53\")\n",
		 "",
		  "dnsdist.conf: nothing listens on 2605:e200:d000::2:53 of LB1: expected setLocal "
			"or "
		  "addLocal with it, or with 0.0.0.0 and [::]" },
		{ "an ACL that refuses the clients", "dnsdist.conf", "\"192.160.102.0/24\", ", "",
		  "dnsdist.conf: the ACL refuses 192.160.102.128/25, the network of clients: "
			"expected "
		  "setACL or addACL with it" },
		{ "an allow-from that refuses a balancer", "recursor.conf", "192.160.102.0/24",
		  "192.160.102.0/31", "recursor.conf:1: allow-from refuses 192.160.102.2, the "
			"address of "
		  "LB1: expected a network that has it" },
		{ "a policy that shares unevenly", "dnsdist.conf", "wrandom", "firstAvailable",
		  "s.lua:16: expect.even: firstAvailable doesn't share evenly, and needn't: "
			"expected "
		  "wrandom, orderedWrandUntag, whashed or roundrobin in dnsdist.conf, or 'policy' "
			"instead" },
	};

	check_rows(rows, COUNT_OF(rows));
}

/* Whether there is a note with that in it, about the configuration file. */
static bool noted(const char *policy, const char *old, const char *new, const char *text)
{
	static struct lint lint;
	char error[PLAN_ERROR_TEXT] = "", conf[2048];
	struct plan_options o = { 0 };
	const char *end = strstr(plan_dnsdist, "setServerPolicy");
	bool found = false;

	snprintf(conf, sizeof(conf), "%.*ssetServerPolicy(%s)\n", (int)(end - plan_dnsdist),
	         plan_dnsdist, policy);
	lint.note_n = 0;
	plan_write_changed("dnsdist.conf", conf, old, new);
	plan_free(plan_load_noted("s.lua", &o, &lint, error));
	assert_string_equal(error, "");
	for (unsigned i = 0; i < lint.note_n; i++)
		found |= strstr(lint.note[i].file, "dnsdist.conf") != NULL &&
		         strstr(lint.note[i].text, text) != NULL;
	return found;
}

static void what_a_policy_makes_of_order_and_weight_is_noted(void **state)
{
	static const struct {
		const char *policy, *old, *new, *text;
		bool want;
	} rows[] = {
		{ "chashed", "order=1", "order=1", "badly uneven", true },
		{ "chashed", "order=1", "weight=99", "a weight of 1 is", true },
		{ "whashed", "order=1", "order=1", "badly uneven", false },
		{ "chashed", "order=1", "order=0", "order has no effect under chashed", true },
		{ "whashed", "order=1", "order=0", "order has no effect under whashed", true },
		{ "whashed", "order=1", "order=1", "order has no effect", false },
		{ "orderedWrandUntag", "order=1", "order=0", "order has no effect", false },
	};
	char error[PLAN_ERROR_TEXT];

	(void)state;
	plan_write_all();
	plan_write_changed("s.lua", plan_scenario,
	                   "even { \"DNS1\", \"DNS3\", during = { \"0s\", \"5s\" }, "
	                   "catch = 0.1 },\n"
	                   "  detect { \"DNS1\", within = \"model\" },\n"
	                   "  back { \"DNS1\", to = \"share\", within = \"3s\" },\n", "");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (noted(rows[i].policy, rows[i].old, rows[i].new, rows[i].text) != rows[i].want)
			fail_msg("%s with %s: '%s'", rows[i].policy, rows[i].new, rows[i].text);
	plan_write_changed("dnsdist.conf", plan_dnsdist,
	                   "newServer{address=\"192.0.2.3\", name=\"DNS1\", order=1}\n"
	                   "newServer{address=\"192.0.2.4\", name=\"DNS3\", order=1}\n"
	                   "setServerPolicy(wrandom)",
	                   "newServer{address=\"192.0.2.3\", name=\"DNS1\", weight=100}\n"
	                   "newServer{address=\"192.0.2.4\", name=\"DNS3\", weight=100}\n"
	                   "setServerPolicy(chashed)");
	static struct lint lint;
	struct plan_options o = { 0 };
	plan_free(plan_load_noted("s.lua", &o, &lint, error));
	for (unsigned i = 0; i < lint.note_n; i++)
		assert_null(strstr(lint.note[i].text, "badly uneven"));
}

#define FAULT(what, to, error) { what, "s.lua", "kill = \"DNS1\"", to, "s.lua:13: " error }
static const struct row link_rows[] = {
	FAULT("duplicate without a ratio", "duplicate = \"DNS1\"",
	      "at: duplicate: no ratio: expected ratio = 0.2"),
	FAULT("jitter without a time", "jitter = \"DNS1\"",
	      "at: jitter: no time: expected by = \"50ms\""),
	FAULT("jitter with a ratio", "jitter = \"DNS1\", by = \"1ms\", ratio = 0.5",
	      "at.ratio: jitter takes no ratio"),
	FAULT("reorder without a time", "reorder = \"DNS1\", ratio = 0.1",
	      "at: reorder: no time: expected by = \"50ms\""),
	FAULT("reorder by nothing", "reorder = \"DNS1\", ratio = 0.1, by = \"0s\"",
	      "at.by: reorder by no time: expected a time above 0"),
	FAULT("a rate of nothing said", "rate = \"DNS1\"",
	      "at: rate: no bits a second: expected bits = 1e6"),
	FAULT("a rate too low", "rate = \"DNS1\", bits = 999",
	      "at.bits: 999: expected 1000 bits a second at least, or 0 for no limit"),
	FAULT("a queue of no rate", "loss = \"DNS1\", ratio = 0.1, queue = 9999",
	      "at.queue: loss takes no queue"),
	FAULT("a queue behind no limit", "rate = \"DNS1\", bits = 0, queue = 9999",
	      "at.queue: a link of no rate takes no queue"),
	FAULT("a queue too small", "rate = \"DNS1\", bits = 1e6, queue = 1513",
	      "at.queue: 1513: expected bytes 1514...1000000000"),
	FAULT("bits of a loss", "loss = \"DNS1\", ratio = 0.1, bits = 9999",
	      "at.bits: loss takes no bits"),
	FAULT("a cut both ways", "cut = \"DNS1\"",
	      "at: cut: expected way = \"in\" or way = \"out\"; both ways is blackhole"),
	FAULT("a kill one way", "kill = \"DNS1\", way = \"in\"",
	      "at.way: kill takes no way"),
	FAULT("a stub's fault one way", "refuse = \"DNS1\", way = \"in\"",
	      "at.way: refuse takes no way"),
	FAULT("a strange way", "cut = \"DNS1\", way = \"up\"",
	      "at.way: 'up': expected one of \"both\", \"out\", \"in\""),
	FAULT("loss where all is cut",
	      "cut = \"DNS1\", way = \"in\" "
	      "} at \"5s\" { loss = \"DNS1\", ratio = 0.1, way = \"in\"",
	      "at: loss of DNS1 at 5s is impossible: its link drops everything"),
	FAULT("a cut of what is cut",
	      "blackhole = \"DNS1\" } at \"5s\" { cut = \"DNS1\", way = \"in\"",
	      "at: cut of DNS1 at 5s is impossible: its link drops everything already"),
	{ "reorder without its time", "s.lua", "delay = \"50us\"", "delay = \"50us\", reorder "
	      "= 0.1",
	  "s.lua:7: lab.links: reorder without a time: expected reorder_by = \"1ms\"" },
	{ "a link that is too slow", "s.lua", "delay = \"50us\"", "delay = \"50us\", DNS1 = { "
	      "rate = 1 }",
	  "s.lua:7: lab.links.DNS1: rate = 1: expected 1000 bits a second at least, or 0 for "
	      "no limit" },
};

static void each_new_fault_of_a_link_is_read_and_checked(void **state)
{
	(void)state;
	check_rows(link_rows, COUNT_OF(link_rows));
}

/* What was read, through plan.json and back; where nothing is said nothing is written. */
static void links_and_their_faults_say_what_they_do(void **state)
{
	(void)state;
	static const char links[] = "delay = \"50us\", jitter = \"1ms\", DNS1 = { duplicate = "
	                            "0.25, reorder = 0.5, reorder_by = \"2ms\", rate = 1e6 }";
	char error[PLAN_ERROR_TEXT];

	plan_write_all();
	plan_write_changed("s.lua", plan_scenario, "delay = \"50us\"", links);
	struct plan *p = load(NULL, error);
	assert_string_equal(error, "");
	const struct plan_link *l = &p->node[plan_find_node(p, "DNS1")].link;
	assert_int_equal(l->jitter_ns, 1000000);
	assert_int_equal(l->duplicate_ppm, 250000);
	assert_int_equal(l->reorder_ppm, 500000);
	assert_int_equal(l->reorder_ns, 2000000);
	assert_int_equal(l->rate_bps, 1000000);
	assert_int_equal(l->queue_bytes, 65536);
	assert_int_equal(p->node[0].link.rate_bps, 0);
	plan_free(p);
	plan_write_changed("s.lua", plan_scenario, "kill = \"DNS1\" }\nat \"10s\" { start",
	                   "rate = \"DNS1\", bits = 5e5, queue = 2000, way = \"out\" }\n"
	                   "at \"5s\" { cut = \"DNS1\", way = \"in\" }\nat \"10s\" { heal");
	p = load(NULL, error);
	assert_string_equal(error, "");
	char *text = plan_to_text(p);
	json_t *j = json_loads(text, 0, NULL);
	struct plan *again = plan_from_json(j, error);
	json_decref(j);
	assert_non_null(again);
	assert_int_equal(again->fault[0].rate_bps, 500000);
	assert_int_equal(again->fault[0].queue_bytes, 2000);
	assert_int_equal(again->fault[0].way, PLAN_OUT);
	assert_int_equal(again->fault[1].way, PLAN_IN);
	assert_int_equal(again->fault[2].way, PLAN_BOTH_WAYS);
	assert_null(strstr(text, "jitter_ns"));
	free(text);
	plan_free(again);
	plan_free(p);
}

static void set_changes_what_the_file_says(void **state)
{
	(void)state;
	static const char *const set[] = {
		"load.rate=2000.5", "load.to=13s", "load.names=zipf(10, 0.5)", "seed=7",
		"lab.recursors.miss=uniform(\"10ms\", \"30ms\")", "lab.links.LB1.loss=0.25",
		"at.1.kill=DNS3", "at.2.start=DNS3", "expect.detect.1=DNS3", "expect.back.1=DNS3",
		"expect.even.flake=1e-6", "engines={ \"virtual\" }", "limits.slack=5ms",
		"load.types={ A = 0.7, AAAA = 0.3 }", NULL,
	};
	char error[PLAN_ERROR_TEXT];

	plan_write_all();
	struct plan *p = load(set, error);
	assert_string_equal(error, "");
	assert_int_equal(p->load[0].rate_mqps, 2000500);
	assert_int_equal(p->load[0].to_ns, 13000000000);
	assert_int_equal(p->load[0].name_n, 10);
	assert_int_equal(p->load[0].zipf_milli, 500);
	assert_int_equal(p->load[0].type_n, 2);
	assert_int_equal(p->load[0].type[1].share_ppm, 300000);
	assert_int_equal(p->seed, 7);
	assert_int_equal(p->node[3].miss.kind, DIST_UNIFORM);
	assert_int_equal(p->node[1].link.loss_ppm, 250000);
	assert_int_equal(p->node[1].link.delay_ns, 50000);
	assert_int_equal(p->fault[0].node, 4);
	assert_int_equal(p->expect[1].node[0], 4);
	assert_true(p->expect[0].flake == 1e-6);
	assert_true(p->for_virtual && !p->for_netns);
	assert_int_equal(p->limits.slack_ns, 5000000);
	plan_free(p);
}

static void a_broken_set_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *set, *error;
	} rows[] = {
		{ "load.ratee=5", "--set load.ratee=5: no such key: did you mean 'rate'? expected "
		 "one of "
		  "rate, from, to, arrivals, timeout, tries, retry, family, names, types, edns, "
		  "clients" },
		{ "load.rate=fast", "--set load.rate=fast: 'fast': expected queries a second "
		  "0.001...10000000" },
		{ "laod.rate=5", "--set laod.rate=5: no such path: did you mean 'load'? expected "
		 "lab., "
		  "load., at.N., expect.KIND., limits., seed or engines" },
		{ "expect.evn.catch=1", "--set expect.evn.catch=1: the scenario expects no 'evn': "
		  "expected one of even, detect, back, lost, answers, cache" },
		{ "load.2.rate=5", "--set load.2.rate=5: there is no load.2: the scenario has 1" },
		{ "at.kill=DNS3", "--set at.kill=DNS3: there are 2: expected at.1 ... at.2 before "
		 "the "
		  "key" },
		{ "load.rate.x=1", "--set load.rate.x=1: 'rate' isn't a table: expected a path "
		 "that ends "
		  "there" },
		{ "load.rate", "--set load.rate: expected PATH=VALUE" },
		{ "load.to=while true do end", "--set load.to=while true do end: 'while true do "
		 "end': "
		  "expected a time 1ns...100d with its unit, such as \"20ms\"" },
	};
	char error[PLAN_ERROR_TEXT];

	plan_write_all();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *set[] = { rows[i].set, NULL };
		struct plan *p = load(set, error);
		assert_null(p);
		assert_string_equal(error, rows[i].error);
	}
}

static void two_groups_of_clients_send_loads_of_their_own(void **state)
{
	(void)state;
	char error[PLAN_ERROR_TEXT];
	const char *from = "clients = { net = \"192.160.102.128/25\", count = 50 }";

	plan_write_all();
	plan_write_changed("s.lua", plan_scenario, from, "clients = { four = { net = "
	                   "\"192.160.102.128/25\", count = 9 }, six = { net = "
	                   "\"2605:e200:d000:80::/64\", count = 7, choose = \"per_client\" } }");
	FILE *f = fopen("s.lua", "a");
	fputs("load { rate = 5, from = \"1s\", to = \"2s\", names = unique(), clients = \"six\" "
	      "}\n",
	      f);
	fclose(f);
	assert_null(load(NULL, error));
	assert_string_equal(error, "s.lua:9: load: several client groups: expected clients = "
	                    "\"NAME\"");
	const char *set[] = { "load.1.clients=four", NULL };
	struct plan *p = load(set, error);
	assert_string_equal(error, "");
	assert_int_equal(p->load_n, 2);
	assert_int_equal(p->load[0].clients, 9);
	assert_int_equal(p->load[1].clients, 7);
	assert_int_equal(p->load[1].family, 6);
	assert_int_equal(p->load[1].choose, PLAN_PER_CLIENT);
	assert_int_equal(p->load[1].node, plan_find_node(p, "six"));
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference_scenario_comes_to_its_plan),
		cmocka_unit_test(a_broken_scenario_is_refused_with_its_line),
		cmocka_unit_test(files_that_contradict_the_lab_are_refused),
		cmocka_unit_test(what_a_policy_makes_of_order_and_weight_is_noted),
		cmocka_unit_test(each_new_fault_of_a_link_is_read_and_checked),
		cmocka_unit_test(links_and_their_faults_say_what_they_do),
		cmocka_unit_test(set_changes_what_the_file_says),
		cmocka_unit_test(a_broken_set_is_named),
		cmocka_unit_test(two_groups_of_clients_send_loads_of_their_own),
	};
	return cmocka_run_group_tests(tests, plan_folder_open, plan_folder_close);
}
