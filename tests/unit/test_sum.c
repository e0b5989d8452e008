/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum against the words of RFC 1071, added one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "sim/net/inner.h"

static uint32_t plain(const uint8_t *p, size_t len)
{
	uint64_t s = 0;

	for (size_t i = 0; i < len; i++)
		s += i % 2 == 0 ? (uint64_t)p[i] << 8 : p[i];
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint32_t)s;
}

static void every_length_at_every_place_adds_up(void **state)
{
	enum { LEN = 300, PLACES = 9, SEEDS = 4 };
	uint8_t buf[LEN + PLACES], seed[DRBG_SEED];
	struct drbg r;

	(void)state;
	for (uint64_t s = 0; s < SEEDS; s++) {
		drbg_seed_from_u64(seed, s);
		drbg_init(&r, seed, DRBG_TEST, 0);
		drbg_bytes(&r, buf, sizeof(buf));
		if (s == 0) /* the most carries */
			memset(buf, 0xff, sizeof(buf));
		for (size_t at = 0; at < PLACES; at++)
			for (size_t len = 0; len <= LEN; len++)
				if (sum_bytes(buf + at, len) != plain(buf + at, len))
					fail_msg("seed %u, place %zu, length %zu", (unsigned)s, at,
					         len);
	}
}

static void only_zeros_add_up_to_zero(void **state)
{
	uint8_t buf[64] = { 0 };

	(void)state;
	assert_int_equal(sum_bytes(NULL, 0), 0);
	for (size_t i = 0; i < sizeof(buf); i++) {
		assert_int_equal(sum_bytes(buf, sizeof(buf)), 0);
		buf[i] = 0xff;
		assert_int_not_equal(sum_bytes(buf, sizeof(buf)), 0);
		buf[i ^ 1] = 0xff;
		assert_int_equal(sum_bytes(buf, sizeof(buf)), 0xffff);
		buf[i] = buf[i ^ 1] = 0;
	}
}

static void the_rfcs_example_comes_out(void **state)
{
	static const uint8_t rfc1071[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(sum_bytes(rfc1071, sizeof(rfc1071)), 0xddf2);
	assert_int_equal(sum_check(0xddf2), 0x220d);
	assert_int_equal(sum_check(0x2ddf0), 0x220d);
	assert_int_equal(sum_check(0xffff), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_at_every_place_adds_up),
		cmocka_unit_test(only_zeros_add_up_to_zero),
		cmocka_unit_test(the_rfcs_example_comes_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
