/* SPDX-License-Identifier: BSD-3-Clause */
/* The most frequent, and how many different: against plain counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/dns.h"
#include "lib/hll.h"
#include "lib/topk.h"

enum { SLOTS = 16, KEYS = 4000, ADDED = 100000 };

static void *memory_for(struct arena *a, size_t size)
{
	void *p = aligned_alloc(64, size);

	assert_non_null(p);
	memset(p, 0, size);
	arena_init(a, p, size);
	return p;
}

/* Keys by Zipf's law, roughly: the smaller the more frequent. */
static uint64_t draw(unsigned *random, uint64_t keys)
{
	*random = *random * 1103515245u + 12345u;
	double u = (double)(*random >> 8 & 0xffff) / 65536;

	return (uint64_t)((double)keys * u * u * u * u);
}

static void as_long_as_there_is_room_all_is_exact(void **state)
{
	uint64_t count[SLOTS] = { 0 }, seen = 0;
	uint32_t list[SLOTS];
	unsigned random = 1;
	struct arena a;
	struct topk t;
	bool fresh;
	void *p = memory_for(&a, topk_arena_size(SLOTS, 8));
	(void)state;

	topk_init(&t, &a, SLOTS, 8, 1);
	assert_int_equal(topk_list(&t, list, SLOTS), 0);
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t k = draw(&random, SLOTS);
		uint32_t slot = topk_add(&t, &k, &fresh);
		assert_int_equal(fresh, count[k] == 0);
		seen += fresh;
		count[k]++;
		assert_int_equal(t.slot[slot].count, count[k]);
	}
	assert_false(t.crowded);
	assert_int_equal(topk_list(&t, list, SLOTS), seen);
	for (uint32_t i = 0; i < seen; i++) {
		uint64_t k;
		memcpy(&k, topk_key(&t, list[i]), sizeof(k));
		assert_true(t.slot[list[i]].count == count[k] && t.slot[list[i]].over == 0);
		assert_true(i == 0 || t.slot[list[i - 1]].count >= t.slot[list[i]].count);
	}
	free(p);
}

static void a_count_is_too_high_by_no_more_than_it_says(void **state)
{
	static uint64_t count[KEYS];
	uint32_t list[4];
	unsigned random = 7;
	struct arena a;
	struct topk t;
	bool fresh, is_there[KEYS] = { false };
	void *p = memory_for(&a, topk_arena_size(SLOTS, 8));
	(void)state;

	topk_init(&t, &a, SLOTS, 8, 1);
	for (unsigned i = 0; i < ADDED; i++) {
		uint64_t k = draw(&random, KEYS);
		topk_add(&t, &k, &fresh);
		count[k]++;
	}
	assert_true(t.crowded && t.n == ADDED);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		uint64_t k;
		memcpy(&k, topk_key(&t, slot), sizeof(k));
		is_there[k] = true;
		const struct topk_slot *s = &t.slot[slot];
		assert_true(s->count >= count[k] && s->count - s->over <= count[k]);
		assert_true(s->over <= ADDED / SLOTS);
	}
	for (uint64_t k = 0; k < KEYS; k++)
		assert_true(count[k] <= ADDED / SLOTS || is_there[k]);
	assert_int_equal(topk_list(&t, list, 4), 4);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		assert_true(t.slot[slot].count <= t.slot[list[0]].count);
	free(p);
}

static void different_ones_are_estimated(void **state)
{
	static const uint64_t n[] = { 0, 1, 2, 10, 100, 1000, 30000, 41000, 100000, 1000000 };
	static struct hll h;
	(void)state;

	for (size_t i = 0; i < COUNT_OF(n); i++) {
		memset(&h, 0, sizeof(h));
		for (uint64_t k = 0; k < 2 * n[i]; k++) { /* each twice */
			uint64_t v = k / 2;
			hll_add(&h, dns_hash((const uint8_t *)&v, sizeof(v), 99));
		}
		double off = n[i] > 0 ? (double)hll_count(&h) / (double)n[i] - 1 : 0;
		if (n[i] == 0 || n[i] <= 10)
			assert_int_equal(hll_count(&h), n[i]);
		if (off > 0.025 || off < -0.025) /* three standard errors */
			fail_msg("%llu: off by %f", (unsigned long long)n[i], off);
	}
	memset(h.reg, 50, sizeof(h.reg)); /* as many as there can be */
	assert_true(hll_count(&h) > UINT64_C(1) << 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_long_as_there_is_room_all_is_exact),
		cmocka_unit_test(a_count_is_too_high_by_no_more_than_it_says),
		cmocka_unit_test(different_ones_are_estimated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
