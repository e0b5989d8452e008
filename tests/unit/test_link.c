/* SPDX-License-Identifier: BSD-3-Clause */
/* The link model: delays, cuts, loss, order, streams, and the law that no frame is unaccounted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "sim/net/link.h"

static struct arena arena;

static struct links *make(unsigned nodes, size_t frames, uint64_t n)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, n);
	assert_int_equal(host_arena(&arena, links_arena_size(nodes, frames)), 0);
	return links_init(&arena, seed, nodes, frames);
}

static void set(struct links *l, unsigned node, enum link_way way, struct link_set s)
{
	links_set(l, node, way, &s);
}

static void a_frame_takes_both_delays(void **state)
{
	struct links *l = make(2, 4, 1);
	struct link_arrival a;

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .delay_ns = 30 });
	set(l, 1, LINK_IN, (struct link_set){ .delay_ns = 12 });
	set(l, 0, LINK_IN, (struct link_set){ .delay_ns = 1000 });
	assert_int_equal(links_enter(l, 100, 0, 1, 7), LINK_PASSED);
	assert_int_equal(links_deadline(l), 142);
	assert_false(links_leave(l, 141, &a));
	assert_true(links_leave(l, 142, &a));
	assert_int_equal(a.frame, 7);
	assert_int_equal(a.to, 1);
	assert_int_equal(a.t_ns, 142);
	assert_int_equal(a.fate, LINK_PASSED);
	assert_int_equal(links_deadline(l), INT64_MAX);
	assert_false(links_leave(l, INT64_MAX, &a));
	host_arena_free(&arena);
}

static void frames_keep_their_order_under_one_delay(void **state)
{
	struct links *l = make(2, 64, 1);
	struct link_arrival a;

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(links_enter(l, 5, 0, 1, i), LINK_PASSED);
	for (uint32_t i = 0; i < 64; i++) {
		assert_true(links_leave(l, 5, &a));
		assert_int_equal(a.frame, i);
	}
	host_arena_free(&arena);
}

static void a_full_network_says_so(void **state)
{
	struct links *l = make(2, 1, 1);

	(void)state;
	assert_int_equal(links_enter(l, 0, 0, 1, 0), LINK_PASSED);
	assert_int_equal(links_enter(l, 0, 0, 1, 1), LINK_FULL);
	assert_int_equal(links_pending(l), 1);
	host_arena_free(&arena);
}

static void a_cut_outwards_loses_on_entry(void **state)
{
	struct links *l = make(2, 4, 1);

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .cut = true });
	assert_int_equal(links_enter(l, 0, 0, 1, 0), LINK_LOST);
	assert_int_equal(links_enter(l, 0, 1, 0, 0), LINK_PASSED);
	assert_int_equal(links_counts(l, 0, LINK_OUT).cut, 1);
	host_arena_free(&arena);
}

static void nothing_arrives_behind_a_cut_inwards(void **state)
{
	struct links *l = make(2, 4, 1);
	struct link_arrival a;

	(void)state;
	set(l, 1, LINK_IN, (struct link_set){ .delay_ns = 50 });
	assert_int_equal(links_enter(l, 0, 0, 1, 3), LINK_PASSED);
	set(l, 1, LINK_IN, (struct link_set){ .delay_ns = 50, .cut = true });
	assert_true(links_leave(l, 50, &a));
	assert_int_equal(a.fate, LINK_LOST);
	assert_int_equal(a.frame, 3);
	assert_int_equal(links_counts(l, 1, LINK_IN).cut, 1);
	host_arena_free(&arena);
}

static void all_or_nothing_is_lost_at_the_ends(void **state)
{
	struct links *l = make(2, 2, 1);
	struct link_arrival a;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		set(l, 0, LINK_OUT, (struct link_set){ .loss_ppm = 1000000 });
		assert_int_equal(links_enter(l, i, 0, 1, 0), LINK_LOST);
		set(l, 0, LINK_OUT, (struct link_set){ .loss_ppm = 0 });
		assert_int_equal(links_enter(l, i, 0, 1, 0), LINK_PASSED);
		assert_true(links_leave(l, i, &a));
	}
	host_arena_free(&arena);
}

/* Binomial(100,000, 0.3): eight standard deviations are 1,160. */
static void loss_comes_as_often_as_asked(void **state)
{
	struct links *l = make(2, 100000, 9);
	unsigned lost = 0;

	(void)state;
	set(l, 1, LINK_IN, (struct link_set){ .loss_ppm = 300000 });
	for (uint32_t i = 0; i < 100000; i++)
		lost += links_enter(l, i, 0, 1, i) == LINK_LOST;
	assert_in_range(lost, 30000 - 1160, 30000 + 1160);
	assert_int_equal(links_counts(l, 1, LINK_IN).lost, lost);
	host_arena_free(&arena);
}

/* Which of a hundred frames to node 1 are lost, as bits; other makes node 2 lossy and busy. */
static void pattern(uint8_t out[100], bool other)
{
	struct links *l = make(3, 300, 4);

	set(l, 1, LINK_IN, (struct link_set){ .loss_ppm = 500000 });
	if (other)
		set(l, 2, LINK_IN, (struct link_set){ .loss_ppm = 500000 });
	for (uint32_t i = 0; i < 100; i++) {
		out[i] = links_enter(l, i, 0, 1, i) == LINK_LOST;
		if (other)
			(void)links_enter(l, i, 0, 2, i);
	}
	host_arena_free(&arena);
}

static void one_links_luck_is_not_anothers(void **state)
{
	uint8_t alone[100], beside[100];

	(void)state;
	pattern(alone, false);
	pattern(beside, true);
	assert_memory_equal(alone, beside, sizeof(alone));
}

/* Random traffic: every frame entered is lost, pending or left once; times never run back. */
static void every_frame_is_accounted_for(void **state)
{
	struct drbg r;
	uint8_t seed[DRBG_SEED];

	(void)state;
	for (uint64_t s = 1; s <= 20; s++) {
		struct links *l = make(4, 16, s);
		uint64_t entered = 0, lost = 0, full = 0, left = 0;
		int64_t now = 0, last = 0;
		struct link_arrival a;

		drbg_seed_from_u64(seed, s);
		drbg_init(&r, seed, DRBG_TEST, 0);
		for (int step = 0; step < 3000; step++) {
			unsigned node = (unsigned)drbg_below(&r, 4);
			now += (int64_t)drbg_below(&r, 20);
			if (drbg_below(&r, 10) == 0)
				set(l, node, drbg_below(&r, 2) ? LINK_IN : LINK_OUT,
				    (struct link_set){ (int64_t)drbg_below(&r, 100),
				                       (uint32_t)drbg_below(&r, 1000001),
				                       drbg_below(&r, 8) == 0 });
			enum link_fate f = links_enter(l, now, node, (node + 1) % 4, 1);
			entered++;
			lost += f == LINK_LOST;
			full += f == LINK_FULL;
			for (last = 0; links_leave(l, now, &a); last = a.t_ns, left++)
				assert_true(a.t_ns >= last && a.t_ns <= now);
			if (entered != lost + full + left + links_pending(l))
				fail_msg("seed %llu step %d", (unsigned long long)s, step);
		}
		host_arena_free(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_takes_both_delays),
		cmocka_unit_test(frames_keep_their_order_under_one_delay),
		cmocka_unit_test(a_full_network_says_so),
		cmocka_unit_test(a_cut_outwards_loses_on_entry),
		cmocka_unit_test(nothing_arrives_behind_a_cut_inwards),
		cmocka_unit_test(all_or_nothing_is_lost_at_the_ends),
		cmocka_unit_test(loss_comes_as_often_as_asked),
		cmocka_unit_test(one_links_luck_is_not_anothers),
		cmocka_unit_test(every_frame_is_accounted_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
