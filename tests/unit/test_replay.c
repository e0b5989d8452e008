/* SPDX-License-Identifier: BSD-3-Clause */
/* The core of evenkeel replay: what is due, under which ID, and whose an answer is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/replay_rig.h"

static struct replay_rig rig;

static unsigned opened; /* connections, ahead of their queries; and the last of these */
static uint32_t opened_last;

/* Polls at T0 + t_ns; returns how many queries and connections that are over. */
static unsigned poll_at(int64_t t_ns)
{
	unsigned n, m = 0;

	do {
		n = replay_poll(rig.r, RIG_T0 + t_ns, rig.d, RIG_BATCH);
		for (unsigned i = 0; i < n; i++) {
			struct dgram d = rig.d[m];
			if (rig.d[i].verdict == REPLAY_OPEN) {
				opened++;
				opened_last = rig.d[i].conn;
				continue;
			}
			rig.d[m++] = rig.d[i];
			if (m - 1 != i)
				rig.d[i] = d; /* each keeps a buffer of its own */
		}
	} while (n > 0 && m == 0);
	return m;
}

static void hand_in(int64_t t_ns, struct dgram *d)
{
	d->t_ns = RIG_T0 + t_ns;
	replay_rx(rig.r, RIG_T0 + t_ns, d, 1);
}

/* ---- times ---- */

static void queries_are_due_at_the_capture_s_times_over_loops(void **state)
{
	static const int64_t at_ms[] = { 0, 10, 40, 60, 70, 100 };

	(void)state;
	rig_init(&rig);
	rig_add(&rig, 0, 0, 1, 1, 0);
	rig_add(&rig, 10 * RIG_MS, 0, 1, 2, 0);
	rig_add(&rig, 40 * RIG_MS, 0, 1, 3, 0);
	rig.o.pace.loops = 2;
	rig_start(&rig);
	for (unsigned i = 0; i < COUNT_OF(at_ms); i++) {
		assert_int_equal(replay_due(rig.r), RIG_T0 + at_ms[i] * RIG_MS);
		assert_int_equal(poll_at(at_ms[i] * RIG_MS - 1), 0);
		assert_int_equal(poll_at(at_ms[i] * RIG_MS + 5), 1);
		assert_int_equal(rig.d[0].t_ns, RIG_T0 + at_ms[i] * RIG_MS);
		assert_int_equal(rig_number(&rig.d[0]), i % 3);
	}
	assert_int_equal(replay_due(rig.r), INT64_MAX);
	assert_false(replay_done(rig.r));
	/* the second's time-out */
	assert_int_equal(replay_deadline(rig.r), RIG_T0 + 110 * RIG_MS + 5);
	poll_at(1000 * RIG_MS);
	assert_true(replay_done(rig.r));
	assert_int_equal(rig_counts(&rig).timed_out, 6);
	rig_fini(&rig);
}

static void what_is_overdue_goes_out_at_once_and_in_order(void **state)
{
	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 40; i++)
		rig_add(&rig, i * RIG_MS, i % 3, 1, (uint16_t)i, 0);
	rig_start(&rig);
	for (unsigned i = 0, n; i < 40; i += n) {
		n = poll_at(90 * RIG_MS);
		assert_int_equal(n, i < 32 ? 16 : 8);
		for (unsigned k = 0; k < n; k++)
			assert_int_equal(rig_number(&rig.d[k]), i + k);
	}
	rig_fini(&rig);
}

static void a_query_that_doesn_t_fit_is_the_next_batch_s_first(void **state)
{
	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 3; i++)
		rig_add(&rig, 0, 0, 1, (uint16_t)i, 0);
	rig.query[1].len = 300; /* of bytes behind the question */
	rig.trace.byte_n = 1000;
	rig_start(&rig);
	for (unsigned i = 1; i < RIG_BATCH; i++)
		rig.d[i].cap = 256;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(poll_at(0), i + 1);
		assert_int_equal(rig_number(&rig.d[0]), i);
	}
	assert_int_equal(rig_number(&rig.d[1]), 2);
	assert_int_equal(poll_at(0), 0);
	rig_fini(&rig);
}

static void as_fast_as_may_be_is_bounded_by_what_is_out(void **state)
{
	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 10; i++)
		rig_add(&rig, i * 1000 * RIG_MS, 0, 1, (uint16_t)i, 0);
	rig.o.max = true;
	rig.o.in_flight = 4;
	rig_start(&rig);
	assert_int_equal(poll_at(0), 4);
	assert_int_equal(replay_due(rig.r), INT64_MAX);
	assert_int_equal(replay_deadline(rig.r), RIG_T0 + 100 * RIG_MS);
	rig_answer(&rig.d[1], RIG_T0, 0);
	hand_in(RIG_MS, &rig.d[1]);
	assert_int_equal(rig.d[1].verdict, REPLAY_ANSWERED);
	assert_int_equal(poll_at(RIG_MS), 1);
	assert_int_equal(poll_at(100 * RIG_MS), 3); /* three timed out */
	assert_int_equal(rig_counts(&rig).timed_out, 3);
	rig_fini(&rig);
}

static void a_limit_makes_late_and_says_so(void **state)
{
	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 10; i++)
		rig_add(&rig, 0, 0, 1, (uint16_t)i, 0);
	rig.o.rate = 30; /* a tenth of a second's worth at once: 3; then one each 33.3 ms */
	rig_start(&rig);
	assert_int_equal(poll_at(0), 3);
	assert_int_equal(replay_due(rig.r), RIG_T0 + 33333334);
	assert_int_equal(poll_at(33333333), 0);
	assert_int_equal(poll_at(33333334), 1);
	assert_int_equal(rig.d[0].t_ns, RIG_T0 + 33333334);
	assert_int_equal(poll_at(3000 * RIG_MS), 3); /* what wasn't used isn't kept */
	struct replay_counts c = rig_counts(&rig);
	assert_int_equal(c.delayed, 4);
	assert_true(c.delayed_ns_max > 33 * RIG_MS);
	rig_fini(&rig);
}

static void a_limit_above_the_capture_s_rate_changes_nothing(void **state)
{
	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 100; i++)
		rig_add(&rig, i * RIG_MS, 0, 1, (uint16_t)i, 0);
	rig.o.rate = 1001;
	rig_start(&rig);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(poll_at(i * RIG_MS), 1);
	assert_int_equal(rig_counts(&rig).delayed, 0);
	rig_fini(&rig);
}

static void once_stopped_nothing_more_is_sent(void **state)
{
	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 5; i++)
		rig_add(&rig, i * RIG_MS, 0, 1, (uint16_t)i, 0);
	rig_start(&rig);
	assert_int_equal(poll_at(2 * RIG_MS), 3);
	replay_stop(rig.r);
	assert_int_equal(poll_at(50 * RIG_MS), 0);
	assert_int_equal(replay_due(rig.r), INT64_MAX);
	assert_int_equal(rig_counts(&rig).open, 3);
	rig_fini(&rig);
}

/* ---- IDs and sockets ---- */

static void an_id_is_kept_unless_it_is_out(void **state)
{
	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 3; i++)
		rig_add(&rig, 0, 7, 4242, 77, 0);
	rig_start(&rig);
	assert_int_equal(poll_at(0), 3);
	assert_int_equal(dns_id(rig.d[0].data), 77);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(rig.d[i].port, rig.d[0].port); /* a client's port has one socket */
		assert_int_not_equal(dns_id(rig.d[i].data), 77);
	}
	assert_int_not_equal(dns_id(rig.d[1].data), dns_id(rig.d[2].data));
	for (unsigned i = 0; i < 3; i++) {
		rig_answer(&rig.d[i], RIG_T0, 0);
		hand_in(1, &rig.d[i]);
		assert_int_equal(rig.d[i].verdict, REPLAY_ANSWERED);
	}
	assert_int_equal(rig_counts(&rig).renumbered, 2);
	rig_fini(&rig);
}

static void clients_are_spread_over_the_sockets(void **state)
{
	uint32_t seen = 0;

	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 400; i++)
		rig_add(&rig, 0, i / 2, (uint16_t)(i % 2), 5, 0);
	rig_start(&rig);
	for (unsigned n; (n = poll_at(0)) > 0;)
		for (unsigned i = 0; i < n; i++)
			seen |= 1u << rig.d[i].port;
	assert_int_equal(seen, 0xffff);
	rig_fini(&rig);
}

/* ---- answers ---- */

enum change { NONE, OTHER_NAME, OTHER_CASE, OTHER_ID, OTHER_SOCKET, NO_SOCKET, OTHER_TYPE,
              A_QUERY, SHORT, CUT_NAME, NO_QUESTION, NO_QUESTION_FORMERR, LATE, IN_TIME, OVER_TCP };

static void change_answer(struct dgram *d, enum change how)
{
	switch (how) {
	case OTHER_NAME: d->data[DNS_HEADER + 1] ^= 1; break;
	case OTHER_CASE: d->data[DNS_HEADER + 3] ^= 0x20; break;
	case OTHER_ID: d->data[1] ^= 1; break;
	case OTHER_SOCKET: d->port ^= 1; break;
	case NO_SOCKET: d->port = REPLAY_SOCKETS; break;
	case OTHER_TYPE: d->data[d->len - 3] ^= 1; break;
	case A_QUERY: d->data[2] &= 0x7f; break;
	case SHORT: d->len = DNS_HEADER - 1; break;
	case CUT_NAME: d->len = DNS_HEADER + 2; break;
	case NO_QUESTION: d->data[5] = 0; d->len = DNS_HEADER; break;
	case NO_QUESTION_FORMERR:
		change_answer(d, NO_QUESTION);
		d->data[3] |= DNS_FORMERR;
		break;
	case LATE: d->t_ns += 100 * RIG_MS; break;
	case IN_TIME: d->t_ns += 100 * RIG_MS - 1; break;
	case OVER_TCP: d->proto = DGRAM_TCP; d->conn = 1; break;
	case NONE: break;
	}
}

static void an_answer_is_the_query_s_or_it_isn_t(void **state)
{
	static const struct {
		const char *what;
		enum change how;
		enum replay_verdict verdict;
	} rows[] = {
		{ "the answer", NONE, REPLAY_ANSWERED },
		{ "another name", OTHER_NAME, REPLAY_UNMATCHED },
		{ "another case of the name", OTHER_CASE, REPLAY_ANSWERED },
		{ "another ID", OTHER_ID, REPLAY_UNMATCHED },
		{ "another socket", OTHER_SOCKET, REPLAY_UNMATCHED },
		{ "a socket that there isn't", NO_SOCKET, REPLAY_UNMATCHED },
		{ "another type", OTHER_TYPE, REPLAY_UNMATCHED },
		{ "a query", A_QUERY, REPLAY_BROKEN },
		{ "no whole header", SHORT, REPLAY_BROKEN },
		{ "cut off in the name", CUT_NAME, REPLAY_UNMATCHED },
		{ "no question, no error", NO_QUESTION, REPLAY_UNMATCHED },
		{ "no question, FORMERR", NO_QUESTION_FORMERR, REPLAY_ANSWERED },
		{ "as the time-out ends", LATE, REPLAY_UNMATCHED },
		{ "just before that", IN_TIME, REPLAY_ANSWERED },
		{ "over a connection that there isn't", OVER_TCP, REPLAY_UNMATCHED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rig_init(&rig);
		rig_add(&rig, 0, 0, 1, 0x1234, 0);
		rig_start(&rig);
		assert_int_equal(poll_at(0), 1);
		rig_answer(&rig.d[0], RIG_T0, 0);
		change_answer(&rig.d[0], rows[i].how);
		replay_rx(rig.r, RIG_T0, rig.d, 1);
		if (rig.d[0].verdict != rows[i].verdict)
			fail_msg("%s: verdict %u", rows[i].what, rig.d[0].verdict);
		assert_int_equal(rig_counts(&rig).open, rows[i].verdict != REPLAY_ANSWERED);
		rig_fini(&rig);
	}
}

static void an_answer_counts_once(void **state)
{
	(void)state;
	rig_init(&rig);
	rig_add(&rig, 0, 0, 1, 9, 0);
	rig_start(&rig);
	poll_at(0);
	rig_answer(&rig.d[0], RIG_T0, DNS_TC | DNS_NXDOMAIN);
	hand_in(3 * RIG_MS, &rig.d[0]);
	hand_in(4 * RIG_MS, &rig.d[0]);
	assert_int_equal(rig.d[0].verdict, REPLAY_UNMATCHED);
	struct replay_counts c = rig_counts(&rig);
	assert_int_equal(c.answered, 1);
	assert_int_equal(c.unmatched, 1);
	assert_int_equal(c.truncated, 1);
	assert_int_equal(c.rcode[DNS_NXDOMAIN], 1);
	assert_int_equal(replay_latency(rig.r)->max, 3 * RIG_MS);
	assert_true(replay_done(rig.r));
	rig_fini(&rig);
}

static void what_couldn_t_be_sent_isn_t_waited_for(void **state)
{
	(void)state;
	rig_init(&rig);
	rig_add(&rig, 0, 0, 1, 9, 0);
	rig_start(&rig);
	poll_at(0);
	replay_unsent(rig.r, rig.d[0].port, 9);
	replay_unsent(rig.r, rig.d[0].port, 9); /* nothing left to say */
	assert_true(replay_done(rig.r));
	assert_int_equal(rig_counts(&rig).unsent, 1);
	rig_fini(&rig);
}

/* ---- connections ---- */

/* Two queries of connection 1 and one of connection 2, 10 ms apart. */
static void start_tcp(uint64_t loops)
{
	rig_init(&rig);
	rig_add(&rig, 0, 0, 1, 5, 1);
	rig_add(&rig, 10 * RIG_MS, 0, 2, 5, 2);
	rig_add(&rig, 20 * RIG_MS, 0, 1, 5, 1);
	rig.o.pace.loops = loops;
	rig_start(&rig);
}

static void queries_of_a_connection_share_one_until_it_is_over(void **state)
{
	struct dgram first;
	uint8_t kept[RIG_MESSAGE];

	(void)state;
	start_tcp(1);
	assert_int_equal(poll_at(0), 1);
	assert_int_equal(rig.d[0].proto, DGRAM_TCP);
	first = rig.d[0];
	memcpy(kept, first.data, first.len);
	first.data = kept;
	assert_int_equal(poll_at(10 * RIG_MS), 1);
	assert_int_not_equal(rig.d[0].conn, first.conn);
	assert_int_equal(dns_id(rig.d[0].data), 5); /* each has IDs of its own */
	assert_int_equal(poll_at(20 * RIG_MS), 1);
	assert_int_equal(rig.d[0].conn, first.conn);
	assert_int_not_equal(dns_id(rig.d[0].data), 5);
	rig_answer(&rig.d[0], RIG_T0, 0); /* out of order */
	hand_in(21 * RIG_MS, &rig.d[0]);
	assert_int_equal(rig.d[0].verdict, REPLAY_ANSWERED);
	assert_int_equal(poll_at(21 * RIG_MS), 0);
	rig_answer(&first, RIG_T0, 0);
	hand_in(22 * RIG_MS, &first);
	assert_int_equal(first.verdict, REPLAY_ANSWERED);
	assert_int_equal(replay_deadline(rig.r), INT64_MIN);
	assert_int_equal(poll_at(22 * RIG_MS), 1);
	assert_int_equal(rig.d[0].verdict, REPLAY_CLOSE);
	assert_int_equal(rig.d[0].conn, first.conn);
	assert_int_equal(poll_at(110 * RIG_MS), 1); /* the other's only query has timed out */
	assert_int_equal(rig.d[0].verdict, REPLAY_CLOSE);
	assert_true(replay_done(rig.r));
	assert_int_equal(rig_counts(&rig).connections, 2);
	rig_fini(&rig);
}

static void a_connection_is_opened_before_its_first_query(void **state)
{
	const int64_t lead = REPLAY_LEAD_NS;

	(void)state;
	rig_init(&rig);
	rig_add(&rig, 0, 0, 1, 5, 0);
	rig_add(&rig, 300 * RIG_MS, 0, 1, 5, 1);
	rig_add(&rig, 310 * RIG_MS, 0, 1, 6, 1);
	rig.o.pace.period_ns = 400 * RIG_MS;
	rig.o.pace.loops = 2;
	rig_start(&rig);
	assert_int_equal(poll_at(0), 1);
	rig_answer(&rig.d[0], RIG_T0, 0);
	hand_in(1, &rig.d[0]);
	assert_int_equal(replay_deadline(rig.r), RIG_T0 + 300 * RIG_MS - lead);
	opened = 0;
	assert_int_equal(poll_at(300 * RIG_MS - lead - 1), 0);
	assert_int_equal(opened, 0);
	assert_int_equal(replay_poll(rig.r, RIG_T0 + 300 * RIG_MS - lead, rig.d, 1), 1);
	assert_int_equal(rig.d[0].verdict, REPLAY_OPEN);
	uint32_t conn = rig.d[0].conn;
	assert_int_equal(poll_at(310 * RIG_MS), 2);
	assert_int_equal(rig.d[0].conn, conn);
	assert_int_equal(rig.d[1].conn, conn);
	/* The next loop's fails before it is wanted, and is opened when it is. */
	poll_at(600 * RIG_MS);
	assert_int_equal(opened, 1);
	replay_tcp_failed(rig.r, opened_last);
	assert_int_equal(poll_at(710 * RIG_MS), 2);
	assert_int_equal(opened, 1);
	assert_int_equal(rig_counts(&rig).connections, 3);
	rig_fini(&rig);
}

static void a_connection_that_ended_early_is_opened_again(void **state)
{
	(void)state;
	start_tcp(1);
	poll_at(0);
	uint32_t conn = rig.d[0].conn;
	replay_tcp_failed(rig.r, conn);
	assert_int_equal(rig_counts(&rig).failed, 1);
	assert_int_equal(poll_at(20 * RIG_MS), 2);
	assert_int_not_equal(rig.d[0].conn, rig.d[1].conn);
	assert_int_equal(dns_id(rig.d[1].data), 5);
	assert_int_equal(rig_counts(&rig).connections, 3);
	replay_tcp_failed(rig.r, rig.d[1].conn);
	replay_tcp_failed(rig.r, rig.d[0].conn);
	assert_int_equal(rig_counts(&rig).failed, 3);
	assert_true(replay_done(rig.r));
	rig_fini(&rig);
}

static void a_loop_has_connections_of_its_own(void **state)
{
	uint32_t conn[6];

	(void)state;
	start_tcp(2);
	assert_int_equal(poll_at(99 * RIG_MS), 6);
	for (unsigned i = 0; i < 6; i++)
		conn[i] = rig.d[i].conn;
	assert_int_equal(conn[0], conn[2]);
	assert_int_equal(conn[3], conn[5]);
	assert_int_not_equal(conn[0], conn[3]);
	assert_int_equal(rig_counts(&rig).connections, 4);
	assert_int_equal(poll_at(200 * RIG_MS), 4); /* all timed out, all are closed */
	assert_true(replay_done(rig.r));
	rig_fini(&rig);
}

static void too_many_connections_fail_and_are_counted(void **state)
{
	unsigned sent = 0;

	(void)state;
	rig_init(&rig);
	for (uint32_t i = 0; i < RIG_QUERIES; i++)
		rig_add(&rig, 0, 0, 1, 5, i + 1);
	rig.o.pace.loops = 2;
	rig_start(&rig);
	for (unsigned n; (n = poll_at(10000 * RIG_MS)) > 0; sent += n)
		;
	struct replay_counts c = rig_counts(&rig);
	assert_int_equal(sent, REPLAY_CONNECTIONS);
	assert_int_equal(c.connections, REPLAY_CONNECTIONS);
	assert_int_equal(c.failed, 2 * RIG_QUERIES - REPLAY_CONNECTIONS);
	rig_fini(&rig);
}

/* ---- crowds ---- */

static void the_oldest_makes_room_when_too_many_are_out(void **state)
{
	const uint64_t room = REPLAY_SOCKETS * (uint64_t)FLIGHT_SOCKET_MAX;
	uint64_t sent = 0;

	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < 1000; i++)
		rig_add(&rig, 0, i, 1, (uint16_t)i, 0);
	rig.o.pace.loops = 800;
	rig_start(&rig);
	for (unsigned n; (n = poll_at(10000000 * RIG_MS)) > 0; sent += n)
		;
	struct replay_counts c = rig_counts(&rig);
	assert_int_equal(sent, 800000);
	assert_int_equal(c.open, room);
	assert_int_equal(c.given_up, 800000 - room);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_are_due_at_the_capture_s_times_over_loops),
		cmocka_unit_test(what_is_overdue_goes_out_at_once_and_in_order),
		cmocka_unit_test(a_query_that_doesn_t_fit_is_the_next_batch_s_first),
		cmocka_unit_test(as_fast_as_may_be_is_bounded_by_what_is_out),
		cmocka_unit_test(a_limit_makes_late_and_says_so),
		cmocka_unit_test(a_limit_above_the_capture_s_rate_changes_nothing),
		cmocka_unit_test(once_stopped_nothing_more_is_sent),
		cmocka_unit_test(an_id_is_kept_unless_it_is_out),
		cmocka_unit_test(clients_are_spread_over_the_sockets),
		cmocka_unit_test(an_answer_is_the_query_s_or_it_isn_t),
		cmocka_unit_test(an_answer_counts_once),
		cmocka_unit_test(what_couldn_t_be_sent_isn_t_waited_for),
		cmocka_unit_test(queries_of_a_connection_share_one_until_it_is_over),
		cmocka_unit_test(a_connection_is_opened_before_its_first_query),
		cmocka_unit_test(a_connection_that_ended_early_is_opened_again),
		cmocka_unit_test(a_loop_has_connections_of_its_own),
		cmocka_unit_test(too_many_connections_fail_and_are_counted),
		cmocka_unit_test(the_oldest_makes_room_when_too_many_are_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
