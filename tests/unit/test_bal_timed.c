/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the balancer core makes of time alone: SERVFAIL for a query that nobody answered, a second
 * try of one that isn't answered yet.
 */
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
		assert_int_equal(dns_flags(a->data), DNS_QR | DNS_RD | DNS_SERVFAIL);
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

/* ---- second tries: after 300 of 1000 ns ---- */

static void start_retries(struct rig *r, unsigned servers, bool servfail)
{
	rig_conf(r, servers);
	r->conf.udp_timeout_ns = 1000;
	r->conf.udp_retry_ns = 300;
	r->conf.servfail_on_timeout = servfail;
	rig_start(r, 1);
}

static unsigned server_of(const struct rig *r, const struct dgram *d)
{
	return bal_port_server(r->b, d->port);
}

static int outstanding(const struct rig *r)
{
	int n = 0;

	for (unsigned i = 0; i < r->conf.server_n; i++)
		n += atomic_load(&r->shared->server[i].outstanding);
	return n;
}

/* A query at 1, and its second try at 301; both as they left. */
static void ask_twice(struct rig *r, struct dgram *first, uint8_t *buf)
{
	*first = rig_query(buf, 3, 77, "WwW.example.", true);
	assert_int_equal(rig_rx(r, first), BAL_FORWARD);
	assert_int_equal(bal_deadline(r->b), 301);
	assert_int_equal(poll_at(r, 300, POLL), 0);
	assert_int_equal(poll_at(r, 301, POLL), 1);
	assert_int_equal(polled[0].verdict, BAL_RETRY);
	assert_true(bal_verdict_sends(BAL_RETRY));
}

static void an_unanswered_query_goes_to_another_server_byte_for_byte(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram first;
	struct rig r;

	(void)state;
	start_retries(&r, 2, false);
	ask_twice(&r, &first, buf);
	assert_true(server_of(&r, &first) != server_of(&r, &polled[0]));
	assert_true(ep_eq(&polled[0].peer, &r.server[server_of(&r, &polled[0])].addr));
	assert_int_equal(polled[0].len, first.len);
	assert_memory_equal(polled[0].data + 2, first.data + 2, first.len - 2u);
	assert_int_equal(outstanding(&r), 2);
	assert_int_equal(bal_count(r.b, BAL_RETRY), 1);
	assert_int_equal(bal_server_counts(r.b, 0)->queries, 1);
	assert_int_equal(bal_server_counts(r.b, 1)->queries, 1);
	rig_stop(&r);
}

static void the_first_answer_counts_and_the_other_is_late(void **state)
{
	(void)state;
	for (unsigned second_wins = 0; second_wins < 2; second_wins++) {
		uint8_t buf[RIG_BYTES];
		struct dgram first, *winner = second_wins ? &polled[0] : &first;
		struct dgram *loser = second_wins ? &first : &polled[0];
		struct rig r;
		start_retries(&r, 2, true);
		ask_twice(&r, &first, buf);
		rig_turn(&first, DNS_NOERROR);
		rig_turn(&polled[0], DNS_NOERROR);
		struct dgram again = *loser;
		uint8_t again_buf[RIG_BYTES];
		again.data = memcpy(again_buf, loser->data, loser->len);
		assert_int_equal(rig_rx(&r, winner), BAL_ANSWER);
		assert_int_equal(dns_id(winner->data), 77);
		const struct ep client = rig_client(3);
		assert_true(ep_eq(&winner->peer, &client));
		assert_int_equal(outstanding(&r), 1); /* the other server still works on it */
		assert_int_equal(rig_rx(&r, loser), BAL_DROP_LATE);
		assert_false(bal_verdict_sends(BAL_DROP_LATE));
		assert_int_equal(outstanding(&r), 0);
		assert_int_equal(rig_rx(&r, &again), BAL_DROP_UNMATCHED);
		assert_int_equal(bal_poll(r.b, 5000, NULL, 0), 0);
		assert_int_equal(bal_server_counts(r.b, 0)->responses, 1);
		assert_int_equal(bal_server_counts(r.b, 1)->responses, 1);
		assert_int_equal(bal_timeouts(r.b), 0);
		assert_int_equal(bal_count(r.b, BAL_TIMED_OUT), 0);
		rig_stop(&r);
	}
}

static void a_query_is_tried_once_more_and_told_once(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram first, second;
	struct rig r;

	(void)state;
	start_retries(&r, 3, true);
	ask_twice(&r, &first, buf);
	second = polled[0];
	second.data = memcpy(buf, second.data, second.len);
	assert_int_equal(poll_at(&r, 1000, POLL), 0); /* no third */
	assert_int_equal(poll_at(&r, 1001, POLL), 1);
	assert_int_equal(polled[0].verdict, BAL_TIMED_OUT);
	assert_int_equal(dns_id(polled[0].data), 77);
	r.now_ns = 1100;
	rig_turn(&second, DNS_NOERROR);
	assert_int_equal(rig_rx(&r, &second), BAL_DROP_LATE); /* its client waits no more */
	assert_int_equal(poll_at(&r, 3000, POLL), 0);
	assert_int_equal(bal_timeouts(r.b), 1);
	assert_int_equal(outstanding(&r), 0);
	assert_true(bal_deadline(r.b) == INT64_MAX);
	rig_stop(&r);
}

static void both_tries_may_time_out(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram first;
	struct rig r;

	(void)state;
	for (unsigned servfail = 0; servfail < 2; servfail++) {
		start_retries(&r, 2, servfail);
		ask_twice(&r, &first, buf);
		assert_int_equal(poll_at(&r, 4000, POLL), servfail);
		assert_int_equal(bal_timeouts(r.b), 2);
		assert_int_equal(outstanding(&r), 0);
		rig_stop(&r);
	}
}

static void what_is_answered_is_not_tried_again(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct rig r;

	(void)state;
	start_retries(&r, 2, false);
	struct dgram d = rig_query(buf, 3, 77, "www.example.", false);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	rig_turn(&d, DNS_SERVFAIL); /* an error is an answer */
	r.now_ns = 300;
	assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
	assert_int_equal(poll_at(&r, 500, POLL), 0);
	rig_stop(&r);
}

static void no_second_try_goes_to_a_server_that_takes_none(void **state)
{
	static const struct { const char *what; unsigned servers; bool down, drained; } rows[] = {
		{ "there is no other", 1, false, false }, { "the other is down", 2, true, false },
		{ "the other is drained", 2, false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t buf[RIG_BYTES];
		struct rig r;
		start_retries(&r, rows[i].servers, false);
		struct dgram d = rig_query(buf, 3, 77, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		unsigned other = 1 - server_of(&r, &d);
		if (rows[i].down)
			bal_shared_set_up(r.shared, other, false);
		if (rows[i].drained)
			bal_shared_drain(r.shared, other, true, 0);
		if (poll_at(&r, 301, POLL) != 0)
			fail_msg("%s", rows[i].what);
		bal_shared_set_up(r.shared, rows[i].servers > 1 ? other : 0, true);
		if (rows[i].drained)
			bal_shared_drain(r.shared, other, false, 0);
		assert_int_equal(poll_at(&r, 400, POLL), 0); /* its moment is over */
		rig_turn(&d, DNS_NOERROR);
		assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		rig_stop(&r);
	}
}

static void the_other_with_least_to_do_gets_it(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram first;
	struct rig r;

	(void)state;
	start_retries(&r, 4, false);
	first = rig_query(buf, 3, 77, "www.example.", false);
	assert_int_equal(rig_rx(&r, &first), BAL_FORWARD);
	unsigned least = (server_of(&r, &first) + 2) % 4;
	for (unsigned i = 0; i < 4; i++)
		atomic_fetch_add(&r.shared->server[i].outstanding, i == least ? 3 : 5);
	assert_int_equal(poll_at(&r, 301, POLL), 1);
	assert_int_equal(server_of(&r, &polled[0]), least);
	for (unsigned i = 0; i < 4; i++)
		atomic_fetch_sub(&r.shared->server[i].outstanding, i == least ? 3 : 5);
	rig_stop(&r);
}

static void a_long_query_is_not_kept(void **state)
{
	uint8_t buf[1024];
	struct rig r;

	(void)state;
	start_retries(&r, 2, false);
	struct dgram d = rig_query(buf, 3, 77, "www.example.", false);
	memset(buf + d.len, 0, sizeof(buf) - d.len);
	d.cap = sizeof(buf);
	d.len = 513;
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	assert_int_equal(poll_at(&r, 500, POLL), 0);
	assert_int_equal(outstanding(&r), 1);
	rig_stop(&r);
}

static void the_second_servers_answer_is_cached_for_the_query(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram first;
	struct rig r;

	(void)state;
	rig_conf(&r, 2);
	r.conf.udp_timeout_ns = 1000;
	r.conf.udp_retry_ns = 300;
	r.conf.cache.entries = 16;
	bal_cache_defaults(&r.conf.cache);
	rig_start(&r, 1);
	ask_twice(&r, &first, buf);
	first = rig_query(buf, 3, 77, "WwW.example.", true);
	rig_turn(&polled[0], DNS_SERVFAIL); /* kept for 60 s, without records */
	assert_int_equal(rig_rx(&r, &polled[0]), BAL_ANSWER);
	assert_int_equal(rig_rx(&r, &first), BAL_CACHE_HIT);
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
		cmocka_unit_test(an_unanswered_query_goes_to_another_server_byte_for_byte),
		cmocka_unit_test(the_first_answer_counts_and_the_other_is_late),
		cmocka_unit_test(a_query_is_tried_once_more_and_told_once),
		cmocka_unit_test(both_tries_may_time_out),
		cmocka_unit_test(what_is_answered_is_not_tried_again),
		cmocka_unit_test(no_second_try_goes_to_a_server_that_takes_none),
		cmocka_unit_test(the_other_with_least_to_do_gets_it),
		cmocka_unit_test(a_long_query_is_not_kept),
		cmocka_unit_test(the_second_servers_answer_is_cached_for_the_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
