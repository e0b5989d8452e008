/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of evenkeel: sim/cmd_NAME.c has one each, sim/main.c the table. */
#ifndef EK_CMD_H
#define EK_CMD_H

#include <stdint.h>

#include "lib/must.h"

/* Exit statuses of evenkeel. */
enum {
	EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_USAGE = 2, EXIT_INCONCLUSIVE = 3, EXIT_INVALID = 4,
	EXIT_CANT = 77, /* can't run here; CI systems take it for a skip */
};

/* Each gets argv from its own name on, and returns the exit status. */
int cmd_run(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_judge(int argc, char **argv);
int cmd_seeds(int argc, char **argv);
int cmd_search(int argc, char **argv);

/* What they share: options.c. */

/* --option's value, a whole number low...high; complains and returns -EINVAL otherwise. */
int parse_number(const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *out)
	MUST_CHECK;
/* How many processors this process may use; 1 when nobody tells. */
unsigned processors(void);
/* The worse of two exit statuses; can't run is worse than PASS and than nothing else. */
int worse(int a, int b);

#endif
