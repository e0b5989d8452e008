/* SPDX-License-Identifier: BSD-3-Clause */
/* The header and the rows of a sweep, to files and back; see result.h. Reads and writes files. */
#include "result.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "lib/host/host.h"
#include "lib/version.h"
#include "row.h"
#include "sim/plan/plan_io.h"
#include "sim/report/fmt.h"

#define FORMAT "evenkeel seeds 1"

enum { FILE_MAX_BYTES = INT_MAX };

uint64_t seeds_result_seed(const struct seeds_result *r, uint64_t k)
{
	return seeds_shard_seed(&r->shard, &r->range, k);
}

static void rows_init(struct seeds_result *r)
{
	r->n = seeds_shard_count(&r->shard, &r->range);
	r->row = calloc(r->n + 1, sizeof(*r->row));
	MUST(r->row != NULL);
}

void seeds_result_free(struct seeds_result *r)
{
	for (uint64_t k = 0; r->row != NULL && k < r->n; k++)
		free(r->row[k]);
	free(r->row);
	json_decref(r->head);
	*r = (struct seeds_result){ 0 };
}

/* ---- the plan's hash ---- */

/* path as seen from folder, which ends with a slash; both absolute. */
static json_t *path_from(const char *folder, const char *path)
{
	char out[2 * PATH_MAX] = "";
	size_t same = 0, n = 0;

	for (size_t i = 0; folder[i] != '\0' && folder[i] == path[i]; i++)
		same = folder[i] == '/' ? i + 1 : same;
	for (const char *at = folder + same; *at != '\0' && n < PATH_MAX; at++)
		if (*at == '/')
			n += (size_t)snprintf(out + n, sizeof(out) - n, "../");
	snprintf(out + n, sizeof(out) - n, "%s", path + same);
	return json_string(out);
}

static bool is_path(const char *key)
{
	size_t n = strlen(key);

	return n >= 4 && strcmp(key + n - 4, "path") == 0;
}

static void paths_from(json_t *v, const char *folder)
{
	for (size_t i = 0; i < json_array_size(v); i++)
		paths_from(json_array_get(v, i), folder);
	for (void *at = json_object_iter(v); at != NULL; at = json_object_iter_next(v, at)) {
		json_t *member = json_object_iter_value(at);
		const char *text = json_string_value(member);
		if (text != NULL && text[0] == '/' && is_path(json_object_iter_key(at)))
			json_object_iter_set_new(v, at, path_from(folder, text));
		else
			paths_from(member, folder);
	}
}

void seeds_plan_sha256(const struct plan *p, char out[65])
{
	struct plan zero = *p;
	unsigned char hash[crypto_hash_sha256_BYTES];
	char folder[PATH_MAX];

	zero.seed = 0;
	json_t *j = plan_to_json(&zero);
	snprintf(folder, sizeof(folder), "%s", p->scenario_path);
	char *slash = strrchr(folder, '/');
	if (slash != NULL)
		slash[1] = '\0';
	paths_from(j, folder);
	char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	MUST(text != NULL);
	crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
	sodium_bin2hex(out, 65, hash, sizeof(hash));
	free(text);
	json_decref(j);
}

/* ---- the header ---- */

static json_t *head_expectations(const struct plan *p)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < p->expect_n; i++) {
		const struct plan_expect *e = &p->expect[i];
		json_t *nodes = json_array();
		for (unsigned k = 0; k < e->node_n; k++)
			json_array_append_new(nodes, json_string(p->node[e->node[k]].name));
		json_array_append_new(list, json_pack("{s:s, s:I, s:o}", "kind",
		                      plan_expect_name(e->kind), "line", (json_int_t)e->line,
		                      "nodes", nodes));
	}
	return list;
}

/* The path and the options as JSON; NULL: they aren't UTF-8, as error says. */
static json_t *words(const struct seeds_what *w, char error[SEEDS_ERROR])
{
	json_t *path = json_string(w->path), *set = json_array();
	const char *bad = path == NULL ? w->path : NULL;

	for (unsigned i = 0; w->set != NULL && w->set[i] != NULL && bad == NULL; i++)
		if (json_array_append_new(set, json_string(w->set[i])) != 0)
			bad = w->set[i];
	if (bad == NULL)
		return json_pack("{s:o, s:o}", "path", path, "set", set);
	snprintf(error, SEEDS_ERROR, "%.400s: expected UTF-8", bad);
	json_decref(path);
	json_decref(set);
	return NULL;
}

int seeds_result_init(struct seeds_result *r, const struct seeds_what *w, char error[SEEDS_ERROR])
{
	char shard[SEEDS_SHARD_TEXT], sha[65];
	json_t *given = words(w, error);

	*r = (struct seeds_result){ .range = w->range, .shard = w->shard };
	if (given == NULL)
		return -EINVAL;
	seeds_plan_sha256(w->plan, sha);
	r->head = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:o}", "format", FORMAT,
	                    "evenkeel", EVENKEEL_VERSION, "scenario", w->plan->name,
	                    "plan_sha256", sha,
	                    "first", (json_int_t)w->range.first, "last", (json_int_t)w->range.last,
	                    "shard", seeds_shard_text(&w->shard, shard),
	                    "expectations", head_expectations(w->plan));
	MUST(r->head != NULL && json_object_update(r->head, given) == 0);
	json_decref(given);
	rows_init(r);
	return 0;
}

/* The range and shard that a header tells, and what the summary needs of it. */
static const char *head_fault(struct seeds_result *r)
{
	char error[SEEDS_ERROR], range[64];
	const json_t *h = r->head;

	if (strcmp(js_str(h, "format", ""), FORMAT) != 0)
		return "expected the header of seeds.jsonl: \"format\": \"" FORMAT "\"";
	snprintf(range, sizeof(range), "%" PRId64 "..%" PRId64, js_int(h, "first", -1),
	         js_int(h, "last", -1));
	if (seeds_range_parse(range, &r->range, error) != 0)
		return "expected a range of seeds in first and last";
	if (seeds_shard_parse("shard", js_str(h, "shard", ""), &r->shard, error) != 0)
		return "expected a shard, as in \"3/8\"";
	if (!json_is_array(js_get(h, "expectations")) || !json_is_array(js_get(h, "set")) ||
	    !json_is_string(js_get(h, "path")) || !json_is_string(js_get(h, "scenario")) ||
	    !json_is_string(js_get(h, "evenkeel")) || !json_is_string(js_get(h, "plan_sha256")))
		return "expected evenkeel, expectations, path, plan_sha256, scenario and set";
	return NULL;
}

/* ---- reading ---- */

/* The next line, its newline gone; NULL at the end. */
static char *next_line(char **at)
{
	char *line = *at, *end = strchr(line, '\n');

	if (*line == '\0')
		return NULL;
	if (end != NULL)
		*end = '\0';
	*at = end != NULL ? end + 1 : line + strlen(line);
	return line;
}

static int complain(char error[SEEDS_ERROR], const char *path, uint64_t line, const char *what)
{
	snprintf(error, SEEDS_ERROR, "%.400s:%" PRIu64 ": %.400s", path, line, what);
	return -EINVAL;
}

static int read_rows(struct seeds_result *r, const char *path, char *at, char error[SEEDS_ERROR])
{
	size_t expect_n = json_array_size(js_get(r->head, "expectations"));
	char what[SEEDS_ERROR], *line;

	for (uint64_t k = 0; k < r->n; k++) {
		uint64_t want = seeds_result_seed(r, k);
		line = next_line(&at);
		json_t *row = line != NULL ? seeds_row_parse(line, expect_n, what) : NULL;
		if (line == NULL)
			snprintf(what, sizeof(what), "the file ends: expected seed %" PRIu64, want);
		else if (row != NULL && js_int(row, "seed", -1) != (int64_t)want)
			snprintf(what, sizeof(what), "seed %" PRId64 ": expected seed %" PRIu64,
			         js_int(row, "seed", -1), want);
		else if (row != NULL)
			r->row[k] = seeds_row_text(row);
		json_decref(row);
		if (r->row[k] == NULL)
			return complain(error, path, k + 2, what);
	}
	if (next_line(&at) != NULL)
		return complain(error, path, r->n + 2, "one line too many: expected the end");
	return 0;
}

static int read_text(struct seeds_result *r, const char *path, char *text, char error[SEEDS_ERROR])
{
	char *at = text, *line = next_line(&at);
	json_error_t e;

	r->head = line != NULL ? json_loads(line, JSON_REJECT_DUPLICATES, &e) : NULL;
	if (r->head == NULL)
		return complain(error, path, 1, line != NULL ? e.text : "the file is empty");
	const char *fault = head_fault(r);
	if (fault != NULL)
		return complain(error, path, 1, fault);
	rows_init(r);
	return read_rows(r, path, at, error);
}

int seeds_result_read(struct seeds_result *r, const char *dir, char error[SEEDS_ERROR])
{
	char path[PATH_MAX];
	char *text;
	size_t len;

	*r = (struct seeds_result){ 0 };
	snprintf(path, sizeof(path), "%.4000s/seeds.jsonl", dir);
	int err = host_read_file(path, FILE_MAX_BYTES, &text, &len);
	if (err != 0) {
		snprintf(error, SEEDS_ERROR, "%.400s: %s: expected what evenkeel seeds wrote", path,
		         strerror(-err));
		return err;
	}
	err = read_text(r, path, text, error);
	free(text);
	if (err != 0)
		seeds_result_free(r);
	return err;
}

int seeds_result_clash(const struct seeds_result *r, const char *dir, char error[SEEDS_ERROR])
{
	char path[PATH_MAX], own[SEEDS_SHARD_TEXT], other[SEEDS_SHARD_TEXT], *line = NULL;
	struct seeds_result there = { 0 };
	size_t cap = 0;
	int err = 0;

	snprintf(path, sizeof(path), "%.4000s/seeds.jsonl", dir);
	FILE *f = fopen(path, "re");
	if (f != NULL && getline(&line, &cap, f) > 0)
		there.head = json_loads(line, 0, NULL);
	if (there.head != NULL && head_fault(&there) == NULL && there.shard.n > 1 &&
	    (there.shard.i != r->shard.i || there.shard.n != r->shard.n)) {
		snprintf(error, SEEDS_ERROR, "%.400s: has shard %s, not replaced by shard %s: "
		         "expected another --out", path, seeds_shard_text(&there.shard, other),
		         seeds_shard_text(&r->shard, own));
		err = -EEXIST;
	}
	if (f != NULL)
		fclose(f);
	free(line);
	json_decref(there.head);
	return err;
}

/* ---- writing ---- */

static void put_rows(FILE *to, const struct seeds_result *r)
{
	json_dumpf(r->head, to, JSON_COMPACT | JSON_SORT_KEYS);
	fputc('\n', to);
	for (uint64_t k = 0; k < r->n; k++)
		fprintf(to, "%s\n", r->row[k]);
}

/* One file as a whole, beside its name; what: 0 text, 1 summary, 2 rows. */
struct file {
	const char *name;
	const struct seeds_result *rows;
	const json_t *summary;
	const char *text;
	char temp[PATH_MAX];
};

static int fill(struct file *f, const char *dir)
{
	snprintf(f->temp, sizeof(f->temp), "%.3900s/.%s.XXXXXX", dir, f->name);
	int fd = mkostemp(f->temp, O_CLOEXEC), bad;
	FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (to == NULL) {
		f->temp[0] = '\0';
		return -errno;
	}
	if (f->rows != NULL)
		put_rows(to, f->rows);
	if (f->summary != NULL) {
		json_dumpf(f->summary, to, JSON_SORT_KEYS | JSON_INDENT(2));
		fputc('\n', to);
	}
	if (f->text != NULL)
		fputs(f->text, to);
	bad = fchmod(fd, 0644) != 0 || fflush(to) != 0 || ferror(to) ? -EIO : 0;
	return fclose(to) != 0 ? -EIO : bad;
}

int seeds_result_write(const struct seeds_result *r, const char *dir, const json_t *summary,
                       const char *text)
{
	struct file files[] = { { .name = "seeds.txt", .text = text },
	                        { .name = "seeds.json", .summary = summary },
	                        { .name = "seeds.jsonl", .rows = r } };
	char path[PATH_MAX];
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(files) && err == 0; i++)
		err = fill(&files[i], dir);
	for (size_t i = 0; i < COUNT_OF(files) && err == 0; i++) {
		snprintf(path, sizeof(path), "%.3900s/%s", dir, files[i].name);
		if (rename(files[i].temp, path) != 0)
			err = -errno;
		else
			files[i].temp[0] = '\0';
	}
	for (size_t i = 0; i < COUNT_OF(files); i++)
		if (files[i].temp[0] != '\0')
			unlink(files[i].temp);
	return err;
}
