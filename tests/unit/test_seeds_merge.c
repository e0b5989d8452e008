/* SPDX-License-Identifier: BSD-3-Clause */
/* Sweeps to files and back, and shards put together: the same bytes as a whole, or one line. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "seeds_rig.h"

static const char *const files[] = { "seeds.jsonl", "seeds.json", "seeds.txt" };

static char *slurp(const char *dir, const char *name)
{
	char path[64], *text;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (host_read_file(path, 1 << 24, &text, &len) != 0)
		fail_msg("%s can't be read", path);
	return text;
}

static void write_dir(const struct seeds_result *r, const char *dir)
{
	json_t *sum = seeds_sum(r);
	char *text = rig_text(sum);

	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		fail_msg("%s: %s", dir, strerror(errno));
	assert_int_equal(seeds_result_write(r, dir, sum, text), 0);
	free(text);
	json_decref(sum);
}

static void write_sweep(const char *dir, uint64_t last, uint64_t i, uint64_t n)
{
	struct seeds_result r = rig_sweep(11, last, i, n);

	write_dir(&r, dir);
	seeds_result_free(&r);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	return at->level > 0 && strncmp(path, "./d", 3) == 0 ? remove(path) : 0;
}

/* Removes all d... folders, and what a test has set. */
static int clean(void **state)
{
	rig_reset(state);
	return nftw(".", remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int close_all(void **state)
{
	clean(state);
	return rig_close(state);
}

/* Reads the directories and merges them into out; the error of whichever step fails. */
static int merge(const char *const *dir, unsigned n, struct seeds_result *out,
                 char error[SEEDS_ERROR])
{
	struct seeds_result part[8] = { 0 };
	int err = 0;

	error[0] = '\0';
	for (unsigned i = 0; i < n && err == 0; i++)
		err = seeds_result_read(&part[i], dir[i], error);
	if (err == 0)
		err = seeds_result_merge(out, part, dir, n, error);
	for (unsigned i = 0; i < n; i++)
		seeds_result_free(&part[i]);
	return err;
}

static void merged_shards_are_the_bytes_of_a_whole(void **state)
{
	static const char *const dir[] = { "d5", "d4", "d3", "d2", "d1" };
	char error[SEEDS_ERROR];

	(void)state;
	rig.fail_each = 7;
	write_sweep("dwhole", 43, 1, 1);
	for (unsigned n = 1; n <= COUNT_OF(dir); n++) {
		const char *const *last = dir + COUNT_OF(dir) - n; /* the last shard comes first */
		struct seeds_result all;
		for (unsigned i = 1; i <= n; i++)
			write_sweep(last[n - i], 43, i, n);
		if (merge(last, n, &all, error) != 0)
			fail_msg("%u: %s", n, error);
		write_dir(&all, "dmerged");
		seeds_result_free(&all);
		for (size_t k = 0; k < COUNT_OF(files); k++) {
			char *want = slurp("dwhole", files[k]), *got = slurp("dmerged", files[k]);
			assert_string_equal(got, want);
			free(want);
			free(got);
		}
	}
}

static void a_directory_has_the_three_files_and_no_others(void **state)
{
	struct stat st;

	(void)state;
	write_sweep("dx", 20, 1, 1);
	for (size_t k = 0; k < COUNT_OF(files); k++) {
		char path[32];
		snprintf(path, sizeof(path), "dx/%s", files[k]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0644);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir("dx"), 0);
}

/* Replaces the first from in dir/seeds.jsonl by to. */
static void tamper(const char *dir, const char *from, const char *to)
{
	char *text = slurp(dir, "seeds.jsonl"), path[64];
	char *at = strstr(text, from);

	if (at == NULL)
		fail_msg("no '%s' in %s", from, dir);
	snprintf(path, sizeof(path), "%s/seeds.jsonl", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	fclose(f);
	free(text);
}

/* Three shards of seeds 11..20 in d1, d2, d3; the second is changed. */
static const struct {
	const char *what, *from, *to, *error;
} changes[] = {
	{ "another scenario", "\"scenario\":\"s\"", "\"scenario\":\"t\"",
	  "d2/seeds.jsonl:1: another scenario, \"t\": expected \"s\"" },
	{ "another version", "\"evenkeel\":\"", "\"evenkeel\":\"9",
	  "d2/seeds.jsonl:1: another version of evenkeel, \"9" },
	{ "another plan", "\"plan_sha256\":\"", "\"plan_sha256\":\"x",
	  "d2/seeds.jsonl:1: another plan, \"x" },
	{ "other options", "load.rate=500", "load.rate=501",
	  "d2/seeds.jsonl:1: another --set options, [\"load.rate=501\"" },
	{ "another path", "scenarios/s.lua", "/home/s.lua",
	  "d2/seeds.jsonl:1: another path of the scenario, \"/home/s.lua\"" },
	{ "other expectations", "\"line\":16", "\"line\":15",
	  "d2/seeds.jsonl:1: another expectations" },
	{ "another range, whose rows don't fit", "\"last\":20", "\"last\":40",
	  "d2/seeds.jsonl:5: the file ends: expected seed 21" },
	{ "another range of as many rows", "\"last\":20", "\"last\":19",
	  "d2/seeds.jsonl:1: another last seed, 19: expected 20" },
	{ "another number of shards", "\"shard\":\"2/3\"", "\"shard\":\"2/4\"",
	  "d2/seeds.jsonl:3: seed 15: expected seed 16" },
	{ "the same shard", "\"shard\":\"2/3\"", "\"shard\":\"1/3\"",
	  "d2/seeds.jsonl:2: seed 12: expected seed 11" },
	{ "no shard", "\"shard\":\"2/3\"", "\"shard\":\"4/3\"",
	  "d2/seeds.jsonl:1: expected a shard" },
	{ "another format", "evenkeel seeds 1", "evenkeel seeds 2",
	  "d2/seeds.jsonl:1: expected the header" },
	{ "no range", "\"first\":11", "\"first\":99", "d2/seeds.jsonl:1: expected a range" },
	{ "no path", "\"path\"", "\"pass\"", "d2/seeds.jsonl:1: expected evenkeel, expectations" },
	{ "a seed twice", "\"seed\":15", "\"seed\":12",
	  "d2/seeds.jsonl:3: seed 12: expected seed 15" },
	{ "a seed of another shard", "\"seed\":15", "\"seed\":14",
	  "d2/seeds.jsonl:3: seed 14: expected seed 15" },
	{ "a broken line", "\"invalid\":[]", "\"invalid\":[", "d2/seeds.jsonl:2: " },
	{ "a line that is no row", "\"seed\":15,\"verdict\":\"PASS\"}", "\"seed\":15}",
	  "d2/seeds.jsonl:3: expected a verdict" },
	{ "a line too many", "\"seed\":18,\"verdict\":\"PASS\"}\n",
	  "\"seed\":18,\"verdict\":\"PASS\"}\n{}\n", "d2/seeds.jsonl:5: one line too many" },
	{ "a line cut off", "\"seed\":18,\"verdict\":\"PASS\"}\n", "\"se", "d2/seeds.jsonl:4: " },
	{ "not even a header", "{\"evenkeel\"", "[\"evenkeel\"", "d2/seeds.jsonl:1: " },
};

static void what_does_not_fit_together_is_named_in_one_line(void **state)
{
	static const char *const dir[] = { "d1", "d2", "d3" };
	char error[SEEDS_ERROR];

	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		struct seeds_result all;
		for (unsigned k = 1; k <= 3; k++)
			write_sweep(dir[k - 1], 20, k, 3);
		tamper("d2", changes[i].from, changes[i].to);
		if (merge(dir, 3, &all, error) != -EINVAL)
			fail_msg("%s: merged", changes[i].what);
		if (strncmp(error, changes[i].error, strlen(changes[i].error)) != 0)
			fail_msg("%s: %s", changes[i].what, error);
		assert_null(strchr(error, '\n'));
		assert_int_equal(clean(state), 0);
	}
}

static void every_shard_is_there_exactly_once(void **state)
{
	static const struct {
		const char *what, *dir[4];
		unsigned n;
		const char *error;
	} rows[] = {
		{ "one missing", { "d1", "d3" }, 2,
		  "no directory has shard 2/3: expected all of d1's" },
		{ "one alone", { "d3" }, 1, "no directory has shard 1/3: expected all of d3's" },
		{ "one twice", { "d1", "d2", "d3", "d2" }, 4,
		  "d2/seeds.jsonl:1: shard 2/3 again: d2 has it too" },
		{ "one of another sweep", { "d1", "dhalf", "d3" }, 3,
		  "dhalf/seeds.jsonl:1: one of 2 shards: expected one of 3" },
		{ "one that is none", { "d1", "dnone" }, 2, "dnone/seeds.jsonl: No such file" },
		{ "one that is empty", { "d1", "dempty" }, 2,
		  "dempty/seeds.jsonl:1: the file is empty" },
	};
	char error[SEEDS_ERROR];
	struct seeds_result all;

	(void)state;
	write_sweep("d1", 20, 1, 3);
	write_sweep("d2", 20, 2, 3);
	write_sweep("d3", 20, 3, 3);
	write_sweep("dhalf", 20, 2, 2);
	write_sweep("dempty", 20, 1, 1);
	assert_int_equal(truncate("dempty/seeds.jsonl", 0), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_not_equal(merge(rows[i].dir, rows[i].n, &all, error), 0);
		if (strncmp(error, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s: %s", rows[i].what, error);
	}
}

static void another_shard_of_the_sweep_is_not_written_over(void **state)
{
	static const struct {
		uint64_t there_i, there_n, i, n;
		bool clash;
	} rows[] = {
		{ 1, 3, 1, 3, false }, { 1, 3, 2, 3, true }, { 1, 3, 1, 1, true },
		{ 1, 1, 1, 3, false }, { 1, 1, 1, 1, false },
	};
	char error[SEEDS_ERROR];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct seeds_result r = rig_sweep(11, 20, rows[i].i, rows[i].n);
		assert_int_equal(seeds_result_clash(&r, "dnothing", error), 0);
		write_sweep("d1", 20, rows[i].there_i, rows[i].there_n);
		assert_int_equal(seeds_result_clash(&r, "d1", error) != 0, rows[i].clash);
		if (rows[i].clash)
			assert_non_null(strstr(error, "d1/seeds.jsonl: has shard 1/3"));
		seeds_result_free(&r);
	}
}

static void the_plan_s_hash_knows_neither_seed_nor_place(void **state)
{
	char first[65], other[65], error[PLAN_ERROR_TEXT], away[64];
	struct plan moved = *rig.plan;

	(void)state;
	seeds_plan_sha256(rig.plan, first);
	moved.seed = 99;
	seeds_plan_sha256(&moved, other);
	assert_string_equal(first, other);
	snprintf(away, sizeof(away), "%s/daway", plan_folder);
	assert_int_equal(mkdir(away, 0755), 0);
	assert_int_equal(chdir(away), 0);
	plan_write_all();
	struct plan *p = plan_load("s.lua", &(struct plan_options){ 0 }, error);
	assert_int_equal(chdir(plan_folder), 0);
	assert_non_null(p);
	seeds_plan_sha256(p, other);
	assert_string_equal(first, other);
	p->load[0].rate_mqps++;
	seeds_plan_sha256(p, other);
	assert_string_not_equal(first, other);
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(merged_shards_are_the_bytes_of_a_whole, clean),
		cmocka_unit_test_setup(a_directory_has_the_three_files_and_no_others, clean),
		cmocka_unit_test_setup(what_does_not_fit_together_is_named_in_one_line, clean),
		cmocka_unit_test_setup(every_shard_is_there_exactly_once, clean),
		cmocka_unit_test_setup(another_shard_of_the_sweep_is_not_written_over, clean),
		cmocka_unit_test_setup(the_plan_s_hash_knows_neither_seed_nor_place, clean),
	};

	return cmocka_run_group_tests(tests, rig_open, close_all);
}
