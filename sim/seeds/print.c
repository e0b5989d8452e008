/* SPDX-License-Identifier: BSD-3-Clause */
/* A summary for people; see print.h. Reads the document only, whoever made it. */
#include "print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "row.h"
#include "sim/report/fmt.h"
#include "sum.h"

enum {
	LABEL = 29, BOUND = 16, VALUE = 8, COUNT = 7, /* columns of measures */
	NAME = 44, VERDICT = 13,                      /* of verdicts */
	BAR = 50, LINE_TEXT = 256,
};

static const char *const columns[] = { "min", "p1", "p50", "p90", "p99", "max" };
static const char *const verdicts[] = { "PASS", "FAIL", "INCONCLUSIVE", "INVALID" };

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

/* A figure of a measure, by its key's unit. */
static void value_text(char out[FMT_TEXT], const char *name, int64_t v)
{
	if (ends_with(name, "_ns"))
		fmt_ns(out, v);
	else if (ends_with(name, "_us"))
		fmt_ns(out, v * 1000);
	else if (ends_with(name, "_ppm"))
		snprintf(out, FMT_TEXT, "%.2f %%", (double)v / 1e4);
	else
		snprintf(out, FMT_TEXT, "%" PRId64, v);
}

/* Shares of bounds are whole per cents mostly. */
static void limit_text(char out[FMT_TEXT], const char *name, int64_t v)
{
	if (ends_with(name, "_ppm"))
		snprintf(out, FMT_TEXT, "%.6g %%", (double)v / 1e4);
	else
		value_text(out, name, v);
}

static void bound_text(char out[LINE_TEXT], const char *name, const json_t *measure)
{
	const json_t *bound = js_get(measure, "bound");
	const json_t *most = js_get(bound, "at_most"), *least = js_get(bound, "at_least");
	char hi[FMT_TEXT], lo[FMT_TEXT];

	limit_text(hi, name, js_int(bound, "at_most", 0));
	limit_text(lo, name, js_int(bound, "at_least", 0));
	if (most != NULL && least != NULL)
		snprintf(out, LINE_TEXT, "%s...%s", lo, hi);
	else if (most != NULL)
		snprintf(out, LINE_TEXT, "<= %s", hi);
	else if (least != NULL)
		snprintf(out, LINE_TEXT, ">= %s", lo);
	else
		snprintf(out, LINE_TEXT, "-");
	if (json_is_true(js_get(measure, "bound_varies")))
		snprintf(out, LINE_TEXT, "varies");
}

/* "LB1#2 last query to it" of "LB1#2.last_query_ns". */
static void label_text(char out[LINE_TEXT], const char *name, const char *what)
{
	const char *dot = strrchr(name, '.');

	snprintf(out, LINE_TEXT, "%.*s%s%.80s", dot != NULL ? (int)(dot - name) : 0, name,
	         dot != NULL ? " " : "", what);
}

static void indent_by(FILE *to, unsigned n)
{
	fprintf(to, "%*s", (int)n, "");
}

static void print_measure(FILE *to, unsigned indent, enum plan_expect_kind kind, const json_t *m)
{
	const char *name = js_str(m, "name", "?");
	int at = seeds_measure_find(kind, name);
	const char *beyond = at >= 0 ? seeds_measures[at].beyond : NULL;
	int64_t none = js_int(m, "none", 0);
	char text[LINE_TEXT], value[FMT_TEXT];

	indent_by(to, indent);
	label_text(text, name, js_str(m, "what", "?"));
	fmt_cell(to, text, LABEL - indent, false);
	bound_text(text, name, m);
	fmt_cell(to, text, BOUND, true);
	for (size_t i = 0; i < COUNT_OF(columns); i++) {
		const json_t *v = js_get(m, columns[i]);
		if (json_is_integer(v))
			value_text(value, name, json_integer_value(v));
		else
			snprintf(value, sizeof(value), "%s", js_int(m, "n", 0) > 0 && beyond != NULL
			         ? beyond : "-");
		fputc(' ', to);
		fmt_cell(to, value, VALUE - 1, true);
	}
	snprintf(value, sizeof(value), "%" PRId64, js_int(m, "n", 0));
	fmt_cell(to, value, COUNT, true);
	fputc('\n', to);
	if (none > 0) {
		indent_by(to, indent + 2);
		fprintf(to, "nothing to measure in %s of the runs\n", fmt_count(value, none));
	}
}

void seeds_print_head(FILE *to, unsigned indent)
{
	indent_by(to, indent);
	fmt_cell(to, "", LABEL - indent, false);
	fmt_cell(to, "bound", BOUND, true);
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		fmt_cell(to, columns[i], VALUE, true);
	fmt_cell(to, "n", COUNT, true);
	fputc('\n', to);
}

void seeds_print_measures(FILE *to, unsigned indent, const char *kind, const json_t *measures)
{
	for (size_t i = 0; i < json_array_size(measures); i++)
		print_measure(to, indent, kind != NULL ? seeds_kind(kind) : 0,
		              json_array_get(measures, i));
}

/* "line 25 detect DNS1". */
static void title_text(char out[LINE_TEXT], const json_t *e)
{
	const json_t *nodes = js_get(e, "nodes");
	int n = snprintf(out, LINE_TEXT, "line %" PRId64 " %.40s", js_int(e, "line", 0),
	                 js_str(e, "kind", "?"));

	for (size_t i = 0; i < json_array_size(nodes) && n < LINE_TEXT; i++) {
		const char *node = json_string_value(json_array_get(nodes, i));
		n += snprintf(out + n, (size_t)(LINE_TEXT - n), "%s%s", i > 0 ? ", " : " ",
		              node != NULL ? node : "?");
	}
}

static void print_verdicts(FILE *to, const char *name, const json_t *counts)
{
	char text[FMT_TEXT];

	fputs("  ", to);
	fmt_cell(to, name, NAME - 2, false);
	for (size_t i = 0; i < COUNT_OF(verdicts); i++)
		fmt_cell(to, fmt_count(text, js_int(counts, verdicts[i], 0)), VERDICT, true);
	fputc('\n', to);
}

static void print_bar(FILE *to, int64_t n, int64_t most)
{
	int64_t width = most > 0 ? (n * BAR + most - 1) / most : 0;
	char text[FMT_TEXT];

	fmt_cell(to, fmt_count(text, n), 10, true);
	fputs(width > 0 ? "  " : "", to);
	for (int64_t i = 0; i < width; i++)
		fputc('#', to);
	fputc('\n', to);
}

static void print_histogram(FILE *to, const json_t *e)
{
	const json_t *h = js_get(e, "histogram"), *counts = js_get(h, "counts");
	int64_t bin = js_int(h, "bin_ns", 0), most = js_int(h, "later", 0);
	char from[FMT_TEXT], until[FMT_TEXT], title[LINE_TEXT];

	if (!json_is_object(h))
		return;
	title_text(title, e);
	fprintf(to, "\nDetection times up to the bound, all balancers (%s)\n", title);
	for (size_t i = 0; i < json_array_size(counts); i++) {
		int64_t n = json_integer_value(json_array_get(counts, i));
		most = n > most ? n : most;
	}
	for (size_t i = 0; i < json_array_size(counts); i++) {
		fputs("  ", to);
		fmt_cell(to, fmt_ns(from, (int64_t)i * bin), VALUE, true);
		fputs(" ... ", to);
		fmt_cell(to, fmt_ns(until, (int64_t)(i + 1) * bin), VALUE, true);
		print_bar(to, json_integer_value(json_array_get(counts, i)), most);
	}
	fputs("  later than the bound ", to);
	print_bar(to, js_int(h, "later", 0), most);
}

static void print_top(FILE *to, const json_t *summary)
{
	const json_t *head = js_get(summary, "header");
	char runs[FMT_TEXT];

	fmt_put(to, js_str(head, "scenario", "?"));
	fprintf(to, ": seeds %" PRId64 "..%" PRId64 " in virtual time, shard %s, %s runs: %s\n",
	        js_int(head, "first", 0), js_int(head, "last", 0), js_str(head, "shard", "?"),
	        fmt_count(runs, js_int(summary, "runs", 0)), js_verdict(summary));
	fprintf(to, "evenkeel %s, plan %.16s of ", js_str(head, "evenkeel", "?"),
	        js_str(head, "plan_sha256", "?"));
	fmt_put(to, js_str(head, "path", "?"));
	fputc('\n', to);
}

static void print_all_verdicts(FILE *to, const json_t *summary)
{
	const json_t *list = js_get(summary, "expectations");
	char title[LINE_TEXT];

	fputc('\n', to);
	fmt_cell(to, "Runs by verdict", NAME, false);
	for (size_t i = 0; i < COUNT_OF(verdicts); i++)
		fmt_cell(to, verdicts[i], VERDICT, true);
	fputc('\n', to);
	print_verdicts(to, "whole run", js_get(summary, "verdicts"));
	for (size_t i = 0; i < json_array_size(list); i++) {
		title_text(title, json_array_get(list, i));
		print_verdicts(to, title, js_get(json_array_get(list, i), "verdicts"));
	}
}

/* No FAIL at all still leaves room for some. */
static void print_rate(FILE *to, const json_t *summary)
{
	const json_t *counts = js_get(summary, "verdicts");
	const json_t *ppb = js_get(summary, "fail_rate_upper_ppb");
	int64_t valid = js_int(counts, "PASS", 0) + js_int(counts, "INCONCLUSIVE", 0);
	char text[FMT_TEXT];

	if (!json_is_integer(ppb))
		return;
	fprintf(to, "\nNone of %s runs is FAIL: surely (95 %%, Clopper-Pearson) at most %.4g %% of "
	        "all seeds are.\n", fmt_count(text, valid),
	        (double)json_integer_value(ppb) / 1e7);
	fputs("If the system is right, its rate of false alarms is no greater than that.\n", to);
}

static void print_all_measures(FILE *to, const json_t *summary)
{
	const json_t *list = js_get(summary, "expectations"), *phases = js_get(summary, "phases");
	char title[LINE_TEXT];

	fputs("\nMeasures. Each run was judged by its bound; the quantiles over the runs are for "
	      "people,\nnothing is judged by them.\n", to);
	seeds_print_head(to, 2);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		title_text(title, e);
		fprintf(to, "%s\n", title);
		seeds_print_measures(to, 2, js_str(e, "kind", ""), js_get(e, "measures"));
	}
	for (size_t i = 0; i < json_array_size(phases); i++) {
		const json_t *phase = json_array_get(phases, i);
		fprintf(to, "%s %s\n", i > 0 ? "after" : "phase", js_str(phase, "what", "?"));
		seeds_print_measures(to, 2, NULL, js_get(phase, "measures"));
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		print_histogram(to, json_array_get(list, i));
}

static void print_not_pass(FILE *to, const json_t *summary)
{
	const json_t *list = js_get(summary, "not_pass");
	int64_t all = js_int(summary, "not_pass_n", 0);
	char n[FMT_TEXT], runs[FMT_TEXT], first[LINE_TEXT];

	if (all == 0)
		return;
	fprintf(to, "\nNot PASS: %s of %s runs", fmt_count(n, all),
	        fmt_count(runs, js_int(summary, "runs", 0)));
	if ((int64_t)json_array_size(list) < all)
		fprintf(to, "; the first %zu", json_array_size(list));
	fputc('\n', to);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *bad = json_array_get(list, i), *why = js_get(bad, "reasons");
		snprintf(first, sizeof(first), "  seed %" PRId64 " %s\n", js_int(bad, "seed", 0),
		         js_verdict(bad));
		fputs(first, to);
		for (size_t k = 0; k < json_array_size(why); k++) {
			const char *text = json_string_value(json_array_get(why, k));
			fmt_wrap(to, "    ", 6, text != NULL ? text : "?");
		}
		fputs("    ", to);
		fmt_put(to, js_str(bad, "repeat", "?"));
		fputc('\n', to);
	}
}

void seeds_print(FILE *to, const json_t *summary)
{
	print_top(to, summary);
	print_all_verdicts(to, summary);
	print_rate(to, summary);
	print_all_measures(to, summary);
	print_not_pass(to, summary);
}
