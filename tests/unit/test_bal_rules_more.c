/* SPDX-License-Identifier: BSD-3-Clause */
/* Actions with records of their own, those that go on, and what they say about caches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/rule_rig.h"

/* What a query for www.example, with EDNS or not, is answered by one action. */
static const struct {
	const char *what, *action;
	uint16_t type;
	bool edns;
	enum bal_verdict verdict;
	unsigned flags;              /* beside QR and RD */
	unsigned answers, others;
	int high;                    /* upper bits of the rcode; -1: no EDNS */
} rows[] = {
	{ "an rcode with EDNS", "ERCodeAction(DNSRCode.BADVERS)", DNS_A, true, BAL_RULE_ANSWER,
	  DNS_RA, 0, 1, 1 },
	{ "without", "ERCodeAction(DNSRCode.BADVERS)", DNS_A, false, BAL_RULE_ANSWER, DNS_RA, 0, 0,
	  -1 },
	{ "both halves", "ERCodeAction(23, {aa=true})", DNS_A, true, BAL_RULE_ANSWER,
	  DNS_RA | DNS_AA | 7, 0, 1, 1 },
	{ "a lower one", "ERCodeAction(DNSRCode.REFUSED)", DNS_A, true, BAL_RULE_REFUSED,
	  DNS_RA | DNS_REFUSED, 0, 1, 0 },
	{ "a CNAME for any type", "SpoofCNAMEAction('t.example')", DNS_TXT, true, BAL_RULE_ANSWER,
	  DNS_RA, 1, 1, 0 },
	{ "a CNAME for ANY", "SpoofCNAMEAction('t.example', {ra=false, aa=true})", DNS_ANY, false,
	  BAL_RULE_ANSWER, DNS_AA, 1, 0, -1 },
	{ "data", "SpoofRawAction('abcd')", DNS_TXT, false, BAL_RULE_ANSWER, DNS_RA, 1, 0, -1 },
	{ "more data", "SpoofRawAction({'abcd', '', 'ef'}, {ad=true})", DNS_TXT, true,
	  BAL_RULE_ANSWER, DNS_RA | DNS_AD, 3, 1, 0 },
	{ "data of no type", "SpoofRawAction('abcd')", DNS_ANY, true, BAL_FORWARD, 0, 0, 1, 0 },
	{ "no such name", "NegativeAndSOAAction(true, 'example', 60, 'm.example', 'r.example', 1, "
	  "2, 3, 4, 5)", DNS_A, true, BAL_RULE_NXDOMAIN, DNS_RA | DNS_NXDOMAIN, 0, 2, 0 },
	{ "no data", "NegativeAndSOAAction(false, 'example', 60, 'm.example', 'r.example', 1, 2, "
	  "3, 4, 5, {aa=true})", DNS_A, false, BAL_RULE_ANSWER, DNS_RA | DNS_AA, 0, 1, -1 },
};

static void actions_answer_what_they_say(void **state)
{
	static struct rule_rig r;
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text), "addAction(AllRule(), %s)", rows[i].action);
		rule_rig(&r, text);
		struct dgram d = rig_query(r.buf, 0, 9, "www.example", rows[i].edns);
		dns_put16(d.data + 12 + 13, rows[i].type);
		enum bal_verdict v = rig_rx(&r.rig, &d);
		unsigned want = rows[i].flags | DNS_RD | (v == BAL_FORWARD ? 0 : (unsigned)DNS_QR);
		struct dns_edns e;
		assert_int_equal(dns_edns(&e, d.data, d.len, 12 + 13 + 4), 0);
		if (v != rows[i].verdict || dns_flags(d.data) != want ||
		    dns_ancount(d.data) != rows[i].answers ||
		    dns_arcount(d.data) != rows[i].others ||
		    (e.present ? d.data[e.at + 5] : -1) != rows[i].high ||
		    (e.present && e.end != d.len))
			fail_msg("%s: %s, %04x, %u, %u", rows[i].what, bal_verdict_name(v),
			         dns_flags(d.data), dns_ancount(d.data), dns_arcount(d.data));
		rule_rig_stop(&r);
	}
}

static void records_are_of_the_type_with_the_data(void **state)
{
	static struct rule_rig r;
	struct dns_rr rr;
	size_t at = 12 + 13 + 4;

	(void)state;
	rule_rig(&r, "addAction('www.example', SpoofRawAction({'\\000', 'xyz'}, {ttl=3}))\n"
	             "addAction('c', SpoofCNAMEAction('T.example'))\n"
	             "addAction('n', NegativeAndSOAAction(true, 'Z', 7, 'm', 'r', 1, 2, 3, 4, 5))");
	struct dgram d = rule_query(&r, "www.example", 99, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_RULE_ANSWER);
	assert_int_equal(dns_rr(&rr, d.data, d.len, at), 0);
	assert_true(rr.type == 99 && rr.ttl == 3 && rr.rdlen == 1 && d.data[rr.rdata] == 0);
	assert_int_equal(dns_rr(&rr, d.data, d.len, rr.end), 0);
	assert_true(rr.type == 99 && rr.rdlen == 3 && rr.end == d.len);
	assert_memory_equal(d.data + rr.rdata, "xyz", 3);
	d = rule_query(&r, "c", DNS_A, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_RULE_ANSWER);
	assert_int_equal(dns_rr(&rr, d.data, d.len, 12 + 3 + 4), 0);
	assert_true(rr.type == DNS_CNAME && rr.ttl == 60 && rr.end == d.len);
	assert_memory_equal(d.data + rr.rdata, "\1T\7example", 11);
	d = rule_query(&r, "n", DNS_A, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_RULE_NXDOMAIN);
	assert_int_equal(dns_rr(&rr, d.data, d.len, 12 + 3 + 4), 0);
	assert_true(rr.type == DNS_SOA && rr.class == DNS_IN && rr.ttl == 7 && rr.end == d.len);
	assert_memory_equal(d.data + rr.name, "\1Z", 3);
	assert_int_equal(rr.rdlen, 3 + 3 + 20);
	assert_memory_equal(d.data + rr.rdata, "\1m\0\1r\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5",
	                    26);
	rule_rig_stop(&r);
}

static void what_has_no_room_is_truncated(void **state)
{
	static struct rule_rig r;
	struct dgram d;

	(void)state;
	rule_rig(&r, "addAction('a', SpoofRawAction(('x'):rep(600)))\n"
	             "local n = (('l'):rep(60) .. '.'):rep(4)\n"
	             "addAction('b', NegativeAndSOAAction(true, n, 7, n, n, 1, 2, 3, 4, 5))");
	d = rule_query(&r, "a", DNS_TXT, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_RULE_ANSWER);
	assert_int_equal(dns_flags(d.data), DNS_QR | DNS_RD | DNS_RA | DNS_TC);
	assert_int_equal(d.len, 12 + 3 + 4);
	d = rig_query(r.buf, 0, 1, "b", true);
	d.cap = 700;
	assert_int_equal(rig_rx(&r.rig, &d), BAL_RULE_NXDOMAIN);
	assert_int_equal(dns_flags(d.data), DNS_QR | DNS_RD | DNS_RA | DNS_TC | DNS_NXDOMAIN);
	assert_int_equal(dns_arcount(d.data), 1);
	rule_rig_stop(&r);
}

/* Rules about a query for "a", and what becomes of it. */
static const struct {
	const char *what, *rules;
	enum bal_verdict verdict;
	unsigned flags, answers;
	int server;                  /* of a query that is sent on */
} ways[] = {
	{ "the pool stays chosen", "addAction('a', ContinueAction(PoolAction('abuse')))",
	  BAL_FORWARD, DNS_RD, 0, 1 },
	{ "and later rules are looked at", "addAction('a', ContinueAction(PoolAction('abuse'))) "
	  "addAction('a', RCodeAction(5))", BAL_RULE_REFUSED, DNS_QR | DNS_RD | DNS_RA | 5, 0, -1 },
	{ "a drop isn't one", "addAction('a', ContinueAction(DropAction()))", BAL_FORWARD, DNS_RD,
	  0, 0 },
	{ "what is above a limit isn't dropped", "addAction('a', ContinueAction(QPSAction(0)))",
	  BAL_FORWARD, DNS_RD, 0, 0 },
	{ "an answer stays", "addAction('a', ContinueAction(RCodeAction(3)))", BAL_RULE_NXDOMAIN,
	  DNS_QR | DNS_RD | DNS_RA | 3, 0, -1 },
	{ "with its records", "addAction('a', ContinueAction(SpoofAction('192.0.2.1'))) "
	  "addAction('a', AllowAction())", BAL_RULE_ANSWER, DNS_QR | DNS_RD | DNS_RA, 1, -1 },
	{ "unless a later rule says otherwise", "addAction('a', ContinueAction(SpoofAction("
	  "'192.0.2.1'))) addAction('a', RCodeAction(5))", BAL_RULE_REFUSED,
	  DNS_QR | DNS_RD | DNS_RA | 5, 0, -1 },
	{ "or drops it", "addAction('a', ContinueAction(SpoofAction('192.0.2.1'))) "
	  "addAction('a', DropAction())", BAL_RULE_DROP, DNS_QR | DNS_RD | DNS_RA, 1, -1 },
	{ "later selectors see the answer", "addAction('a', ContinueAction(SpoofAction("
	  "'192.0.2.1'))) addAction(AndRule{RecordsTypeCountRule(1, 1, 1, 1), "
	  "NotRule(TrailingDataRule())}, DropAction())", BAL_RULE_DROP,
	  DNS_QR | DNS_RD | DNS_RA, 1, -1 },
	{ "a function's too", "addAction('a', ContinueAction(LuaAction(function(dq) "
	  "return DNSAction.Pool, 'abuse' end))) addAction('b', DropAction())", BAL_FORWARD, DNS_RD,
	  0, 1 },
};

static void a_rule_that_goes_on_changes_what_it_changes(void **state)
{
	static struct rule_rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		rule_rig(&r, ways[i].rules);
		struct dgram d = rule_query(&r, "a", DNS_A, 0);
		enum bal_verdict v = rig_rx(&r.rig, &d);
		int server = v == BAL_FORWARD ? (int)bal_port_server(r.rig.b, d.port) : -1;
		if (v != ways[i].verdict || dns_flags(d.data) != ways[i].flags ||
		    dns_ancount(d.data) != ways[i].answers || server != ways[i].server)
			fail_msg("%s: %s, %04x, %u, server %d", ways[i].what, bal_verdict_name(v),
			         dns_flags(d.data), dns_ancount(d.data), server);
		rule_rig_stop(&r);
	}
}

/* Asks; a server answers with rcode and a record. */
static enum bal_verdict round_trip(struct rule_rig *r, const char *name, unsigned rcode)
{
	struct dgram d = rule_query(r, name, DNS_A, 0);
	enum bal_verdict v = rig_rx(&r->rig, &d);

	if (v != BAL_FORWARD)
		return v;
	rig_turn(&d, rcode);
	rig_record(&d, 3600);
	return rig_rx(&r->rig, &d);
}

static void failures_are_kept_as_long_as_a_rule_says(void **state)
{
	static const struct { const char *name; unsigned rcode; int s; } all[] = {
		{ "x", DNS_SERVFAIL, 60 }, { "long", DNS_SERVFAIL, 300 },
		{ "long", DNS_NOERROR, 3600 }, { "never", DNS_REFUSED, 0 },
		{ "lua", DNS_REFUSED, 7 }, { "back", DNS_SERVFAIL, 60 },
	};
	static struct rule_rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		rule_rig(&r, "getPool(''):setCache(newPacketCache(100))\n"
		             "addAction('long', SetTempFailureCacheTTLAction(300))\n"
		             "addAction('never', TempFailureCacheTTLAction(0))\n"
		             "addAction({'lua', 'back'}, LuaAction(function(dq) "
		             "assert(dq.tempFailureTTL == nil) dq.tempFailureTTL = 7 "
		             "assert(dq.tempFailureTTL == 7) return DNSAction.None end))\n"
		             "addAction('back', LuaAction(function(dq) dq.tempFailureTTL = nil "
		             "return DNSAction.None end))\n");
		assert_int_equal(round_trip(&r, "other", DNS_NOERROR), BAL_ANSWER);
		assert_int_equal(round_trip(&r, all[i].name, all[i].rcode), BAL_ANSWER);
		r.rig.now_ns += all[i].s * INT64_C(1000000000) - 1;
		if (all[i].s > 0)
			assert_int_equal(round_trip(&r, all[i].name, all[i].rcode), BAL_CACHE_HIT);
		r.rig.now_ns += 1;
		assert_int_equal(round_trip(&r, all[i].name, all[i].rcode), BAL_ANSWER);
		rule_rig_stop(&r);
	}
}

static void a_rule_keeps_an_answer_out_of_the_cache(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "getPool(''):setCache(newPacketCache(100))\n"
	             "addResponseAction('a', SetSkipCacheResponseAction())");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(round_trip(&r, "a", 0), BAL_ANSWER);
	assert_int_equal(round_trip(&r, "b", 0), BAL_ANSWER);
	assert_int_equal(round_trip(&r, "b", 0), BAL_CACHE_HIT);
	rule_rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions_answer_what_they_say),
		cmocka_unit_test(records_are_of_the_type_with_the_data),
		cmocka_unit_test(what_has_no_room_is_truncated),
		cmocka_unit_test(a_rule_that_goes_on_changes_what_it_changes),
		cmocka_unit_test(failures_are_kept_as_long_as_a_rule_says),
		cmocka_unit_test(a_rule_keeps_an_answer_out_of_the_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
