/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "policy" and what "even" knows beside chance and turns, on balancers that never ran: each policy
 * passes when it is followed, fails each way in which it isn't, and is left open where nobody could
 * tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/judge/rule.h"
#include "tests/judge/model.h"

struct row {
	const char *what;
	struct model_knobs k;
	const char *verdict, *says;
};

static json_t *judged(const struct model_knobs *k, enum plan_expect_kind kind, uint64_t seed)
{
	struct model *m = model_new(k, seed);

	m->expect.kind = kind;
	for (unsigned i = 0; i < MODEL_SERVERS && kind == PLAN_EVEN; i++)
		if (m->server[i].order == 1)
			m->expect.node[m->expect.node_n++] = m->server_node[i];
	json_t *doc = synth_judge(&m->s);
	json_t *e = json_incref(json_array_get(json_object_get(doc, "expectations"), 0));
	json_decref(doc);
	model_free(m);
	return e;
}

static const char *str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void is(const struct row *r, enum plan_expect_kind kind, uint64_t seed)
{
	json_t *e = judged(&r->k, kind, seed);

	if (strcmp(str(e, "verdict"), r->verdict) != 0 || strstr(str(e, "why"), r->says) == NULL) {
		json_dumpf(e, stderr, JSON_INDENT(1));
		fail_msg("%s, seed %llu: %s, '%s', expected %s, '%s'", r->what,
		         (unsigned long long)seed, str(e, "verdict"), str(e, "why"), r->verdict,
		         r->says);
	}
	if (strcmp(r->verdict, "FAIL") == 0)
		assert_true(json_array_size(json_object_get(e, "evidence")) > 0 ||
		            strstr(str(e, "why"), "independent") != NULL ||
		            strstr(str(e, "why"), "at random") != NULL ||
		            strstr(str(e, "why"), "differ by") != NULL || kind == PLAN_EVEN);
	json_decref(e);
}

#define LAG .lag_ns = 3000000
#define LEAST .policy = BAL_LEAST_OUTSTANDING
#define FIRST .policy = BAL_FIRST_AVAILABLE
#define WHASHED .policy = BAL_WHASHED
#define CHASHED .policy = BAL_CHASHED
#define ORDERED .policy = BAL_ORDERED_WRANDOM, .two_orders = true

static const struct row rows[] = {
	{ "the least burdened", { LEAST }, "PASS", "another one would have been wrong" },
	{ "the same, handled late", { LEAST, LAG }, "PASS", "" },
	{ "the same, answers lost", { LEAST, .lose_permille = 20 }, "PASS", "" },
	{ "the same, one goes and comes", { LEAST, .down = true }, "PASS", "" },
	{ "the same, two orders", { LEAST, .two_orders = true }, "PASS", "" },
	{ "idle, and one order: all are ties", { LEAST, .idle = true, .rate = 20 },
	  "INCONCLUSIVE", "the servers had as much to do" },
	{ "idle, and two orders", { LEAST, .idle = true, .rate = 20, .two_orders = true },
	  "PASS", "" },
	{ "chance instead", { LEAST, .does = BAL_WRANDOM }, "FAIL", "outstanding, while R" },
	{ "turns instead", { LEAST, .does = BAL_ROUNDROBIN }, "FAIL", "outstanding, while R" },
	{ "chance now and then", { LEAST, .wrong_each = 50 }, "FAIL", "outstanding, while R" },
	{ "the same, handled late", { LEAST, .wrong_each = 50, LAG }, "FAIL", "outstanding" },
	{ "the same, but TCP counts too", { LEAST, .wrong_each = 50, .tcp = true },
	  "INCONCLUSIVE", "over TCP count too" },
	{ "counts that drift", { LEAST, .drifts = true, .lose_permille = 20, .rate = 100 }, "FAIL",
	  "outstanding, while R" },
	{ "order ignored", { LEAST, .two_orders = true, .does = BAL_WRANDOM, .idle = true },
	  "FAIL", "to R2 with at least 0 outstanding, while R" },
	{ "a server that is down", { LEAST, .down = true, .down_once = true }, "FAIL",
	  "whose health checks said" },
	{ "too few queries", { LEAST, .rate = 1, .seconds = 8 }, "INCONCLUSIVE", "too few" },

	{ "the first, no limits", { FIRST }, "PASS", "" },
	{ "limits", { FIRST, .limits = true }, "PASS", "" },
	{ "limits, handled late", { FIRST, .limits = true, LAG }, "PASS", "" },
	{ "limits that are never reached", { FIRST, .limits = true, .rate = 40 }, "PASS", "" },
	{ "limits, one goes and comes", { FIRST, .limits = true, .down = true, LAG }, "PASS", "" },
	{ "no limits, one goes and comes", { FIRST, .down = true }, "PASS", "" },
	{ "limits ignored", { FIRST, .limits = true, .no_limit = true }, "FAIL",
	  "to R0 beyond its qps limit, while R" },
	{ "the second although the first has room", { FIRST, .wrong_each = 100 }, "FAIL",
	  "while R0 comes before it and had room" },
	{ "the same with limits", { FIRST, .limits = true, .rate = 60, .wrong_each = 100, LAG },
	  "FAIL", "while R0 comes before it and had room" },
	{ "leastOutstanding instead", { FIRST, .limits = true, .does = BAL_LEAST_OUTSTANDING },
	  "FAIL", "" },

	{ "names", { WHASHED }, "PASS", "" },
	{ "names, handled late", { WHASHED, LAG, .down = true }, "PASS", "" },
	{ "names, weights", { WHASHED, .three_to_one = true }, "PASS", "" },
	{ "chance instead", { WHASHED, .does = BAL_WRANDOM }, "FAIL",
	  "while the same servers were up" },
	{ "one name on two servers now and then", { WHASHED, .wrong_each = 500 }, "FAIL",
	  "while the same servers were up" },
	{ "names that go elsewhere when a server comes back", { WHASHED, .down = true,
	  .forgets = true }, "FAIL", "while the same servers were up" },
	{ "names that come once", { WHASHED, .names = 1u << 30, .seconds = 5 }, "INCONCLUSIVE",
	  "hardly any name came twice" },

	{ "two balancers that hash alike", { WHASHED, .alike = true, .down = true }, "PASS", "" },
	{ "two that should, and don't", { WHASHED, .alike = true, .apart = true }, "FAIL",
	  " from LB" },
	{ "a balancing factor", { WHASHED, .factor = true }, "INCONCLUSIVE", "balancing factor" },
	{ "a ring", { CHASHED }, "PASS", "" },
	{ "two rings that should be alike, and aren't", { CHASHED, .alike = true, .apart = true },
	  "FAIL", "while the same servers were up" },
	{ "a ring, one goes and comes", { CHASHED, .down = true, LAG }, "PASS", "" },
	{ "whashed instead: all names move", { CHASHED, .down = true, .does = BAL_WHASHED },
	  "FAIL", "which is still up" },
	{ "a ring that is made anew", { CHASHED, .down = true, .remaps = true }, "FAIL",
	  "which is still up, while this one was up then" },
	{ "names that don't come back", { CHASHED, .down = true, .forgets = true }, "FAIL",
	  "while the same servers were up" },
	{ "one name on two servers now and then", { CHASHED, .wrong_each = 500 }, "FAIL",
	  "while the same servers were up" },

	{ "a balancer begins anew: least", { LEAST, .restart = true, .lose_permille = 100 },
	  "PASS", "" },
	{ "first", { FIRST, .limits = true, .restart = true }, "PASS", "" },
	{ "names", { WHASHED, .restart = true, .alike = true }, "PASS", "" },
	{ "names, hashed with another number", { WHASHED, .restart = true }, "PASS", "" },
	{ "a ring, hashed with another number", { CHASHED, .restart = true, .down = true },
	  "PASS", "" },
	{ "turns", { .policy = BAL_ROUNDROBIN, .restart = true, .down = true }, "PASS", "" },
	{ "wrong after it", { LEAST, .restart = true, .wrong_each = 50 }, "FAIL", "" },
	{ "names, wrong after it", { WHASHED, .restart = true, .wrong_each = 500 }, "FAIL", "" },

	{ "the lowest order", { ORDERED }, "PASS", "draws are independent" },
	{ "the lowest order, one of it goes", { ORDERED, .down = true, LAG }, "PASS", "" },
	{ "a higher one now and then", { ORDERED, .wrong_each = 100 }, "FAIL",
	  "of a higher order while one of a lower order was up" },
	{ "all of them", { ORDERED, .does = BAL_WRANDOM }, "FAIL", "of a higher order" },
	{ "chance", { .policy = BAL_WRANDOM, .down = true }, "PASS", "" },
	{ "turns instead", { .policy = BAL_WRANDOM, .does = BAL_ROUNDROBIN }, "FAIL",
	  "doesn't draw at random" },
	{ "chance, and one that is down", { .policy = BAL_WRANDOM, .down = true,
	  .down_once = true }, "FAIL", "whose health checks said" },
	{ "turns", { .policy = BAL_ROUNDROBIN, .down = true }, "PASS", "" },
	{ "chance instead of turns", { .policy = BAL_ROUNDROBIN, .does = BAL_WRANDOM }, "FAIL",
	  "differ by more than 1" },
};

static void each_policy_is_followed_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (uint64_t seed = 1; seed <= 2; seed++)
			is(&rows[i], PLAN_POLICY, seed);
}

static const struct row even_rows[] = {
	{ "names are even", { WHASHED, .names = 9000, .seconds = 20 }, "PASS", " names (" },
	{ "by weights", { WHASHED, .names = 9000, .three_to_one = true }, "PASS", "" },
	{ "names that two balancers hash alike count once", { WHASHED, .names = 3000,
	  .alike = true }, "PASS", " of 2,99" },
	{ "few names, however often", { WHASHED, .names = 40 }, "INCONCLUSIVE",
	  "too few names to tell" },
	{ "the first gets too many names", { WHASHED, .names = 9000, .favour_ppm = 300000 },
	  "FAIL", "R0 got" },
	{ "hardly any names", { WHASHED, .names = 3 }, "INCONCLUSIVE", "" },
	{ "the lowest order by chance", { ORDERED, .seconds = 30 }, "PASS", "expected 50.0 %" },
	{ "the higher order too", { ORDERED, .does = BAL_WRANDOM }, "FAIL", "of a higher order" },
	{ "a ring", { CHASHED }, "INCONCLUSIVE", "'policy' asks" },
	{ "the least", { LEAST }, "INCONCLUSIVE", "'policy' asks" },
};

static void even_counts_what_is_drawn(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(even_rows); i++)
		is(&even_rows[i], PLAN_EVEN, 1);
}

/* EK_JUDGE_RUNS and EK_JUDGE_FROM: more of them, from another seed on. */
static void right_balancers_pass_whatever_their_seeds(void **state)
{
	const char *runs = getenv("EK_JUDGE_RUNS"), *from = getenv("EK_JUDGE_FROM");
	unsigned long n = runs != NULL ? strtoul(runs, NULL, 10) : 2, first = 10;
	(void)state;

	first = from != NULL ? strtoul(from, NULL, 10) : first;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (unsigned long k = 0; k < n && strcmp(rows[i].verdict, "PASS") == 0; k++)
			is(&rows[i], PLAN_POLICY, first + k);
}

static int64_t measured(const json_t *e, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(e, "measured"), key));
}

static void what_is_measured_is_told_by_balancer(void **state)
{
	struct model_knobs k = { CHASHED, .down = true };
	json_t *e = judged(&k, PLAN_POLICY, 1), *b;
	int64_t queries = 0;
	size_t i;
	(void)state;

	json_array_foreach(json_object_get(json_object_get(e, "measured"), "balancers"), i, b)
		queries += json_integer_value(json_object_get(b, "queries"));
	assert_int_equal(i, 2);
	assert_int_equal(queries, measured(e, "queries"));
	assert_int_equal(queries, 20 * 500 * 2);
	/* each name at each balancer with and without R1; two thirds of them weren't R1's */
	assert_in_range(measured(e, "names"), 700, 800);
	assert_in_range(measured(e, "stayed"), 200, 320); /* R0's and R2's */
	assert_in_range(measured(e, "left_out"), 0, 1500);
	json_decref(e);
}

static void most_choices_can_be_told(void **state)
{
	static const struct {
		struct model_knobs k;
		int64_t most_open; /* of 1,000 */
	} row[] = {
		{ { LEAST }, 10 }, { { LEAST, LAG }, 800 }, { { FIRST }, 0 },
		/* at a limit a token comes each 10 ms, which is as long as the slack tells */
		{ { FIRST, .limits = true }, 990 }, { { FIRST, .limits = true, .rate = 40 }, 10 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		json_t *e = judged(&row[i].k, PLAN_POLICY, 1);
		print_message("%lld of %lld are open, %lld tell\n", (long long)measured(e, "open"),
		              (long long)measured(e, "queries"),
		              (long long)measured(e, "telling"));
		assert_true(measured(e, "open") * 1000 <=
		            measured(e, "queries") * row[i].most_open);
		json_decref(e);
	}
}

/* ---- what is remembered, and files ---- */

static size_t most_retained(const struct model_knobs *k)
{
	struct model *m = model_new(k, 3);
	uint64_t number[16] = { 0 };
	char error[JUDGE_ERROR_TEXT];
	struct judge *j = judge_new(&m->plan, error);
	size_t most = 0;

	assert_non_null(j);
	synth_tell(&m->s, j);
	for (size_t i = 0; i < m->s.n; i++) {
		const struct synth_record *r = &m->s.record[i];
		struct frame f = synth_frame(r);
		struct judge_tap t = { r->t_ns, ++number[r->node], r->node, &f, NULL };
		judge_tap(j, &t);
		most = judge_retained(j) > most ? judge_retained(j) : most;
	}
	json_decref(judge_finish(j));
	judge_free(j);
	model_free(m);
	return most;
}

static void what_is_remembered_does_not_grow_with_the_run(void **state)
{
	struct model_knobs k[] = { { LEAST, .lose_permille = 100 }, { FIRST, .limits = true },
	                           { WHASHED, .down = true }, { CHASHED, .down = true } };
	(void)state;
	for (size_t i = 0; i < COUNT_OF(k); i++) {
		k[i].seconds = 30;
		size_t one = most_retained(&k[i]);
		k[i].seconds = 150;
		size_t five = most_retained(&k[i]);
		print_message("retained %zu, then %zu\n", one, five);
		assert_true(five * 10 < one * 13);
	}
}

static void names_that_find_no_room_leave_it_open(void **state)
{
	static const size_t room[] = { 700, 10000 };
	struct model_knobs k = { WHASHED, .names = 1000 };
	char error[JUDGE_ERROR_TEXT];
	(void)state;

	for (size_t i = 0; i < COUNT_OF(room); i++) {
		struct model *m = model_new(&k, 3);
		struct judge *j = judge_new(&m->plan, error);
		assert_non_null(j);
		j->rule[0]->names->room = room[i];
		uint64_t number[16] = { 0 };
		synth_tell(&m->s, j);
		for (size_t n = 0; n < m->s.n; n++) {
			const struct synth_record *r = &m->s.record[n];
			struct frame f = synth_frame(r);
			struct judge_tap t = { r->t_ns, ++number[r->node], r->node, &f, NULL };
			judge_tap(j, &t);
		}
		json_t *doc = judge_finish(j);
		const json_t *e = json_array_get(json_object_get(doc, "expectations"), 0);
		assert_string_equal(str(e, "verdict"), i == 0 ? "INCONCLUSIVE" : "PASS");
		assert_true((strstr(str(e, "why"), "there was no room") != NULL) == (i == 0));
		json_decref(doc);
		judge_free(j);
		model_free(m);
	}
}

static void files_and_taps_give_the_same_bytes(void **state)
{
	static const struct synth_knobs right;
	char error[JUDGE_ERROR_TEXT] = "";
	(void)state;

	for (enum bal_policy policy = 1; policy <= BAL_ORDERED_WRANDOM; policy++) {
		struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
		char dir[] = "/tmp/ek-policy-XXXXXX";
		struct synth s;
		assert_non_null(mkdtemp(dir));
		p->conf[0].policy = policy;
		p->expect[0].kind = PLAN_POLICY;
		p->expect[0].node_n = 0;
		p->expect[0].during_to_ns = p->load[0].to_ns;
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
		cmocka_unit_test(each_policy_is_followed_or_not),
		cmocka_unit_test(even_counts_what_is_drawn),
		cmocka_unit_test(right_balancers_pass_whatever_their_seeds),
		cmocka_unit_test(what_is_measured_is_told_by_balancer),
		cmocka_unit_test(most_choices_can_be_told),
		cmocka_unit_test(what_is_remembered_does_not_grow_with_the_run),
		cmocka_unit_test(names_that_find_no_room_leave_it_open),
		cmocka_unit_test(files_and_taps_give_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
