/* SPDX-License-Identifier: BSD-3-Clause */
/* The summary of a sweep; see sum.h. Pure: rows in, a document out. */
#include "sum.h"

#include <stdlib.h>
#include <string.h>

#include "lib/stats.h"
#include "quant.h"
#include "row.h"
#include "sim/report/fmt.h"

enum { NAME_TEXT = 256, VERDICTS = 4 };

/* By gravity, as enum verdict. */
static const char *const verdicts[VERDICTS] = { "PASS", "INCONCLUSIVE", "FAIL", "INVALID" };
static const double LEVEL = 0.05; /* of the exact upper bound */

/* One measure over all runs. */
struct series {
	char name[NAME_TEXT];
	unsigned measure;       /* index into seeds_measures */
	struct seeds_quant q;
	bool bounded, varies;
	int64_t lo, hi;         /* the bound; INT64_MIN, INT64_MAX: none on that side */
};

/* An expectation, or a phase. */
struct section {
	struct series *series;
	size_t n, cap;
	uint64_t verdict[VERDICTS];
};

struct sections {
	struct section *s;
	size_t n;
};

struct sum {
	const struct seeds_result *r;
	struct sections expect, phase;
	json_t *phases;         /* their names */
	uint64_t verdict[VERDICTS];
	uint64_t not_pass_n;
	json_t *not_pass;
};

/* ---- collecting ---- */

static struct section *section_at(struct sections *all, size_t i)
{
	if (i >= all->n) {
		all->s = realloc(all->s, (i + 1) * sizeof(*all->s));
		MUST(all->s != NULL);
		memset(all->s + all->n, 0, (i + 1 - all->n) * sizeof(*all->s));
		all->n = i + 1;
	}
	return &all->s[i];
}

static struct series *series_of(struct section *s, unsigned measure, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->series[i].measure == measure && strcmp(s->series[i].name, name) == 0)
			return &s->series[i];
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 8;
		s->series = realloc(s->series, s->cap * sizeof(*s->series));
		MUST(s->series != NULL);
	}
	struct series *o = &s->series[s->n++];
	*o = (struct series){ .measure = measure, .lo = INT64_MIN, .hi = INT64_MAX };
	snprintf(o->name, sizeof(o->name), "%s", name);
	return o;
}

/* "LB1.expected_ppm" for "LB1.share_ppm": the bound that only this one has. */
static int64_t own_bound(const json_t *bound, const char *name, const char *key)
{
	const char *dot = strrchr(name, '.');
	char full[NAME_TEXT];

	snprintf(full, sizeof(full), "%.*s.%s", dot != NULL ? (int)(dot - name) : 0, name, key);
	return js_int(bound, full, INT64_MAX);
}

/* The limits that a row's bound puts on a measure; false: none. */
static bool limits(const struct seeds_measure *m, const char *name, const json_t *bound,
                   int64_t *lo, int64_t *hi)
{
	int64_t at = m->bound == NULL ? INT64_MAX : m->side == SEEDS_AROUND
	             ? own_bound(bound, name, m->bound) : js_int(bound, m->bound, INT64_MAX);
	int64_t more = m->side == SEEDS_AROUND ? js_int(bound, "catch_ppm", INT64_MAX)
	                                       : js_int(bound, "slack_ns", 0);

	*lo = INT64_MIN;
	*hi = INT64_MAX;
	if (at == INT64_MAX)
		return false;
	if (m->side == SEEDS_AT_LEAST)
		*lo = at;
	else if (__builtin_add_overflow(at, more, hi))
		return false;
	if (m->side == SEEDS_AROUND)
		*lo = at - more;
	return m->side != SEEDS_AT_LEAST || at > 0; /* at least 0 limits nothing */
}

static void take_value(struct section *s, enum plan_expect_kind kind, const char *name,
                       const json_t *value, const json_t *bound)
{
	int i = seeds_measure_find(kind, name);
	int64_t lo, hi;

	if (i < 0)
		return;
	const struct seeds_measure *m = &seeds_measures[i];
	struct series *o = series_of(s, (unsigned)i, name);
	if (json_is_integer(value))
		seeds_quant_add(&o->q, json_integer_value(value));
	else if (m->beyond != NULL)
		seeds_quant_add(&o->q, SEEDS_BEYOND);
	else
		o->q.none++;
	if (!limits(m, name, bound, &lo, &hi))
		return;
	o->varies |= o->bounded && (o->lo != lo || o->hi != hi);
	if (!o->bounded) {
		o->lo = lo;
		o->hi = hi;
		o->bounded = true;
	}
}

static void take_section(struct section *s, enum plan_expect_kind kind, const json_t *from)
{
	const json_t *measured = js_get(from, "measured"), *bound = js_get(from, "bound");
	const char *key;
	json_t *value;

	for (void *at = json_object_iter((json_t *)(uintptr_t)measured); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)measured, at)) {
		key = json_object_iter_key(at);
		value = json_object_iter_value(at);
		take_value(s, kind, key, value, bound);
	}
}

static unsigned verdict_index(const json_t *o)
{
	return (unsigned)judge_verdict(o);
}

static json_t *reasons(const json_t *row)
{
	const json_t *list = js_get(row, "expectations"), *invalid = js_get(row, "invalid");
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(invalid); i++)
		json_array_append(out, json_array_get(invalid, i));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		if (verdict_index(e) != VERDICT_PASS)
			json_array_append_new(out, json_sprintf("line %lld %s: %s",
			                      (long long)js_int(e, "line", 0),
			                      js_str(e, "kind", "?"), js_str(e, "why", "")));
	}
	return out;
}

static void take_not_pass(struct sum *m, const json_t *row)
{
	uint64_t seed = (uint64_t)js_int(row, "seed", 0);

	if (m->not_pass_n++ >= SEEDS_TOLD)
		return;
	char *repeat = seeds_repeat(m->r->head, seed);
	json_array_append_new(m->not_pass, json_pack("{s:I, s:s, s:o, s:s}", "seed",
	                      (json_int_t)seed, "verdict", js_verdict(row), "reasons",
	                      reasons(row), "repeat", repeat));
	free(repeat);
}

static void take_row(struct sum *m, const json_t *row)
{
	const json_t *list = js_get(row, "expectations"), *phases = js_get(row, "phases");
	unsigned verdict = verdict_index(row);

	m->verdict[verdict]++;
	if (verdict != VERDICT_PASS)
		take_not_pass(m, row);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		struct section *s = section_at(&m->expect, i);
		s->verdict[verdict_index(e)]++;
		if (verdict != VERDICT_INVALID)
			take_section(s, seeds_kind(js_str(e, "kind", "")), e);
	}
	for (size_t i = 0; verdict != VERDICT_INVALID && i < json_array_size(phases); i++) {
		const json_t *phase = json_array_get(phases, i);
		if (i >= json_array_size(m->phases))
			json_array_append_new(m->phases, json_string(js_str(phase, "what", "?")));
		take_section(section_at(&m->phase, i), 0, phase);
	}
}

/* ---- the document ---- */

static int by_table(const void *a, const void *b)
{
	const struct series *x = a, *y = b;

	if (x->measure != y->measure)
		return x->measure < y->measure ? -1 : 1;
	return strcmp(x->name, y->name);
}

static json_t *bound_json(const struct series *o)
{
	json_t *bound = json_object();

	if (o->hi != INT64_MAX)
		json_object_set_new(bound, "at_most", json_integer((json_int_t)o->hi));
	if (o->lo != INT64_MIN)
		json_object_set_new(bound, "at_least", json_integer((json_int_t)o->lo));
	return bound;
}

static json_t *measures_json(struct section *s)
{
	json_t *list = json_array();

	if (s->n > 0)
		qsort(s->series, s->n, sizeof(*s->series), by_table);
	for (size_t i = 0; i < s->n; i++) {
		struct series *o = &s->series[i];
		seeds_quant_sort(&o->q);
		json_t *j = seeds_quant_json(&o->q);
		json_object_set_new(j, "name", json_string(o->name));
		json_object_set_new(j, "what", json_string(seeds_measures[o->measure].what));
		json_object_set_new(j, "bound", o->bounded ? bound_json(o) : json_null());
		json_object_set_new(j, "bound_varies", json_boolean(o->varies));
		json_array_append_new(list, j);
	}
	return list;
}

static bool is_detection(const struct series *o)
{
	const struct seeds_measure *m = &seeds_measures[o->measure];

	return m->kind == PLAN_DETECT && strcmp(m->key, "last_query_ns") == 0;
}

/* Detection times of all balancers, sorted already, from 0 to their bound. */
static json_t *histogram_json(const struct section *s)
{
	int64_t bound = 0, counts[SEEDS_BINS] = { 0 }, later = 0, all = 0;

	for (size_t i = 0; i < s->n; i++)
		if (is_detection(&s->series[i]) && s->series[i].bounded)
			bound = s->series[i].hi > bound ? s->series[i].hi : bound;
	int64_t bin = bound / SEEDS_BINS + 1;
	for (size_t i = 0; i < s->n; i++) {
		const struct seeds_quant *q = &s->series[i].q;
		for (size_t k = 0; is_detection(&s->series[i]) && k < q->n; k++, all++) {
			int64_t v = q->v[k] > 0 ? q->v[k] : 0;
			if (v > bound)
				later++;
			else
				counts[v / bin]++;
		}
	}
	if (all == 0 || bound == 0)
		return json_null();
	json_t *list = json_array();
	for (unsigned i = 0; i < SEEDS_BINS; i++)
		json_array_append_new(list, json_integer((json_int_t)counts[i]));
	return json_pack("{s:I, s:o, s:I}", "bin_ns", (json_int_t)bin, "counts", list, "later",
	                 (json_int_t)later);
}

static json_t *verdicts_json(const uint64_t count[VERDICTS])
{
	json_t *o = json_object();

	for (unsigned i = 0; i < VERDICTS; i++)
		json_object_set_new(o, verdicts[i], json_integer((json_int_t)count[i]));
	return o;
}

static json_t *expectations_json(struct sum *m)
{
	const json_t *from = js_get(m->r->head, "expectations");
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(from); i++) {
		struct section *s = section_at(&m->expect, i);
		json_t *e = json_copy(json_array_get(from, i));
		json_object_set_new(e, "verdicts", verdicts_json(s->verdict));
		json_object_set_new(e, "measures", measures_json(s));
		json_object_set_new(e, "histogram", histogram_json(s));
		json_array_append_new(list, e);
	}
	return list;
}

static json_t *phases_json(struct sum *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->phase.n; i++)
		json_array_append_new(list, json_pack("{s:O, s:o}", "what",
		                      json_array_get(m->phases, i), "measures",
		                      measures_json(&m->phase.s[i])));
	return list;
}

/* Billionths, rounded up; what no FAIL at all says of the rate of FAIL. */
static json_t *fail_rate_json(const uint64_t count[VERDICTS])
{
	uint64_t n = count[VERDICT_PASS] + count[VERDICT_INCONCLUSIVE];

	if (n == 0 || count[VERDICT_FAIL] > 0)
		return json_null();
	double ppb = stat_clopper_pearson(0, n, LEVEL).hi * 1e9;
	return json_integer((json_int_t)ppb + ((double)(int64_t)ppb < ppb));
}

static void sections_free(struct sections *all)
{
	for (size_t i = 0; i < all->n; i++) {
		for (size_t k = 0; k < all->s[i].n; k++)
			seeds_quant_free(&all->s[i].series[k].q);
		free(all->s[i].series);
	}
	free(all->s);
}

static unsigned worst(const uint64_t count[VERDICTS])
{
	unsigned v = VERDICTS - 1;

	while (v > 0 && count[v] == 0)
		v--;
	return v;
}

json_t *seeds_sum(const struct seeds_result *r)
{
	struct sum m = { .r = r, .phases = json_array(), .not_pass = json_array() };
	size_t expect_n = json_array_size(js_get(r->head, "expectations"));
	char error[SEEDS_ERROR];

	for (uint64_t k = 0; k < r->n; k++) {
		json_t *row = seeds_row_parse(r->row[k], expect_n, error);
		MUST(row != NULL);
		take_row(&m, row);
		json_decref(row);
	}
	json_t *o = json_pack("{s:O, s:I, s:s, s:o, s:o, s:o, s:I, s:o, s:o}", "header", r->head,
	                      "runs", (json_int_t)r->n, "verdict", verdicts[worst(m.verdict)],
	                      "verdicts", verdicts_json(m.verdict),
	                      "expectations", expectations_json(&m), "phases", phases_json(&m),
	                      "not_pass_n", (json_int_t)m.not_pass_n, "not_pass", m.not_pass,
	                      "fail_rate_upper_ppb", fail_rate_json(m.verdict));
	MUST(o != NULL);
	sections_free(&m.expect);
	sections_free(&m.phase);
	json_decref(m.phases);
	return o;
}

enum verdict seeds_sum_verdict(const json_t *summary)
{
	return judge_verdict(summary);
}

/* ---- the command that repeats a run ---- */

void seeds_put_word(FILE *to, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                            "_-./=:,+@%";

	if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
		fputs(word, to);
		return;
	}
	fputc('\'', to);
	for (; *word != '\0'; word++)
		if (*word == '\'')
			fputs("'\\''", to);
		else
			fputc(*word, to);
	fputc('\'', to);
}

bool seeds_is_defect(const char *word)
{
	static const char option[] = "--defect ";

	return strncmp(word, option, strlen(option)) == 0;
}

void seeds_put_given(FILE *to, const json_t *head, bool defects_only)
{
	const json_t *set = js_get(head, "set");

	for (size_t i = 0; i < json_array_size(set); i++) {
		const char *word = json_string_value(json_array_get(set, i));
		if (word == NULL || (defects_only && !seeds_is_defect(word)))
			continue;
		fputs(seeds_is_defect(word) ? " " : " --set ", to);
		if (seeds_is_defect(word))
			fputs(word, to);
		else
			seeds_put_word(to, word);
	}
}

char *seeds_repeat(const json_t *head, uint64_t seed)
{
	const char *path = js_str(head, "path", "");
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	MUST(to != NULL);
	fprintf(to, "evenkeel run --engine virtual --seed %llu", (unsigned long long)seed);
	seeds_put_given(to, head, false);
	fputs(path[0] == '-' ? " ./" : " ", to);
	seeds_put_word(to, path);
	MUST(fclose(to) == 0);
	return text;
}
