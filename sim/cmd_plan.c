/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel plan: not built yet. */
#include <stdio.h>

#include "cmd.h"

int cmd_plan(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "evenkeel %s: not built yet\n", argv[0]);
	return EXIT_USAGE;
}
