/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The link model: delays, cuts, loss, order, copies, rates, streams, and the law that no frame is
 * unaccounted.
 */
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
	assert_int_equal(links_enter(l, 100, 0, 1, 100, 7), LINK_PASSED);
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
		assert_int_equal(links_enter(l, 5, 0, 1, 100, i), LINK_PASSED);
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
	assert_int_equal(links_enter(l, 0, 0, 1, 100, 0), LINK_PASSED);
	assert_int_equal(links_enter(l, 0, 0, 1, 100, 1), LINK_FULL);
	assert_int_equal(links_pending(l), 1);
	host_arena_free(&arena);
}

static void a_cut_outwards_loses_on_entry(void **state)
{
	struct links *l = make(2, 4, 1);

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .cut = true });
	assert_int_equal(links_enter(l, 0, 0, 1, 100, 0), LINK_LOST);
	assert_int_equal(links_enter(l, 0, 1, 0, 100, 0), LINK_PASSED);
	assert_int_equal(links_counts(l, 0, LINK_OUT).cut, 1);
	host_arena_free(&arena);
}

static void nothing_arrives_behind_a_cut_inwards(void **state)
{
	struct links *l = make(2, 4, 1);
	struct link_arrival a;

	(void)state;
	set(l, 1, LINK_IN, (struct link_set){ .delay_ns = 50 });
	assert_int_equal(links_enter(l, 0, 0, 1, 100, 3), LINK_PASSED);
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
		assert_int_equal(links_enter(l, i, 0, 1, 100, 0), LINK_LOST);
		set(l, 0, LINK_OUT, (struct link_set){ .loss_ppm = 0 });
		assert_int_equal(links_enter(l, i, 0, 1, 100, 0), LINK_PASSED);
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
		lost += links_enter(l, i, 0, 1, 100, i) == LINK_LOST;
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
		out[i] = links_enter(l, i, 0, 1, 100, i) == LINK_LOST;
		if (other)
			(void)links_enter(l, i, 0, 2, 100, i);
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

/* ---- jitter, duplicates, order, rate ---- */

enum { MANY = 20000, EVERY = 1000000 };

/* Due times of MANY frames, one each 100 ns, from node 0 to node 1; 0: lost. Copies behind. */
static unsigned send_many(struct links *l, int64_t due[2 * MANY])
{
	unsigned doubled = 0;

	memset(due, 0, 2 * MANY * sizeof(*due));
	for (unsigned i = 0; i < MANY; i++) {
		int64_t two[2] = { 0 };
		enum link_fate f = links_cross(l, 100 * i, 0, 1, 100, two);
		if (f == LINK_PASSED || f == LINK_DOUBLED)
			due[i] = two[0];
		if (f == LINK_DOUBLED)
			due[MANY + doubled++] = two[1];
	}
	return doubled;
}

static int64_t due[2 * MANY], other[2 * MANY];

/* Uniform in 0...5: each of the six a sixth; eight standard deviations of 20,000 are 422. */
static void jitter_is_uniform_and_its_ends_are_met(void **state)
{
	struct links *l = make(2, 0, 3);
	unsigned n[6] = { 0 };

	(void)state;
	set(l, 1, LINK_IN, (struct link_set){ .delay_ns = 50, .jitter_ns = 5 });
	assert_int_equal(send_many(l, due), 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_in_range(due[i], 100 * i + 50, 100 * i + 55);
		n[due[i] - 100 * i - 50]++;
	}
	for (unsigned i = 0; i < 6; i++)
		assert_in_range(n[i], MANY / 6 - 422, MANY / 6 + 422);
	assert_int_equal(links_counts(l, 1, LINK_IN).jittered, MANY - n[0]);
	host_arena_free(&arena);
}

static unsigned overtaken(void)
{
	unsigned n = 0;

	for (unsigned i = 1; i < MANY; i++)
		n += due[i] < due[i - 1];
	return n;
}

static void jitter_of_both_links_keeps_the_order(void **state)
{
	struct links *l = make(2, 0, 3);

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .jitter_ns = 5000 });
	set(l, 1, LINK_IN, (struct link_set){ .jitter_ns = 5000 });
	send_many(l, due);
	assert_int_equal(overtaken(), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_in_range(due[i], 100 * i, 100 * i + 10000);
	host_arena_free(&arena);
}

/* Frames from elsewhere don't wait for a slow node's. */
static void jitter_orders_each_pair_alone(void **state)
{
	struct links *l = make(3, 0, 3);
	int64_t slow[2], fast[2];

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .delay_ns = EVERY });
	set(l, 2, LINK_IN, (struct link_set){ .jitter_ns = 5 });
	assert_int_equal(links_cross(l, 10, 0, 2, 100, slow), LINK_PASSED);
	assert_int_equal(links_cross(l, 20, 1, 2, 100, fast), LINK_PASSED);
	assert_in_range(slow[0], EVERY + 10, EVERY + 15);
	assert_in_range(fast[0], 20, 25);
	host_arena_free(&arena);
}

/* Binomial(20,000, 0.1): eight standard deviations are 340. */
static void frames_are_held_back_as_often_and_as_long_as_asked(void **state)
{
	struct links *l = make(2, 0, 3);
	unsigned held = 0;

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .delay_ns = 7, .reorder_ppm = 100000,
	                                       .reorder_ns = 250 });
	send_many(l, due);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(due[i] == 100 * i + 7 || due[i] == 100 * i + 257);
		held += due[i] == 100 * i + 257;
	}
	assert_in_range(held, 2000 - 340, 2000 + 340);
	assert_int_equal(links_counts(l, 0, LINK_OUT).reordered, held);
	assert_true(overtaken() > held / 2 && overtaken() <= held);
	host_arena_free(&arena);
}

static void frames_come_twice_as_often_as_asked(void **state)
{
	struct links *l = make(2, 0, 3);

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .delay_ns = 7, .duplicate_ppm = 100000 });
	unsigned n = send_many(l, due);
	assert_in_range(n, 2000 - 340, 2000 + 340);
	assert_int_equal(links_counts(l, 0, LINK_OUT).doubled, n);
	assert_int_equal(links_counts(l, 0, LINK_OUT).passed, MANY + n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(due[MANY + i] % 100, 7);
	host_arena_free(&arena);
}

/* Two links that double make two of one, not four; what is lost isn't doubled. */
static void a_frame_comes_at_most_twice(void **state)
{
	struct links *l = make(2, 4, 3);
	struct link_arrival a;

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .duplicate_ppm = EVERY });
	set(l, 1, LINK_IN, (struct link_set){ .duplicate_ppm = EVERY });
	assert_int_equal(links_enter(l, 5, 0, 1, 100, 9), LINK_DOUBLED);
	for (int i = 0; i < 2; i++) {
		assert_true(links_leave(l, 5, &a));
		assert_int_equal(a.frame, 9);
		assert_int_equal(a.fate, LINK_PASSED);
	}
	assert_false(links_leave(l, 5, &a));
	assert_int_equal(links_counts(l, 1, LINK_IN).passed, 2);
	set(l, 1, LINK_IN, (struct link_set){ .loss_ppm = EVERY, .duplicate_ppm = EVERY });
	assert_int_equal(links_enter(l, 6, 0, 1, 100, 9), LINK_LOST);
	assert_int_equal(links_counts(l, 0, LINK_OUT).doubled, 1);
	host_arena_free(&arena);
}

static void a_copy_needs_room_as_well(void **state)
{
	struct links *l = make(2, 1, 3);

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .duplicate_ppm = EVERY });
	assert_int_equal(links_enter(l, 5, 0, 1, 100, 9), LINK_FULL);
	assert_int_equal(links_pending(l), 0);
	host_arena_free(&arena);
}

/* 1 Mbit/s: 100 bytes take 800 us. The queue holds three. */
static void a_rate_sends_one_after_the_other_and_drops_what_finds_no_room(void **state)
{
	static const struct { int64_t t_us; size_t len; int64_t due_us; } rows[] = {
		{ 0, 100, 800 }, { 0, 100, 1600 }, { 10, 50, 2000 }, { 10, 50, 2400 },
		{ 10, 1, 2408 }, { 10, 1, -1 }, { 450, 56, -1 }, { 450, 55, 2848 },
		{ 5000, 300, 7400 }, { 5000, 1, -1 }, { 8000, 301, -1 }, { 8000, 1, 8008 },
	};
	struct links *l = make(2, 0, 3);
	uint64_t full = 0;

	(void)state;
	set(l, 1, LINK_IN, (struct link_set){ .delay_ns = 7, .rate_bps = 1000000,
	                                      .queue_bytes = 300 });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t at[2];
		enum link_fate f = links_cross(l, rows[i].t_us * 1000, 0, 1, rows[i].len, at);
		full += rows[i].due_us < 0;
		if (f != (rows[i].due_us < 0 ? LINK_LOST : LINK_PASSED) ||
		    (f == LINK_PASSED && at[0] != rows[i].due_us * 1000 + 7))
			fail_msg("row %zu", i);
	}
	assert_int_equal(links_counts(l, 1, LINK_IN).full, full);
	host_arena_free(&arena);
}

/* The slower queue of two decides; each drops on its own. */
static void a_frame_goes_through_both_queues(void **state)
{
	struct links *l = make(2, 0, 3);
	int64_t at[2];

	(void)state;
	set(l, 0, LINK_OUT, (struct link_set){ .rate_bps = 8000000, .queue_bytes = 1000 });
	set(l, 1, LINK_IN, (struct link_set){ .rate_bps = 4000000, .queue_bytes = 150 });
	assert_int_equal(links_cross(l, 0, 0, 1, 100, at), LINK_PASSED);
	assert_int_equal(at[0], 200000);
	assert_int_equal(links_cross(l, 0, 0, 1, 100, at), LINK_LOST);
	assert_int_equal(links_counts(l, 0, LINK_OUT).full, 0);
	assert_int_equal(links_counts(l, 0, LINK_OUT).passed, 2);
	assert_int_equal(links_counts(l, 1, LINK_IN).full, 1);
	host_arena_free(&arena);
}

/* With everything else on, the same frames are lost, doubled and held back as with it alone. */
static void each_fault_keeps_its_luck_beside_the_others(void **state)
{
	static const struct link_set alone[] = {
		{ .loss_ppm = 300000 }, { .jitter_ns = 60, .delay_ns = 7 },
		{ .reorder_ppm = 300000, .reorder_ns = 10000 },
	};
	struct link_counts c[3], both;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct links *l = make(2, 0, 3);
		set(l, 0, LINK_OUT, alone[i]);
		send_many(l, due);
		c[i] = links_counts(l, 0, LINK_OUT);
		host_arena_free(&arena);
	}
	struct links *l = make(2, 0, 3);
	set(l, 0, LINK_OUT, alone[0]);
	set(l, 1, LINK_IN, (struct link_set){ .jitter_ns = 60, .reorder_ppm = 300000,
	                                      .reorder_ns = 10000, .duplicate_ppm = 300000 });
	send_many(l, other);
	both = links_counts(l, 0, LINK_OUT);
	assert_int_equal(both.lost, c[0].lost);
	host_arena_free(&arena);
	l = make(2, 0, 3);
	set(l, 0, LINK_OUT, (struct link_set){ .jitter_ns = 60, .delay_ns = 7,
	                                       .reorder_ppm = 300000, .reorder_ns = 10000 });
	send_many(l, other);
	both = links_counts(l, 0, LINK_OUT);
	assert_int_equal(both.jittered, c[1].jittered);
	assert_int_equal(both.reordered, c[2].reordered);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(other[i] - 100 * i >= 10000, due[i] - 100 * i >= 10000);
	host_arena_free(&arena);
}

static struct link_set random_set(struct drbg *r)
{
	return (struct link_set){
		.delay_ns = (int64_t)drbg_below(r, 100),
		.loss_ppm = (uint32_t)drbg_below(r, 1000001),
		.cut = drbg_below(r, 8) == 0,
		.jitter_ns = (int64_t)drbg_below(r, 50),
		.duplicate_ppm = (uint32_t)drbg_below(r, 1000001),
		.reorder_ppm = (uint32_t)drbg_below(r, 1000001),
		.reorder_ns = (int64_t)drbg_below(r, 50),
		.rate_bps = drbg_below(r, 2) * 50000000000,
		.queue_bytes = (uint32_t)drbg_below(r, 1000),
	};
}

/* Random traffic: every frame or copy is lost, pending or left once; times never run back. */
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
				    random_set(&r));
			enum link_fate f = links_enter(l, now, node, (node + 1) % 4, 100, 1);
			entered++;
			lost += f == LINK_LOST;
			full += f == LINK_FULL;
			entered += f == LINK_DOUBLED;
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
		cmocka_unit_test(jitter_is_uniform_and_its_ends_are_met),
		cmocka_unit_test(jitter_of_both_links_keeps_the_order),
		cmocka_unit_test(jitter_orders_each_pair_alone),
		cmocka_unit_test(frames_are_held_back_as_often_and_as_long_as_asked),
		cmocka_unit_test(frames_come_twice_as_often_as_asked),
		cmocka_unit_test(a_frame_comes_at_most_twice),
		cmocka_unit_test(a_copy_needs_room_as_well),
		cmocka_unit_test(a_rate_sends_one_after_the_other_and_drops_what_finds_no_room),
		cmocka_unit_test(a_frame_goes_through_both_queues),
		cmocka_unit_test(each_fault_keeps_its_luck_beside_the_others),
		cmocka_unit_test(every_frame_is_accounted_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
