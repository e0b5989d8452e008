/* SPDX-License-Identifier: BSD-3-Clause */
/* What the balancer core makes of time alone: SERVFAIL for a query that nobody answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/bal_rig.h"

enum { POLL = 8 };

static struct dgram polled[POLL];
static uint8_t polled_buf[POLL][BAL_POLL_MIN];

static unsigned poll_at(struct rig *r, int64_t now_ns, unsigned max)
{
	r->now_ns = now_ns;
	for (unsigned i = 0; i < POLL; i++)
		polled[i] = (struct dgram){ .data = polled_buf[i], .cap = BAL_POLL_MIN };
	unsigned n = bal_poll(r->b, now_ns, polled, max);
	bal_check(r->b);
	return n;
}

static void start(struct rig *r, unsigned servers)
{
	rig_conf(r, servers);
	r->conf.udp_timeout_ns = 1000;
	r->conf.servfail_on_timeout = true;
	rig_start(r, 1);
}

static void a_timed_out_query_is_answered_servfail(void **state)
{
	static const struct { const char *what; bool edns, dnssec_ok; } rows[] = {
		{ "without EDNS", false, false }, { "with EDNS", true, false },
		{ "with EDNS and DO", true, true },
	};
	struct dns_edns e;
	struct rig r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t buf[RIG_BYTES];
		start(&r, 1);
		struct dgram d = rig_query(buf, 3, 77, "WwW.example.", rows[i].edns), asked = d;
		if (rows[i].dnssec_ok)
			buf[d.len - 4] |= 0x80;
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		assert_int_equal(bal_deadline(r.b), 1001);
		assert_int_equal(poll_at(&r, 1000, POLL), 0);
		assert_int_equal(poll_at(&r, 1001, POLL), 1);
		const struct dgram *a = &polled[0];
		assert_int_equal(a->verdict, BAL_TIMED_OUT);
		assert_true(bal_verdict_sends(a->verdict));
		assert_int_equal(dns_id(a->data), 77);
		assert_int_equal(dns_flags(a->data), DNS_QR | DNS_RD | DNS_RA | DNS_SERVFAIL);
		assert_memory_equal(a->data + 12, "\3WwW\7example", 13);
		assert_int_equal(a->len, asked.len);
		assert_int_equal(dns_edns(&e, a->data, a->len, 29), 0);
		assert_int_equal(e.present, rows[i].edns);
		assert_true(!e.present || (e.udp_size == 1232 && e.dnssec_ok == rows[i].dnssec_ok));
		assert_true(ep_eq(&a->peer, &asked.peer) && ep_eq(&a->local, &asked.local));
		assert_int_equal(a->port, 0);
		assert_int_equal(poll_at(&r, 1001, POLL), 0);
		assert_true(bal_deadline(r.b) == INT64_MAX);
		assert_int_equal(bal_count(r.b, BAL_TIMED_OUT), 1);
		assert_int_equal(bal_counts(r.b)->rcode[DNS_SERVFAIL], 1);
		rig_stop(&r);
	}
}

static void an_answer_after_it_is_dropped(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct rig r;

	(void)state;
	start(&r, 1);
	struct dgram d = rig_query(buf, 3, 77, "www.example.", false);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	rig_turn(&d, DNS_NOERROR);
	r.now_ns = 1001;
	assert_int_equal(rig_rx(&r, &d), BAL_DROP_UNMATCHED); /* what is owed isn't given yet */
	assert_int_equal(bal_deadline(r.b), 1001);
	assert_int_equal(bal_outstanding(r.b), 0);
	assert_int_equal(atomic_load(&r.shared->server[0].outstanding), 0);
	assert_int_equal(poll_at(&r, 1500, POLL), 1);
	assert_int_equal(rig_rx(&r, &d), BAL_DROP_UNMATCHED);
	assert_int_equal(bal_timeouts(r.b), 1);
	rig_stop(&r);
}

static void an_answer_in_time_leaves_nothing_to_tell(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct rig r;

	(void)state;
	start(&r, 1);
	struct dgram d = rig_query(buf, 3, 77, "www.example.", false);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	rig_turn(&d, DNS_NOERROR);
	r.now_ns = 1000;
	assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
	assert_int_equal(poll_at(&r, 5000, POLL), 0);
	rig_stop(&r);
}

static void what_finds_no_room_comes_at_the_next_poll_in_order(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct rig r;

	(void)state;
	start(&r, 3);
	for (unsigned i = 0; i < 5; i++) {
		struct dgram d = rig_query(buf, i, (uint16_t)i, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	}
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(poll_at(&r, 2000, 0), 0);
		assert_int_equal(bal_deadline(r.b), 2000);
		assert_int_equal(poll_at(&r, 2000, 1), 1);
		assert_int_equal(dns_id(polled[0].data), i);
	}
	assert_true(bal_deadline(r.b) == INT64_MAX);
	rig_stop(&r);
}

static void what_is_owed_takes_up_room_until_it_is_told(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct rig r;

	(void)state;
	rig_conf(&r, 1);
	r.conf.udp_timeout_ns = 1000;
	r.conf.servfail_on_timeout = true;
	r.conf.max_outstanding = 2;
	rig_start(&r, 1);
	for (unsigned i = 0; i < 2; i++) {
		struct dgram d = rig_query(buf, i, (uint16_t)i, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	}
	r.now_ns = 2000;
	struct dgram d = rig_query(buf, 7, 7, "www.example.", false);
	assert_int_equal(rig_rx(&r, &d), BAL_DROP_FULL);
	assert_int_equal(poll_at(&r, 2000, 1), 1);
	d = rig_query(buf, 8, 8, "www.example.", false);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	assert_int_equal(poll_at(&r, 2000, POLL), 1);
	assert_int_equal(poll_at(&r, 2999, POLL), 0);
	assert_int_equal(poll_at(&r, 3000, POLL), 1);
	assert_int_equal(dns_id(polled[0].data), 8);
	rig_stop(&r);
}

static void the_longest_name_fits(void **state)
{
	uint8_t buf[RIG_BYTES];
	char name[256] = "";
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 126; i++)
		strcat(name, "a.");
	start(&r, 1);
	struct dgram d = rig_query(buf, 3, 77, name, true);
	uint16_t len = d.len;
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	assert_int_equal(poll_at(&r, 2000, POLL), 1);
	assert_int_equal(polled[0].len, len);
	assert_memory_equal(polled[0].data + 12, buf + 12, 253);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timed_out_query_is_answered_servfail),
		cmocka_unit_test(an_answer_after_it_is_dropped),
		cmocka_unit_test(an_answer_in_time_leaves_nothing_to_tell),
		cmocka_unit_test(what_finds_no_room_comes_at_the_next_poll_in_order),
		cmocka_unit_test(what_is_owed_takes_up_room_until_it_is_told),
		cmocka_unit_test(the_longest_name_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
