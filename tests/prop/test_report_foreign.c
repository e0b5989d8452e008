/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Documents of versions to come: members of a good verdict document are taken away or replaced by
 * anything, over many seeds; every writer survives them and says something.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "sim/report/report.h"

enum { SEEDS = 400, CHANGES = 8 };

/* Anything that a key could have. */
static json_t *anything(struct drbg *r)
{
	switch (drbg_below(r, 10)) {
	case 0: return json_null();
	case 1: return json_true();
	case 2: return json_integer(INT64_MIN);
	case 3: return json_integer(INT64_MAX);
	case 4: return json_real(1e300);
	case 5: return json_string("");
	case 6: return json_string("a\001\n\"<&>'#\\ \xc2\x9b \xe2\x82\xac %s%n \xef\xbf\xbf");
	case 7: return json_array();
	case 8: return json_pack("{s:{s:[i]}}", "x_ns", "", 1);
	default: return json_pack("[[{s:f}],s]", "y_ppm", -0.5, "z");
	}
}

static bool is_container(const json_t *v)
{
	return json_object_size(v) > 0 || json_array_size(v) > 0;
}

/* Member which of v; of an object also its key. */
static json_t *member(json_t *v, size_t which, const char **key)
{
	json_t *m;
	size_t i = 0;

	if (json_is_array(v))
		return json_array_get(v, which);
	json_object_foreach(v, *key, m)
		if (i++ == which)
			return m;
	return NULL;
}

/* Changes one member of doc, or of something in it. */
static void change(struct drbg *r, json_t *doc)
{
	for (json_t *v = doc; v != NULL && is_container(v);) {
		const char *key = NULL;
		size_t n = json_is_array(v) ? json_array_size(v) : json_object_size(v);
		size_t which = (size_t)drbg_below(r, n);
		json_t *m = member(v, which, &key);
		if (is_container(m) && drbg_below(r, 4) != 0) {
			v = m;
			continue;
		}
		if (json_is_array(v))
			json_array_set_new(v, which, anything(r));
		else if (drbg_below(r, 4) == 0)
			json_object_del(v, key);
		else
			json_object_set_new(v, key, anything(r));
		return;
	}
}

static void write_all(const json_t *doc, uint64_t seed)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	report_text(to, doc, NULL, true);
	report_junit(to, &doc, 1);
	report_tap(to, &doc, 1);
	report_html(to, doc, NULL);
	fclose(to);
	if (len < 100)
		fail_msg("seed %llu: next to nothing was written", (unsigned long long)seed);
	free(text);
}

static void writers_survive_documents_of_other_versions(void **state)
{
	json_t *good = json_load_file("tests/golden/report/pass.json", 0, NULL);

	(void)state;
	assert_non_null(good);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint8_t key[DRBG_SEED];
		struct drbg r;
		json_t *doc = json_deep_copy(good);
		drbg_seed_from_u64(key, seed);
		drbg_init(&r, key, DRBG_TEST, 0);
		for (unsigned i = 0; i < CHANGES; i++)
			change(&r, doc);
		write_all(doc, seed);
		json_decref(doc);
	}
	json_decref(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writers_survive_documents_of_other_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
