/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evenkeel search: random schedules of faults on one scenario in virtual time, all or one shard of
 * them, and shards put together again; what fails is shrunk to a scenario of its own. What is
 * written depends on scenario, options and seeds alone.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "rundir.h"
#include "sim/plan/plan_io.h"
#include "sim/report/fmt.h"
#include "sim/search/find.h"
#include "sim/seeds/sum.h"
#include "sweep.h"

#define SEED_MAX (UINT64_C(1) << 53) /* as a scenario may say it */

struct arguments {
	const char **set;
	unsigned set_n;
	const char *faults, *nodes, *keep, *shard, *out;
	uint64_t runs, seed, jobs, max_faults;
	bool merge, others;     /* others: an option that --merge has from its directories */
	char **rest;            /* the scenario, or directories to merge */
	unsigned rest_n;
};

/* A search that is set up: from the command line, or from the first line of a shard's file. */
struct search {
	struct plan *plan;
	struct search_base base;
	struct seeds_result r;
};

static void usage(FILE *to)
{
	fputs("usage: evenkeel search --faults LIST --runs N [OPTION]... SCENARIO.lua\n"
	      "       evenkeel search --merge [--out DIR] DIR...\n\n"
	      "Runs the scenario's lab and load in virtual time, each run with a timeline of\n"
	      "faults that its seed draws, under the programs' invariants and the claims that\n"
	      "must hold whatever happens. A timeline that fails is made small, and written\n"
	      "as a scenario with the command that repeats it.\n\n"
	      "  --faults LIST      which faults, of kill, hang, blackhole, loss, delay, jitter,\n"
	      "                     duplicate, reorder, rate, cut, servfail, slow, wrong,\n"
	      "                     truncate, refuse, drop; what ends them comes with them\n"
	      "  --runs N           so many timelines, 1 ... 1000000\n"
	      "  --seed S           the first one's seed (1); the next one's is S + 1\n"
	      "  --nodes LIST       whom faults happen to (all recursors)\n"
	      "  --max-faults K     events of a timeline, ends too, 1 ... 100 (20)\n"
	      "  --keep LIST        kinds of claims that the scenario's own are kept of:\n"
	      "                     lost, latency, ...\n"
	      "  --jobs N           so many runs at once (one for each processor)\n"
	      "  --shard I/N        only the I-th of N parts of the seeds, from 1\n"
	      "  --out DIR          for the rows, the table and the scenarios\n"
	      "                     (search/SCENARIO-SEED; a part adds .I-of-N)\n"
	      "  --set PATH=VALUE   a value in the scenario's place: load.rate=2000; repeatable\n"
	      "  --merge            put all parts' directories together\n"
	      "  --help             print this\n\n"
	      "Exit status: 0 nothing failed, 1 a failure was found, 2 usage or scenario error,\n"
	      "4 a run was INVALID, or stopped by a signal: then nothing is written.\n", to);
}

/* ---- the command line ---- */

enum { SET = 256, FAULTS, RUNS, SEED, NODES, MAX, KEEP, JOBS, SHARD, OUT, MERGE, HELP };

static int parse_option(struct arguments *a, int c, const char *value)
{
	a->others = a->others || (c != OUT && c != MERGE && c != JOBS);
	switch (c) {
	case SET: a->set[a->set_n++] = value; break;
	case FAULTS: a->faults = value; break;
	case NODES: a->nodes = value; break;
	case KEEP: a->keep = value; break;
	case SHARD: a->shard = value; break;
	case OUT: a->out = value; break;
	case MERGE: a->merge = true; break;
	case RUNS: return parse_number("runs", value, 1, SEEDS_MAX, &a->runs);
	case SEED: return parse_number("seed", value, 0, SEED_MAX - SEEDS_MAX, &a->seed);
	case JOBS: return parse_number("jobs", value, 1, SEEDS_JOBS_MAX, &a->jobs);
	case MAX:
		return parse_number("max-faults", value, 1, SEARCH_EVENTS_MAX, &a->max_faults);
#ifdef EK_DEFECTS
	case DEFECT_CHOSEN: return defects_choose(value);
#endif
	default: return -EINVAL;
	}
	return 0;
}

/* What is left on the command line fits what is to be done. An exit status, or -1. */
static int check(const struct arguments *a)
{
	if (a->merge && a->others)
		return complain("--merge: expected directories, --out and --jobs only: the rest "
		                "is in the directories");
	if (a->merge && a->rest_n == 0)
		return complain("--merge: no directory given: see evenkeel search --help");
	if (a->merge)
		return -1;
	if (a->faults == NULL)
		return complain("search: no --faults given: expected --faults LIST, as in "
		                "kill,hang,loss");
	if (a->runs == 0)
		return complain("search: no --runs given: expected --runs N");
	if (a->rest_n == 1)
		return -1;
	fprintf(stderr, "evenkeel search: %u scenarios given: expected one: see evenkeel search "
	        "--help\n", a->rest_n);
	return EXIT_USAGE;
}

static int parse(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{ "set", required_argument, NULL, SET },
		{ "faults", required_argument, NULL, FAULTS },
		{ "runs", required_argument, NULL, RUNS },
		{ "seed", required_argument, NULL, SEED },
		{ "nodes", required_argument, NULL, NODES },
		{ "max-faults", required_argument, NULL, MAX },
		{ "keep", required_argument, NULL, KEEP },
		{ "jobs", required_argument, NULL, JOBS },
		{ "shard", required_argument, NULL, SHARD },
		{ "out", required_argument, NULL, OUT }, { "merge", no_argument, NULL, MERGE },
		{ "help", no_argument, NULL, HELP },
		DEFECT_OPTION
		{ 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == HELP) {
			usage(stdout);
			return EXIT_PASS;
		}
		if (parse_option(a, c, optarg) != 0)
			return EXIT_USAGE;
	}
	a->rest = argv + optind;
	a->rest_n = (unsigned)(argc - optind);
	return check(a);
}

/* ---- setting up ---- */

/* The scenario, and what may be drawn. An exit status, or -1. nodes, keep: a list or NULL. */
static int set_up(struct search *s, const char *path, const char *const *set, const char *faults,
                  const char *nodes, const char *keep, uint64_t max_faults)
{
	struct plan_options options = { .set = set };
	char error[PLAN_ERROR_TEXT];
	STATIC_MUST((int)SEARCH_ERROR <= (int)PLAN_ERROR_TEXT);

	s->plan = plan_load(path, &options, error);
	if (s->plan == NULL)
		return complain(error);
	int status = sweep_refuses(s->plan, path);
	if (status != -1)
		return status;
	s->plan->fault_n = 0;
	s->base.plan = s->plan;
	s->base.spec.max_events = (unsigned)max_faults;
	if (search_kinds_parse(&s->base.spec, faults, error) != 0 ||
	    search_nodes_parse(&s->base.spec, s->plan, nodes, error) != 0 ||
	    (keep != NULL && search_keep_parse(&s->base, keep, error) != 0))
		return complain(error);
	return -1;
}

/* What the first line tells beside what a sweep tells. */
static json_t *head_of(const struct arguments *a, const struct search *s)
{
	json_t *faults = json_array(), *nodes = json_array();

	for (int k = PLAN_KILL; k < 32; k++)
		if (s->base.spec.kinds >> k & 1)
			json_array_append_new(faults, json_string(
			                      plan_fault_name((enum plan_fault_kind)k)));
	for (unsigned i = 0; i < s->base.spec.node_n; i++)
		json_array_append_new(nodes, json_string(
		                      s->plan->node[s->base.spec.node[i]].name));
	return json_pack("{s:o, s:o, s:i, s:s?}", "faults", faults, "nodes", nodes, "max_faults",
	                 (int)a->max_faults, "keep", a->keep);
}

/* ---- the end of both ---- */

static int prepare(const struct arguments *a, const struct seeds_result *r, char dir[RUNDIR_PATH])
{
	char usual[384];

	snprintf(usual, sizeof(usual), "search/%.255s-%llu", js_str(r->head, "scenario", ""),
	         (unsigned long long)r->range.first);
	return sweep_prepare(r, a->out, usual, dir);
}

static void clear(const char *dir)
{
	char path[RUNDIR_PATH + 64];

	for (unsigned i = 1; i <= SEARCH_SHRUNK; i++) {
		snprintf(path, sizeof(path), "%s/failure-%u.lua", dir, i);
		(void)unlink(path);
	}
}

static void write_failure(const struct search_found *f, json_t *e, const json_t *head, unsigned i,
                          const char *dir)
{
	char name[64], *text = NULL, *again;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	snprintf(name, sizeof(name), "failure-%u.lua", i);
	again = search_again(head, name);
	search_write(to, f, js_str(e, "signature", "?"), again, dir);
	MUST(fclose(to) == 0);
	int err = rundir_write(dir, name, text);
	free(text);
	if (err != 0) {
		json_object_set_new(e, "unshrunk", json_sprintf("%s: %s", name, strerror(-err)));
		free(again);
		return;
	}
	json_object_set_new(e, "file", json_string(name));
	json_object_set_new(e, "events", json_integer(f->before));
	json_object_set_new(e, "events_shrunk", json_integer(f->after));
	json_object_set_new(e, "tries", json_integer(f->tries));
	json_object_set_new(e, "again", json_string(again));
	free(again);
}

/* Shrinks the first of each kind. -1 to go on, or an exit status. */
static int shrink_all(const struct search *s, const struct search_how *how, json_t *sum,
                      const char *dir)
{
	json_t *list = json_object_get(sum, "failures");
	char error[SEEDS_ERROR];

	clear(dir);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *e = json_array_get(list, i);
		uint64_t seed = (uint64_t)js_int(e, "first", 0);
		struct search_found f;
		char *again = search_repeat(s->r.head, seed);
		json_object_set_new(e, "repeat", json_string(again));
		free(again);
		if (i >= SEARCH_SHRUNK) {
			json_object_set_new(e, "unshrunk", json_string("one kind too many"));
			continue;
		}
		int err = search_shrink_seed(&f, how, seed, js_str(e, "signature", ""), error);
		if (err == -EINTR) {
			fprintf(stderr, "evenkeel: stopped by signal %d: nothing is written\n",
			        (int)sweep_stop);
			return EXIT_INVALID;
		}
		if (err != 0)
			json_object_set_new(e, "unshrunk", json_string(error));
		else
			write_failure(&f, e, s->r.head, (unsigned)i + 1, dir);
		search_plan_free(f.plan);
	}
	return -1;
}

/* Shrinks, writes and prints. An exit status. */
static int conclude(const struct search *s, const struct search_how *how, const char *dir)
{
	json_t *sum = search_sum(&s->r);
	int status = shrink_all(s, how, sum, dir);
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	search_print(to, sum);
	MUST(fclose(to) == 0);
	if (status == -1) {
		int err = seeds_result_write(&s->r, dir, sum, text);
		if (err != 0)
			fprintf(stderr, "evenkeel: %s: can't write the result: %s\n", dir,
			        strerror(-err));
		fputs(text, stdout);
		status = strcmp(js_verdict(sum), "FAIL") == 0 ? EXIT_FAIL
		         : strcmp(js_verdict(sum), "INVALID") == 0 ? EXIT_INVALID : EXIT_PASS;
		if (err != 0 || fflush(stdout) != 0 || ferror(stdout))
			status = EXIT_USAGE;
		else
			fprintf(stderr, "evenkeel: files are in %s\n", dir);
	}
	free(text);
	json_decref(sum);
	return status;
}

/* ---- runs ---- */

static struct search_how how_of(const struct arguments *a, const struct search *s)
{
	return (struct search_how){ .base = &s->base, .run = VIRTUAL_RUN, .stop = &sweep_stop,
	                            .jobs = sweep_jobs(a->jobs, &s->r) };
}

/* Makes all runs. An exit status, or -1 to go on. */
static int run_all(struct search *s, struct search_how how)
{
	struct sweep_bar bar;
	char error[SEEDS_ERROR];

	how.progress = sweep_progress;
	how.progress_arg = &bar;
	sweep_begin(&bar, s->plan->name, &s->r);
	return sweep_end(&bar, search_run(&s->r, &how, error), error, how.jobs);
}

static int search(const struct arguments *a, struct search *s)
{
	struct seeds_what what = { .plan = s->plan, .path = a->rest[0], .set = defects_told(a->set),
	                           .range = { a->seed, a->seed + a->runs - 1 } };
	char error[SEEDS_ERROR], dir[RUNDIR_PATH], all[32];

	snprintf(all, sizeof(all), "%llu runs", (unsigned long long)a->runs);
	int status = sweep_shard(a->shard, &what.range, all, "runs", &what.shard);

	if (status != -1)
		return status;
	if (seeds_result_init(&s->r, &what, error) != 0)
		return complain(error);
	json_object_set_new(s->r.head, "expectations", json_array()); /* each run has its own */
	json_object_set_new(s->r.head, "search", head_of(a, s));
	struct search_how how = how_of(a, s);
	status = prepare(a, &s->r, dir);
	if (status == -1) {
		status = run_all(s, how);
		if (status != -1)
			(void)rmdir(dir); /* only one that is empty goes */
	}
	return status == -1 ? conclude(s, &how, dir) : status;
}

/* ---- merging ---- */

/* The scenario again, as the parts' first line names it: failures are shrunk anew. */
static int set_up_again(struct search *s)
{
	const json_t *what = js_get(s->r.head, "search"), *given = js_get(s->r.head, "set");
	char *faults = search_words(js_get(what, "faults"));
	char *nodes = search_words(js_get(what, "nodes"));
	const char **set = calloc(json_array_size(given) + 1, sizeof(*set));
	const char *path = js_str(s->r.head, "path", "");
	char sha[65];

	MUST(set != NULL);
	size_t n = 0;
	int status = -1;
	for (size_t i = 0; i < json_array_size(given); i++) {
		set[n] = json_string_value(json_array_get(given, i));
		if (!seeds_is_defect(set[n])) {
			n++;
			continue;
		}
#ifdef EK_DEFECTS
		if (defects_choose(set[n] + strlen("--defect ")) != 0)
			status = EXIT_USAGE;
#endif
	}
	set[n] = NULL;
	if (status == -1)
		status = set_up(s, path, set, faults, nodes, js_str(what, "keep", NULL),
		                (uint64_t)js_int(what, "max_faults", 1));
	if (status == -1) {
		seeds_plan_sha256(s->plan, sha);
		if (strcmp(sha, js_str(s->r.head, "plan_sha256", "")) != 0) {
			fprintf(stderr, "evenkeel: %s: has changed since the search: expected the "
			        "plan %.16s\n", path, js_str(s->r.head, "plan_sha256", ""));
			status = EXIT_USAGE;
		}
	}
	free(set);
	free(faults);
	free(nodes);
	return status;
}

static int merge(const struct arguments *a, struct search *s)
{
	char dir[RUNDIR_PATH];
	int status = sweep_merge(a->rest, a->rest_n, true, &s->r);

	if (status == -1)
		status = set_up_again(s);
	if (status == -1)
		status = prepare(a, &s->r, dir);
	struct search_how how = how_of(a, s);
	return status == -1 ? conclude(s, &how, dir) : status;
}

int cmd_search(int argc, char **argv)
{
	struct arguments a = { .set = calloc((size_t)argc + 1, sizeof(*a.set)), .seed = 1,
	                       .max_faults = 20 };
	struct search *s = calloc(1, sizeof(*s));
	int status;

	MUST(a.set != NULL && s != NULL);
	status = parse(&a, argc, argv);
	sweep_listen();
	if (status == -1 && a.merge) {
		status = merge(&a, s);
	} else if (status == -1) {
		status = set_up(s, a.rest[0], a.set, a.faults, a.nodes, a.keep, a.max_faults);
		status = status == -1 ? search(&a, s) : status;
	}
	seeds_result_free(&s->r);
	if (s->plan != NULL)
		plan_free(s->plan);
	free(s);
	free(a.set);
	return status;
}
