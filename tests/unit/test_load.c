/* SPDX-License-Identifier: BSD-3-Clause */
/* The load core: what it sends, what it takes for an answer, tries, timeouts, TCP after TC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "load_plan.h"

#define T0 (100 * LOAD_PLAN_S)
#define MS 1000000ll

/* A load of ten queries a second from t = 0, and one buffer. */
struct bench {
	struct load_plan t;
	struct arena a;
	struct load *l;
	struct dgram d;
	uint8_t buf[LOAD_QUERY_MAX];
};

static void set_up(struct bench *b, unsigned tries)
{
	load_plan_init(&b->t);
	b->t.load[0].arrivals = PLAN_CONSTANT;
	b->t.load[0].rate_mqps = 10000;
	b->t.load[0].to_ns = LOAD_PLAN_S;
	b->t.load[0].tries = tries;
	b->t.load[0].timeout_ns = 250 * MS;
}

static void start(struct bench *b)
{
	assert_null(load_gen_refuses(&b->t.plan, 0));
	assert_int_equal(host_arena(&b->a, load_arena_size(&b->t.plan, 0)), 0);
	b->l = load_init(&b->a, &b->t.plan, 0, T0);
	assert_true(b->a.used == b->a.cap);
	arena_seal(&b->a);
	b->d = (struct dgram){ .data = b->buf, .cap = sizeof(b->buf) };
}

/* One poll at t; true when a query came out. */
static bool poll_one(struct bench *b, int64_t t_ns)
{
	bool got = load_poll(b->l, T0 + t_ns, &b->d, 1) == 1;

	load_check(b->l);
	return got;
}

static struct load_counts counts(struct bench *b)
{
	struct load_counts c;

	load_counts(b->l, &c);
	return c;
}

/* Hands the query in b->d back as its answer, with more flags, and returns the verdict. */
static unsigned answer(struct bench *b, int64_t t_ns, unsigned flags)
{
	dns_put16(b->buf + 2, (uint16_t)(dns_flags(b->buf) | DNS_QR | flags));
	load_rx(b->l, T0 + t_ns, &b->d, 1);
	load_check(b->l);
	return b->d.verdict;
}

static void a_query_goes_out_when_it_is_due(void **state)
{
	struct bench b;
	struct dns_question q;

	(void)state;
	set_up(&b, 1);
	b.t.load[0].from_ns = 100 * MS;
	start(&b);
	assert_int_equal(load_deadline(b.l), T0 + 100 * MS);
	assert_false(poll_one(&b, 100 * MS - 1));
	assert_true(poll_one(&b, 100 * MS + 7));
	assert_int_equal(b.d.verdict, LOAD_SEND);
	assert_int_equal(b.d.proto, DGRAM_UDP);
	assert_int_equal(b.d.t_ns, T0 + 100 * MS);
	assert_int_equal(b.d.peer.port, 53);
	assert_true(prefix_has(&b.t.node[0].net[0], &b.d.local.ip));
	assert_true(b.d.port < LOAD_SOCKETS);
	assert_int_equal(dns_question(&q, b.buf, b.d.len), 0);
	assert_int_equal(dns_flags(b.buf), DNS_RD);
	assert_false(poll_one(&b, 100 * MS + 8));
	host_arena_free(&b.a);
}

static void only_the_answer_itself_counts(void **state)
{
	enum { NONE, ID, NAME, TYPE, CLASS, SOCKET, CLIENT, PEER, PORT, QUERY, CUT, OP, LATE };
	static const struct { const char *what; int change; unsigned verdict; } rows[] = {
		{ "the answer", NONE, LOAD_ANSWERED }, { "another ID", ID, LOAD_UNMATCHED },
		{ "another name", NAME, LOAD_UNMATCHED }, { "another type", TYPE, LOAD_UNMATCHED },
		{ "another class", CLASS, LOAD_UNMATCHED },
		{ "on another socket", SOCKET, LOAD_UNMATCHED },
		{ "to another client", CLIENT, LOAD_UNMATCHED },
		{ "from another server", PEER, LOAD_UNMATCHED },
		{ "from another port", PORT, LOAD_UNMATCHED },
		{ "a query", QUERY, LOAD_BROKEN }, { "cut off", CUT, LOAD_BROKEN },
		{ "another opcode", OP, LOAD_BROKEN }, { "at its deadline", LATE, LOAD_UNMATCHED },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int c = rows[i].change;
		struct bench b;
		set_up(&b, 1);
		start(&b);
		assert_true(poll_one(&b, 0));
		b.buf[0] ^= c == ID;
		b.buf[DNS_HEADER + 1] ^= (uint8_t)(c == NAME);
		b.buf[b.d.len - 11 - 3] ^= (uint8_t)(c == TYPE ? 64 : 0);
		b.buf[b.d.len - 11 - 1] ^= (uint8_t)(c == CLASS ? 64 : 0);
		b.d.port = (uint16_t)((b.d.port + (c == SOCKET)) % LOAD_SOCKETS);
		b.d.local.ip.b[15] ^= c == CLIENT;
		b.d.peer.ip.b[15] ^= c == PEER;
		b.d.peer.port = (uint16_t)(b.d.peer.port + (c == PORT));
		b.d.len = c == CUT ? DNS_HEADER + 5 : b.d.len;
		unsigned flags = (c == QUERY ? 0 : DNS_QR) | (c == OP ? 0x2800 : 0);
		dns_put16(b.buf + 2, (uint16_t)flags);
		load_rx(b.l, T0 + (c == LATE ? 250 : 1) * MS, &b.d, 1);
		if (b.d.verdict != rows[i].verdict)
			fail_msg("%s: verdict %u", rows[i].what, b.d.verdict);
		load_check(b.l);
		host_arena_free(&b.a);
	}
}

static void case_of_the_name_does_not_matter(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 1);
	start(&b);
	assert_true(poll_one(&b, 0));
	b.buf[DNS_HEADER + 1] = 'K';
	assert_int_equal(answer(&b, MS, 0), LOAD_ANSWERED);
	host_arena_free(&b.a);
}

static void a_second_answer_is_unmatched(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 1);
	start(&b);
	assert_true(poll_one(&b, 0));
	assert_int_equal(answer(&b, MS, 0), LOAD_ANSWERED);
	assert_int_equal(answer(&b, MS, 0), LOAD_UNMATCHED);
	assert_true(counts(&b).answered == 1 && counts(&b).unmatched == 1 && counts(&b).open == 0);
	host_arena_free(&b.a);
}

static void a_try_without_an_answer_times_out(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 1);
	b.t.load[0].to_ns = MS;
	start(&b);
	assert_true(poll_one(&b, 0));
	assert_int_equal(load_deadline(b.l), T0 + 250 * MS);
	assert_false(poll_one(&b, 250 * MS - 1));
	assert_int_equal(counts(&b).open, 1);
	assert_false(load_done(b.l));
	assert_false(poll_one(&b, 250 * MS));
	assert_int_equal(counts(&b).timed_out, 1);
	assert_true(load_done(b.l));
	assert_int_equal(load_deadline(b.l), INT64_MAX);
	host_arena_free(&b.a);
}

static void a_retry_asks_the_other_balancer_under_a_new_id(void **state)
{
	struct bench b;
	struct ep first;
	uint16_t id;

	(void)state;
	set_up(&b, 3);
	b.t.load[0].to_ns = MS;
	start(&b);
	assert_true(poll_one(&b, 0));
	for (int try = 1; try < 3; try++) {
		first = b.d.peer;
		id = dns_id(b.buf);
		assert_true(poll_one(&b, try * 250 * MS + 3));
		assert_int_equal(b.d.t_ns, T0 + try * 250 * MS);
		assert_false(ep_eq(&b.d.peer, &first));
		assert_int_not_equal(dns_id(b.buf), id);
	}
	assert_false(poll_one(&b, 750 * MS));
	assert_true(counts(&b).retries == 2 && counts(&b).timed_out == 1 && load_done(b.l));
	host_arena_free(&b.a);
}

static void with_one_balancer_a_retry_asks_it_again(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 2);
	b.t.plan.node_n = 2;
	start(&b);
	assert_true(poll_one(&b, 0));
	struct ep first = b.d.peer;
	while (b.d.conn == 0)
		assert_true(poll_one(&b, 300 * MS));
	assert_true(ep_eq(&b.d.peer, &first));
	host_arena_free(&b.a);
}

static void an_answer_to_an_earlier_try_is_unmatched(void **state)
{
	struct bench b;
	uint8_t copy[LOAD_QUERY_MAX];

	(void)state;
	set_up(&b, 2);
	b.t.load[0].to_ns = MS;
	start(&b);
	assert_true(poll_one(&b, 0));
	struct dgram first = b.d;
	memcpy(copy, b.buf, sizeof(copy));
	assert_true(poll_one(&b, 250 * MS));
	memcpy(b.buf, copy, sizeof(copy));
	b.d = first;
	assert_int_equal(answer(&b, 260 * MS, 0), LOAD_UNMATCHED);
	host_arena_free(&b.a);
}

static void after_tc_the_query_goes_out_over_tcp(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 1);
	b.t.load[0].to_ns = MS;
	start(&b);
	assert_true(poll_one(&b, 0));
	struct ep client = b.d.local, server = b.d.peer;
	assert_int_equal(answer(&b, 10 * MS, DNS_TC), LOAD_TRUNCATED);
	assert_int_equal(answer(&b, 10 * MS, 0), LOAD_UNMATCHED);
	assert_int_equal(load_deadline(b.l), T0 + 10 * MS);
	assert_true(poll_one(&b, 11 * MS));
	assert_int_equal(b.d.proto, DGRAM_TCP);
	assert_int_equal(b.d.t_ns, T0 + 10 * MS);
	assert_int_not_equal(b.d.conn, 0);
	assert_true(ep_eq(&b.d.local, &client) && ep_eq(&b.d.peer, &server));
	assert_int_equal(load_deadline(b.l), T0 + 250 * MS);
	b.d.conn++;
	assert_int_equal(answer(&b, 12 * MS, 0), LOAD_UNMATCHED);
	b.d.conn--;
	assert_int_equal(answer(&b, 12 * MS, DNS_TC), LOAD_ANSWERED);
	assert_true(counts(&b).tcp == 1 && load_done(b.l));
	host_arena_free(&b.a);
}

static void a_failed_connection_fails_the_try_at_once(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 2);
	b.t.load[0].to_ns = MS;
	start(&b);
	assert_true(poll_one(&b, 0));
	for (int try = 0; try < 2; try++) {
		assert_int_equal(answer(&b, 10 * MS, DNS_TC), LOAD_TRUNCATED);
		assert_true(poll_one(&b, 10 * MS));
		uint32_t conn = b.d.conn;
		load_tcp_failed(b.l, T0 + 20 * MS, conn);
		load_tcp_failed(b.l, T0 + 20 * MS, conn);
		load_check(b.l);
		assert_int_equal(poll_one(&b, 20 * MS), try == 0);
	}
	assert_true(counts(&b).retries == 1 && counts(&b).timed_out == 1 && load_done(b.l));
	host_arena_free(&b.a);
}

static void unknown_connections_are_ignored(void **state)
{
	static const uint32_t rows[] = { 0, 1, 2, 77, UINT32_MAX };
	struct bench b;

	(void)state;
	set_up(&b, 1);
	start(&b);
	assert_true(poll_one(&b, 0));
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		load_tcp_failed(b.l, T0, rows[i]);
	assert_int_equal(counts(&b).open, 1);
	host_arena_free(&b.a);
}

static void a_late_poll_gives_everything_out_in_the_order_of_due_times(void **state)
{
	struct bench b;
	int64_t last = 0;

	(void)state;
	set_up(&b, 3);
	start(&b);
	while (poll_one(&b, 20 * LOAD_PLAN_S)) {
		assert_true(b.d.t_ns >= last);
		last = b.d.t_ns;
	}
	assert_true(counts(&b).sent == 10 && counts(&b).retries == 20);
	assert_true(counts(&b).timed_out == 10 && load_done(b.l));
	host_arena_free(&b.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_goes_out_when_it_is_due),
		cmocka_unit_test(only_the_answer_itself_counts),
		cmocka_unit_test(case_of_the_name_does_not_matter),
		cmocka_unit_test(a_second_answer_is_unmatched),
		cmocka_unit_test(a_try_without_an_answer_times_out),
		cmocka_unit_test(a_retry_asks_the_other_balancer_under_a_new_id),
		cmocka_unit_test(with_one_balancer_a_retry_asks_it_again),
		cmocka_unit_test(an_answer_to_an_earlier_try_is_unmatched),
		cmocka_unit_test(after_tc_the_query_goes_out_over_tcp),
		cmocka_unit_test(a_failed_connection_fails_the_try_at_once),
		cmocka_unit_test(unknown_connections_are_ignored),
		cmocka_unit_test(a_late_poll_gives_everything_out_in_the_order_of_due_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
