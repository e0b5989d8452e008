/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans in and out: from a scenario, to and from JSON. plan_to_json and plan_from_json are
 * inverses, so a run directory's plan.json is all that the judge needs, but for the captures that
 * loads replay. Not pure: reads files,
 * allocates.
 */
#ifndef EK_PLAN_IO_H
#define EK_PLAN_IO_H

#include <jansson.h>
#include <stdio.h>

#include "plan.h"

/* What the command line adds to a scenario. */
struct plan_options {
	const uint64_t *seed;       /* NULL: the scenario's, or 1 */
	const char *const *set;     /* "PATH=VALUE", "load.rate=2000"; ends with NULL; or NULL */
	const char *balancer;       /* program in our balancer's place; NULL: ours */
	const char *recursor;
};

enum { PLAN_ERROR_TEXT = 1024 };

/*
 * Evaluates a scenario. Returns the plan, which the caller frees with plan_free, or NULL with one
 * line in error: file, line, value and what was expected.
 */
struct plan *plan_load(const char *path, const struct plan_options *o,
                       char error[PLAN_ERROR_TEXT]);
void plan_free(struct plan *take_p);
/* Fills in what a configuration says, but for its path and texts; no node answers yet. */
void plan_conf_copy(struct plan_conf *c, const struct bal_conf *b);

/* The canonical form: keys sorted, the same bytes for the same plan. New reference. */
json_t *plan_to_json(const struct plan *p);
struct plan *plan_from_json(const json_t *j, char error[PLAN_ERROR_TEXT]);
/*
 * Reads the captures that loads of a plan from JSON replay; plan_load has done so. Returns 0, or
 * -EINVAL with one line in error: a file is missing, or isn't what it was.
 */
int plan_read_captures(struct plan *p, char error[PLAN_ERROR_TEXT]) MUST_CHECK;
/* The canonical form as text without white space; the caller frees it. */
char *plan_to_text(const struct plan *p);
/*
 * Writes a scenario that plan_load makes the same plan of, but for lines, and name and path of the
 * scenario itself. dir: the folder that it is for, absolute; files are named relative to it. Other
 * programs than our own, and a seed above 2^53, aren't written: the command line says them.
 */
void plan_write_scenario(FILE *to, const struct plan *p, const char *dir);
/* SHA-256 of plan_to_text, in hex. */
void plan_sha256(const struct plan *p, char out[65]);

#endif
