/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A balancer that is away, from the clients' side: failover asks whether those who ask it first get
 * their answer from another one, back whether it answers again after its return. Nobody checks a
 * balancer's health, so there is nothing to detect: each client finds out by waiting.
 */
#include <stdlib.h>

#include "gone.h"
#include "sim/plan/bounds.h"
#include "sim/plan/samples.h"

void away_init(struct watch *w)
{
	w->away = zeroed(1, sizeof(*w->away));
	w->away->up_ns = NEVER;
	w->away->first_ns = NEVER;
}

static int64_t failover_bound(const struct judge *j, const struct plan_expect *e)
{
	return e->within_ns != PLAN_MODEL ? e->within_ns : plan_failover_ns(j->plan);
}

/* A query that went to it while it was away. */
static void asked_away(const struct judge *j, const struct watch *w, const struct query *q,
                       bool answered)
{
	struct away *a = w->away;
	int64_t took = q->answer_ns - q->plan_ns;

	a->asked++;
	a->answered += answered;
	if (answered && took > a->slowest_ns)
		a->slowest_ns = took;
	if (w->e->kind != PLAN_FAILOVER ||
	    (answered && took <= failover_bound(j, w->e) + judge_slack_ns(j)))
		return;
	if (a->late++ > 0)
		return;
	a->first_ns = query_left_ns(q);
	a->first_frame = q->sent_frame;
	a->first_node = w->away->node;
}

/* A query that went to it after its return; first: it answered the first try itself, in time. */
static void asked_back(const struct judge *j, const struct watch *w, const struct query *q,
                       bool first)
{
	struct away *a = w->away;

	if (a->up_ns != NEVER)
		return;
	if (first)
		a->up_ns = q->plan_ns;
	else
		a->failed += q->plan_ns > w->bound_ns + judge_slack_ns(j);
}

void gones_query(struct judge *j, unsigned client, int node, const struct query *q, bool answered,
                 bool first)
{
	struct gone *g;

	for (size_t i = 0; (g = gone_of_node(j, node, i)) != NULL; i++)
		for (size_t k = 0; k < g->watch_n; k++) {
			struct watch *w = &g->watch[k];
			if (w->away == NULL || q->plan_ns < g->to_ns)
				continue;
			w->away->node = client;
			if (q->plan_ns < g->back_from_ns)
				asked_away(j, w, q, answered);
			else if (g->end != PLAN_NONE && q->plan_ns >= g->back_to_ns)
				asked_back(j, w, q, first);
		}
}

/* ---- failover ---- */

static json_t *away_json(const struct judge *j, const struct gone *g, const struct away *a)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "name", node_name(j, g->node),
	                 "at_ns", (json_int_t)g->from_ns, "asked", (json_int_t)a->asked,
	                 "answered", (json_int_t)a->answered, "late", (json_int_t)a->late,
	                 "slowest_ns", (json_int_t)a->slowest_ns);
}

static void tell_failover(const struct judge *j, const struct away *a, uint64_t most,
                          int64_t bound_ns, struct finding *f)
{
	text_count(&f->why, a->late);
	text_add(&f->why, " of ");
	text_count(&f->why, a->asked);
	text_add(&f->why, " queries that went to it first while it was away weren't answered in "
	         "time, at most ");
	text_count(&f->why, most);
	text_add(&f->why, "; the slowest that was answered took ");
	text_time(&f->why, a->slowest_ns);
	text_add(&f->why, ", ");
	tell_bound(&f->why, bound_ns, judge_slack_ns(j));
}

void expect_failover(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	int64_t bound = failover_bound(j, e);
	double mean = plan_failover_mean(j->plan, e->node[0]);
	uint64_t most = mean > 0 ? plan_poisson_most(mean, expect_flake(e)) : 0;
	struct away all = { .first_ns = NEVER };
	json_t *list = json_array();
	const struct gone *g;

	for (size_t i = 0; (g = gone_of_node(j, e->node[0], i)) != NULL; i++) {
		const struct away *a = gone_watch(g, e)->away;
		all.asked += a->asked;
		all.answered += a->answered;
		all.late += a->late;
		all.slowest_ns = a->slowest_ns > all.slowest_ns ? a->slowest_ns : all.slowest_ns;
		if (all.first_ns == NEVER && a->first_ns != NEVER) {
			all.first_ns = a->first_ns;
			finding_frame(f, j, a->first_node, a->first_frame, a->first_ns,
			              "first query whose clients found no other way in time");
		}
		json_array_append_new(list, away_json(j, g, a));
	}
	text_add(&f->title, "clients of %s go to another balancer", node_name(j, e->node[0]));
	text_add(&f->claim, "answered within ");
	text_time(&f->claim, bound + judge_slack_ns(j));
	tell_failover(j, &all, most, bound, f);
	f->verdict = all.late > most ? VERDICT_FAIL :
	             all.asked == 0 ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
	if (all.asked == 0)
		text_add(&f->why, ": nobody asked it");
	json_object_set_new(f->measured, "asked", json_integer((json_int_t)all.asked));
	json_object_set_new(f->measured, "late", json_integer((json_int_t)all.late));
	json_object_set_new(f->measured, "slowest_ns", json_integer(all.slowest_ns));
	json_object_set_new(f->measured, "faults", list);
	json_object_set_new(f->bound, "at_most", json_integer((json_int_t)most));
	json_object_set_new(f->bound, "within_ns", json_integer(bound));
	json_object_set_new(f->bound, "slack_ns", json_integer(judge_slack_ns(j)));
}

/* ---- back, of a balancer ---- */

/* So many queries in a row that fail can't be chance, where each fails with that probability. */
static bool surely_failed(double fails, uint64_t n, double level)
{
	return n > 0 && fails < 1 && (fails <= 0 || enough_elsewhere(1 - fails, n, level));
}

static enum verdict back_verdict(const struct judge *j, const struct plan_expect *e,
                                 const struct watch *w, struct finding *f)
{
	const struct away *a = w->away;
	int64_t by = w->bound_ns + judge_slack_ns(j);
	double fails = plan_balancer_fails(j->plan, e->node[0], by);

	if (surely_failed(fails, a->failed, expect_flake(e)))
		return VERDICT_FAIL;
	if (a->up_ns != NEVER && a->up_ns <= by)
		return VERDICT_PASS;
	text_add(&f->why, ": too few queries to tell");
	return VERDICT_INCONCLUSIVE;
}

void expect_back_balancer(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	json_t *list = json_array();
	const struct gone *g;
	unsigned n = 0;

	text_add(&f->title, "%s answers again after its return", node_name(j, e->node[0]));
	text_add(&f->claim, "within ");
	text_time(&f->claim, e->within_ns + judge_slack_ns(j));
	f->verdict = VERDICT_PASS;
	for (size_t i = 0; (g = gone_of_node(j, e->node[0], i)) != NULL; i++) {
		const struct watch *w = gone_watch(g, e);
		if (g->end == PLAN_NONE)
			continue;
		text_add(&f->why, "%s%s at ", n++ > 0 ? "; " : "",
		         plan_fault_name(j->plan->fault[g->end].kind));
		text_time(&f->why, g->back_from_ns);
		if (w->away->up_ns == NEVER) {
			text_add(&f->why, ": it never answered a first try again, ");
		} else {
			text_add(&f->why, ": the first query that it answered was due ");
			text_time(&f->why, w->away->up_ns - g->back_from_ns);
			text_add(&f->why, " later, ");
		}
		tell_bound(&f->why, e->within_ns, judge_slack_ns(j));
		text_add(&f->why, "; ");
		text_count(&f->why, w->away->failed);
		text_add(&f->why, " failed after the bound");
		enum verdict v = back_verdict(j, e, w, f);
		f->verdict = v > f->verdict ? v : f->verdict;
		json_array_append_new(list, json_pack("{s:s, s:I, s:o, s:I}",
			"name", node_name(j, g->node), "at_ns", (json_int_t)g->back_from_ns,
			"first_query_ns", since_json(w->away->up_ns, g->back_from_ns),
			"failed_after_bound", (json_int_t)w->away->failed));
	}
	json_object_set_new(f->measured, "balancers", list);
	json_object_set_new(f->bound, "within_ns", json_integer(e->within_ns));
	json_object_set_new(f->bound, "slack_ns", json_integer(judge_slack_ns(j)));
	if (n > 0)
		return;
	f->verdict = VERDICT_INCONCLUSIVE;
	text_add(&f->why, "it was never seen to return");
}
