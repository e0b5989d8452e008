/* SPDX-License-Identifier: BSD-3-Clause */
/* Shards put together again; see result.h. Pure: the parts are read already. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "result.h"
#include "sim/report/fmt.h"

/* In the order in which they are compared: the first that differs says most. */
static const struct {
	const char *key, *what;
} same[] = {
	{ "scenario", "scenario" }, { "evenkeel", "version of evenkeel" },
	{ "first", "first seed" }, { "last", "last seed" }, { "path", "path of the scenario" },
	{ "set", "--set options" }, { "plan_sha256", "plan" },
	{ "expectations", "expectations" }, { "search", "search" },
};

static int differ(char error[SEEDS_ERROR], const char *dir, const char *what, const json_t *is,
                  const json_t *want)
{
	char *a = json_dumps(is, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	char *b = json_dumps(want, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

	snprintf(error, SEEDS_ERROR, "%.300s/seeds.jsonl:1: another %s, %.200s: expected %.200s",
	         dir, what, a != NULL ? a : "none", b != NULL ? b : "none");
	free(a);
	free(b);
	return -EINVAL;
}

static int heads_agree(const struct seeds_result *part, const char *const *dir, unsigned n,
                       char error[SEEDS_ERROR])
{
	for (unsigned i = 1; i < n; i++) {
		for (size_t k = 0; k < COUNT_OF(same); k++) {
			const json_t *is = js_get(part[i].head, same[k].key);
			const json_t *want = js_get(part[0].head, same[k].key);
			if ((is != NULL || want != NULL) && !json_equal(is, want))
				return differ(error, dir[i], same[k].what, is, want);
		}
		if (part[i].shard.n != part[0].shard.n) {
			snprintf(error, SEEDS_ERROR, "%.300s/seeds.jsonl:1: one of %" PRIu64
			         " shards: expected one of %" PRIu64, dir[i], part[i].shard.n,
			         part[0].shard.n);
			return -EINVAL;
		}
	}
	return 0;
}

static int all_there(const struct seeds_result *part, const char *const *dir, unsigned n,
                     char error[SEEDS_ERROR])
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < i; k++)
			if (part[i].shard.i == part[k].shard.i) {
				snprintf(error, SEEDS_ERROR, "%.300s/seeds.jsonl:1: shard %" PRIu64
				         "/%" PRIu64 " again: %.300s has it too", dir[i],
				         part[i].shard.i, part[i].shard.n, dir[k]);
				return -EINVAL;
			}
	for (uint64_t s = 1; s <= part[0].shard.n; s++) {
		bool there = false;
		for (unsigned i = 0; i < n; i++)
			there |= part[i].shard.i == s;
		if (!there) {
			snprintf(error, SEEDS_ERROR, "no directory has shard %" PRIu64 "/%" PRIu64
			         ": expected all of %.300s's shards", s, part[0].shard.n, dir[0]);
			return -EINVAL;
		}
	}
	return 0;
}

int seeds_result_merge(struct seeds_result *out, const struct seeds_result *part,
                       const char *const *dir, unsigned n, char error[SEEDS_ERROR])
{
	MUST(n > 0);
	if (heads_agree(part, dir, n, error) != 0 || all_there(part, dir, n, error) != 0)
		return -EINVAL;
	*out = (struct seeds_result){ .head = json_copy(part[0].head), .range = part[0].range,
	                              .shard = { 1, 1 } };
	json_object_set_new(out->head, "shard", json_string("1/1"));
	out->n = seeds_shard_count(&out->shard, &out->range);
	out->row = calloc(out->n + 1, sizeof(*out->row));
	MUST(out->row != NULL);
	for (unsigned i = 0; i < n; i++)
		for (uint64_t k = 0; k < part[i].n; k++) {
			char **row = &out->row[seeds_result_seed(&part[i], k) - out->range.first];
			*row = strdup(part[i].row[k]);
			MUST(*row != NULL);
		}
	return 0;
}
