/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a plan.json. What is accepted must come out as it went in, byte for byte, and can be
 * linted and printed. The bug that EK_PLANT plants reads one word past a list of words.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/plan/lint.h"
#include "sim/plan/plan_io.h"
#include "sim/plan/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct plan *p)
{
	static struct lint lint;
	FILE *null = fopen("/dev/null", "w");

	MUST(null != NULL);
	lint = (struct lint){ 0 };
	lint_plan(&lint, p);
	plan_print(null, p, NULL);
	lint_print(null, &lint, "fuzz", false);
	fclose(null);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[PLAN_ERROR_TEXT];
	json_t *j = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
	struct plan *p = j != NULL ? plan_from_json(j, error) : NULL;

	if (p != NULL) {
		use(p);
		char *text = plan_to_text(p);
		json_t *again = json_loads(text, 0, NULL);
		struct plan *q = plan_from_json(again, error);
		MUST(q != NULL);
		char *twice = plan_to_text(q);
		MUST(strcmp(text, twice) == 0);
		free(text);
		free(twice);
		json_decref(again);
		plan_free(q);
	}
	plan_free(p);
	json_decref(j);
	return 0;
}
