/* SPDX-License-Identifier: BSD-3-Clause */
/* Selectors that look behind the question: records, EDNS, what follows; and at pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/rule_rig.h"

/* What stands behind a query for www.example A; the OPT record, if any, last. */
static const struct row {
	const char *what, *rule;     /* of a DropAction */
	unsigned answers, others;    /* A records in the answer and in the additional section */
	const char *edns;            /* hexadecimal: version, ercode, options; NULL: no EDNS */
	unsigned tail;               /* bytes behind */
	bool matches;
} rows[] = {
	{ "labels within", "QNameLabelsCountRule(1, 2)", 0, 0, NULL, 0, false },
	{ "too many labels", "QNameLabelsCountRule(0, 1)", 0, 0, NULL, 0, true },
	{ "too few labels", "QNameLabelsCountRule(3, 9)", 0, 0, NULL, 0, true },
	{ "bytes within", "QNameWireLengthRule(13, 13)", 0, 0, NULL, 0, false },
	{ "too many bytes", "QNameWireLengthRule(0, 12)", 0, 0, NULL, 0, true },
	{ "too few bytes", "QNameWireLengthRule(14, 255)", 0, 0, NULL, 0, true },
	{ "the question counts",
	  "RecordsCountRule(DNSSection.Question, 1, 1)", 0, 0, NULL, 0, true },
	{ "no answers", "RecordsCountRule(DNSSection.Answer, 1, 9)", 0, 0, NULL, 0, false },
	{ "two answers", "RecordsCountRule(DNSSection.Answer, 2, 2)", 2, 0, NULL, 0, true },
	{ "three answers", "RecordsCountRule(DNSSection.Answer, 2, 2)", 3, 0, NULL, 0, false },
	{ "an OPT record is one", "RecordsCountRule(DNSSection.Additional, 2, 2)", 0, 1, "0000", 0,
	  true },
	{ "nothing in the authority section", "RecordsCountRule(DNSSection.Authority, 0, 0)", 1, 1,
	  NULL, 0, true },
	{ "of a type", "RecordsTypeCountRule(DNSSection.Answer, DNSQType.A, 2, 2)", 2, 1, NULL, 0,
	  true },
	{ "of another type", "RecordsTypeCountRule(DNSSection.Answer, DNSQType.NS, 1, 2)", 2, 1,
	  NULL, 0, false },
	{ "none of another type",
	  "RecordsTypeCountRule(DNSSection.Answer, DNSQType.NS, 0, 0)", 2, 1,
	  NULL, 0, true },
	{ "behind other sections",
	  "RecordsTypeCountRule(DNSSection.Additional, DNSQType.OPT, 1, 1)",
	  1, 2, "0000", 0, true },
	{ "of the question's type",
	  "RecordsTypeCountRule(DNSSection.Question, DNSQType.A, 1, 1)", 0,
	  0, NULL, 0, true },
	{ "too few for a look", "RecordsTypeCountRule(DNSSection.Answer, DNSQType.A, 3, 9)", 2, 0,
	  NULL, 0, false },
	{ "no tail", "TrailingDataRule()", 1, 1, "0000", 0, false },
	{ "a tail", "TrailingDataRule()", 1, 1, "0000", 1, true },
	{ "a tail behind the question", "TrailingDataRule()", 0, 0, NULL, 3, true },
	{ "no EDNS has no version", "EDNSVersionRule(0)", 0, 0, NULL, 0, false },
	{ "version 0 isn't above 0", "EDNSVersionRule(0)", 0, 0, "0000", 0, false },
	{ "version 1 is", "EDNSVersionRule(0)", 0, 1, "0100", 0, true },
	{ "no EDNS has no option", "EDNSOptionRule(8)", 0, 0, NULL, 0, false },
	{ "no option", "EDNSOptionRule(8)", 0, 0, "0000", 0, false },
	{ "the option", "EDNSOptionRule(EDNSOptionCode.ECS)", 0, 0, "0000" "00080000", 0, true },
	{ "another option", "EDNSOptionRule(EDNSOptionCode.ECS)", 0, 0, "0000" "000a0001ff", 0,
	  false },
	{ "a second option", "EDNSOptionRule(8)", 1, 1, "0000" "000a000208ff" "00080000", 0, true },
	{ "what looks like one", "EDNSOptionRule(8)", 0, 0, "0000" "000a000400080000", 0, false },
	{ "an option that is cut off", "EDNSOptionRule(8)", 0, 0, "0000" "000a00ff00080000", 0,
	  false },
	{ "half an option", "EDNSOptionRule(8)", 0, 0, "0000" "0008", 0, false },
	{ "an rcode without EDNS", "ERCodeRule(DNSRCode.NOERROR)", 0, 0, NULL, 0, true },
	{ "with EDNS", "ERCodeRule(DNSRCode.BADVERS)", 0, 0, "0001", 0, true },
	{ "its lower bits alone", "ERCodeRule(DNSRCode.NOERROR)", 0, 0, "0001", 0, false },
	{ "its upper bits alone", "ERCodeRule(17)", 0, 0, "0001", 0, false },
	{ "the port that was asked", "DSTPortRule(53)", 0, 0, NULL, 0, true },
	{ "another port", "DSTPortRule(54)", 0, 0, NULL, 0, false },
};

static void put(struct dgram *d, const char *hex, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char byte[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
		d->data[d->len++] = (uint8_t)strtoul(byte, NULL, 16);
	}
}

static void put_records(struct dgram *d, unsigned n, size_t count_at)
{
	for (unsigned i = 0; i < n; i++)
		put(d, "c00c00010001000000050004c0000201", 16);
	dns_put16(d->data + count_at, (uint16_t)n);
}

/* The OPT record. */
static void put_edns(struct dgram *d, const char *hex)
{
	size_t n = strlen(hex) / 2 - 2;

	put(d, "00002904d0", 5);
	put(d, hex + 2, 1);
	put(d, hex, 1);
	put(d, "0000", 2);
	dns_put16(d->data + d->len, (uint16_t)n);
	d->len = (uint16_t)(d->len + 2);
	put(d, hex + 4, n);
	dns_put16(d->data + 10, (uint16_t)(dns_arcount(d->data) + 1));
}

static struct dgram query_of(struct rule_rig *r, const struct row *w)
{
	struct dgram d = rule_query(r, "www.example", DNS_A, 0);

	put_records(&d, w->answers, 6);
	put_records(&d, w->others, 10);
	if (w->edns != NULL)
		put_edns(&d, w->edns);
	put(&d, "000000", w->tail);
	return d;
}

static void selectors_look_behind_the_question(void **state)
{
	static struct rule_rig r;
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text), "addAction(%s, DropAction())", rows[i].rule);
		rule_rig(&r, text);
		struct dgram d = query_of(&r, &rows[i]);
		enum bal_verdict v = rig_rx(&r.rig, &d);
		if (v != (rows[i].matches ? BAL_RULE_DROP : BAL_FORWARD))
			fail_msg("%s: %s", rows[i].what, bal_verdict_name(v));
		rule_rig_stop(&r);
	}
}

static void what_cannot_be_read_matches_none_of_them(void **state)
{
	static const char *const all[] = {
		"TrailingDataRule()", "EDNSVersionRule(0)", "EDNSOptionRule(8)", "ERCodeRule(16)",
		"RecordsTypeCountRule(3, DNSQType.OPT, 1, 9)",
		"RecordsTypeCountRule(1, DNSQType.A, 2, 9)",
	};
	const struct row whole = {
		.answers = 2, .others = 1, .edns = "0101" "00080000", .tail = 2,
	};
	static struct rule_rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		char text[256];
		snprintf(text, sizeof(text), "addAction(%s, DropAction())", all[i]);
		rule_rig(&r, text);
		struct dgram d = query_of(&r, &whole);
		d.len = 29 + 16 + 9; /* in the second answer */
		assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
		d = query_of(&r, &whole);
		enum bal_verdict v = rig_rx(&r.rig, &d);
		if (v != BAL_RULE_DROP)
			fail_msg("%s: %s", all[i], bal_verdict_name(v));
		rule_rig_stop(&r);
	}
}

static void an_answer_without_a_question_is_looked_into_too(void **state)
{
	static struct rule_rig r;

	(void)state;
	rule_rig(&r, "addResponseAction(AndRule{ERCodeRule(18), EDNSOptionRule(8), "
	             "NotRule(TrailingDataRule())}, DropResponseAction())");
	for (unsigned i = 0; i < 2; i++) {
		struct dgram d = rule_query(&r, "www.example", DNS_A, 0);
		assert_int_equal(rig_rx(&r.rig, &d), BAL_FORWARD);
		rig_turn(&d, i == 0 ? DNS_SERVFAIL : DNS_REFUSED);
		d.len = DNS_HEADER;
		dns_put16(d.data + 4, 0);
		put_edns(&d, "0001" "00080000");
		assert_int_equal(rig_rx(&r.rig, &d), i == 0 ? BAL_ANSWER_DROP : BAL_ANSWER);
	}
	rule_rig_stop(&r);
}

static void a_busy_pool_is_one_with_more_queries_than_that(void **state)
{
	static struct rule_rig r;
	static uint8_t buf[2][RIG_BYTES];
	struct dgram d[2];

	(void)state;
	rule_rig(&r, "addAction(PoolOutstandingRule('abuse', 1), RCodeAction(5))\n"
	             "addAction('abuse', PoolAction('abuse'))");
	assert_int_equal(rule_ask(&r, "x", DNS_A), BAL_FORWARD); /* in the other pool */
	assert_int_equal(rule_ask(&r, "x", DNS_A), BAL_FORWARD);
	for (unsigned i = 0; i < 2; i++) {
		d[i] = rig_query(buf[i], i, (uint16_t)i, "abuse", false);
		assert_int_equal(rig_rx(&r.rig, &d[i]), BAL_FORWARD);
	}
	assert_int_equal(rule_ask(&r, "x", DNS_A), BAL_RULE_REFUSED);
	rig_turn(&d[0], 0);
	assert_int_equal(rig_rx(&r.rig, &d[0]), BAL_ANSWER);
	assert_int_equal(rule_ask(&r, "x", DNS_A), BAL_FORWARD);
	rule_rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selectors_look_behind_the_question),
		cmocka_unit_test(what_cannot_be_read_matches_none_of_them),
		cmocka_unit_test(an_answer_without_a_question_is_looked_into_too),
		cmocka_unit_test(a_busy_pool_is_one_with_more_queries_than_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
