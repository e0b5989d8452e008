/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/stats against exact values: accept regions, power and sample sizes that were computed
 * independently, sums over whole small distributions, and the e-process on simulated draws.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "lib/fmath.h"
#include "lib/must.h"
#include "lib/stats.h"

static void near(double got, double want, double by)
{
	double d = got - want;

	if (!((d < 0 ? -d : d) <= by))
		fail_msg("got %.12g, expected %.12g within %.2g", got, want, by);
}

static void accept_regions_of_an_even_split(void **state)
{
	static const struct { uint64_t n; double level; uint64_t lo, hi; } row[] = {
		{ 100, 1e-6, 26, 74 },       { 160, 1e-6, 49, 111 },
		{ 320, 1e-6, 117, 203 },     { 500, 1e-6, 196, 304 },
		{ 960, 1e-6, 404, 556 },     { 2000, 1e-6, 891, 1109 },
		{ 4000, 1e-6, 1845, 2155 },  { 8000, 1e-6, 3781, 4219 },
		{ 32000, 1e-6, 15563, 16437 }, { 320, 5e-9, 108, 212 },
		{ 960, 5e-9, 390, 570 },     { 4000, 5e-9, 1815, 2185 },
		{ 8000, 5e-9, 3739, 4261 },
		{ 50, 1e-6, 8, 42 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct stat_range r = stat_binom_accept(row[i].n, 0.5, row[i].level);
		assert_int_equal(r.lo, row[i].lo);
		assert_int_equal(r.hi, row[i].hi);
	}
}

static void power_at_one_in_a_million(void **state)
{
	static const struct { uint64_t n; double p, power; } row[] = {
		{ 320, .60, .094 }, { 320, .65, .703 }, { 960, .55, .032 }, { 960, .60, .900 },
		{ 4000, .55, .921 }, { 8000, .52, .092 }, { 32000, .52, .988 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++)
		near(stat_binom_power(row[i].n, 0.5, row[i].p, 1e-6), row[i].power, 0.0006);
}

static void sample_sizes_for_99_percent_power(void **state)
{
	static const struct { double p0, p1; uint64_t n; } row[] = {
		{ .5, .51, 130568 }, { .5, .52, 32631 }, { .5, .55, 5206 }, { .5, .60, 1298 },
		{ .5, .65, 572 }, { .5, .75, 195 }, { .75, .70, 4143 }, { .75, .80, 3678 },
		{ .75, .85, 854 },
	};
	(void)state;
	/* Power is a saw over n, so several sizes can be called least: each reaches 99 %, and
	 * ours, from which on it stays there, is within half a percent of it. */
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		uint64_t n = stat_binom_power_n(row[i].p0, row[i].p1, 1e-6, .99, 1 << 20);
		assert_true(stat_binom_power(row[i].n, row[i].p0, row[i].p1, 1e-6) >= .99);
		assert_true(stat_binom_power(n - 1, row[i].p0, row[i].p1, 1e-6) < .99);
		near((double)n / (double)row[i].n, 1, 0.005);
	}
}

static void sample_sizes_of_equivalence_tests(void **state)
{
	(void)state;
	assert_int_equal(stat_equiv_n(0.5, 0.10, 1e-4, 1e-9, 1 << 20), 2396);
	assert_int_equal(stat_equiv_n(0.5, 0.05, 1e-4, 1e-9, 1 << 20), 9660);
	assert_int_equal(stat_equiv_n(0.5, 0.05, 1e-4, 1e-9, 9000), 0);
	assert_true(stat_equiv_power(2396, 0.5, 0.10, 1e-4) >= 1 - 1e-9);
	/* and what it is for: a system off by catch passes with at most miss */
	struct stat_range r = stat_equiv_pass(2396, 0.5, 0.10, 1e-4);
	assert_true(stat_binom_lower(r.hi, 2396, 0.6) <= 1e-4);
	assert_true(stat_binom_upper(r.lo, 2396, 0.4) <= 1e-4);
	assert_true(stat_binom_lower(r.hi + 1, 2396, 0.6) > 1e-4);
}

static void passing_counts_are_those_whose_interval_lies_inside(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 400; n += 37) {
		struct stat_range r = stat_equiv_pass(n, 0.3, 0.15, 1e-2);
		for (uint64_t k = 0; k <= n; k++) {
			struct stat_interval i = stat_clopper_pearson(k, n, 1e-2);
			bool inside = i.lo >= 0.15 && i.hi <= 0.45;
			assert_int_equal(inside, k >= r.lo && k <= r.hi);
		}
	}
}

/* P(X = k) by multiplying it out, for small n. */
static double slow_pmf(uint64_t k, uint64_t n, double p)
{
	double x = 1;

	for (uint64_t i = 0; i < k; i++)
		x *= (double)(n - i) / (double)(k - i) * p;
	for (uint64_t i = k; i < n; i++)
		x *= 1 - p;
	return x;
}

static void tails_are_the_sums_of_their_parts(void **state)
{
	static const double p[] = { 0.001, 0.1, 0.25, 0.5, 0.8, 0.999 };
	(void)state;
	for (size_t j = 0; j < COUNT_OF(p); j++)
		for (uint64_t n = 1; n <= 40; n += 13) {
			double lower = 0;
			for (uint64_t k = 0; k <= n; k++) {
				double one = slow_pmf(k, n, p[j]);
				near(stat_binom_upper(k, n, p[j]), 1 - lower, 1e-12);
				lower += one;
				near(fm_exp(stat_binom_log_pmf(k, n, p[j])) / one, 1, 1e-12);
				near(stat_binom_lower(k, n, p[j]), lower, 1e-12);
			}
		}
}

static void impossible_and_certain_counts(void **state)
{
	(void)state;
	near(stat_binom_lower(3, 3, 0.5), 1, 0);
	near(stat_binom_upper(4, 3, 0.5), 0, 0);
	near(stat_binom_upper(0, 0, 0.5), 1, 0);
	near(stat_binom_lower(0, 10, 0), 1, 0);
	near(stat_binom_upper(1, 10, 0), 0, 0);
	near(stat_binom_upper(10, 10, 1), 1, 0);
	near(stat_binom_lower(9, 10, 1), 0, 0);
	assert_true(stat_binom_log_pmf(1, 10, 0) < -1e300);
}

static void intervals_known_from_tables(void **state)
{
	struct stat_interval i = stat_clopper_pearson(0, 10, 0.025);
	(void)state;
	near(i.lo, 0, 0);
	near(i.hi, 0.30849710781876083, 1e-12);
	i = stat_clopper_pearson(5, 10, 0.025);
	near(i.lo, 0.18708602844739877, 1e-9);
	near(i.hi, 0.81291397155260123, 1e-9);
	i = stat_clopper_pearson(10, 10, 0.025);
	near(i.lo, 1 - 0.30849710781876083, 1e-12);
	near(i.hi, 1, 0);
	i = stat_clopper_pearson(0, 0, 0.025);
	near(i.hi - i.lo, 1, 0);
	i = stat_clopper_pearson(5512, 10000, 1e-4);
	near(stat_binom_upper(5512, 10000, i.lo) / 1e-4, 1, 1e-6);
	near(stat_binom_lower(5512, 10000, i.hi) / 1e-4, 1, 1e-6);
}

static void poisson_quantiles(void **state)
{
	static const struct { double mean; uint64_t at6, at9; } row[] = {
		{ 8, 25, 30 }, { 16, 38, 45 }, { 24, 51, 59 }, { 32, 62, 71 }, { 50.4, 88, 98 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		assert_int_equal(stat_poisson_most(row[i].mean, 1e-6), row[i].at6);
		assert_int_equal(stat_poisson_most(row[i].mean, 1e-9), row[i].at9);
	}
}

static void poisson_tails_add_up(void **state)
{
	static const double mean[] = { 0.5, 3, 20.25 };
	(void)state;
	for (size_t j = 0; j < COUNT_OF(mean); j++) {
		double one = fm_exp(-mean[j]), lower = 0;
		for (uint64_t k = 0; k < 60; k++) {
			near(stat_poisson_upper(k, mean[j]), 1 - lower, 1e-12);
			lower += one;
			near(stat_poisson_lower(k, mean[j]), lower, 1e-12);
			one *= mean[j] / (double)(k + 1);
		}
		uint64_t least = stat_poisson_least(mean[j], 0.01);
		assert_true(least == 0 || stat_poisson_lower(least - 1, mean[j]) <= 0.01);
		assert_true(stat_poisson_lower(least, mean[j]) > 0.01);
	}
	assert_int_equal(stat_poisson_most(0, 1e-9), 0);
	assert_int_equal(stat_poisson_least(0, 1e-9), 0);
}

/* Counts the orders of a ones and b zeros by their runs: the definition itself. */
static void count_orders(unsigned a, unsigned b, double by_runs[32], double *all)
{
	unsigned n = a + b;

	*all = 0;
	for (unsigned i = 0; i < 32; i++)
		by_runs[i] = 0;
	for (uint32_t bits = 0; bits < 1u << n; bits++) {
		if ((unsigned)__builtin_popcount(bits) != a)
			continue;
		uint32_t change = (bits ^ bits >> 1) & ((1u << (n - 1)) - 1);
		by_runs[1 + __builtin_popcount(change)]++;
		++*all;
	}
}

static void runs_agree_with_counting_every_order(void **state)
{
	static const unsigned row[][2] = { { 1, 1 }, { 3, 3 }, { 2, 7 }, { 6, 5 }, { 9, 1 } };
	(void)state;
	for (size_t j = 0; j < COUNT_OF(row); j++) {
		double by_runs[32], all, lower = 0;
		count_orders(row[j][0], row[j][1], by_runs, &all);
		for (unsigned r = 0; r < 20; r++) {
			near(stat_runs_upper(r, row[j][0], row[j][1]), 1 - lower, 1e-9);
			lower += by_runs[r] / all;
			near(stat_runs_lower(r, row[j][0], row[j][1]), lower, 1e-9);
		}
	}
	near(stat_runs_lower(1, 5, 0), 1, 0);
	near(stat_runs_upper(2, 0, 5), 0, 0);
}

static void quantile_ranks_hold_the_binomial(void **state)
{
	struct stat_range r = stat_quantile_ranks(100, 0.5, 0.05);
	(void)state;
	assert_int_equal(r.lo, 40); /* the textbook's 40th and 61st of 100 for a median */
	assert_int_equal(r.hi, 61);
	r = stat_quantile_ranks(10, 0.99, 0.05);
	assert_int_equal(r.hi, 11); /* above every value: ten can't say */
}

/* Draws until the alarm rings at 1e-6, with P(kind 0) = p; 0 when it never does. */
static uint64_t draws_to_alarm(struct drbg *r, double p, uint64_t max)
{
	uint64_t count[2] = { 0, 0 };
	struct stat_e e;

	stat_e_init(&e);
	for (uint64_t i = 1; i <= max; i++) {
		unsigned kind = drbg_u32(r) >= (uint32_t)(p * 4294967295.0);
		stat_e_take(&e, stat_e_ratio(0.5, count[kind]++, i - 1));
		if (stat_e_rings(&e, 1e-6))
			return i;
	}
	return 0;
}

static void the_alarm_rings_when_it_was_simulated_to(void **state)
{
	static const struct { double p; uint64_t median, most; } row[] = {
		{ .55, 3116, 6322 }, { .60, 765, 1437 }, { .75, 140, 243 },
	};
	uint8_t seed[DRBG_SEED];
	struct drbg r;
	(void)state;

	drbg_seed_from_u64(seed, 7);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (size_t j = 0; j < COUNT_OF(row); j++) {
		unsigned before = 0, late = 0;
		enum { RUNS = 300 };
		for (unsigned i = 0; i < RUNS; i++) {
			uint64_t n = draws_to_alarm(&r, row[j].p, 20000);
			assert_true(n > 0);
			before += n <= row[j].median;
			late += n > row[j].most;
		}
		assert_in_range(before, RUNS * 2 / 5, RUNS * 3 / 5);
		assert_in_range(late, 0, RUNS / 20);
	}
}

static void the_alarm_stays_silent_for_a_right_system(void **state)
{
	uint8_t seed[DRBG_SEED];
	struct drbg r;
	(void)state;

	drbg_seed_from_u64(seed, 8);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(draws_to_alarm(&r, 0.5, 5000), 0);
}

static void e_of_three_kinds_is_the_closed_form(void **state)
{
	static const double p[] = { 0.5, 0.3, 0.2 };
	static const unsigned draw[] = { 0, 0, 1, 2, 0, 1, 0, 2, 2, 2 };
	uint64_t count[3] = { 0, 0, 0 };
	double want = fm_lgamma(40) - fm_lgamma(50);
	struct stat_e e;
	(void)state;

	stat_e_init(&e);
	for (size_t i = 0; i < COUNT_OF(draw); i++)
		stat_e_take(&e, stat_e_ratio(p[draw[i]], count[draw[i]]++, i));
	for (unsigned i = 0; i < 3; i++)
		want += fm_lgamma(40 * p[i] + (double)count[i]) - fm_lgamma(40 * p[i]) -
		        (double)count[i] * fm_log(p[i]);
	near(stat_e_log(&e), want, 1e-12);
}

/* A skew so long that the product would overflow, then one the other way: as the sum of logs. */
static void evidence_of_any_size_is_kept(void **state)
{
	uint64_t count[2] = { 0, 0 };
	double sum = 0, most = 0;
	struct stat_e e;
	(void)state;

	stat_e_init(&e);
	for (uint64_t i = 0; i < 40000; i++) {
		unsigned kind = i >= 10000;
		double ratio = stat_e_ratio(0.25 + 0.5 * kind, count[kind]++, i);
		stat_e_take(&e, ratio);
		sum += fm_log(ratio);
		most = sum > most ? sum : most;
		if (i % 1000 == 0)
			assert_int_equal(stat_e_rings(&e, 1e-9), sum >= stat_e_alarm(1e-9));
	}
	assert_true(most > 10000 && sum < 100);
	near(stat_e_log(&e), sum, 1e-6);
	near(stat_e_log_most(&e), most, 1e-6);
}

/* Many draws: tails in no time, that add up, and close to the normal law's. */
static void runs_of_a_hundred_million_draws(void **state)
{
	const uint64_t a = 60000000, b = 40000000, mean = 48000001;
	(void)state;
	double below = stat_runs_lower(mean - 10000, a, b);
	double above = stat_runs_upper(mean - 9999, a, b);

	near(below + above, 1, 1e-9);
	/* standard deviation 4,800: 10,000 are 2.083 of them */
	assert_true(below > 0.0180 && below < 0.0192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept_regions_of_an_even_split),
		cmocka_unit_test(power_at_one_in_a_million),
		cmocka_unit_test(sample_sizes_for_99_percent_power),
		cmocka_unit_test(sample_sizes_of_equivalence_tests),
		cmocka_unit_test(passing_counts_are_those_whose_interval_lies_inside),
		cmocka_unit_test(tails_are_the_sums_of_their_parts),
		cmocka_unit_test(impossible_and_certain_counts),
		cmocka_unit_test(intervals_known_from_tables),
		cmocka_unit_test(poisson_quantiles),
		cmocka_unit_test(poisson_tails_add_up),
		cmocka_unit_test(runs_agree_with_counting_every_order),
		cmocka_unit_test(quantile_ranks_hold_the_binomial),
		cmocka_unit_test(the_alarm_rings_when_it_was_simulated_to),
		cmocka_unit_test(the_alarm_stays_silent_for_a_right_system),
		cmocka_unit_test(e_of_three_kinds_is_the_closed_form),
		cmocka_unit_test(evidence_of_any_size_is_kept),
		cmocka_unit_test(runs_of_a_hundred_million_draws),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
