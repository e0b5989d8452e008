/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sweeps that no engine made, for tests of sim/seeds: a plan, and in the engine's place a function
 * that makes a verdict document out of a golden one, its values a function of the seed. Certain
 * seeds fail, crash, or can't be run, as a test says.
 */
#ifndef EK_TEST_SEEDS_RIG_H
#define EK_TEST_SEEDS_RIG_H

#include "lib/host/host.h"
#include "plan_files.h"
#include "sim/plan/plan_io.h"
#include "sim/report/fmt.h"
#include "sim/seeds/pool.h"
#include "sim/seeds/print.h"
#include "sim/seeds/row.h"
#include "sim/seeds/sum.h"

static struct {
	json_t *golden;              /* a netns run's document */
	struct plan *plan;
	uint64_t fail_each;          /* each seed that this divides fails; 0: none */
	uint64_t invalid, crash, refuse; /* these seeds; 0: none */
	uint64_t nothing, late;      /* LB1 never asks the dead, or late */
	volatile sig_atomic_t stop;
} rig;

static inline json_t *rig_even(uint64_t seed)
{
	return json_pack("{s:s, s:i, s:s, s:s, s:{s:i, s:f},"
	                 " s:{s:[{s:s, s:i, s:i}, {s:s, s:i, s:i}]}}",
	                 "kind", "even", "line", 16, "verdict", "PASS", "why", "",
	                 "bound", "catch_ppm", 100000, "miss", 1e-4, "measured", "servers",
	                 "name", "DNS1", "share_ppm", 500000 + (int)(seed * 37 % 1000),
	                 "expected_ppm", 500000, "name", "DNS3", "share_ppm",
	                 500000 - (int)(seed * 37 % 1000), "expected_ppm", 500000);
}

static inline void rig_fail(json_t *doc, const char *verdict)
{
	json_t *e = json_array_get(json_object_get(doc, "expectations"), 1);

	json_object_set_new(doc, "verdict", json_string(verdict));
	if (strcmp(verdict, "INVALID") == 0)
		json_array_append_new(json_object_get(doc, "invalid"), json_string("a reason"));
	else
		json_object_set_new(e, "verdict", json_string(verdict));
}

/* A seeds_run_fn. The document has the five expectations of the golden file and "even" before. */
static inline json_t *rig_run(const struct plan *p, const struct virtual_options *o,
                              char error[VIRTUAL_ERROR_TEXT])
{
	uint64_t seed = p->seed;

	(void)o;
	if (seed == rig.crash && seed != 0)
		abort();
	if (seed == rig.refuse && seed != 0) {
		snprintf(error, VIRTUAL_ERROR_TEXT, "no such\nthing");
		return NULL;
	}
	json_t *doc = json_deep_copy(rig.golden), *list = json_object_get(doc, "expectations");
	json_array_insert_new(list, 0, rig_even(seed));
	json_t *measured = json_object_get(json_array_get(list, 1), "measured");
	json_t *lb1 = json_array_get(json_object_get(measured, "balancers"), 0);
	json_object_set_new(lb1, "last_query_ns", json_integer((json_int_t)(seed * 1000000)));
	if (seed == rig.late && seed != 0)
		json_object_set_new(lb1, "last_query_ns", json_integer(2030636001));
	if (seed == rig.nothing && seed != 0) {
		json_object_set_new(lb1, "last_query_ns", json_null());
		measured = json_object_get(json_array_get(list, 2), "measured");
		lb1 = json_array_get(json_object_get(measured, "balancers"), 0);
		json_object_set_new(lb1, "first_query_ns", json_null());
		json_object_set_new(lb1, "at_share_from_ns", json_null());
	}
	json_object_set_new(doc, "seed", json_integer((json_int_t)seed));
	if (rig.fail_each > 0 && seed % rig.fail_each == 0)
		rig_fail(doc, "FAIL");
	if (seed == rig.invalid && seed != 0)
		rig_fail(doc, "INVALID");
	return doc;
}

static inline int rig_open(void **state)
{
	char error[PLAN_ERROR_TEXT];

	rig.golden = json_load_file("tests/golden/judge/small.json", 0, NULL);
	if (rig.golden == NULL || plan_folder_open(state) != 0)
		return -1;
	plan_write_all();
	rig.plan = plan_load("s.lua", &(struct plan_options){ 0 }, error);
	return rig.plan != NULL ? 0 : -1;
}

static inline int rig_close(void **state)
{
	json_decref(rig.golden);
	plan_free(rig.plan);
	return plan_folder_close(state);
}

static inline int rig_reset(void **state)
{
	(void)state;
	rig.fail_each = rig.invalid = rig.crash = rig.refuse = rig.nothing = rig.late = 0;
	rig.stop = 0;
	return 0;
}

/* A sweep of first..last, shard i of n; jobs 0: in this process. */
static inline int rig_sweep_try(struct seeds_result *r, uint64_t first, uint64_t last, uint64_t i,
                                uint64_t n, unsigned jobs, char error[SEEDS_ERROR])
{
	static const char *const set[] = { "load.rate=500", "at.1.kill=it's", NULL };
	struct seeds_what what = { rig.plan, "scenarios/s.lua", set, { first, last }, { i, n } };
	struct seeds_pool_options o = { .plan = rig.plan, .run = rig_run, .jobs = jobs,
	                                .stop = &rig.stop };

	MUST(seeds_result_init(r, &what, error) == 0);
	return jobs > 0 ? seeds_pool(r, &o, error) : seeds_here(r, &o, error);
}

static inline struct seeds_result rig_sweep(uint64_t first, uint64_t last, uint64_t i, uint64_t n)
{
	char error[SEEDS_ERROR];
	struct seeds_result r;

	MUST(rig_sweep_try(&r, first, last, i, n, 0, error) == 0);
	return r;
}

/* What is printed of a summary; the caller frees. */
static inline char *rig_text(const json_t *summary)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	seeds_print(to, summary);
	fclose(to);
	return text;
}

/* All that a sweep leaves, as one text; the caller frees. */
static inline char *rig_all(const struct seeds_result *r)
{
	json_t *summary = seeds_sum(r);
	char *text = rig_text(summary), *json = json_dumps(summary, JSON_SORT_KEYS), *out = NULL;
	char *head = json_dumps(r->head, JSON_SORT_KEYS);
	size_t len;
	FILE *to = open_memstream(&out, &len);

	MUST(to != NULL);
	fprintf(to, "%s\n%s\n%s\n", head, json, text);
	for (uint64_t k = 0; k < r->n; k++)
		fprintf(to, "%s\n", r->row[k]);
	fclose(to);
	free(text);
	free(json);
	free(head);
	json_decref(summary);
	return out;
}

#endif
