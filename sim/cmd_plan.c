/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evenkeel plan: prints what a scenario comes to, and what is wrong with it; with --virtual also
 * what some runs in virtual time measured, beside the bounds, for people.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "lib/host/host.h"
#include "sim/plan/load.h"
#include "sim/plan/print.h"
#include "sim/report/fmt.h"
#include "sim/report/progress.h"
#include "sim/seeds/pool.h"
#include "sim/seeds/print.h"
#include "sim/seeds/sum.h"
#include "sweep.h"

enum { VIRTUAL_MAX = 100000 };
STATIC_MUST((int)VIRTUAL_ERROR_TEXT >= (int)SEEDS_ERROR);

struct arguments {
	struct plan_options options;
	const char **set;
	unsigned set_n;
	uint64_t seed;
	bool json;
	uint64_t runs;          /* in virtual time, with seeds 1...runs */
	const char *scenario;
};

static void usage(FILE *to)
{
	fputs("usage: evenkeel plan [OPTION]... SCENARIO.lua\n\n"
	      "Prints what the scenario comes to: nodes, load, timeline, bounds, sample sizes, "
		"and\n"
	      "notes on what is odd. What is wrong is refused with file and line, and exit status "
		"2.\n\n"
	      "  --set PATH=VALUE   a value in the scenario's place: load.rate=2000; repeatable\n"
	      "  --seed N           the seed of every random draw, 0 ... 9223372036854775807\n"
	      "  --balancer PROG    a program in our balancer's place, dnsdist\n"
	      "  --recursor PROG    a program in our recursor-stub's place, pdns_recursor\n"
	      "  --virtual N        also run it N times in virtual time, seeds 1...N, and print\n"
	      "                     quantiles of what that measured beside the bounds; nothing\n"
	      "                     is judged by them\n"
	      "  --json             print plan.json\n"
	      "  --help             print this\n", to);
}

/* Returns -1 to go on, or an exit status. */
static int parse(struct arguments *a, int argc, char **argv)
{
	enum { SET = 256, SEED, BALANCER, RECURSOR, VIRTUAL, JSON, HELP };
	static const struct option options[] = {
		{ "set", required_argument, NULL, SET }, { "seed", required_argument, NULL, SEED },
		{ "balancer", required_argument, NULL, BALANCER },
		{ "recursor", required_argument, NULL, RECURSOR },
		{ "virtual", required_argument, NULL, VIRTUAL },
		{ "json", no_argument, NULL, JSON }, { "help", no_argument, NULL, HELP },
		DEFECT_OPTION
		{ 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case SET: a->set[a->set_n++] = optarg; break;
		case BALANCER: a->options.balancer = optarg; break;
		case RECURSOR: a->options.recursor = optarg; break;
		case JSON: a->json = true; break;
		case SEED:
			a->options.seed = &a->seed;
			if (parse_number("seed", optarg, 0, INT64_MAX, &a->seed) != 0)
				return EXIT_USAGE;
			break;
		case VIRTUAL:
			if (parse_number("virtual", optarg, 1, VIRTUAL_MAX, &a->runs) != 0)
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
	if (optind + 1 != argc) {
		fprintf(stderr, "evenkeel plan: %d scenarios given: expected one: see evenkeel "
		        "plan --help\n", argc - optind);
		return EXIT_USAGE;
	}
	if (a->json && a->runs > 0) {
		fprintf(stderr, "evenkeel plan: --virtual and --json: expected one of them\n");
		return EXIT_USAGE;
	}
	a->scenario = argv[optind];
	return -1;
}

/* ---- runs in virtual time ---- */

static void print_head(void *arg, FILE *to)
{
	const json_t *summary = arg;
	char n[FMT_TEXT];

	fprintf(to, "  Below each bound: what %s runs in virtual time measured. Quantiles are for "
	        "people,\n  nothing is judged by them.\n",
	        fmt_count(n, js_int(summary, "runs", 0)));
	seeds_print_head(to, 4);
}

static void print_quantiles(void *arg, FILE *to, unsigned expect)
{
	const json_t *summary = arg;
	const json_t *e = json_array_get(js_get(summary, "expectations"), expect);
	int64_t runs = js_int(summary, "runs", 0);
	int64_t pass = js_int(js_get(e, "verdicts"), "PASS", 0);

	seeds_print_measures(to, 4, js_str(e, "kind", ""), js_get(e, "measures"));
	if (pass < runs)
		fprintf(to, "    not PASS in %lld of %lld runs: evenkeel seeds tells more\n",
		        (long long)(runs - pass), (long long)runs);
}

static void print_phases(FILE *to, const json_t *summary)
{
	const json_t *phases = js_get(summary, "phases");

	fputs("\nPhases in virtual time\n", to);
	seeds_print_head(to, 4);
	for (size_t i = 0; i < json_array_size(phases); i++) {
		const json_t *phase = json_array_get(phases, i);
		fprintf(to, "  %s %s\n", i > 0 ? "after" : "phase", js_str(phase, "what", "?"));
		seeds_print_measures(to, 4, NULL, js_get(phase, "measures"));
	}
}

struct show {
	struct progress bar;
	uint64_t all;
};

static void show(void *arg, uint64_t done, uint64_t not_pass)
{
	struct show *s = arg;

	(void)not_pass;
	progress_update(&s->bar, host_mono_ns(), (int64_t)done, (int64_t)s->all, "virtual runs");
}

/* Runs it and sums up; NULL with a complaint made when it can't be run. New reference. */
static json_t *run_virtual(const struct arguments *a, const struct plan *p)
{
	static volatile sig_atomic_t never;
	char error[SEEDS_ERROR];
	struct seeds_what what = { p, a->scenario, a->set, { 1, a->runs }, { 1, 1 } };
	struct show s = { .all = a->runs };
	struct seeds_pool_options o = { .plan = p, .run = VIRTUAL_RUN, .stop = &never,
	                                .progress = show, .progress_arg = &s };
	struct seeds_result r;

	if (sweep_refuses(p, a->scenario) != SWEEP_ON)
		return NULL;
	int err = seeds_result_init(&r, &what, error);
	if (err == 0) {
		progress_start(&s.bar, stderr, p->name, host_mono_ns());
		err = seeds_here(&r, &o, error);
		progress_end(&s.bar);
	}
	json_t *summary = err == 0 ? seeds_sum(&r) : NULL;
	if (err != 0)
		fprintf(stderr, "evenkeel: %s: %s\n", a->scenario, error);
	seeds_result_free(&r);
	return summary;
}

static int print_with_runs(const struct arguments *a, const struct plan *p)
{
	json_t *summary = run_virtual(a, p);
	struct plan_beside beside = { print_head, print_quantiles, summary };

	if (summary == NULL)
		return -1;
	plan_print(stdout, p, &beside);
	print_phases(stdout, summary);
	json_decref(summary);
	return 0;
}

static int print(const struct arguments *a, const struct plan *p, const struct lint *lint)
{
	json_t *j = a->json ? plan_to_json(p) : NULL;

	if (j != NULL) {
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
		putchar('\n');
	} else {
		if (a->runs == 0)
			plan_print(stdout, p, NULL);
		else if (print_with_runs(a, p) != 0)
			return EXIT_USAGE;
		lint_print(stdout, lint, a->scenario, false);
	}
	json_decref(j);
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_PASS : EXIT_USAGE;
}

int cmd_plan(int argc, char **argv)
{
	char error[PLAN_ERROR_TEXT];
	struct arguments a = { .set = calloc((size_t)argc + 1, sizeof(*a.set)) };
	struct lint *lint = malloc(sizeof(*lint));
	int status;

	MUST(a.set != NULL && lint != NULL);
	a.options.set = a.set;
	status = parse(&a, argc, argv);
	if (status < 0) {
		struct plan *p = plan_load_noted(a.scenario, &a.options, lint, error);
		if (p != NULL)
			status = print(&a, p, lint);
		else
			status = EXIT_USAGE;
		if (p == NULL && lint_print(stderr, lint, a.scenario, true) == 0)
			fprintf(stderr, "evenkeel: %s\n", error);
		plan_free(p);
	}
	free(lint);
	free(a.set);
	return status;
}
