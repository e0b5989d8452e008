/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows out of verdict documents, to text and back; see row.h. */
#include "row.h"

#include <stdlib.h>
#include <string.h>

#include "sim/plan/schema.h"
#include "sim/report/fmt.h"

const struct seeds_measure seeds_measures[] = {
	{ PLAN_EVEN, "servers", "share_ppm", "expected_ppm", SEEDS_AROUND, NULL, "share" },
	{ PLAN_EVEN, NULL, "spread", "spread", SEEDS_AT_MOST, NULL, "turns apart" },
	{ PLAN_DETECT, "balancers", "last_query_ns", "within_ns", SEEDS_AT_MOST, NULL,
	  "noticed after" },
	{ PLAN_DETECT, "balancers", "misrouted", NULL, 0, NULL, "sent to it while dead" },
	{ PLAN_BACK, "balancers", "first_query_ns", "within_ns", SEEDS_AT_MOST, "never",
	  "asked again after" },
	{ PLAN_BACK, "balancers", "at_share_from_ns", "within_ns", SEEDS_AT_MOST, NULL,
	  "at its share after" },
	{ PLAN_LOST, NULL, "lost", "at_most", SEEDS_AT_MOST, NULL, "lost" },
	{ PLAN_LOST, NULL, "misrouted", "misrouted_at_least", SEEDS_AT_LEAST, NULL,
	  "sent to a dead one" },
	{ PLAN_ANSWERS, NULL, "wrong", "wrong", SEEDS_AT_MOST, NULL, "wrong" },
	{ PLAN_ANSWERS, NULL, "duplicate", "duplicate", SEEDS_AT_MOST, NULL, "duplicate" },
	{ PLAN_ANSWERS, NULL, "error", "error", SEEDS_AT_MOST, NULL, "with an error rcode" },
	{ PLAN_CACHE, NULL, "share_ppm", "hits_ppm", SEEDS_AT_LEAST, NULL, "hits" },
	{ PLAN_CACHE, "recursors", "share_ppm", NULL, 0, NULL, "hits" },
	{ PLAN_CACHE, "balancers", "share_ppm", NULL, 0, NULL, "hits" },
	{ PLAN_LATENCY, NULL, "low_ns", NULL, 0, "lost", "quantile, at least" },
	{ PLAN_LATENCY, NULL, "high_ns", "within_ns", SEEDS_AT_MOST, "lost", "quantile, at most" },
	{ PLAN_POLICY, NULL, "wrong", "wrong", SEEDS_AT_MOST, NULL, "to a wrong server" },
	{ PLAN_POLICY, NULL, "telling", "telling", SEEDS_AT_LEAST, NULL, "choices that tell" },
	{ PLAN_POLICY, NULL, "spread", "spread", SEEDS_AT_MOST, NULL, "turns apart" },
	{ PLAN_FLAPS, NULL, "flaps", "at_most", SEEDS_AT_MOST, NULL, "flaps" },
	{ PLAN_FLAPS, "balancers", "changes", NULL, 0, NULL, "changes of state" },
	{ PLAN_OUTAGE, NULL, "longest_ns", "within_ns", SEEDS_AT_MOST, NULL,
	  "longest without answers" },
	{ PLAN_OUTAGE, "balancers", "longest_ns", NULL, 0, NULL, "longest without answers" },
	{ PLAN_OVERSHOOT, "balancers", "most_of_50", "most_of_50", SEEDS_AT_MOST, NULL,
	  "most of 50 in a row" },
	{ PLAN_FAILOVER, NULL, "slowest_ns", "within_ns", SEEDS_AT_MOST, NULL, "slowest" },
	{ PLAN_FAILOVER, NULL, "late", NULL, 0, NULL, "late" },
	{ 0, NULL, "lost", NULL, 0, NULL, "lost" },
	{ 0, NULL, "p50_us", NULL, 0, "lost", "latency p50" },
	{ 0, NULL, "p99_us", NULL, 0, "lost", "latency p99" },
};
const unsigned seeds_measure_n = COUNT_OF(seeds_measures);

/* What rows keep of "bound". */
static const char *const bounds[] = {
	"within_ns", "slack_ns", "catch_ppm", "spread", "at_most", "misrouted_at_least", "wrong",
	"duplicate", "error", "hits_ppm", "quantile_ppm", "telling", "most_of_50",
};

enum { KEY_TEXT = 2 * PLAN_NAME_TEXT + 64, WRITE = JSON_COMPACT | JSON_SORT_KEYS };

enum plan_expect_kind seeds_kind(const char *name)
{
	for (int k = PLAN_EVEN; k < EXPECT_N; k++)
		if (strcmp(plan_expect_name((enum plan_expect_kind)k), name) == 0)
			return (enum plan_expect_kind)k;
	return 0;
}

int seeds_measure_find(enum plan_expect_kind kind, const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *key = dot != NULL ? dot + 1 : name;

	for (unsigned i = 0; i < seeds_measure_n; i++) {
		const struct seeds_measure *m = &seeds_measures[i];
		if (m->kind == kind && (m->list != NULL) == (dot != NULL) &&
		    strcmp(m->key, key) == 0)
			return (int)i;
	}
	return -1;
}

/* to[key] = v, a whole number; anything else is null. */
static void set_whole(json_t *to, const char *key, const json_t *v)
{
	json_object_set_new(to, key, json_is_integer(v) ? json_integer(json_integer_value(v))
	                    : json_null());
}

/* "LB1.last_query_ns", or the next that is free: "LB1#2.last_query_ns". */
static void free_key(const json_t *in, const char *who, const char *key, char out[KEY_TEXT])
{
	snprintf(out, KEY_TEXT, "%.63s.%s", who, key);
	for (unsigned i = 2; json_object_get(in, out) != NULL; i++)
		snprintf(out, KEY_TEXT, "%.63s#%u.%s", who, i, key);
}

static void take_list(const struct seeds_measure *m, const json_t *list, json_t *measured,
                      json_t *bound)
{
	char key[KEY_TEXT];

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *member = json_array_get(list, i);
		const char *who = js_str(member, "name", "?");
		free_key(measured, who, m->key, key);
		set_whole(measured, key, js_get(member, m->key));
		if (m->side != SEEDS_AROUND)
			continue;
		free_key(bound, who, m->bound, key);
		set_whole(bound, key, js_get(member, m->bound));
	}
}

static json_t *row_expectation(const json_t *e)
{
	enum plan_expect_kind kind = seeds_kind(js_str(e, "kind", ""));
	const json_t *from = js_get(e, "measured"), *limit = js_get(e, "bound");
	json_t *measured = json_object(), *bound = json_object();

	for (size_t i = 0; i < COUNT_OF(bounds); i++)
		if (js_get(limit, bounds[i]) != NULL)
			set_whole(bound, bounds[i], js_get(limit, bounds[i]));
	for (unsigned i = 0; i < seeds_measure_n; i++) {
		const struct seeds_measure *m = &seeds_measures[i];
		if (kind == 0 || m->kind != kind)
			continue;
		if (m->list != NULL)
			take_list(m, js_get(from, m->list), measured, bound);
		else if (js_get(from, m->key) != NULL)
			set_whole(measured, m->key, js_get(from, m->key));
	}
	json_t *row = json_pack("{s:s, s:I, s:s, s:o, s:o}", "kind", js_str(e, "kind", "?"),
	                        "line", (json_int_t)js_int(e, "line", 0), "verdict", js_verdict(e),
	                        "bound", bound, "measured", measured);
	if (strcmp(js_verdict(e), "PASS") != 0)
		json_object_set_new(row, "why", json_string(js_str(e, "why", "")));
	return row;
}

/* Without queries there is no latency; with some, null is a lost one's. */
static json_t *row_phase(const json_t *phase)
{
	static const char *const from[] = { "p50", "p99" }, *const to[] = { "p50_us", "p99_us" };
	const json_t *latency = js_get(phase, "latency_us");
	json_t *measured = json_object();

	set_whole(measured, "lost", js_get(phase, "lost"));
	for (size_t i = 0; i < COUNT_OF(from) && js_int(phase, "queries", 0) > 0; i++)
		set_whole(measured, to[i], js_get(latency, from[i]));
	return json_pack("{s:s, s:o}", "what", js_str(phase, "what", "?"), "measured", measured);
}

json_t *seeds_row(const json_t *doc)
{
	const json_t *from = js_get(doc, "expectations"), *invalid = js_get(doc, "invalid");
	json_t *expectations = json_array(), *phases = json_array(), *reasons = json_array();

	for (size_t i = 0; i < json_array_size(from); i++)
		json_array_append_new(expectations, row_expectation(json_array_get(from, i)));
	from = js_get(doc, "phases");
	for (size_t i = 0; i < json_array_size(from); i++)
		json_array_append_new(phases, row_phase(json_array_get(from, i)));
	for (size_t i = 0; i < json_array_size(invalid); i++)
		json_array_append(reasons, json_array_get(invalid, i));
	return json_pack("{s:I, s:s, s:o, s:o, s:o}", "seed", (json_int_t)js_int(doc, "seed", 0),
	                 "verdict", js_verdict(doc), "expectations", expectations,
	                 "invalid", reasons, "phases", phases);
}

json_t *seeds_row_lost(uint64_t seed, const char *why)
{
	return json_pack("{s:I, s:s, s:[], s:[s], s:[]}", "seed", (json_int_t)seed,
	                 "verdict", "INVALID", "expectations", "invalid", why, "phases");
}

char *seeds_row_text(const json_t *row)
{
	char *text = json_dumps(row, WRITE);

	MUST(text != NULL);
	return text;
}

static bool known(const json_t *o)
{
	return strcmp(js_verdict(o), "UNKNOWN") != 0;
}

/* What is wrong with a row, or NULL. */
static const char *row_fault(const json_t *row, size_t expect_n)
{
	const json_t *list = js_get(row, "expectations");
	bool invalid = strcmp(js_verdict(row), "INVALID") == 0;

	if (!json_is_object(row) || !json_is_integer(js_get(row, "seed")) ||
	    js_int(row, "seed", 0) < 0)
		return "expected an object with a seed";
	if (!known(row))
		return "expected a verdict: PASS, FAIL, INCONCLUSIVE or INVALID";
	if (!json_is_array(list) || !json_is_array(js_get(row, "phases")) ||
	    !json_is_array(js_get(row, "invalid")))
		return "expected the lists expectations, phases and invalid";
	if (json_array_size(list) != expect_n && !(invalid && json_array_size(list) == 0))
		return "expected as many expectations as in the first line";
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!known(json_array_get(list, i)))
			return "expected a verdict of each expectation";
	return NULL;
}

json_t *seeds_row_parse(const char *line, size_t expect_n, char error[SEEDS_ERROR])
{
	json_error_t e;
	json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, &e);
	const char *fault = row != NULL ? row_fault(row, expect_n) : e.text;

	if (fault == NULL)
		return row;
	snprintf(error, SEEDS_ERROR, "%.200s", fault);
	json_decref(row);
	return NULL;
}
