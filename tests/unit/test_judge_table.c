/* SPDX-License-Identifier: BSD-3-Clause */
/* The judge's hash table, which the virtual engine uses too, against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "sim/judge/table.h"

enum { KEYS = 600, STEPS = 200000, ENDPOINTS = 200, RUN_MAX = 24 };

/* Few low bits, so that keys crowd in a few places and wrap around. */
static uint64_t crowded(uint64_t i)
{
	return (i % 5 + 250) | (i + 1) << 32;
}

static void a_map_holds_what_was_put_last_and_not_dropped(void **state)
{
	static uint64_t value[KEYS];
	static bool there[KEYS];
	uint8_t seed[DRBG_SEED];
	struct drbg r;
	struct table k;
	uint64_t n = 0;

	(void)state;
	drbg_seed_from_u64(seed, 3);
	drbg_init(&r, seed, DRBG_TEST, 0);
	table_init(&k, 128);
	for (uint64_t step = 0; step < STEPS; step++) {
		uint64_t i = drbg_below(&r, KEYS), *at = table_find(&k, crowded(i));
		assert_true((at != NULL) == there[i]);
		assert_true(at == NULL || *at == value[i]);
		if (drbg_below(&r, 2) == 0) {
			n += !there[i];
			there[i] = true;
			value[i] = step;
			table_put(&k, crowded(i), step);
		} else {
			n -= there[i];
			there[i] = false;
			table_drop(&k, crowded(i));
		}
		assert_int_equal(k.n, n);
	}
	table_free(&k);
}

/* Servers of one net, as the judge keys them: each is found in a few steps. */
static void neighbours_don_t_crowd(void **state)
{
	unsigned run = 0, most = 0;
	struct table k;

	(void)state;
	table_init(&k, ENDPOINTS * 2);
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		struct ip ip = ip_v4(192, 0, 2, (uint8_t)(i + 1));
		table_put(&k, key_of(&ip, 53, 0, 0) | 1, i);
	}
	assert_int_equal(k.n, ENDPOINTS);
	for (uint64_t i = 0; i <= k.mask; i++) {
		run = k.slot[i].key != 0 ? run + 1 : 0;
		most = run > most ? run : most;
	}
	assert_in_range(most, 1, RUN_MAX);
	table_free(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_holds_what_was_put_last_and_not_dropped),
		cmocka_unit_test(neighbours_don_t_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
