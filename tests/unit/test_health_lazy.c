/* SPDX-License-Identifier: BSD-3-Clause */
/* Lazy health checks: what makes a server suspect, when it is probed then, when it rests again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/health.h"
#include "balancer/core/lazy.h"
#include "tests/bal_rig.h"

#define SECOND INT64_C(1000000000)

struct ward {
	struct rig rig;
	struct health *h;
	uint8_t buf[RIG_BYTES];
	struct dgram d;
};

static void conf(struct ward *w)
{
	rig_conf(&w->rig, 2);
	for (unsigned i = 0; i < 2; i++)
		w->rig.server[i].check.mode = BAL_CHECK_AUTO;
	w->rig.server[0].check.lazy.on = true;
	w->d = (struct dgram){ .data = w->buf, .cap = RIG_BYTES };
}

static void start(struct ward *w)
{
	uint8_t seed[DRBG_SEED] = { 7 };

	MUST(host_arena(&w->rig.arena, bal_shared_arena_size(&w->rig.conf) +
	                               health_arena_size(&w->rig.conf)) == 0);
	w->rig.shared = bal_shared_init(&w->rig.arena, &w->rig.conf);
	w->h = health_init(&w->rig.arena, &w->rig.conf, w->rig.shared, seed, 0);
	arena_seal(&w->rig.arena);
}

static void stop(struct ward *w)
{
	health_check(w->h);
	host_arena_free(&w->rig.arena);
}

static void good(struct ward *w, unsigned n)
{
	while (n-- > 0)
		lazy_answered(w->rig.shared->lazy, 0, DNS_NOERROR);
}

static void lost(struct ward *w, unsigned n)
{
	while (n-- > 0)
		lazy_unanswered(w->rig.shared->lazy, 0);
}

/* Runs until until_ns; when server 0 was probed, or -1. The other one always answers. */
static int64_t probed(struct ward *w, int64_t until_ns)
{
	while (health_deadline(w->h) <= until_ns) {
		int64_t t_ns = health_deadline(w->h);
		unsigned n = health_poll(w->h, t_ns, &w->d, 1);
		health_check(w->h);
		if (n == 1 && w->d.port == 1)
			return t_ns;
		if (n == 0)
			continue;
		rig_turn(&w->d, DNS_NOERROR);
		health_rx(w->h, t_ns, &w->d, 1);
	}
	return -1;
}

static void answer(struct ward *w, int64_t t_ns, unsigned rcode)
{
	rig_turn(&w->d, rcode);
	health_rx(w->h, t_ns, &w->d, 1);
	health_check(w->h);
	assert_int_not_equal(w->d.verdict, HEALTH_IGNORED);
}

/* Up, after the first probe. */
static void start_up(struct ward *w)
{
	start(w);
	assert_int_equal(probed(w, 0), 0);
	answer(w, 0, DNS_NOERROR);
	assert_true(bal_shared_up(w->rig.shared, 0));
}

static void a_server_is_suspect_at_the_threshold_of_what_is_there(void **state)
{
	static const struct {
		const char *what;
		unsigned samples, min, threshold, goods, losts, servfails;
		bool timeouts_only, suspect;
	} rows[] = {
		{ "nothing was asked", 100, 1, 20, 0, 0, 0, false, false },
		{ "one, lost", 100, 1, 20, 0, 1, 0, false, true },
		{ "one, lost, of ten that are wanted", 100, 10, 20, 0, 1, 0, false, false },
		{ "nine lost, of ten that are wanted", 100, 10, 20, 0, 9, 0, false, false },
		{ "ten lost", 100, 10, 20, 0, 10, 0, false, true },
		{ "a fifth", 100, 1, 20, 80, 20, 0, false, true },
		{ "not quite a fifth", 100, 1, 20, 81, 19, 0, false, false },
		{ "a fifth of the latest hundred", 100, 1, 20, 500, 20, 0, false, true },
		{ "SERVFAIL counts", 100, 1, 20, 80, 0, 20, false, true },
		{ "SERVFAIL doesn't count", 100, 1, 20, 80, 0, 20, true, false },
		{ "all must fail", 4, 1, 100, 1, 3, 0, false, false },
		{ "all failed", 4, 1, 100, 1, 4, 0, false, true },
	};
	static struct ward w;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		conf(&w);
		struct bal_lazy *c = &w.rig.server[0].check.lazy;
		c->samples = (uint16_t)rows[i].samples;
		c->min_samples = (uint16_t)rows[i].min;
		c->threshold = (uint16_t)rows[i].threshold;
		c->timeouts_only = rows[i].timeouts_only;
		start(&w);
		good(&w, rows[i].goods);
		lost(&w, rows[i].losts);
		for (unsigned k = 0; k < rows[i].servfails; k++)
			lazy_answered(w.rig.shared->lazy, 0, DNS_SERVFAIL);
		if (lazy_suspects(&w.rig.shared->lazy[0], c) != rows[i].suspect)
			fail_msg("%s", rows[i].what);
		lazy_forget(&w.rig.shared->lazy[0]);
		assert_false(lazy_suspects(&w.rig.shared->lazy[0], c));
		stop(&w);
	}
}

static void others_are_not_counted(void **state)
{
	static struct ward w;

	(void)state;
	conf(&w);
	start(&w);
	lazy_unanswered(w.rig.shared->lazy, 1);
	lazy_answered(w.rig.shared->lazy, 1, DNS_SERVFAIL);
	assert_int_equal(w.rig.shared->lazy[1].n, 0);
	stop(&w);
	conf(&w);
	w.rig.server[0].check.lazy.on = false;
	start(&w);
	assert_null(w.rig.shared->lazy);
	lost(&w, 1);
	stop(&w);
}

static void gaps_while_down_stay_or_double(void **state)
{
	static const struct {
		const char *what;
		bool back_off;
		unsigned failed;
		int64_t gap_s;
	} rows[] = {
		{ "no back-off, the first", false, 0, 30 }, { "and later", false, 9, 30 },
		{ "the first", true, 0, 30 }, { "the second", true, 1, 60 },
		{ "the third", true, 2, 120 }, { "the seventh", true, 6, 1920 },
		{ "the eighth", true, 7, 3600 }, { "the millionth", true, 999999, 3600 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct bal_lazy c = { .on = true, .back_off = rows[i].back_off,
		                      .failed_ns = 30 * SECOND, .back_off_max_ns = 3600 * SECOND };
		if (lazy_gap_ns(&c, rows[i].failed) != rows[i].gap_s * SECOND)
			fail_msg("%s", rows[i].what);
	}
}

static void nobody_is_probed_while_queries_fare_well(void **state)
{
	static struct ward w;

	(void)state;
	conf(&w);
	start_up(&w);
	good(&w, 81);
	lost(&w, 19);
	assert_int_equal(probed(&w, 1000 * SECOND), -1);
	lost(&w, 2); /* the oldest good ones fall out */
	int64_t t_ns = probed(&w, 1002 * SECOND);
	assert_in_range(t_ns, 1000 * SECOND, 1001 * SECOND);
	stop(&w);
}

static void a_suspect_is_probed_each_interval_until_one_success(void **state)
{
	static struct ward w;

	(void)state;
	conf(&w);
	w.rig.server[0].check.max_failures = 3;
	w.rig.server[0].check.interval_ns = 2 * SECOND;
	start_up(&w);
	lost(&w, 100);
	int64_t first = probed(&w, 2 * SECOND);
	assert_true(first > 0);
	int64_t second = probed(&w, 10 * SECOND);
	assert_int_equal(second, first + 2 * SECOND); /* the first failed in between */
	answer(&w, second, DNS_NOERROR);
	assert_int_equal(probed(&w, 100 * SECOND), -1);
	assert_true(bal_shared_up(w.rig.shared, 0));
	lost(&w, 1); /* what was lost before is forgotten, and one of one is all */
	assert_true(probed(&w, 102 * SECOND) > 0);
	stop(&w);
}

static void a_suspect_that_fails_is_down_and_probed_at_growing_gaps(void **state)
{
	static struct ward w;
	int64_t t_ns, down_ns, gap[] = { 30, 60, 120, 120 };

	(void)state;
	conf(&w);
	w.rig.server[0].check.max_failures = 2;
	w.rig.server[0].check.rise = 2;
	w.rig.server[0].check.lazy.back_off = true;
	w.rig.server[0].check.lazy.back_off_max_ns = 120 * SECOND;
	start_up(&w);
	lost(&w, 100);
	t_ns = probed(&w, 2 * SECOND);
	answer(&w, t_ns, DNS_SERVFAIL);
	assert_true(bal_shared_up(w.rig.shared, 0));
	t_ns = probed(&w, 5 * SECOND);
	down_ns = t_ns + 5;
	answer(&w, down_ns, DNS_SERVFAIL);
	assert_false(bal_shared_up(w.rig.shared, 0));
	for (size_t i = 0; i < COUNT_OF(gap); i++) {
		int64_t next = probed(&w, 1000 * SECOND);
		assert_int_equal(next, (i == 0 ? down_ns : t_ns) + gap[i] * SECOND);
		t_ns = next;
	}
	answer(&w, t_ns + 3, DNS_NOERROR);
	assert_false(bal_shared_up(w.rig.shared, 0));
	assert_int_equal(probed(&w, 1000 * SECOND), t_ns + 3 + 30 * SECOND);
	answer(&w, t_ns + 3 + 30 * SECOND, DNS_NOERROR);
	assert_true(bal_shared_up(w.rig.shared, 0));
	assert_int_equal(probed(&w, 2000 * SECOND), -1);
	stop(&w);
}

static void a_first_failure_waits_for_the_failed_interval(void **state)
{
	static struct ward w;

	(void)state;
	conf(&w);
	start(&w);
	assert_int_equal(probed(&w, 0), 0);
	answer(&w, 1, DNS_SERVFAIL);
	assert_false(bal_shared_up(w.rig.shared, 0));
	assert_int_equal(probed(&w, 100 * SECOND), 1 + 30 * SECOND);
	stop(&w);
}

static void a_console_begins_a_lazy_server_anew(void **state)
{
	static struct ward w;

	(void)state;
	conf(&w);
	start_up(&w);
	health_set_mode(w.h, SECOND, 0, BAL_CHECK_DOWN);
	lost(&w, 100);
	assert_int_equal(probed(&w, 10 * SECOND), -1);
	health_set_mode(w.h, 10 * SECOND, 0, BAL_CHECK_AUTO);
	assert_int_equal(probed(&w, 20 * SECOND), 10 * SECOND);
	answer(&w, 10 * SECOND, DNS_NOERROR);
	assert_true(bal_shared_up(w.rig.shared, 0));
	health_set_state(w.h, 11 * SECOND, 0, false);
	assert_int_equal(probed(&w, 100 * SECOND), 41 * SECOND);
	assert_int_equal(probed(&w, 43 * SECOND), -1); /* which fails */
	health_set_state(w.h, 43 * SECOND, 0, true);
	assert_int_equal(probed(&w, 100 * SECOND), -1);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_suspect_at_the_threshold_of_what_is_there),
		cmocka_unit_test(others_are_not_counted),
		cmocka_unit_test(gaps_while_down_stay_or_double),
		cmocka_unit_test(nobody_is_probed_while_queries_fare_well),
		cmocka_unit_test(a_suspect_is_probed_each_interval_until_one_success),
		cmocka_unit_test(a_suspect_that_fails_is_down_and_probed_at_growing_gaps),
		cmocka_unit_test(a_first_failure_waits_for_the_failed_interval),
		cmocka_unit_test(a_console_begins_a_lazy_server_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
