/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Triggers in a plan: what they come to, what is refused and in which words, and that the figures
 * which follow from the plan hold whenever they come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_files.h"
#include "sim/plan/downs.h"
#include "sim/plan/lint.h"
#include "sim/plan/plan_io.h"

/* Line 13 of the scenario. */
#define FAULT "at \"5s\" { kill = \"DNS1\" }\n"

/* The scenario with that in the place of its timeline, and of its claims. */
static struct plan *load_claims(const char *faults, const char *claims, char *error)
{
	struct plan_options o = { 0 };
	const char *own = strstr(plan_scenario, FAULT);
	char text[4096];

	snprintf(text, sizeof(text), "%.*s%s\nexpect { %s }\n", (int)(own - plan_scenario),
	         plan_scenario, faults, claims);
	plan_write_all();
	plan_write_changed("s.lua", text, NULL, NULL);
	return plan_load("s.lua", &o, error);
}

static struct plan *load(const char *faults, char *error)
{
	return load_claims(faults, "lost { at_most = \"model\" }", error);
}

static struct plan *again(const struct plan *p, char *error)
{
	json_t *j = plan_to_json(p);
	struct plan *back = plan_from_json(j, error);

	json_decref(j);
	return back;
}

static const struct {
	const char *text, *error;
} refused[] = {
	{ "at { when = down \"DNS1\" } { start = \"DNS1\" }",
	  "s.lua:13: at.at: no check feels anything before it in the file at DNS1: expected "
	  "an at with it first" },
	{ "at \"1s\" { kill = \"DNS1\" } at { when = \"down\" } { start = \"DNS1\" }",
	  "s.lua:13: at.at: no trigger: expected when = down \"DNS1\" or up \"DNS1\"" },
	{ "at \"1s\" { kill = \"DNS1\" } at { plus = \"1s\" } { start = \"DNS1\" }",
	  "s.lua:13: at.at: no 'when': expected when = ..." },
	{ "at \"1s\" { kill = \"DNS1\" } at { when = uniform(\"1s\", \"2s\") } { start = "
	  "\"DNS1\" }",
	  "s.lua:13: at.at: no trigger: expected when = down \"DNS1\" or up \"DNS1\"" },
	{ "at \"1s\" { kill = \"DNS1\" } at { when = down \"DNS2\" } { start = \"DNS1\" }",
	  "s.lua:13: at.at.when: no recursor 'DNS2': did you mean 'DNS1'? expected one of "
	  "DNS1, DNS3" },
	{ "at \"1s\" { kill = \"DNS1\" } at { when = down \"LB1\" } { start = \"DNS1\" }",
	  "s.lua:13: at.at.when: no recursor 'LB1': expected one of DNS1, DNS3" },
	{ "at \"1s\" { kill = \"DNS1\" } at { when = up \"DNS1\" } { start = \"DNS1\" }",
	  "s.lua:13: at.at: nobody marks DNS1 up after a kill" },
	{ "at \"1s\" { kill = \"DNS3\" } at \"2s\" { start = \"DNS3\" } at { when = down "
	  "\"DNS3\" } { hang = \"DNS3\" }",
	  "s.lua:13: at.at: nobody marks DNS3 down after a start" },
	{ "at \"1s\" { kill = \"DNS3\" } at { when = down \"DNS3\", plus = 3 } { start = "
	  "\"DNS3\" }",
	  "s.lua:13: at.at.plus: 3: expected a time 0s...1d with its unit, such as \"20ms\"" },
	{ "at \"1s\" { kill = \"DNS3\" } at { when = down \"DNS3\", pluss = \"3s\" } { "
	  "start = \"DNS3\" }",
	  "s.lua:13: at.at.pluss: no such key: did you mean 'plus'? expected one of when, "
	  "plus" },
	{ "at \"1s\" { kill = \"DNS3\" } at { when = down \"DNS3\", plus = \"13s\" } { "
	  "start = \"DNS3\" }",
	  "s.lua:13: at.at: by the model it may come as late as 16.02 s: expected an "
	  "instant before the last load's end" },
	{ "at \"1s\" { kill = \"DNS3\" } at { when = down \"DNS3\" } { kill = \"DNS3\" }",
	  "s.lua:13: at: kill of DNS3 at 3.02s is impossible: it is killed already" },
	{ "at(5) { kill = \"DNS3\" }",
	  "s.lua:13: at: expected an instant in quotes: at \"5s\" { kill = \"DNS1\" }, or "
	  "{ when = down \"DNS1\" }" },
	{ "at \"1s\" { hang = \"DNS1\" } at { when = down \"DNS1\" } { kill = \"DNS3\" } "
	  "at \"2s\" { hang = \"DNS3\" }",
	  "s.lua:13: at: kill of DNS3 may come before or after the hang of it at 2s: expected it "
	  "outside of 1s...3.02s, when the trigger may come" },
	{ "at \"1s\" { drain = \"DNS3\" } at { when = down \"DNS3\" } { undrain = \"DNS3\" }",
	  "s.lua:13: at.at: no check feels anything before it in the file at DNS3: expected "
	  "an at with it first" },
	{ "at \"1s\" { drop = \"DNS3\", spare = \"checks\" } at { when = down \"DNS3\" } { "
	  "kill = \"DNS3\" }",
	  "s.lua:13: at.at: no check feels anything before it in the file at DNS3: expected "
	  "an at with it first" },
};

static void what_cant_be_is_refused_with_its_line(void **state)
{
	char error[PLAN_ERROR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		struct plan *p = load(refused[i].text, error);
		if (p != NULL || strcmp(error, refused[i].error) != 0)
			fail_msg("%s: '%s'", refused[i].text, p != NULL ? "accepted" : error);
	}
}

/* The one before all stands last in the file: what triggers come after is counted in the plan. */
static void a_trigger_comes_to_its_bounds(void **state)
{
	char error[PLAN_ERROR_TEXT];

	(void)state;
	struct plan *p = load("at \"1s\" { hang = \"DNS1\" }\n"
	                      "at { when = down \"DNS1\", plus = \"3s\" } { resume = \"DNS1\" }\n"
	                      "at { when = up \"DNS1\" } { slow = \"DNS3\", by = \"1ms\" }\n"
	                      "at \"500ms\" { jitter = \"DNS3\", by = \"1ms\" }\n"
	                      "at \"9s\" { kill = \"DNS1\" }\n", error);
	assert_string_equal(error, "");
	for (unsigned i = 0; i < 2; i++) {
		const struct plan_fault *f = p->fault;
		assert_int_equal(p->fault_n, 5);
		assert_int_equal(f[0].kind, PLAN_JITTER);
		assert_int_equal(f[0].when, PLAN_AT);
		assert_int_equal(f[2].kind, PLAN_RESUME);
		assert_int_equal(f[2].when, PLAN_WHEN_DOWN);
		assert_string_equal(p->node[f[2].when_node].name, "DNS1");
		assert_int_equal(f[2].after, 2);
		assert_int_equal(f[2].line, 14);
		assert_int_equal(f[2].plus_ns, 3000000000);
		assert_int_equal(plan_fault_earliest(&f[2]), 4000000000);
		assert_int_equal(f[2].at_ns, 6020000000); /* 1 s + 2 s of the model + slack + 3 s */
		assert_int_equal(f[3].when, PLAN_WHEN_UP);
		assert_int_equal(f[3].after, 3);
		assert_int_equal(plan_fault_earliest(&f[3]), 4000000000);
		assert_int_equal(f[3].at_ns, 6020000000 + 1000200000 + 20000000);
		assert_int_equal(plan_fault_earliest(&f[4]), 9000000000);
		struct plan *back = again(p, error);
		plan_free(p);
		assert_non_null(back);
		p = back;
	}
	plan_free(p);
}


/* ---- whenever they come ---- */

static const char *const timelines[] = {
	"at \"1s\" { kill = \"DNS1\" } "
	"at { when = down \"DNS1\", plus = \"3s\" } { start = \"DNS1\" }",
	"at \"1s\" { kill = \"DNS1\" } at { when = down \"DNS1\" } { start = \"DNS1\" }",
	"at \"1s\" { kill = \"DNS1\" } "
	"at { when = down \"DNS1\", plus = \"500ms\" } { hang = \"DNS3\" } "
	"at { when = down \"DNS3\", plus = \"1s\" } { start = \"DNS1\" } "
	"at { when = up \"DNS1\" } { resume = \"DNS3\" }",
	"at \"1s\" { hang = \"DNS1\" } at { when = down \"DNS1\" } { hang = \"LB1\" } "
	"at \"6s\" { resume = \"LB1\" } at \"7s\" { kill = \"DNS3\" } "
	"at \"9s\" { start = \"DNS3\" } at { when = up \"DNS3\" } { resume = \"DNS1\" }",
	"at \"1s\" { kill = \"DNS1\" } "
	"at { when = down \"DNS1\" } { drop = \"DNS3\", ratio = 0.5 } "
	"at { when = down \"DNS1\", plus = \"4s\" } { drop = \"DNS3\", ratio = 0.2 } "
	"at { when = down \"DNS1\", plus = \"8s\" } { drop = \"DNS3\", ratio = 0 }",
	"at \"1s\" { blackhole = \"DNS1\" } "
	"at { when = down \"DNS1\" } { loss = \"clients\", ratio = 0.3 } "
	"at { when = down \"DNS1\", plus = \"4s\" } { heal = \"clients\" } "
	"at { when = down \"DNS1\", plus = \"2s\" } { loss = \"LB2\", ratio = 0.1 } "
	"at \"11s\" { heal = \"DNS1\" }",
};

/*
 * p, with its triggers at instants: each mark as many eighths of the longest that it may take after
 * what it follows as its bits of eighths say, three for each fault in turn.
 */
static void fix(const struct plan *p, struct plan *q, struct plan_fault *fault, unsigned eighths)
{
	int64_t at[16];

	*q = *p;
	q->fault = fault;
	assert_true(p->fault_n <= COUNT_OF(at));
	for (unsigned i = 0; i < p->fault_n; i++) {
		struct plan_fault one = p->fault[i];
		at[i] = one.at_ns;
		if (one.when != PLAN_AT) {
			int64_t base = p->fault[one.after - 1].at_ns;
			int64_t longest = one.at_ns - one.plus_ns - base;
			at[i] = at[one.after - 1] + longest / 7 * (eighths >> 3 * (i % 4) & 7) +
			        one.plus_ns;
		}
		one.at_ns = at[i];
		one.when = PLAN_AT;
		unsigned k = i;
		for (; k > 0 && fault[k - 1].at_ns > one.at_ns; k--)
			fault[k] = fault[k - 1];
		fault[k] = one;
	}
}

/* Where the one fails more than the other, over all balancers. */
static unsigned greater(const struct plan *p, const struct downs *a, const struct downs *b)
{
	unsigned n = 0;

	for (unsigned node = 0; node < p->node_n; node++)
		for (int64_t t = 0; p->node[node].role == PLAN_BALANCER && t < 15000000000;
			t += 5000000)
			n += downs_share(a, (int)node, t) > downs_share(b, (int)node, t) + 1e-12;
	return n;
}

/* What is known for sure is so whenever they come, and what may be may be. */
static unsigned disagree(const struct plan *p, const struct downs *fixed, const struct downs *d)
{
	unsigned n = 0;

	for (int node = 0; node < (int)p->node_n; node++)
		for (int64_t t = 0; t < 15000000000; t += 5000000) {
			bool silent = downs_silent_until(fixed, node, t) > t;
			n += downs_surely_silent(d, node, t) && !silent;
			n += silent && downs_silent_until(d, node, t) <= t;
			n += downs_surely_up(d, node, t) && !downs_surely_up(fixed, node, t);
			n += downs_returned(fixed, node, t) > downs_returned(d, node, t);
			n += downs_others_up(fixed, node, t) > downs_others_up(d, node, t);
		}
	return n;
}

static void shares_and_losses_hold_whenever_triggers_come(void **state)
{
	char error[PLAN_ERROR_TEXT];
	unsigned late_only = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(timelines); i++) {
		struct plan *p = load(timelines[i], error), q, latest;
		struct plan_fault fault[16], last[16];
		assert_string_equal(error, "");
		struct downs *d = downs_new(p, DOWNS_LOST);
		fix(p, &latest, last, 07777);
		struct downs *l = downs_new(&latest, DOWNS_LOST);
		for (unsigned k = 0; k < 4096; k += 41) {
			fix(p, &q, fault, k);
			struct downs *fixed = downs_new(&q, DOWNS_LOST);
			if (greater(p, fixed, d) > 0 || disagree(p, fixed, d) > 0 ||
			    plan_lost_mean(&q) > plan_lost_mean(p) * (1 + 1e-9))
				fail_msg("%s: at %o: %u, %u, %g of %g", timelines[i], k,
				         greater(p, fixed, d), disagree(p, fixed, d),
				         plan_lost_mean(&q), plan_lost_mean(p));
			late_only += greater(p, fixed, l);
			downs_free(fixed);
		}
		downs_free(d);
		downs_free(l);
		plan_free(p);
	}
	assert_true(late_only > 0); /* the latest instants alone wouldn't do */
}

/* Once a dead server is known to be, nothing is lost whenever it returns. */
static void a_return_that_waits_costs_no_more_than_a_late_one(void **state)
{
	char error[PLAN_ERROR_TEXT];
	struct plan *p = load(timelines[0], error), *q;

	(void)state;
	assert_non_null(p);
	q = load("at \"1s\" { kill = \"DNS1\" } at \"9s\" { start = \"DNS1\" }", error);
	assert_non_null(q);
	assert_float_equal(plan_lost_mean(p), plan_lost_mean(q), 1e-6);
	plan_free(p);
	plan_free(q);
}

static void marks_that_may_not_come_are_told(void **state)
{
	static const struct {
		const char *faults, *note; /* NULL: none */
	} row[] = {
		{ "at \"1s\" { hang = \"LB1\" } at \"2s\" { kill = \"DNS1\" } "
		  "at { when = down \"DNS1\" } { start = \"DNS1\" }",
		  "LB1 may be silent when it has to mark DNS1 down: the start may never come" },
		{ "at \"1s\" { kill = \"DNS1\" } at { when = down \"DNS1\" } { kill = \"LB2\" } ",
		  NULL },
		{ "at \"1s\" { hang = \"LB1\" } at \"2s\" { resume = \"LB1\" } "
		  "at \"3s\" { kill = \"DNS1\" } "
		  "at { when = down \"DNS1\" } { start = \"DNS1\" }", NULL },
		{ "at \"1s\" { loss = \"DNS1\", ratio = 0.1 } "
		  "at { when = down \"DNS1\" } { heal = \"DNS1\" }",
		  "a loss needn't make a balancer mark DNS1 down: the heal may never come" },
		{ "at \"1s\" { hang = \"DNS1\" } at \"4s\" { resume = \"DNS1\" } "
		  "at { when = up \"DNS1\" } { slow = \"DNS3\", by = \"1ms\" }", NULL },
	};
	char error[PLAN_ERROR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct plan *p = load(row[i].faults, error);
		struct lint *l = calloc(1, sizeof(*l));
		bool found = false;
		assert_non_null(p);
		assert_non_null(l);
		lint_plan(l, p);
		for (unsigned k = 0; k < l->note_n; k++) {
			const char *told = strstr(l->note[k].text, "may never come");
			if (told != NULL && row[i].note == NULL)
				fail_msg("%s: %s", row[i].faults, l->note[k].text);
			found |= row[i].note != NULL && strstr(l->note[k].text, row[i].note);
		}
		if (row[i].note != NULL && !found)
			fail_msg("%s: not told", row[i].faults);
		free(l);
		plan_free(p);
	}
}

static void claims_that_a_trigger_may_leave_open_are_told(void **state)
{
	static const struct {
		const char *faults;
		int error; /* -1: nothing is told; 0: a note; 1: refused */
	} row[] = {
		{ "at \"1s\" { kill = \"DNS1\" } at { when = down \"DNS1\", plus = \"3s\" } { "
		  "start = \"DNS1\" }", -1 },
		{ "at \"1s\" { kill = \"DNS1\" } at { when = down \"DNS1\", plus = \"1s\" } { "
		  "start = \"DNS1\" }", 0 },
		{ "at \"1s\" { kill = \"DNS1\" } at { when = down \"DNS1\" } { "
		  "start = \"DNS1\" }", 1 },
		{ "at \"1s\" { hang = \"DNS1\" } at { when = down \"DNS1\", plus = \"1100ms\" } { "
		  "resume = \"DNS1\" }", -1 },
		{ "at \"1s\" { hang = \"DNS1\" } at { when = down \"DNS1\", plus = \"1s\" } { "
		  "resume = \"DNS1\" }", 0 },
		{ "at \"1s\" { kill = \"DNS1\" } at \"2s\" { start = \"DNS1\" }", 1 },
	};
	char error[PLAN_ERROR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct plan *p = load_claims(row[i].faults,
		                             "detect { \"DNS1\", within = \"model\" }", error);
		struct lint *l = calloc(1, sizeof(*l));
		assert_non_null(l);
		if (row[i].error > 0) {
			assert_null(p);
			assert_non_null(strstr(error, "expect.detect: DNS1 is down for "));
			free(l);
			continue;
		}
		assert_non_null(p);
		lint_plan(l, p);
		if (l->note_n != (row[i].error >= 0) || (l->note_n > 0 && (l->note[0].error ||
		    strstr(l->note[0].text, "DNS1 may be down for") == NULL)))
			fail_msg("%s: %u, %s", row[i].faults, l->note_n, l->note[0].text);
		free(l);
		plan_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cant_be_is_refused_with_its_line),
		cmocka_unit_test(a_trigger_comes_to_its_bounds),
		cmocka_unit_test(shares_and_losses_hold_whenever_triggers_come),
		cmocka_unit_test(a_return_that_waits_costs_no_more_than_a_late_one),
		cmocka_unit_test(marks_that_may_not_come_are_told),
		cmocka_unit_test(claims_that_a_trigger_may_leave_open_are_told),
	};

	return cmocka_run_group_tests(tests, plan_folder_open, plan_folder_close);
}
