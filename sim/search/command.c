/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands that repeat what a search found, out of its first line; see find.h. */
#include <stdlib.h>
#include <string.h>

#include "find.h"
#include "sim/report/fmt.h"
#include "sim/seeds/sum.h"

bool search_is_defect(const char *word)
{
	static const char option[] = "--defect ";

	return strncmp(word, option, strlen(option)) == 0;
}

void search_defect(const char *word, char out[SEARCH_SENTENCE])
{
	size_t n = strlen(word);

	n -= n > 2 && strcmp(word + n - 2, "=0") == 0 ? 2 : 0;
	snprintf(out, SEARCH_SENTENCE, "%.*s", n < SEARCH_SENTENCE ? (int)n : 0, word);
}

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

/* What a test-only build was told to do wrong, as it is told again. */
static void put_defects(FILE *to, const json_t *head)
{
	const json_t *set = js_get(head, "set");
	char text[SEARCH_SENTENCE];

	for (size_t i = 0; i < json_array_size(set); i++) {
		const char *word = json_string_value(json_array_get(set, i));
		if (!search_is_defect(word))
			continue;
		search_defect(word, text);
		fprintf(to, " %s", text);
	}
}

char *search_again(const json_t *head, const char *name)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	fputs("evenkeel run --engine virtual --invariants", to);
	put_defects(to, head);
	fprintf(to, " %s", name);
	MUST(fclose(to) == 0);
	return text;
}

char *search_repeat(const json_t *head, uint64_t seed)
{
	const json_t *what = js_get(head, "search"), *set = js_get(head, "set");
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
	for (size_t i = 0; i < json_array_size(set); i++) {
		const char *word = json_string_value(json_array_get(set, i));
		if (search_is_defect(word))
			continue;
		fputs(" --set ", to);
		seeds_put_word(to, word);
	}
	put_defects(to, head);
	fputs(path[0] == '-' ? " ./" : " ", to);
	seeds_put_word(to, path);
	MUST(fclose(to) == 0);
	free(faults);
	free(nodes);
	return text;
}
