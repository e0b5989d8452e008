/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of four slots, so that it is full and collides all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/lru.h"
#include "lib/must.h"

enum { SLOTS = 4 };

struct rig {
	struct lru l;
	struct arena a;
	void *memory;
};

static void rig_init(struct rig *r)
{
	size_t size = lru_arena_size(SLOTS, 8);

	r->memory = aligned_alloc(64, size);
	assert_non_null(r->memory);
	memset(r->memory, 0, size);
	arena_init(&r->a, r->memory, size);
	lru_init(&r->l, &r->a, SLOTS, 8, 7);
	assert_int_equal(r->a.used, size);
}

static void a_key_is_found_until_it_is_dropped(void **state)
{
	struct rig r;
	(void)state;

	rig_init(&r);
	for (uint64_t k = 0; k < 100; k++) {
		assert_int_equal(lru_find(&r.l, &k), LRU_NONE);
		uint32_t slot = lru_add(&r.l, &k);
		assert_int_equal(lru_find(&r.l, &k), slot);
		assert_memory_equal(lru_key(&r.l, slot), &k, sizeof(k));
		lru_drop(&r.l, slot);
		assert_int_equal(lru_find(&r.l, &k), LRU_NONE);
		assert_int_equal(r.l.used, 0);
	}
	assert_int_equal(lru_oldest(&r.l), LRU_NONE);
	free(r.memory);
}

static void the_oldest_is_the_one_that_was_used_longest_ago(void **state)
{
	struct rig r;
	(void)state;

	rig_init(&r);
	for (uint64_t k = 0; k < SLOTS; k++)
		(void)lru_add(&r.l, &k);
	assert_true(lru_full(&r.l));
	lru_touch(&r.l, lru_find(&r.l, &(uint64_t){ 0 }));
	lru_touch(&r.l, lru_find(&r.l, &(uint64_t){ 0 }));
	lru_drop(&r.l, lru_find(&r.l, &(uint64_t){ 2 }));
	static const uint64_t order[] = { 1, 3, 0 };
	uint32_t slot = lru_oldest(&r.l);
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		assert_memory_equal(lru_key(&r.l, slot), &order[i], 8);
		slot = lru_newer(&r.l, slot);
	}
	assert_int_equal(slot, LRU_NONE);
	free(r.memory);
}

/* Against a list that is searched from its start. */
static void it_does_what_a_plain_list_does(void **state)
{
	uint64_t list[SLOTS];
	size_t n = 0;
	unsigned random = 1;
	struct rig r;
	(void)state;

	rig_init(&r);
	for (unsigned step = 0; step < 20000; step++) {
		random = random * 1103515245u + 12345u;
		uint64_t k = (random >> 16) % 9;
		size_t i = 0;
		while (i < n && list[i] != k)
			i++;
		uint32_t slot = lru_find(&r.l, &k);
		assert_int_equal(slot != LRU_NONE, i < n);
		if (i == n && n == SLOTS) {
			lru_drop(&r.l, lru_oldest(&r.l));
			memmove(list, list + 1, --n * sizeof(*list));
		}
		if (slot == LRU_NONE)
			lru_add(&r.l, &k);
		else
			lru_touch(&r.l, slot);
		if (slot != LRU_NONE)
			memmove(list + i, list + i + 1, (--n - i) * sizeof(*list));
		list[n++] = k;
		assert_int_equal(r.l.used, n);
		assert_memory_equal(lru_key(&r.l, lru_oldest(&r.l)), &list[0], 8);
	}
	free(r.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_found_until_it_is_dropped),
		cmocka_unit_test(the_oldest_is_the_one_that_was_used_longest_ago),
		cmocka_unit_test(it_does_what_a_plain_list_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
