/* SPDX-License-Identifier: BSD-3-Clause */
/* Logarithm and friends: within a few units of libm, and bit for bit the same everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "lib/drbg.h"
#include "lib/fmath.h"
#include "lib/must.h"

static void bits_are_the_same_on_every_machine(void **state)
{
	static const struct { const char *what; double (*f)(double); double x; uint64_t bits; }
	rows[] = {
		{ "log 0.5", fm_log, 0.5, 0xbfe62e42fefa39efu },
		{ "log 3", fm_log, 3, 0x3ff193ea7aad030bu },
		{ "log 1e-300", fm_log, 1e-300, 0xc085963447f87fb5u },
		{ "log of the least", fm_log, 4.9406564584124654e-324, 0xc0874385446d71c3u },
		{ "log 1e308", fm_log, 1e308, 0x40862991d5d62a5eu },
		{ "log near 1", fm_log, 1.0000001, 0x3e7ad7f2847b6491u },
		{ "exp 1", fm_exp, 1, 0x4005bf0a8b14576au },
		{ "exp -700", fm_exp, -700, 0x00d14f2b0fb9307fu },
		{ "exp 700", fm_exp, 700, 0x7f0d945df4f8ec8eu },
		{ "exp -745", fm_exp, -745, 1 },
		{ "log1p 1e-10", fm_log1p, 1e-10, 0x3ddb7cdfd9d1d693u },
		{ "log1p -0.5", fm_log1p, -0.5, 0xbfe62e42fefa39efu },
		{ "lgamma 3.5", fm_lgamma, 3.5, 0x3ff3373018970a30u },
		{ "lgamma 1e6", fm_lgamma, 1000000, 0x416871921236750du },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		double y = rows[i].f(rows[i].x);
		uint64_t bits;
		memcpy(&bits, &y, sizeof(bits));
		if (bits != rows[i].bits)
			fail_msg("%s: %016llx", rows[i].what, (unsigned long long)bits);
	}
}

/* Units in the last place of b between a and b. */
static double units(double a, double b)
{
	return fabs(a - b) / (nextafter(fabs(b), INFINITY) - fabs(b));
}

/* Uniform in (0, 1). */
static double draw(struct drbg *r)
{
	return ((double)(drbg_u64(r) >> 12) + 0.5) / 4503599627370496.0;
}

static void results_are_within_a_few_units_of_libm(void **state)
{
	uint8_t seed[DRBG_SEED];
	struct drbg r;

	(void)state;
	drbg_seed_from_u64(seed, 1);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (int i = 0; i < 20000; i++) {
		double u = draw(&r), wide = (u - 0.5) * 1400, x = exp(wide);
		assert_true(units(fm_log(x), log(x)) <= 4);
		assert_true(units(fm_exp(wide), x) <= 4);
		double small = i % 2 ? exp(-u * 100) : -u * 0.99999;
		assert_true(units(fm_log1p(small), log1p(small)) <= 4);
		double g = exp((u - 0.5) * 30), want = lgamma(g);
		assert_true(fabs(fm_lgamma(g) - want) <= 5e-14 + 1e-15 * fabs(want));
		assert_true(fm_sqrt(x) == sqrt(x));
	}
}

static void the_ends_are_what_they_should_be(void **state)
{
	(void)state;
	assert_true(isinf(fm_log(0)) && fm_log(0) < 0);
	assert_true(fm_log(1) == 0 && fm_log1p(0) == 0 && fm_exp(0) == 1);
	assert_true(fm_exp(-800) == 0 && isinf(fm_exp(800)));
	assert_true(isinf(fm_log(INFINITY)) && isinf(fm_lgamma(0)));
	assert_true(fabs(fm_lgamma(1)) < 5e-14 && fabs(fm_lgamma(2)) < 5e-14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_are_the_same_on_every_machine),
		cmocka_unit_test(results_are_within_a_few_units_of_libm),
		cmocka_unit_test(the_ends_are_what_they_should_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
