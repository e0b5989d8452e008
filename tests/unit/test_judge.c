/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge on runs that never happened: a right one passes, and each way of being wrong fails the
 * expectation that is there for it, or makes the run INVALID, with a sentence that names it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "tests/judge/synth.h"

static const char *str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static const json_t *of_kind(const json_t *doc, const char *kind)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		if (strcmp(str(e, "kind"), kind) == 0)
			return e;
	fail_msg("no expectation %s", kind);
	return NULL;
}

static json_t *judged(const char *scenario, const char *const *sets, uint64_t seed,
                      const struct synth_knobs *k)
{
	struct plan *p = synth_plan(scenario, sets, seed);
	struct synth s;

	synth_run(&s, p, k);
	json_t *doc = synth_judge(&s);
	synth_fini(&s);
	plan_free(p);
	return doc;
}

static void dump_on_mismatch(const json_t *doc, const char *what, const char *got, const char *want)
{
	if (strcmp(got, want) == 0)
		return;
	json_dumpf(doc, stderr, JSON_INDENT(1));
	fail_msg("%s: %s, expected %s", what, got, want);
}

struct row {
	const char *what;
	struct synth_knobs k;
	const char *kind;      /* the expectation that must not pass */
	const char *verdict;   /* its verdict */
	const char *says;      /* part of its why */
};

static const struct row rows[] = {
	{ "both balancers skewed by more than catch", { .skew_permille = { 620, 620 } },
	  "even", "FAIL", "DNS1 got " },
	{ "two skews that cancel out", { .skew_permille = { 350, 650 } },
	  "even", "FAIL", "from LB" },
	{ "turns that pose as chance", { .turns = true }, "even", "FAIL",
	  "doesn't draw at random" },
	{ "one seed for two balancers", { .same_seed = true }, "even", "FAIL",
	  "LB1 and LB2 don't draw on their own" },
	{ "a dead server that is still used", { .dead_still_used = true }, "detect", "FAIL",
	  "kill DNS1 at 5.00 s" },
	{ "one that is used a second too long", { .notice_late_ns = 1100000000 }, "detect", "FAIL",
	  "bound 2.00 s + 20.0 ms slack" },
	{ "queries lost to a dead server", { .dead_still_used = true }, "lost", "FAIL",
	  "went to a dead recursor" },
	{ "never asked again", { .never_back = true }, "back", "FAIL", "never asked it again" },
	{ "a tenth of its share", { .shy_back = true }, "back", "FAIL", "expected 50.0 % +- 10.0" },
	{ "lost answers", { .lose_each = 10 }, "lost", "FAIL", "got no answer in time" },
	{ "late answers", { .slow_each = 10 }, "lost", "FAIL", "late one" },
	{ "a wrong rcode now and then", { .wrong_each = 5000 }, "answers", "FAIL",
	  "answer with the wrong rcode, asked of DNS" },
	{ "somebody else's answers", { .swap_each = 5000 }, "answers", "FAIL",
	  "answer to no query" },
	{ "one answer to no query", { .stray = 1 }, "answers", "FAIL", "1 wrong (at most 0)" },
	{ "answers that come twice", { .twice_each = 5000 }, "answers", "FAIL",
	  "second answer to one try" },
	{ "a cache switched off", { .no_cache = true }, "cache", "FAIL",
	  "0 of 14," },
};

static void each_sabotage_fails_the_expectation_that_is_there_for_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *doc = judged("scenarios/blog.lua", NULL, 3, &rows[i].k);
		const json_t *e = of_kind(doc, rows[i].kind);
		dump_on_mismatch(doc, rows[i].what, str(e, "verdict"), rows[i].verdict);
		dump_on_mismatch(doc, rows[i].what, str(doc, "verdict"), "FAIL");
		if (strstr(str(e, "why"), rows[i].says) == NULL)
			fail_msg("%s: '%s' lacks '%s'", rows[i].what, str(e, "why"), rows[i].says);
		json_decref(doc);
	}
}

static void a_harness_that_broke_its_word_is_invalid(void **state)
{
	static const struct {
		const char *what;
		struct synth_knobs k;
		const char *says;
	} row[] = {
		{ "late sender", { .late_ns = 5000000 }, "queries were sent late: p99.9 5020 us" },
		{ "very late sender", { .late_ns = 25000000 }, "left the clients' interface 25" },
		{ "unsent", { .unsent = 3 }, "3 due queries were not sent" },
		{ "starved loop", { .loop_gap_us = 60000 }, "a loop stood still for 60000 us" },
		{ "stepped clock", { .clock_step_us = -4000 }, "stepped by -4000 us" },
		{ "dropping wire", { .drops = 2 }, "the wire dropped 2 frames" },
		{ "fault not verified", { .unverified = true },
		  "nothing shows that it took effect" },
		{ "fault untold", { .fault_untold = true }, "was planned and didn't happen" },
		{ "fault without effect", { .no_effect = true }, "kill DNS1 had no effect" },
		{ "no end", { .no_end = true }, "stopped early" },
		{ "trouble", { .trouble = true }, "LB1 ended by itself" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		json_t *doc = judged("scenarios/blog.lua", NULL, 5, &row[i].k);
		char *invalid = json_dumps(json_object_get(doc, "invalid"), 0);
		dump_on_mismatch(doc, row[i].what, str(doc, "verdict"), "INVALID");
		if (strstr(invalid, row[i].says) == NULL)
			fail_msg("%s: %s lacks '%s'", row[i].what, invalid, row[i].says);
		assert_int_equal(judge_exit_status(judge_verdict(doc)), 4);
		free(invalid);
		json_decref(doc);
	}
}

/* Who wasn't let run did nothing wrong; and what passed all the same has passed. */
static void a_starved_program_s_fail_is_invalid(void **state)
{
	static const struct {
		struct synth_knobs k;
		const char *verdict, *says;
	} row[] = {
		{ { .program_wait_us = 60000 }, "PASS", "[]" },
		{ { .program_wait_us = 50000, .no_cache = true }, "FAIL", "[]" },
		{ { .no_cache = true }, "FAIL", "[]" },
		{ { .program_wait_us = 60000, .no_cache = true }, "INVALID",
		  "was starved: it waited 60000 us for a processor" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		json_t *doc = judged("scenarios/blog.lua", NULL, 5, &row[i].k);
		const json_t *told = json_object_get(json_object_get(doc, "harness"),
		                                     "program_wait_max_us");
		char *invalid = json_dumps(json_object_get(doc, "invalid"), 0);
		assert_string_equal(str(doc, "verdict"), row[i].verdict);
		if (strstr(invalid, row[i].says) == NULL)
			fail_msg("row %zu: %s lacks '%s'", i, invalid, row[i].says);
		assert_int_equal(json_integer_value(told), row[i].k.program_wait_us);
		free(invalid);
		json_decref(doc);
	}
}

static void a_hang_that_hardly_anybody_felt_is_invalid(void **state)
{
	static const struct {
		const char *what, *scenario;
		struct synth_knobs k;
		const char *verdict, *says;
	} row[] = {
		{ "a hang", "scenarios/hang.lua", { .stray = 0 }, "PASS", "[]" },
		{ "a blackhole", "scenarios/blackhole.lua", { .stray = 0 }, "PASS", "[]" },
		{ "it struck before it was told", "scenarios/hang.lua",
		  { .struck_early_ns = 1100000000 }, "INVALID",
		  "hang of DNS3 at 5.00 s: only " },
		{ "noticed before its checks could tell", "scenarios/hang.lua",
		  { .notice_late_ns = -1100000000 }, "FAIL", "[]" },
		{ "the same, skewed before by weights", "scenarios/hang.lua",
		  { .skew_permille = { 900, 900 } }, "FAIL", "[]" },
		{ "nobody asked the recursor before either", "scenarios/hang.lua",
		  { .skew_permille = { 1000, 1000 } }, "FAIL", "[]" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		json_t *doc = judged(row[i].scenario, NULL, 4, &row[i].k);
		char *invalid = json_dumps(json_object_get(doc, "invalid"), 0);
		dump_on_mismatch(doc, row[i].what, str(doc, "verdict"), row[i].verdict);
		if (strstr(invalid, row[i].says) == NULL)
			fail_msg("%s: %s lacks '%s'", row[i].what, invalid, row[i].says);
		free(invalid);
		json_decref(doc);
	}
}

static void a_broken_invariant_is_a_failure_of_its_own(void **state)
{
	static const struct {
		const char *what;
		struct synth_knobs k;
		unsigned told, more;
		const char *verdict;
	} row[] = {
		{ "none", { .in_virtual = true }, 0, 0, "PASS" },
		{ "one", { .in_virtual = true, .violations = 1 }, 1, 0, "FAIL" },
		{ "as many as are kept", { .in_virtual = true, .violations = 32 }, 32, 0, "FAIL" },
		{ "more", { .in_virtual = true, .violations = 35 }, 32, 3, "FAIL" },
		{ "in a run that is void", { .in_virtual = true, .violations = 2, .no_end = true },
		  2, 0, "INVALID" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		json_t *doc = judged("scenarios/blog.lua", NULL, 5, &row[i].k);
		const json_t *list = json_object_get(doc, "violations");
		dump_on_mismatch(doc, row[i].what, str(doc, "verdict"), row[i].verdict);
		assert_int_equal(json_array_size(list), row[i].told + (row[i].more > 0));
		assert_true(list == NULL || row[i].told > 0);
		for (unsigned k = 0; k < row[i].told; k++) {
			const json_t *v = json_array_get(list, k);
			assert_string_equal(str(v, "what"), "lost count");
			assert_string_equal(str(v, "node"), "LB1");
			assert_int_equal(json_integer_value(json_object_get(v, "t_ns")),
			                 (k + 1) * 1000);
		}
		if (row[i].more > 0)
			assert_string_equal(str(json_array_get(list, 32), "what"), "and 3 more");
		json_decref(doc);
	}
}

static void a_modelled_host_may_drop_what_a_real_one_may_not(void **state)
{
	struct synth_knobs k = { .in_virtual = true, .queue_drops = 3 };
	json_t *doc = judged("scenarios/blog.lua", NULL, 5, &k);
	(void)state;

	dump_on_mismatch(doc, "virtual", str(doc, "verdict"), "PASS");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "harness"),
	                                                    "host_queue_drops")), 15);
	json_decref(doc);
	k.in_virtual = false;
	doc = judged("scenarios/blog.lua", NULL, 5, &k);
	assert_null(json_object_get(json_object_get(doc, "harness"), "host_queue_drops"));
	json_decref(doc);
}

/* Without one of the events that an engine must tell, or with all of them. */
static json_t *untold(const struct synth *s, const char *event)
{
	json_t *events = synth_events(s), *e;
	char error[JUDGE_ERROR_TEXT];
	struct judge *j = judge_new(s->plan, error);
	size_t i;

	MUST(j != NULL);
	json_array_foreach(events, i, e)
		if (strcmp(str(e, "event"), event) != 0)
			judge_event(j, e);
	json_decref(events);
	json_t *doc = judge_finish(j);
	judge_free(j);
	return doc;
}

static void each_engine_must_tell_what_it_promised(void **state)
{
	static const struct {
		bool in_virtual;
		const char *event, *says;
	} row[] = {
		{ false, "wire", "has no 'wire'" }, { true, "wire", "has no 'wire'" },
		{ false, "node", "has no 'node' for DNS1" },
		{ true, "node", "has no 'node' for DNS1" },
		{ false, "clock", "has no 'clock'" }, { false, "pcap", "has no 'pcap' for LB1" },
	};
	struct synth s;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct synth_knobs k = { .in_virtual = row[i].in_virtual };
		struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
		synth_run(&s, p, &k);
		json_t *doc = untold(&s, row[i].event), *whole = untold(&s, "");
		char *a = json_dumps(json_object_get(doc, "invalid"), 0);
		char *b = json_dumps(json_object_get(whole, "invalid"), 0);
		if (strstr(a, row[i].says) == NULL || strstr(b, "has no") != NULL)
			fail_msg("%s: %s, whole: %s", row[i].event, a, b);
		free(a);
		free(b);
		json_decref(doc);
		json_decref(whole);
		synth_fini(&s);
		plan_free(p);
	}
}

static void too_little_data_is_inconclusive(void **state)
{
	static const char *const sets[] = { "load.rate=100", NULL };
	static const struct synth_knobs right;
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
	struct synth s;
	(void)state;
	(void)sets;

	p->load[0].rate_mqps = 100000; /* a hundred a second: lint would refuse the scenario */
	synth_run(&s, p, &right);
	json_t *doc = synth_judge(&s);
	dump_on_mismatch(doc, "even", str(of_kind(doc, "even"), "verdict"), "INCONCLUSIVE");
	dump_on_mismatch(doc, "back", str(of_kind(doc, "back"), "verdict"), "INCONCLUSIVE");
	dump_on_mismatch(doc, "answers", str(of_kind(doc, "answers"), "verdict"), "PASS");
	assert_int_equal(judge_exit_status(judge_verdict(doc)), 3);
	json_decref(doc);
	synth_fini(&s);
	plan_free(p);
}

/* How a right balancer may change the order in which queries leave. */
#define BATCHES .batch_ns = 2000000
#define WORKERS .worker_lag_ns = 7000000

struct spread_row {
	const char *what;
	enum bal_policy is, claimed; /* what it does, what its configuration says */
	struct synth_knobs k;
	const char *verdict, *says;
};

static const struct spread_row spread_rows[] = {
	{ "by chance, in batches server by server", BAL_WRANDOM, BAL_WRANDOM,
	  { BATCHES }, "PASS", "" },
	{ "by chance, two workers", BAL_WRANDOM, BAL_WRANDOM, { WORKERS }, "PASS", "" },
	{ "by chance, two workers in batches", BAL_WRANDOM, BAL_WRANDOM,
	  { BATCHES, WORKERS }, "PASS", "" },
	{ "turns that pose as chance, in batches", BAL_ROUNDROBIN, BAL_WRANDOM,
	  { BATCHES }, "FAIL", "doesn't draw at random" },
	{ "equal draws of two balancers, in batches", BAL_WRANDOM, BAL_WRANDOM,
	  { BATCHES, .same_seed = true }, "FAIL", "don't draw on their own" },
	{ "a skew, in batches", BAL_WRANDOM, BAL_WRANDOM,
	  { BATCHES, .skew_permille = { 620, 620 } }, "FAIL", "DNS1 got " },
	{ "in turn", BAL_ROUNDROBIN, BAL_ROUNDROBIN, { .stray = 0 },
	  "PASS", "" },
	{ "in turn, in batches server by server", BAL_ROUNDROBIN, BAL_ROUNDROBIN,
	  { BATCHES }, "PASS", "" },
	{ "in turn, two workers", BAL_ROUNDROBIN, BAL_ROUNDROBIN, { WORKERS }, "PASS", "" },
	{ "in turn, two workers in batches", BAL_ROUNDROBIN, BAL_ROUNDROBIN,
	  { BATCHES, WORKERS }, "PASS", "" },
	{ "chance that poses as turns", BAL_WRANDOM, BAL_ROUNDROBIN,
	  { .skew_permille = { 500, 500 } }, "FAIL", "differ by more than 1" },
	{ "chance that poses as turns, in batches", BAL_WRANDOM, BAL_ROUNDROBIN,
	  { BATCHES, WORKERS }, "FAIL", "differ by more than 1" },
	{ "turns, but each 500th goes to the first server", BAL_ROUNDROBIN, BAL_ROUNDROBIN,
	  { .favour_each = 500 }, "FAIL", "differ by more than 1" },
	{ "the same in batches", BAL_ROUNDROBIN, BAL_ROUNDROBIN,
	  { BATCHES, .favour_each = 500 }, "FAIL", "differ by more than 1" },
	{ "the same, but TCP took turns too", BAL_ROUNDROBIN, BAL_ROUNDROBIN,
	  { .favour_each = 500, .tcp = true }, "INCONCLUSIVE", "over TCP take turns too" },
	{ "a policy without an even share", BAL_ROUNDROBIN, BAL_LEAST_OUTSTANDING,
	  { .stray = 0 }, "INCONCLUSIVE", "nothing says what even would be" },
};

/* Whole: with the failure, over every epoch; else the scenario's quiet first five seconds. */
static void spread_is(const struct spread_row *r, uint64_t seed, bool whole)
{
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, seed);
	struct synth s;

	p->conf[0].policy = r->is;
	if (whole)
		p->expect[0].during_to_ns = p->load[0].to_ns;
	synth_run(&s, p, &r->k);
	p->conf[0].policy = r->claimed;
	json_t *doc = synth_judge(&s);
	const json_t *e = of_kind(doc, "even");
	dump_on_mismatch(doc, r->what, str(e, "verdict"), r->verdict);
	if (strstr(str(e, "why"), r->says) == NULL)
		fail_msg("%s: '%s' lacks '%s'", r->what, str(e, "why"), r->says);
	json_decref(doc);
	synth_fini(&s);
	plan_free(p);
}

static void the_order_in_which_queries_leave_is_no_matter(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(spread_rows); i++)
		for (uint64_t seed = 1; seed <= 2; seed++)
			spread_is(&spread_rows[i], seed, seed == 2);
}

/* ---- false alarms ---- */

/* Two of the lowest order share the load as under wrandom, and a returned one's share is judged. */
static void the_share_after_a_return_is_judged_in_the_lowest_order(void **state)
{
	(void)state;
	static const struct { struct synth_knobs k; const char *verdict; } row[] = {
		{ { .stray = 0 }, "PASS" },
		{ { .shy_back = true }, "FAIL" },
		{ { .never_back = true }, "FAIL" },
	};

	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct plan *p = synth_plan("scenarios/blog.lua", NULL, 5);
		struct synth s;
		p->conf[0].policy = BAL_ORDERED_WRANDOM;
		synth_run(&s, p, &row[i].k);
		json_t *doc = synth_judge(&s);
		dump_on_mismatch(doc, "back", str(of_kind(doc, "back"), "verdict"), row[i].verdict);
		json_decref(doc);
		synth_fini(&s);
		plan_free(p);
	}
}

struct right_run {
	const char *scenario;
	enum bal_policy policy;
	bool whole;            /* even over the failure, too */
	struct synth_knobs k;
};

static const struct right_run right_runs[] = {
	{ "scenarios/blog.lua", BAL_WRANDOM, false, { .stray = 0 } },
	{ "scenarios/blog.lua", BAL_WRANDOM, true, { BATCHES } },
	{ "scenarios/blog.lua", BAL_WRANDOM, false, { WORKERS } },
	{ "scenarios/blog.lua", BAL_WRANDOM, true, { BATCHES, WORKERS } },
	{ "scenarios/hang.lua", BAL_WRANDOM, true, { BATCHES } },
	{ "scenarios/blackhole.lua", BAL_ROUNDROBIN, true, { BATCHES, WORKERS } },
};

static unsigned long setting(const char *name, unsigned long def)
{
	const char *s = getenv(name);

	return s != NULL ? strtoul(s, NULL, 10) : def;
}

/* One after the other from right_runs, each with a seed of its own. True when it passes. */
static bool right_run_passes(uint64_t seed)
{
	const struct right_run *r = &right_runs[seed % COUNT_OF(right_runs)];
	struct plan *p = synth_plan(r->scenario, NULL, seed);
	struct synth s;

	p->conf[0].policy = r->policy;
	if (r->whole)
		p->expect[0].during_to_ns = p->load[0].to_ns;
	synth_run(&s, p, &r->k);
	json_t *doc = synth_judge(&s);
	bool passes = judge_verdict(doc) == VERDICT_PASS;
	if (!passes) {
		fprintf(stderr, "seed %llu:\n", (unsigned long long)seed);
		json_dumpf(json_object_get(doc, "expectations"), stderr, JSON_INDENT(1));
		json_dumpf(json_object_get(doc, "invalid"), stderr, JSON_INDENT(1));
	}
	json_decref(doc);
	synth_fini(&s);
	plan_free(p);
	return passes;
}

/* EK_JUDGE_RUNS=10000 EK_JUDGE_FROM=1 in the environment: more of them, from another seed on. */
static void right_runs_pass_whatever_their_seeds(void **state)
{
#ifdef EK_DEBUG
	unsigned long n = setting("EK_JUDGE_RUNS", 12);
#else
	unsigned long n = setting("EK_JUDGE_RUNS", 60);
#endif
	unsigned long from = setting("EK_JUDGE_FROM", 1), passed = 0;
	(void)state;

	for (unsigned long seed = from; seed < from + n; seed++)
		passed += right_run_passes(seed);
	print_message("%lu right runs, seeds %lu...: %lu PASS\n", n, from, passed);
	assert_int_equal(passed, n);
}

static void even_over_a_failure_leaves_transitions_out(void **state)
{
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
	struct synth_knobs k = { 0 };
	struct synth s;
	(void)state;

	for (int wrong = 0; wrong < 2; wrong++) {
		k.down_ignored_once = wrong;
		p->expect[0].during_to_ns = p->load[0].to_ns;
		synth_run(&s, p, &k);
		json_t *doc = synth_judge(&s);
		const json_t *e = of_kind(doc, "even"), *m = json_object_get(e, "measured");
		dump_on_mismatch(doc, "even", str(e, "verdict"), wrong ? "FAIL" : "PASS");
		assert_int_equal(json_integer_value(json_object_get(m, "to_a_down_server")),
		                 wrong ? 2 : 0);
		assert_in_range(json_integer_value(json_object_get(m, "left_out")), 100, 2500);
		json_decref(doc);
		synth_fini(&s);
	}
	plan_free(p);
}

static void latency_quantiles_are_decided_by_counts(void **state)
{
	static const struct {
		const char *what;
		int64_t within_ns;
		uint32_t ppm;
		const char *verdict;
	} row[] = {
		{ "half within 1 ms", 1000000, 500000, "PASS" },
		{ "nine tenths within 0.2 ms", 200000, 900000, "FAIL" },
		{ "99.99 % of fifteen thousand", 30000000, 999900, "FAIL" },
		{ "87 % within 1 ms: too close to call", 1000000, 844000, "INCONCLUSIVE" },
	};
	static const struct synth_knobs right;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
		struct synth s;
		p->expect[0] = (struct plan_expect){ .kind = PLAN_LATENCY, .miss = 1e-4,
			.flake = 1e-9, .during_to_ns = p->load[0].to_ns,
			.within_ns = row[i].within_ns, .quantile_ppm = row[i].ppm };
		synth_run(&s, p, &right);
		json_t *doc = synth_judge(&s);
		dump_on_mismatch(doc, row[i].what, str(of_kind(doc, "latency"), "verdict"),
		                 row[i].verdict);
		json_decref(doc);
		synth_fini(&s);
		plan_free(p);
	}
}

/* ---- run directories ---- */

static void files_and_taps_give_the_same_bytes(void **state)
{
	static const struct synth_knobs right;
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
	char dir[] = "/tmp/ek-judge-XXXXXX", error[JUDGE_ERROR_TEXT] = "", path[4096];
	struct synth s;
	(void)state;

	assert_non_null(mkdtemp(dir));
	synth_run(&s, p, &right);
	synth_write(&s, dir);
	json_t *tapped = synth_judge(&s), *read = judge_run(dir, error);
	assert_non_null(read);
	char *a = json_dumps(tapped, JSON_SORT_KEYS), *b = json_dumps(read, JSON_SORT_KEYS);
	assert_string_equal(a, b);
	json_decref(read);
	/* one byte off the end of a capture */
	snprintf(path, sizeof(path), "%s/DNS3.pcap", dir);
	FILE *f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, -1, SEEK_END), 0);
	assert_int_equal(ftruncate(fileno(f), ftell(f)), 0);
	fclose(f);
	read = judge_run(dir, error);
	assert_string_equal(str(read, "verdict"), "INVALID");
	char *invalid = json_dumps(json_object_get(read, "invalid"), 0);
	assert_non_null(strstr(invalid, "DNS3.pcap: cut off or broken at record "));
	json_decref(read);
	json_decref(tapped);
	free(invalid);
	free(a);
	free(b);
	synth_remove(p, dir);
	assert_null(judge_run(dir, error));
	assert_non_null(strstr(error, "plan.json"));
	synth_fini(&s);
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_share_after_a_return_is_judged_in_the_lowest_order),
		cmocka_unit_test(right_runs_pass_whatever_their_seeds),
		cmocka_unit_test(each_sabotage_fails_the_expectation_that_is_there_for_it),
		cmocka_unit_test(a_harness_that_broke_its_word_is_invalid),
		cmocka_unit_test(a_starved_program_s_fail_is_invalid),
		cmocka_unit_test(a_hang_that_hardly_anybody_felt_is_invalid),
		cmocka_unit_test(a_broken_invariant_is_a_failure_of_its_own),
		cmocka_unit_test(a_modelled_host_may_drop_what_a_real_one_may_not),
		cmocka_unit_test(each_engine_must_tell_what_it_promised),
		cmocka_unit_test(too_little_data_is_inconclusive),
		cmocka_unit_test(the_order_in_which_queries_leave_is_no_matter),
		cmocka_unit_test(even_over_a_failure_leaves_transitions_out),
		cmocka_unit_test(latency_quantiles_are_decided_by_counts),
		cmocka_unit_test(files_and_taps_give_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
