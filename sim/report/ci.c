/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Verdicts for CI systems: JUnit XML and TAP 13, one test case per expectation, one for each
 * invariant that was broken, and one for the harness. FAIL is a failure, INVALID an error,
 * INCONCLUSIVE a skip; in an INVALID run nothing is proven, so its other cases are skips too.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fmt.h"
#include "report.h"

enum outcome { OK, FAILED, ERROR, SKIPPED, OUTCOMES };

static bool is(const json_t *o, const char *verdict)
{
	return strcmp(js_verdict(o), verdict) == 0;
}

static bool valid(const json_t *doc)
{
	return !is(doc, "INVALID") && !is(doc, "UNKNOWN");
}

static enum outcome outcome(const json_t *doc, const json_t *e)
{
	if (is(e, "INVALID"))
		return ERROR;
	if (!valid(doc) || is(e, "INCONCLUSIVE"))
		return SKIPPED;
	if (is(e, "PASS"))
		return OK;
	return is(e, "FAIL") ? FAILED : ERROR;
}

/* The reason that goes with it: the expectation's own, unless the run as a whole is void. */
static const char *reason(const json_t *doc, const json_t *e)
{
	if (!valid(doc) && !is(e, "INVALID"))
		return "the run is INVALID, so this proves nothing";
	return js_str(e, "why", "");
}

static const json_t *expectations(const json_t *doc)
{
	return js_get(doc, "expectations");
}

static const json_t *violations(const json_t *doc)
{
	return js_get(doc, "violations");
}

/* The sentence of a violation, which the caller frees. */
static char *violation_text(const json_t *v)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return NULL;
	fmt_violation(to, v);
	fclose(to);
	return text;
}

/* The sentences of invalid[], one text that the caller frees. */
static char *trouble(const json_t *doc)
{
	const json_t *list = js_get(doc, "invalid");
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		fprintf(to, "%s%s", i > 0 ? "; " : "", s != NULL ? s : "?");
	}
	if (json_array_size(list) == 0)
		fputs("no verdict that this version knows", to);
	fclose(to);
	return text;
}

static void attribute(FILE *to, const char *name, const char *value)
{
	fprintf(to, " %s=\"", name);
	fmt_xml(to, value, true);
	fputc('"', to);
}

static void count(const json_t *doc, unsigned n[OUTCOMES])
{
	n[valid(doc) ? OK : ERROR]++;
	for (size_t i = 0; i < json_array_size(expectations(doc)); i++)
		n[outcome(doc, json_array_get(expectations(doc), i))]++;
	n[valid(doc) ? FAILED : SKIPPED] += (unsigned)json_array_size(violations(doc));
}

static void totals(FILE *to, const unsigned n[OUTCOMES])
{
	fprintf(to, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\">\n",
	        n[OK] + n[FAILED] + n[ERROR] + n[SKIPPED], n[FAILED], n[ERROR], n[SKIPPED]);
}

static void property(FILE *to, const char *name, const char *value)
{
	fputs("      <property", to);
	attribute(to, "name", name);
	attribute(to, "value", value);
	fputs("/>\n", to);
}

static void properties(FILE *to, const json_t *doc)
{
	char seed[FMT_TEXT];

	snprintf(seed, sizeof(seed), "%" PRId64, js_int(doc, "seed", 0));
	fputs("    <properties>\n", to);
	property(to, "verdict", js_verdict(doc));
	if (js_get(doc, "foreign") == NULL) {
		property(to, "seed", seed);
		property(to, "engine", js_str(doc, "engine", ""));
		property(to, "plan_sha256", js_str(doc, "plan_sha256", ""));
	}
	fputs("    </properties>\n", to);
}

/* "LABEL key value, ..." and a line for each balancer or server. */
static void figures(FILE *to, const char *label, const json_t *o)
{
	const char *key;
	json_t *list;

	fprintf(to, "%s ", label);
	fmt_members(to, o);
	fputc('\n', to);
	json_object_foreach((json_t *)(uintptr_t)o, key, list)
		for (size_t i = 0; js_named(list) && i < json_array_size(list); i++) {
			fprintf(to, "  %s: ", js_str(json_array_get(list, i), "name", "?"));
			fmt_members(to, json_array_get(list, i));
			fputc('\n', to);
		}
}

/* What a case says below its outcome: the figures and where the evidence lies. */
static void details(FILE *to, const json_t *e)
{
	char *text = NULL;
	size_t len;
	FILE *mem = open_memstream(&text, &len);
	const json_t *list = js_get(e, "evidence");

	if (mem == NULL)
		return;
	figures(mem, "measured", js_get(e, "measured"));
	figures(mem, "bound", js_get(e, "bound"));
	for (size_t i = 0; i < json_array_size(list); i++) {
		fputs("evidence ", mem);
		fmt_evidence(mem, json_array_get(list, i));
		fputc('\n', mem);
	}
	fclose(mem);
	fmt_xml(to, text, false);
	free(text);
}

static void junit_case(FILE *to, const json_t *doc, const char *kind, const char *title)
{
	fputs("    <testcase", to);
	fputs(" classname=\"evenkeel.", to);
	fmt_xml(to, js_str(doc, "scenario", "?"), true);
	fputs("\" name=\"", to);
	fmt_xml(to, kind, true);
	fputs(": ", to);
	fmt_xml(to, title, true);
	fputc('"', to);
}

static void junit_expectation(FILE *to, const json_t *doc, const json_t *e)
{
	static const char *const tags[OUTCOMES] = { "system-out", "failure", "error", "skipped" };
	enum outcome o = outcome(doc, e);

	junit_case(to, doc, js_str(e, "kind", "?"), js_str(e, "title", "?"));
	fprintf(to, ">\n      <%s", tags[o]);
	if (o != OK)
		attribute(to, "message", reason(doc, e));
	if (o == FAILED || o == ERROR)
		attribute(to, "type", js_verdict(e));
	fputc('>', to);
	if (o == OK) {
		fmt_xml(to, reason(doc, e), false);
		fputc('\n', to);
	}
	details(to, e);
	fprintf(to, "</%s>\n    </testcase>\n", tags[o]);
}

static void junit_violation(FILE *to, const json_t *doc, const json_t *v)
{
	const char *tag = valid(doc) ? "failure" : "skipped";
	char *text = violation_text(v);

	junit_case(to, doc, "violation", js_str(v, "what", "?"));
	fprintf(to, ">\n      <%s", tag);
	attribute(to, "message", text != NULL ? text : "?");
	if (valid(doc))
		attribute(to, "type", "FAIL");
	fputs("/>\n    </testcase>\n", to);
	free(text);
}

static void junit_harness(FILE *to, const json_t *doc)
{
	char *why = valid(doc) ? NULL : trouble(doc);

	junit_case(to, doc, "harness", "the run is valid");
	if (why == NULL) {
		fputs("/>\n", to);
		return;
	}
	fputs(">\n      <error", to);
	attribute(to, "message", why);
	attribute(to, "type", js_verdict(doc));
	fputs("/>\n    </testcase>\n", to);
	free(why);
}

static void junit_suite(FILE *to, const json_t *doc)
{
	unsigned n[OUTCOMES] = { 0 };

	count(doc, n);
	fputs("  <testsuite", to);
	attribute(to, "name", js_str(doc, "scenario", "?"));
	totals(to, n);
	properties(to, doc);
	junit_harness(to, doc);
	for (size_t i = 0; i < json_array_size(expectations(doc)); i++)
		junit_expectation(to, doc, json_array_get(expectations(doc), i));
	for (size_t i = 0; i < json_array_size(violations(doc)); i++)
		junit_violation(to, doc, json_array_get(violations(doc), i));
	fputs("  </testsuite>\n", to);
}

void report_junit(FILE *to, const json_t *const *doc, unsigned n)
{
	unsigned all[OUTCOMES] = { 0 };

	for (unsigned i = 0; i < n; i++)
		count(doc[i], all);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"evenkeel\"", to);
	totals(to, all);
	for (unsigned i = 0; i < n; i++)
		junit_suite(to, doc[i]);
	fputs("</testsuites>\n", to);
}

/* A line of TAP's description or directive: '#' and newlines would mean something. */
static void tap_text(FILE *to, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '#' || *s == '\\')
			fputc('\\', to);
		fputc((unsigned char)*s < 0x20 ? ' ' : *s, to);
	}
}

/* A JSON value is a YAML flow value; keys sorted, so the same bytes each time. */
static void yaml(FILE *to, const char *key, const json_t *v)
{
	if (v == NULL)
		return;
	fprintf(to, "  %s: ", key);
	json_dumpf(v, to, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(REPORT_DIGITS));
	fputc('\n', to);
}

static void tap_point(FILE *to, unsigned *id, const json_t *doc, enum outcome o, const char *kind)
{
	fprintf(to, "%s %u - ", o == OK || o == SKIPPED ? "ok" : "not ok", ++*id);
	tap_text(to, js_str(doc, "scenario", "?"));
	if (js_get(doc, "foreign") == NULL)
		fprintf(to, " seed %" PRId64, js_int(doc, "seed", 0));
	fputc(' ', to);
	tap_text(to, kind);
}

static void tap_expectation(FILE *to, unsigned *id, const json_t *doc, const json_t *e)
{
	enum outcome o = outcome(doc, e);

	tap_point(to, id, doc, o, js_str(e, "kind", "?"));
	fputs(": ", to);
	tap_text(to, js_str(e, "title", "?"));
	if (o == SKIPPED) {
		fprintf(to, " # SKIP %s ", valid(doc) ? "INCONCLUSIVE:" : "INVALID:");
		tap_text(to, reason(doc, e));
	}
	fputs("\n  ---\n", to);
	yaml(to, "verdict", js_get(e, "verdict"));
	yaml(to, "why", js_get(e, "why"));
	yaml(to, "measured", js_get(e, "measured"));
	yaml(to, "bound", js_get(e, "bound"));
	yaml(to, "evidence", js_get(e, "evidence"));
	fputs("  ...\n", to);
}

static void tap_violation(FILE *to, unsigned *id, const json_t *doc, const json_t *v)
{
	char *text = violation_text(v);

	tap_point(to, id, doc, valid(doc) ? FAILED : SKIPPED, "violation: ");
	tap_text(to, text != NULL ? text : "?");
	fputs(valid(doc) ? "\n" : " # SKIP INVALID: the run is INVALID, so this proves nothing\n",
	      to);
	free(text);
}

void report_tap(FILE *to, const json_t *const *doc, unsigned n)
{
	size_t points = n;
	unsigned id = 0;

	for (unsigned i = 0; i < n; i++)
		points += json_array_size(expectations(doc[i])) +
		          json_array_size(violations(doc[i]));
	fprintf(to, "TAP version 13\n1..%zu\n", points);
	for (unsigned i = 0; i < n; i++) {
		tap_point(to, &id, doc[i], valid(doc[i]) ? OK : ERROR, "harness: the run is valid");
		fputs("\n  ---\n", to);
		yaml(to, "verdict", js_get(doc[i], "verdict"));
		yaml(to, "invalid", js_get(doc[i], "invalid"));
		yaml(to, "harness", js_get(doc[i], "harness"));
		fputs("  ...\n", to);
		for (size_t k = 0; k < json_array_size(expectations(doc[i])); k++)
			tap_expectation(to, &id, doc[i], json_array_get(expectations(doc[i]), k));
		for (size_t k = 0; k < json_array_size(violations(doc[i])); k++)
			tap_violation(to, &id, doc[i], json_array_get(violations(doc[i]), k));
	}
}
