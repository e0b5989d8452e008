/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP anonymized: what stays of an error's head, and of what it quotes if that isn't DNS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "anon_rig.h"

static const struct anon_options plain;

/* An error of one end, of either family, about a datagram with m[0..n); in r->frame. */
static size_t unreachable(struct anon_rig *r, bool v6, const void *m, size_t n)
{
	struct ep c = made_ep(v6 ? "[2001:db8::77]:40000" : "198.51.100.77:40000");
	struct ep s = made_ep(v6 ? "[2001:db8:5::53]:53" : "203.0.113.53:53");
	int len = frame_icmp_unreachable(r->frame, MADE_FRAME_MAX, made_mac, &c, &s, m, n);

	assert_true(len > 0);
	return (size_t)len;
}

static void of_an_icmp_error_s_head_what_says_nothing_stays(void **state)
{
	static const struct {
		const char *what;
		bool v6;
		uint8_t type, code;
		const char *stays;  /* of "leak" */
	} row[] = {
		{ "unreachable", false, 3, 3, "\0\0\0\0" },
		{ "too big", false, 3, 4, "\0\0ak" },
		{ "time exceeded", false, 11, 0, "\0\0\0\0" },
		{ "a parameter", false, 12, 0, "l\0\0\0" },
		{ "unreachable, IPv6", true, 1, 4, "\0\0\0\0" },
		{ "too big, IPv6", true, 2, 0, "leak" },
		{ "time exceeded, IPv6", true, 3, 0, "\0\0\0\0" },
		{ "a parameter, IPv6", true, 4, 1, "leak" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct anon_rig r;
		uint8_t m[512];
		size_t at = row[i].v6 ? 54 : 34;
		anon_rig_init(&r, &plain);
		size_t n = unreachable(&r, row[i].v6, m, made_message(m, 1, 0, "a.example"));
		r.frame[at] = row[i].type;
		r.frame[at + 1] = row[i].code;
		memcpy(r.frame + at + 4, "leak", 4);
		anon_rig_frame(&r, 1, r.frame, n);
		assert_int_equal(r.n, 1);
		if (memcmp(r.out[0].bytes + at + 4, row[i].stays, 4) != 0)
			fail_msg("%s: \"%.4s\"", row[i].what, r.out[0].bytes + at + 4);
		assert_true(frame_sums_right(r.out[0].bytes, r.out[0].len));
		anon_rig_fini(&r);
	}
}

static void of_what_icmp_quotes_no_head_of_something_else_stays(void **state)
{
	static const struct {
		const char *what, *m;
		size_t n;
	} row[] = {
		{ "text", "leakleakleakleakleak", 20 },
		{ "a head alone", "leak\0\1\0\0\0\0\0\0", 12 },
		{ "a name that is cut off", "leak\0\1\0\0\0\0\0\0\3lea", 16 },
		{ "too many questions", "leak\1\1\0\0\0\0\0\0\1k\0\0\1\0\1", 19 },
		{ "less than a head", "leakleak", 8 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct anon_rig r;
		anon_rig_init(&r, &plain);
		anon_rig_frame(&r, 1, r.frame, unreachable(&r, false, row[i].m, row[i].n));
		assert_int_equal(r.n, 1);
		if (anon_rig_shows(&r, "leak", 4))
			fail_msg("%s shows", row[i].what);
		assert_true(frame_sums_right(r.out[0].bytes, r.out[0].len));
		anon_rig_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_an_icmp_error_s_head_what_says_nothing_stays),
		cmocka_unit_test(of_what_icmp_quotes_no_head_of_something_else_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
