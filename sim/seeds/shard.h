/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which seeds are this process's: shard I of N (from 1) has the seeds s of A..B with
 * (s - A) % N == I - 1. Named on the command line, or found in what schedulers tell their tasks:
 * Slurm arrays, indexed Jobs of Kubernetes, GitLab's parallel, or EVENKEEL_SHARD where nobody does.
 */
#ifndef EK_SEEDS_SHARD_H
#define EK_SEEDS_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/must.h"

enum { SEEDS_ERROR = 1024, SEEDS_SHARD_TEXT = 48, SEEDS_MAX = 1000000 };

/* First and last of the seeds, both included. */
struct seeds_range {
	uint64_t first, last;
};

struct seeds_shard {
	uint64_t i, n;          /* 1...n */
};

/* "A..B": at most SEEDS_MAX seeds, none above INT64_MAX. 0, or -EINVAL with a line in error. */
int seeds_range_parse(const char *text, struct seeds_range *out, char error[SEEDS_ERROR])
	MUST_CHECK;
/* "I/N"; what: the option or variable that says so, for the line in error. 0 or -EINVAL. */
int seeds_shard_parse(const char *what, const char *text, struct seeds_shard *out,
                      char error[SEEDS_ERROR]) MUST_CHECK;

/*
 * Looks for a scheduler's task in the environment; get: as getenv, NULL and "" both mean not set.
 * Returns the variable that told, a constant, and the shard in out; or NULL: 1/1 in out and error
 * empty when nobody told, or a line in error: numbers that make no shard, a count that nobody
 * tells, two schedulers at once.
 */
const char *seeds_shard_find(const char *(*get)(const char *name), struct seeds_shard *out,
                             char error[SEEDS_ERROR]);

/* How many seeds of the range the shard has, and its k-th (from 0). */
uint64_t seeds_shard_count(const struct seeds_shard *s, const struct seeds_range *r);
uint64_t seeds_shard_seed(const struct seeds_shard *s, const struct seeds_range *r, uint64_t k);
/* "3/8"; returns out. */
const char *seeds_shard_text(const struct seeds_shard *s, char out[SEEDS_SHARD_TEXT]);

#endif
