/* SPDX-License-Identifier: BSD-3-Clause */
/* Waking up before something is due: how early follows wake-ups, and looking's cost is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "lib/must.h"
#include "sim/replay/core/pace.h"

#define US INT64_C(1000)

struct outcome {
	int64_t looked_ns, took_ns;
	unsigned late;        /* things that were sent late */
	int64_t early_ns;     /* in the end */
};

/* n things gap apart; wake-ups are late by late_ns and, one in 50, by tail_ns. */
static struct outcome play(unsigned n, int64_t gap_ns, int64_t late_ns, int64_t tail_ns)
{
	uint8_t seed[DRBG_SEED];
	struct outcome o = { 0 };
	struct drbg r;
	struct pace p;
	int64_t now = 0;

	drbg_seed_from_u64(seed, 1);
	drbg_init(&r, seed, DRBG_TEST, 0);
	pace_init(&p, now);
	for (unsigned i = 1; i <= n; i++) {
		int64_t due = i * gap_ns;
		if (now >= due) {
			o.late++;
			continue;
		}
		int64_t until = pace_sleep(&p, now, due);
		assert_true(until <= due);
		if (until > now) {
			now = until + (drbg_below(&r, 50) == 0 ? tail_ns : late_ns);
			pace_woke(&p, until, now);
		}
		o.late += now > due;
		if (now < due) {
			o.looked_ns += due - now;
			pace_looked(&p, due - now);
			now = due;
		}
	}
	o.took_ns = now;
	o.early_ns = p.early_ns;
	return o;
}

static void it_is_as_early_as_most_wake_ups_are_late(void **state)
{
	struct outcome o = play(100000, 500 * US, 50 * US, 90 * US);

	(void)state;
	assert_true(o.early_ns >= 50 * US && o.early_ns <= 100 * US);
	assert_true(o.late < 100000 / 40); /* about one in a hundred */
	assert_true(o.looked_ns < o.took_ns / PACE_SHARE);
}

static void quick_wake_ups_cost_little(void **state)
{
	struct outcome o = play(100000, 500 * US, 3 * US, 3 * US);

	(void)state;
	assert_true(o.early_ns < 10 * US);
	assert_true(o.looked_ns < o.took_ns / 50);
}

static void looking_at_the_clock_is_bounded_whatever_the_rate(void **state)
{
	static const struct {
		const char *what;
		int64_t gap_ns;
	} rows[] = {
		{ "1 a second", 1000000 * US }, { "100 a second", 10000 * US },
		{ "2,000", 500 * US }, { "10,000", 100 * US }, { "50,000", 20 * US },
		{ "1,000,000", 1 * US },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct outcome o = play(20000, rows[i].gap_ns, 60 * US, 200 * US);
		if (o.looked_ns > o.took_ns / PACE_SHARE + 2 * PACE_CREDIT_NS)
			fail_msg("%s: looked %lld of %lld us", rows[i].what,
			         (long long)(o.looked_ns / US), (long long)(o.took_ns / US));
	}
}

static void a_wild_wake_up_doesn_t_make_it_wild(void **state)
{
	struct outcome o = play(10000, 1000 * US, 50 * US, 1000000 * US);

	(void)state;
	assert_true(o.early_ns <= PACE_EARLY_MAX_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_as_early_as_most_wake_ups_are_late),
		cmocka_unit_test(quick_wake_ups_cost_little),
		cmocka_unit_test(looking_at_the_clock_is_bounded_whatever_the_rate),
		cmocka_unit_test(a_wild_wake_up_doesn_t_make_it_wild),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
