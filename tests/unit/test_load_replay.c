/* SPDX-License-Identifier: BSD-3-Clause */
/* The load core with captured queries: their bytes, their connections, what fails with these. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "load_plan.h"

#define T0 (100 * LOAD_PLAN_S)
#define MS 1000000ll

enum { QUERIES = 5, BYTES = 512 };

/*
 * Five captured queries, 100 ms apart: over UDP for class CH with DO set, two on one connection,
 * one on another, UDP again. Each asks LB2.
 */
struct bench {
	struct load_plan t;
	struct trace trace;
	struct trace_query query[QUERIES];
	struct ip client[2];
	struct ep server;
	uint8_t bytes[BYTES];
	struct plan_replay replay;
	struct arena a;
	struct load *l;
	struct dgram d, kept[QUERIES];
	uint8_t buf[LOAD_QUERY_MAX], kept_bytes[QUERIES][LOAD_QUERY_MAX];
};

static void capture(struct bench *b, unsigned i, uint32_t connection, bool more)
{
	uint8_t name[DNS_NAME_MAX], *m = b->bytes + b->trace.byte_n;
	char text[] = "n0.Example.";

	text[1] = (char)('0' + i);
	int name_len = dns_name_parse(name, text);
	int len = dns_query(m, BYTES - b->trace.byte_n, (uint16_t)(0x1000 + i), DNS_RD | DNS_CD,
	                    name, (size_t)name_len, DNS_MX, i == 0 ? DNS_CH : DNS_IN, 4000);
	assert_true(len > 0);
	m[len - 4] = 0x80; /* DO, of OPT's TTL */
	b->query[i] = (struct trace_query){
		.t_ns = i * 100 * MS, .at = (uint32_t)b->trace.byte_n, .client = i % 2,
		.connection = connection, .len = (uint16_t)len, .port = (uint16_t)(5000 + i),
		.name_len = (uint8_t)name_len, .more = more,
	};
	b->trace.byte_n += (size_t)len;
}

static void set_up(struct bench *b, unsigned tries, uint64_t loops)
{
	*b = (struct bench){ .server = { ip_v4(192, 160, 102, 3), 53 } };
	b->client[0] = ip_v4(192, 160, 102, 200);
	b->client[1] = ip_v4(192, 160, 102, 201);
	b->trace = (struct trace){ .query_n = QUERIES, .client_n = 2, .server_n = 1,
	                           .connection_n = 2, .query = b->query, .client = b->client,
	                           .server = &b->server, .bytes = b->bytes };
	capture(b, 0, 0, false);
	capture(b, 1, 1, true);
	capture(b, 2, 1, false);
	capture(b, 3, 2, false);
	capture(b, 4, 0, false);
	b->replay = (struct plan_replay){
		.trace = &b->trace, .client = b->client, .query_n = QUERIES,
		.pace = { trace_period(&b->trace), TRACE_SPEED_ONE, loops }, .open_n = 100,
	};
	load_plan_init(&b->t);
	b->t.load[0].arrivals = PLAN_CAPTURED_TIMES;
	b->t.load[0].names = PLAN_CAPTURED_NAMES;
	b->t.load[0].replay_n = 1;
	b->t.load[0].replay = &b->replay;
	b->t.load[0].tries = tries;
	b->t.load[0].timeout_ns = 1000 * MS;
	assert_null(load_gen_refuses(&b->t.plan, 0));
	assert_int_equal(host_arena(&b->a, load_arena_size(&b->t.plan, 0)), 0);
	b->l = load_init(&b->a, &b->t.plan, 0, T0);
	assert_true(b->a.used == b->a.cap);
	arena_seal(&b->a);
	b->d = (struct dgram){ .data = b->buf, .cap = sizeof(b->buf) };
}

static bool poll_one(struct bench *b, int64_t t_ns)
{
	bool got = load_poll(b->l, T0 + t_ns, &b->d, 1) == 1;

	load_check(b->l);
	return got;
}

/* Polls the queries of one loop when they are due, and keeps them. */
static void poll_all(struct bench *b)
{
	for (unsigned i = 0; i < QUERIES; i++) {
		assert_true(poll_one(b, i * 100 * MS));
		b->kept[i] = b->d;
		memcpy(b->kept_bytes[i], b->buf, b->d.len);
		b->kept[i].data = b->kept_bytes[i];
		assert_false(poll_one(b, i * 100 * MS));
	}
}

static unsigned answer(struct bench *b, unsigned i, int64_t t_ns)
{
	struct dgram d = b->kept[i];

	dns_put16(d.data + 2, (uint16_t)(dns_flags(d.data) | DNS_QR));
	load_rx(b->l, T0 + t_ns, &d, 1);
	load_check(b->l);
	return d.verdict;
}

static struct load_counts counts(const struct bench *b)
{
	struct load_counts c;

	load_counts(b->l, &c);
	return c;
}

static void queries_are_captured_ones_but_for_their_ids(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 1, 1);
	poll_all(&b);
	for (unsigned i = 0; i < QUERIES; i++) {
		const struct dgram *d = &b.kept[i];
		assert_int_equal(d->len, b.query[i].len);
		assert_memory_equal(d->data + 2, b.bytes + b.query[i].at + 2, d->len - 2u);
		assert_true(ip_eq(&d->local.ip, &b.client[i % 2]));
		assert_true(ep_eq(&d->peer, &b.server));
		assert_int_equal(d->t_ns, T0 + i * 100 * MS);
		assert_int_equal(d->port, b.query[i].connection > 0 ? 0 : (5000 + i) % 16);
	}
	assert_int_equal(answer(&b, 0, 450 * MS), LOAD_ANSWERED);
	assert_int_equal(answer(&b, 4, 450 * MS), LOAD_ANSWERED);
	host_arena_free(&b.a);
}

static void queries_of_a_connection_are_asked_on_it(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 1, 1);
	poll_all(&b);
	assert_int_equal(b.kept[0].proto, DGRAM_UDP);
	assert_int_equal(b.kept[1].proto, DGRAM_TCP);
	assert_int_equal(b.kept[1].verdict, LOAD_SEND_MORE);
	assert_int_equal(b.kept[2].verdict, LOAD_SEND);
	assert_int_equal(b.kept[3].verdict, LOAD_SEND);
	assert_true((b.kept[1].conn & LOAD_CONN_SHARED) != 0);
	assert_int_equal(b.kept[1].conn, b.kept[2].conn);
	assert_int_not_equal(b.kept[1].conn, b.kept[3].conn);
	/* answers come in any order; on another connection they are nobody's */
	assert_int_equal(answer(&b, 2, 450 * MS), LOAD_ANSWERED);
	b.kept[1].conn = b.kept[3].conn;
	assert_int_equal(answer(&b, 1, 450 * MS), LOAD_UNMATCHED);
	b.kept[1].conn = b.kept[2].conn;
	assert_int_equal(answer(&b, 1, 450 * MS), LOAD_ANSWERED);
	assert_int_equal(answer(&b, 1, 450 * MS), LOAD_UNMATCHED);
	assert_int_equal(answer(&b, 3, 1300 * MS), LOAD_UNMATCHED); /* too late */
	while (poll_one(&b, 1500 * MS))
		;
	assert_int_equal(counts(&b).answered, 2);
	assert_int_equal(counts(&b).timed_out, 3);
	assert_int_equal(counts(&b).tcp, 3);
	assert_true(load_done(b.l));
	host_arena_free(&b.a);
}

static void a_connection_fails_with_all_that_wait_on_it(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 2, 1);
	poll_all(&b);
	load_tcp_failed(b.l, T0 + 450 * MS, b.kept[1].conn);
	uint32_t conn[2];
	for (unsigned i = 0; i < 2; i++) { /* each goes on alone, over TCP, elsewhere */
		assert_true(poll_one(&b, 450 * MS));
		assert_int_equal(b.d.proto, DGRAM_TCP);
		assert_int_equal(b.d.verdict, LOAD_SEND);
		assert_true((b.d.conn & LOAD_CONN_SHARED) == 0);
		assert_int_equal(b.d.peer.ip.b[15], 2);
		assert_int_not_equal(dns_id(b.d.data), dns_id(b.kept[1 + i].data));
		assert_memory_equal(b.d.data + 2, b.kept[1 + i].data + 2, b.d.len - 2u);
		conn[i] = b.d.conn;
	}
	assert_int_not_equal(conn[0], conn[1]);
	assert_false(poll_one(&b, 450 * MS));
	assert_int_equal(counts(&b).retries, 2);
	load_tcp_failed(b.l, T0 + 460 * MS, b.kept[1].conn); /* nothing is left there */
	load_tcp_failed(b.l, T0 + 460 * MS, conn[0]);
	assert_int_equal(counts(&b).timed_out, 1);
	assert_int_equal(counts(&b).open, 4);
	host_arena_free(&b.a);
}

static void a_try_over_tcp_that_times_out_goes_on_over_tcp(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 2, 1);
	poll_all(&b);
	assert_int_equal(answer(&b, 0, 450 * MS), LOAD_ANSWERED);
	assert_true(poll_one(&b, 1100 * MS));
	assert_int_equal(b.d.t_ns, T0 + 1100 * MS);
	assert_int_equal(b.d.proto, DGRAM_TCP);
	assert_true((b.d.conn & LOAD_CONN_SHARED) == 0);
	assert_true(poll_one(&b, 1400 * MS) && poll_one(&b, 1400 * MS) && poll_one(&b, 1400 * MS));
	assert_int_equal(b.d.proto, DGRAM_UDP); /* the last one was captured so */
	assert_int_equal(b.d.conn, UINT32_MAX);
	host_arena_free(&b.a);
}

/* Whoever asked nobody of the lab gets a balancer, a connection one for all of its queries. */
static void a_connection_asks_one_balancer(void **state)
{
	unsigned seen[256] = { 0 }, differ = 0;
	struct load_query q;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct bench b;
		struct ep first = { 0 };
		set_up(&b, 1, 1);
		host_arena_free(&b.a);
		b.server.ip = ip_v4(203, 0, 113, 53);
		b.t.plan.seed = seed;
		struct load_gen *g = load_plan_gen(&b.t, &b.a);
		for (unsigned i = 0; load_gen_next(g, &q); i++) {
			seen[q.to.ip.b[15]]++;
			first = i == 1 ? q.to : first;
			assert_true(i != 2 || ep_eq(&q.to, &first));
			differ += i == 3 && !ep_eq(&q.to, &first);
		}
		host_arena_free(&b.a);
	}
	assert_true(seen[2] > 20 && seen[3] > 20 && differ > 0);
}

static void each_loop_has_connections_of_its_own(void **state)
{
	struct bench b;
	uint32_t first;

	(void)state;
	set_up(&b, 1, 2);
	poll_all(&b);
	first = b.kept[1].conn;
	for (unsigned i = 0; i < QUERIES; i++) {
		assert_int_equal(answer(&b, i, 450 * MS), LOAD_ANSWERED);
		assert_true(poll_one(&b, (500 + 100 * i) * MS));
		assert_int_equal(b.d.t_ns, T0 + (500 + 100 * i) * MS);
		assert_true(b.query[i].connection == 0 || (b.d.conn != first &&
		                                           b.d.conn != b.kept[3].conn));
	}
	assert_false(poll_one(&b, 1400 * MS));
	assert_int_equal(counts(&b).planned, 2 * QUERIES);
	host_arena_free(&b.a);
}

static void a_load_that_stops_leaves_the_rest_out(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, 1, 2);
	host_arena_free(&b.a);
	b.t.load[0].to_ns = 300 * MS;
	assert_int_equal(host_arena(&b.a, load_arena_size(&b.t.plan, 0)), 0);
	b.l = load_init(&b.a, &b.t.plan, 0, T0);
	while (poll_one(&b, 5000 * MS))
		;
	assert_int_equal(counts(&b).planned, 3);
	assert_true(load_done(b.l));
	host_arena_free(&b.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_are_captured_ones_but_for_their_ids),
		cmocka_unit_test(queries_of_a_connection_are_asked_on_it),
		cmocka_unit_test(a_connection_fails_with_all_that_wait_on_it),
		cmocka_unit_test(a_try_over_tcp_that_times_out_goes_on_over_tcp),
		cmocka_unit_test(a_connection_asks_one_balancer),
		cmocka_unit_test(each_loop_has_connections_of_its_own),
		cmocka_unit_test(a_load_that_stops_leaves_the_rest_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
