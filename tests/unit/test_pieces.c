/* SPDX-License-Identifier: BSD-3-Clause */
/* Pieces put together in every order, near where positions wrap around, and what gives way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/must.h"
#include "sim/capture/core/pieces.h"

enum { BLOCKS = 128 };

static struct pieces_pool *pool_new(struct arena *a)
{
	size_t size = pieces_arena_size(BLOCKS);
	void *p = aligned_alloc(64, size);

	assert_non_null(p);
	memset(p, 0, size);
	arena_init(a, p, size);
	return pieces_init(a, BLOCKS);
}

static const char text[] = "abcdefghijklmnopqrstuvwxyz";

static const struct {
	const char *what;
	unsigned n;
	struct { uint32_t at, n; } piece[3];
	enum pieces_added last; /* what the last one is */
	uint32_t first, run;
} row[] = {
	{ "one", 1, { { 0, 5 } }, PIECES_ADDED, 0, 5 },
	{ "in order", 3, { { 0, 5 }, { 5, 5 }, { 10, 1 } }, PIECES_ADDED, 0, 11 },
	{ "backwards", 3, { { 10, 1 }, { 5, 5 }, { 0, 5 } }, PIECES_ADDED, 0, 11 },
	{ "a gap", 2, { { 0, 5 }, { 6, 5 } }, PIECES_ADDED, 0, 5 },
	{ "the gap filled", 3, { { 0, 5 }, { 6, 5 }, { 5, 1 } }, PIECES_ADDED, 0, 11 },
	{ "twice", 2, { { 0, 5 }, { 0, 5 } }, PIECES_ADDED, 0, 5 },
	{ "a part of it again", 2, { { 0, 5 }, { 1, 3 } }, PIECES_ADDED, 0, 5 },
	{ "over its end", 2, { { 0, 5 }, { 3, 5 } }, PIECES_OVERLAP, 0, 8 },
	{ "over its start", 2, { { 3, 5 }, { 0, 5 } }, PIECES_OVERLAP, 0, 8 },
	{ "over all of it", 2, { { 3, 2 }, { 0, 9 } }, PIECES_OVERLAP, 0, 9 },
	{ "over two and between", 3, { { 2, 2 }, { 6, 2 }, { 0, 10 } }, PIECES_OVERLAP, 0, 10 },
	{ "nothing", 2, { { 4, 2 }, { 0, 0 } }, PIECES_ADDED, 4, 2 },
	{ "a gap at the start", 1, { { 4, 2 } }, PIECES_ADDED, 4, 2 },
};

static void pieces_make_a_whole(void **state)
{
	static const uint32_t base[] = { 0, 1000, UINT32_MAX - 4, UINT32_MAX, 0x7ffffffd };
	struct arena a;
	struct pieces_pool *l = pool_new(&a);
	(void)state;

	for (size_t i = 0; i < COUNT_OF(row) * COUNT_OF(base); i++) {
		size_t r = i % COUNT_OF(row);
		uint32_t zero = base[i / COUNT_OF(row)];
		struct pieces s = { 0 };
		enum pieces_added last = PIECES_FULL;
		char out[32];
		for (size_t k = 0; k < row[r].n; k++) {
			uint32_t at = row[r].piece[k].at;
			last = pieces_add(l, &s, zero + at, (const uint8_t *)text + at,
			                  row[r].piece[k].n);
		}
		if (last != row[r].last)
			fail_msg("%s: %d", row[r].what, last);
		assert_int_equal(pieces_first(l, &s), (uint32_t)(zero + row[r].first));
		assert_int_equal(pieces_run(l, &s, zero + row[r].first, 100), row[r].run);
		pieces_copy(l, &s, zero + row[r].first, (uint8_t *)out, row[r].run);
		assert_memory_equal(out, text + row[r].first, row[r].run);
		pieces_clear(l, &s);
		assert_true(pieces_empty(l, &s));
		assert_int_equal(pieces_blocks_used(l), 0);
	}
	free(a.base);
}

static void what_is_forgotten_is_gone_and_the_rest_stays(void **state)
{
	struct arena a;
	struct pieces_pool *l = pool_new(&a);
	uint8_t bytes[5000], out[5000];
	(void)state;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	struct pieces s = { 0 };
	assert_int_equal(pieces_add(l, &s, 100, bytes, 5000), PIECES_ADDED);
	assert_int_equal(pieces_blocks_used(l), 3);
	assert_int_equal(pieces_bytes(l, &s), 5000);
	for (uint32_t gone = 1; gone < 5000; gone += 333) {
		pieces_forget(l, &s, 100 + gone);
		assert_int_equal(pieces_first(l, &s), 100 + gone);
		assert_int_equal(pieces_bytes(l, &s), 5000 - gone);
		assert_int_equal(pieces_run(l, &s, 100 + gone, UINT32_MAX), 5000 - gone);
		pieces_copy(l, &s, 100 + gone, out, 5000 - gone);
		assert_memory_equal(out, bytes + gone, 5000 - gone);
	}
	pieces_forget(l, &s, 100); /* long gone */
	assert_false(pieces_empty(l, &s));
	pieces_forget(l, &s, 5100);
	assert_true(pieces_empty(l, &s) && !pieces_lost(l, &s));
	assert_int_equal(pieces_blocks_used(l), 0);
	free(a.base);
}

/* What was in many small pieces is in few blocks when it is whole. */
static void small_pieces_become_few_blocks(void **state)
{
	struct arena a;
	struct pieces_pool *l = pool_new(&a);
	struct pieces s = { 0 };
	uint8_t out[3000];
	(void)state;

	for (uint32_t group = 0; group < 3000; group += 100)
		for (uint32_t i = 100; i-- > 0;) { /* backwards, and each with its neighbour */
			uint8_t two[2] = { (uint8_t)(group + i), (uint8_t)(group + i + 1) };
			pieces_add(l, &s, group + i, two, group + i < 2999 ? 2 : 1);
		}
	assert_int_equal(pieces_run(l, &s, 0, 4000), 3000);
	assert_int_equal(pieces_bytes(l, &s), 3000);
	assert_true(pieces_blocks_used(l) <= 3);
	pieces_copy(l, &s, 0, out, 3000);
	for (uint32_t i = 0; i < 3000; i++)
		assert_int_equal(out[i], (uint8_t)i);
	pieces_clear(l, &s);
	assert_int_equal(pieces_blocks_used(l), 0);
	free(a.base);
}

static void a_set_takes_no_more_than_it_may(void **state)
{
	struct arena a;
	struct pieces_pool *l = pool_new(&a);
	struct pieces s = { 0 };
	uint32_t n = 0;
	(void)state;

	while (pieces_add(l, &s, 2 * n, (const uint8_t *)"x", 1) == PIECES_ADDED)
		n++;
	assert_int_equal(n, PIECES_BLOCKS_MAX);
	assert_int_equal(pieces_bytes(l, &s), n);
	pieces_clear(l, &s);
	for (n = 0; pieces_add(l, &s, n, (const uint8_t *)text, 20) == PIECES_ADDED; n += 20)
		MUST(n < 1000000);
	assert_true(n >= 2 * 65537 && n <= PIECES_BYTES_MAX + 20);
	free(a.base);
}

static void the_set_that_has_waited_longest_makes_room(void **state)
{
	enum { SETS = 3 * BLOCKS };
	struct pieces s[SETS] = { { 0 } };
	struct arena a;
	struct pieces_pool *l = pool_new(&a);
	(void)state;

	for (uint32_t i = 0; i < SETS; i++) {
		assert_int_equal(pieces_add(l, &s[i], i, (const uint8_t *)text, 3), PIECES_ADDED);
		for (uint32_t k = 0; k <= i; k++) {
			bool gone = k + BLOCKS <= i;
			assert_int_equal(pieces_lost(l, &s[k]), gone);
			assert_int_equal(pieces_empty(l, &s[k]), gone);
		}
		assert_true(pieces_blocks_used(l) <= BLOCKS);
	}
	/* One that was lost starts again. */
	assert_int_equal(pieces_add(l, &s[0], 9, (const uint8_t *)text, 3), PIECES_ADDED);
	assert_false(pieces_lost(l, &s[0]));
	assert_int_equal(pieces_first(l, &s[0]), 9);
	free(a.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_make_a_whole),
		cmocka_unit_test(what_is_forgotten_is_gone_and_the_rest_stays),
		cmocka_unit_test(small_pieces_become_few_blocks),
		cmocka_unit_test(a_set_takes_no_more_than_it_may),
		cmocka_unit_test(the_set_that_has_waited_longest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
