/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel plan: prints what a scenario comes to. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "sim/plan/load.h"

int cmd_plan(int argc, char **argv)
{
	char error[PLAN_ERROR_TEXT];
	struct plan_options o = { .set = (const char *const *)argv + 2 };
	if (argc < 2)
		return EXIT_USAGE;
	struct plan *p = plan_load(argv[1], &o, error);
	if (p == NULL) {
		fprintf(stderr, "evenkeel: %s\n", error);
		return EXIT_USAGE;
	}
	json_t *j = plan_to_json(p);
	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	putchar('\n');
	json_decref(j);
	plan_free(p);
	return EXIT_PASS;
}
