/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * detect: when did each balancer stop asking a dead recursor, and not before it could know? Every
 * time is an interval: a fault's instant is what the engine saw of it, and a balancer that sends at
 * random shows a switch only with its next queries, so each measure comes with its censoring.
 */
#include <stdlib.h>

#include "gone.h"
#include "lib/fmath.h"
#include "sim/plan/bounds.h"

/* The same server's bound when its checks are forced: what checking it would have given. */
static int64_t detect_bound(const struct judge *j, const struct plan_expect *e, bool *unchecked)
{
	int64_t bound = plan_detect_ns(j->plan, e->node[0]), most = 0;

	*unchecked = bound == INT64_MAX;
	if (e->within_ns != PLAN_MODEL)
		return e->within_ns;
	if (!*unchecked)
		return bound;
	for (unsigned i = 0; i < j->plan->conf_n; i++)
		for (unsigned k = 0; k < j->plan->conf[i].server_n; k++) {
			struct bal_check c = j->plan->conf[i].server[k].check;
			c.mode = BAL_CHECK_AUTO;
			c.lazy.on = false;
			bound = bound_detect_ns(j->plan->balancer.checks, &c);
			most = bound > most ? bound : most;
		}
	return most;
}

bool enough_elsewhere(double w, uint64_t n, double level)
{
	return w >= 1 || (double)n * fm_log1p(-w) <= fm_log(level);
}

/* Draws elsewhere after which a switch is certain at level. */
static uint64_t censor_draws(double w, double level)
{
	double n = w > 0 && w < 1 ? fm_log(level) / fm_log1p(-w) : 1;
	uint64_t k = (uint64_t)n;

	return (double)k < n ? k + 1 : k;
}

void stop_init(struct judge *j, struct gone *g, struct watch *w)
{
	bool unchecked;

	w->bound_ns = g->to_ns + detect_bound(j, w->e, &unchecked);
	w->stop = zeroed(j->balancer_n, sizeof(*w->stop));
	for (unsigned i = 0; i < j->balancer_n; i++)
		w->stop[i] = (struct stop){
			.censor = censor_draws(plan_share(j->balancer[i].conf, g->node),
			                       expect_flake(w->e)),
			.last_ns = NEVER, .censored_ns = NEVER, .check_lo_ns = NEVER,
			.check_hi_ns = NEVER,
		};
}

void stop_draw(const struct gone *g, struct stop *o, const struct draw *d, bool own,
               int64_t deadline_ns)
{
	bool late = d->t_ns > deadline_ns;

	if (d->t_ns < g->to_ns || d->t_ns >= g->back_from_ns || d->t_ns >= g->over_ns)
		return;
	if (own) {
		o->misrouted++;
		o->late += late;
		o->last_ns = d->t_ns;
		o->last_frame = d->frame;
		o->censored_ns = NEVER;
		o->since = 0;
	} else {
		o->elsewhere += late;
		if (++o->since == o->censor)
			o->censored_ns = d->t_ns;
	}
}

void stop_nowhere(const struct gone *g, struct stop *o, int64_t t_ns, int64_t deadline_ns)
{
	if (t_ns < g->back_from_ns && t_ns < g->over_ns)
		o->elsewhere += t_ns > deadline_ns;
}

void stop_change(const struct gone *g, struct stop *o, unsigned server, int64_t lo_ns,
                 int64_t hi_ns)
{
	if (lo_ns < g->from_ns || lo_ns >= g->back_from_ns ||
	    (o->check_lo_ns != NEVER && o->check_server <= server))
		return;
	o->check_lo_ns = lo_ns;
	o->check_hi_ns = hi_ns;
	o->check_server = server;
}

json_t *since_json(int64_t t_ns, int64_t from_ns)
{
	return t_ns == NEVER ? json_null() : json_integer((json_int_t)(t_ns - from_ns));
}

static json_t *stop_json(const struct judge *j, const struct balancer *b, const struct stop *o,
                         const struct gone *s)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
	                 "name", node_name(j, (int)b->node), "at_ns", (json_int_t)s->from_ns,
	                 "misrouted", (json_int_t)o->misrouted,
	                 "after_bound", (json_int_t)o->late,
	                 "elsewhere_after_bound", (json_int_t)o->elsewhere,
	                 "last_query_ns", since_json(o->last_ns, s->from_ns),
	                 "switched_before_ns", since_json(o->censored_ns, s->from_ns),
	                 "checks_say_down_from_ns", since_json(o->check_lo_ns, s->from_ns),
	                 "checks_say_down_to_ns", since_json(o->check_hi_ns, s->from_ns));
}

/* All balancers over one silence. */
struct stops {
	struct stop worst;       /* the one whose last query came latest */
	const struct balancer *by;
	uint64_t misrouted, late, elsewhere;
	const struct balancer *early; /* one that turned away before its checks told; or NULL */
	bool enough;
};

static struct stops stops_measure(struct judge *j, const struct gone *s,
                                  const struct watch *w, json_t *list)
{
	const struct plan_expect *e = w->e;
	struct stops all = { .worst.last_ns = NEVER, .enough = j->balancer_n > 0 };

	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		struct stop o = w->stop[i];
		all.misrouted += o.misrouted;
		all.late += o.late;
		all.elsewhere += o.elsewhere;
		if (all.early == NULL && stop_early(j, s, w, b))
			all.early = b;
		if (!balancer_away(j, b, w->bound_ns, s->back_from_ns - 1))
			all.enough &= enough_elsewhere(plan_share(b->conf, e->node[0]),
			                               o.elsewhere,
			                               expect_miss(e) / j->balancer_n);
		if (all.by == NULL || o.last_ns > all.worst.last_ns) {
			all.worst = o;
			all.by = b;
		}
		json_array_append_new(list, stop_json(j, b, &o, s));
	}
	return all;
}

void tell_bound(struct text *t, int64_t bound_ns, int64_t slack_ns)
{
	text_add(t, "bound ");
	text_time(t, bound_ns);
	text_add(t, " + ");
	text_time(t, slack_ns);
	text_add(t, " slack");
}

static void tell_stops(struct judge *j, const struct gone *s, const struct stops *a,
                       int64_t bound_ns, struct finding *f)
{
	const char *node = node_name(j, s->node);

	text_add(&f->why, "%s %s at ", plan_fault_name(j->plan->fault[s->fault].kind), node);
	text_time(&f->why, s->from_ns);
	if (a->worst.last_ns == NEVER) {
		text_add(&f->why, ": no query went to it any more, ");
	} else {
		text_add(&f->why, ": last query to it ");
		text_time(&f->why, a->worst.last_ns - s->from_ns);
		text_add(&f->why, " later (%s), ", node_name(j, (int)a->by->node));
		finding_frame(f, j, a->by->node, a->worst.last_frame, a->worst.last_ns,
		              "last query to the dead recursor");
	}
	tell_bound(&f->why, bound_ns, judge_slack_ns(j));
	text_add(&f->why, "; ");
	text_count(&f->why, a->misrouted);
	text_add(&f->why, " went to it while it was dead, ");
	text_count(&f->why, a->elsewhere);
	text_add(&f->why, " elsewhere after the bound");
}

/* Not by its health checks: they said up all the while. */
static void tell_early(struct judge *j, const struct gone *s, const struct watch *w,
                       const struct balancer *b, struct finding *f)
{
	const struct stop *o = &w->stop[b->index];

	text_add(&f->why, ", and %s turned away too early: from ", node_name(j, (int)b->node));
	text_time(&f->why, o->early_ns - s->from_ns);
	text_add(&f->why, " after it on ");
	text_count(&f->why, o->early);
	text_add(&f->why, " queries in a row went elsewhere while fewer checks had failed than "
	         "maxCheckFailures says");
	finding_frame(f, j, b->node, o->early_frame, o->early_ns,
	              "first query that went elsewhere although its checks said up");
}

void expect_detect(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	bool unchecked, all_enough = true;
	int64_t bound = detect_bound(j, e, &unchecked);
	json_t *list = json_array();
	const struct gone *s;
	unsigned n = 0;

	text_add(&f->title, "the balancers notice that %s is gone", node_name(j, e->node[0]));
	text_add(&f->claim, "no query to it later than ");
	text_time(&f->claim, bound + judge_slack_ns(j));
	f->verdict = VERDICT_PASS;
	for (; (s = gone_of_node(j, e->node[0], n)) != NULL; n++) {
		struct stops a = stops_measure(j, s, gone_watch(s, e), list);
		if (n > 0)
			text_add(&f->why, "; ");
		tell_stops(j, s, &a, bound, f);
		if (a.late > 0) {
			f->verdict = VERDICT_FAIL;
			text_add(&f->why, ", and ");
			text_count(&f->why, a.late);
			text_add(&f->why, " to it%s", unchecked ?
			         ": its health isn't checked, by configuration" : "");
		}
		if (a.early != NULL) {
			f->verdict = VERDICT_FAIL;
			tell_early(j, s, gone_watch(s, e), a.early, f);
		}
		all_enough &= a.enough;
	}
	json_object_set_new(f->measured, "balancers", list);
	json_object_set_new(f->bound, "within_ns", json_integer(bound));
	json_object_set_new(f->bound, "slack_ns", json_integer(judge_slack_ns(j)));
	if (f->verdict == VERDICT_PASS && (n == 0 || !all_enough)) {
		f->verdict = VERDICT_INCONCLUSIVE;
		text_add(&f->why, n == 0 ? "it was never seen to go" :
		         ": too few queries after the bound to tell");
	}
}

