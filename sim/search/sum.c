/* SPDX-License-Identifier: BSD-3-Clause */
/* The summary of a search and its table; see find.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "find.h"
#include "sim/report/fmt.h"
#include "sim/seeds/sum.h"

static const char *const verdicts[] = { "PASS", "FAIL", "INCONCLUSIVE", "INVALID" };

static void count(json_t *in, const char *key)
{
	json_object_set_new(in, key, json_integer(js_int(in, key, 0) + 1));
}

static json_t *zeros(void)
{
	json_t *o = json_object();

	for (size_t i = 0; i < COUNT_OF(verdicts); i++)
		json_object_set_new(o, verdicts[i], json_integer(0));
	return o;
}

/* The member of list whose key is that text, added when there is none. */
static json_t *entry(json_t *list, const char *key, const char *text, uint64_t seed)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(js_str(json_array_get(list, i), key, ""), text) == 0)
			return json_array_get(list, i);
	json_t *e = json_pack("{s:i, s:s, s:I, s:[]}", "n", 0, key, text, "first",
	                      (json_int_t)seed, "seeds");
	json_array_append_new(list, e);
	return e;
}

static void tell(json_t *list, const char *key, const char *text, uint64_t seed)
{
	json_t *e = entry(list, key, text, seed), *seeds = json_object_get(e, "seeds");

	count(e, "n");
	if (json_array_size(seeds) < SEARCH_TOLD)
		json_array_append_new(seeds, json_integer((json_int_t)seed));
}

static void tell_invalid(json_t *list, const json_t *row, uint64_t seed)
{
	const char *why = json_string_value(json_array_get(js_get(row, "invalid"), 0));
	char kind[SEARCH_SENTENCE];

	search_without_numbers(kind, why != NULL ? why : "?");
	tell(list, "why", kind, seed);
}

static void take_row(json_t *sum, const json_t *row)
{
	uint64_t seed = (uint64_t)js_int(row, "seed", 0);
	const char *signature = search_signature(row), *kind;
	const char *verdict = signature != NULL ? "FAIL" : js_verdict(row);
	json_t *claims = json_object_get(sum, "claims"), *of = json_object_get(row, "claims"), *v;

	count(json_object_get(sum, "verdicts"), verdict);
	json_object_foreach(of, kind, v) {
		if (json_object_get(claims, kind) == NULL)
			json_object_set_new(claims, kind, zeros());
		count(json_object_get(claims, kind), json_string_value(v));
	}
	if (signature != NULL)
		tell(json_object_get(sum, "failures"), "signature", signature, seed);
	else if (strcmp(verdict, "INVALID") == 0)
		tell_invalid(json_object_get(sum, "invalid"), row, seed);
}

json_t *search_sum(const struct seeds_result *r)
{
	json_t *sum = json_pack("{s:O, s:I, s:o, s:{}, s:[], s:[]}", "header", r->head, "runs",
	                        (json_int_t)r->n, "verdicts", zeros(), "claims", "failures",
	                        "invalid");
	const char *worst = "PASS";

	MUST(sum != NULL);
	for (uint64_t k = 0; k < r->n; k++) {
		json_t *row = json_loads(r->row[k], 0, NULL);
		MUST(row != NULL);
		take_row(sum, row);
		json_decref(row);
	}
	if (js_int(js_get(sum, "verdicts"), "INVALID", 0) > 0)
		worst = "INVALID";
	if (js_int(js_get(sum, "verdicts"), "FAIL", 0) > 0)
		worst = "FAIL"; /* what was looked for */
	json_object_set_new(sum, "verdict", json_string(worst));
	return sum;
}

/* ---- the table ---- */

static void print_counts(FILE *to, const char *what, const json_t *of)
{
	char text[FMT_TEXT];

	fprintf(to, "  %-43s", what);
	for (size_t i = 0; i < COUNT_OF(verdicts); i++)
		fprintf(to, "%13s", fmt_count(text, js_int(of, verdicts[i], 0)));
	fputc('\n', to);
}

static void print_words(FILE *to, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		fprintf(to, "%s%s", i > 0 ? "," : "", json_string_value(json_array_get(list, i)));
}

static void print_head(FILE *to, const json_t *sum)
{
	const json_t *head = js_get(sum, "header"), *what = js_get(head, "search");
	char text[FMT_TEXT];

	fprintf(to, "%s: seeds %" PRId64 "..%" PRId64 " in virtual time, shard %s, %s runs: %s\n",
	        js_str(head, "scenario", "?"), js_int(head, "first", 0), js_int(head, "last", 0),
	        js_str(head, "shard", "?"), fmt_count(text, js_int(sum, "runs", 0)),
	        js_str(sum, "verdict", "?"));
	fprintf(to, "evenkeel %s, plan %.16s of %s\n", js_str(head, "evenkeel", "?"),
	        js_str(head, "plan_sha256", "?"), js_str(head, "path", "?"));
	fputs("up to ", to);
	fprintf(to, "%" PRId64 " of the faults ", js_int(what, "max_faults", 0));
	print_words(to, js_get(what, "faults"));
	fputs(" on ", to);
	print_words(to, js_get(what, "nodes"));
	fputs("\n\n", to);
}

static void print_failure(FILE *to, const json_t *f)
{
	char text[FMT_TEXT];

	fprintf(to, "  %s\n    %s of the runs, first seed %" PRId64 "\n",
	        js_str(f, "signature", "?"), fmt_count(text, js_int(f, "n", 0)),
	        js_int(f, "first", 0));
	if (js_get(f, "repeat") != NULL)
		fprintf(to, "    %s\n", js_str(f, "repeat", ""));
	if (js_get(f, "file") != NULL)
		fprintf(to, "    shrunk from %" PRId64 " events to %" PRId64 " in %" PRId64
		        " runs:\n    %s\n", js_int(f, "events", 0), js_int(f, "events_shrunk", 0),
		        js_int(f, "tries", 0), js_str(f, "again", ""));
	else if (js_get(f, "unshrunk") != NULL)
		fprintf(to, "    not shrunk: %s\n", js_str(f, "unshrunk", ""));
}

void search_print(FILE *to, const json_t *sum)
{
	const json_t *failures = js_get(sum, "failures"), *invalid = js_get(sum, "invalid");
	json_t *claims = json_object_get(sum, "claims"), *v;
	const char *kind;
	char text[FMT_TEXT];

	print_head(to, sum);
	fprintf(to, "%-45s%13s%13s%13s%13s\n", "Runs by verdict", "PASS", "FAIL", "INCONCLUSIVE",
	        "INVALID");
	print_counts(to, "whole run", js_get(sum, "verdicts"));
	json_object_foreach(claims, kind, v)
		print_counts(to, kind, v);
	if (json_array_size(failures) > 0)
		fputs("\nFailures, each kind once\n", to);
	for (size_t i = 0; i < json_array_size(failures); i++)
		print_failure(to, json_array_get(failures, i));
	if (json_array_size(invalid) > 0)
		fputs("\nINVALID, which says nothing about the system\n", to);
	for (size_t i = 0; i < json_array_size(invalid); i++) {
		const json_t *e = json_array_get(invalid, i);
		fprintf(to, "  %s of the runs, first seed %" PRId64 ": %s\n",
		        fmt_count(text, js_int(e, "n", 0)), js_int(e, "first", 0),
		        js_str(e, "why", "?"));
	}
}
