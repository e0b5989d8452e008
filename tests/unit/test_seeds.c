/* SPDX-License-Identifier: BSD-3-Clause */
/* Sweeps over seeds: shards, rows, quantiles, workers, the summary. Merging: test_seeds_merge.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seeds_rig.h"
#include "sim/seeds/quant.h"

/* ---- ranges and shards ---- */

static void a_range_is_two_numbers(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t first, last;
	} rows[] = {
		{ "1..1000", true, 1, 1000 }, { "7..7", true, 7, 7 }, { "0..0", true, 0, 0 },
		{ "9223372036854775807..9223372036854775807", true, INT64_MAX, INT64_MAX },
		{ "1..1000000", true, 1, 1000000 }, { "1..1000001", false, 0, 0 },
		{ "2..1", false, 0, 0 }, { "1", false, 0, 0 }, { "1..", false, 0, 0 },
		{ "..1", false, 0, 0 }, { "1.2", false, 0, 0 }, { "1...2", false, 0, 0 },
		{ "1..2x", false, 0, 0 }, { "-1..2", false, 0, 0 }, { "", false, 0, 0 },
		{ " 1..2", false, 0, 0 }, { "1..9223372036854775808", false, 0, 0 },
	};
	char error[SEEDS_ERROR];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct seeds_range r = { 0 };
		bool good = seeds_range_parse(rows[i].text, &r, error) == 0;
		if (good != rows[i].good ||
		    (good && (r.first != rows[i].first || r.last != rows[i].last)))
			fail_msg("'%s'", rows[i].text);
		if (!good)
			assert_non_null(strstr(error, "expected A..B"));
	}
}

static void every_seed_is_in_exactly_one_shard(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 9; n++)
		for (uint64_t all = 1; all <= 20; all++) {
			struct seeds_range r = { 100, 100 + all - 1 };
			unsigned seen[20] = { 0 };
			for (uint64_t i = 1; i <= n; i++) {
				struct seeds_shard s = { i, n };
				uint64_t count = seeds_shard_count(&s, &r);
				for (uint64_t k = 0; k < count; k++) {
					uint64_t seed = seeds_shard_seed(&s, &r, k);
					assert_in_range(seed, r.first, r.last);
					assert_int_equal((seed - r.first) % n, i - 1);
					seen[seed - r.first]++;
				}
			}
			for (uint64_t k = 0; k < all; k++)
				assert_int_equal(seen[k], 1);
		}
}

static const char *const *environment; /* "NAME=VALUE" and NULL */

static const char *look_up(const char *name)
{
	size_t n = strlen(name);

	for (const char *const *at = environment; *at != NULL; at++)
		if (strncmp(*at, name, n) == 0 && (*at)[n] == '=')
			return *at + n + 1;
	return NULL;
}

#define SLURM(id, min, max, step) "SLURM_ARRAY_TASK_ID=" id, "SLURM_ARRAY_TASK_MIN=" min, \
	"SLURM_ARRAY_TASK_MAX=" max, "SLURM_ARRAY_TASK_STEP=" step

static const struct {
	const char *what, *env[7];
	uint64_t i, n;          /* 0: refused */
	const char *told;       /* the variable, NULL: nobody; or a part of the message */
} schedulers[] = {
	{ "nothing", { NULL }, 1, 1, NULL },
	{ "empty variables", { "EVENKEEL_SHARD=", "CI_NODE_INDEX=" }, 1, 1, NULL },
	{ "our own", { "EVENKEEL_SHARD=3/8" }, 3, 8, "EVENKEEL_SHARD" },
	{ "our own wins", { "EVENKEEL_SHARD=3/8", "CI_NODE_INDEX=1", "CI_NODE_TOTAL=2" }, 3, 8,
	  "EVENKEEL_SHARD" },
	{ "our own, an empty matrix", { "EVENKEEL_SHARD=/8" }, 0, 0,
	  "EVENKEEL_SHARD /8: expected" },
	{ "our own, beyond", { "EVENKEEL_SHARD=9/8" }, 0, 0, "EVENKEEL_SHARD 9/8: expected I/N" },
	{ "our own, from 0", { "EVENKEEL_SHARD=0/8" }, 0, 0, "from 1 on" },
	{ "Slurm from 0", { SLURM("2", "0", "7", "1"), "SLURM_ARRAY_TASK_COUNT=8" }, 3, 8,
	  "SLURM_ARRAY_TASK_ID" },
	{ "Slurm from 1", { SLURM("8", "1", "8", "1"), "SLURM_ARRAY_TASK_COUNT=8" }, 8, 8,
	  "SLURM_ARRAY_TASK_ID" },
	{ "Slurm in steps", { SLURM("30", "10", "50", "20"), "SLURM_ARRAY_TASK_COUNT=3" }, 2, 3,
	  "SLURM_ARRAY_TASK_ID" },
	{ "Slurm in steps that don't reach the end",
	  { SLURM("9", "1", "10", "4"), "SLURM_ARRAY_TASK_COUNT=3" }, 3, 3, "SLURM_ARRAY_TASK_ID" },
	{ "Slurm without a count", { SLURM("4", "1", "4", "1") }, 4, 4, "SLURM_ARRAY_TASK_ID" },
	{ "Slurm, a list", { SLURM("3", "1", "7", "1"), "SLURM_ARRAY_TASK_COUNT=3" }, 0, 0,
	  "expected --array=A-B" },
	{ "Slurm, between the steps", { SLURM("2", "1", "9", "4"), "SLURM_ARRAY_TASK_COUNT=3" },
	  0, 0, "SLURM_ARRAY_TASK_ID 2 isn't one of 3" },
	{ "Slurm, step 0", { SLURM("1", "1", "9", "0") }, 0, 0, "in steps of 0" },
	{ "Slurm without bounds", { "SLURM_ARRAY_TASK_ID=1" }, 0, 0,
	  "SLURM_ARRAY_TASK_MIN isn't set" },
	{ "Kubernetes", { "JOB_COMPLETION_INDEX=0", "JOB_COMPLETIONS=4" }, 1, 4,
	  "JOB_COMPLETION_INDEX" },
	{ "Kubernetes, our name", { "JOB_COMPLETION_INDEX=3", "EVENKEEL_SHARDS=4" }, 4, 4,
	  "JOB_COMPLETION_INDEX" },
	{ "Kubernetes without a count", { "JOB_COMPLETION_INDEX=0" }, 0, 0,
	  "neither JOB_COMPLETIONS nor EVENKEEL_SHARDS" },
	{ "Kubernetes, beyond", { "JOB_COMPLETION_INDEX=4", "EVENKEEL_SHARDS=4" }, 0, 0,
	  "and EVENKEEL_SHARDS make shard 5 of 4" },
	{ "GitLab", { "CI_NODE_INDEX=2", "CI_NODE_TOTAL=5" }, 2, 5, "CI_NODE_INDEX" },
	{ "GitLab without parallel", { "CI_NODE_TOTAL=1" }, 1, 1, NULL },
	{ "GitLab, no total", { "CI_NODE_INDEX=2" }, 0, 0, "CI_NODE_TOTAL isn't set" },
	{ "GitLab, from 0", { "CI_NODE_INDEX=0", "CI_NODE_TOTAL=5" }, 0, 0, "make shard 0 of 5" },
	{ "GitLab, no number", { "CI_NODE_INDEX=x", "CI_NODE_TOTAL=5" }, 0, 0,
	  "CI_NODE_INDEX x: expected a whole number" },
	{ "two at once", { "CI_NODE_INDEX=1", "CI_NODE_TOTAL=5", "JOB_COMPLETION_INDEX=0",
	  "JOB_COMPLETIONS=2" }, 0, 0, "are both set" },
};

static void a_shard_is_found_in_what_schedulers_say(void **state)
{
	char error[SEEDS_ERROR];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(schedulers); i++) {
		struct seeds_shard s;
		environment = schedulers[i].env;
		const char *said = seeds_shard_find(look_up, &s, error);
		const char *want = schedulers[i].told;
		if (schedulers[i].n == 0) {
			if (said != NULL || strstr(error, want) == NULL)
				fail_msg("%s: '%s'", schedulers[i].what, error);
			assert_null(strchr(error, '\n'));
			continue;
		}
		if (error[0] != '\0' || s.i != schedulers[i].i || s.n != schedulers[i].n ||
		    (said == NULL) != (want == NULL) || (said != NULL && strcmp(said, want) != 0))
			fail_msg("%s: %llu/%llu %s", schedulers[i].what, (unsigned long long)s.i,
			         (unsigned long long)s.n, error);
	}
}

/* ---- quantiles ---- */

static void quantiles_are_values_by_nearest_rank(void **state)
{
	static const struct {
		const char *what;
		int64_t from, to;   /* these values, descending */
		unsigned beyond;    /* and so many more */
		int64_t p1, p50, p90, p99, max; /* -1: beyond */
	} rows[] = {
		{ "one value", 5, 5, 0, 5, 5, 5, 5, 5 },
		{ "two", 1, 2, 0, 1, 1, 2, 2, 2 },
		{ "three", 1, 3, 0, 1, 2, 3, 3, 3 },
		{ "a hundred", 1, 100, 0, 1, 50, 90, 99, 100 },
		{ "a hundred and one", 1, 101, 0, 2, 51, 91, 100, 101 },
		{ "one of ten never", 1, 9, 1, 1, 5, 9, -1, -1 },
		{ "half never", 1, 50, 51, 2, -1, -1, -1, -1 },
	};
	static const char *const names[] = { "p1", "p50", "p90", "p99", "max" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const int64_t *want = &rows[i].p1;
		struct seeds_quant q = { .none = 3 };
		for (int64_t v = rows[i].to; v >= rows[i].from; v--)
			seeds_quant_add(&q, v);
		for (unsigned k = 0; k < rows[i].beyond; k++)
			seeds_quant_add(&q, SEEDS_BEYOND);
		seeds_quant_sort(&q);
		json_t *j = seeds_quant_json(&q);
		for (size_t k = 0; k < COUNT_OF(names); k++)
			if (js_int(j, names[k], -1) != want[k])
				fail_msg("%s: %s is %lld", rows[i].what, names[k],
				         (long long)js_int(j, names[k], -1));
		assert_int_equal(js_int(j, "min", 0), rows[i].from);
		assert_int_equal(js_int(j, "n", 0), rows[i].to - rows[i].from + 1 + rows[i].beyond);
		assert_int_equal(js_int(j, "beyond", 9), rows[i].beyond);
		assert_int_equal(js_int(j, "none", 0), 3);
		json_decref(j);
		seeds_quant_free(&q);
	}
}

/* ---- rows ---- */

static const char row_text[] =
	"{\"expectations\":[{\"bound\":{\"slack_ns\":20,\"within_ns\":100},\"kind\":\"detect\","
	"\"line\":3,\"measured\":{\"LB1#2.last_query_ns\":null,\"LB1#2.misrouted\":0,"
	"\"LB1.last_query_ns\":7,\"LB1.misrouted\":2},\"verdict\":\"FAIL\",\"why\":\"late\"}],"
	"\"invalid\":[],\"phases\":[{\"measured\":{\"lost\":1,\"p50_us\":9,\"p99_us\":null},"
	"\"what\":\"before\"},{\"measured\":{\"lost\":0},\"what\":\"kill A\"}],\"seed\":4,"
	"\"verdict\":\"FAIL\"}";

static void a_row_keeps_verdicts_bounds_and_measures(void **state)
{
	static const char doc_text[] =
		"{'verdict':'FAIL','seed':4,'invalid':[],'harness':{},'expectations':[{"
		"'kind':'detect','line':3,'title':'t','verdict':'FAIL','why':'late',"
		"'bound':{'slack_ns':20,'within_ns':100},'measured':{'balancers':["
		"{'name':'LB1','last_query_ns':7,'misrouted':2,'after_bound':1},"
		"{'name':'LB1','last_query_ns':null,'misrouted':0}]}}],'phases':[{'what':'before',"
		"'queries':5,'lost':1,'latency_us':{'p50':9,'p99':null}},{'what':'kill A',"
		"'queries':0,'lost':0,'latency_us':{'p50':null,'p99':null}}]}";
	char json[sizeof(doc_text)], error[SEEDS_ERROR];

	(void)state;
	for (size_t i = 0; i < sizeof(json); i++)
		json[i] = doc_text[i] == '\'' ? '"' : doc_text[i];
	json_t *doc = json_loads(json, 0, NULL);
	assert_non_null(doc);
	json_t *row = seeds_row(doc);
	char *text = seeds_row_text(row);
	assert_string_equal(text, row_text);
	json_t *again = seeds_row_parse(text, 1, error);
	assert_non_null(again);
	assert_true(json_equal(row, again));
	json_decref(doc);
	json_decref(row);
	json_decref(again);
	free(text);
}

static void rows_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "", "'[' or '{' expected" }, { "[]", "expected an object with a seed" },
		{ "{\"verdict\":\"PASS\"}", "expected an object with a seed" },
		{ "{\"seed\":-1}", "expected an object with a seed" },
		{ "{\"seed\":1,\"verdict\":\"GOOD\"}", "expected a verdict" },
		{ "{\"seed\":1,\"verdict\":\"PASS\"}", "expected the lists" },
		{ "{\"seed\":1,\"verdict\":\"PASS\",\"expectations\":[],\"invalid\":[],"
		  "\"phases\":[]}",
		  "as many expectations" },
		{ "{\"seed\":1,\"verdict\":\"PASS\",\"expectations\":[1],\"invalid\":[],"
		  "\"phases\":[]}",
		  "a verdict of each" },
		{ "{\"seed\":1,\"seed\":2}", "duplicate" },
	};
	char error[SEEDS_ERROR];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_null(seeds_row_parse(rows[i].line, 1, error));
		if (strstr(error, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].line, error);
	}
	json_t *lost = seeds_row_lost(3, "it crashed");
	char *text = seeds_row_text(lost);
	json_t *again = seeds_row_parse(text, 1, error);
	assert_true(json_equal(lost, again));
	json_decref(lost);
	json_decref(again);
	free(text);
}

/* ---- workers ---- */

static void results_do_not_depend_on_the_number_of_workers(void **state)
{
	struct seeds_result here = rig_sweep(1, 40, 1, 1);
	char error[SEEDS_ERROR], *want = rig_all(&here);

	(void)state;
	for (unsigned jobs = 1; jobs <= 7; jobs += 3) {
		struct seeds_result r;
		assert_int_equal(rig_sweep_try(&r, 1, 40, 1, 1, jobs, error), 0);
		char *got = rig_all(&r);
		assert_string_equal(got, want);
		free(got);
		seeds_result_free(&r);
	}
	free(want);
	seeds_result_free(&here);
}

static void a_run_that_crashes_is_invalid_and_others_go_on(void **state)
{
	char error[SEEDS_ERROR];
	struct seeds_result r;

	(void)state;
	rig.crash = 6;
	assert_int_equal(rig_sweep_try(&r, 1, 12, 1, 1, 2, error), 0);
	json_t *sum = seeds_sum(&r), *bad = json_object_get(sum, "not_pass");
	char *text = rig_text(sum);
	assert_int_equal(seeds_sum_verdict(sum), VERDICT_INVALID);
	assert_int_equal(js_int(js_get(sum, "verdicts"), "PASS", 0), 11);
	assert_int_equal(js_int(json_array_get(bad, 0), "seed", 0), 6);
	assert_non_null(strstr(text, "the run crashed: signal 6"));
	assert_non_null(strstr(text, "evenkeel run --engine virtual --seed 6 --set load.rate=500 "
	                       "--set 'at.1.kill=it'\\''s' scenarios/s.lua\n"));
	free(text);
	json_decref(sum);
	seeds_result_free(&r);
}

static void a_run_that_cannot_be_made_ends_it_with_one_line(void **state)
{
	char error[SEEDS_ERROR];

	(void)state;
	rig.refuse = 3;
	for (unsigned jobs = 0; jobs <= 2; jobs++) {
		struct seeds_result r;
		assert_int_equal(rig_sweep_try(&r, 1, 12, 1, 1, jobs, error), -EINVAL);
		assert_string_equal(error, "seed 3: no such thing");
		seeds_result_free(&r);
	}
}

static void words_that_are_not_utf8_are_refused(void **state)
{
	static const char *const good[] = { "a=\u00e9", NULL }, *const bad[] = { "a=\xff", NULL };
	struct seeds_what what = { rig.plan, "s.lua", good, { 1, 2 }, { 1, 1 } };
	char error[SEEDS_ERROR];
	struct seeds_result r;

	(void)state;
	assert_int_equal(seeds_result_init(&r, &what, error), 0);
	seeds_result_free(&r);
	what.set = bad;
	assert_int_equal(seeds_result_init(&r, &what, error), -EINVAL);
	assert_string_equal(error, "a=\xff: expected UTF-8");
	what.set = good;
	what.path = "\xff.lua";
	assert_int_equal(seeds_result_init(&r, &what, error), -EINVAL);
}

static void a_stop_ends_it(void **state)
{
	char error[SEEDS_ERROR];

	(void)state;
	rig.stop = 2;
	for (unsigned jobs = 0; jobs <= 2; jobs++) {
		struct seeds_result r;
		assert_int_equal(rig_sweep_try(&r, 1, 12, 1, 1, jobs, error), -EINTR);
		seeds_result_free(&r);
	}
}

/* ---- the summary ---- */

static const json_t *measure(const json_t *sum, size_t expectation, const char *name)
{
	const json_t *e = json_array_get(js_get(sum, "expectations"), expectation);
	const json_t *list = js_get(e, "measures");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(js_str(json_array_get(list, i), "name", ""), name) == 0)
			return json_array_get(list, i);
	fail_msg("no measure %s", name);
	return NULL;
}

static void the_summary_puts_quantiles_beside_bounds(void **state)
{
	struct seeds_result r = rig_sweep(1, 200, 1, 1);
	json_t *sum = seeds_sum(&r);
	const json_t *last = measure(sum, 1, "LB1.last_query_ns");
	const json_t *even = measure(sum, 0, "DNS1.share_ppm");

	(void)state;
	assert_int_equal(js_int(last, "p50", 0), 100000000);
	assert_int_equal(js_int(last, "max", 0), 200000000);
	assert_int_equal(js_int(js_get(last, "bound"), "at_most", 0), 2030636000);
	assert_int_equal(js_int(js_get(even, "bound"), "at_least", 0), 400000);
	assert_int_equal(js_int(js_get(even, "bound"), "at_most", 0), 600000);
	assert_true(json_is_null(js_get(measure(sum, 1, "LB1.misrouted"), "bound")));
	assert_int_equal(js_int(js_get(measure(sum, 3, "lost"), "bound"), "at_most", 0), 167);
	assert_true(json_is_null(js_get(measure(sum, 3, "misrouted"), "bound")));
	assert_int_equal(js_int(js_get(measure(sum, 5, "share_ppm"), "bound"), "at_least", 0),
	                 500000);
	assert_true(json_is_null(js_get(measure(sum, 4, "error"), "bound")));
	const json_t *h = js_get(json_array_get(js_get(sum, "expectations"), 1), "histogram");
	assert_int_equal(js_int(h, "bin_ns", 0), 101531801);
	assert_int_equal(json_integer_value(json_array_get(js_get(h, "counts"), 0)), 101);
	assert_int_equal(json_integer_value(json_array_get(js_get(h, "counts"), 1)), 99);
	assert_int_equal(json_integer_value(json_array_get(js_get(h, "counts"), 14)), 200);
	assert_int_equal(js_int(h, "later", 9), 0);
	/* 1 - 0.05^(1/200) */
	assert_int_equal(js_int(sum, "fail_rate_upper_ppb", 0), 14867040);
	json_decref(sum);
	seeds_result_free(&r);
}

static void what_has_no_value_is_left_out_and_what_never_came_is_beyond(void **state)
{
	static const struct {
		size_t expectation;
		const char *name;
		int64_t n, none, beyond;
	} rows[] = {
		{ 1, "LB1.last_query_ns", 9, 1, 0 }, { 2, "LB1.first_query_ns", 10, 0, 1 },
		{ 2, "LB1.at_share_from_ns", 9, 1, 0 }, { 2, "LB2.first_query_ns", 10, 0, 0 },
	};

	(void)state;
	rig.nothing = 4;
	rig.late = 7;
	struct seeds_result r = rig_sweep(1, 10, 1, 1);
	json_t *sum = seeds_sum(&r);
	char *text = rig_text(sum);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const json_t *m = measure(sum, rows[i].expectation, rows[i].name);
		assert_int_equal(js_int(m, "n", -1), rows[i].n);
		assert_int_equal(js_int(m, "none", -1), rows[i].none);
		assert_int_equal(js_int(m, "beyond", -1), rows[i].beyond);
		assert_int_equal(json_is_null(js_get(m, "max")), rows[i].beyond > 0);
	}
	const json_t *h = js_get(json_array_get(js_get(sum, "expectations"), 1), "histogram");
	assert_int_equal(js_int(h, "later", 0), 1);
	assert_non_null(strstr(text, "   never     10\n"));
	assert_non_null(strstr(text, "\n    nothing to measure in 1 of the runs\n"));
	assert_non_null(strstr(text, "\n  later than the bound          1  ###"));
	free(text);
	json_decref(sum);
	seeds_result_free(&r);
}

static void the_worst_verdict_counts_and_invalid_measures_nothing(void **state)
{
	static const struct {
		uint64_t fail_each, invalid;
		enum verdict want;
		int64_t pass, fail, measured;
	} rows[] = {
		{ 0, 0, VERDICT_PASS, 100, 0, 100 }, { 10, 0, VERDICT_FAIL, 90, 10, 100 },
		{ 0, 7, VERDICT_INVALID, 99, 0, 99 }, { 10, 7, VERDICT_INVALID, 89, 10, 99 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rig.fail_each = rows[i].fail_each;
		rig.invalid = rows[i].invalid;
		struct seeds_result r = rig_sweep(1, 100, 1, 1);
		json_t *sum = seeds_sum(&r);
		assert_int_equal(seeds_sum_verdict(sum), rows[i].want);
		assert_int_equal(js_int(js_get(sum, "verdicts"), "PASS", -1), rows[i].pass);
		assert_int_equal(js_int(js_get(sum, "verdicts"), "FAIL", -1), rows[i].fail);
		assert_int_equal(js_int(sum, "not_pass_n", -1), 100 - rows[i].pass);
		assert_int_equal(js_int(measure(sum, 1, "LB1.last_query_ns"), "n", 0),
		                 rows[i].measured);
		assert_int_equal(json_is_null(js_get(sum, "fail_rate_upper_ppb")),
		                 rows[i].fail > 0);
		json_decref(sum);
		seeds_result_free(&r);
	}
}

static void only_the_first_that_did_not_pass_are_told(void **state)
{
	rig.fail_each = 2;
	struct seeds_result r = rig_sweep(1, 100, 1, 1);
	json_t *sum = seeds_sum(&r);
	char *text = rig_text(sum);

	(void)state;
	assert_int_equal(js_int(sum, "not_pass_n", 0), 50);
	assert_int_equal(json_array_size(js_get(sum, "not_pass")), SEEDS_TOLD);
	assert_non_null(strstr(text, "\nNot PASS: 50 of 100 runs; the first 20\n  seed 2 FAIL\n"));
	assert_non_null(strstr(text, "\n  seed 40 FAIL\n"));
	assert_null(strstr(text, "\n  seed 42 FAIL\n"));
	assert_null(strstr(text, "None of"));
	free(text);
	json_decref(sum);
	seeds_result_free(&r);
}

static void the_table_is_as_wide_as_a_page_and_says_what_its_figures_are(void **state)
{
	static const char *const want[] = {
		"s: seeds 1..100 in virtual time, shard 1/1, 100 runs: PASS\n",
		"  whole run                                           100            0",
		"  LB1 noticed after                <= 2.031 s 1.00 ms 1.00 ms 50.0 ms 90.0 ms",
		"  DNS1 share                      40 %...60 %",
		"nothing is judged by them", "None of 100 runs is FAIL", "at most 2.951 %",
		"  latency p99                               -    lost",
		"line 17 detect DNS1",
	};
	struct seeds_result r = rig_sweep(1, 100, 1, 1);
	json_t *sum = seeds_sum(&r);
	char *text = rig_text(sum);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(want); i++)
		if (strstr(text, want[i]) == NULL)
			fail_msg("no '%s' in:\n%s", want[i], text);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (fmt_width(line) > 100)
			fail_msg("too wide: %s", line);
	free(text);
	json_decref(sum);
	seeds_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_is_two_numbers),
		cmocka_unit_test(every_seed_is_in_exactly_one_shard),
		cmocka_unit_test(a_shard_is_found_in_what_schedulers_say),
		cmocka_unit_test(quantiles_are_values_by_nearest_rank),
		cmocka_unit_test(a_row_keeps_verdicts_bounds_and_measures),
		cmocka_unit_test(rows_that_are_none_are_refused),
		cmocka_unit_test_setup(results_do_not_depend_on_the_number_of_workers, rig_reset),
		cmocka_unit_test_setup(a_run_that_crashes_is_invalid_and_others_go_on, rig_reset),
		cmocka_unit_test_setup(a_run_that_cannot_be_made_ends_it_with_one_line, rig_reset),
		cmocka_unit_test_setup(words_that_are_not_utf8_are_refused, rig_reset),
		cmocka_unit_test_setup(a_stop_ends_it, rig_reset),
		cmocka_unit_test_setup(the_summary_puts_quantiles_beside_bounds, rig_reset),
		cmocka_unit_test_setup(what_has_no_value_is_left_out_and_what_never_came_is_beyond,
		                       rig_reset),
		cmocka_unit_test_setup(the_worst_verdict_counts_and_invalid_measures_nothing,
		                       rig_reset),
		cmocka_unit_test_setup(only_the_first_that_did_not_pass_are_told, rig_reset),
		cmocka_unit_test_setup(the_table_is_as_wide_as_a_page_and_says_what_its_figures_are,
		                       rig_reset),
	};

	return cmocka_run_group_tests(tests, rig_open, rig_close);
}
