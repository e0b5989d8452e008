/* SPDX-License-Identifier: BSD-3-Clause */
/* Several workers over one set of shared atomics, in threads: what must add up adds up. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/bal_rig.h"

enum { WORKERS = 3, QUERIES = 20000, OPEN = 100 };

struct worker {
	pthread_t thread;
	struct arena arena;
	struct bal *b;
	unsigned got[2];        /* queries to each server */
};

static struct rig rig;
static struct worker workers[WORKERS];

/* Queries that are answered at once, but for the last OPEN ones. */
static void *work(void *arg)
{
	struct worker *w = arg;
	uint8_t buf[RIG_BYTES];

	for (unsigned i = 0; i < QUERIES; i++) {
		struct dgram d = rig_query(buf, i, (uint16_t)i, "www.example.", false);
		bal_rx(w->b, 1 + i, &d, 1);
		MUST(d.verdict == BAL_FORWARD);
		w->got[d.port - 1]++;
		rig_turn(&d, DNS_NOERROR);
		if (i < QUERIES - OPEN)
			bal_rx(w->b, 1 + i, &d, 1);
	}
	return NULL;
}

static void run(enum bal_policy policy, uint32_t qps)
{
	uint8_t seed[DRBG_SEED] = { 1 };

	rig_conf(&rig, 2);
	rig.conf.policy = policy;
	rig.server[0].qps = qps;
	rig_start(&rig, 1);
	memset(workers, 0, sizeof(workers));
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];
		assert_int_equal(host_arena(&w->arena, bal_arena_size(&rig.conf)), 0);
		w->b = bal_init(&w->arena, &rig.conf, rig.shared, seed, i);
		assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
}

static void stop(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		bal_check(workers[i].b);
		host_arena_free(&workers[i].arena);
	}
	rig_stop(&rig);
}

static unsigned sent_to(unsigned server)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		n += workers[i].got[server];
	return n;
}

static void outstanding_counts_of_all_workers_add_up(void **state)
{
	(void)state;
	run(BAL_WRANDOM, 0);
	int out = atomic_load(&rig.shared->server[0].outstanding) +
	          atomic_load(&rig.shared->server[1].outstanding);
	assert_int_equal(out, WORKERS * OPEN);
	for (unsigned i = 0; i < WORKERS; i++)
		bal_poll(workers[i].b, INT64_MAX / 2, NULL, 0);
	for (unsigned s = 0; s < 2; s++)
		assert_int_equal(atomic_load(&rig.shared->server[s].outstanding), 0);
	stop();
}

static void roundrobin_is_exact_over_all_workers(void **state)
{
	(void)state;
	run(BAL_ROUNDROBIN, 0);
	assert_int_equal(sent_to(0), WORKERS * QUERIES / 2);
	assert_int_equal(sent_to(1), WORKERS * QUERIES / 2);
	stop();
}

static void workers_share_one_bucket_of_qps(void **state)
{
	(void)state;
	run(BAL_FIRST_AVAILABLE, 1000); /* in 20 us of the cores' time nothing flows back */
	assert_int_equal(sent_to(0), 1000);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outstanding_counts_of_all_workers_add_up),
		cmocka_unit_test(roundrobin_is_exact_over_all_workers),
		cmocka_unit_test(workers_share_one_bucket_of_qps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
