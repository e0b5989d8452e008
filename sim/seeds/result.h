/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a sweep over seeds leaves: a header that says what was run, one row for each seed, by seed.
 * It is read from and written to DIR/seeds.jsonl; DIR/seeds.json and DIR/seeds.txt are made of it.
 * Nothing in it depends on the number of workers, the order in which they finished, the time or the
 * place; only the header knows the shard. So shards put together are the same bytes as a whole.
 */
#ifndef EK_SEEDS_RESULT_H
#define EK_SEEDS_RESULT_H

#include <jansson.h>

#include "shard.h"
#include "sim/plan/plan.h"

/*
 * The header, the first line of seeds.jsonl: "format", "evenkeel", "scenario", "path" (as given),
 * "set" (the --set options as given), "plan_sha256", "first", "last", "shard", "expectations" (each
 * with kind, line and nodes).
 */
struct seeds_result {
	json_t *head;
	struct seeds_range range;
	struct seeds_shard shard;
	uint64_t n;             /* rows that belong here */
	char **row;             /* canonical text, by seed; NULL: not yet */
};

/* What was run, for the header. */
struct seeds_what {
	const struct plan *plan;
	const char *path;
	const char *const *set; /* ends with NULL; may be NULL */
	struct seeds_range range;
	struct seeds_shard shard;
};

/* Rows are all missing yet. 0, or -EINVAL with one line: path or options that aren't UTF-8. */
int seeds_result_init(struct seeds_result *r, const struct seeds_what *what,
                      char error[SEEDS_ERROR]) MUST_CHECK;
void seeds_result_free(struct seeds_result *r);
/* The seed of row k, which is below n. */
uint64_t seeds_result_seed(const struct seeds_result *r, uint64_t k);
/*
 * SHA-256 of the plan with seed 0 and with paths counted from the scenario's folder, in hex: the
 * same for all seeds and wherever the scenario lies.
 */
void seeds_plan_sha256(const struct plan *p, char out[65]);

/* dir/seeds.jsonl. 0, or -errno with one line in error: file, line and what was expected. */
int seeds_result_read(struct seeds_result *r, const char *dir, char error[SEEDS_ERROR]) MUST_CHECK;
/*
 * Puts the results of all shards together. dir[i]: where part[i] comes from, for error. 0, or
 * -EINVAL with one line: headers that differ, a shard that is missing or there twice.
 */
int seeds_result_merge(struct seeds_result *out, const struct seeds_result *part,
                       const char *const *dir, unsigned n, char error[SEEDS_ERROR]) MUST_CHECK;
/*
 * Shards of one sweep that run at once may have been given one directory: -EEXIST and one line when
 * dir has another shard's rows than r's, else 0. Reads the first line only.
 */
int seeds_result_clash(const struct seeds_result *r, const char *dir, char error[SEEDS_ERROR])
	MUST_CHECK;
/*
 * Writes seeds.txt, seeds.json and, last, seeds.jsonl into dir, each whole or not at all. text and
 * summary: as seeds_sum makes them. 0 or -errno.
 */
int seeds_result_write(const struct seeds_result *r, const char *dir, const json_t *summary,
                       const char *text) MUST_CHECK;

#endif
