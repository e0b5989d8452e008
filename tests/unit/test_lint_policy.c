/* SPDX-License-Identifier: BSD-3-Clause */
/* What plan says of policy {}, of even under policies that go by names or order, and of flaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "plan_files.h"
#include "sim/plan/bounds.h"
#include "sim/plan/downs.h"
#include "sim/plan/lint.h"
#include "sim/plan/plan_io.h"
#include "sim/plan/print.h"
#include "sim/plan/samples.h"

/* The reference scenario under another policy, its first claim in place. */
static struct plan *under(enum bal_policy policy, enum plan_expect_kind kind)
{
	struct plan_options o = { .set = NULL };
	char error[PLAN_ERROR_TEXT] = "";
	struct plan *p = plan_load("s.lua", &o, error);

	assert_non_null(p);
	p->conf[0].policy = policy;
	p->conf[0].server[0].weight = p->conf[0].server[1].weight = 100;
	p->expect[0].kind = kind;
	if (kind == PLAN_POLICY)
		p->expect[0].node_n = 0;
	p->expect_n = 1;
	return p;
}

struct row {
	const char *what;
	enum bal_policy policy;
	enum plan_expect_kind kind;
	uint32_t names;             /* 0: unique ones; 1: as it is */
	void (*change)(struct plan *p);
	bool error;
	const char *says;           /* NULL: nothing */
};

static void one_server(struct plan *p)
{
	p->conf[0].server_n = 1;
}

static void limits(struct plan *p)
{
	p->conf[0].server[0].qps = p->conf[0].server[1].qps = 10;
}

static void orders(struct plan *p)
{
	p->conf[0].server[1].order = 2;
}

static void quiet(struct plan *p)
{
	p->fault_n = 0;
}

static void whole(struct plan *p)
{
	p->expect[0].during_to_ns = p->load[0].to_ns;
}

static void factor(struct plan *p)
{
	p->conf[0].factor_ppm = 1250000;
}

static void cached(struct plan *p)
{
	whole(p);
	p->conf[0].cache_entries = 1000;
}

static void slow_load(struct plan *p)
{
	p->load[0].rate_mqps = 100000;
	for (unsigned i = 0; i < p->node_n; i++)
		p->node[i].miss.a_ns = 0;
}

static void few(struct plan *p)
{
	p->load[0].rate_mqps = 2000;
	p->expect[0].during_to_ns = 5000000000;
}

static const struct row rows[] = {
	{ "least", BAL_LEAST_OUTSTANDING, PLAN_POLICY, 1, NULL, false, NULL },
	{ "least, idle", BAL_LEAST_OUTSTANDING, PLAN_POLICY, 1, slow_load, false,
	  "hardly anything is ever outstanding (0.02 " },
	{ "least, idle, but orders tell", BAL_LEAST_OUTSTANDING, PLAN_POLICY, 1, orders, false,
	  NULL },
	{ "few queries", BAL_LEAST_OUTSTANDING, PLAN_POLICY, 1, few, true, "expected 30" },
	{ "one server", BAL_WRANDOM, PLAN_POLICY, 1, one_server, true,
	  "has one server: expected two at least" },
	{ "first", BAL_FIRST_AVAILABLE, PLAN_POLICY, 1, orders, false, NULL },
	{ "first, all limited", BAL_FIRST_AVAILABLE, PLAN_POLICY, 1, limits, false,
	  "every server in" },
	{ "whashed", BAL_WHASHED, PLAN_POLICY, 1, NULL, false, NULL },
	{ "whashed, unique", BAL_WHASHED, PLAN_POLICY, 0, NULL, true,
	  "only names that come again tell" },
	{ "whashed, very many", BAL_WHASHED, PLAN_POLICY, 200000, NULL, true,
	  "200000 names: expected at most 131072" },
	{ "chashed", BAL_CHASHED, PLAN_POLICY, 1, whole, false, NULL },
	{ "chashed, with a cache", BAL_CHASHED, PLAN_POLICY, 1, cached, false,
	  "is answered from the balancers' cache" },
	{ "chashed, nobody goes", BAL_CHASHED, PLAN_POLICY, 1, quiet, false,
	  "no recursor goes or comes" },
	{ "a balancing factor", BAL_WHASHED, PLAN_POLICY, 1, factor, true,
	  "lets load decide where whashed would" },
	{ "even, a balancing factor", BAL_WRANDOM, PLAN_EVEN, 1, factor, true,
	  "lets load decide where wrandom would" },
	{ "even, chashed", BAL_CHASHED, PLAN_EVEN, 1, NULL, true, "by the places on its ring" },
	{ "even, whashed, few names", BAL_WHASHED, PLAN_EVEN, 1, NULL, true,
	  "different names are planned, each balancer's counted apart" },
	{ "even, whashed", BAL_WHASHED, PLAN_EVEN, 0, NULL, false, NULL },
	{ "lua", BAL_LUA, PLAN_POLICY, 1, NULL, true, "nothing says what it should choose" },
	{ "even, lua", BAL_LUA, PLAN_EVEN, 1, NULL, true, "functions share as they like" },
	{ "lost, lua", BAL_LUA, PLAN_LOST, 1, NULL, false, "bounds take it that it chooses" },
	{ "even, ordered", BAL_ORDERED_WRANDOM, PLAN_EVEN, 1, NULL, false, NULL },
	{ "even, ordered, of different orders", BAL_ORDERED_WRANDOM, PLAN_EVEN, 1, orders, true,
	  "some balancer sends to none of these" },
};

static void each_row_says_what_it_should(void **state)
{
	(void)state;
	plan_write_all();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		struct plan *p = under(r->policy, r->kind);
		struct lint l = { 0 };
		if (r->names == 0)
			p->load[0].names = PLAN_UNIQUE;
		else if (r->names > 1)
			p->load[0].name_n = r->names;
		if (r->change != NULL)
			r->change(p);
		lint_plan(&l, p);
		const struct lint_note *n = l.note_n > 0 ? &l.note[l.note_n - 1] : NULL;
		if (r->says == NULL ? n != NULL : n == NULL || n->error != r->error ||
		    strstr(n->text, r->says) == NULL)
			fail_msg("%s: '%s', expected '%s'", r->what, n != NULL ? n->text : "",
			         r->says != NULL ? r->says : "nothing");
		plan_free(p);
	}
}

static void two_policies_are_refused(void **state)
{
	struct plan *p = under(BAL_LEAST_OUTSTANDING, PLAN_POLICY);
	struct plan_conf *own = p->conf, two[2] = { own[0], own[0] };
	struct lint l = { 0 };
	(void)state;

	two[1].policy = BAL_ROUNDROBIN;
	p->conf = two;
	p->conf_n = 2;
	lint_plan(&l, p);
	assert_true(l.note_n > 0 && l.note[0].error);
	assert_non_null(strstr(l.note[0].text, "expected one policy for all balancers"));
	p->conf = own;
	p->conf_n = 1;
	plan_free(p);
}

/* Each balancer gets half of the queries: of two names equally often asked for, soon both. */
static void names_are_counted_as_they_come(void **state)
{
	struct plan *p = under(BAL_WHASHED, PLAN_EVEN);
	double n;
	(void)state;

	p->load[0].name_n = 2;
	p->load[0].zipf_milli = 0;
	n = plan_names(p, 0, 15000000000, 2); /* one query each: 2 * 2 * (1 - e^-0.5) */
	assert_int_equal((int)(n * 1000), 1573);
	n = plan_names(p, 0, 15000000000, 1000);
	assert_int_equal((int)(n * 1000 + 0.5), 4000);
	p->load[0].names = PLAN_UNIQUE;
	n = plan_names(p, 0, 15000000000, 1000);
	assert_int_equal((int)(n + 0.5), 1000);
	p->load[0].names = PLAN_ZIPF;
	p->conf[0].same_hash = true; /* then both balancers' names are the same ones */
	n = plan_names(p, 0, 15000000000, 1000);
	assert_int_equal((int)(n * 1000 + 0.5), 2000);
	assert_int_equal(plan_names_least(1000, 1e-9), 796); /* 1000 - sqrt(2 * 1000 * 20.72) */
	plan_free(p);
}

static void the_plan_says_what_each_choice_is_held_against(void **state)
{
	struct plan *p = under(BAL_CHASHED, PLAN_POLICY);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	(void)state;

	assert_non_null(f);
	plan_print(f, p, NULL);
	fclose(f);
	assert_non_null(strstr(text, "policy   from 0 s to 5 s"));
	assert_non_null(strstr(text, "chashed: each choice against where its name went before"));
	free(text);
	plan_free(p);
}

static void shares_of_queries_follow_the_policy(void **state)
{
	struct plan *p = under(BAL_ORDERED_WRANDOM, PLAN_LOST);
	int first = p->conf[0].server_node[0], second = p->conf[0].server_node[1];
	double lost = plan_lost_mean(p);
	(void)state;

	assert_true(plan_share(&p->conf[0], first) < 0.51);
	p->conf[0].server[1].order = 2;
	assert_true(plan_share(&p->conf[0], first) > 0.99);
	assert_true(plan_share(&p->conf[0], second) < 0.01);
	assert_true(plan_lost_mean(p) > 1.99 * lost); /* all go to the one that dies */
	p->conf[0].policy = BAL_FIRST_AVAILABLE;
	assert_true(plan_lost_mean(p) > 1.99 * lost);
	plan_free(p);
}

/* Answers that checks take for good, slow ones in time among them, change no minds; others may. */
static void answers_that_pass_checks_change_no_minds(void **state)
{
	(void)state;
	static const struct { const char *to; bool refused; } row[] = {
		{ "at \"5s\" { slow = \"DNS1\", by = \"300ms\", ratio = 0.1 }\n"
		  "expect { flaps { \"DNS1\" } }\nat \"5s\" { kill", false },
		{ "at \"5s\" { slow = \"DNS1\", by = \"990ms\", ratio = 0.1 }\n"
		  "expect { flaps { \"DNS1\" } }\nat \"5s\" { kill", true },
		{ "at \"5s\" { truncate = \"DNS1\", ratio = 0.1 }\n"
		  "expect { flaps { \"DNS1\" } }\nat \"5s\" { kill", false },
		{ "at \"5s\" { servfail = \"DNS1\", ratio = 0.1 }\n"
		  "expect { flaps { \"DNS1\" } }\nat \"5s\" { kill", true },
	};

	for (size_t i = 0; i < COUNT_OF(row); i++) {
		char error[PLAN_ERROR_TEXT] = "";
		plan_write_all();
		plan_write_changed("s.lua", plan_scenario, "at \"5s\" { kill", row[i].to);
		struct plan *p = plan_load("s.lua", &(struct plan_options){ .set = NULL }, error);
		assert_int_equal(p == NULL, row[i].refused);
		assert_int_equal(strstr(error, "checks are lost at random") != NULL,
		                 row[i].refused);
		plan_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_says_what_it_should),
		cmocka_unit_test(two_policies_are_refused),
		cmocka_unit_test(names_are_counted_as_they_come),
		cmocka_unit_test(the_plan_says_what_each_choice_is_held_against),
		cmocka_unit_test(shares_of_queries_follow_the_policy),
		cmocka_unit_test(answers_that_pass_checks_change_no_minds),
	};

	return cmocka_run_group_tests(tests, plan_folder_open, plan_folder_close);
}
