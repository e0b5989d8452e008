/* SPDX-License-Identifier: BSD-3-Clause */
/* What rules' own functions decide: LuaRule, LuaAction, LuaResponseAction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/rule_rig.h"

enum { OWN = DNS_QR | DNS_RD, RA = DNS_RA };

/* One LuaAction, and DropAction for all behind it: FORWARD tells that it ended the chain. */
static const struct row {
	const char *what, *body;     /* of function(dq) */
	uint16_t type;
	enum bal_verdict verdict;
	unsigned flags;              /* of what is answered or sent on */
	unsigned records;
	const char *error;           /* of the call; "": it is none */
} rows[] = {
	{ "Allow ends", "return DNSAction.Allow", DNS_A, BAL_FORWARD, DNS_RD, 0, "" },
	{ "a text behind is allowed", "return DNSAction.Allow, ''", DNS_A, BAL_FORWARD, DNS_RD, 0,
	  "" },
	{ "None goes on", "return DNSAction.None", DNS_A, BAL_RULE_DROP, DNS_RD, 0, "" },
	{ "NoOp goes on", "return DNSAction.NoOp", DNS_A, BAL_RULE_DROP, DNS_RD, 0, "" },
	{ "HeaderModify ends", "return DNSAction.HeaderModify", DNS_A, BAL_FORWARD, DNS_RD, 0, "" },
	{ "Drop", "return DNSAction.Drop", DNS_A, BAL_RULE_DROP, DNS_RD, 0, "" },
	{ "Nxdomain", "return DNSAction.Nxdomain", DNS_A, BAL_RULE_NXDOMAIN, OWN | DNS_NXDOMAIN, 0,
	  "" },
	{ "Refused", "return DNSAction.Refused", DNS_A, BAL_RULE_REFUSED, OWN | DNS_REFUSED, 0,
	  "" },
	{ "ServFail", "return DNSAction.ServFail", DNS_A, BAL_RULE_SERVFAIL, OWN | DNS_SERVFAIL, 0,
	  "" },
	{ "Truncate", "return DNSAction.Truncate", DNS_A, BAL_RULE_TRUNCATED, OWN | RA | DNS_TC, 0,
	  "" },
	{ "NoRecurse ends", "return DNSAction.NoRecurse", DNS_A, BAL_FORWARD, 0, 0, "" },
	{ "Pool ends", "return DNSAction.Pool, 'abuse'", DNS_A, BAL_FORWARD, DNS_RD, 0, "" },
	{ "a pool that isn't there", "return DNSAction.Pool, 'none'", DNS_A, BAL_RULE_SERVFAIL,
	  OWN | DNS_SERVFAIL, 0,
	  "f.conf:4: DNSAction.Pool: 'none': there is no such pool" },
	{ "Delay goes on", "return DNSAction.Delay, '5'", DNS_A, BAL_RULE_DROP, DNS_RD, 0, "" },
	{ "no delay", "return DNSAction.Delay, 'x'", DNS_A, BAL_RULE_SERVFAIL,
	  OWN | DNS_SERVFAIL, 0, "f.conf:4: a delay in milliseconds: 'x': expected a whole number "
	  "from 0 to 3600000" },
	{ "an address", "return DNSAction.Spoof, '192.0.2.9'", DNS_A, BAL_RULE_ANSWER, OWN | RA, 1,
	  "" },
	{ "addresses", "return DNSAction.Spoof, '192.0.2.9, 192.0.2.10,x,2001:db8::1'", DNS_A,
	  BAL_RULE_ANSWER, OWN | RA, 2, "" },
	{ "addresses of another type", "return DNSAction.Spoof, '192.0.2.9'", DNS_TXT, BAL_FORWARD,
	  DNS_RD, 0, "" },
	{ "a name", "return DNSAction.Spoof, 'target.example'", DNS_TXT, BAL_RULE_ANSWER, OWN | RA,
	  1, "" },
	{ "no name", "return DNSAction.Spoof, 'a..b'", DNS_A, BAL_RULE_SERVFAIL,
	  OWN | DNS_SERVFAIL, 0, "f.conf:4: DNSAction.Spoof: 'a..b': expected addresses or a name"
	},
	{ "nothing to spoof", "return DNSAction.Spoof", DNS_A, BAL_FORWARD, DNS_RD, 0, "" },
	{ "raw data", "return DNSAction.SpoofRaw, '\\\\003abc,\\\\001\\\\000'", DNS_TXT,
	  BAL_RULE_ANSWER, OWN | RA, 2, "" },
	{ "raw data for no type", "return DNSAction.SpoofRaw, 'abc'", DNS_ANY, BAL_FORWARD, DNS_RD,
	  0, "" },
	{ "too much raw data", "return DNSAction.SpoofRaw, ('x'):rep(5000)", DNS_TXT,
	  BAL_RULE_SERVFAIL, OWN | DNS_SERVFAIL, 0, "f.conf:4: a rule's function returned more "
	  "than 64 records, or 4096 bytes of them" },
	{ "flags of the query", "dq.dh:setRD(false) dq.dh:setCD(true) dq.dh:setAD(true) "
	  "return DNSAction.HeaderModify", DNS_A, BAL_FORWARD, DNS_CD | DNS_AD, 0, "" },
	{ "an answer out of a query", "dq.dh:setQR(true) dq.dh:setAA(true) dq.rcode = 9 "
	  "return DNSAction.HeaderModify", DNS_A, BAL_RULE_ANSWER, OWN | DNS_AA | 9, 0, "" },
	{ "the same, with Allow", "dq.dh:setQR(true) dq.dh:setRA(true) dq.rcode = DNSRCode.REFUSED "
	  "return DNSAction.Allow", DNS_A, BAL_RULE_REFUSED, OWN | RA | DNS_REFUSED, 0, "" },
	{ "flags of what is refused", "dq.dh:setAA(true) dq.dh:setTC(true) return "
	  "DNSAction.Nxdomain", DNS_A, BAL_RULE_NXDOMAIN, OWN | DNS_AA | DNS_TC | DNS_NXDOMAIN, 0,
	  "" },
	{ "RD and CD are the client's again", "dq.dh:setRD(false) dq.dh:setCD(true) return "
	  "DNSAction.Refused", DNS_A, BAL_RULE_REFUSED, OWN | DNS_REFUSED, 0, "" },
	{ "what is seen", "assert(dq.qname:toString() == 'www.example.' and dq.qtype == DNSQType.A "
	  "and dq.remoteaddr:toString() == '192.160.102.128' and dq.dh:getRD() and not "
	  "dq.skipCache and dq.len == 29 and not dq.tcp and dq.rcode == 0) dq.skipCache = true "
	  "assert(dq.skipCache) return DNSAction.Allow", DNS_A, BAL_FORWARD, DNS_RD, 0, "" },
	{ "an error", "error('oh') return DNSAction.Allow", DNS_A, BAL_RULE_SERVFAIL,
	  OWN | DNS_SERVFAIL, 0, "f.conf:4: oh" },
	{ "no end", "while true do end", DNS_A, BAL_RULE_SERVFAIL, OWN | DNS_SERVFAIL, 0,
	  "f.conf:4: the function takes too long: more than 100000 steps" },
	{ "nothing", "", DNS_A, BAL_RULE_SERVFAIL, OWN | DNS_SERVFAIL, 0,
	  "f.conf:4: a rule's function returned 'nil': expected one of DNSAction" },
	{ "a number without a meaning", "return 14", DNS_A, BAL_RULE_SERVFAIL, OWN | DNS_SERVFAIL,
	  0, "f.conf:4: a rule's function returned '14': expected one of DNSAction" },
	{ "what a failed function did to the query is gone", "dq.dh:setAA(true) error('x')", DNS_A,
	  BAL_RULE_SERVFAIL, OWN | DNS_SERVFAIL, 0, "f.conf:4: x" },
};

static void an_action_does_what_its_function_says(void **state)
{
	static struct rule_rig r;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *w = &rows[i];
		snprintf(text, sizeof(text), "addAction(AllRule(), LuaAction(function(dq) %s end)) "
		         "addAction(AllRule(), DropAction())", w->body);
		rule_rig(&r, text);
		struct dgram d = rule_query(&r, "www.example", w->type, 0);
		enum bal_verdict v = rig_rx(&r.rig, &d);
		if (v != w->verdict || dns_flags(d.data) != w->flags ||
		    dns_ancount(d.data) != (d.port == 0 ? w->records : 0) ||
		    strcmp(script_error(r.script), w->error) != 0 ||
		    bal_counts(r.rig.b)->rules_failed != (w->error[0] != '\0'))
			fail_msg("%s: %s, %04x, %u records, '%s'", w->what, bal_verdict_name(v),
			         dns_flags(d.data), dns_ancount(d.data), script_error(r.script));
		rule_rig_stop(&r);
	}
}

static void spoofed_records_have_the_data_and_the_type(void **state)
{
	static const struct { const char *body; uint16_t type; size_t len; const char *data; }
	all[] = {
		{ "return DNSAction.Spoof, 'T.example.'", DNS_CNAME, 11, "\1T\7example" },
		{ "return DNSAction.SpoofRaw, '\\000\\002ab'", DNS_TXT, 4, "\0\2ab" },
	};
	static struct rule_rig r;
	struct dns_rr rr;
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		snprintf(text, sizeof(text), "addAction(AllRule(), LuaAction(function(dq) %s end))",
		         all[i].body);
		rule_rig(&r, text);
		struct dgram d = rig_query(r.buf, 0, 1, "www.example", true);
		dns_put16(d.data + 12 + 13, DNS_TXT);
		assert_int_equal(rig_rx(&r.rig, &d), BAL_RULE_ANSWER);
		assert_int_equal(dns_rr(&rr, d.data, d.len, 12 + 13 + 4), 0);
		assert_true(rr.type == all[i].type && rr.class == DNS_IN && rr.ttl == 60);
		assert_int_equal(rr.rdlen, all[i].len);
		assert_memory_equal(d.data + rr.rdata, all[i].data, all[i].len);
		assert_int_equal(dns_arcount(d.data), 1); /* the query's EDNS */
		assert_int_equal(d.len, rr.end + 11);
		rule_rig_stop(&r);
	}
}

static void a_selector_matches_as_its_function_says(void **state)
{
	static const struct { const char *what, *body; bool matches; const char *error; } all[] = {
		{ "true", "return true", true, "" },
		{ "false", "return false", false, "" },
		{ "nothing", "", false, "" },
		{ "by name", "return dq.qname:isPartOf(newDNSName('example'))", true, "" },
		{ "an error is no match", "error('oh')", false, "f.conf:4: oh" },
		{ "it changes nothing", "dq.dh:setRD(false) return true", false,
		  "f.conf:4: this DNS header can't be changed" },
		{ "nor this", "dq.skipCache = true return true", false,
		  "f.conf:4: this DNS question can't be changed" },
	};
	static struct rule_rig r;
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		snprintf(text, sizeof(text), "addAction(AndRule{RDRule(), LuaRule(function(dq) %s "
		         "end)}, DropAction())", all[i].body);
		rule_rig(&r, text);
		enum bal_verdict v = rule_ask(&r, "www.example", DNS_A);
		if (v != (all[i].matches ? BAL_RULE_DROP : BAL_FORWARD) ||
		    strcmp(script_error(r.script), all[i].error) != 0 ||
		    bal_counts(r.rig.b)->rules_failed != (all[i].error[0] != '\0'))
			fail_msg("%s: %s, '%s'", all[i].what, bal_verdict_name(v),
			         script_error(r.script));
		rule_rig_stop(&r);
	}
}

/* Asks, and lets the server answer with a record. *d: what the client gets. */
static enum bal_verdict round_trip(struct rule_rig *r, const char *name, struct dgram *d)
{
	*d = rule_query(r, name, DNS_A, 0);
	enum bal_verdict v = rig_rx(&r->rig, d);

	if (v != BAL_FORWARD)
		return v;
	rig_turn(d, 0);
	rig_record(d, 60);
	return rig_rx(&r->rig, d);
}

static void an_answer_becomes_what_its_function_says(void **state)
{
	static const struct {
		const char *what, *body;
		enum bal_verdict verdict;
		unsigned flags;
		const char *error;
	} all[] = {
		{ "Allow ends", "return DNSResponseAction.Allow", BAL_ANSWER, OWN | RA, "" },
		{ "None goes on", "return DNSResponseAction.None", BAL_ANSWER_DROP, OWN | RA, "" },
		{ "HeaderModify ends", "dr.dh:setAA(true) return DNSResponseAction.HeaderModify",
		  BAL_ANSWER, OWN | RA | DNS_AA, "" },
		{ "Drop", "return DNSResponseAction.Drop", BAL_ANSWER_DROP, OWN | RA, "" },
		{ "ServFail", "return DNSResponseAction.ServFail", BAL_ANSWER,
		  OWN | RA | DNS_SERVFAIL, "" },
		{ "Delay goes on", "return DNSResponseAction.Delay, '7'", BAL_ANSWER_DROP,
		  OWN | RA, "" },
		{ "RD and CD are the client's again", "dr.dh:setRD(false) dr.dh:setCD(true) return "
		  "DNSResponseAction.Allow", BAL_ANSWER, OWN | RA, "" },
		{ "what is seen", "assert(dr.qname:toString() == 'www.example.' and dr.rcode == 0 "
		  "and dr.dh:getQR() and dr.dh:getID() == 77 and dr.len == 45) return "
		  "DNSResponseAction.Allow", BAL_ANSWER, OWN | RA, "" },
		{ "an error", "error('oh')", BAL_ANSWER, OWN | RA | DNS_SERVFAIL, "f.conf:4: oh" },
		{ "a query's action", "return DNSAction.Truncate", BAL_ANSWER,
		  OWN | RA | DNS_SERVFAIL, "f.conf:4: a rule's function returned '8': expected one "
		  "of DNSResponseAction" },
	};
	static struct rule_rig r;
	struct dgram d;
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		snprintf(text, sizeof(text), "addResponseAction(AllRule(), LuaResponseAction("
		         "function(dr) %s end)) addResponseAction(AllRule(), DropResponseAction())",
		         all[i].body);
		rule_rig(&r, text);
		enum bal_verdict v = round_trip(&r, "www.example", &d);
		if (v != all[i].verdict || dns_flags(d.data) != all[i].flags ||
		    strcmp(script_error(r.script), all[i].error) != 0)
			fail_msg("%s: %s, %04x, '%s'", all[i].what, bal_verdict_name(v),
			         dns_flags(d.data), script_error(r.script));
		rule_rig_stop(&r);
	}
}

static void hits_and_own_answers_have_functions_of_their_own(void **state)
{
	static struct rule_rig r;
	struct dgram d;

	(void)state;
	rule_rig(&r, "getPool(''):setCache(newPacketCache(100))\n"
	             "addAction('own', RCodeAction(5))\n"
	             "addCacheHitResponseAction(AllRule(), LuaResponseAction(function(dr) "
	             "dr.dh:setAA(true) return DNSResponseAction.HeaderModify end))\n"
	             "addSelfAnsweredResponseAction(LuaRule(function(dr) return dr.rcode "
	             "== 5 end), LuaResponseAction(function(dr) return DNSResponseAction.ServFail "
	             "end))\n");
	assert_int_equal(round_trip(&r, "a", &d), BAL_ANSWER);
	assert_int_equal(dns_flags(d.data), OWN | RA);
	assert_int_equal(round_trip(&r, "a", &d), BAL_CACHE_HIT);
	assert_int_equal(dns_flags(d.data), OWN | RA | DNS_AA);
	assert_int_equal(round_trip(&r, "own", &d), BAL_RULE_REFUSED);
	assert_int_equal(dns_flags(d.data), OWN | RA | DNS_SERVFAIL);
	assert_int_equal(script_failures(r.script), 0);
	rule_rig_stop(&r);
}

static void a_function_keeps_a_query_or_an_answer_from_the_cache(void **state)
{
	static struct rule_rig r;
	struct dgram d;

	(void)state;
	rule_rig(&r, "getPool(''):setCache(newPacketCache(100))\n"
	             "addAction('query', LuaAction(function(dq) dq.skipCache = true "
	             "return DNSAction.Allow end))\n"
	             "addResponseAction('answer', LuaResponseAction(function(dr) "
	             "dr.skipCache = true return DNSResponseAction.None end))\n");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(round_trip(&r, "query", &d), BAL_ANSWER);
		assert_int_equal(round_trip(&r, "answer", &d), BAL_ANSWER);
	}
	assert_int_equal(round_trip(&r, "other", &d), BAL_ANSWER);
	assert_int_equal(round_trip(&r, "other", &d), BAL_CACHE_HIT);
	rule_rig_stop(&r);
}

static void a_function_delays_and_chooses_the_pool(void **state)
{
	static struct rule_rig r;
	static uint8_t buf[4096];
	struct dgram d;

	(void)state;
	rule_rig(&r, "addAction('a', LuaAction(function(dq) return DNSAction.Delay, '30' end))\n"
	             "addAction('a', LuaAction(function(dq) return DNSAction.Pool, 'abuse' end))\n"
	             "addAction('a', DropAction())\n");
	d = rule_query(&r, "a", DNS_A, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
	assert_int_equal(bal_port_server(r.rig.b, d.port), 1);
	rig_turn(&d, 0);
	assert_int_equal(rig_rx(&r.rig, &d), BAL_DELAYED);
	d = (struct dgram){ .data = buf, .cap = sizeof(buf) };
	r.rig.now_ns += 29999999;
	assert_int_equal(bal_poll(r.rig.b, r.rig.now_ns, &d, 1), 0);
	r.rig.now_ns += 1;
	assert_int_equal(bal_poll(r.rig.b, r.rig.now_ns, &d, 1), 1);
	assert_int_equal(d.verdict, BAL_ANSWER);
	rule_rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_action_does_what_its_function_says),
		cmocka_unit_test(spoofed_records_have_the_data_and_the_type),
		cmocka_unit_test(a_selector_matches_as_its_function_says),
		cmocka_unit_test(an_answer_becomes_what_its_function_says),
		cmocka_unit_test(hits_and_own_answers_have_functions_of_their_own),
		cmocka_unit_test(a_function_keeps_a_query_or_an_answer_from_the_cache),
		cmocka_unit_test(a_function_delays_and_chooses_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
