/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs with timelines of their own, their rows, and shrinking what failed; see find.h. */
#include "find.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/judge/judge.h"
#include "sim/plan/plan_io.h"
#include "sim/report/fmt.h"
#include "sim/seeds/row.h"

/* ---- rows ---- */

void search_without_numbers(char out[SEARCH_SENTENCE], const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n < SEARCH_SENTENCE - 2; text++) {
		if (*text < '0' || *text > '9')
			out[n++] = (unsigned char)*text < ' ' ? ' ' : *text;
		else if (n == 0 || out[n - 1] != '#')
			out[n++] = '#';
	}
	out[n] = '\0';
}

/* What failed first of what weighs most: a broken invariant, else the first claim. */
static json_t *signature_of(const json_t *doc)
{
	const json_t *first = json_array_get(js_get(doc, "violations"), 0), *e;
	const json_t *list = js_get(doc, "expectations");
	char what[SEARCH_SENTENCE];

	if (first != NULL) {
		search_without_numbers(what, js_str(first, "what", ""));
		return json_sprintf("invariant: %s", what);
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		e = json_array_get(list, i);
		if (strcmp(js_str(doc, "verdict", ""), "FAIL") == 0 &&
		    strcmp(js_verdict(e), "FAIL") == 0)
			return json_sprintf("claim: %s", js_str(e, "kind", "?"));
	}
	return json_null();
}

static int verdict_rank(const char *verdict)
{
	static const char *const order[] = { "PASS", "INCONCLUSIVE", "FAIL" };

	for (size_t i = 0; i < COUNT_OF(order); i++)
		if (strcmp(verdict, order[i]) == 0)
			return (int)i;
	return 0;
}

static json_t *claims_of(const json_t *doc)
{
	const json_t *list = js_get(doc, "expectations");
	json_t *claims = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		const char *kind = js_str(e, "kind", "?"), *was = js_str(claims, kind, NULL);
		if (was == NULL || verdict_rank(js_verdict(e)) > verdict_rank(was))
			json_object_set_new(claims, kind, json_string(js_verdict(e)));
	}
	return claims;
}

static json_t *row_of(const struct plan *p, const json_t *doc)
{
	json_t *invalid = js_get(doc, "invalid") != NULL ? json_deep_copy(js_get(doc, "invalid"))
	                                                 : json_array();

	return json_pack("{s:s, s:I, s:[], s:[], s:o, s:o, s:o, s:i}", "verdict", js_verdict(doc),
	                 "seed", (json_int_t)js_int(doc, "seed", 0), "expectations", "phases",
	                 "invalid", invalid, "signature", signature_of(doc), "claims",
	                 claims_of(doc), "events", (int)p->fault_n);
}

const char *search_signature(const json_t *row)
{
	const char *lost = json_string_value(json_array_get(js_get(row, "invalid"), 0));

	if (js_get(row, "events") == NULL && lost != NULL) /* seeds_row_lost made it */
		return lost;
	return json_string_value(js_get(row, "signature"));
}

/* ---- runs ---- */

static struct plan *make_drawn(void *arg, const struct plan *p)
{
	struct search_case c;

	search_case_draw(&c, arg, p->seed);
	struct plan *made = search_plan(arg, &c, p->seed);
	MUST(made != NULL);
	return made;
}

static struct seeds_pool_options pool_of(const struct search_how *how)
{
	return (struct seeds_pool_options){
		.plan = how->base->plan, .run = how->run, .jobs = how->jobs, .stop = how->stop,
		.progress = how->progress, .progress_arg = how->progress_arg, .invariants = true,
		.sabotage = how->sabotage, .make = make_drawn, .unmake = search_plan_free,
		.row = row_of,
	};
}

int search_run(struct seeds_result *r, const struct search_how *how, char error[SEEDS_ERROR])
{
	struct seeds_pool_options o = pool_of(how);
	struct search_base base = *how->base;

	o.make_arg = &base;
	return seeds_pool(r, &o, error);
}

/* ---- shrinking ---- */

struct again {
	const struct search_how *how;
	struct search_base base;
	const struct search_case *c; /* what make_case makes a plan of */
	const char *signature;
	uint64_t seed;
	int err;
	char *error;
};

static struct plan *make_case(void *arg, const struct plan *p)
{
	const struct again *a = arg;

	return search_plan(&a->base, a->c, p->seed);
}

/* One run in a process of its own, which may crash. */
static bool fails(void *arg, const struct search_case *c)
{
	struct again *a = arg;
	struct seeds_pool_options o = pool_of(a->how);
	char *text = NULL;
	struct seeds_result r = { .range = { a->seed, a->seed }, .shard = { 1, 1 }, .n = 1,
	                          .row = &text };

	if (a->err != 0)
		return false;
	a->c = c;
	o.jobs = 1;
	o.progress = NULL;
	o.make = make_case;
	o.make_arg = a;
	a->err = seeds_pool(&r, &o, a->error);
	json_t *row = text != NULL ? json_loads(text, 0, NULL) : NULL;
	const char *is = row != NULL ? search_signature(row) : NULL;
	bool same = is != NULL && strcmp(is, a->signature) == 0;
	json_decref(row);
	free(text);
	return same;
}

int search_shrink_seed(struct search_found *f, const struct search_how *how, uint64_t seed,
                       const char *signature, char error[SEEDS_ERROR])
{
	struct again a = { .how = how, .base = *how->base, .signature = signature, .seed = seed,
	                   .error = error };

	*f = (struct search_found){ 0 };
	search_case_draw(&f->c, how->base, seed);
	f->before = search_events(&f->c.s);
	if (!fails(&a, &f->c)) {
		if (a.err == 0)
			snprintf(error, SEEDS_ERROR, "seed %" PRIu64 " doesn't fail again: "
			         "'%.400s'", seed, signature);
		return a.err != 0 ? a.err : -EINVAL;
	}
	f->tries = search_shrink(&f->c, how->base->plan, fails, &a);
	f->after = search_events(&f->c.s);
	if (a.err != 0)
		return a.err;
	f->plan = search_plan(how->base, &f->c, seed);
	MUST(f->plan != NULL);
	f->after = f->plan->fault_n;
	return 0;
}

void search_write(FILE *to, const struct search_found *f, const char *signature,
                  const char *again, const char *dir)
{
	fprintf(to, "-- Found by evenkeel search, seed %" PRIu64 ": %s.\n", f->plan->seed,
	        signature);
	fprintf(to, "-- Shrunk from %u events to %u. Again:\n--   %s\n", f->before, f->after,
	        again);
	plan_write_scenario(to, f->plan, dir);
}
