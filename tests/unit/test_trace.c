/* SPDX-License-Identifier: BSD-3-Clause */
/* A trace's times over loops and speeds, and clients mapped into nets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim/trace/core/trace.h"

enum { ADDRESSES = 8 };

#define DAY INT64_C(86400000000000)

/* Three queries: at 0, 1 and 4 s. */
static struct trace_query three[] = { { .t_ns = 0 }, { .t_ns = 1000000000 },
                                      { .t_ns = 4000000000 } };
static const struct trace trace3 = { .query_n = 3, .query = three };

static void every_query_is_due_where_arithmetic_says(void **state)
{
	static const struct {
		const char *what;
		uint64_t speed, n;
		int64_t at_ns;
	} rows[] = {
		{ "the first", TRACE_SPEED_ONE, 0, 0 },
		{ "the last of a loop", TRACE_SPEED_ONE, 2, 4000000000 },
		{ "the next loop's first", TRACE_SPEED_ONE, 3, 6000000000 },
		{ "the next loop's last", TRACE_SPEED_ONE, 5, 10000000000 },
		{ "loop 14,400, a day later", TRACE_SPEED_ONE, 3 * 14400 + 1, DAY + 1000000000 },
		{ "twice as fast", 2 * TRACE_SPEED_ONE, 5, 5000000000 },
		{ "a third as fast, rounded down", 3 * TRACE_SPEED_ONE, 1, 333333333 },
		{ "seven times as fast after a million loops: no rounding adds up",
		  7 * TRACE_SPEED_ONE, 3000000, 857142857142857 },
		{ "a millionth of the speed", 1, 1, INT64_C(1000000000000000) },
		{ "longer than time can be told", 1, 3 * (UINT64_C(1) << 40), INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct trace_pace pace = { trace_period(&trace3), rows[i].speed,
		                           UINT64_C(1) << 41 };
		if (trace_at(&trace3, &pace, rows[i].n) != rows[i].at_ns)
			fail_msg("%s: %lld", rows[i].what,
			         (long long)trace_at(&trace3, &pace, rows[i].n));
	}
}

static void a_loop_takes_its_span_and_a_mean_gap(void **state)
{
	struct trace_query same[] = { { .t_ns = 0 }, { .t_ns = 0 } };
	struct trace_query near[] = { { .t_ns = 0 }, { .t_ns = 0 }, { .t_ns = 1 } };
	struct trace one = { .query_n = 1, .query = same }, two = { .query_n = 2, .query = same };
	struct trace close = { .query_n = 3, .query = near };

	(void)state;
	assert_int_equal(trace_period(&trace3), 6000000000);
	assert_int_equal(trace_period(&one), 1000000000);
	assert_int_equal(trace_period(&two), 1000000000);
	assert_int_equal(trace_period(&close), 2); /* a gap is never nothing */
	same[1].t_ns = INT64_MAX - 1;
	assert_int_equal(trace_period(&two), INT64_MAX);
	same[1].t_ns = 0;
	struct trace_pace pace = { trace_period(&trace3), 3 * TRACE_SPEED_ONE / 2, 5 };
	assert_int_equal(trace_lasts(&pace), 20000000000);
	assert_int_equal(trace_planned(&trace3, &pace), 15);
}

static void queries_before_an_instant_are_counted(void **state)
{
	static const struct {
		int64_t t_ns;
		uint64_t n;
	} rows[] = {
		{ -5, 0 }, { 0, 0 }, { 1, 1 }, { 1000000000, 1 }, { 1000000001, 2 },
		{ 6000000000, 3 }, { 6000000001, 4 }, { 12000000000, 6 }, { INT64_MAX, 6 },
	};
	struct trace_pace pace = { trace_period(&trace3), TRACE_SPEED_ONE, 2 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (trace_before(&trace3, &pace, rows[i].t_ns) != rows[i].n)
			fail_msg("before %lld: %llu", (long long)rows[i].t_ns,
			         (unsigned long long)trace_before(&trace3, &pace, rows[i].t_ns));
}

static void the_fullest_window_is_found_also_across_loops(void **state)
{
	static const struct {
		int64_t window_ns;
		uint64_t most;
	} rows[] = {
		{ 1, 1 }, { 900000000, 1 }, { 1500000000, 2 }, { 3500000000, 3 },
		{ 6500000000, 4 }, { 60000000000, 6 },
	};
	struct trace_pace pace = { trace_period(&trace3), TRACE_SPEED_ONE, 2 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (trace_most(&trace3, &pace, rows[i].window_ns) != rows[i].most)
			fail_msg("%lld: %llu", (long long)rows[i].window_ns,
			         (unsigned long long)trace_most(&trace3, &pace,
			                                        rows[i].window_ns));
}

/* Addresses of a text, apart by spaces. Returns how many. */
static uint32_t read_ips(const char *text, struct ip ip[ADDRESSES])
{
	char copy[256];
	uint32_t n = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *at = strtok(copy, " "); at != NULL; at = strtok(NULL, " "))
		assert_int_equal(ip_parse(&ip[n++], at), 0);
	return n;
}

static void clients_are_mapped_with_their_prefixes(void **state)
{
	static const struct {
		const char *what, *from, *net, *to; /* to NULL: too small */
		int bits;                           /* of the smallest net, in the family's way */
	} rows[] = {
		{ "one client", "203.0.113.9", "192.0.2.0/24", "192.0.2.1", 30 },
		{ "two", "198.51.100.7 203.0.113.9", "192.0.2.0/24", "192.0.2.2 192.0.2.3", 29 },
		{ "two in the smallest net", "198.51.100.7 203.0.113.9", "192.0.2.8/29",
		  "192.0.2.10 192.0.2.11", 29 },
		{ "a net too small", "198.51.100.7 203.0.113.9", "192.0.2.8/30", NULL, 29 },
		{ "neighbours stay neighbours", "10.0.0.1 10.0.0.2 10.9.0.1", "192.0.2.0/24",
		  "192.0.2.4 192.0.2.5 192.0.2.6", 28 },
		{ "whoever they are", "10.0.0.1 10.9.0.1 10.9.0.2", "192.0.2.0/24",
		  "192.0.2.4 192.0.2.6 192.0.2.7", 28 },
		{ "IPv6", "2001:db8::1 2001:db8::2 2001:db9::", "2001:db8:1::/48",
		  "2001:db8:1::4 2001:db8:1::5 2001:db8:1::6", 125 },
		{ "IPv6 in the smallest", "2001:db8::1 2001:db8::2", "2001:db8:1::/126",
		  "2001:db8:1::2 2001:db8:1::3", 126 },
	};
	struct ip from[ADDRESSES], to[ADDRESSES], want[ADDRESSES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t n = read_ips(rows[i].from, from);
		struct prefix net;
		int bits;
		assert_int_equal(prefix_parse(&net, rows[i].net), 0);
		int err = trace_map(from, n, &net, to, &bits);
		if (err != (rows[i].to == NULL ? -ENOSPC : 0))
			fail_msg("%s: returns %d", rows[i].what, err);
		if (bits - (ip_is4(&net.ip) ? 96 : 0) != rows[i].bits)
			fail_msg("%s: bits %d", rows[i].what, bits);
		if (rows[i].to == NULL)
			continue;
		read_ips(rows[i].to, want);
		for (uint32_t k = 0; k < n; k++) {
			char text[IP_TEXT];
			ip_format(&to[k], text);
			if (!ip_eq(&to[k], &want[k]))
				fail_msg("%s: client %u is %s", rows[i].what, k, text);
		}
	}
}

/* Each address parts from all others at a bit of its own: no IPv4 net has so many. */
static void a_tree_too_deep_for_any_net_is_refused(void **state)
{
	struct ip from[33] = { ip_v4(0, 0, 0, 0) };
	struct prefix net;
	int bits;

	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		uint32_t v = UINT32_C(1) << i;
		from[i + 1] = ip_v4((uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
		                    (uint8_t)v);
	}
	assert_int_equal(prefix_parse(&net, "0.0.0.0/0"), 0);
	assert_int_equal(trace_map(from, 33, &net, NULL, &bits), -ENOSPC);
	assert_true(bits < 0);
	assert_int_equal(trace_map(from, 30, &net, NULL, &bits), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_query_is_due_where_arithmetic_says),
		cmocka_unit_test(a_loop_takes_its_span_and_a_mean_gap),
		cmocka_unit_test(queries_before_an_instant_are_counted),
		cmocka_unit_test(the_fullest_window_is_found_also_across_loops),
		cmocka_unit_test(clients_are_mapped_with_their_prefixes),
		cmocka_unit_test(a_tree_too_deep_for_any_net_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
