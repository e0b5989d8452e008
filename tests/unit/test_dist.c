/* SPDX-License-Identifier: BSD-3-Clause */
/* Durations and ranks: their shape, their ends, and the same draws everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "lib/dist.h"
#include "lib/host/host.h"

enum { DRAWS = 100000 };
#define MS 1000000ll

struct rig {
	struct arena a;
	struct dist d;
	struct drbg r;
};

static void set_up(struct rig *t, const struct dist_spec *s)
{
	uint8_t seed[DRBG_SEED];

	assert_int_equal(host_arena(&t->a, dist_arena_size(s)), 0);
	dist_init(&t->d, s, &t->a);
	assert_true(t->a.used == t->a.cap || t->a.cap == 0);
	drbg_seed_from_u64(seed, 7);
	drbg_init(&t->r, seed, DRBG_TEST, 0);
}

static void a_share_of_the_draws_lies_below_each_quantile(void **state)
{
	static const struct {
		const char *what;
		struct dist_spec s;
		double below_ns, share;
	} rows[] = {
		{ "uniform", { DIST_UNIFORM, 2 * MS, 4 * MS }, 2.5e6, 0.25 },
		{ "uniform", { DIST_UNIFORM, 0, 10 * MS }, 9e6, 0.9 },
		{ "exponential, median", { DIST_EXPONENTIAL, MS, 0 }, 1e6 * 0.693147, 0.5 },
		{ "exponential, mean", { DIST_EXPONENTIAL, MS, 0 }, 1e6, 0.632121 },
		{ "exponential, near 0", { DIST_EXPONENTIAL, MS, 0 }, 1e4, 0.00995017 },
		{ "exponential, tail", { DIST_EXPONENTIAL, MS, 0 }, 1e6 * 6.907755, 0.999 },
		{ "exponential, far tail", { DIST_EXPONENTIAL, MS, 0 }, 1e6 * 9.21034, 0.9999 },
		{ "lognormal, median", { DIST_LOGNORMAL, 20 * MS, 40 * MS }, 20e6, 0.5 },
		{ "lognormal, +1 sigma", { DIST_LOGNORMAL, 20 * MS, 40 * MS }, 40e6, 0.841345 },
		{ "lognormal, -1 sigma", { DIST_LOGNORMAL, 20 * MS, 40 * MS }, 10e6, 0.158655 },
		{ "lognormal, +3 sigma", { DIST_LOGNORMAL, 20 * MS, 40 * MS }, 160e6, 0.99865 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct rig t;
		double below = 0;
		set_up(&t, &rows[i].s);
		for (int k = 0; k < DRAWS; k++)
			below += (double)dist_draw(&t.d, &t.r) < rows[i].below_ns;
		double sigma = sqrt(DRAWS * rows[i].share * (1 - rows[i].share));
		if (fabs(below - DRAWS * rows[i].share) > 5 * sigma + 1)
			fail_msg("%s: %.0f of %d below", rows[i].what, below, DRAWS);
		host_arena_free(&t.a);
	}
}

static void the_mean_of_an_exponential_is_its_mean(void **state)
{
	struct dist_spec s = { DIST_EXPONENTIAL, MS, 0 };
	struct rig t;
	double sum = 0;

	(void)state;
	set_up(&t, &s);
	for (int k = 0; k < 10 * DRAWS; k++)
		sum += (double)dist_draw(&t.d, &t.r);
	assert_true(fabs(sum / (10 * DRAWS) / 1e6 - 1) < 5e-3); /* five standard deviations */
	host_arena_free(&t.a);
}

static void degenerate_durations_are_constant(void **state)
{
	static const struct { const char *what; struct dist_spec s; int64_t want; } rows[] = {
		{ "constant", { DIST_CONSTANT, 20 * MS, 0 }, 20 * MS },
		{ "0", { DIST_CONSTANT, 0, 0 }, 0 },
		{ "exponential of 0", { DIST_EXPONENTIAL, 0, 0 }, 0 },
		{ "uniform of a point", { DIST_UNIFORM, 5, 5 }, 5 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct rig t;
		set_up(&t, &rows[i].s);
		for (int k = 0; k < 10; k++)
			assert_int_equal(dist_draw(&t.d, &t.r), rows[i].want);
		host_arena_free(&t.a);
	}
}

static void uniform_reaches_both_ends(void **state)
{
	struct dist_spec s = { DIST_UNIFORM, 3, 5 };
	struct rig t;
	unsigned seen = 0;

	(void)state;
	set_up(&t, &s);
	for (int k = 0; k < 200; k++)
		seen |= 1u << dist_draw(&t.d, &t.r);
	assert_int_equal(seen, 1u << 3 | 1u << 4 | 1u << 5);
	host_arena_free(&t.a);
}

/* P(rank k) as the alias table draws it. */
static double drawn(const struct zipf *z, uint32_t k)
{
	double p = ((double)z->accept[k] + 1) / 4294967296.0;

	for (uint32_t i = 0; i < z->n; i++)
		if (z->alias[i] == k && i != k)
			p += 1 - ((double)z->accept[i] + 1) / 4294967296.0;
	return p / z->n;
}

static void ranks_are_drawn_by_their_weight(void **state)
{
	static const struct { uint32_t n, s_milli; } rows[] = {
		{ 1, 1000 }, { 2, 1000 }, { 3, 0 }, { 10, 500 }, { 1000, 1000 }, { 1000, 0 },
		{ 1000, 2500 }, { 999, 10000 }, { 777, 1 }, { 2, 10000 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena a;
		struct zipf z;
		double sum = 0;
		assert_int_equal(host_arena(&a, zipf_arena_size(rows[i].n)), 0);
		zipf_init(&z, rows[i].n, rows[i].s_milli, &a);
		for (uint32_t k = 0; k < z.n; k++)
			sum += pow(k + 1, -(rows[i].s_milli / 1000.0));
		for (uint32_t k = 0; k < z.n; k++) {
			double want = pow(k + 1, -(rows[i].s_milli / 1000.0)) / sum;
			if (fabs(drawn(&z, k) - want) > 1e-8)
				fail_msg("rank %u of %u, s = %u/1000: %g, not %g", k, z.n,
				         rows[i].s_milli, drawn(&z, k), want);
		}
		host_arena_free(&a);
	}
}

static void draws_are_the_same_on_every_machine(void **state)
{
	struct dist_spec e = { DIST_EXPONENTIAL, 1000 * MS, 0 };
	struct dist_spec l = { DIST_LOGNORMAL, 20 * MS, 60 * MS };
	uint64_t sum[3] = { 0 };
	struct rig t;
	struct zipf z;

	(void)state;
	set_up(&t, &e);
	for (int i = 0; i < 10000; i++)
		sum[0] = sum[0] * 31 + (uint64_t)dist_draw(&t.d, &t.r);
	host_arena_free(&t.a);
	set_up(&t, &l);
	for (int i = 0; i < 10000; i++)
		sum[1] = sum[1] * 31 + (uint64_t)dist_draw(&t.d, &t.r);
	host_arena_free(&t.a);
	assert_int_equal(host_arena(&t.a, zipf_arena_size(1000)), 0);
	zipf_init(&z, 1000, 1100, &t.a);
	for (int i = 0; i < 10000; i++)
		sum[2] = sum[2] * 31 + zipf_draw(&z, &t.r);
	host_arena_free(&t.a);
	if (sum[0] != 0x66eb18e3ba304331 || sum[1] != 0x60a2b14f5198dd6d ||
	    sum[2] != 0x8107fde9fb904cdb)
		fail_msg("%016llx %016llx %016llx", (unsigned long long)sum[0],
		         (unsigned long long)sum[1], (unsigned long long)sum[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_of_the_draws_lies_below_each_quantile),
		cmocka_unit_test(the_mean_of_an_exponential_is_its_mean),
		cmocka_unit_test(degenerate_durations_are_constant),
		cmocka_unit_test(uniform_reaches_both_ends),
		cmocka_unit_test(ranks_are_drawn_by_their_weight),
		cmocka_unit_test(draws_are_the_same_on_every_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
