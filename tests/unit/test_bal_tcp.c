/* SPDX-License-Identifier: BSD-3-Clause */
/* The balancer's TCP: connections, retries, limits, transfers; lib/stream. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/tcp_rig.h"

#define SECOND INT64_C(1000000000)

static struct trig t;

static void start(unsigned servers)
{
	trig_conf(&t, servers);
	rig_start(&t.rig, 1);
}

static void wait_s(int64_t s)
{
	t.rig.now_ns += s * SECOND;
	trig_poll(&t);
}

static void a_query_is_answered_under_its_own_id(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(1);
	uint32_t a = trig_accept(&t, 0);
	assert_int_equal(trig_ask(&t, a, 77, "a.example."), BAL_TCP_FORWARD);
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	assert_non_null(c);
	assert_int_equal(t.sends, 0);
	trig_connect(&t, c);
	assert_int_equal(t.sends, 1);
	assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_ANSWER);
	assert_int_equal(d.conn, a);
	assert_int_equal(d.port, 0);
	assert_int_equal(dns_id(d.data), 77);
	struct ep client = rig_client(0);
	assert_true(ep_eq(&d.peer, &client));
	assert_int_equal(bal_tcp_outstanding(t.rig.b), 0);
	rig_stop(&t.rig);
}

static void a_kept_connection_is_used_again(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(1);
	uint32_t a = trig_accept(&t, 0), b = trig_accept(&t, 1);
	trig_ask(&t, a, 1, "a.example.");
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	trig_connect(&t, c);
	trig_answer(&t, c, 0, 0, buf, &d);
	trig_ask(&t, b, 2, "b.example.");
	assert_int_equal(t.opened, 1);
	assert_int_equal(c->sent_n, 1);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_REUSED), 1);
	rig_stop(&t.rig);
}

static void without_max_in_flight_queries_go_one_by_one(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(1);
	uint32_t a = trig_accept(&t, 0);
	assert_true(bal_tcp_takes(t.rig.b, a));
	trig_ask(&t, a, 1, "a.example.");
	assert_false(bal_tcp_takes(t.rig.b, a));
	assert_int_equal(trig_ask(&t, a, 2, "b.example."), BAL_TCP_GONE);
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	trig_connect(&t, c);
	trig_answer(&t, c, 0, 0, buf, &d);
	assert_true(bal_tcp_takes(t.rig.b, a));
	rig_stop(&t.rig);
}

static void with_it_answers_may_come_in_any_order(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	trig_conf(&t, 1);
	t.listen.max_in_flight = 3;
	t.rig.server[0].tcp.max_in_flight = 2;
	rig_start(&t.rig, 1);
	uint32_t a = trig_accept(&t, 0);
	for (uint16_t id = 1; id <= 3; id++)
		assert_int_equal(trig_ask(&t, a, id, "a.example."), BAL_TCP_FORWARD);
	assert_false(bal_tcp_takes(t.rig.b, a));
	assert_int_equal(t.opened, 2);
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	struct trig_conn *other = trig_find(&t, TRIG_OPENING, (unsigned)(c - t.conn) + 1);
	trig_connect(&t, c);
	trig_connect(&t, other);
	assert_int_equal(c->sent_n, 2);
	assert_int_equal(other->sent_n, 1);
	trig_answer(&t, c, 1, 0, buf, &d);
	assert_int_equal(dns_id(d.data), 2);
	trig_answer(&t, other, 0, 0, buf, &d);
	assert_int_equal(dns_id(d.data), 3);
	trig_answer(&t, c, 0, 0, buf, &d);
	assert_int_equal(dns_id(d.data), 1);
	rig_stop(&t.rig);
}

static void a_closed_kept_connection_costs_the_client_nothing(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(2);
	uint32_t a = trig_accept(&t, 0);
	trig_ask(&t, a, 1, "a.example.");
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	unsigned server = c->server;
	trig_connect(&t, c);
	trig_answer(&t, c, 0, 0, buf, &d);
	bal_shared_set_up(t.rig.shared, 1 - server, false);
	trig_ask(&t, a, 2, "b.example.");
	assert_int_equal(t.opened, 1);
	bal_shared_set_up(t.rig.shared, 1 - server, true);
	trig_close(&t, c);
	c = trig_find(&t, TRIG_OPENING, 0);
	assert_non_null(c);
	assert_int_equal(c->server, server);
	trig_connect(&t, c);
	assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_ANSWER);
	assert_int_equal(dns_id(d.data), 2);
	assert_int_equal(d.conn, a);
	rig_stop(&t.rig);
}

static void a_refused_connection_sends_the_query_to_another_server(void **state)
{
	static const enum bal_policy policies[] = {
		BAL_WRANDOM, BAL_LEAST_OUTSTANDING, BAL_FIRST_AVAILABLE, BAL_ROUNDROBIN,
	};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(policies); i++) {
		trig_conf(&t, 3);
		t.rig.conf.policy = policies[i];
		rig_start(&t.rig, i);
		uint32_t a = trig_accept(&t, 0);
		trig_ask(&t, a, 1, "a.example.");
		struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
		unsigned server = c->server;
		trig_close(&t, c);
		c = trig_find(&t, TRIG_OPENING, 0);
		assert_non_null(c);
		assert_int_not_equal(c->server, server);
		rig_stop(&t.rig);
	}
}

static void a_drained_server_gets_no_second_try(void **state)
{
	(void)state;
	start(2);
	uint32_t a = trig_accept(&t, 0);
	trig_ask(&t, a, 1, "a.example.");
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	unsigned server = c->server;
	bal_shared_drain(t.rig.shared, 1 - server, true, 0);
	trig_close(&t, c);
	c = trig_find(&t, TRIG_OPENING, 0);
	assert_non_null(c);
	assert_int_equal(c->server, server);
	rig_stop(&t.rig);
}

static void after_all_tries_the_client_is_closed(void **state)
{
	struct trig_conn *c;
	unsigned tries = 0;

	(void)state;
	start(1);
	uint32_t a = trig_accept(&t, 0);
	trig_ask(&t, a, 1, "a.example.");
	for (; tries < 100 && (c = trig_find(&t, TRIG_OPENING, 0)) != NULL; tries++)
		trig_close(&t, c);
	assert_int_equal(tries, 1 + 5);
	assert_int_equal(trig_at(&t, a)->state, TRIG_NONE);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_FAILED), 1);
	assert_int_equal(bal_tcp_open(t.rig.b, false), 0);
	rig_stop(&t.rig);
}

static void a_server_that_does_not_answer_is_left_after_its_time(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(2);
	uint32_t a = trig_accept(&t, 0);
	trig_ask(&t, a, 1, "a.example.");
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	unsigned server = c->server;
	trig_connect(&t, c);
	wait_s(29);
	assert_int_equal(t.opened, 1);
	wait_s(1);
	assert_int_equal(t.opened, 2);
	c = trig_find(&t, TRIG_OPENING, 0);
	assert_int_not_equal(c->server, server);
	trig_connect(&t, c);
	assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_ANSWER);
	rig_stop(&t.rig);
}

static void idle_and_slow_clients_are_closed_after_the_receive_timeout(void **state)
{
	(void)state;
	start(1);
	uint32_t a = trig_accept(&t, 0), b = trig_accept(&t, 1);
	wait_s(1);
	trig_ask(&t, b, 1, "a.example.");
	wait_s(1);
	assert_int_equal(trig_at(&t, a)->state, TRIG_NONE);
	assert_int_equal(trig_at(&t, b)->state, TRIG_CLIENT);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_IDLE), 1);
	wait_s(1); /* b waits for its answer: that isn't idle */
	assert_int_equal(trig_at(&t, b)->state, TRIG_CLIENT);
	rig_stop(&t.rig);
}

static void limits_refuse_and_end_connections(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	trig_conf(&t, 1);
	t.rig.conf.tcp.per_client = 2;
	t.rig.conf.tcp.queries = 2;
	t.rig.conf.tcp.duration_ns = 3 * SECOND;
	t.rig.conf.tcp.recv_timeout_ns = 100 * SECOND;
	t.listen.max_conns = 3;
	rig_start(&t.rig, 1);
	uint32_t a = trig_accept(&t, 0), b = trig_accept(&t, 0);
	assert_true(a != 0 && b != 0);
	assert_int_equal(trig_accept(&t, 0), 0);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_CLIENT_LIMIT), 1);
	assert_true(trig_accept(&t, 1) != 0);
	assert_int_equal(trig_accept(&t, 2), 0);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_LIMIT), 1);
	trig_close(&t, trig_at(&t, b));
	assert_true(trig_accept(&t, 0) != 0);
	for (uint16_t i = 0; i < 2; i++) {
		assert_int_equal(trig_ask(&t, a, i, "a.example."), BAL_TCP_FORWARD);
		struct trig_conn *c = trig_find(&t, i == 0 ? TRIG_OPENING : TRIG_OPEN, 0);
		if (i == 0)
			trig_connect(&t, c);
		assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_ANSWER);
		trig_poll(&t);
	}
	assert_int_equal(trig_at(&t, a)->state, TRIG_NONE); /* two queries were enough */
	wait_s(3);
	assert_int_equal(bal_tcp_open(t.rig.b, false), 0);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_TOO_LONG), 2);
	rig_stop(&t.rig);
}

static void who_may_not_ask_is_refused(void **state)
{
	(void)state;
	trig_conf(&t, 1);
	assert_int_equal(prefix_parse(&t.rig.acl[0], "10.0.0.0/8"), 0);
	t.rig.conf.acl_n = 1;
	rig_start(&t.rig, 1);
	assert_int_equal(trig_accept(&t, 0), 0);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_ACL), 1);
	rig_stop(&t.rig);
}

static void what_no_server_can_take_ends_the_connection(void **state)
{
	(void)state;
	start(1);
	bal_shared_set_up(t.rig.shared, 0, false);
	uint32_t a = trig_accept(&t, 0);
	assert_int_equal(trig_ask(&t, a, 1, "a.example."), BAL_DROP_NO_SERVER);
	assert_int_equal(trig_at(&t, a)->state, TRIG_NONE);
	rig_stop(&t.rig);
}

static void or_is_servfail_where_asked_for(void **state)
{
	(void)state;
	trig_conf(&t, 1);
	t.rig.conf.servfail_when_no_server = true;
	rig_start(&t.rig, 1);
	bal_shared_set_up(t.rig.shared, 0, false);
	uint32_t a = trig_accept(&t, 0);
	assert_int_equal(trig_ask(&t, a, 1, "a.example."), BAL_SERVFAIL);
	assert_int_equal(trig_at(&t, a)->state, TRIG_CLIENT);
	rig_stop(&t.rig);
}

static void a_client_that_has_gone_leaves_no_query_behind(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(1);
	uint32_t a = trig_accept(&t, 0);
	trig_ask(&t, a, 1, "a.example.");
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	trig_connect(&t, c);
	trig_close(&t, trig_at(&t, a));
	assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_GONE);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_ABANDONED), 1);
	assert_int_equal(bal_tcp_outstanding(t.rig.b), 0);
	rig_stop(&t.rig);
}

static void after_a_half_close_the_answer_still_comes(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(1);
	uint32_t a = trig_accept(&t, 0);
	trig_ask(&t, a, 1, "a.example.");
	bal_tcp_eof(t.rig.b, t.rig.now_ns, a);
	trig_poll(&t);
	assert_int_equal(trig_at(&t, a)->state, TRIG_CLIENT);
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	trig_connect(&t, c);
	assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_ANSWER);
	trig_poll(&t);
	assert_int_equal(trig_at(&t, a)->state, TRIG_NONE);
	rig_stop(&t.rig);
}

static void a_wrong_answer_leaves_the_query_waiting(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(1);
	uint32_t a = trig_accept(&t, 0);
	trig_ask(&t, a, 1, "a.example.");
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	trig_connect(&t, c);
	struct trig_message m = c->sent[0];
	c->sent[0].data[DNS_HEADER + 1] = 'b';
	assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_DROP_WRONG_QUESTION);
	c->sent[0] = m;
	c->sent[0].data[1] ^= 1;
	c->sent_n = 1;
	assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_DROP_UNMATCHED);
	c->sent[0] = m;
	c->sent_n = 1;
	assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_ANSWER);
	rig_stop(&t.rig);
}

static void a_transfer_passes_message_by_message_on_its_own(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start(1);
	t.listen.max_in_flight = 2;
	uint32_t a = trig_accept(&t, 0);
	struct dgram q = trig_query(buf, a, 0, 9, "a.example.");
	dns_put16(q.data + q.len - 4, DNS_AXFR);
	assert_int_equal(rig_rx(&t.rig, &q), BAL_TCP_FORWARD);
	trig_poll(&t);
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	trig_connect(&t, c);
	assert_true(bal_tcp_takes(t.rig.b, a));
	for (unsigned i = 0; i < 3; i++) {
		struct trig_message m = c->sent[0];
		assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_PART);
		assert_int_equal(d.conn, a);
		assert_int_equal(dns_id(d.data), 9);
		c->sent[0] = m;
		c->sent_n = 1;
	}
	assert_int_equal(trig_ask(&t, a, 10, "b.example."), BAL_TCP_FORWARD);
	assert_int_equal(t.opened, 2);
	trig_close(&t, c);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_TRANSFERRED), 1);
	rig_stop(&t.rig);
}

/* Or one client could have a connection to a server opened with each of its queries. */
static void transfers_are_in_flight_like_other_queries(void **state)
{
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	t.listen.max_in_flight = 3;
	uint32_t a = trig_accept(&t, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(bal_tcp_takes(t.rig.b, a));
		struct dgram q = trig_query(buf, a, 0, 9, "a.example.");
		dns_put16(q.data + q.len - 4, i == 0 ? DNS_IXFR : DNS_AXFR);
		assert_int_equal(rig_rx(&t.rig, &q), BAL_TCP_FORWARD);
		trig_poll(&t);
	}
	assert_false(bal_tcp_takes(t.rig.b, a));
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	trig_connect(&t, c);
	struct dgram d;
	assert_int_equal(trig_answer(&t, c, 0, DNS_REFUSED, buf, &d), BAL_TCP_ANSWER);
	assert_true(bal_tcp_takes(t.rig.b, a));
	rig_stop(&t.rig);
}

static void unused_connections_to_a_server_are_bounded_in_number_and_time(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	trig_conf(&t, 1);
	t.rig.conf.tcp.cached = 2;
	rig_start(&t.rig, 1);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t a = trig_accept(&t, i);
		trig_ask(&t, a, 1, "a.example.");
		trig_connect(&t, trig_find(&t, TRIG_OPENING, 0));
	}
	assert_int_equal(bal_tcp_open(t.rig.b, true), 4);
	for (struct trig_conn *c; (c = trig_find(&t, TRIG_OPEN, 0)) != NULL && c->sent_n > 0;) {
		trig_answer(&t, c, 0, 0, buf, &d);
		trig_poll(&t);
		if (c->state == TRIG_OPEN)
			c->state = TRIG_NONE; /* done with; still there */
	}
	assert_int_equal(bal_tcp_open(t.rig.b, true), 2);
	wait_s(10);
	assert_int_equal(bal_tcp_open(t.rig.b, true), 0);
	rig_stop(&t.rig);
}

static void start_with_cache(unsigned servers)
{
	trig_conf(&t, servers);
	t.rig.conf.cache.entries = 100;
	bal_cache_defaults(&t.rig.conf.cache);
	rig_start(&t.rig, 1);
}

static void what_was_answered_over_tcp_is_answered_from_the_cache(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start_with_cache(1);
	uint32_t a = trig_accept(&t, 0), b = trig_accept(&t, 1);
	trig_ask(&t, a, 1, "a.example.");
	trig_connect(&t, trig_find(&t, TRIG_OPENING, 0));
	trig_answer(&t, trig_find(&t, TRIG_OPEN, 0), 0, DNS_SERVFAIL, buf, &d);
	d = trig_query(buf, b, 1, 7, "A.example.");
	assert_int_equal(rig_rx(&t.rig, &d), BAL_CACHE_HIT);
	assert_int_equal(d.conn, b);
	assert_int_equal(dns_id(d.data), 7);
	assert_int_equal(dns_flags(d.data) & (DNS_QR | DNS_RCODE), DNS_QR | DNS_SERVFAIL);
	assert_true(bal_tcp_takes(t.rig.b, b));
	assert_int_equal(t.sends, 1);
	d = rig_query(buf, 1, 7, "a.example.", false); /* over UDP it is another query */
	assert_int_equal(rig_rx(&t.rig, &d), BAL_FORWARD);
	rig_turn(&d, DNS_SERVFAIL);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_ANSWER);
	d = rig_query(buf, 1, 8, "b.example.", false);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_FORWARD);
	rig_turn(&d, DNS_SERVFAIL);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_ANSWER);
	assert_int_equal(trig_ask(&t, b, 9, "b.example."), BAL_TCP_FORWARD);
	bal_check(t.rig.b);
	rig_stop(&t.rig);
}

static void an_answer_to_a_later_try_is_cached_too(void **state)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	(void)state;
	start_with_cache(2);
	uint32_t a = trig_accept(&t, 0);
	trig_ask(&t, a, 1, "a.example.");
	trig_close(&t, trig_find(&t, TRIG_OPENING, 0));
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	assert_non_null(c);
	trig_connect(&t, c);
	assert_int_equal(trig_answer(&t, c, 0, DNS_SERVFAIL, buf, &d), BAL_TCP_ANSWER);
	assert_int_equal(trig_ask(&t, a, 2, "a.example."), BAL_CACHE_HIT);
	rig_stop(&t.rig);
}

static void messages_are_found_in_a_stream(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[8];
		size_t n, takes, need;
	} rows[] = {
		{ "nothing", { 0 }, 0, 0, 2 },
		{ "half a length", { 0 }, 1, 0, 2 },
		{ "a length", { 0, 3 }, 2, 0, 5 },
		{ "all but a byte", { 0, 3, 1, 2 }, 4, 0, 5 },
		{ "a message", { 0, 3, 1, 2, 3 }, 5, 5, 5 },
		{ "and the next one's length", { 0, 3, 1, 2, 3, 0 }, 6, 5, 5 },
		{ "one without bytes", { 0, 0 }, 2, 2, 2 },
		{ "the longest", { 255, 255 }, 2, 0, 65537 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const uint8_t *m = NULL;
		uint16_t len = 0;
		size_t takes = stream_first(rows[i].bytes, rows[i].n, &m, &len);
		if (takes != rows[i].takes || stream_need(rows[i].bytes, rows[i].n) != rows[i].need)
			fail_msg("%s: takes %zu", rows[i].what, takes);
		if (takes > 0)
			assert_true(m == rows[i].bytes + 2 && len == takes - 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_answered_under_its_own_id),
		cmocka_unit_test(a_kept_connection_is_used_again),
		cmocka_unit_test(without_max_in_flight_queries_go_one_by_one),
		cmocka_unit_test(with_it_answers_may_come_in_any_order),
		cmocka_unit_test(a_closed_kept_connection_costs_the_client_nothing),
		cmocka_unit_test(a_refused_connection_sends_the_query_to_another_server),
		cmocka_unit_test(a_drained_server_gets_no_second_try),
		cmocka_unit_test(after_all_tries_the_client_is_closed),
		cmocka_unit_test(a_server_that_does_not_answer_is_left_after_its_time),
		cmocka_unit_test(idle_and_slow_clients_are_closed_after_the_receive_timeout),
		cmocka_unit_test(limits_refuse_and_end_connections),
		cmocka_unit_test(who_may_not_ask_is_refused),
		cmocka_unit_test(what_no_server_can_take_ends_the_connection),
		cmocka_unit_test(or_is_servfail_where_asked_for),
		cmocka_unit_test(a_client_that_has_gone_leaves_no_query_behind),
		cmocka_unit_test(after_a_half_close_the_answer_still_comes),
		cmocka_unit_test(a_wrong_answer_leaves_the_query_waiting),
		cmocka_unit_test(a_transfer_passes_message_by_message_on_its_own),
		cmocka_unit_test(transfers_are_in_flight_like_other_queries),
		cmocka_unit_test(unused_connections_to_a_server_are_bounded_in_number_and_time),
		cmocka_unit_test(what_was_answered_over_tcp_is_answered_from_the_cache),
		cmocka_unit_test(an_answer_to_a_later_try_is_cached_too),
		cmocka_unit_test(messages_are_found_in_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
