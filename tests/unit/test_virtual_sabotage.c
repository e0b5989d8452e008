/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Systems that are wrong on purpose, in virtual time: each must be found out, by the judge from
 * packets alone and, where it is an invariant, by the engine's own checkers too, with the evidence
 * named. The right system beside them passes with the same seeds. EK_SEEDS=N tries N seeds instead
 * of a few.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sim/judge/judge.h"
#include "sim/plan/plan_io.h"
#include "sim/virtual/defect.h"

struct sabotage {
	const char *what;
	const char *defect;         /* as --defect has it */
	const char *set[4];         /* of blog.lua, so that it can be decided */
	uint64_t seeds;             /* 1...: one at least must be found out */
	bool every;                 /* no: each of them */
	const char *kind, *why;     /* what fails, and what its reason says */
	const char *violation;      /* what the invariants say; NULL: it is none */
};

static const struct sabotage sabotages[] = {
	{ "health is checked at half the rate", "slow-checks",
	  { NULL }, 8, false, "detect", "last query to it", NULL },
	{ "one query in a thousand goes to the dead server", "asks-dead",
	  { NULL }, 3, true, "detect", "to it", "held down" },
	/* The return waits for marks that don't come: the system's doing, not the harness's. */
	{ "a dead server is never marked down", "slow-detect=200",
	  { "at.2.at={ when = down(\"DNS1\"), plus = \"3s\" }", NULL }, 3, true, "detect",
	  "last query to it", NULL },
	{ "answers are swapped between two clients", "swap-answers",
	  { NULL }, 3, true, "answers", "no such ID", "who didn't ask that" },
	{ "weights 55:45", "weights=55",
	  { "load.rate=4000", "expect.even.catch=0.04", NULL }, 3, true, "even", "expected 50.0 %",
	  NULL },
	{ "both balancers draw from one seed", "equal-seeds",
	  { NULL }, 3, true, "even", "don't draw on their own", NULL },
	{ "query IDs are used again too soon", "id-reuse",
	  { "load.rate=4000", "expect.lost.at_most=3700", NULL }, 3, true, "lost", "got no answer",
	  "is used again" },
	{ "a wrong address in one answer of a thousand", "wrong-data",
	  { NULL }, 3, true, "answers", "wrong", NULL },
	{ "one answer in a thousand comes twice", "answer-twice",
	  { NULL }, 3, true, "answers", "second answer", NULL },
	{ "recursors forget at once", "cache-off",
	  { NULL }, 3, true, "cache", "", NULL },
	{ "two failures more are waited for", "slow-detect",
	  { NULL }, 3, true, "detect", "last query to it", NULL },
};

static json_t *run(const struct sabotage *s, const char *defect, uint64_t seed, bool invariants)
{
	struct defects set = { 0 };
	struct plan_options po = { .seed = &seed, .set = s->set };
	char error[VIRTUAL_ERROR_TEXT] = "", why[PLAN_ERROR_TEXT] = "";
	struct plan *p = plan_load("scenarios/blog.lua", &po, why);

	assert_string_equal(why, "");
	assert_non_null(p);
	if (defect != NULL && defects_parse(&set, defect, error) < 0)
		fail_msg("%s", error);
	struct virtual_options o = { .invariants = invariants };
	json_t *doc = defects_run(&set, p, &o, error);
	assert_string_equal(error, "");
	plan_free(p);
	return doc;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* Whether the expectation of that kind failed, with that in its reason. */
static bool found_out(const json_t *doc, const char *kind, const char *why)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		if (strcmp(text_of(e, "kind"), kind) == 0 &&
		    strcmp(text_of(e, "verdict"), "FAIL") == 0) {
			char *whole = json_dumps(e, 0);
			bool told = strstr(whole, why) != NULL;
			if (!told)
				print_error("%s\n", whole);
			free(whole);
			return told;
		}
	return false;
}

static void the_right_system_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sabotages); i++) {
		json_t *doc = run(&sabotages[i], NULL, 1, true);
		if (judge_verdict(doc) != VERDICT_PASS)
			json_dumpf(doc, stderr, JSON_INDENT(1));
		assert_int_equal(judge_verdict(doc), VERDICT_PASS);
		assert_null(json_object_get(doc, "violations"));
		json_decref(doc);
	}
}

static uint64_t seeds_of(const struct sabotage *s)
{
	const char *n = getenv("EK_SEEDS");

	return n != NULL ? strtoull(n, NULL, 10) : s->seeds;
}

static void each_sabotage_is_found_out_from_packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sabotages); i++) {
		const struct sabotage *s = &sabotages[i];
		uint64_t found = 0, seeds = seeds_of(s);
		for (uint64_t seed = 1; seed <= seeds; seed++) {
			json_t *doc = run(s, s->defect, seed, false);
			found += found_out(doc, s->kind, s->why);
			assert_int_not_equal(judge_verdict(doc), VERDICT_INVALID);
			json_decref(doc);
		}
		print_message("%s: %d of %d seeds found out\n", s->what, (int)found, (int)seeds);
		if (found < (s->every ? seeds : 1))
			fail_msg("%s: not found out", s->what);
	}
}

static void broken_invariants_are_told_with_their_moment(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sabotages); i++) {
		const struct sabotage *s = &sabotages[i];
		if (s->violation == NULL)
			continue;
		json_t *doc = run(s, s->defect, 1, true);
		const json_t *first = json_array_get(json_object_get(doc, "violations"), 0);
		if (strstr(text_of(first, "what"), s->violation) == NULL)
			fail_msg("%s: the first violation is '%s'", s->what,
			         text_of(first, "what"));
		assert_true(json_integer_value(json_object_get(first, "t_ns")) > 0);
		assert_int_equal(judge_verdict(doc), VERDICT_FAIL);
		json_decref(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_system_passes),
		cmocka_unit_test(each_sabotage_is_found_out_from_packets),
		cmocka_unit_test(broken_invariants_are_told_with_their_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
