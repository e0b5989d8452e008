/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every answer over TCP, in virtual time: the judge follows what balancers send to servers over TCP
 * as draws, so that it passes the right system and finds out the wrong one, under chance and turns.
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
#include "sim/virtual/sabotage.h"
#include "sim/virtual/virtual.h"

static void weigh_55_to_45(void *arg, unsigned node, struct bal_conf *conf,
                           struct bal_server *server)
{
	(void)arg;
	(void)node;
	(void)conf;
	server[0].weight = 55;
	server[1].weight = 45;
}

static void draw_by_chance(void *arg, unsigned node, struct bal_conf *conf,
                           struct bal_server *server)
{
	(void)arg;
	(void)node;
	(void)server;
	conf->policy = BAL_WRANDOM;
}

#define TURNS "lab.balancers.config=../../e2e/data/roundrobin.conf"

static const struct {
	const char *what, *set[3];
	struct virtual_sabotage hooks;
	const char *verdict, *why; /* of even */
} rows[] = {
	{ "by chance", { NULL }, { .conf = NULL }, "PASS", "expected 50.0 %" },
	{ "weights 55:45", { "expect.even.catch=0.04", "load.rate=4500", NULL },
	  { .conf = weigh_55_to_45 }, "FAIL",
	  "expected 50.0 %" },
	{ "in turn", { TURNS, NULL }, { .conf = NULL }, "PASS", "differ by at most 1" },
	{ "chance that poses as turns", { TURNS, NULL }, { .conf = draw_by_chance }, "FAIL",
	  "differ by more than 1" },
};

static json_t *run(size_t row, uint64_t seed)
{
	struct virtual_sabotage own = rows[row].hooks;
	struct plan_options po = { .seed = &seed, .set = rows[row].set };
	struct virtual_options o = { .invariants = true, .sabotage = &own };
	char error[VIRTUAL_ERROR_TEXT] = "", why[PLAN_ERROR_TEXT] = "";
	struct plan *p = plan_load("tests/prop/data/tcp.lua", &po, why);

	assert_string_equal(why, "");
	json_t *doc = virtual_run(p, &o, error);
	assert_string_equal(error, "");
	plan_free(p);
	return doc;
}

static const json_t *expectation(const json_t *doc, const char *kind)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		if (strcmp(json_string_value(json_object_get(e, "kind")), kind) == 0)
			return e;
	fail_msg("no expectation '%s'", kind);
	return NULL;
}

static json_int_t measured(const json_t *e, const char *what)
{
	return json_integer_value(json_object_get(json_object_get(e, "measured"), what));
}

static void forwards_over_tcp_are_draws(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (uint64_t seed = 1; seed <= 3; seed++) {
			json_t *doc = run(i, seed);
			const json_t *e = expectation(doc, "even");
			char *whole = json_dumps(e, 0);
			const json_t *a = expectation(doc, "answers");
			if (strcmp(json_string_value(json_object_get(e, "verdict")),
			           rows[i].verdict) != 0 || strstr(whole, rows[i].why) == NULL)
				fail_msg("%s, seed %d: %s", rows[i].what, (int)seed, whole);
			/* Each query twice, over UDP and then TCP. */
			assert_true(measured(a, "truncated") > 5000);
			assert_int_equal(measured(a, "truncated"),
			                 measured(a, "truncated_answered"));
			if (strcmp(rows[i].verdict, "PASS") == 0)
				assert_true(measured(e, "queries") >
				            measured(a, "truncated") * 19 / 10);
			assert_null(json_object_get(doc, "violations"));
			free(whole);
			json_decref(doc);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwards_over_tcp_are_draws),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
