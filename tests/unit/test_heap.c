/* SPDX-License-Identifier: BSD-3-Clause */
/* The event queue, with a table of 16. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/drbg.h"
#include "lib/heap.h"

enum { CAP = 16 };

static void an_empty_heap_is_never_due(void **state)
{
	struct heap_item item[CAP];
	struct heap h;

	(void)state;
	heap_init(&h, item, CAP);
	assert_int_equal(heap_first(&h), INT64_MAX);
	heap_check(&h);
}

static void equal_times_come_in_the_order_of_pushing(void **state)
{
	struct heap_item item[CAP];
	struct heap h;

	(void)state;
	heap_init(&h, item, CAP);
	for (uint64_t i = 0; i < CAP; i++)
		assert_true(heap_push(&h, 5, i));
	for (uint64_t i = 0; i < CAP; i++)
		assert_int_equal(heap_pop(&h).what, i);
}

static void a_full_heap_refuses_and_stays_as_it_is(void **state)
{
	struct heap_item item[CAP];
	struct heap h;

	(void)state;
	heap_init(&h, item, CAP);
	for (int i = 0; i < CAP; i++)
		assert_true(heap_push(&h, 100 - i, 0));
	assert_false(heap_push(&h, -1, 0));
	assert_int_equal(heap_first(&h), 100 - CAP + 1);
	assert_int_equal(h.n, CAP);
	heap_check(&h);
}

static void items_come_by_time_then_sequence_whatever_the_order(void **state)
{
	uint8_t seed[DRBG_SEED];
	struct heap_item item[CAP], last = { 0 };
	struct heap h;
	struct drbg r;

	(void)state;
	drbg_seed_from_u64(seed, 1);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (int round = 0; round < 500; round++) {
		heap_init(&h, item, CAP);
		size_t n = drbg_below(&r, CAP + 1);
		for (size_t i = 0; i < n; i++)
			assert_true(heap_push(&h, (int64_t)drbg_below(&r, 8) - 4, i));
		heap_check(&h);
		last.t_ns = INT64_MIN;
		for (size_t i = 0; i < n; i++) {
			int64_t first = heap_first(&h);
			struct heap_item got = heap_pop(&h);
			assert_int_equal(first, got.t_ns);
			assert_true(last.t_ns < got.t_ns ||
			            (last.t_ns == got.t_ns && last.seq < got.seq));
			last = got;
			heap_check(&h);
		}
		assert_int_equal(h.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_heap_is_never_due),
		cmocka_unit_test(equal_times_come_in_the_order_of_pushing),
		cmocka_unit_test(a_full_heap_refuses_and_stays_as_it_is),
		cmocka_unit_test(items_come_by_time_then_sequence_whatever_the_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
