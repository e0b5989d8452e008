/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge on balancers that answer from caches of their own, in runs that never happened: hits
 * are counted exactly and draw nothing, whatever the order in which a balancer sends; and what
 * isn't a hit, or takes a turn though it is one, doesn't pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/judge/inner.h"
#include "tests/judge/synth.h"

static const char scenario[] = "scenarios/balancer-cache.lua";

static const json_t *of_kind(const json_t *doc, const char *kind)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		if (strcmp(json_string_value(json_object_get(e, "kind")), kind) == 0)
			return e;
	fail_msg("no expectation %s", kind);
	return NULL;
}

static json_int_t number(const json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

/* What the document says of each balancer is what the run's maker knows. */
static void check_counts(const json_t *doc, const struct synth *s)
{
	const json_t *list = json_object_get(doc, "balancers");

	assert_int_equal(json_array_size(list), SYNTH_BALANCERS);
	for (unsigned b = 0; b < SYNTH_BALANCERS; b++) {
		const json_t *o = json_array_get(list, b);
		json_int_t hits = s->knob.front_error ? 0 : (json_int_t)s->front_hits[b];
		assert_int_equal(number(o, "hits"), hits);
		assert_int_equal(number(o, "forwarded"), s->forwards[b]);
		assert_int_equal(number(o, "queries"), s->front_hits[b] + s->forwards[b] +
		                 s->front_drops[b]);
	}
}

struct row {
	const char *what;
	struct synth_knobs k;
	const char *set;
	const char *cache, *even;   /* verdicts */
	const char *says;           /* part of the why of the one that doesn't pass */
};

static const struct row rows[] = {
	{ "a right run", { .front_cache = true }, NULL, "PASS", "PASS", "" },
	{ "batches, sent server by server", { .front_cache = true, .batch_ns = 3000000 }, NULL,
	  "PASS", "PASS", "" },
	{ "a worker that lags behind", { .front_cache = true, .worker_lag_ns = 2000000 }, NULL,
	  "PASS", "PASS", "" },
	{ "few names, asked all the time", { .front_cache = true, .batch_ns = 10000000 },
	  "load.names.n=5", "PASS", "PASS", "" },
	{ "queries that are dropped, asked again by others, which are forwarded",
	  { .front_cache = true, .front_drop_each = 2 }, NULL, "PASS", "PASS", "" },
	{ "no cache", { .front_cache = false }, NULL, "FAIL", "PASS", "0 of 15," },
	{ "a server is chosen before the cache is looked at",
	  { .front_cache = true, .hits_take_turns = true }, NULL, "PASS", "FAIL",
	  "differ by more than 1" },
	{ "errors of the balancers' own making", { .front_cache = true, .front_error = true },
	  NULL, "FAIL", "PASS", "0 of 15," },
	{ "unequal turns among what is left", { .front_cache = true, .favour_each = 3 }, NULL,
	  "PASS", "FAIL", "differ by more than 1" },
	{ "more than there can be", { .front_cache = true }, "expect.cache.hits=0.95", "FAIL",
	  "PASS", "expected at least 95.0 %" },
};

static void expect_verdict(const json_t *doc, const struct row *r, const char *kind,
                           const char *want)
{
	const json_t *e = of_kind(doc, kind);
	const char *got = json_string_value(json_object_get(e, "verdict"));
	const char *why = json_string_value(json_object_get(e, "why"));

	if (strcmp(got, want) != 0)
		fail_msg("%s: %s is %s, expected %s: %s", r->what, kind, got, want, why);
	if (strcmp(want, "PASS") != 0 && strstr(why, r->says) == NULL)
		fail_msg("%s: '%s' lacks '%s'", r->what, why, r->says);
}

static void hits_are_counted_and_draw_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *sets[] = { rows[i].set, NULL };
		struct plan *p = synth_plan(scenario, sets, 1);
		struct synth s;
		synth_run(&s, p, &rows[i].k);
		json_t *doc = synth_judge(&s);
		expect_verdict(doc, &rows[i], "cache", rows[i].cache);
		expect_verdict(doc, &rows[i], "even", rows[i].even);
		check_counts(doc, &s);
		json_decref(doc);
		synth_fini(&s);
		plan_free(p);
	}
}

static void without_a_cache_the_document_is_as_it_was(void **state)
{
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
	const struct synth_knobs k = { .front_cache = false };
	struct synth s;

	(void)state;
	synth_run(&s, p, &k);
	json_t *doc = synth_judge(&s);
	assert_null(json_object_get(doc, "balancers"));
	json_decref(doc);
	synth_fini(&s);
	plan_free(p);
}

/* The most that the judge remembers at any time. */
static size_t retained(int64_t seconds)
{
	const struct synth_knobs k = { .front_cache = true };
	struct plan *p = synth_plan(scenario, NULL, 1);
	char error[JUDGE_ERROR_TEXT];
	uint64_t record[16] = { 0 };
	struct synth s;
	size_t most = 0;

	p->load[0].to_ns = seconds * SYNTH_S;
	p->end_ns = p->load[0].to_ns + 2 * SYNTH_S;
	synth_run(&s, p, &k);
	struct judge *j = judge_new(p, error);
	MUST(j != NULL);
	synth_tell(&s, j);
	for (size_t i = 0; i < s.n; i++) {
		const struct synth_record *r = &s.record[i];
		struct frame f = synth_frame(r);
		struct judge_tap t = { r->t_ns, ++record[r->node], r->node, &f, NULL };
		judge_tap(j, &t);
		most = judge_retained(j) > most ? judge_retained(j) : most;
	}
	json_decref(judge_finish(j));
	judge_free(j);
	synth_fini(&s);
	plan_free(p);
	return most;
}

static void a_longer_run_takes_no_more_memory(void **state)
{
	size_t one = retained(30), five = retained(150);

	(void)state;
	print_message("retained %zu, then %zu\n", one, five);
	assert_true(one > 1000 && five * 10 < one * 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hits_are_counted_and_draw_nothing),
		cmocka_unit_test(without_a_cache_the_document_is_as_it_was),
		cmocka_unit_test(a_longer_run_takes_no_more_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
