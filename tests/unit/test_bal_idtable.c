/* SPDX-License-Identifier: BSD-3-Clause */
/* Outstanding queries: their IDs, their order, their memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/idtable.h"
#include "tests/bal_rig.h"

struct table {
	struct rig rig;
	struct idtable t;
	struct drbg random;
};

static void start(struct table *t, unsigned sockets, uint32_t max_outstanding)
{
	uint8_t seed[DRBG_SEED];

	rig_conf(&t->rig, 2);
	t->rig.server[0].sockets = (uint16_t)sockets;
	t->rig.conf.max_outstanding = max_outstanding;
	MUST(host_arena(&t->rig.arena, idt_arena_size(&t->rig.conf)) == 0);
	idt_init(&t->t, &t->rig.arena, &t->rig.conf);
	drbg_seed_from_u64(seed, 5);
	drbg_init(&t->random, seed, DRBG_TEST, 1);
}

static struct idt_query *take(struct table *t, unsigned server, int64_t now_ns)
{
	struct idt_query *q = idt_take(&t->t, &t->random, server);

	if (q != NULL)
		q->sent_ns = now_ns;
	return q;
}

static void every_id_is_given_once_until_all_are_out(void **state)
{
	static struct table t;
	static bool seen[IDT_IDS];

	(void)state;
	start(&t, 1, 65535);
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 65535; i++) {
		struct idt_query *q = take(&t, 0, i);
		assert_non_null(q);
		assert_false(seen[q->id]);
		seen[q->id] = true;
	}
	assert_null(take(&t, 0, 65535));
	assert_non_null(take(&t, 1, 65535)); /* the other server has its own */
	idt_check(&t.t);
	host_arena_free(&t.rig.arena);
}

static void an_answered_id_can_be_given_again_and_is_found_no_more(void **state)
{
	static struct table t;

	(void)state;
	start(&t, 1, 1);
	for (unsigned i = 0; i < 1000; i++) {
		struct idt_query *q = take(&t, 0, i);
		assert_ptr_equal(idt_find(&t.t, 0, q->id), q);
		assert_null(idt_find(&t.t, 1, q->id));
		assert_null(take(&t, 0, i));
		uint16_t id = q->id;
		idt_release(&t.t, 0, q);
		assert_null(idt_find(&t.t, 0, id));
		idt_check(&t.t);
	}
	host_arena_free(&t.rig.arena);
}

static void sockets_share_the_queries_evenly(void **state)
{
	static struct table t;
	unsigned got[4] = { 0 };

	(void)state;
	start(&t, 4, 65535);
	for (unsigned i = 0; i < 32000; i++)
		got[take(&t, 0, i)->socket]++;
	for (unsigned s = 0; s < 4; s++)
		assert_in_range(got[s], 8000 - 388, 8000 + 388); /* 5 sigma */
	host_arena_free(&t.rig.arena);
}

static void the_oldest_is_the_one_that_left_first_whatever_ended_between(void **state)
{
	static struct table t;
	struct idt_query *q[6];
	unsigned server;

	(void)state;
	start(&t, 1, 100);
	assert_null(idt_oldest(&t.t, &server));
	for (unsigned i = 0; i < 6; i++)
		q[i] = take(&t, i % 2, i);
	idt_release(&t.t, 1, q[3]); /* from the middle */
	idt_release(&t.t, 1, q[5]); /* the newest */
	idt_release(&t.t, 0, q[0]); /* the oldest */
	static const unsigned left[] = { 1, 2, 4 };
	for (unsigned i = 0; i < 3; i++) {
		idt_check(&t.t);
		assert_ptr_equal(idt_oldest(&t.t, &server), q[left[i]]);
		assert_int_equal(server, left[i] % 2);
		idt_release(&t.t, server, q[left[i]]);
	}
	assert_null(idt_oldest(&t.t, &server));
	idt_check(&t.t);
	host_arena_free(&t.rig.arena);
}

static void few_outstanding_queries_use_few_places(void **state)
{
	static struct table t;

	(void)state;
	start(&t, 1, 65535);
	for (unsigned i = 0; i < 100000; i++)
		idt_release(&t.t, 0, take(&t, 0, i));
	assert_int_equal(t.t.server[0].touched, 1);
	host_arena_free(&t.rig.arena);
}

/* Fills the table beyond where it is dense, empties it below where it isn't, again and again. */
static void ids_stay_unique_while_the_table_fills_and_empties(void **state)
{
	static struct table t;
	unsigned server;

	(void)state;
	start(&t, 1, 65535);
	for (unsigned round = 0; round < 6; round++) {
		unsigned to = round % 2 == 0 ? 60000 : IDT_SPARSE - 1;
		while (t.t.used < to) {
			struct idt_query *q = take(&t, 0, round);
			assert_ptr_equal(idt_find(&t.t, 0, q->id), q); /* a second one would show */
		}
		while (t.t.used > to)
			idt_release(&t.t, 0, idt_oldest(&t.t, &server));
		assert_int_equal(t.t.socket[0].dense, round % 2 == 0);
		idt_check(&t.t);
	}
	host_arena_free(&t.rig.arena);
}

static void free_ids_are_equally_likely_on_both_sides_of_dense(void **state)
{
	static struct table t;
	unsigned low[2] = { 0 }, server;

	(void)state;
	start(&t, 1, 65535);
	while (t.t.used < IDT_DENSE)
		take(&t, 0, 0);
	for (unsigned dense = 0; dense < 2; dense++) {
		while (dense == 0 && t.t.used >= IDT_SPARSE)
			idt_release(&t.t, 0, idt_oldest(&t.t, &server));
		while (dense == 1 && t.t.used < IDT_DENSE + 1)
			take(&t, 0, 0);
		for (unsigned i = 0; i < 40000; i++) {
			struct idt_query *q = take(&t, 0, 0);
			low[dense] += q->id < IDT_IDS / 2;
			idt_release(&t.t, 0, q);
		}
		assert_int_equal(t.t.socket[0].dense, dense);
		/* free ones of either half are 1,000 apart at most: 5 sigma and those */
		assert_in_range(low[dense], 20000 - 500 - 1500, 20000 + 500 + 1500);
	}
	host_arena_free(&t.rig.arena);
}

static void a_table_at_rest_gives_its_memory_back_and_goes_on(void **state)
{
	static struct table t;
	static struct idt_query *q[40000];

	(void)state;
	start(&t, 2, 65535);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < COUNT_OF(q); i++)
			q[i] = take(&t, 0, (int64_t)(i + round * COUNT_OF(q)));
		assert_false(idt_rest(&t.t));
		for (unsigned i = 0; i < COUNT_OF(q); i++)
			idt_release(&t.t, 0, q[i]);
		assert_true(idt_rest(&t.t));
		host_give_back(t.t.tables, t.t.tables_len);
		idt_check(&t.t);
		for (size_t i = 0; i < t.t.tables_len; i++)
			MUST(t.t.tables[i] == 0);
		assert_true(t.t.tables + t.t.tables_len <= t.rig.arena.base + t.rig.arena.used);
	}
	host_arena_free(&t.rig.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_id_is_given_once_until_all_are_out),
		cmocka_unit_test(an_answered_id_can_be_given_again_and_is_found_no_more),
		cmocka_unit_test(sockets_share_the_queries_evenly),
		cmocka_unit_test(the_oldest_is_the_one_that_left_first_whatever_ended_between),
		cmocka_unit_test(few_outstanding_queries_use_few_places),
		cmocka_unit_test(ids_stay_unique_while_the_table_fills_and_empties),
		cmocka_unit_test(a_table_at_rest_gives_its_memory_back_and_goes_on),
		cmocka_unit_test(free_ids_are_equally_likely_on_both_sides_of_dense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
