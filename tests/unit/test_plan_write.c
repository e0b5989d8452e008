/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan written as a scenario and read again is the same plan: every scenario that comes with
 * evenkeel, and labs that need each turn of the language.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <limits.h>
#include <sys/stat.h>

#include "plan_files.h"
#include "sim/plan/plan_io.h"

static char home[PATH_MAX];

/* The plan as text, without what a scenario of another name and shape must differ in. */
static char *canonical(const struct plan *p)
{
	json_t *j = plan_to_json(p), *list, *e;
	size_t i;

	json_object_del(j, "name");
	json_object_del(j, "scenario_path");
	static const char *const lists[] = { "expect", "fault", "node" };
	for (size_t k = 0; k < COUNT_OF(lists); k++) {
		list = json_object_get(j, lists[k]);
		json_array_foreach(list, i, e)
			json_object_del(e, "line");
	}
	char *text = json_dumps(j, JSON_SORT_KEYS | JSON_INDENT(1) | JSON_REAL_PRECISION(17));
	json_decref(j);
	return text;
}

/* Writes p to path in the folder at hand, and reads that. */
static struct plan *again(const struct plan *p, const char *path)
{
	char error[PLAN_ERROR_TEXT] = "", here[PATH_MAX];
	FILE *f = fopen(path, "w");

	assert_non_null(getcwd(here, sizeof(here)));
	assert_non_null(f);
	plan_write_scenario(f, p, here);
	assert_int_equal(fclose(f), 0);
	struct plan *q = plan_load(path, NULL, error);
	assert_string_equal(error, "");
	return q;
}

static void same_again(const char *path, const struct plan_options *o)
{
	char error[PLAN_ERROR_TEXT] = "";
	struct plan *p = plan_load(path, o, error);

	assert_string_equal(error, "");
	struct plan *q = again(p, "again.lua");
	char *a = canonical(p), *b = canonical(q);
	if (strcmp(a, b) != 0)
		print_error("%s\n", path);
	assert_string_equal(a, b);
	free(a);
	free(b);
	plan_free(p);
	plan_free(q);
	unlink("again.lua");
}

static void every_scenario_comes_back_from_its_plan(void **state)
{
	char pattern[PATH_MAX];
	glob_t g;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%.4000s/scenarios/*.lua", home);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_true(g.gl_pathc >= 6);
	for (size_t i = 0; i < g.gl_pathc; i++)
		same_again(g.gl_pathv[i], NULL);
	globfree(&g);
}

static const struct { const char *what, *from, *to; } changes[] = {
	{ "recursors by table", "recursors = { \"DNS1\", \"DNS3\",",
	  "recursors = { DNS3 = { miss = uniform(\"1ms\", \"2500us\") }, DNS1 = {}," },
	{ "recursors not by name", "\"DNS1\", \"DNS3\", config", "\"DNS3\", \"DNS1\", config" },
	{ "a recursor with an address of its own", "\"DNS1\", \"DNS3\", config",
	  "\"DNS1\", DNS3 = { \"192.0.2.4\", \"192.0.2.77\" }, config" },
	{ "an exponential miss", "\"20ms\"", "exponential(\"1.5ms\")" },
	{ "a lognormal miss", "\"20ms\"", "lognormal(\"20ms\", \"45ms\")" },
	{ "a named group", "clients = { net = \"192.160.102.128/25\", count = 50 }",
	  "clients = { many = { net = { \"192.160.102.128/26\", \"192.160.102.192/27\" }, "
	  "count = 7, choose = \"per_client\" } }" },
	{ "links of their own", "delay = \"50us\"",
	  "delay = \"50us\", LB2 = { loss = 0.000123, delay = \"1s\" }" },
	{ "a link with everything", "delay = \"50us\"",
	  "delay = \"50us\", LB2 = { jitter = \"1ms\", duplicate = 0.01, reorder = 0.02, "
	  "reorder_by = \"2ms\", rate = 1e6, queue = 20000 }" },
	{ "faults one way, and checks spared", "at \"5s\" { kill = \"DNS1\" }",
	  "at \"1s\" { jitter = \"DNS3\", by = \"3ms\", way = \"in\" } "
	  "at \"1s\" { rate = \"DNS3\", bits = 123456, queue = 7000, way = \"out\" } "
	  "at \"1s\" { drop = \"DNS3\", ratio = 0.5, spare = \"checks\" } "
	  "at \"1s\" { cut = \"DNS3\", way = \"out\" } "
	  "at \"2s\" { heal = \"DNS3\" } at \"5s\" { kill = \"DNS1\" }" },
	{ "triggers, one of them of what comes later in time", "at \"5s\" { kill = \"DNS1\" }",
	  "at \"1s\" { hang = \"DNS1\" } "
	  "at { when = down \"DNS1\", plus = \"1500ms\" } { slow = \"DNS3\", by = \"1ms\" } "
	  "at { when = down \"DNS1\" } { slow = \"DNS3\", by = \"2ms\", ratio = 0.5 } "
	  "at \"3500ms\" { resume = \"DNS1\" } "
	  "at { when = up \"DNS1\" } { delay = \"LB1\", by = \"1ms\" } "
	  "at \"5s\" { kill = \"DNS1\" }" },
	{ "a load with everything", "load {",
	  "load { rate = 999.125, from = \"1500ms\", to = \"15s\", "
	  "arrivals = \"constant\", tries = 3, "
	  "timeout = \"777ms\", edns = false, types = { A = 0.25, AAAA = 0.125, TXT = 0.625 }, "
	  "names = zipf(3) }\nload {" },
	{ "names each once", "zipf(1000)", "unique()" },
	{ "a flat exponent", "zipf(1000)", "zipf(1000, 0.75)" },
	{ "every fault", "at \"5s\" { kill = \"DNS1\" }",
	  "at \"1s\" { loss = \"DNS1\", ratio = 0.0625 } "
	  "at \"1s\" { delay = \"LB1\", by = \"3ms\" } "
	  "at \"2s\" { servfail = \"DNS3\" } "
	  "at \"2s\" { slow = \"DNS3\", by = \"1ms\", ratio = 0.5 } "
	  "at \"2s\" { wrong = \"DNS3\", ratio = 0 } at \"2s\" { truncate = \"DNS3\" } "
	  "at \"2s\" { refuse = \"DNS3\" } at \"2s\" { drop = \"DNS3\" } "
	  "at \"3s\" { hang = \"DNS3\" } at \"3s\" { resume = \"DNS3\" } "
	  "at \"4s\" { blackhole = \"clients\" } at \"4.5s\" { heal = \"clients\" } "
	  "at \"5s\" { kill = \"DNS1\" }" },
	{ "claims with everything", "cache { hits = 0.5 }",
	  "cache { hits = 0.5, within = \"2ms\", during = { \"1s\", \"2s\" }, flake = 1e-7 }, "
	  "latency { within = \"1s\", quantile = 0.9 }" },
	{ "counts in the model's place", "lost { at_most = \"model\" }", "lost { at_most = 77 }" },
	{ "answers with a count", "answers { wrong = 0, duplicate = 0 }",
	  "answers { wrong = 3, duplicate = 4, error = 5 }" },
	{ "a plain return", "to = \"share\", within = \"3s\"", "to = \"first\", within = \"3s\", "
	  "miss = 1e-3" },
	{ "nothing claimed but answers", "lost { at_most = \"model\" }", "answers {}" },
	{ "a machine of its own", "links = {",
	  "wake = \"44us\", balancer_start = \"6ms\", recursor_start = \"3ms\", "
	  "balancer_wake = \"25us\", balancer_return = \"20us\", recursor_wake = \"27us\", "
	  "links = {" },
	{ "globals", "lab {", "seed = 99\nengines = { \"virtual\" }\n"
	  "limits { slack = \"33ms\", loop_gap = \"1s\" }\nlab {" },
};

static void every_turn_of_the_language_comes_back(void **state)
{
	static const char *const set[] = { "expect.even.catch=0.25", "expect.back.catch=0.25",
	                                   NULL };
	struct plan_options o = { .set = set };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		plan_write_all();
		plan_write_changed("s.lua", plan_scenario, changes[i].from, changes[i].to);
		print_message("%s\n", changes[i].what);
		same_again("s.lua", &o);
	}
}

static void a_scenario_in_another_folder_names_the_same_files(void **state)
{
	char error[PLAN_ERROR_TEXT] = "";

	(void)state;
	plan_write_all();
	struct plan *p = plan_load("s.lua", NULL, error);
	assert_non_null(p);
	char *a = canonical(p);
	assert_int_equal(mkdir("deep", 0700), 0);
	assert_int_equal(chdir("deep"), 0);
	struct plan *q = again(p, "again.lua");
	char *b = canonical(q);
	assert_string_equal(a, b);
	unlink("again.lua");
	assert_int_equal(chdir(".."), 0);
	assert_int_equal(rmdir("deep"), 0);
	free(a);
	free(b);
	plan_free(p);
	plan_free(q);
}

static int open_folder(void **state)
{
	return getcwd(home, sizeof(home)) != NULL ? plan_folder_open(state) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scenario_comes_back_from_its_plan),
		cmocka_unit_test(every_turn_of_the_language_comes_back),
		cmocka_unit_test(a_scenario_in_another_folder_names_the_same_files),
	};

	return cmocka_run_group_tests(tests, open_folder, plan_folder_close);
}
