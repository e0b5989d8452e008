/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules over time: limits of queries a second, by client and for all, and delayed answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/late.h"
#include "tests/rule_rig.h"
#include "tests/tcp_rig.h"

#define MS INT64_C(1000000)

/* How many of n queries of a client pass, at once. */
static unsigned passing(struct rule_rig *r, unsigned client, unsigned n)
{
	unsigned passed = 0;

	for (unsigned i = 0; i < n; i++) {
		struct dgram d = rig_query(r->buf, client, (uint16_t)i, "a", false);
		passed += rig_rx(&r->rig, &d) != BAL_RULE_DROP;
	}
	return passed;
}

static void a_limit_lets_its_burst_through_and_then_its_rate(void **state)
{
	static const struct { const char *rule; unsigned burst, in_100_ms; } rows[] = {
		{ "addAction(AllRule(), QPSAction(50))", 50, 5 },
		{ "addAction(NotRule(MaxQPSRule(50)), DropAction())", 50, 5 },
		{ "addAction(NotRule(MaxQPSRule(50, 10)), DropAction())", 10, 5 },
		{ "addAction(MaxQPSIPRule(50), DropAction())", 50, 5 },
		{ "addAction(MaxQPSIPRule(50, 32, 64, 100), DropAction())", 100, 5 },
		{ "addAction(NotRule(MaxQPSRule(0)), DropAction())", 0, 0 },
		{ "addAction(AndRule{QTypeRule(255), NotRule(MaxQPSRule(0))}, DropAction())", 200,
		  200 },
	};
	static struct rule_rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rule_rig(&r, rows[i].rule);
		unsigned n = passing(&r, 0, 200);
		if (n != rows[i].burst)
			fail_msg("%s: %u pass at once", rows[i].rule, n);
		r.rig.now_ns += 100 * MS;
		n = passing(&r, 0, 200);
		if (n != rows[i].in_100_ms)
			fail_msg("%s: %u pass in 100 ms", rows[i].rule, n);
		rule_rig_stop(&r);
	}
}

static void clients_have_a_limit_each_by_network(void **state)
{
	static const struct { const char *rule; unsigned first, other; } rows[] = {
		{ "addAction(MaxQPSIPRule(10), DropAction())", 10, 10 },
		{ "addAction(MaxQPSIPRule(10, 24), DropAction())", 10, 0 },
		{ "addAction(NotRule(MaxQPSRule(10)), DropAction())", 10, 0 },
	};
	static struct rule_rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rule_rig(&r, rows[i].rule);
		assert_int_equal(passing(&r, 1, 20), rows[i].first);
		assert_int_equal(passing(&r, 2, 20), rows[i].other);
		rule_rig_stop(&r);
	}
}

static void a_selector_in_two_rules_is_one_limit(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "m = NotRule(MaxQPSRule(10)) addAction(m, DropAction()) "
	             "addAction(m, DropAction())");
	assert_int_equal(passing(&r, 0, 20), 5);
	rule_rig_stop(&r);
}

/* Each client is in its own network; more ask at once than there are places for. */
static void a_crowded_table_lets_clients_pass_and_counts_them(void **state)
{
	static struct rule_rig r;
	unsigned passed = 0, n = 2 * BAL_LIMIT_PLACES;

	(void)state;
	rule_rig(&r, "addAction(MaxQPSIPRule(1), DropAction())");
	for (unsigned again = 0; again < 2; again++)
		for (unsigned i = 0; i < n; i++) {
			struct ip ip = ip_v4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);
			passed += limit_take(&r.rig.shared->limit[0],
			                     &r.config->conf.rules->limit[0], &ip, 5,
			                     r.rig.now_ns);
		}
	uint64_t crowded = atomic_load(&r.rig.shared->limit[0].crowded);
	assert_true(crowded > n / 4);
	assert_true(passed > crowded);
	assert_in_range(passed - crowded, BAL_LIMIT_PLACES * 3 / 4, BAL_LIMIT_PLACES);
	r.rig.now_ns += 1000 * MS; /* every place is free again */
	for (unsigned i = 0; i < 1000; i++) {
		struct ip ip = ip_v4(11, 0, (uint8_t)(i >> 8), (uint8_t)i);
		assert_true(limit_take(&r.rig.shared->limit[0],
		                       &r.config->conf.rules->limit[0], &ip, 5,
		                       r.rig.now_ns));
	}
	assert_int_equal(atomic_load(&r.rig.shared->limit[0].crowded), crowded);
	rule_rig_stop(&r);
}

/* ---- delays ---- */

/* What bal_poll gives at a time. */
static unsigned due(struct rule_rig *r, int64_t now_ns, struct dgram *d)
{
	static uint8_t buf[LATE_BYTES];

	*d = (struct dgram){ .data = buf, .cap = sizeof(buf) };
	unsigned n = bal_poll(r->rig.b, now_ns, d, 1);
	bal_check(r->rig.b);
	return n;
}

static void an_answer_is_delayed_on_its_way_to_the_client(void **state)
{
	static struct rule_rig r;
	struct dgram out;

	(void)state;
	rule_rig(&r, "addAction('slow', DelayAction(100))");
	struct dgram d = rule_query(&r, "slow", DNS_A, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
	r.rig.now_ns += 5 * MS;
	rig_turn(&d, DNS_NOERROR);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_DELAYED);
	assert_false(bal_verdict_sends(BAL_DELAYED));
	assert_int_equal(bal_count(r.rig.b, BAL_ANSWER), 1);
	assert_int_equal(bal_outstanding(r.rig.b), 0);
	assert_true(bal_deadline(r.rig.b) == r.rig.now_ns + 100 * MS);
	assert_int_equal(due(&r, r.rig.now_ns + 100 * MS - 1, &out), 0);
	assert_int_equal(due(&r, r.rig.now_ns + 100 * MS, &out), 1);
	assert_int_equal(out.verdict, BAL_ANSWER);
	assert_true(bal_verdict_sends(out.verdict) && out.port == 0);
	assert_int_equal(dns_id(out.data), 77);
	assert_int_equal(out.peer.port, rig_client(0).port);
	assert_int_equal(out.local.port, 53);
	assert_true(bal_deadline(r.rig.b) == INT64_MAX);
	rule_rig_stop(&r);
}

static void rules_about_answers_delay_too_and_order_is_by_time(void **state)
{
	static struct rule_rig r;
	static const char *const names[] = { "a", "b", "c" };
	static const uint16_t order[] = { 2, 1, 0 };
	struct dgram out;

	(void)state;
	rule_rig(&r, "addResponseAction('a', DelayResponseAction(300))\n"
	             "addAction('b', DelayAction(900))\n"
	             "addResponseAction('b', DelayResponseAction(200))\n"
	             "addAction('c', DelayAction(100)) addAction('c', RCodeAction(5))");
	for (unsigned i = 0; i < 3; i++) {
		struct dgram d = rig_query(r.buf, i, (uint16_t)i, names[i], false);
		enum bal_verdict v = rig_rx(&r.rig, &d);
		if (v == BAL_FORWARD) {
			rig_turn(&d, DNS_NOERROR);
			v = rig_rx(&r.rig, &d);
		}
		assert_int_equal(v, BAL_DELAYED);
	}
	r.rig.now_ns += 1000 * MS;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(due(&r, r.rig.now_ns, &out), 1);
		assert_int_equal(dns_id(out.data), order[i]);
		assert_int_equal(out.verdict, i == 0 ? BAL_RULE_REFUSED : BAL_ANSWER);
	}
	assert_int_equal(due(&r, r.rig.now_ns, &out), 0);
	rule_rig_stop(&r);
}

static void what_finds_no_place_is_sent_at_once_and_counted(void **state)
{
	static struct rule_rig r;
	struct dgram out;

	(void)state;
	rule_rig(&r, "addAction('c', DelayAction(100)) addAction('c', RCodeAction(5))");
	for (unsigned i = 0; i < BAL_DELAYED_MAX; i++)
		assert_int_equal(rule_ask(&r, "c", DNS_A), BAL_DELAYED);
	assert_int_equal(rule_ask(&r, "c", DNS_A), BAL_RULE_REFUSED);
	assert_int_equal(bal_counts(r.rig.b)->not_delayed, 1);
	r.rig.now_ns += 100 * MS;
	for (unsigned i = 0; i < BAL_DELAYED_MAX; i++)
		assert_int_equal(due(&r, r.rig.now_ns, &out), 1);
	assert_int_equal(rule_ask(&r, "c", DNS_A), BAL_DELAYED);
	rule_rig_stop(&r);
}

/* ---- TCP ---- */

static void over_tcp_rules_are_the_same_and_a_drop_ends_the_connection(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig_conf(&r, "addAction('drop', DropAction()) addAction('no', RCodeAction(5))\n"
	                  "addAction(AndRule{TCPRule(true), QNameRule('tcp')}, RCodeAction(3))\n"
	                  "addAction('tc', TCAction()) addAction('late', DelayAction(50))\n"
	                  "addAction('late', RCodeAction(5))");
	bal_tcp_defaults(&r.rig.conf.tcp);
	r.rig.conf.tcp.conns = 64;
	rig_start(&r.rig, 7);
	const struct { const char *name; enum bal_verdict v; bool takes; } rows[] = {
		{ "no", BAL_RULE_REFUSED, true }, { "tcp", BAL_RULE_NXDOMAIN, true },
		{ "late", BAL_RULE_REFUSED, true }, { "tc", BAL_TCP_FORWARD, false },
		{ "drop", BAL_RULE_DROP, false },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ep client = rig_client((unsigned)i);
		uint32_t conn = bal_tcp_accept(r.rig.b, r.rig.now_ns, &client,
		                               &(struct ep){ ip_v4(192, 160, 102, 2), 53 }, 0);
		assert_true(conn != 0);
		struct dgram d = rule_query(&r, rows[i].name, DNS_A, 0);
		d.proto = DGRAM_TCP;
		d.conn = conn;
		enum bal_verdict v = rig_rx(&r.rig, &d);
		if (v != rows[i].v)
			fail_msg("%s: %s", rows[i].name, bal_verdict_name(v));
		if (bal_tcp_takes(r.rig.b, conn) != rows[i].takes)
			fail_msg("%s: the connection %s more", rows[i].name,
			         rows[i].takes ? "takes no" : "takes");
		bal_tcp_closed(r.rig.b, r.rig.now_ns, conn);
	}
	rule_rig_stop(&r);
}

static void an_answer_over_tcp_that_is_dropped_ends_its_clients_connection(void **state)
{
	static struct rule_rig r;
	static struct trig t;
	struct dgram d;
	uint8_t buf[RIG_BYTES];

	(void)state;
	rule_rig_conf(&r, "addResponseAction(RCodeRule(2), DropResponseAction())");
	trig_conf(&t, 1);
	t.rig.conf.rules = r.config->conf.rules;
	rig_start(&t.rig, 1);
	uint32_t conn = trig_accept(&t, 0);
	assert_int_equal(trig_ask(&t, conn, 1, "a"), BAL_TCP_FORWARD);
	struct trig_conn *server = trig_find(&t, TRIG_OPENING, 0);
	trig_connect(&t, server);
	assert_int_equal(trig_answer(&t, server, 0, DNS_SERVFAIL, buf, &d), BAL_TCP_ANSWER_DROP);
	assert_false(bal_tcp_takes(t.rig.b, conn));
	trig_poll(&t);
	assert_int_equal(trig_at(&t, conn)->state, TRIG_NONE);
	assert_int_equal(server->state, TRIG_OPEN); /* kept for the next */
	conn = trig_accept(&t, 0);
	assert_int_equal(trig_ask(&t, conn, 2, "b"), BAL_TCP_FORWARD);
	assert_int_equal(trig_answer(&t, server, 0, DNS_NOERROR, buf, &d), BAL_TCP_ANSWER);
	rig_stop(&t.rig);
	config_free(r.config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_lets_its_burst_through_and_then_its_rate),
		cmocka_unit_test(clients_have_a_limit_each_by_network),
		cmocka_unit_test(a_selector_in_two_rules_is_one_limit),
		cmocka_unit_test(a_crowded_table_lets_clients_pass_and_counts_them),
		cmocka_unit_test(an_answer_is_delayed_on_its_way_to_the_client),
		cmocka_unit_test(rules_about_answers_delay_too_and_order_is_by_time),
		cmocka_unit_test(what_finds_no_place_is_sent_at_once_and_counted),
		cmocka_unit_test(an_answer_over_tcp_that_is_dropped_ends_its_clients_connection),
		cmocka_unit_test(over_tcp_rules_are_the_same_and_a_drop_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
