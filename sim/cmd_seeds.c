/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evenkeel seeds: one scenario with many seeds in virtual time, all or one shard of them, and
 * shards put together again. What is written depends on scenario, options and seeds alone.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "sim/plan/plan_io.h"
#include "sim/report/fmt.h"
#include "sim/seeds/pool.h"
#include "sim/seeds/print.h"
#include "sim/seeds/sum.h"
#include "sweep.h"

struct arguments {
	const char **set;
	unsigned set_n;
	const char *seeds, *shard, *out;
	uint64_t jobs;
	bool json, merge;
	char **rest;            /* the scenario, or directories to merge */
	unsigned rest_n;
	struct seeds_range range;
	struct seeds_shard part;
};

static void usage(FILE *to)
{
	fputs("usage: evenkeel seeds --seeds A..B [OPTION]... SCENARIO.lua\n"
	      "       evenkeel seeds --merge [--out DIR] [--json] DIR...\n\n"
	      "Runs the scenario once with each seed in virtual time, and tells how many\n"
	      "runs came to which verdict and how what they measured is spread.\n\n"
	      "  --seeds A..B       the seeds, both ends included: 1..1000\n"
	      "  --jobs N           so many runs at once (one for each processor)\n"
	      "  --shard I/N        only the I-th of N parts of the seeds, from 1; 1/1: all.\n"
	      "                     Without it EVENKEEL_SHARD=I/N, a Slurm array, an indexed\n"
	      "                     Job of Kubernetes or GitLab's parallel may say so\n"
	      "  --out DIR          for seeds.jsonl, seeds.json, seeds.txt\n"
	      "                     (runs/SCENARIO-seeds-A..B; a part adds .I-of-N)\n"
	      "  --set PATH=VALUE   a value in the scenario's place: load.rate=2000; repeatable\n"
	      "  --json             print seeds.json, in one line\n"
	      "  --merge            put all parts' directories together\n"
	      "  --help             print this\n\n"
	      "Exit status, the worst of all runs: 0 PASS, 1 FAIL, 2 usage or scenario error,\n"
	      "3 INCONCLUSIVE, 4 INVALID, or stopped by a signal: then nothing is written.\n", to);
}

/* ---- the command line ---- */

/* Which seeds: an exit status, or -1 to go on. */
static int choose(struct arguments *a)
{
	char error[SEEDS_ERROR], all[80];

	if (a->seeds == NULL)
		return complain("seeds: no --seeds given: expected --seeds A..B, as in 1..1000");
	if (seeds_range_parse(a->seeds, &a->range, error) != 0)
		return complain(error);
	snprintf(all, sizeof(all), "seeds %.64s", a->seeds);
	return sweep_shard(a->shard, &a->range, all, "seeds", &a->part);
}

/* What is left on the command line fits what is to be done. An exit status, or -1. */
static int check(struct arguments *a)
{
	if (a->merge && (a->seeds != NULL || a->shard != NULL || a->set_n > 0 || a->jobs > 0))
		return complain("--merge: expected directories, --out and --json only: the rest "
		                "is in the directories");
	if (a->merge && a->rest_n == 0)
		return complain("--merge: no directory given: see evenkeel seeds --help");
	if (a->merge)
		return -1;
	if (a->rest_n != 1) {
		fprintf(stderr, "evenkeel seeds: %u scenarios given: expected one: see evenkeel "
		        "seeds --help\n", a->rest_n);
		return EXIT_USAGE;
	}
	return choose(a);
}

static int parse(struct arguments *a, int argc, char **argv)
{
	enum { SET = 256, SEEDS, JOBS, SHARD, OUT, JSON, MERGE, HELP };
	static const struct option options[] = {
		{ "set", required_argument, NULL, SET },
		{ "seeds", required_argument, NULL, SEEDS },
		{ "jobs", required_argument, NULL, JOBS },
		{ "shard", required_argument, NULL, SHARD },
		{ "out", required_argument, NULL, OUT }, { "json", no_argument, NULL, JSON },
		{ "merge", no_argument, NULL, MERGE }, { "help", no_argument, NULL, HELP },
		DEFECT_OPTION
		{ 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case SET: a->set[a->set_n++] = optarg; break;
		case SEEDS: a->seeds = optarg; break;
		case SHARD: a->shard = optarg; break;
		case OUT: a->out = optarg; break;
		case JSON: a->json = true; break;
		case MERGE: a->merge = true; break;
		case JOBS:
			if (parse_number("jobs", optarg, 1, SEEDS_JOBS_MAX, &a->jobs) != 0)
				return EXIT_USAGE;
			break;
#ifdef EK_DEFECTS
		case DEFECT_CHOSEN:
			if (defects_choose(optarg) != 0)
				return EXIT_USAGE;
			break;
#endif
		case HELP:
			usage(stdout);
			return EXIT_PASS;
		default:
			return EXIT_USAGE;
		}
	}
	a->rest = argv + optind;
	a->rest_n = (unsigned)(argc - optind);
	return check(a);
}

/* ---- the end of both ---- */

static int prepare(const struct arguments *a, const struct seeds_result *r, char dir[RUNDIR_PATH])
{
	char usual[384];

	snprintf(usual, sizeof(usual), "runs/%.255s-seeds-%llu..%llu",
	         js_str(r->head, "scenario", ""), (unsigned long long)r->range.first,
	         (unsigned long long)r->range.last);
	return sweep_prepare(r, a->out, usual, dir);
}

/* The worst of all runs' statuses. */
static int status_of(const json_t *summary)
{
	static const enum verdict all[] = { VERDICT_PASS, VERDICT_INCONCLUSIVE, VERDICT_FAIL,
	                                    VERDICT_INVALID };
	static const char *const names[] = { "PASS", "INCONCLUSIVE", "FAIL", "INVALID" };
	int status = EXIT_PASS;

	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (js_int(js_get(summary, "verdicts"), names[i], 0) > 0)
			status = worse(status, judge_exit_status(all[i]));
	return status;
}

/* Writes and prints it. An exit status. */
static int conclude(const struct arguments *a, const struct seeds_result *r, const char *dir)
{
	json_t *summary = seeds_sum(r);
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	seeds_print(to, summary);
	MUST(fclose(to) == 0);
	int err = seeds_result_write(r, dir, summary, text);
	if (err != 0)
		fprintf(stderr, "evenkeel: %s: can't write the result: %s\n", dir, strerror(-err));
	if (a->json) {
		json_dumpf(summary, stdout, JSON_SORT_KEYS | JSON_COMPACT);
		putchar('\n');
	} else {
		fputs(text, stdout);
	}
	int status = err != 0 || fflush(stdout) != 0 || ferror(stdout) ? EXIT_USAGE
	                                                              : status_of(summary);
	free(text);
	json_decref(summary);
	return status;
}

/* ---- runs ---- */

/* Makes all runs. An exit status, or -1 to go on. */
static int run_all(const struct arguments *a, const struct plan *p, struct seeds_result *r)
{
	struct sweep_bar bar;
	char error[SEEDS_ERROR];
	struct seeds_pool_options o = { .plan = p, .run = VIRTUAL_RUN, .stop = &sweep_stop,
	                                .jobs = sweep_jobs(a->jobs, r),
	                                .progress = sweep_progress, .progress_arg = &bar };

	sweep_begin(&bar, p->name, r);
	return sweep_end(&bar, seeds_pool(r, &o, error), error, o.jobs);
}

static int sweep(const struct arguments *a, const struct plan *p)
{
	char error[SEEDS_ERROR], dir[RUNDIR_PATH];
	struct seeds_what what = { .plan = p, .path = a->rest[0], .set = defects_told(a->set),
	                           .range = a->range, .shard = a->part };
	struct seeds_result r;

	int status = sweep_refuses(p, a->rest[0]);
	if (status != -1)
		return status;
	if (seeds_result_init(&r, &what, error) != 0)
		return complain(error);
	status = prepare(a, &r, dir);
	if (status == -1) {
		status = run_all(a, p, &r);
		if (status != -1)
			(void)rmdir(dir); /* only one that is empty goes */
	}
	if (status == -1)
		status = conclude(a, &r, dir);
	seeds_result_free(&r);
	return status;
}

static int run(const struct arguments *a)
{
	char error[PLAN_ERROR_TEXT];
	struct plan_options options = { .set = a->set };
	struct plan *p = plan_load(a->rest[0], &options, error);

	if (p == NULL)
		return complain(error);
	sweep_listen();
	int status = sweep(a, p);
	plan_free(p);
	return status;
}

/* ---- merging ---- */

static int merge(const struct arguments *a)
{
	struct seeds_result all = { 0 };
	char dir[RUNDIR_PATH];
	int status = sweep_merge(a->rest, a->rest_n, false, &all);

	if (status == -1)
		status = prepare(a, &all, dir);
	if (status == -1)
		status = conclude(a, &all, dir);
	seeds_result_free(&all);
	return status;
}

int cmd_seeds(int argc, char **argv)
{
	struct arguments a = { .set = calloc((size_t)argc + 1, sizeof(*a.set)), .part = { 1, 1 } };
	int status;

	MUST(a.set != NULL);
	status = parse(&a, argc, argv);
	if (status == -1)
		status = a.merge ? merge(&a) : run(&a);
	free(a.set);
	return status;
}
