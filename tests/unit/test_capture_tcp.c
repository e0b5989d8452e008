/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages over TCP: each row is a script of segments of one stream whose bytes are known, and
 * what it says. The stream holds messages with the IDs 1, 2, 3... of 40 bytes each, lengths
 * included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dissect_rig.h"

#define CLIENT "192.0.2.100:40000"
#define SERVER "192.0.2.3:53"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, ONE = 40, MESSAGES = 200 };

static const int64_t SECOND = INT64_C(1000000000);
static uint8_t stream[MESSAGES * ONE];

static int make_stream(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < MESSAGES; i++) {
		uint8_t m[512];
		uint16_t n = made_message(m, (uint16_t)(i + 1), DNS_RD, "some.name.example");
		MUST(n <= ONE - 2);
		memset(m + n, 0, ONE - 2 - n);
		dns_put16(stream + i * ONE, ONE - 2);
		memcpy(stream + i * ONE + 2, m, ONE - 2);
	}
	return 0;
}

/* A segment: n bytes of the stream from at on; the first byte of the stream is base + 1. */
static void segment(struct dissect_rig *r, int64_t t_ns, uint32_t base, uint8_t flags, uint32_t at,
                    uint32_t n)
{
	uint32_t seq = base + (flags & SYN ? 0 : 1 + at);

	dissect_rig_frame(r, t_ns, r->frame,
	                  made_tcp(r->frame, CLIENT, SERVER, flags | ACK * !(flags & SYN), seq,
	                           stream + at, n));
}

struct step {
	uint8_t flags;
	uint32_t at, n;
	int64_t wait_s;      /* before it */
};

static const struct {
	const char *what;
	unsigned n;
	struct step step[8];
	const char *said;
	unsigned gaps, unframed, open;
} row[] = {
	{ "one", 2, { { SYN, 0, 0, 0 }, { 0, 0, 40, 0 } }, "1#1;", 0, 0, 0 },
	{ "three in one segment", 2, { { SYN, 0, 0, 0 }, { 0, 0, 120, 0 } },
	  "1#1;2#1;3#1;", 0, 0, 0 },
	{ "cut in the middle", 3, { { SYN, 0, 0, 0 }, { 0, 0, 50, 0 }, { 0, 50, 30, 0 } },
	  "1#1;2#1;", 0, 0, 0 },
	{ "the length in two halves", 4, { { SYN, 0, 0, 0 }, { 0, 0, 1, 0 }, { 0, 1, 1, 0 },
	  { 0, 2, 38, 0 } }, "1#1;", 0, 0, 0 },
	{ "out of order", 4, { { SYN, 0, 0, 0 }, { 0, 80, 40, 0 }, { 0, 40, 40, 0 },
	  { 0, 0, 40, 0 } },
	  "1#1;2#1;3#1;", 0, 0, 0 },
	{ "before its SYN is seen again", 3, { { SYN, 0, 0, 0 }, { 0, 0, 40, 0 },
	  { SYN, 0, 0, 0 } },
	  "1#1;", 0, 0, 0 },
	{ "data before its SYN", 3, { { 0, 0, 40, 0 }, { SYN, 0, 0, 0 }, { 0, 40, 40, 0 } },
	  "1#1;2#1;", 0, 0, 0 },
	{ "a new one behind one picked up midway", 3, { { 0, 40, 40, 0 }, { SYN | 0x80, 0, 0, 0 },
	  { 0x80, 0, 40, 0 } }, "2#1;1#2;", 0, 0, 0 },
	{ "sent again", 4, { { SYN, 0, 0, 0 }, { 0, 0, 40, 0 }, { 0, 0, 40, 0 }, { 0, 40, 40, 0 } },
	  "1#1;2#1;", 0, 0, 0 },
	{ "sent again with more behind it", 3, { { SYN, 0, 0, 0 }, { 0, 0, 50, 0 },
	  { 0, 0, 90, 0 } },
	  "1#1;2#1;", 0, 0, 1 },
	{ "overlapping", 4, { { SYN, 0, 0, 0 }, { 0, 0, 30, 0 }, { 0, 60, 20, 0 },
	  { 0, 20, 50, 0 } },
	  "1#1;2#1;", 0, 0, 0 },
	{ "data with the SYN", 2, { { SYN, 0, 40, 0 }, { 0, 40, 40, 0 } }, "1#1;2#1;", 0, 0, 0 },
	{ "again after its end", 4, { { SYN, 0, 0, 0 }, { 0, 0, 40, 0 }, { FIN, 40, 0, 0 },
	  { 0, 0, 40, 0 } }, "1#1;", 0, 0, 0 },
	{ "its end before its data", 3, { { SYN, 0, 0, 0 }, { FIN, 40, 40, 0 }, { 0, 0, 40, 0 } },
	  "1#1;2#1;", 0, 0, 0 },
	{ "never whole", 3, { { SYN, 0, 0, 0 }, { 0, 0, 79, 0 }, { FIN, 79, 0, 0 } },
	  "1#1;", 0, 0, 1 },
	{ "picked up at a message", 2, { { 0, 80, 40, 0 }, { 0, 120, 40, 0 } },
	  "3#1;4#1;", 0, 0, 0 },
	{ "picked up within a message", 2, { { 0, 70, 50, 0 }, { 0, 120, 40, 0 } },
	  "4#1;", 0, 1, 0 },
	{ "picked up at a part of one", 2, { { 0, 80, 38, 0 }, { 0, 118, 42, 0 } }, "3#1;4#1;",
	  0, 0, 0 },
	{ "a gap that is filled in time", 4, { { SYN, 0, 0, 0 }, { 0, 40, 40, 0 }, { 0, 80, 40, 2 },
	  { 0, 0, 40, 0 } }, "1#1;2#1;3#1;", 0, 0, 0 },
	{ "a gap that is never filled", 4, { { SYN, 0, 0, 0 }, { 0, 40, 40, 0 }, { 0, 80, 40, 4 },
	  { 0, 120, 40, 0 } }, "2#1;3#1;4#1;", 1, 0, 0 },
	{ "gaps, and within a message behind them", 7, { { SYN, 0, 0, 0 }, { 0, 0, 40, 0 },
	  { 0, 90, 30, 0 }, { 0, 130, 30, 4 }, { 0, 160, 40, 4 }, { 0, 200, 40, 4 },
	  { 0, 240, 40, 0 } }, "1#1;7#1;", 2, 2, 0 },
	{ "two gaps", 5, { { SYN, 0, 0, 0 }, { 0, 40, 40, 0 }, { 0, 120, 40, 4 }, { 0, 160, 40, 1 },
	  { 0, 200, 40, 4 } }, "2#1;4#1;5#1;6#1;", 2, 0, 0 },
	{ "a new connection of the same ports", 4, { { SYN, 0, 0, 0 }, { 0, 0, 40, 0 },
	  { SYN | 0x80, 0, 0, 0 }, { 0x80, 0, 40, 0 } }, "1#1;1#2;", 0, 0, 0 },
	{ "the same without its SYN", 3, { { SYN, 0, 0, 0 }, { 0, 0, 40, 0 }, { 0x80, 0, 40, 0 } },
	  "1#1;1#1;", 1, 0, 0 },
};

/* Rows under several first numbers, one of which wraps around within the stream. */
static void segments_make_the_messages(void **state)
{
	static const uint32_t base[] = { 1000, UINT32_MAX - 60, UINT32_MAX, 0x7fffffd0 };
	(void)state;

	for (size_t i = 0; i < COUNT_OF(row) * COUNT_OF(base); i++) {
		size_t w = i % COUNT_OF(row);
		struct dissect_rig r;
		int64_t t = SECOND;
		dissect_rig_init(&r, &(struct dissect_options){ .connections = 8, .blocks = 256 });
		for (unsigned k = 0; k < row[w].n; k++) {
			const struct step *s = &row[w].step[k];
			t += s->wait_s * SECOND;
			uint32_t from = base[i / COUNT_OF(row)] + (s->flags & 0x80 ? 1u << 30 : 0);
			segment(&r, t, from, s->flags & 0x7f, s->at, s->n);
		}
		dissect_end(r.d);
		const uint64_t *count = dissect_counts(r.d);
		const char *said = dissect_said(&r);
		if (strcmp(said, row[w].said) != 0 || count[CAPTURE_TCP_GAP] != row[w].gaps ||
		    count[CAPTURE_TCP_FRAME] != row[w].unframed ||
		    count[CAPTURE_TCP_OPEN] != row[w].open)
			fail_msg("%s: '%s' and not '%s', gaps %u, unframed %u, open %u",
			         row[w].what, said, row[w].said,
			         (unsigned)count[CAPTURE_TCP_GAP],
			         (unsigned)count[CAPTURE_TCP_FRAME],
			         (unsigned)count[CAPTURE_TCP_OPEN]);
		assert_true(dissect_rig_conserves(&r));
		dissect_rig_fini(&r);
	}
}

static void both_directions_are_one_connection(void **state)
{
	struct dissect_rig r;
	uint8_t m[514];
	uint16_t n = made_message(m + 2, 9, DNS_QR, "some.name.example");
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	dns_put16(m, n);
	segment(&r, 1, 500, SYN, 0, 0);
	dissect_rig_frame(&r, 1, r.frame,
	                  made_tcp(r.frame, SERVER, CLIENT, SYN | ACK, 70, NULL, 0));
	segment(&r, 2, 500, 0, 0, 40);
	dissect_rig_frame(&r, 3, r.frame,
	                  made_tcp(r.frame, SERVER, CLIENT, ACK, 71, m, n + 2u));
	assert_string_equal(dissect_said(&r), "1#1;9#1;");
	segment(&r, 4, 90000, SYN, 0, 0);
	segment(&r, 5, 90000, 0, 0, 40);
	assert_string_equal(dissect_said(&r), "1#2;");
	dissect_rig_fini(&r);
}

static void a_message_that_is_too_short_is_counted_and_passed_over(void **state)
{
	struct dissect_rig r;
	uint8_t m[64] = { 0, 3, 1, 2, 3, 0, 0 };
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	segment(&r, 1, 500, SYN, 0, 0);
	memcpy(m + 7, stream, ONE);
	dissect_rig_frame(&r, 1, r.frame, made_tcp(r.frame, CLIENT, SERVER, ACK, 501, m, 47));
	assert_string_equal(dissect_said(&r), "1#1;");
	assert_int_equal(dissect_counts(r.d)[CAPTURE_TCP_SHORT], 2);
	dissect_rig_fini(&r);
}

static void the_largest_message_in_the_smallest_pieces(void **state)
{
	static uint8_t m[2 + 65535];
	struct dissect_rig r;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ .connections = 2, .blocks = 128 });
	dns_put16(m, 65535);
	dns_put16(m + 2, 4711);
	segment(&r, 1, 500, SYN, 0, 0);
	for (uint32_t i = 0, n; i < sizeof(m); i += n) {
		n = sizeof(m) - i < 3 ? (uint32_t)sizeof(m) - i : 3;
		dissect_rig_frame(&r, 2, r.frame,
		                  made_tcp(r.frame, CLIENT, SERVER, ACK, 501 + i, m + i, n));
	}
	assert_string_equal(dissect_said(&r), "4711#1;");
	dissect_end(r.d);
	assert_int_equal(dissect_counts(r.d)[CAPTURE_TCP_OPEN], 0);
	dissect_rig_fini(&r);
}

/* More connections than there is room for, each with half a message: nothing grows, all is told. */
static void connections_make_room_and_that_is_counted(void **state)
{
	struct dissect_rig r;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ .connections = 16, .blocks = 128 });
	for (unsigned i = 0; i < 100; i++) {
		char client[32];
		snprintf(client, sizeof(client), "192.0.2.100:%u", 10000 + i);
		dissect_rig_frame(&r, 1, r.frame,
		                  made_tcp(r.frame, client, SERVER, SYN, 0, NULL, 0));
		dissect_rig_frame(&r, 1, r.frame,
		                  made_tcp(r.frame, client, SERVER, ACK, 1, stream, 60));
	}
	assert_int_equal(dissect_counts(r.d)[CAPTURE_TCP_FULL], 84);
	assert_int_equal(dissect_counts(r.d)[CAPTURE_TCP_OPEN], 84);
	assert_int_equal(dissect_counts(r.d)[CAPTURE_TCP], 200);
	dissect_end(r.d);
	assert_int_equal(dissect_counts(r.d)[CAPTURE_TCP_OPEN], 100);
	assert_true(dissect_rig_conserves(&r));
	dissect_rig_fini(&r);
}

/* Bytes in no order at all, a gap before each: it stays within its bounds and reads on behind. */
static void a_stream_of_gaps_is_bounded(void **state)
{
	struct dissect_rig r;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ .connections = 16, .blocks = 128 });
	segment(&r, 1, 500, SYN, 0, 0);
	for (uint32_t i = 0; i < MESSAGES - 1; i++)
		segment(&r, 1, 500, 0, i * ONE + 1, 1);
	const uint64_t *count = dissect_counts(r.d);
	assert_true(count[CAPTURE_TCP_GAP] >= 1 && count[CAPTURE_TCP_FRAME] >= 1);
	dissect_end(r.d);
	assert_true(dissect_rig_conserves(&r));
	dissect_rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_make_the_messages),
		cmocka_unit_test(both_directions_are_one_connection),
		cmocka_unit_test(a_message_that_is_too_short_is_counted_and_passed_over),
		cmocka_unit_test(the_largest_message_in_the_smallest_pieces),
		cmocka_unit_test(connections_make_room_and_that_is_counted),
		cmocka_unit_test(a_stream_of_gaps_is_bounded),
	};

	return cmocka_run_group_tests(tests, make_stream, NULL);
}
