/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lost, answers, cache and latency: what clients got, and what the recursors' caches did. Counts
 * are whole and decided as they are; shares by exact bounds on either side of what was asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "gone.h"
#include "recursor-stub/core/answer.h"
#include "sim/plan/bounds.h"
#include "sim/plan/downs.h"

enum { EVIDENCE_MAX = 5 };

static int64_t ppm_of(uint64_t k, uint64_t n)
{
	return n > 0 ? (int64_t)((double)k / (double)n * 1e6 + 0.5) : 0;
}

/* ---- lost ---- */

struct lost {
	uint64_t queries, lost, lost_first, late, truncated;
	const struct client *first; /* who has the first lost query, as evidence */
};

static struct lost count_lost(const struct judge *j)
{
	struct lost l = { 0 };

	for (unsigned i = 0; i < j->client_n; i++) {
		const struct settled *s = &j->client[i].settled;
		l.queries += s->sent;
		l.lost += s->lost;
		l.lost_first += s->lost_first;
		l.late += s->late;
		l.truncated += s->lost_truncated;
		if (l.first == NULL && s->lost > 0)
			l.first = &j->client[i];
	}
	return l;
}

void expect_lost(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	struct lost l = count_lost(j);
	double mean = plan_lost_mean(j->plan);
	uint64_t most = e->at_most != PLAN_MODEL ? (uint64_t)e->at_most :
	                stat_poisson_most(mean, expect_flake(e));
	uint64_t misrouted = 0, least = 0;

	for (unsigned i = 0; i < j->plan->fault_n; i++) {
		misrouted += fault_misrouted(j, i);
		least += fault_misrouted_least(j, i);
	}
	text_add(&f->title, "no more queries are lost than the failure explains");
	text_add(&f->claim, "at most ");
	text_count(&f->claim, most);
	text_count(&f->why, l.lost);
	text_add(&f->why, " of ");
	text_count(&f->why, l.queries);
	text_add(&f->why, " queries got no answer in time (");
	text_count(&f->why, l.late);
	text_add(&f->why, " of them a late one");
	if (l.truncated > 0) {
		text_add(&f->why, ", ");
		text_count(&f->why, l.truncated);
		text_add(&f->why, " truncated and then none over TCP");
	}
	text_add(&f->why, "), at most ");
	text_count(&f->why, most);
	if (e->at_most == PLAN_MODEL)
		text_add(&f->why, " (a Poisson count of mean %.1f)", mean);
	text_add(&f->why, "; ");
	text_count(&f->why, misrouted);
	text_add(&f->why, " went to a dead recursor");
	if (least > 0) {
		text_add(&f->why, ", at least ");
		text_count(&f->why, least);
		text_add(&f->why, " must have");
	}
	json_object_set_new(f->measured, "queries", json_integer((json_int_t)l.queries));
	json_object_set_new(f->measured, "lost", json_integer((json_int_t)l.lost));
	json_object_set_new(f->measured, "lost_at_first_try",
	                    json_integer((json_int_t)l.lost_first));
	json_object_set_new(f->measured, "late", json_integer((json_int_t)l.late));
	json_object_set_new(f->measured, "truncated", json_integer((json_int_t)l.truncated));
	json_object_set_new(f->measured, "misrouted", json_integer((json_int_t)misrouted));
	json_object_set_new(f->bound, "at_most", json_integer((json_int_t)most));
	json_object_set_new(f->measured, "faults", gones_json(j));
	json_object_set_new(f->bound, "misrouted_at_least", json_integer((json_int_t)least));
	f->verdict = l.queries == 0 ? VERDICT_INCONCLUSIVE :
	             l.lost <= most ? VERDICT_PASS : VERDICT_FAIL;
	if (l.first != NULL)
		finding_frame(f, j, l.first->node, l.first->settled.first_lost_frame,
		              l.first->settled.first_lost_ns,
		              "first query that got no answer in time");
}

/* ---- answers ---- */

/* Wrong answers and duplicates with their frames and, where it is known, who gave them. */
static void tell_bad(const struct judge *j, struct finding *f)
{
	unsigned told = 0;

	for (unsigned i = 0; i < j->client_n; i++)
		for (size_t k = 0; k < j->client[i].bad_n && told < EVIDENCE_MAX; k++, told++) {
			const struct bad *bad = &j->client[i].bad[k];
			struct text what = { .n = 0 };
			text_add(&what, "%s%s%s", bad->what,
			         bad->server != NULL ? ", asked of " : "",
			         bad->server != NULL ? bad->server : "");
			if (told == 0)
				text_add(&f->why, "; the first: %s", what.s);
			if (bad->said != NULL)
				text_add(&what, "; %s", bad->said);
			finding_frame(f, j, j->client[i].node, bad->frame, bad->t_ns, what.s);
		}
}

static void tell_errors(const struct plan_expect *e, struct finding *f)
{
	if (e->error_least > 0) {
		text_add(&f->why, " (at least ");
		text_count(&f->why, e->error_least);
		text_add(&f->why, ")");
	}
	if (e->error >= 0) {
		text_add(&f->why, " (at most ");
		text_count(&f->why, (uint64_t)e->error);
		text_add(&f->why, ")");
	}
}

static void tell_answers(const struct judge *j, const struct plan_expect *e,
                         const struct answers *a, struct finding *f)
{
	uint64_t wrong = a->wrong, duplicate = a->duplicate, error = a->error;

	text_add(&f->why, "of ");
	text_count(&f->why, a->answered);
	text_add(&f->why, " answered queries: ");
	text_count(&f->why, wrong);
	text_add(&f->why, " wrong (at most ");
	text_count(&f->why, e->wrong);
	text_add(&f->why, "), ");
	text_count(&f->why, duplicate);
	text_add(&f->why, " duplicate (at most ");
	text_count(&f->why, e->duplicate);
	text_add(&f->why, "), ");
	text_count(&f->why, error);
	text_add(&f->why, " with an error rcode");
	tell_errors(e, f);
	if (a->stale > 0) {
		text_add(&f->why, "; ");
		text_count(&f->why, a->stale);
		text_add(&f->why, " came later than setUDPTimeout after their query and were "
		         "passed on (%s)", node_name(j, (int)a->stale_node));
		finding_frame(f, j, a->stale_node, a->stale_frame, a->stale_ns,
		              "first answer that was passed on after its query's time");
	}
	if (a->truncated > 0) {
		text_add(&f->why, "; ");
		text_count(&f->why, a->truncated);
		text_add(&f->why, " were truncated, ");
		text_count(&f->why, a->over_tcp);
		text_add(&f->why, " of them got their answer over TCP or at a later try");
	}
	if (j->client_n > 0 && j->client[0].oracle == NULL)
		text_add(&f->why, "; their data weren't checked: a foreign recursor gave them");
	captured_tell(j, &f->why);
	tell_bad(j, f);
}

/*
 * Too many errors are a FAIL, and so are too few where some are claimed: the run was long enough
 * for them, or lint and the operator were wrong.
 */
static enum verdict decide_answers(const struct answers *a)
{
	const struct plan_expect *e = a->e;
	bool right = a->stale == 0 && a->wrong <= e->wrong && a->duplicate <= e->duplicate &&
	             a->error >= e->error_least &&
	             (e->error < 0 || a->error <= (uint64_t)e->error);

	return a->answered == 0 && a->wrong == 0 ? VERDICT_INCONCLUSIVE :
	       right ? VERDICT_PASS : VERDICT_FAIL;
}

static void count(json_t *o, const char *key, uint64_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

void expect_answers(struct judge *j, const struct answers *a, struct finding *f)
{
	const struct plan_expect *e = a->e;

	text_add(&f->title, "answers are the ones that were asked for");
	text_add(&f->claim, "at most %llu wrong, %llu duplicate", (unsigned long long)e->wrong,
	         (unsigned long long)e->duplicate);
	if (e->error >= 0)
		text_add(&f->claim, ", %lld errors", (long long)e->error);
	if (e->error_least > 0)
		text_add(&f->claim, ", at least %llu errors", (unsigned long long)e->error_least);
	if (a->from_ns != INT64_MIN || a->to_ns != INT64_MAX) {
		text_add(&f->claim, ", from ");
		text_time(&f->claim, e->during_from_ns);
		text_add(&f->claim, " to ");
		text_time(&f->claim, e->during_to_ns);
	}
	tell_answers(j, e, a, f);
	count(f->measured, "answered", a->answered);
	count(f->measured, "wrong", a->wrong);
	count(f->measured, "duplicate", a->duplicate);
	count(f->measured, "error", a->error);
	count(f->measured, "stale", a->stale);
	count(f->measured, "truncated", a->truncated);
	count(f->measured, "truncated_answered", a->over_tcp);
	count(f->bound, "wrong", e->wrong);
	count(f->bound, "duplicate", e->duplicate);
	json_object_set_new(f->bound, "error", e->error < 0 ? json_null() :
	                    json_integer((json_int_t)e->error));
	if (e->error_least > 0)
		count(f->bound, "error_least", e->error_least);
	f->verdict = decide_answers(a);
}

/* ---- shares that must be at least, or at most, something ---- */

/* k of n against a least share: PASS by the lower exact bound, FAIL by the upper one. */
static enum verdict decide_least(const struct plan_expect *e, uint64_t k, uint64_t n, double least,
                                 struct stat_interval *is)
{
	struct stat_interval fail = stat_clopper_pearson(k, n, expect_flake(e));

	*is = stat_clopper_pearson(k, n, expect_miss(e));
	if (n > 0 && is->lo >= least)
		return VERDICT_PASS;
	return n > 0 && fail.hi < least ? VERDICT_FAIL : VERDICT_INCONCLUSIVE;
}

static json_t *cache_json(const char *name, const struct cache_count *c, const char *of)
{
	return json_pack("{s:s, s:I, s:I, s:I}", "name", name, of, (json_int_t)c->answers,
	                 "hits", (json_int_t)c->hits,
	                 "share_ppm", (json_int_t)ppm_of(c->hits, c->answers));
}

/* The sum of all nodes' counts, each of which goes into list. */
static struct cache_count cache_sum(const struct judge *j, unsigned cache, bool balancers,
                                    json_t *list)
{
	struct cache_count all = { 0 };

	for (unsigned i = 0; i < (balancers ? j->balancer_n : j->recursor_n); i++) {
		unsigned node = balancers ? j->balancer[i].node : j->recursor[i].node;
		const struct cache_count *c = balancers ? &j->balancer[i].cache[cache] :
		                              &j->recursor[i].cache[cache];
		all.answers += c->answers;
		all.hits += c->hits;
		json_array_append_new(list, cache_json(node_name(j, (int)node), c,
		                                       balancers ? "queries" : "answers"));
	}
	return all;
}

static void tell_cache(const struct plan_expect *e, const struct cache_count *all, double low,
                       struct finding *f)
{
	text_count(&f->why, all->hits);
	text_add(&f->why, " of ");
	text_count(&f->why, all->answers);
	text_add(&f->why, e->at_balancers ? " queries (" : " answers (");
	text_percent(&f->why, ppm_of(all->hits, all->answers));
	text_add(&f->why, " %%, surely at least ");
	text_percent(&f->why, (int64_t)(low * 1e6));
	text_add(&f->why, e->at_balancers ? " %%) were answered by the balancers, which asked no "
	         "recursor for them" : " %%) left within ");
	if (!e->at_balancers) {
		text_time(&f->why, e->within_ns);
		text_add(&f->why, " at the recursors' own interfaces");
	}
	text_add(&f->why, ", expected at least ");
	text_percent(&f->why, e->hits_ppm);
	text_add(&f->why, " %%%s", f->verdict == VERDICT_INCONCLUSIVE ? ": too few to tell" : "");
}

void expect_cache(struct judge *j, unsigned cache, struct finding *f)
{
	const struct plan_expect *e = j->cache[cache];
	bool balancers = e->at_balancers;
	json_t *list = json_array();
	struct cache_count all = cache_sum(j, cache, balancers, list);
	struct stat_interval is;

	f->verdict = decide_least(e, all.hits, all.answers, e->hits_ppm / 1e6, &is);
	text_add(&f->title, "most answers come from the %s' caches",
	         balancers ? "balancers" : "recursors");
	text_add(&f->claim, "at least ");
	text_percent(&f->claim, e->hits_ppm);
	text_add(&f->claim, balancers ? " %% of the queries" : " %% within ");
	if (!balancers)
		text_time(&f->claim, e->within_ns);
	tell_cache(e, &all, is.lo, f);
	json_object_set_new(f->measured, balancers ? "queries" : "answers",
	                    json_integer((json_int_t)all.answers));
	json_object_set_new(f->measured, "hits", json_integer((json_int_t)all.hits));
	json_object_set_new(f->measured, "share_ppm",
	                    json_integer((json_int_t)ppm_of(all.hits, all.answers)));
	json_object_set_new(f->measured, "low_ppm", json_integer((json_int_t)(is.lo * 1e6)));
	json_object_set_new(f->measured, balancers ? "balancers" : "recursors", list);
	json_object_set_new(f->bound, "hits_ppm", json_integer(e->hits_ppm));
	if (!balancers)
		json_object_set_new(f->bound, "within_ns", json_integer((json_int_t)e->within_ns));
}

/* ---- latency ---- */

/*
 * What the value of rank r (from 1) is at least or at most, as JSON: null above them all or lost.
 * Lost queries are the longest.
 */
static json_t *rank_json(const struct latency *l, uint64_t r, bool most)
{
	r = r < 1 ? 1 : r;
	if (r > l->spread.n)
		return json_null();
	return json_integer((json_int_t)(most ? spread_rank_most(&l->spread, r) :
	                                 spread_rank_least(&l->spread, r)));
}

static void tell_latency(const struct plan_expect *e, uint64_t within, uint64_t n,
                         struct finding *f)
{
	text_count(&f->why, within);
	text_add(&f->why, " of ");
	text_count(&f->why, n);
	text_add(&f->why, " queries (");
	text_percent(&f->why, ppm_of(within, n));
	text_add(&f->why, " %%) were answered within ");
	text_time(&f->why, e->within_ns);
	text_add(&f->why, " of their planned time, expected at least ");
	text_percent(&f->why, e->quantile_ppm);
	text_add(&f->why, " %%");
}

void expect_latency(const struct latency *l, struct finding *f)
{
	const struct plan_expect *e = l->e;
	uint64_t n = l->queries, within = l->within;
	double q = e->quantile_ppm / 1e6;
	struct stat_range ranks = stat_quantile_ranks(n, q, 2 * expect_miss(e));
	struct stat_interval is;

	f->verdict = decide_least(e, within, n, q, &is);
	text_add(&f->title, "the ");
	text_percent(&f->title, e->quantile_ppm);
	text_add(&f->title, " %% quantile of latency");
	text_add(&f->claim, "within ");
	text_time(&f->claim, e->within_ns);
	tell_latency(e, within, n, f);
	if ((double)n * (1 - q) < 20 && f->verdict == VERDICT_PASS)
		f->verdict = VERDICT_INCONCLUSIVE;
	if (f->verdict == VERDICT_INCONCLUSIVE)
		text_add(&f->why, ": too few queries to tell");
	json_object_set_new(f->measured, "queries", json_integer((json_int_t)n));
	json_object_set_new(f->measured, "within", json_integer((json_int_t)within));
	json_object_set_new(f->measured, "low_ns", rank_json(l, ranks.lo, false));
	json_object_set_new(f->measured, "high_ns", rank_json(l, ranks.hi, true));
	json_object_set_new(f->bound, "quantile_ppm", json_integer(e->quantile_ppm));
	json_object_set_new(f->bound, "within_ns", json_integer((json_int_t)e->within_ns));
}
