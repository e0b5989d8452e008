/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the report of a foreign capture has besides expectations: what was answered by whom and how
 * soon, when servers were out, shares over time, and what the capture can't say. 80 columns where
 * names are short.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fmt.h"

enum { EPOCHS_MAX = 40, COLUMNS_MAX = 5, BETWEEN_TEXT = 2 * FMT_TEXT + 8 };

static void cell_count(FILE *to, const json_t *o, const char *key)
{
	char text[FMT_TEXT];

	fmt_cell(to, fmt_count(text, js_int(o, key, 0)), 11, true);
}

static void cell_time(FILE *to, const json_t *times, const char *key)
{
	const json_t *v = js_get(times, key);
	char text[FMT_TEXT];

	fmt_cell(to, json_is_integer(v) ? fmt_ns(text, json_integer_value(v) * 1000) : "-", 10,
	         true);
}

static void backends(FILE *to, const json_t *list)
{
	fprintf(to, "\n%-16s%11s%11s%11s%11s%10s%10s\n", "answers of", "in time", "late", "none",
	        "SERVFAIL", "p50", "p99");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *b = json_array_get(list, i);
		fmt_cell(to, js_str(b, "name", "?"), 16, false);
		cell_count(to, b, "answered");
		cell_count(to, b, "late");
		cell_count(to, b, "unanswered");
		cell_count(to, b, "servfail");
		cell_time(to, js_get(b, "answer_us"), "p50");
		cell_time(to, js_get(b, "answer_us"), "p99");
		fputc('\n', to);
	}
}

static void slice_row(FILE *to, const json_t *s)
{
	const json_t *shares = js_get(s, "share_ppm");
	char text[FMT_TEXT];
	unsigned column = 0;
	const char *name;
	json_t *v;

	fmt_cell(to, fmt_ns(text, js_int(s, "from_ns", 0)), 10, true);
	fmt_cell(to, fmt_ns(text, js_int(s, "to_ns", 0)), 10, true);
	cell_count(to, s, "queries");
	json_object_foreach((json_t *)(uintptr_t)shares, name, v)
		if (column++ < COLUMNS_MAX)
			fmt_cell(to, fmt_ppm(text, json_integer_value(v)), 9, true);
	fputc('\n', to);
}

static void slices(FILE *to, const json_t *list)
{
	const json_t *shares = js_get(json_array_get(list, 0), "share_ppm");
	unsigned column = 0;
	const char *name;
	json_t *v;

	if (json_array_size(list) < 2)
		return;
	fprintf(to, "\n%10s%10s%11s", "from", "to", "queries");
	json_object_foreach((json_t *)(uintptr_t)shares, name, v) {
		fputs(column < COLUMNS_MAX ? " " : "", to);
		if (column++ < COLUMNS_MAX)
			fmt_cell(to, name, 8, true);
	}
	fputc('\n', to);
	for (size_t i = 0; i < json_array_size(list); i++)
		slice_row(to, json_array_get(list, i));
}

/* "12.100 to 12.300 s": between which times it was. */
static const char *between(char out[BETWEEN_TEXT], const json_t *v)
{
	char lo[FMT_TEXT], hi[FMT_TEXT];

	if (json_array_size(v) != 2)
		return "not in the capture";
	fmt_ns(lo, json_integer_value(json_array_get(v, 0)));
	fmt_ns(hi, json_integer_value(json_array_get(v, 1)));
	snprintf(out, BETWEEN_TEXT, "%s to %s", lo, hi);
	return out;
}

static void epochs(FILE *to, const json_t *foreign)
{
	const json_t *list = js_get(foreign, "epochs");
	size_t n = json_array_size(list);
	char text[BETWEEN_TEXT];

	if (n == 0) {
		fputs("\nno server was seen to be out\n", to);
		return;
	}
	fprintf(to, "\n%-12s%-18s%-9s%-24s%s\n", "out", "at balancer", "by", "from between",
	        "back between");
	for (size_t i = 0; i < n && i < EPOCHS_MAX; i++) {
		const json_t *e = json_array_get(list, i);
		fmt_cell(to, js_str(e, "server", "?"), 12, false);
		fmt_cell(to, js_str(e, "balancer", "?"), 18, false);
		fmt_cell(to, js_str(e, "by", "?"), 9, false);
		fmt_cell(to, between(text, js_get(e, "down_ns")), 24, false);
		fprintf(to, "%s\n", between(text, js_get(e, "up_ns")));
	}
	if (n > EPOCHS_MAX)
		fprintf(to, "and %zu more in verdict.json\n", n - EPOCHS_MAX);
}

static void troubles(FILE *to, const json_t *files)
{
	for (size_t i = 0; i < json_array_size(files); i++) {
		const json_t *f = json_array_get(files, i);
		if (js_get(f, "trouble") == NULL)
			continue;
		fputs("\n! ", to);
		fmt_put(to, js_str(f, "name", "?"));
		fputs(": ", to);
		fmt_put(to, js_str(f, "trouble", "?"));
		fputc('\n', to);
	}
}

static void counted(FILE *to, const json_t *foreign)
{
	char *text = NULL;
	size_t len;
	FILE *mem = open_memstream(&text, &len);

	if (mem == NULL)
		return;
	fmt_members(mem, js_get(foreign, "counted"));
	fclose(mem);
	fputc('\n', to);
	fmt_wrap(to, "capture: ", 9, text);
	free(text);
}

void report_foreign(FILE *to, const json_t *foreign)
{
	const json_t *limits = js_get(foreign, "limits");

	if (foreign == NULL)
		return;
	backends(to, js_get(foreign, "backends"));
	epochs(to, foreign);
	slices(to, js_get(foreign, "slices"));
	troubles(to, js_get(foreign, "files"));
	counted(to, foreign);
	if (json_array_size(limits) > 0)
		fputs("\nwhat this capture can't say:\n", to);
	for (size_t i = 0; i < json_array_size(limits); i++) {
		const char *s = json_string_value(json_array_get(limits, i));
		fmt_wrap(to, "  - ", 4, s != NULL ? s : "?");
	}
}
