/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of either kind, byte order and clock; cut anywhere; and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "sim/capture/core/format.h"
#include "tests/capture_make.h"

static struct format format; /* too large for a stack */

/* Reads all of m in steps of some bytes at most. Returns how many packets, and the last result. */
static unsigned read_all(const struct made *m, size_t step, struct capture_packet *out,
                         unsigned max, int *result)
{
	size_t at = 0, have = 0;
	unsigned n = 0;

	format_init(&format);
	for (;;) {
		struct capture_packet p;
		/* Exactly what there is, so that a sanitizer sees what is read behind it. */
		uint8_t *exact = malloc(have > 0 ? have : 1);
		assert_non_null(exact);
		if (have > 0)
			memcpy(exact, m->p + at, have);
		*result = format_next(&format, exact, have, at + have == m->n, &p);
		bool got = *result > 0 && p.bytes != NULL;
		if (got && n < max) {
			out[n] = p;
			out[n].bytes = m->p + at + (p.bytes - exact);
		}
		free(exact);
		n += got;
		if (*result < 0 || (*result == 0 && at + have == m->n))
			return n;
		at += (size_t)*result;
		have -= (size_t)*result;
		if (*result == 0) {
			assert_true(have < FORMAT_NEED_MAX);
			have += step < m->n - at - have ? step : m->n - at - have;
		}
	}
}

#define NS(s, ns) (INT64_C(1000000000) * (s) + (ns))

static void packets_of_pcap_have_their_times(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct made m = { .big = (i & 1) != 0 };
		struct capture_packet p[2];
		bool nano = (i & 2) != 0;
		int result;
		made_pcap(&m, nano, LINK_ETHERNET | 0x50000000); /* with an FCS's length */
		made_record(&m, 1000000000, 123456, "hello", 5, 5);
		made_record(&m, UINT32_MAX, 999999, "", 0, 1500);
		for (size_t step = 1; step <= m.n; step += 1 + step / 4) {
			assert_int_equal(read_all(&m, step, p, 2, &result), 2);
			assert_int_equal(result, 0);
			assert_int_equal(p[0].t_ns, NS(1000000000, nano ? 123456 : 123456000));
			assert_int_equal(p[1].t_ns, NS(UINT32_MAX, nano ? 999999 : 999999000));
			assert_int_equal(p[0].link, LINK_ETHERNET);
			assert_true(p[0].number == 1 && p[1].number == 2);
			assert_true(p[0].len == 5 && p[0].wire_len == 5 && p[1].wire_len == 1500);
			assert_memory_equal(p[0].bytes, "hello", 5);
			assert_true(p[0].fault == 0 && p[1].fault == 0);
		}
		made_free(&m);
	}
}

static const struct {
	const char *what;
	int resolution;
	int64_t offset_s;
	uint64_t ticks;
	int64_t t_ns;  /* -1: none */
} clock_row[] = {
	{ "microseconds unless it says otherwise", -1, 0, 5000001, NS(5, 1000) },
	{ "microseconds", 6, 0, 5000001, NS(5, 1000) },
	{ "nanoseconds", 9, 0, 5000000001, NS(5, 1) },
	{ "seconds", 0, 0, 5, NS(5, 0) },
	{ "picoseconds", 12, 0, 5000000001999, NS(5, 1) },
	{ "10^-18 s", 18, 0, UINT64_C(5000000001000000000), NS(5, 1) },
	{ "2^-20 s", 0x94, 0, 5 << 20 | 1 << 19, NS(5, 500000000) },
	{ "2^-63 s", 0xbf, 0, UINT64_C(1) << 63 | UINT64_C(1) << 62, NS(1, 500000000) },
	{ "an offset", 9, 1000, 1, NS(1000, 1) },
	{ "before 1970", 9, -1, 1, -1 },
	{ "after 2262", 0, 0, UINT64_MAX, -1 },
	{ "an offset too far", 9, INT64_MAX / 2, 1, -1 },
	{ "a resolution that nobody has", 77, 0, 1, -1 },
};

static void a_pcapng_interface_has_its_own_clock(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(clock_row); i++) {
		size_t r = i / 2;
		struct made m = { .big = i % 2 == 1 };
		struct capture_packet p;
		int result;
		made_section(&m);
		made_interface(&m, LINK_ETHERNET, 3, 0);
		made_interface(&m, LINK_SLL2, clock_row[r].resolution, clock_row[r].offset_s);
		made_packet(&m, 1, clock_row[r].ticks, "hello", 5, 6);
		assert_int_equal(read_all(&m, 7, &p, 1, &result), 1);
		assert_int_equal(result, 0);
		if (p.fault != (clock_row[r].t_ns < 0 ? CAPTURE_NO_TIME : 0) ||
		    (p.fault == 0 && p.t_ns != clock_row[r].t_ns))
			fail_msg("%s: %lld", clock_row[r].what, (long long)p.t_ns);
		assert_true(p.link == LINK_SLL2 && p.interface == 1);
		assert_true(p.len == 5 && p.wire_len == 6);
		assert_memory_equal(p.bytes, "hello", 5);
		made_free(&m);
	}
}

static void sections_begin_anew_even_in_the_other_byte_order(void **state)
{
	struct capture_packet p[4];
	struct made m = { 0 };
	int result;
	(void)state;

	made_section(&m);
	made_interface(&m, LINK_ETHERNET, 9, 0);
	made_packet(&m, 0, 1, "a", 1, 1);
	m.big = true;
	made_section(&m);
	made_packet(&m, 0, 2, "b", 1, 1); /* no interface yet */
	made_interface(&m, LINK_RAW, 6, 0);
	made_packet(&m, 0, 3, "c", 1, 1);
	made_simple(&m, "simple", 6);
	for (size_t step = 1; step < m.n; step++) {
		assert_int_equal(read_all(&m, step, p, 4, &result), 4);
		assert_int_equal(result, 0);
		assert_true(p[0].fault == 0 && p[0].t_ns == 1 && p[0].link == LINK_ETHERNET);
		assert_true(p[1].fault == CAPTURE_RECORD && p[1].number == 2);
		assert_true(p[2].fault == 0 && p[2].t_ns == 3000 && p[2].link == LINK_RAW);
		assert_true(p[3].fault == CAPTURE_NO_TIME && p[3].len == 6);
	}
	made_free(&m);
}

static void blocks_that_nobody_knows_are_passed_over_however_long(void **state)
{
	enum { LONG = 3 * FORMAT_NEED_MAX };
	uint8_t *body = calloc(1, LONG);
	struct made m = { 0 };
	struct capture_packet p;
	int result;
	(void)state;

	assert_non_null(body);
	made_section(&m);
	made_block(&m, 0x0bad, body, LONG);
	made_interface(&m, LINK_ETHERNET, 9, 0);
	made_block(&m, 10, body, 100); /* secrets */
	made_packet(&m, 0, 1, "a", 1, 1);
	assert_int_equal(read_all(&m, 100000, &p, 1, &result), 1);
	assert_true(result == 0 && p.fault == 0 && p.number == 1);
	m.n = m.n / 2;
	assert_int_equal(read_all(&m, 100000, &p, 1, &result), 0);
	assert_true(result == -EBADMSG && format.fault == FORMAT_CUT_OFF);
	made_free(&m);
	free(body);
}

static void more_interfaces_than_there_is_room_for_are_numbered_still(void **state)
{
	struct made m = { 0 };
	struct capture_packet p[3];
	int result;
	(void)state;

	made_section(&m);
	for (unsigned i = 0; i < FORMAT_INTERFACES_MAX + 2; i++)
		made_interface(&m, LINK_RAW, 9, 0);
	made_packet(&m, FORMAT_INTERFACES_MAX - 1, 1, "a", 1, 1);
	made_packet(&m, FORMAT_INTERFACES_MAX, 1, "a", 1, 1);
	made_packet(&m, UINT32_MAX, 1, "a", 1, 1);
	assert_int_equal(read_all(&m, 64, p, 3, &result), 3);
	assert_true(p[0].fault == 0);
	assert_true(p[1].fault == CAPTURE_RECORD && p[2].fault == CAPTURE_RECORD);
	made_free(&m);
}

/* Cut anywhere, a file gives the packets that are whole, and says that it is cut off. */
static void a_file_cut_off_anywhere_gives_what_is_whole(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct made m = { 0 };
		struct capture_packet p[3];
		size_t end[4], ends = 0;
		int result;
		if (kind == 0)
			made_pcap(&m, true, LINK_ETHERNET);
		else
			made_section(&m);
		end[ends++] = m.n;
		if (kind == 1)
			made_interface(&m, LINK_ETHERNET, 9, 0);
		for (unsigned i = 0; i < 3; i++) {
			if (kind == 0)
				made_record(&m, i, 0, "hello", 5, 5);
			else
				made_packet(&m, 0, i, "hello", 5, 5);
			end[ends++] = m.n;
		}
		for (size_t n = m.n; n-- > 1;) {
			unsigned whole = 0;
			while (whole < 3 && end[whole + 1] <= n)
				whole++;
			m.n = n;
			assert_int_equal(read_all(&m, 9, p, 3, &result), whole);
			if (result == 0)
				assert_true(kind == 1 || n == end[whole]);
			else
				assert_true(format.fault == (n < end[0] ? FORMAT_NOT_CAPTURE
				                                        : FORMAT_CUT_OFF) ||
				            (kind == 1 && format.fault == FORMAT_CUT_OFF));
			assert_true(n != end[whole] || result == 0);
		}
		made_free(&m);
	}
}

static void what_makes_no_sense_ends_the_reading_with_its_reason(void **state)
{
	static const struct {
		const char *what;
		unsigned kind;      /* 0: pcap, 1: pcapng, 2: neither */
		unsigned at;        /* the byte that is changed */
		uint8_t to;
		unsigned packets;
		enum format_fault fault;
	} bad[] = {
		{ "an empty file", 2, 0, 0, 0, FORMAT_NOT_CAPTURE },
		{ "a pcap of version 3", 0, 4, 3, 0, FORMAT_VERSION },
		{ "a record of 16 MB", 0, 24 + 11, 1, 0, FORMAT_RECORD },
		{ "a second record that is too long", 0, 24 + 21 + 11, 1, 1, FORMAT_RECORD },
		{ "a pcapng of version 2", 1, 12, 2, 0, FORMAT_VERSION },
		{ "no byte order", 1, 8, 0, 0, FORMAT_NOT_CAPTURE },
		{ "a section of 5 bytes", 1, 4, 5, 0, FORMAT_BLOCK },
		{ "an interface of 8 bytes", 1, 28 + 4, 8, 0, FORMAT_BLOCK },
		{ "a block whose lengths differ", 1, 28 + 44 - 4, 99, 0, FORMAT_BLOCK },
	};
	(void)state;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct made m = { 0 };
		struct capture_packet p[2];
		int result;
		if (bad[i].kind == 0) {
			made_pcap(&m, true, LINK_ETHERNET);
			made_record(&m, 1, 0, "hello", 5, 5);
			made_record(&m, 2, 0, "hello", 5, 5);
		} else if (bad[i].kind == 1) {
			made_section(&m);
			made_interface(&m, LINK_ETHERNET, 9, 0);
			made_packet(&m, 0, 1, "hello", 5, 5);
		}
		if (bad[i].kind < 2)
			m.p[bad[i].at] = bad[i].to;
		unsigned n = read_all(&m, 1000, p, 2, &result);
		if (n != bad[i].packets || result != -EBADMSG || format.fault != bad[i].fault)
			fail_msg("%s: %u packets, %d, %s", bad[i].what, n, result,
			         format_fault_text(format.fault));
		made_free(&m);
	}
}

static void a_packet_that_contradicts_itself_is_one_and_the_next_is_read(void **state)
{
	struct capture_packet p[2];
	struct made m = { 0 };
	int result;
	(void)state;

	made_section(&m);
	made_interface(&m, LINK_ETHERNET, 9, 0);
	size_t at = m.n;
	made_packet(&m, 0, 1, "hello", 5, 5);
	made_packet(&m, 0, 2, "hello", 5, 5);
	m.p[at + 8 + 12] = 200; /* more bytes than its block has */
	assert_int_equal(read_all(&m, 1000, p, 2, &result), 2);
	assert_true(result == 0 && p[0].fault == CAPTURE_RECORD && p[0].len == 0);
	assert_true(p[1].fault == 0 && p[1].number == 2);
	made_free(&m);
	made_pcap(&m, false, LINK_ETHERNET);
	made_record(&m, 1, 1000000, "hello", 5, 5); /* a million microseconds */
	made_record(&m, 1, 999999, "hello", 5, 4);  /* shorter than what there is */
	assert_int_equal(read_all(&m, 1000, p, 2, &result), 2);
	assert_true(p[0].fault == CAPTURE_NO_TIME && p[1].fault == 0 && p[1].wire_len == 5);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_pcap_have_their_times),
		cmocka_unit_test(a_pcapng_interface_has_its_own_clock),
		cmocka_unit_test(sections_begin_anew_even_in_the_other_byte_order),
		cmocka_unit_test(blocks_that_nobody_knows_are_passed_over_however_long),
		cmocka_unit_test(more_interfaces_than_there_is_room_for_are_numbered_still),
		cmocka_unit_test(a_file_cut_off_anywhere_gives_what_is_whole),
		cmocka_unit_test(what_makes_no_sense_ends_the_reading_with_its_reason),
		cmocka_unit_test(a_packet_that_contradicts_itself_is_one_and_the_next_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
