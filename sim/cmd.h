/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of evenkeel: sim/cmd_NAME.c has one each, sim/main.c the table. */
#ifndef EK_CMD_H
#define EK_CMD_H

#include <stdint.h>
#include <stdio.h>

#include "lib/must.h"
#include "sim/virtual/virtual.h"

/* Exit statuses of evenkeel. */
enum {
	EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_USAGE = 2, EXIT_INCONCLUSIVE = 3, EXIT_INVALID = 4,
	EXIT_CANT = 77, /* can't run here; CI systems take it for a skip */
};

/* Each gets argv from its own name on, and returns the exit status. */
int cmd_run(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_judge(int argc, char **argv);
/* evenkeel judge of captures that no run made: argv as cmd_judge's, when it has such options. */
int cmd_judge_foreign(int argc, char **argv);
/* What they do, with all options; the part about captures. */
void judge_usage(FILE *to);
void judge_foreign_usage(FILE *to);
int cmd_seeds(int argc, char **argv);
int cmd_search(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_pcap(int argc, char **argv);

/*
 * --defect, which a test-only build alone has (make MODE=defects): defects.c. DEFECT_OPTION is its
 * row of getopt's table, DEFECT_CASE its case; VIRTUAL_RUN makes runs with what was chosen.
 */
#ifdef EK_DEFECTS
enum { DEFECT_CHOSEN = 1000 };
#define DEFECT_OPTION { "defect", required_argument, NULL, DEFECT_CHOSEN },
#define VIRTUAL_RUN defects_virtual_run
/* Takes one, or complains and returns -EINVAL; "list" prints the table and ends the program. */
int defects_choose(const char *text) MUST_CHECK;
bool defects_chosen(void);
json_t *defects_virtual_run(const struct plan *p, const struct virtual_options *o,
                            char error[VIRTUAL_ERROR_TEXT])
	__attribute__((warn_unused_result));
/* set, and behind it what was chosen: for whoever must tell what was run. NULL-terminated. */
const char *const *defects_told(const char *const *set);
#else
#define DEFECT_OPTION
#define VIRTUAL_RUN virtual_run
static inline bool defects_chosen(void)
{
	return false;
}
static inline const char *const *defects_told(const char *const *set)
{
	return set;
}
#endif

/* What they share: options.c. */

/* Prints "evenkeel: text" as an error; returns EXIT_USAGE. */
int complain(const char *text);
/* --option's value, a whole number low...high; complains and returns -EINVAL otherwise. */
int parse_number(const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *out)
	MUST_CHECK;
/* How many processors this process may use; 1 when nobody tells. */
unsigned processors(void);
/* The worse of two exit statuses; can't run is worse than PASS and than nothing else. */
int worse(int a, int b);

#endif
