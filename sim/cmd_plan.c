/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel plan: prints what a scenario comes to, and what is wrong with it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "sim/plan/load.h"
#include "sim/plan/print.h"

struct arguments {
	struct plan_options options;
	const char **set;
	unsigned set_n;
	uint64_t seed;
	bool json;
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
	      "  --json             print plan.json\n"
	      "  --help             print this\n", to);
}

/* Returns -1 to go on, or an exit status. */
static int parse(struct arguments *a, int argc, char **argv)
{
	enum { SET = 256, SEED, BALANCER, RECURSOR, JSON, HELP };
	static const struct option options[] = {
		{ "set", required_argument, NULL, SET }, { "seed", required_argument, NULL, SEED },
		{ "balancer", required_argument, NULL, BALANCER },
		{ "recursor", required_argument, NULL, RECURSOR },
		{ "json", no_argument, NULL, JSON }, { "help", no_argument, NULL, HELP }, { 0 },
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
	a->scenario = argv[optind];
	return -1;
}

static int print(const struct arguments *a, const struct plan *p, const struct lint *lint)
{
	json_t *j = a->json ? plan_to_json(p) : NULL;

	if (j != NULL) {
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
		putchar('\n');
	} else {
		plan_print(stdout, p);
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
