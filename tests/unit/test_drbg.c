/* SPDX-License-Identifier: BSD-3-Clause */
/* The random generator, against RFC 8439's vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/drbg.h"
#include "lib/must.h"

/* A generator set to the block function's inputs of RFC 8439: its nonce's first word is ours' high
 * half of the counter. */
static void set(struct drbg *r, const uint8_t key[32], uint32_t counter, const uint32_t nonce[3])
{
	drbg_init(r, key, (enum drbg_purpose)nonce[1], nonce[2]);
	r->counter = (uint64_t)nonce[0] << 32 | counter;
}

static void blocks_are_those_of_rfc_8439(void **state)
{
	static const struct {
		const char *what;
		bool counting_key;    /* 00 01 02... ; else zeros, with the last byte below */
		uint8_t last;
		uint32_t counter, nonce[3];
		uint8_t begin[16];
	} rows[] = {
		{ "section 2.3.2", true, 0x1f, 1, { 0x09000000, 0x4a000000, 0 },
		  { 0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
		    0x20, 0x71, 0xc4 } },
		{ "appendix A.1, 1", false, 0, 0, { 0, 0, 0 },
		  { 0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
		    0x86, 0xbd, 0x28 } },
		{ "appendix A.1, 2", false, 0, 1, { 0, 0, 0 },
		  { 0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73,
		    0x2d, 0x08, 0x0d } },
		{ "appendix A.1, 3", false, 1, 1, { 0, 0, 0 },
		  { 0x3a, 0xeb, 0x52, 0x24, 0xec, 0xf8, 0x49, 0x92, 0x9b, 0x9d, 0x82, 0x8d, 0xb1,
		    0xce, 0xd4, 0xdd } },
		{ "appendix A.1, 5", false, 0, 0, { 0, 0, 0x02000000 },
		  { 0xc2, 0xc6, 0x4d, 0x37, 0x8c, 0xd5, 0x36, 0x37, 0x4a, 0xe2, 0x04, 0xb9, 0xef,
		    0x93, 0x3f, 0xcd } },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t key[32] = { 0 }, out[16];
		struct drbg r;
		for (unsigned k = 0; rows[i].counting_key && k < 32; k++)
			key[k] = (uint8_t)k;
		key[31] = rows[i].last;
		set(&r, key, rows[i].counter, rows[i].nonce);
		drbg_bytes(&r, out, sizeof(out));
		if (memcmp(out, rows[i].begin, sizeof(out)) != 0)
			fail_msg("%s", rows[i].what);
	}
}

static void a_block_is_the_same_whichever_block_one_begins_with(void **state)
{
	static const uint32_t begins[] = { 0, 1, 2, 3, UINT32_MAX - 2, UINT32_MAX };
	const uint32_t nonce[3] = { 7, 8, 9 };
	uint8_t key[32] = { 1 }, all[64 * 9], one[64];
	struct drbg r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		set(&r, key, begins[i], nonce);
		drbg_bytes(&r, all, sizeof(all));
		for (uint32_t k = 0; k < 9; k++) {
			set(&r, key, begins[i], nonce);
			r.counter += k;
			drbg_bytes(&r, one, sizeof(one));
			assert_memory_equal(one, all + 64 * k, sizeof(one));
		}
	}
}

static void the_cut_of_the_bytes_does_not_matter(void **state)
{
	uint8_t seed[DRBG_SEED], whole[1000], parts[1000];
	struct drbg r;

	(void)state;
	drbg_seed_from_u64(seed, 42);
	drbg_init(&r, seed, DRBG_TEST, 0);
	drbg_bytes(&r, whole, sizeof(whole));
	for (size_t step = 1; step < 200; step += 13) {
		drbg_init(&r, seed, DRBG_TEST, 0);
		for (size_t at = 0; at < sizeof(parts); at += step) {
			size_t left = sizeof(parts) - at;
			drbg_bytes(&r, parts + at, step < left ? step : left);
		}
		assert_memory_equal(whole, parts, sizeof(whole));
	}
}

static void numbers_are_the_bytes_little_endian(void **state)
{
	uint8_t seed[DRBG_SEED], b[14];
	struct drbg r;

	(void)state;
	drbg_seed_from_u64(seed, 0x0102030405060708);
	assert_true(seed[0] == 8 && seed[7] == 1 && seed[8] == 0);
	drbg_init(&r, seed, DRBG_TEST, 3);
	drbg_bytes(&r, b, sizeof(b));
	drbg_init(&r, seed, DRBG_TEST, 3);
	assert_int_equal(drbg_u16(&r), b[0] | b[1] << 8);
	assert_int_equal(drbg_u32(&r), (uint32_t)b[2] | (uint32_t)b[3] << 8 |
	                 (uint32_t)b[4] << 16 | (uint32_t)b[5] << 24);
	assert_int_equal(drbg_u64(&r) >> 56, b[13]);
}

static void streams_differ_by_purpose_index_and_seed(void **state)
{
	uint64_t seen[8];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		uint8_t seed[DRBG_SEED];
		struct drbg r;
		drbg_seed_from_u64(seed, i & 1);
		drbg_init(&r, seed, i & 2 ? DRBG_TEST : DRBG_IDS, i >> 2);
		seen[n++] = drbg_u64(&r);
		for (unsigned k = 0; k + 1 < n; k++)
			assert_true(seen[k] != seen[n - 1]);
	}
}

static void below_stays_below_and_reaches_everything(void **state)
{
	static const uint64_t rows[] = { 1, 2, 3, 7, 10, 255, 1000 };
	uint8_t seed[DRBG_SEED];
	struct drbg r;

	(void)state;
	drbg_seed_from_u64(seed, 1);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned count[1000] = { 0 };
		for (uint64_t k = 0; k < rows[i] * 100; k++) {
			uint64_t v = drbg_below(&r, rows[i]);
			assert_true(v < rows[i]);
			count[v]++;
		}
		for (uint64_t k = 0; k < rows[i]; k++) /* mean 100, nine standard deviations */
			assert_true(count[k] >= 10 && count[k] <= 200);
	}
	for (int i = 0; i < 1000; i++)
		assert_true(drbg_below(&r, (1ull << 63) + 1) <= 1ull << 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_those_of_rfc_8439),
		cmocka_unit_test(a_block_is_the_same_whichever_block_one_begins_with),
		cmocka_unit_test(the_cut_of_the_bytes_does_not_matter),
		cmocka_unit_test(numbers_are_the_bytes_little_endian),
		cmocka_unit_test(streams_differ_by_purpose_index_and_seed),
		cmocka_unit_test(below_stays_below_and_reaches_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
