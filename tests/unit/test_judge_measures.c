/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge's measures of failover on runs that never happened: flaps, outage, overshoot, failover,
 * errors in a window, and failures that overlap. Each claim passes on a right run, fails on one
 * that is wrong in its way, and says so when it can't tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "sim/report/fmt.h"
#include "tests/judge/synth.h"

static const char *str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int64_t num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const json_t *of_line(const json_t *doc, const struct plan_expect *e)
{
	return json_array_get(json_object_get(doc, "expectations"), e->line);
}

struct row {
	const char *what, *scenario;
	struct plan_expect e;     /* takes the place of the scenario's claims */
	const char *node;         /* that it names, or NULL */
	struct synth_knobs k;
	uint64_t rate_mqps;       /* 0: the scenario's */
	const char *verdict, *says;
};

#define E(kind_) .e.kind = kind_, .e.flake = 1e-9, .e.miss = 1e-4
#define FLAPS(n) E(PLAN_FLAPS), .e.at_most = n, .node = "DNS1"
#define OUTAGE(from, to, in) E(PLAN_OUTAGE), .e.during_from_ns = (from) * SECOND, \
	.e.during_to_ns = (to) * SECOND, .e.within_ns = in
#define OVER(ppm) E(PLAN_OVERSHOOT), .e.share_ppm = ppm, .e.within_ns = PLAN_MODEL, .node = "DNS1"
#define FAILOVER(in) E(PLAN_FAILOVER), .e.within_ns = in, .node = "LB1"
#define BACK(who) E(PLAN_BACK), .e.within_ns = SECOND, .e.catch_ppm = 100000, .node = who
#define LOST E(PLAN_LOST), .e.at_most = PLAN_MODEL
#define POLICY E(PLAN_POLICY), .e.during_to_ns = 15 * SECOND
#define DETECT(who) E(PLAN_DETECT), .e.within_ns = PLAN_MODEL, .node = who
#define ERRORS(from, to, most, least) E(PLAN_ANSWERS), .e.during_from_ns = (from) * SECOND, \
	.e.during_to_ns = (to) * SECOND, .e.error = most, .e.error_least = least
#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)
#define RIGHT .k = { .stray = 0 }

static const char blog[] = "scenarios/blog.lua", second[] = "scenarios/second-failure.lua",
	both[] = "scenarios/both-down.lua", retry[] = "scenarios/balancer-killed-retry.lua",
	alone[] = "scenarios/balancer-killed-no-retry.lua";

static const struct row rows[] = {
	{ "no flaps but the kill", blog, FLAPS(0), RIGHT, 0, "PASS", "4 changes of state, 0 of" },
	{ "checks that get lost", blog, FLAPS(0), .k = { .probe_lost_each = 4 }, 0, "FAIL",
	  "beyond what the timeline explains, at most 0; the first: DNS1 by LB" },
	{ "as many as are allowed", blog, FLAPS(40), .k = { .probe_lost_each = 4 }, 0, "PASS", "" },
	{ "a check that is answered when its time is up", blog, FLAPS(0),
	  .k = { .probe_slow_ns = 1000 * 1000000 - 130000 }, 0, "INCONCLUSIVE",
	  "more can't be told" },
	{ "both recursors down explain theirs", both, FLAPS(0), RIGHT, 0, "PASS", "" },
	{ "a balancer that starts anew begins anew", retry, FLAPS(0), RIGHT, 0, "PASS", "" },

	{ "one recursor's death is no outage", blog, OUTAGE(0, 15, PLAN_MODEL), RIGHT, 0, "PASS",
	  "(0 us of them because no query may find a server" },
	{ "a second without answers", blog, OUTAGE(0, 15, PLAN_MODEL),
	  .k = { .dark_from_ns = 2 * SECOND, .dark_to_ns = 3 * SECOND }, 0, "FAIL",
	  "from 2.00 s on" },
	{ "the same, elsewhere than the window", blog, OUTAGE(4, 15, PLAN_MODEL),
	  .k = { .dark_from_ns = 2 * SECOND, .dark_to_ns = 3 * SECOND }, 0, "PASS", "" },
	{ "a second, and two are claimed", blog, OUTAGE(0, 15, 2 * SECOND),
	  .k = { .dark_from_ns = 2 * SECOND, .dark_to_ns = 3 * SECOND }, 0, "PASS", "" },
	{ "both dead: as long as the model says", both, OUTAGE(0, 25, PLAN_MODEL), RIGHT, 0, "PASS",
	  "" },
	{ "both dead, and two seconds are claimed", both, OUTAGE(0, 25, 2 * SECOND), RIGHT, 0,
	  "FAIL", "from 5.0" },
	{ "the first never comes back into use", both, OUTAGE(0, 25, PLAN_MODEL),
	  .k = { .never_back = true },
	  0, "FAIL", "" },
	{ "nobody asks", blog, OUTAGE(14, 15, PLAN_MODEL), RIGHT, 10, "INCONCLUSIVE",
	  "nobody asked anything" },

	{ "a return by chance", blog, OVER(960000), RIGHT, 0, "PASS", "of 50 queries in a row" },
	{ "a herd", blog, OVER(960000), .k = { .herd = true }, 0, "FAIL",
	  "at most 50 of 50 queries in a row went to it" },
	{ "hardly any query", blog, OVER(960000), RIGHT, 2000, "INCONCLUSIVE", "too few" },

	{ "second tries at the other balancer", retry, FAILOVER(PLAN_MODEL), RIGHT, 0, "PASS",
	  "0 of 3," },
	{ "clients that ask the dead one again", retry, FAILOVER(PLAN_MODEL),
	  .k = { .stubborn = true }, 0,
	  "FAIL", "weren't answered in time, at most 0" },
	{ "a second try that is too late", retry, FAILOVER(SECOND / 10), RIGHT, 0, "FAIL", "" },
	{ "nobody asked it", retry, FAILOVER(PLAN_MODEL), RIGHT, 10, "INCONCLUSIVE", "nobody" },
	{ "a balancer that is back", retry, BACK("LB1"), RIGHT, 0, "PASS",
	  "the first query that it answered was due" },
	{ "one that isn't", retry, BACK("LB1"), .k = { .never_up = true }, 0, "FAIL",
	  "it never answered a first try again" },
	{ "one that nobody asked", retry, BACK("LB1"), RIGHT, 10, "INCONCLUSIVE", "too few" },

	{ "lost to a balancer", alone, LOST, RIGHT, 0, "PASS", "" },
	{ "a balancer that stays away", alone, LOST, .k = { .never_up = true }, 0, "FAIL", "" },
	{ "none with second tries", retry, LOST, RIGHT, 0, "PASS", "0 of 2" },
	{ "second tries at the dead one", retry, LOST, .k = { .stubborn = true }, 0, "FAIL",
	  "at most 0" },
	{ "lost to two recursors", second, LOST, RIGHT, 0, "PASS", "" },
	{ "each third answer is lost, too", second, LOST, .k = { .lose_each = 3 }, 0, "FAIL", "" },

	{ "the first of two notices", second, DETECT("DNS1"), RIGHT, 0, "PASS", "" },
	{ "what goes nowhere shows that the second was noticed", second, DETECT("DNS3"), RIGHT, 0,
	  "PASS", "elsewhere after the bound" },
	{ "the second is used on", second, DETECT("DNS3"), .k = { .dead_still_used = true }, 0,
	  "FAIL", "" },
	{ "it turns away before its checks tell", blog, DETECT("DNS1"),
	  .k = { .notice_late_ns = -900 * MS }, 0, "FAIL", "turned away too early: from" },
	{ "hardly before", blog, DETECT("DNS1"), .k = { .notice_late_ns = -10 * MS }, 0, "PASS",
	  "" },
	{ "chosen among those that are up", blog, POLICY, RIGHT, 0, "PASS", "" },
	{ "a late check that is overtaken by the next one's answer is no failure", blog, POLICY,
	  .k = { .probe_late_ns = 400 * MS }, 0, "PASS", "" },
	{ "used although its checks fail", blog, POLICY, .k = { .dead_still_used = true }, 0,
	  "FAIL", "whose health checks said" },
	{ "the second returns alone", second, BACK("DNS3"), RIGHT, 0, "PASS", "" },
	{ "and is left alone", second, BACK("DNS3"), .k = { .never_back = true }, 0, "FAIL",
	  "never asked it again" },

	{ "errors now and then", blog, ERRORS(0, 15, 20, 5), .k = { .error_each = 1000 }, 0,
	  "PASS", "" },
	{ "more than are allowed", blog, ERRORS(0, 15, 5, 0), .k = { .error_each = 1000 }, 0,
	  "FAIL",
	  "(at most 5)" },
	{ "fewer than are claimed", blog, ERRORS(0, 15, -1, 5), RIGHT, 0, "FAIL", "(at least 5)" },
	{ "as many, but in a second only", blog, ERRORS(1, 2, -1, 5),
	  .k = { .error_each = 1000 }, 0,
	  "FAIL", "(at least 5)" },
	{ "passed on after its query's time", blog, ERRORS(0, 4, -1, 0),
	  .k = { .stale_each = 500, .stale_ns = 2200 * MS }, 0, "FAIL",
	  "3 came later than setUDPTimeout after their query and were passed on (LB" },
	{ "just before its query's time", blog, ERRORS(0, 4, -1, 0),
	  .k = { .stale_each = 500, .stale_ns = 1970 * MS }, 0, "PASS", "" },
	{ "a balancer that takes long with what came in time", blog, ERRORS(0, 4, -1, 0),
	  .k = { .slow_each = 500 }, 0, "PASS", "" },
	{ "nobody answered", blog, ERRORS(14, 15, 0, 0), RIGHT, 10, "INCONCLUSIVE", "" },
};

static struct plan *plan_of_row(const struct row *r)
{
	static const uint64_t seed = 3;
	struct plan *p = synth_plan(r->scenario, NULL, seed);

	p->expect_n = 1;
	p->expect[0] = r->e;
	if (r->node != NULL) {
		p->expect[0].node_n = 1;
		p->expect[0].node[0] = plan_find_node(p, r->node);
	}
	if (r->rate_mqps > 0)
		p->load[0].rate_mqps = r->rate_mqps;
	return p;
}

static void each_claim_goes_every_way(void **state)
{
	unsigned wrong = 0;
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct plan *p = plan_of_row(&rows[i]);
		struct synth s;
		synth_run(&s, p, &rows[i].k);
		json_t *doc = synth_judge(&s);
		const json_t *e = of_line(doc, &p->expect[0]);
		if (strcmp(str(e, "verdict"), rows[i].verdict) != 0 ||
		    strstr(str(e, "why"), rows[i].says) == NULL) {
			print_error("%s: %s: %s; expected %s: %s\n", rows[i].what,
			            str(e, "verdict"), str(e, "why"), rows[i].verdict,
			            rows[i].says);
			wrong++;
		}
		json_decref(doc);
		synth_fini(&s);
		plan_free(p);
	}
	assert_int_equal(wrong, 0);
}

static void each_silence_has_figures_of_its_own(void **state)
{
	struct row r = { .scenario = second, LOST };
	struct plan *p = plan_of_row(&r);
	struct synth s;
	(void)state;

	synth_run(&s, p, &r.k);
	json_t *doc = synth_judge(&s);
	const json_t *list = json_object_get(json_object_get(of_line(doc, &p->expect[0]),
	                                                     "measured"), "faults");
	assert_int_equal(json_array_size(list), 2);
	const json_t *one = json_array_get(list, 0), *two = json_array_get(list, 1);
	assert_string_equal(str(one, "name"), "DNS1");
	assert_string_equal(str(two, "kind"), "hang");
	assert_int_equal(num(two, "at_ns"), 10 * SECOND);
	/* the first lasts while the second does, so it has all of its losses, and more */
	assert_true(num(one, "lost") > num(two, "lost") && num(two, "lost") > 3000);
	assert_true(num(one, "misrouted") > 0 && num(two, "misrouted") > num(one, "misrouted"));
	json_decref(doc);
	synth_fini(&s);
	plan_free(p);
}

static void quantiles_of_phases_come_with_what_they_are_worth(void **state)
{
	struct row r = { .scenario = both, LOST };
	struct plan *p = plan_of_row(&r);
	struct synth s;
	char text[FMT_TEXT];
	(void)state;

	synth_run(&s, p, &r.k);
	json_t *doc = synth_judge(&s);
	const json_t *list = json_object_get(doc, "phases"), *phase = json_array_get(list, 0);
	const json_t *range = json_object_get(json_object_get(phase, "latency_range_us"), "p50");
	int64_t p50 = num(json_object_get(phase, "latency_us"), "p50");
	int64_t lo = json_integer_value(json_array_get(range, 0));
	int64_t hi = json_integer_value(json_array_get(range, 1));
	assert_true(lo > 0 && lo <= p50 && p50 <= hi && hi < 2 * p50);
	/* both dead: most queries are lost, and so is the median */
	phase = json_array_get(list, 1);
	range = json_object_get(json_object_get(phase, "latency_range_us"), "p50");
	assert_true(json_is_null(json_array_get(range, 0)));
	assert_true(json_is_null(json_object_get(json_object_get(phase, "latency_us"), "p50")));
	assert_string_equal(fmt_latency(text, phase, "p50"), "> 2.000 s");
	assert_string_equal(fmt_latency_range(text, phase, "p99"), "> 2.000 s");
	json_decref(doc);
	synth_fini(&s);
	plan_free(p);
}

static void files_and_taps_agree_about_them(void **state)
{
	static const char *const scenario[] = { second, retry, "scenarios/both-down-servfail.lua",
	                                        "scenarios/flapping.lua" };
	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenario); i++) {
		static const struct synth_knobs right;
		struct plan *p = synth_plan(scenario[i], NULL, 2);
		char dir[] = "/tmp/ek-judge-XXXXXX", error[JUDGE_ERROR_TEXT] = "";
		struct synth s;
		assert_non_null(mkdtemp(dir));
		synth_run(&s, p, &right);
		synth_write(&s, dir);
		json_t *tapped = synth_judge(&s), *read = judge_run(dir, error);
		assert_non_null(read);
		char *a = json_dumps(tapped, JSON_SORT_KEYS), *b = json_dumps(read, JSON_SORT_KEYS);
		assert_string_equal(a, b);
		free(a);
		free(b);
		json_decref(read);
		json_decref(tapped);
		synth_remove(p, dir);
		synth_fini(&s);
		plan_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_claim_goes_every_way),
		cmocka_unit_test(each_silence_has_figures_of_its_own),
		cmocka_unit_test(quantiles_of_phases_come_with_what_they_are_worth),
		cmocka_unit_test(files_and_taps_agree_about_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
