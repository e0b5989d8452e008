/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel judge: makes a run directory's verdict again from its files; or judges captures. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "sim/judge/judge.h"
#include "sim/report/report.h"

void judge_usage(FILE *to)
{
	fputs("usage: evenkeel judge [--json] RUN_DIR...\n"
	      "       evenkeel judge (--policy P --backend NAME=ADDR[,WEIGHT]... | --config FILE)\n"
	      "                      [OPTION]... CAPTURE...\n\n"
	      "Judges each run directory again from plan.json, events.jsonl and its captures;\n"
	      "writes verdict.json, report.txt, report.html, junit.xml and report.tap anew and\n"
	      "prints the verdict. The same directory gives the same bytes.\n\n"
	      "  --json  print verdict documents, one a line, instead of text\n"
	      "  --help  this text\n\n", to);
	judge_foreign_usage(to);
	fputs("\nExit status: the worst of all: 4 INVALID, 1 FAIL, 3 INCONCLUSIVE, 0 PASS; 2 when\n"
	      "there is nothing to judge.\n", to);
}

/* Judges one directory. Returns 0, or -1 when there is nothing to judge. */
static int judge_one(const char *dir, bool json, enum verdict *worst)
{
	char error[JUDGE_ERROR_TEXT] = "";
	json_t *doc = judge_run(dir, error);

	if (doc == NULL) {
		fprintf(stderr, "evenkeel judge: %s\n", error);
		return -1;
	}
	int err = report_write(dir, doc);
	if (err < 0)
		fprintf(stderr, "evenkeel judge: %s: can't write the verdict: %s\n", dir,
		        strerror(-err));
	if (json) {
		json_dumpf(doc, stdout, JSON_SORT_KEYS | JSON_COMPACT);
		putchar('\n');
	} else {
		report_text(stdout, doc, dir, isatty(STDOUT_FILENO) == 1);
	}
	enum verdict v = judge_verdict(doc);
	*worst = v > *worst ? v : *worst;
	json_decref(doc);
	return err < 0 ? -1 : 0;
}

/* Some option is one of those that name who is who in captures. */
static bool names_servers(int argc, char **argv)
{
	static const char *const option[] = { "--policy", "--backend", "--config" };

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		for (size_t k = 0; k < COUNT_OF(option); k++) {
			size_t n = strlen(option[k]);
			if (strncmp(argv[i], option[k], n) == 0 &&
			    (argv[i][n] == '\0' || argv[i][n] == '='))
				return true;
		}
	return false;
}

int cmd_judge(int argc, char **argv)
{
	enum verdict worst = VERDICT_PASS;
	bool json = false;
	int first = 1, bad = 0;

	if (names_servers(argc, argv))
		return cmd_judge_foreign(argc, argv);
	for (; first < argc && argv[first][0] == '-'; first++) {
		if (strcmp(argv[first], "--help") == 0) {
			judge_usage(stdout);
			return 0;
		}
		if (strcmp(argv[first], "--json") != 0) {
			fprintf(stderr, "evenkeel judge: unknown option '%s': expected --json or "
			        "--help; to judge captures, --policy and --backend, or --config\n",
			        argv[first]);
			return EXIT_USAGE;
		}
		json = true;
	}
	if (first == argc) {
		fprintf(stderr, "evenkeel judge: no run directory given: see evenkeel judge "
		        "--help\n");
		return EXIT_USAGE;
	}
	for (int i = first; i < argc; i++)
		bad |= judge_one(argv[i], json, &worst);
	return bad != 0 ? EXIT_USAGE : judge_exit_status(worst);
}
