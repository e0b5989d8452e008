/* SPDX-License-Identifier: BSD-3-Clause */
/* The histogram: exact where it says so, within 1.6 % elsewhere, merged by addition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/drbg.h"
#include "lib/hist.h"
#include "lib/must.h"

static struct hist a, b, both;

static void an_empty_histogram_has_no_quantile(void **state)
{
	(void)state;
	hist_init(&a);
	assert_int_equal(hist_quantile(&a, 500000), 0);
	assert_int_equal(a.max, 0);
}

static void one_value_is_every_quantile(void **state)
{
	static const int64_t rows[] = { 0, 1, 63, 64, 65, 127, 128, 1000, 999999999, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		hist_init(&a);
		hist_add(&a, rows[i]);
		assert_int_equal(hist_quantile(&a, 0), rows[i]);
		assert_int_equal(hist_quantile(&a, 1000000), rows[i]);
	}
}

static void negative_values_count_as_nothing(void **state)
{
	(void)state;
	hist_init(&a);
	hist_add(&a, INT64_MIN);
	hist_add(&a, -1);
	assert_true(a.n == 2 && a.max == 0 && a.count[0] == 2);
}

static void quantiles_are_the_least_value_that_enough_do_not_exceed(void **state)
{
	static const struct { uint32_t q_ppm; int64_t want; } rows[] = {
		{ 0, 1 }, { 1, 1 }, { 25000, 1 }, { 25001, 2 }, { 500000, 20 }, { 500001, 21 },
		{ 975000, 39 }, { 975001, 40 }, { 1000000, 40 },
	};
	(void)state;
	hist_init(&a);
	for (int64_t v = 40; v >= 1; v--)
		hist_add(&a, v);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(hist_quantile(&a, rows[i].q_ppm), rows[i].want);
}

static void a_bucket_is_at_most_one_in_64_wide(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 62; shift++) {
		for (int64_t step = 0; step < 5; step++) {
			int64_t v = ((int64_t)1 << shift) + step * ((int64_t)1 << shift) / 5;
			hist_init(&a);
			hist_add(&a, v);
			hist_add(&a, INT64_MAX);
			int64_t got = hist_quantile(&a, 500000);
			assert_true(got >= v && got - v <= v / 64);
		}
	}
}

static void merging_is_counting_together(void **state)
{
	uint8_t seed[DRBG_SEED];
	struct drbg r;

	(void)state;
	drbg_seed_from_u64(seed, 1);
	drbg_init(&r, seed, DRBG_TEST, 0);
	hist_init(&a);
	hist_init(&b);
	hist_init(&both);
	for (int i = 0; i < 1000; i++) {
		int64_t v = (int64_t)(drbg_u64(&r) >> (1 + drbg_below(&r, 62)));
		hist_add(i % 3 ? &a : &b, v);
		hist_add(&both, v);
	}
	hist_merge(&a, &b);
	assert_memory_equal(&a, &both, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_histogram_has_no_quantile),
		cmocka_unit_test(one_value_is_every_quantile),
		cmocka_unit_test(negative_values_count_as_nothing),
		cmocka_unit_test(quantiles_are_the_least_value_that_enough_do_not_exceed),
		cmocka_unit_test(a_bucket_is_at_most_one_in_64_wide),
		cmocka_unit_test(merging_is_counting_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
