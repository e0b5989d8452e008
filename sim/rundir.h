/* SPDX-License-Identifier: BSD-3-Clause */
/* Run directories: made, and made anew where an older run was; nothing else is ever removed. */
#ifndef EK_RUNDIR_H
#define EK_RUNDIR_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/must.h"

enum { RUNDIR_PATH = 4096, RUNDIR_ERROR = 512 };

/*
 * Makes dir and its parents. An existing one is emptied if all in it belongs to a run (it has a
 * plan.json and nothing but files of docs/run-directory.md); otherwise it is left alone and that is
 * an error. Returns 0 with dir's absolute path in out, or -errno with one line in error.
 */
int rundir_make(const char *dir, char out[RUNDIR_PATH], char error[RUNDIR_ERROR]) MUST_CHECK;
/*
 * The same for a directory that evenkeel seeds writes, but nothing is removed: its files are
 * replaced one by one. An existing one may be empty, or have a seeds.jsonl and nothing but files of
 * docs/seeds.md.
 */
int rundir_make_seeds(const char *dir, char out[RUNDIR_PATH], char error[RUNDIR_ERROR]) MUST_CHECK;
/* Writes text as dir/name. 0 or -errno. */
int rundir_write(const char *dir, const char *name, const char *text) MUST_CHECK;
/*
 * Whether both directories hold the same files with the same bytes. Tells to which differ, a line
 * each with the first byte that does, or that all agree.
 */
bool rundir_same(const char *a, const char *b, FILE *to);

#endif
