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

static void replacing_the_first_is_popping_and_pushing(void **state)
{
	uint8_t seed[DRBG_SEED];
	struct heap_item a_item[CAP], b_item[CAP];
	struct heap a, b;
	struct drbg r;

	(void)state;
	drbg_seed_from_u64(seed, 2);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (int round = 0; round < 500; round++) {
		heap_init(&a, a_item, CAP);
		heap_init(&b, b_item, CAP);
		size_t n = 1 + drbg_below(&r, CAP);
		for (size_t i = 0; i < n; i++) {
			int64_t t = (int64_t)drbg_below(&r, 8);
			assert_true(heap_push(&a, t, i) && heap_push(&b, t, i));
		}
		for (uint64_t i = 100; i < 140; i++) {
			int64_t t = (int64_t)drbg_below(&r, 8);
			heap_replace(&a, t, i);
			heap_pop(&b);
			assert_true(heap_push(&b, t, i));
			heap_check(&a);
		}
		while (n-- > 0) {
			struct heap_item x = heap_pop(&a), y = heap_pop(&b);
			assert_true(x.t_ns == y.t_ns && x.seq == y.seq && x.what == y.what);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_heap_is_never_due),
		cmocka_unit_test(equal_times_come_in_the_order_of_pushing),
		cmocka_unit_test(a_full_heap_refuses_and_stays_as_it_is),
		cmocka_unit_test(items_come_by_time_then_sequence_whatever_the_order),
		cmocka_unit_test(replacing_the_first_is_popping_and_pushing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
