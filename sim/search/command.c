/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands that repeat what a search found, out of its first line; see find.h. */
#include <stdlib.h>
#include <string.h>

#include "find.h"
#include "sim/report/fmt.h"
#include "sim/seeds/sum.h"

char *search_words(const json_t *list)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	for (size_t i = 0; i < json_array_size(list); i++)
		fprintf(to, "%s%s", i > 0 ? "," : "",
		        json_string_value(json_array_get(list, i)));
	MUST(fclose(to) == 0);
	return text;
}

char *search_again(const json_t *head, const char *name)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	fputs("evenkeel run --engine virtual --invariants", to);
	seeds_put_given(to, head, true);
	fprintf(to, " %s", name);
	MUST(fclose(to) == 0);
	return text;
}

char *search_repeat(const json_t *head, uint64_t seed)
{
	const json_t *what = js_get(head, "search");
	char *faults = search_words(js_get(what, "faults"));
	char *nodes = search_words(js_get(what, "nodes"));
	const char *path = js_str(head, "path", "");
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	fprintf(to, "evenkeel search --faults %s --nodes %s --max-faults %lld --runs 1 --seed %llu",
	        faults, nodes, (long long)js_int(what, "max_faults", 0), (unsigned long long)seed);
	if (js_get(what, "keep") != NULL && json_is_string(js_get(what, "keep")))
		fprintf(to, " --keep %s", js_str(what, "keep", ""));
	seeds_put_given(to, head, false);
	fputs(path[0] == '-' ? " ./" : " ", to);
	seeds_put_word(to, path);
	MUST(fclose(to) == 0);
	free(faults);
	free(nodes);
	return text;
}
