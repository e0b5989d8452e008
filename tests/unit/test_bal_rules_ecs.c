/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about what servers are told of clients' subnets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/ecs.h"
#include "tests/rule_rig.h"

/* The option that a query from 192.160.102.128 goes out with; own: it brings 198.51.100.0/24. */
static const struct {
	const char *what, *rules;
	bool own;
	size_t len;                  /* of the option; 0: none */
	const char *option;          /* behind its code and length */
} rows[] = {
	{ "no rule", "", false, 11, "\0\1\30\0\300\240\146" },
	{ "off", "addAction('a', SetDisableECSAction())", false, 0, "" },
	{ "another subnet", "addAction('a', SetECSAction('192.0.2.0/20'))", false, 11,
	  "\0\1\24\0\300\0\0" },
	{ "of IPv6", "addAction('a', SetECSAction('2001:db8::/32'))", false, 12,
	  "\0\2\40\0\40\1\15\270" },
	{ "the one for IPv4", "addAction('a', SetECSAction('192.0.0.0/8', '2001:db8::/32'))", false,
	  9, "\0\1\10\0\300" },
	{ "fewer bits", "addAction('a', SetECSPrefixLengthAction(16, 32))", false, 10,
	  "\0\1\20\0\300\240" },
	{ "its own stays", "", true, 11, "\0\1\30\0\306\63\144" },
	{ "unless a rule says", "addAction('a', SetECSOverrideAction(true))", true, 11,
	  "\0\1\30\0\300\240\146" },
	{ "which another takes back", "addAction('a', ECSOverrideAction(true)) "
	  "addAction('a', SetECSOverrideAction(false))", true, 11, "\0\1\30\0\306\63\144" },
	{ "unless all say", "setECSOverride(true)", true, 11, "\0\1\30\0\300\240\146" },
	{ "but a rule", "setECSOverride(true) addAction('a', SetECSOverrideAction(false))", true,
	  11, "\0\1\30\0\306\63\144" },
	{ "off in a function", "addAction('a', LuaAction(function(dq) assert(dq.useECS) "
	  "dq.useECS = false return DNSAction.None end))", false, 0, "" },
	{ "bits in a function", "addAction('a', LuaAction(function(dq) "
	  "assert(dq.ecsPrefixLength == 24 and not dq.ecsOverride) dq.ecsPrefixLength = 8 "
	  "dq.ecsOverride = true return DNSAction.None end))", true, 9, "\0\1\10\0\300" },
	{ "not for other names", "addAction('b', SetDisableECSAction())", false, 11,
	  "\0\1\30\0\300\240\146" },
};

static void start(struct rule_rig *r, const char *rules)
{
	char text[1024];

	snprintf(text, sizeof(text), "newServer{address='192.0.2.9', pool='told', "
	         "useClientSubnet=true}:setUp() newServer{address='192.0.2.10', pool='told', "
	         "useClientSubnet=true}:setUp()\n%s addAction(AllRule(), PoolAction('told'))",
	         rules);
	rule_rig(r, text);
}

static struct dgram query_of(struct rule_rig *r, const char *name, bool own)
{
	static const uint8_t subnet[] = "\0\10\0\7\0\1\30\0\306\63\144";
	struct dgram d = rig_query(r->buf, 0, 5, name, own);

	if (own) {
		memcpy(d.data + d.len, subnet, 11);
		dns_put16(d.data + d.len - 2, 11);
		d.len = (uint16_t)(d.len + 11);
	}
	return d;
}

/* Its length; 0: none. */
static size_t option(const struct dgram *d, const uint8_t **p)
{
	struct dns_edns e;

	assert_int_equal(dns_edns(&e, d->data, d->len, 12 + 3 + 4), 0);
	*p = d->data + e.at + 11;
	return e.present ? (size_t)(e.end - e.at - 11) : 0;
}

static void servers_are_told_what_rules_say(void **state)
{
	static struct rule_rig r;
	const uint8_t *p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(&r, rows[i].rules);
		struct dgram d = query_of(&r, "a", rows[i].own);
		uint16_t len = d.len;
		enum bal_verdict v = rig_rx(&r.rig, &d);
		if (v != BAL_FORWARD || option(&d, &p) != rows[i].len ||
		    (rows[i].len > 0 && memcmp(p + 4, rows[i].option, rows[i].len - 4) != 0))
			fail_msg("%s: %s, %zu bytes %s", rows[i].what, bal_verdict_name(v),
			         option(&d, &p), r.script != NULL ? script_error(r.script) : "");
		rig_turn(&d, DNS_NOERROR);
		assert_int_equal(rig_rx(&r.rig, &d), BAL_ANSWER);
		assert_true(rows[i].own || d.len == len); /* what was added is gone again */
		rule_rig_stop(&r);
	}
}

static void a_second_try_tells_the_same(void **state)
{
	static struct rule_rig r;
	static uint8_t buf[RIG_BYTES];
	const uint8_t *p;

	(void)state;
	start(&r, "setUDPRetry(300) addAction('a', SetECSAction('10.0.0.0/8'))");
	struct dgram d = query_of(&r, "a", false);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
	r.rig.now_ns += 300000000;
	d = (struct dgram){ .data = buf, .cap = sizeof(buf) };
	assert_int_equal(bal_poll(r.rig.b, r.rig.now_ns, &d, 1), 1);
	assert_int_equal(d.verdict, BAL_RETRY);
	assert_int_equal(option(&d, &p), 9);
	assert_memory_equal(p + 4, "\0\1\10\0\12", 5);
	rule_rig_stop(&r);
}

/* Asks from a client; the server answers with a record. */
static enum bal_verdict ask_with(struct rule_rig *r, unsigned net, const char *name, bool own)
{
	struct dgram d = query_of(r, name, own);

	d.peer.ip = ip_v4(10, 0, (uint8_t)net, 1);
	enum bal_verdict v = rig_rx(&r->rig, &d);
	if (v != BAL_FORWARD)
		return v;
	rig_turn(&d, DNS_NOERROR);
	rig_record(&d, 60);
	return rig_rx(&r->rig, &d);
}

static enum bal_verdict ask(struct rule_rig *r, unsigned net, const char *name)
{
	return ask_with(r, net, name, false);
}

static void a_cache_mixes_clients_of_whom_the_same_is_told(void **state)
{
	static struct rule_rig r;

	(void)state;
	start(&r, "getPool('told'):setCache(newPacketCache(100)) addAction('off', "
	          "SetDisableECSAction()) addAction('set', SetECSAction('192.0.2.0/24')) "
	          "addAction('wide', SetECSPrefixLengthAction(16, 32))");
	assert_int_equal(ask(&r, 1, "x"), BAL_ANSWER);
	assert_int_equal(ask(&r, 2, "x"), BAL_ANSWER);
	assert_int_equal(ask(&r, 1, "x"), BAL_CACHE_HIT);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = { "off", "set", "wide" };
		assert_int_equal(ask(&r, 1, names[i]), BAL_ANSWER);
		assert_int_equal(ask(&r, 2, names[i]), BAL_CACHE_HIT);
	}
	rule_rig_stop(&r);
}

/* A subnet's address alone doesn't say what was told: 10.0.0.0 may be of 24 bits, or of 8. */
static void a_cache_tells_apart_what_servers_are_told(void **state)
{
	static struct rule_rig r;
	static const char *const rules[] = {
		"addAction('10.0.1.0/24', SetECSPrefixLengthAction(8, 32)) "
		"setECSSourcePrefixV4(24)",
		"addAction('10.0.1.0/24', SetECSOverrideAction(true)) "
		"setECSSourcePrefixV4(8)",
		"addAction('10.0.1.0/24', SetDisableECSAction()) "
		"setECSSourcePrefixV4(0)",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		char text[512];
		snprintf(text, sizeof(text), "getPool('told'):setCache(newPacketCache(100)) %s",
		         rules[i]);
		start(&r, text);
		bool own = strstr(rules[i], "Override") != NULL; /* else that means nothing */
		assert_int_equal(ask_with(&r, 1, "x", own), BAL_ANSWER);
		assert_int_equal(ask_with(&r, 0, "x", own), BAL_ANSWER);
		assert_int_equal(ask_with(&r, 1, "x", own), BAL_CACHE_HIT);
		assert_int_equal(ask_with(&r, 0, "x", own), BAL_CACHE_HIT);
		rule_rig_stop(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_told_what_rules_say),
		cmocka_unit_test(a_second_try_tells_the_same),
		cmocka_unit_test(a_cache_mixes_clients_of_whom_the_same_is_told),
		cmocka_unit_test(a_cache_tells_apart_what_servers_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
