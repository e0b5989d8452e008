/* SPDX-License-Identifier: BSD-3-Clause */
/* Which queries selectors match, and what actions make of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/rule_rig.h"

struct row {
	const char *rule;            /* selector of a DropAction */
	const char *name;
	uint16_t type;
	unsigned flags;
	bool matches;
};

static const struct row rows[] = {
	{ "AllRule()", "a.example", DNS_A, 0, true },
	{ "QNameRule('www.example')", "WWW.Example", DNS_A, 0, true },
	{ "QNameRule('www.example')", "a.www.example", DNS_A, 0, false },
	{ "QNameRule('www.example')", "example", DNS_A, 0, false },
	{ "QNameRule('.')", ".", DNS_NS, 0, true },
	{ "QNameRule('.')", "a", DNS_NS, 0, false },
	{ "'example'", "example", DNS_A, 0, true },
	{ "'example'", "A.B.Example", DNS_A, 0, true },
	{ "'example'", "anexample", DNS_A, 0, false },
	{ "'example'", "example.org", DNS_A, 0, false },
	{ "{'x.org', 'example'}", "www.example", DNS_A, 0, true },
	{ "'.'", "www.example", DNS_A, 0, true },
	{ "makeRule('example')", "www.example", DNS_A, 0, true },
	{ "SuffixMatchNodeRule((function() s = newSuffixMatchNode() s:add({'b', 'c.d'}) "
	  "return s end)())", "a.c.d", DNS_A, 0, true },
	{ "SuffixMatchNodeRule((function() s = newSuffixMatchNode() s:add('c.d') return s end)())",
	  "d", DNS_A, 0, false },
	{ "QNameSuffixRule({'b', 'c'})", "a.c", DNS_A, 0, true },
	{ "QNameSetRule((function() s = newDNSNameSet() s:add('c.d') return s end)())", "c.d",
	  DNS_A, 0, true },
	{ "QNameSetRule((function() s = newDNSNameSet() s:add('c.d') return s end)())", "a.c.d",
	  DNS_A, 0, false },
	{ "RegexRule('^[0-9]{3,}\\\\.')", "1234.example", DNS_A, 0, true },
	{ "RegexRule('^[0-9]{3,}\\\\.')", "12.example", DNS_A, 0, false },
	{ "RegexRule('EXAMPLE$')", "www.example", DNS_A, 0, true },
	{ "QTypeRule(DNSQType.ANY)", "a", DNS_ANY, 0, true },
	{ "QTypeRule('any')", "a", DNS_ANY, 0, true },
	{ "QTypeRule(255)", "a", DNS_A, 0, false },
	{ "QClassRule(DNSClass.IN)", "a", DNS_A, 0, true },
	{ "QClassRule(DNSClass.CHAOS)", "a", DNS_A, 0, false },
	{ "OpcodeRule(DNSOpcode.Query)", "a", DNS_A, 0, true },
	{ "OpcodeRule(DNSOpcode.Notify)", "a", DNS_A, 4 << 11, true },
	{ "OpcodeRule(DNSOpcode.Update)", "a", DNS_A, 4 << 11, false },
	{ "RCodeRule(DNSRCode.REFUSED)", "a", DNS_A, DNS_REFUSED, true },
	{ "RCodeRule(DNSRCode.REFUSED)", "a", DNS_A, 0, false },
	{ "RDRule()", "a", DNS_A, 0, true },
	{ "NotRule(RDRule())", "a", DNS_A, 0, false },
	{ "TCPRule(false)", "a", DNS_A, 0, true },
	{ "TCPRule(true)", "a", DNS_A, 0, false },
	{ "'192.160.102.0/24'", "a", DNS_A, 0, true },
	{ "'192.160.102.128'", "a", DNS_A, 0, true },
	{ "'192.160.102.129'", "a", DNS_A, 0, false },
	{ "{'10.0.0.0/8', '192.160.0.0/16'}", "a", DNS_A, 0, true },
	{ "'::/0'", "a", DNS_A, 0, false },
	{ "'0.0.0.0/0'", "a", DNS_A, 0, true },
	{ "NetmaskGroupRule((function() n = newNMG() n:addMask('192.160.0.0/16') return n end)())",
	  "a", DNS_A, 0, true },
	{ "NetmaskGroupRule((function() n = newNMG() n:addMasks({'192.160.0.0/16', "
	  "'!192.160.102.128/25'}) return n end)())", "a", DNS_A, 0, false },
	{ "NetmaskGroupRule((function() n = newNMG() n:addMask('192.160.102.2') return n end)(), "
	  "false)", "a", DNS_A, 0, true },
	{ "ProbaRule(1)", "a", DNS_A, 0, true },
	{ "ProbaRule(0)", "a", DNS_A, 0, false },
	{ "PoolAvailableRule('abuse')", "a", DNS_A, 0, true },
	{ "PoolAvailableRule('empty')", "a", DNS_A, 0, false },
	{ "DNSSECRule()", "a", DNS_A, 0, false },
	{ "DNSSECRule()", "a", DNS_A, DNS_CD, true },
	{ "AndRule{}", "a", DNS_A, 0, true },
	{ "OrRule{}", "a", DNS_A, 0, false },
	{ "AndRule{QTypeRule(1), 'is no selector' and RDRule()}", "a", DNS_A, 0, true },
	{ "AndRule{QTypeRule(1), TCPRule(true)}", "a", DNS_A, 0, false },
	{ "OrRule{QTypeRule(2), TCPRule(false)}", "a", DNS_A, 0, true },
	{ "OrRule{QTypeRule(2), AndRule{RDRule(), NotRule(TCPRule(true))}}", "a", DNS_A, 0, true },
	{ "NotRule(AndRule{RDRule(), OrRule{QTypeRule(2), QTypeRule(1)}})", "a", DNS_A, 0, false },
	{ "NotRule(OrRule{AndRule{RDRule(), QTypeRule(2)}, TCPRule(true)})", "a", DNS_A, 0, true },
};

static void selectors_match_what_they_say(void **state)
{
	static struct rule_rig r;
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text), "addAction(%s, DropAction())", rows[i].rule);
		rule_rig(&r, text);
		struct dgram d = rule_query(&r, rows[i].name, rows[i].type, rows[i].flags);
		enum bal_verdict v = rig_rx(&r.rig, &d);
		if (v != (rows[i].matches ? BAL_RULE_DROP : BAL_FORWARD))
			fail_msg("%s on %s: %s", rows[i].rule, rows[i].name, bal_verdict_name(v));
		assert_int_equal(bal_matches(r.rig.b, BAL_QUERIES, 0), rows[i].matches);
		rule_rig_stop(&r);
	}
}

static void dnssec_is_also_asked_for_by_do(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "addAction(DNSSECRule(), DropAction())");
	struct dgram d = rig_query(r.buf, 0, 1, "a", true);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
	d = rig_query(r.buf, 0, 2, "a", true);
	d.data[d.len - 4] |= 0x80; /* DO, of the OPT record's TTL */
	assert_int_equal(rig_rx(&r.rig, &d), BAL_RULE_DROP);
	rule_rig_stop(&r);
}

/* A query with EDNS and the answer to it. */
static struct dgram answered(struct rule_rig *r, const char *rule, uint16_t type,
                             enum bal_verdict want)
{
	rule_rig(r, rule);
	struct dgram d = rig_query(r->buf, 3, 99, "www.example", true);
	size_t end = DNS_HEADER + 13;
	dns_put16(d.data + end, type);
	enum bal_verdict v = rig_rx(&r->rig, &d);
	if (v != want)
		fail_msg("%s: %s", rule, bal_verdict_name(v));
	assert_int_equal(d.port, 0);
	assert_int_equal(dns_id(d.data), 99);
	assert_int_equal(dns_qdcount(d.data), 1);
	assert_int_equal(dns_arcount(d.data), 1);
	return d;
}

static void rcodes_are_answered_with_the_question_and_edns(void **state)
{
	static const struct { const char *rule; unsigned flags; enum bal_verdict v; } all[] = {
		{ "addAction(AllRule(), RCodeAction(DNSRCode.NXDOMAIN))",
		  DNS_QR | DNS_RD | DNS_RA | DNS_NXDOMAIN, BAL_RULE_NXDOMAIN },
		{ "addAction(AllRule(), RCodeAction(DNSRCode.REFUSED, {ra=false, aa=true}))",
		  DNS_QR | DNS_RD | DNS_AA | DNS_REFUSED, BAL_RULE_REFUSED },
		{ "addAction(AllRule(), RCodeAction(DNSRCode.SERVFAIL, {ad=true}))",
		  DNS_QR | DNS_RD | DNS_RA | DNS_AD | DNS_SERVFAIL, BAL_RULE_SERVFAIL },
		{ "addAction(AllRule(), RCodeAction(DNSRCode.NOERROR))",
		  DNS_QR | DNS_RD | DNS_RA, BAL_RULE_ANSWER },
		{ "addAction(AllRule(), TCAction())", DNS_QR | DNS_RD | DNS_RA | DNS_TC,
		  BAL_RULE_TRUNCATED },
	};
	static struct rule_rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct dgram d = answered(&r, all[i].rule, DNS_A, all[i].v);
		assert_int_equal(dns_flags(d.data), all[i].flags);
		assert_int_equal(dns_ancount(d.data), 0);
		assert_int_equal(d.len, DNS_HEADER + 13 + 4 + 11);
		rule_rig_stop(&r);
	}
}

static void addresses_are_answered_by_type(void **state)
{
	static const char rule[] =
		"addAction(AllRule(), SpoofAction({'192.0.2.1', '2001:db8::1', '192.0.2.2'}, "
		"{ttl=7}))";
	static const struct { uint16_t type; unsigned n; } all[] = {
		{ DNS_A, 2 }, { DNS_AAAA, 1 }, { DNS_ANY, 3 },
	};
	static struct rule_rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct dgram d = answered(&r, rule, all[i].type, BAL_RULE_ANSWER);
		struct dns_rr rr;
		size_t at = DNS_HEADER + 13 + 4;
		assert_int_equal(dns_ancount(d.data), all[i].n);
		for (unsigned k = 0; k < all[i].n; k++, at = rr.end) {
			assert_int_equal(dns_rr(&rr, d.data, d.len, at), 0);
			assert_int_equal(rr.ttl, 7);
			assert_int_equal(rr.rdlen, rr.type == DNS_A ? 4 : 16);
			assert_true(all[i].type == DNS_ANY || rr.type == all[i].type);
		}
		assert_int_equal(d.data[at + 2], DNS_OPT);
		rule_rig_stop(&r);
	}
	rule_rig(&r, rule);
	assert_int_equal(rule_ask(&r, "a", DNS_TXT), BAL_FORWARD); /* no address of that type */
	rule_rig_stop(&r);
}

static void what_does_not_fit_the_client_is_truncated(void **state)
{
	static struct rule_rig r;
	struct dgram d;

	(void)state;
	rule_rig(&r, "t = {} for i = 1, 64 do t[i] = '2001:db8::' .. i end\n"
	             "addAction(AllRule(), SpoofAction(t))");
	d = rule_query(&r, "www.example", DNS_AAAA, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_RULE_ANSWER);
	assert_true((dns_flags(d.data) & DNS_TC) != 0);
	assert_int_equal(dns_ancount(d.data), 0);
	assert_int_equal(d.len, DNS_HEADER + 13 + 4);
	rule_rig_stop(&r);
}

static unsigned server_of(struct rule_rig *r, const char *name)
{
	struct dgram d = rule_query(r, name, DNS_A, 0);

	assert_int_equal(rig_rx(&r->rig, &d), BAL_FORWARD);
	return bal_port_server(r->rig.b, d.port);
}

static void pools_get_what_is_sent_to_them(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "addAction('bad', PoolAction('abuse')) addAction('bad', DropAction())\n"
	             "addAction('none', PoolAction('empty'))\n"
	             "addAction('two', QPSPoolAction(2, 'abuse'))\n");
	assert_int_equal(server_of(&r, "x.bad"), 1);
	assert_int_equal(server_of(&r, "good"), 0);
	assert_int_equal(rule_ask(&r, "none", DNS_A), BAL_DROP_NO_SERVER);
	assert_int_equal(server_of(&r, "two"), 1);
	assert_int_equal(server_of(&r, "two"), 1);
	assert_int_equal(server_of(&r, "two"), 0); /* above that: the rules go on, and end */
	rule_rig_stop(&r);
}

static void the_first_that_ends_the_chain_counts(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "addAction('a', AllowAction()) addAction('a', DropAction())\n"
	             "addAction('b', NoneAction()) addAction('b', DropAction())\n"
	             "addAction('c', SetSkipCacheAction()) addAction('c', DelayAction(1))\n"
	             "addAction('c', RCodeAction(5))");
	assert_int_equal(rule_ask(&r, "a", DNS_A), BAL_FORWARD);
	assert_int_equal(rule_ask(&r, "b", DNS_A), BAL_RULE_DROP);
	assert_int_equal(rule_ask(&r, "c", DNS_A), BAL_DELAYED);
	assert_int_equal(bal_count(r.rig.b, BAL_RULE_REFUSED), 1);
	assert_int_equal(bal_matches(r.rig.b, BAL_QUERIES, 1), 0);
	assert_int_equal(bal_matches(r.rig.b, BAL_QUERIES, 6), 1);
	rule_rig_stop(&r);
}

static void rd_is_taken_from_the_server_and_given_back_to_the_client(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "addAction(AllRule(), SetNoRecurseAction())");
	struct dgram d = rule_query(&r, "a", DNS_A, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
	assert_true((dns_flags(d.data) & DNS_RD) == 0);
	rig_turn(&d, DNS_NOERROR);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_ANSWER);
	assert_true((dns_flags(d.data) & DNS_RD) != 0);
	rule_rig_stop(&r);
}

/* Asks, and lets the server answer with a record. */
static enum bal_verdict round_trip(struct rule_rig *r, const char *name, unsigned rcode)
{
	struct dgram d = rule_query(r, name, DNS_A, 0);
	enum bal_verdict v = rig_rx(&r->rig, &d);

	if (v != BAL_FORWARD)
		return v;
	rig_turn(&d, rcode);
	if (rcode == 0)
		rig_record(&d, 60);
	return rig_rx(&r->rig, &d);
}

static void a_query_may_be_kept_from_the_cache_and_pools_have_their_own(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "getPool(''):setCache(newPacketCache(100))\n"
	             "addAction('b', PoolAction('abuse'))\n"
	             "getPool('abuse'):setCache(newPacketCache(100, {maxTTL=0}))\n"
	             "addAction('skip', SetSkipCacheAction())");
	assert_int_equal(round_trip(&r, "a", 0), BAL_ANSWER);
	assert_int_equal(round_trip(&r, "a", 0), BAL_CACHE_HIT);
	assert_int_equal(round_trip(&r, "b", 0), BAL_ANSWER);
	assert_int_equal(round_trip(&r, "b", 0), BAL_ANSWER);
	assert_int_equal(round_trip(&r, "skip", 0), BAL_ANSWER);
	assert_int_equal(round_trip(&r, "skip", 0), BAL_ANSWER);
	assert_int_equal(bal_pool_counts(r.rig.b, 0).hits, 1);
	assert_int_equal(bal_pool_counts(r.rig.b, 0).misses, 1);
	assert_int_equal(bal_pool_counts(r.rig.b, 1).misses, 2);
	rule_rig_stop(&r);
}

static void rules_about_answers_drop_hits_and_own_ones_apart(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "getPool(''):setCache(newPacketCache(100))\n"
	             "addResponseAction(RCodeRule(DNSRCode.SERVFAIL), DropResponseAction())\n"
	             "addCacheHitResponseAction(QNameRule('hit'), DropResponseAction())\n"
	             "addSelfAnsweredResponseAction(RCodeRule(5), DropResponseAction())\n"
	             "addAction('own', RCodeAction(5)) addAction('nx', RCodeAction(3))");
	assert_int_equal(round_trip(&r, "a", DNS_SERVFAIL), BAL_ANSWER_DROP);
	assert_int_equal(round_trip(&r, "a", DNS_SERVFAIL), BAL_ANSWER_DROP); /* not cached */
	assert_int_equal(round_trip(&r, "hit", 0), BAL_ANSWER);
	assert_int_equal(round_trip(&r, "hit", 0), BAL_RULE_DROP);
	assert_int_equal(rule_ask(&r, "own", DNS_A), BAL_RULE_DROP);
	assert_int_equal(rule_ask(&r, "nx", DNS_A), BAL_RULE_NXDOMAIN);
	assert_int_equal(bal_matches(r.rig.b, BAL_ANSWERS, 0), 2);
	assert_int_equal(bal_matches(r.rig.b, BAL_HITS, 0), 1);
	assert_int_equal(bal_matches(r.rig.b, BAL_OWN, 0), 1);
	assert_int_equal(bal_outstanding(r.rig.b), 0);
	rule_rig_stop(&r);
}

static void what_is_logged_waits_in_a_ring_that_is_bounded(void **state)
{
	static struct rule_rig r;
	struct bal_logged e;

	(void)state;
	rule_rig(&r, "addAction('a', LogAction('/x', false)) addAction('a', RCodeAction(3))\n"
	             "addSelfAnsweredResponseAction('a', LogResponseAction('/y'))");
	assert_false(bal_next_logged(r.rig.b, &e));
	assert_int_equal(rule_ask(&r, "www.a", DNS_AAAA), BAL_RULE_NXDOMAIN);
	assert_true(bal_next_logged(r.rig.b, &e));
	assert_true(e.log == 0 && e.id == 77 && e.type == DNS_AAAA && e.rcode == -1);
	assert_memory_equal(e.name, "\3www\1a", 7);
	assert_int_equal(e.client.port, rig_client(0).port);
	assert_true(bal_next_logged(r.rig.b, &e));
	assert_true(e.log == 1 && e.id == 77 && e.rcode == DNS_NXDOMAIN);
	for (unsigned i = 0; i < BAL_LOGGED_MAX; i++)
		rule_ask(&r, "a", DNS_A);
	assert_int_equal(bal_not_logged(r.rig.b), BAL_LOGGED_MAX);
	for (unsigned i = 0; i < BAL_LOGGED_MAX; i++)
		assert_true(bal_next_logged(r.rig.b, &e));
	assert_false(bal_next_logged(r.rig.b, &e));
	rule_rig_stop(&r);
}

static void chance_is_a_stream_of_the_seed(void **state)
{
	static struct rule_rig r;
	unsigned dropped[2] = { 0, 0 };

	(void)state;
	for (unsigned run = 0; run < 2; run++) {
		rule_rig(&r, "addAction(ProbaRule(0.25), DropAction())");
		for (unsigned i = 0; i < 4000; i++)
			dropped[run] += rule_ask(&r, "a", DNS_A) == BAL_RULE_DROP;
		rule_rig_stop(&r);
	}
	assert_int_equal(dropped[0], dropped[1]);
	assert_in_range(dropped[0], 863, 1137); /* 1,000 and 5 sigma of 27 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selectors_match_what_they_say),
		cmocka_unit_test(dnssec_is_also_asked_for_by_do),
		cmocka_unit_test(rcodes_are_answered_with_the_question_and_edns),
		cmocka_unit_test(addresses_are_answered_by_type),
		cmocka_unit_test(what_does_not_fit_the_client_is_truncated),
		cmocka_unit_test(pools_get_what_is_sent_to_them),
		cmocka_unit_test(the_first_that_ends_the_chain_counts),
		cmocka_unit_test(rd_is_taken_from_the_server_and_given_back_to_the_client),
		cmocka_unit_test(a_query_may_be_kept_from_the_cache_and_pools_have_their_own),
		cmocka_unit_test(rules_about_answers_drop_hits_and_own_ones_apart),
		cmocka_unit_test(what_is_logged_waits_in_a_ring_that_is_bounded),
		cmocka_unit_test(chance_is_a_stream_of_the_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
