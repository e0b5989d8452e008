/* SPDX-License-Identifier: BSD-3-Clause */
/* Tags: what rules give to a query, who finds it, and how long it stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/succeed.h"
#include "balancer/core/tags.h"
#include "tests/rule_rig.h"
#include "tests/tcp_rig.h"

/* Rules, and whether a query for "a" is dropped by them. */
static const struct { const char *what, *rules; bool dropped; } rows[] = {
	{ "a tag is found", "addAction('a', SetTagAction('k', 'v')) "
	  "addAction(TagRule('k'), DropAction())", true },
	{ "with its value", "addAction('a', SetTagAction('k', 'v')) "
	  "addAction(TagRule('k', 'v'), DropAction())", true },
	{ "not with another value", "addAction('a', SetTagAction('k', 'v')) "
	  "addAction(TagRule('k', 'vv'), DropAction())", false },
	{ "not with a part of it", "addAction('a', SetTagAction('k', 'v')) "
	  "addAction(TagRule('k', ''), DropAction())", false },
	{ "not under another name", "addAction('a', SetTagAction('kk', 'k')) "
	  "addAction(TagRule('k'), DropAction())", false },
	{ "not before it is set", "addAction(TagRule('k'), DropAction()) "
	  "addAction('a', SetTagAction('k', 'v'))", false },
	{ "not where the rule doesn't match", "addAction('b', SetTagAction('k', 'v')) "
	  "addAction(TagRule('k'), DropAction())", false },
	{ "empty ones", "addAction('a', SetTagAction('', '')) "
	  "addAction(TagRule('', ''), DropAction())", true },
	{ "the second of several", "addAction('a', SetTagAction('k', 'v')) "
	  "addAction('a', SetTagAction('l', 'w')) addAction(TagRule('l', 'w'), DropAction())",
	  true },
	{ "the last value counts", "addAction('a', SetTagAction('k', 'v')) addAction('a', "
	  "SetTagAction('l', 'x')) addAction('a', SetTagAction('k', 'w')) addAction(AndRule{"
	  "TagRule('k', 'w'), TagRule('l', 'x')}, DropAction())", true },
	{ "not the one before", "addAction('a', SetTagAction('k', 'v')) addAction('a', "
	  "SetTagAction('k', 'w')) addAction(TagRule('k', 'v'), DropAction())", false },
	{ "the older name of the action", "addAction('a', TagAction('k', 'v')) "
	  "addAction(TagRule('k', 'v'), DropAction())", true },
	{ "set by a function", "addAction('a', LuaAction(function(dq) dq:setTag('k', 'v') "
	  "assert(dq:getTag('k') == 'v' and dq:getTag('x') == '') return DNSAction.None end)) "
	  "addAction(TagRule('k', 'v'), DropAction())", true },
	{ "several by a function", "addAction('a', LuaAction(function(dq) "
	  "dq:setTagArray{k = 'v', l = 5} return DNSAction.None end)) "
	  "addAction(AndRule{TagRule('k', 'v'), TagRule('l', '5')}, DropAction())", true },
	{ "seen by a function", "addAction('a', SetTagAction('k', 'v')) "
	  "addAction(LuaRule(function(dq) return dq:getTag('k') == 'v' and "
	  "dq:getTagArray().k == 'v' and dq:getTagArray().v == nil end), DropAction())",
	  true },
	{ "not set by a selector", "addAction(LuaRule(function(dq) dq:setTag('k', 'v') "
	  "return false end), DropAction()) addAction(TagRule('k'), DropAction())", false },
};

static void rules_and_functions_find_tags(void **state)
{
	static struct rule_rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rule_rig(&r, rows[i].rules);
		enum bal_verdict v = rule_ask(&r, "a", DNS_A);
		if (v != (rows[i].dropped ? BAL_RULE_DROP : BAL_FORWARD))
			fail_msg("%s: %s %s", rows[i].what, bal_verdict_name(v),
			         r.script != NULL ? script_error(r.script) : "");
		assert_int_equal(rule_ask(&r, "x", DNS_A), BAL_FORWARD); /* it has none */
		rule_rig_stop(&r);
	}
}

static void what_a_failed_function_tagged_is_forgotten(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "addAction('a', SetTagAction('l', 'before'))\n"
	             "addAction('a', LuaAction(function(dq) dq:setTag('k', 'v') "
	             "dq:setTag('l', 'after') error('x') end))\n"
	             "addSelfAnsweredResponseAction(OrRule{TagRule('k'), NotRule(TagRule('l', "
	             "'before'))}, DropResponseAction())");
	assert_int_equal(rule_ask(&r, "a", DNS_A), BAL_RULE_SERVFAIL);
	rule_rig_stop(&r);
}

static void a_query_has_room_for_so_many(void **state)
{
	static struct rule_rig r;
	char text[1200];

	(void)state;
	snprintf(text, sizeof(text), "local v = ('v'):rep(250) "
	         "addAction('a', SetTagAction('k', v)) addAction('a', SetTagAction('l', v)) "
	         "addAction('a', SetTagAction('m', 'ww')) addAction('a', SetTagAction('n', '')) "
	         "addAction(AndRule{TagRule('k', v), TagRule('l', v), NotRule(TagRule('m')), "
	         "TagRule('n')}, DropAction())");
	rule_rig(&r, text);
	assert_int_equal(rule_ask(&r, "a", DNS_A), BAL_RULE_DROP);
	assert_int_equal(bal_counts(r.rig.b)->not_tagged, 1);
	rule_rig_stop(&r);
	rule_rig(&r, "addAction('a', LuaAction(function(dq) dq:setTag(('k'):rep(250), "
	             "('v'):rep(250)) dq:setTag('k', ('v'):rep(20)) end))");
	assert_int_equal(rule_ask(&r, "a", DNS_A), BAL_RULE_SERVFAIL);
	assert_string_equal(script_error(r.script),
	                    "f.conf:4: setTag: more than 510 bytes of tags");
	rule_rig_stop(&r);
}

static const char for_answers[] =
	"addAction('tagged', SetTagAction('k', 'v'))\n"
	"addResponseAction(TagRule('k', 'v'), DropResponseAction())\n"
	"addResponseAction('tell', SetTagResponseAction('t', '1'))\n"
	"addResponseAction(TagRule('t'), DropResponseAction())\n"
	"addAction('own', SetTagAction('o', '1')) addAction('own', RCodeAction(5))\n"
	"addSelfAnsweredResponseAction(TagRule('o'), DropResponseAction())\n";

static void rules_about_its_answer_find_them(void **state)
{
	static struct rule_rig r;
	static uint8_t buf[3][RIG_BYTES];
	static const char *const names[] = { "tagged", "plain", "tell" };
	struct dgram d[3];

	(void)state;
	rule_rig(&r, for_answers);
	for (unsigned i = 0; i < 3; i++) {
		d[i] = rig_query(buf[i], i, (uint16_t)i, names[i], false);
		assert_int_equal(rig_rx(&r.rig, &d[i]), BAL_FORWARD);
		rig_turn(&d[i], 0);
	}
	assert_int_equal(rule_ask(&r, "own", DNS_A), BAL_RULE_DROP);
	assert_int_equal(rig_rx(&r.rig, &d[1]), BAL_ANSWER);
	assert_int_equal(rig_rx(&r.rig, &d[2]), BAL_ANSWER_DROP);
	assert_int_equal(rig_rx(&r.rig, &d[0]), BAL_ANSWER_DROP);
	rule_rig_stop(&r);
}

static void over_tcp_too(void **state)
{
	static struct rule_rig r;
	static struct trig t;
	static uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	rule_rig_conf(&r, for_answers);
	trig_conf(&t, 2);
	t.rig.conf.rules = r.config->conf.rules;
	rig_start(&t.rig, 1);
	uint32_t a = trig_accept(&t, 0), b = trig_accept(&t, 1);
	assert_int_equal(trig_ask(&t, a, 1, "tagged"), BAL_TCP_FORWARD);
	assert_int_equal(trig_ask(&t, b, 2, "plain"), BAL_TCP_FORWARD);
	unsigned dropped = 0;
	for (unsigned i = 0; i < TRIG_CONNS; i++)
		if (t.conn[i].state == TRIG_OPENING)
			trig_connect(&t, &t.conn[i]);
	for (unsigned i = 0; i < TRIG_CONNS; i++)
		while (t.conn[i].state == TRIG_OPEN && t.conn[i].sent_n > 0)
			dropped += trig_answer(&t, &t.conn[i], 0, 0, buf, &d) ==
			           BAL_TCP_ANSWER_DROP;
	assert_int_equal(dropped, 1);
	assert_int_equal(bal_count(t.rig.b, BAL_TCP_ANSWER), 1);
	rig_stop(&t.rig);
	config_free(r.config);
}

static void a_second_try_has_them(void **state)
{
	static struct rule_rig r;
	static uint8_t buf[RIG_BYTES];
	struct dgram d, again;

	(void)state;
	rule_rig_conf(&r, "setUDPRetry(300) newServer{address='192.0.2.5'}:setUp()\n"
	                  "addAction('tagged', SetTagAction('k', 'v'))\n"
	                  "addResponseAction(TagRule('k', 'v'), DropResponseAction())\n");
	rig_start(&r.rig, 1);
	d = rule_query(&r, "tagged", DNS_A, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
	assert_int_equal(rule_ask(&r, "x", DNS_A), BAL_FORWARD);
	r.rig.now_ns += 300000000;
	again = (struct dgram){ .data = buf, .cap = sizeof(buf) };
	assert_int_equal(bal_poll(r.rig.b, r.rig.now_ns, &again, 1), 1);
	assert_int_equal(again.verdict, BAL_RETRY);
	rig_turn(&again, 0);
	assert_int_equal(rig_rx(&r.rig, &again), BAL_ANSWER_DROP);
	rule_rig_stop(&r);
}

static void a_reload_keeps_them(void **state)
{
	static struct rule_rig r, n;
	static struct bal_server server[2 * RIG_SERVERS];
	uint16_t servers[RIG_SERVERS], heirs[RIG_SERVERS], fronts[4];
	struct bal_succession s = { .server = servers, .heir = heirs, .front = fronts };
	struct dgram d;

	(void)state;
	rule_rig(&r, for_answers);
	d = rule_query(&r, "tagged", DNS_A, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
	rule_rig_conf(&n, for_answers);
	memcpy(server, n.rig.conf.server, n.rig.conf.server_n * sizeof(*server));
	n.rig.conf.server = server;
	assert_int_equal(bal_succession_plan(&s, &r.rig.conf, r.rig.shared, &n.rig.conf, server),
	                 0);
	rig_start(&n.rig, 7);
	bal_succeed(n.rig.b, r.rig.b, &s);
	n.rig.now_ns = r.rig.now_ns;
	rig_turn(&d, 0);
	assert_int_equal(rig_rx(&n.rig, &d), BAL_ANSWER_DROP);
	rule_rig_stop(&n);
	host_arena_free(&r.rig.arena);
	config_free(r.config);
}

static void a_policy_sees_them(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "newServer{address='192.0.2.5'}:setUp() setServerPolicyLua('x', "
	             "function(s, dq) return s[dq:getTag('k') == 'v' and 2 or 1] end)\n"
	             "addAction('tagged', SetTagAction('k', 'v'))");
	for (unsigned i = 0; i < 2; i++) {
		struct dgram d = rule_query(&r, i == 0 ? "tagged" : "plain", DNS_A, 0);
		assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
		assert_int_equal(d.peer.ip.b[15], i == 0 ? 5 : 3);
	}
	rule_rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_and_functions_find_tags),
		cmocka_unit_test(what_a_failed_function_tagged_is_forgotten),
		cmocka_unit_test(a_query_has_room_for_so_many),
		cmocka_unit_test(rules_about_its_answer_find_them),
		cmocka_unit_test(over_tcp_too),
		cmocka_unit_test(a_second_try_has_them),
		cmocka_unit_test(a_reload_keeps_them),
		cmocka_unit_test(a_policy_sees_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
