/* SPDX-License-Identifier: BSD-3-Clause */
/* Points of time and spans read from text, and link layers exchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "sim/capture/core/layer.h"
#include "sim/pcap/core/relink.h"
#include "sim/pcap/cut.h"

static const int64_t SECOND = INT64_C(1000000000);

static void a_moment_is_a_time_or_a_point_of_time(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;         /* -1: refused */
		bool absolute;
	} row[] = {
		{ "90s", 90000000000, false }, { "1.5ms", 1500000, false }, { "0s", 0, false },
		{ "2h", 7200000000000, false }, { "@0", 0, true },
		{ "@1700000000", 1700000000000000000, true },
		{ "@1.000000001", 1000000001, true }, { "@1.5", 1500000000, true },
		{ "1970-01-02T00:00:00Z", 86400000000000, true },
		{ "1970-01-01T00:00:01.25Z", 1250000000, true },
		{ "2024-02-29T12:00:00Z", 1709208000000000000, true },
		{ "", -1, false }, { "5", -1, false }, { "-5s", -1, false }, { "s", -1, false },
		{ "@", -1, false }, { "@-1", -1, false }, { "@1.", -1, false },
		{ "@1.0000000001", -1, false }, { "@9999999999", -1, false },
		{ "@99999999999", -1, false }, { "@1s", -1, false },
		{ "1970-01-01T00:00:00", -1, false }, { "1970-01-01T00:00:00+01:00", -1, false },
		{ "1969-12-31T23:59:59Z", -1, false }, { "2024-02-29T12:00Z", -1, false },
		{ "9999-01-01T00:00:00Z", -1, false }, { "T", -1, false },
		{ "2026-02-31T06:00:00Z", -1, false }, { "2026-02-29T06:00:00Z", -1, false },
		{ "2026-04-31T00:00:00Z", -1, false }, { "2016-12-31T23:59:60Z", -1, false },
		{ "2106-02-07T06:28:16Z", 4294967296000000000, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct moment m;
		int err = moment_parse(&m, row[i].text);
		if ((err == 0) != (row[i].ns >= 0))
			fail_msg("\"%s\": %d", row[i].text, err);
		if (err == 0 && (m.ns != row[i].ns || m.absolute != row[i].absolute))
			fail_msg("\"%s\": %lld", row[i].text, (long long)m.ns);
	}
}

static void a_span_counts_from_its_beginning_to_before_its_end(void **state)
{
	static const struct {
		const char *text;
		int64_t first_s, last_s; /* of 0...20, from 1000 s on; -1: refused */
	} row[] = {
		{ "..", 0, 20 }, { "5s..", 5, 20 }, { "..5s", 0, 4 }, { "5s..7s", 5, 6 },
		{ "@1003..", 3, 20 }, { "@1003..4s", 3, 3 }, { "1s..@1003", 1, 2 },
		{ "..@1000", 1, 0 },
		{ "5s..5s", -1, 0 }, { "7s..5s", -1, 0 }, { "5s", -1, 0 }, { "", -1, 0 },
		{ "5s..7s..9s", -1, 0 }, { "a..b", -1, 0 }, { "5s...7s", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct cut c;
		int err = cut_parse(&c, row[i].text);
		if ((err == 0) != (row[i].first_s >= 0))
			fail_msg("\"%s\": %d", row[i].text, err);
		for (int64_t s = 0; err == 0 && s <= 20; s++)
			if (cut_has(&c, 1000 * SECOND, (1000 + s) * SECOND) !=
			    (s >= row[i].first_s && s <= row[i].last_s))
				fail_msg("\"%s\": second %d", row[i].text, (int)s);
	}
}

static void a_span_of_two_kinds_of_ends_is_empty_where_they_cross(void **state)
{
	static const struct {
		const char *text;
		bool empty;         /* for a first packet of second 1000 */
	} row[] = {
		{ "5s..@3", true }, { "5s..@1005", true }, { "5s..@1005.000000001", false },
		{ "@1003..3s", true }, { "@1003..4s", false }, { "@1003..", false },
		{ "..@3", false }, { "@2000..", false }, { "5s..7s", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct cut c;
		assert_int_equal(cut_parse(&c, row[i].text), 0);
		if (cut_is_empty(&c, 1000 * SECOND) != row[i].empty)
			fail_msg("\"%s\"", row[i].text);
	}
}

static void an_ip_packet_changes_its_link_layer(void **state)
{
	static const uint8_t cooked[16 + 20] = { [14] = 8, [16] = 0x45, [35] = 7 };
	static const uint8_t six[4 + 40] = { 30, [4] = 0x60, [43] = 7 };
	uint8_t room[64];
	(void)state;

	struct capture_packet p = { .bytes = cooked, .len = 36, .wire_len = 40, .link = LINK_SLL };
	assert_int_equal(relink(&p, LINK_SLL, NULL, 0), 0);
	assert_true(p.bytes == cooked && p.len == 36);
	assert_int_equal(relink(&p, LINK_RAW, NULL, 0), 0);
	assert_true(p.bytes == cooked + 16 && p.len == 20 && p.wire_len == 24);
	assert_int_equal(p.link, LINK_RAW);
	assert_int_equal(relink(&p, LINK_ETHERNET, room, 33), -ENOSPC);
	p = (struct capture_packet){ .bytes = cooked, .len = 36, .wire_len = 40, .link = LINK_SLL };
	assert_int_equal(relink(&p, LINK_ETHERNET, room, 34), 0);
	assert_true(p.bytes == room && p.len == 34 && p.wire_len == 38);
	assert_memory_equal(room, "\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\x45", 15);
	assert_int_equal(room[33], 7);
	p = (struct capture_packet){ .bytes = six, .len = 44, .wire_len = 44, .link = LINK_NULL };
	assert_int_equal(relink(&p, LINK_ETHERNET, room, 64), 0);
	assert_memory_equal(room + 12, "\x86\xdd\x60", 3);
	p = (struct capture_packet){ .bytes = six, .len = 44, .wire_len = 44, .link = LINK_NULL };
	assert_int_equal(relink(&p, LINK_SLL, room, 64), -ENOTSUP);
	p = (struct capture_packet){ .bytes = cooked + 2, .len = 34, .wire_len = 34,
	                             .link = LINK_ETHERNET };
	assert_int_equal(relink(&p, LINK_RAW, room, 64), 0);
	p = (struct capture_packet){ .bytes = six, .len = 40, .wire_len = 40,
	                             .link = LINK_ETHERNET };
	assert_int_equal(relink(&p, LINK_RAW, room, 64), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_moment_is_a_time_or_a_point_of_time),
		cmocka_unit_test(a_span_counts_from_its_beginning_to_before_its_end),
		cmocka_unit_test(a_span_of_two_kinds_of_ends_is_empty_where_they_cross),
		cmocka_unit_test(an_ip_packet_changes_its_link_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
