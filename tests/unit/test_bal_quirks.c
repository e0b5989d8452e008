/* SPDX-License-Identifier: BSD-3-Clause */
/* What a configuration may change in how messages are treated: each switch, on and off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/bal_rig.h"

static void start(struct rig *r, struct bal_quirks q)
{
	rig_conf(r, 1);
	r->conf.quirks = q;
	rig_start(r, 1);
}

/* A query with EDNS for www.example. that went out. */
static struct dgram ask(struct rig *r, uint8_t *buf, const char *name, bool edns)
{
	struct dgram d = rig_query(buf, 1, 77, name, edns);

	assert_int_equal(rig_rx(r, &d), BAL_FORWARD);
	return d;
}

static void a_query_without_a_question_is_dropped_if_asked_for(void **state)
{
	(void)state;
	for (unsigned drop = 0; drop < 2; drop++) {
		uint8_t buf[RIG_BYTES];
		struct rig r;
		start(&r, (struct bal_quirks){ .drop_empty_queries = drop });
		struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
		dns_put16(buf + 4, 0);
		assert_int_equal(rig_rx(&r, &d), drop ? BAL_DROP_EMPTY : BAL_NOTIMP);
		rig_stop(&r);
	}
}

static void an_answer_without_a_question_counts_if_asked_for(void **state)
{
	static const struct { bool allow; unsigned rcode; enum bal_verdict v; } rows[] = {
		{ false, DNS_NOERROR, BAL_DROP_BROKEN_ANSWER },
		{ false, DNS_NXDOMAIN, BAL_DROP_BROKEN_ANSWER },
		{ false, DNS_SERVFAIL, BAL_ANSWER },
		{ true, DNS_NOERROR, BAL_ANSWER }, { true, DNS_NXDOMAIN, BAL_ANSWER },
		{ true, DNS_SERVFAIL, BAL_ANSWER },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t buf[RIG_BYTES];
		struct rig r;
		start(&r, (struct bal_quirks){ .allow_empty_response = rows[i].allow,
		                               .fixup_case = true, .truncate_tc = true });
		struct dgram d = ask(&r, buf, "www.example.", false);
		rig_turn(&d, rows[i].rcode);
		dns_put16(buf + 4, 0);
		d.len = DNS_HEADER;
		assert_int_equal(rig_rx(&r, &d), rows[i].v);
		assert_int_equal(d.len, DNS_HEADER);
		rig_stop(&r);
	}
}

static void the_querys_letters_come_back_if_asked_for(void **state)
{
	(void)state;
	for (unsigned fixup = 0; fixup < 2; fixup++) {
		uint8_t buf[RIG_BYTES];
		struct rig r;
		start(&r, (struct bal_quirks){ .fixup_case = fixup });
		struct dgram d = ask(&r, buf, "WwW.example.", false);
		rig_turn(&d, DNS_NOERROR);
		rig_record(&d, 60);
		memcpy(buf + 12, "\3wWw\7EXAMPLE", 13);
		assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		assert_memory_equal(buf + 12, fixup ? "\3WwW\7example" : "\3wWw\7EXAMPLE", 13);
		rig_stop(&r);
	}
}

static void truncated_answers_lose_their_records_if_asked_for(void **state)
{
	static const struct {
		const char *what;
		bool on, tc, edns;
		unsigned len, ar, an;
	} rows[] = {
		{ "off", false, true, false, 45, 0, 1 },
		{ "whole answers stay", true, false, false, 45, 0, 1 },
		{ "no records", true, true, false, 29, 0, 0 },
		{ "an OPT record of ours", true, true, true, 40, 1, 0 },
	};
	struct dns_edns e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t buf[RIG_BYTES];
		struct rig r;
		start(&r, (struct bal_quirks){ .truncate_tc = rows[i].on });
		struct dgram d = ask(&r, buf, "www.example.", rows[i].edns);
		rig_turn(&d, DNS_NOERROR);
		if (rows[i].edns)
			buf[d.len - 4] |= 0x80; /* DO */
		else
			rig_record(&d, 60);
		buf[2] |= rows[i].tc ? DNS_TC >> 8 : 0;
		assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		if (d.len != rows[i].len || dns_get16(buf + 6) != rows[i].an ||
		    dns_get16(buf + 10) != rows[i].ar)
			fail_msg("%s: %u bytes", rows[i].what, d.len);
		assert_int_equal((dns_flags(buf) & DNS_TC) != 0, rows[i].tc);
		assert_int_equal(dns_edns(&e, buf, d.len, 29), 0);
		assert_true(e.present == rows[i].edns &&
		            (!e.present || (e.udp_size == 4096 && e.dnssec_ok)));
		rig_stop(&r);
	}
}

static void our_own_answers_announce_what_is_asked_for(void **state)
{
	static const struct { struct bal_quirks q; bool present; unsigned size; } rows[] = {
		{ { .own_udp_size = 0 }, true, 1232 }, { { .own_udp_size = 4096 }, true, 4096 },
		{ { .own_without_edns = true }, false, 0 },
	};
	struct dns_edns e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t buf[RIG_BYTES];
		struct rig r;
		rig_conf(&r, 1);
		r.conf.quirks = rows[i].q;
		r.conf.servfail_when_no_server = true;
		rig_start(&r, 1);
		bal_shared_set_up(r.shared, 0, false);
		struct dgram d = rig_query(buf, 1, 77, "www.example.", true);
		assert_int_equal(rig_rx(&r, &d), BAL_SERVFAIL);
		assert_int_equal(dns_edns(&e, buf, d.len, 29), 0);
		assert_int_equal(e.present, rows[i].present);
		assert_true(!e.present || e.udp_size == rows[i].size);
		rig_stop(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_without_a_question_is_dropped_if_asked_for),
		cmocka_unit_test(an_answer_without_a_question_counts_if_asked_for),
		cmocka_unit_test(the_querys_letters_come_back_if_asked_for),
		cmocka_unit_test(truncated_answers_lose_their_records_if_asked_for),
		cmocka_unit_test(our_own_answers_announce_what_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
