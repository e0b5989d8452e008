/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * back: when did each balancer give a returned recursor its share again? A balancer that sends at
 * random shows it only with its next queries, so the share is judged from a change point on: the
 * query after the first, or after the last moment before the bound at which the e-process rang;
 * after a slow start, which ends by the bound, from there on.
 */
#include <stdlib.h>

#include "gone.h"
#include "sim/plan/bounds.h"

static int64_t back_bound(const struct judge *j, const struct plan_expect *e)
{
	return e->within_ns != PLAN_MODEL ? e->within_ns : plan_back_ns(j->plan, e->node[0]);
}

/*
 * What of a balancer's queries surely goes to it while it is up; 0: the policy need never choose
 * it, so nothing follows from being left out.
 */
static double start_share(const struct plan_conf *c, int node)
{
	bool first = c->policy == BAL_FIRST_AVAILABLE && c->server_n > 0 &&
	             c->server_node[0] == node && c->server[0].qps == 0;

	if (c->policy == BAL_WRANDOM || c->policy == BAL_ROUNDROBIN ||
	    c->policy == BAL_ORDERED_WRANDOM)
		return plan_share(c, node); /* 0 of a higher order's */
	return first ? 1 : 0;
}

void start_init(struct judge *j, struct gone *g, struct watch *w)
{
	w->start = zeroed(j->balancer_n, sizeof(*w->start));
	for (unsigned i = 0; i < j->balancer_n; i++) {
		w->start[i] = (struct start){
			.share = start_share(j->balancer[i].conf, g->node),
			.level = expect_flake(w->e),
			.slow = plan_slow_start_ns(j->plan, g->node) > 0,
			.up_ns = NEVER, .first_ns = NEVER, .share_ns = NEVER,
		};
		stat_e_init(&w->start[i].e);
		stat_e_init(&w->start[i].late_e);
	}
}

void start_back(const struct judge *j, const struct gone *g, struct watch *w)
{
	w->bound_ns = g->back_to_ns + back_bound(j, w->e);
}

/* By how much E grows with a draw of the recursor's, or of another's. */
static double ratio(double share, uint64_t own_n, uint64_t n, bool own)
{
	return own ? stat_e_ratio(share, own_n, n) : stat_e_ratio(1 - share, n - own_n, n);
}

/*
 * The change point: the e-process from the query after the first on, begun anew whenever it rings
 * before the bound. What is counted from there on is what the share is judged by.
 */
static void share_draw(struct start *o, const struct draw *d, bool own, int64_t deadline_ns)
{
	if (o->share_ns == NEVER)
		o->share_ns = d->t_ns;
	stat_e_take(&o->e, ratio(o->share, o->own, o->n, own));
	o->own += own;
	o->n++;
	o->window = (o->window << 1 | own) & ((1ull << HERD_WINDOW) - 1);
	unsigned in_window = (unsigned)__builtin_popcountll(o->window);
	o->herd = in_window > o->herd ? in_window : o->herd;
	if (d->t_ns > deadline_ns || !stat_e_rings(&o->e, o->level))
		return;
	stat_e_init(&o->e);
	o->own = o->n = 0;
	o->share_ns = NEVER;
}

void start_nowhere(const struct gone *g, struct start *o, int64_t t_ns, int64_t deadline_ns)
{
	if (t_ns < g->back_from_ns || t_ns >= g->over_ns)
		return;
	if (o->first_ns == NEVER || o->first_ns > t_ns)
		o->others_before += t_ns > deadline_ns;
}

void start_draw(const struct gone *g, struct start *o, const struct draw *d, bool own,
                int64_t deadline_ns)
{
	bool late = d->t_ns > deadline_ns;
	bool shared = o->share > 0 && o->share < 1 && d->t_ns >= g->full_ns;
	int64_t share_by = g->full_ns > deadline_ns ? g->full_ns : deadline_ns;

	if (d->t_ns < g->back_from_ns || d->t_ns >= g->over_ns)
		return;
	if (d->t_ns > share_by && shared) {
		stat_e_take(&o->late_e, ratio(o->share, o->late_own, o->late_n, own));
		o->late_own += own;
		o->late_n++;
	}
	if (o->first_ns != NEVER) {
		if (shared && (late || !o->slow))
			share_draw(o, d, own, share_by);
	} else if (own) {
		o->first_ns = d->t_ns;
		o->first_frame = d->frame;
	} else {
		o->others_before += late;
	}
}

static json_t *start_json(const struct judge *j, const struct balancer *b, const struct start *o,
                          const struct gone *s)
{
	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:I, s:i}", "name", node_name(j, (int)b->node),
	                 "at_ns", (json_int_t)s->back_from_ns,
	                 "first_health_answer_ns", since_json(o->up_ns, s->back_from_ns),
	                 "first_query_ns", since_json(o->first_ns, s->back_from_ns),
	                 "at_share_from_ns", since_json(o->share_ns, s->back_from_ns),
	                 "most_of_50", (json_int_t)o->herd, "flaps", (int)o->flaps);
}

/* All balancers over one return. */
struct starts {
	struct start slowest;
	const struct balancer *by;
	bool never;              /* somebody surely left it out past the bound */
	bool all_in_time;
	uint64_t own, n;         /* queries to it, and all, from each one's change point on */
	double log_e_max;        /* of those after the bound */
};

static struct starts starts_measure(struct judge *j, const struct gone *s,
                                    const struct watch *w, json_t *list)
{
	const struct plan_expect *e = w->e;
	struct starts a = { .all_in_time = j->balancer_n > 0 };
	double log_e = 0;

	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		struct start o = w->start[i];
		bool in_time = o.first_ns != NEVER && o.first_ns <= w->bound_ns + judge_slack_ns(j);
		bool never = !in_time && o.others_before > 0 && enough_elsewhere(o.share,
			o.others_before,
		                                          expect_flake(e) / j->balancer_n);
		if (a.by == NULL || o.first_ns == NEVER ||
		    (a.slowest.first_ns != NEVER && o.first_ns > a.slowest.first_ns)) {
			a.slowest = o;
			a.by = b;
		}
		bool away = balancer_away(j, b, s->back_from_ns, w->bound_ns);
		a.all_in_time &= in_time || away;
		a.never |= never;
		a.own += o.own;
		a.n += o.n;
		double late = log_e + stat_e_log_most(&o.late_e);
		a.log_e_max = late > a.log_e_max ? late : a.log_e_max;
		log_e += stat_e_log(&o.late_e);
		json_array_append_new(list, start_json(j, b, &o, s));
	}
	return a;
}

static void tell_starts(struct judge *j, const struct gone *s, const struct starts *a,
                        int64_t bound_ns, struct finding *f)
{
	text_add(&f->why, "%s %s at ", plan_fault_name(j->plan->fault[s->end].kind),
	         node_name(j, s->node));
	text_time(&f->why, s->back_from_ns);
	if (a->slowest.first_ns == NEVER) {
		text_add(&f->why, ": %s never asked it again, ", node_name(j, (int)a->by->node));
	} else {
		text_add(&f->why, ": first query to it after at most ");
		text_time(&f->why, a->slowest.first_ns - s->back_from_ns);
		text_add(&f->why, " (%s), ", node_name(j, (int)a->by->node));
		finding_frame(f, j, a->by->node, a->slowest.first_frame, a->slowest.first_ns,
		              "first query to the recursor that came back");
	}
	tell_bound(&f->why, bound_ns, judge_slack_ns(j));
}

/* Of the draws from the change points on, as an equivalence test. */
static enum verdict decide_share(const struct plan_expect *e, const struct starts *a, double w,
                                 struct finding *f)
{
	struct stat_range pass = stat_equiv_pass(a->n, w, e->catch_ppm / 1e6, expect_miss(e));
	struct stat_interval is = stat_clopper_pearson(a->own, a->n, expect_miss(e));
	bool inside = a->own >= pass.lo && a->own <= pass.hi;

	text_add(&f->why, "; since then ");
	text_count(&f->why, a->own);
	text_add(&f->why, " of ");
	text_count(&f->why, a->n);
	text_add(&f->why, " queries (%g %% interval ", 100 - 200 * expect_miss(e));
	text_percent(&f->why, (int64_t)(is.lo * 1e6));
	text_add(&f->why, " to ");
	text_percent(&f->why, (int64_t)(is.hi * 1e6));
	text_add(&f->why, " %%), expected ");
	text_percent(&f->why, (int64_t)(w * 1e6 + 0.5));
	text_add(&f->why, " %% +- ");
	text_percent(&f->why, e->catch_ppm);
	if (inside)
		return VERDICT_PASS;
	if (a->log_e_max >= stat_e_alarm(expect_flake(e)))
		return VERDICT_FAIL;
	text_add(&f->why, ": too few queries to tell");
	return VERDICT_INCONCLUSIVE;
}

static enum verdict decide_back(struct judge *j, const struct plan_expect *e,
                                const struct starts *a, bool last, struct finding *f)
{
	if (a->never)
		return VERDICT_FAIL;
	if (e->to_share && last)
		return decide_share(e, a, plan_share(j->balancer[0].conf, e->node[0]), f);
	if (a->all_in_time)
		return VERDICT_PASS;
	text_add(&f->why, ": too few queries to tell");
	return VERDICT_INCONCLUSIVE;
}

void expect_back(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	if (j->plan->node[e->node[0]].role == PLAN_BALANCER) {
		expect_back_balancer(j, e, f);
		return;
	}
	int64_t bound = back_bound(j, e);
	json_t *list = json_array();
	const struct gone *s;
	unsigned n = 0;

	text_add(&f->title, "%s %s after its return", node_name(j, e->node[0]),
	         e->to_share ? "gets its share again" : "is asked again");
	text_add(&f->claim, "within ");
	text_time(&f->claim, bound + judge_slack_ns(j));
	f->verdict = VERDICT_PASS;
	for (unsigned i = 0; (s = gone_of_node(j, e->node[0], i)) != NULL; i++) {
		if (s->end == PLAN_NONE || j->balancer_n == 0)
			continue;
		struct starts a = starts_measure(j, s, gone_watch(s, e), list);
		if (n++ > 0)
			text_add(&f->why, "; ");
		tell_starts(j, s, &a, bound, f);
		const struct gone *next = gone_of_node(j, e->node[0], i + 1);
		bool last = next == NULL || next->end == PLAN_NONE;
		enum verdict v = decide_back(j, e, &a, last, f);
		f->verdict = v > f->verdict ? v : f->verdict;
	}
	json_object_set_new(f->measured, "balancers", list);
	json_object_set_new(f->bound, "within_ns", json_integer(bound));
	json_object_set_new(f->bound, "slack_ns", json_integer(judge_slack_ns(j)));
	if (n == 0) {
		f->verdict = VERDICT_INCONCLUSIVE;
		text_add(&f->why, "it was never seen to return");
	}
}
