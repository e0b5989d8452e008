/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --defect of a test-only build: what was chosen, for the one command that this process runs. Any
 * other build has nothing of it, nor the option.
 */
#include "cmd.h"

#ifdef EK_DEFECTS
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/virtual/defect.h"

static struct defects chosen;

int defects_choose(const char *text)
{
	char error[DEFECT_TEXT];

	if (strcmp(text, "list") == 0) {
		defects_list(stdout);
		exit(fflush(stdout) == 0 ? EXIT_PASS : EXIT_USAGE);
	}
	if (defects_parse(&chosen, text, error) == 0)
		return 0;
	fprintf(stderr, "evenkeel: %s\n", error);
	return -EINVAL;
}

bool defects_chosen(void)
{
	return chosen.on != 0;
}

json_t *defects_virtual_run(const struct plan *p, const struct virtual_options *o,
                            char error[VIRTUAL_ERROR_TEXT])
{
	return chosen.on != 0 ? defects_run(&chosen, p, o, error) : virtual_run(p, o, error);
}

const char *const *defects_told(const char *const *set)
{
	static char text[DEFECTS][DEFECT_TEXT + 16];
	char own[DEFECT_TEXT];
	static const char **all;
	size_t n = 0;

	while (set[n] != NULL)
		n++;
	free(all);
	all = calloc(n + DEFECTS + 1, sizeof(*all));
	MUST(all != NULL);
	for (size_t i = 0; i < n; i++)
		all[i] = set[i];
	for (unsigned d = 0; d < DEFECTS; d++)
		if ((chosen.on >> d & 1) != 0) {
			defect_text(&chosen, (enum defect)d, own);
			snprintf(text[d], sizeof(text[d]), "--defect %s", own);
			all[n++] = text[d];
		}
	return all;
}
#endif
