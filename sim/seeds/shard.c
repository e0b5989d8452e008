/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of seeds and shards of them; see shard.h. Pure but for the getenv that is passed in. */
#include "shard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole number at *at, which is moved behind it. False: none, or above INT64_MAX. */
static bool number(const char **at, uint64_t *out)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	unsigned long long n = strtoull(*at, &end, 10);
	if (errno != 0 || n > INT64_MAX)
		return false;
	*out = n;
	*at = end;
	return true;
}

/* "A SEPARATOR B" and nothing else. */
static bool two_numbers(const char *text, const char *separator, uint64_t *a, uint64_t *b)
{
	size_t len = strlen(separator);

	if (!number(&text, a) || strncmp(text, separator, len) != 0)
		return false;
	text += len;
	return number(&text, b) && *text == '\0';
}

int seeds_range_parse(const char *text, struct seeds_range *out, char error[SEEDS_ERROR])
{
	if (two_numbers(text, "..", &out->first, &out->last) && out->first <= out->last &&
	    out->last - out->first < SEEDS_MAX)
		return 0;
	snprintf(error, SEEDS_ERROR, "--seeds %.200s: expected A..B, as in 1..1000: whole numbers, "
	         "A no greater than B, at most %d seeds", text, SEEDS_MAX);
	return -EINVAL;
}

int seeds_shard_parse(const char *what, const char *text, struct seeds_shard *out,
                      char error[SEEDS_ERROR])
{
	if (two_numbers(text, "/", &out->i, &out->n) && out->i >= 1 && out->i <= out->n)
		return 0;
	snprintf(error, SEEDS_ERROR, "%s %.200s: expected I/N, as in 3/8: shard I of N, from 1 on",
	         what, text);
	return -EINVAL;
}

/* What one look at the environment says. */
struct look {
	const char *(*get)(const char *name);
	char *error;
};

static const char *text_of(const struct look *l, const char *name)
{
	const char *text = l->get(name);

	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* A variable's number; otherwise: what stands for one that isn't set, NULL: it must be. */
static bool number_of(const struct look *l, const char *name, const uint64_t *otherwise,
                      uint64_t *out)
{
	const char *text = text_of(l, name), *at = text;

	if (text == NULL && otherwise != NULL) {
		*out = *otherwise;
		return true;
	}
	if (text != NULL && number(&at, out) && *at == '\0')
		return true;
	snprintf(l->error, SEEDS_ERROR, "%s %.200s: expected a whole number, or --shard I/N", name,
	         text != NULL ? text : "isn't set");
	return false;
}

static bool shard_sane(const struct look *l, const struct seeds_shard *s, const char *names)
{
	if (s->i >= 1 && s->i <= s->n)
		return true;
	snprintf(l->error, SEEDS_ERROR, "%s make shard %llu of %llu: expected 1...%llu, or "
	         "--shard I/N", names, (unsigned long long)s->i, (unsigned long long)s->n,
	         (unsigned long long)s->n);
	return false;
}

static bool from_own(const struct look *l, struct seeds_shard *out)
{
	return seeds_shard_parse("EVENKEEL_SHARD", l->get("EVENKEEL_SHARD"), out, l->error) == 0;
}

/* IDs MIN, MIN + STEP ... MAX; a list with gaps tells no task its place. */
static bool from_slurm(const struct look *l, struct seeds_shard *out)
{
	static const uint64_t one = 1;
	uint64_t id, min, max, step, count;

	if (!number_of(l, "SLURM_ARRAY_TASK_ID", NULL, &id) ||
	    !number_of(l, "SLURM_ARRAY_TASK_MIN", NULL, &min) ||
	    !number_of(l, "SLURM_ARRAY_TASK_MAX", NULL, &max) ||
	    !number_of(l, "SLURM_ARRAY_TASK_STEP", &one, &step))
		return false;
	uint64_t all = step > 0 && max >= min ? (max - min) / step + 1 : 0;
	if (!number_of(l, "SLURM_ARRAY_TASK_COUNT", &all, &count))
		return false;
	if (all == 0 || count != all || id < min || id > max || (id - min) % step != 0) {
		snprintf(l->error, SEEDS_ERROR, "SLURM_ARRAY_TASK_ID %llu isn't one of %llu tasks "
		         "from %llu to %llu in steps of %llu: expected --array=A-B or A-B:STEP, or "
		         "--shard I/N", (unsigned long long)id, (unsigned long long)count,
		         (unsigned long long)min, (unsigned long long)max,
		         (unsigned long long)step);
		return false;
	}
	*out = (struct seeds_shard){ (id - min) / step + 1, count };
	return true;
}

/* Kubernetes tells the index only; the manifest has to repeat the count. */
static bool from_kubernetes(const struct look *l, struct seeds_shard *out)
{
	const char *count = text_of(l, "JOB_COMPLETIONS") != NULL ? "JOB_COMPLETIONS"
	                                                          : "EVENKEEL_SHARDS";
	char names[96];

	if (text_of(l, count) == NULL) {
		snprintf(l->error, SEEDS_ERROR, "JOB_COMPLETION_INDEX is set, but neither "
		         "JOB_COMPLETIONS nor EVENKEEL_SHARDS: expected the Job's completions in "
		         "one of them, or --shard I/N");
		return false;
	}
	if (!number_of(l, "JOB_COMPLETION_INDEX", NULL, &out->i) ||
	    !number_of(l, count, NULL, &out->n))
		return false;
	out->i++;
	snprintf(names, sizeof(names), "JOB_COMPLETION_INDEX (from 0) and %s", count);
	return shard_sane(l, out, names);
}

static bool from_gitlab(const struct look *l, struct seeds_shard *out)
{
	return number_of(l, "CI_NODE_INDEX", NULL, &out->i) &&
	       number_of(l, "CI_NODE_TOTAL", NULL, &out->n) &&
	       shard_sane(l, out, "CI_NODE_INDEX and CI_NODE_TOTAL");
}

static const struct {
	const char *name;      /* set: this scheduler runs us */
	bool (*read)(const struct look *l, struct seeds_shard *out);
} schedulers[] = {
	{ "EVENKEEL_SHARD", from_own }, /* the user's own word: wins over the others */
	{ "SLURM_ARRAY_TASK_ID", from_slurm },
	{ "JOB_COMPLETION_INDEX", from_kubernetes },
	{ "CI_NODE_INDEX", from_gitlab },
};

const char *seeds_shard_find(const char *(*get)(const char *name), struct seeds_shard *out,
                             char error[SEEDS_ERROR])
{
	struct look l = { get, error };
	const char *found = NULL;

	error[0] = '\0';
	*out = (struct seeds_shard){ 1, 1 };
	for (size_t i = 0; i < COUNT_OF(schedulers); i++) {
		const char *name = schedulers[i].name;
		if (text_of(&l, name) == NULL)
			continue;
		if (found != NULL) {
			snprintf(error, SEEDS_ERROR, "%s and %s are both set: expected one of "
			         "them, or --shard I/N", found, name);
			return NULL;
		}
		if (!schedulers[i].read(&l, out))
			return NULL;
		found = name;
		if (i == 0)
			break;
	}
	return found;
}

uint64_t seeds_shard_count(const struct seeds_shard *s, const struct seeds_range *r)
{
	uint64_t all = r->last - r->first + 1;

	return s->i > all ? 0 : (all - s->i) / s->n + 1;
}

uint64_t seeds_shard_seed(const struct seeds_shard *s, const struct seeds_range *r, uint64_t k)
{
	return r->first + (s->i - 1) + k * s->n;
}

const char *seeds_shard_text(const struct seeds_shard *s, char out[SEEDS_SHARD_TEXT])
{
	snprintf(out, SEEDS_SHARD_TEXT, "%llu/%llu", (unsigned long long)s->i,
	         (unsigned long long)s->n);
	return out;
}
