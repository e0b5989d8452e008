/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * detect and back: when did each balancer stop asking a dead recursor, and when did it give a
 * returned one its share again? Every time is an interval: a fault's instant is what the engine saw
 * of it, and a balancer that sends at random shows a switch only with its next queries, so each
 * measure comes with its censoring.
 */
#include <stdlib.h>

#include "inner.h"
#include "lib/fmath.h"
#include "sim/plan/bounds.h"

enum { HERD_WINDOW = 50 };

/* One silence of a node, and the claim about it. */
struct silence {
	const struct plan_fault *fault, *end;  /* end: NULL when it never returns */
	int64_t from_ns, to_ns;                /* the instant of death, as an interval */
	int64_t back_from_ns, back_to_ns;      /* of the return; INT64_MAX: none */
	int64_t over_ns;                       /* nothing after this counts */
};

static int64_t load_end(const struct plan *p)
{
	int64_t end = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		end = p->load[i].to_ns > end ? p->load[i].to_ns : end;
	return end;
}

/* The n-th silence of the node that the engine told of. */
static bool silence_find(const struct judge *j, int node, unsigned nth, struct silence *s)
{
	const struct plan *p = j->plan;

	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != node || !plan_fault_silences(f->kind) || !j->events.fault[i].told ||
		    nth-- > 0)
			continue;
		int end = plan_fault_end(p, i);
		*s = (struct silence){ f, NULL, j->events.fault[i].from_ns,
		                       j->events.fault[i].to_ns, INT64_MAX, INT64_MAX,
		                       load_end(p) };
		if (end != PLAN_NONE && j->events.fault[end].told) {
			s->end = &p->fault[end];
			s->back_from_ns = j->events.fault[end].from_ns;
			s->back_to_ns = j->events.fault[end].to_ns;
		}
		for (unsigned k = i + 1; k < p->fault_n; k++)
			if (plan_fault_silences(p->fault[k].kind) &&
			    p->fault[k].at_ns > s->back_to_ns && p->fault[k].at_ns < s->over_ns)
				s->over_ns = p->fault[k].at_ns;
		return true;
	}
	return false;
}

static bool to_node(const struct balancer *b, const struct draw *d, int node)
{
	return b->conf->server_node[d->server] == node;
}

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
			bound = bound_detect_ns(j->plan->balancer.checks, &c);
			most = bound > most ? bound : most;
		}
	return most;
}

/* (1 - w)^n <= level: so many draws that all went elsewhere can't be chance. */
static bool enough(double w, uint64_t n, double level)
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

/* What one balancer did during a silence. */
struct stop {
	uint64_t misrouted;      /* to the dead node, after its death */
	uint64_t late;           /* of those, after the bound */
	uint64_t elsewhere;      /* to others, after the bound */
	int64_t last_ns;         /* the last query to it; NEVER: none since its death */
	uint32_t last_frame;
	int64_t censored_ns;     /* the switch happened before this; NEVER: not seen to */
	int64_t check_lo_ns, check_hi_ns; /* its probes say down; NEVER */
};

static void stop_checks(const struct balancer *b, const struct silence *s, int node,
                        struct stop *o)
{
	o->check_lo_ns = o->check_hi_ns = NEVER;
	for (unsigned i = 0; i < b->conf->server_n; i++)
		for (size_t k = 0; k < b->server[i].change_n; k++) {
			const struct change *c = &b->server[i].change[k];
			if (b->conf->server_node[i] != node || c->state != SERVER_DOWN ||
			    c->lo_ns < s->from_ns || c->lo_ns >= s->back_from_ns)
				continue;
			o->check_lo_ns = c->lo_ns;
			o->check_hi_ns = c->hi_ns;
			return;
		}
}

static struct stop stop_measure(const struct judge *j, const struct balancer *b,
                                const struct silence *s, const struct plan_expect *e,
                                int64_t deadline_ns)
{
	struct stop o = { .last_ns = NEVER, .censored_ns = NEVER };
	int64_t to = s->back_from_ns < s->over_ns ? s->back_from_ns : s->over_ns;
	uint64_t k = censor_draws(plan_share(b->conf, e->node[0]), expect_flake(e)), since = 0;

	(void)j;
	for (size_t i = 0; i < b->draw_n; i++) {
		const struct draw *d = &b->draw[i];
		if (d->t_ns < s->to_ns || d->t_ns >= to)
			continue;
		if (to_node(b, d, e->node[0])) {
			o.misrouted++;
			o.late += d->t_ns > deadline_ns;
			o.last_ns = d->t_ns;
			o.last_frame = d->frame;
			o.censored_ns = NEVER;
			since = 0;
		} else {
			o.elsewhere += d->t_ns > deadline_ns;
			if (++since == k)
				o.censored_ns = d->t_ns;
		}
	}
	stop_checks(b, s, e->node[0], &o);
	return o;
}

static json_t *since(int64_t t_ns, int64_t from_ns)
{
	return t_ns == NEVER ? json_null() : json_integer((json_int_t)(t_ns - from_ns));
}

static json_t *stop_json(const struct judge *j, const struct balancer *b, const struct stop *o,
                         const struct silence *s)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
	                 "name", node_name(j, (int)b->node), "misrouted", (json_int_t)o->misrouted,
	                 "after_bound", (json_int_t)o->late,
	                 "elsewhere_after_bound", (json_int_t)o->elsewhere,
	                 "last_query_ns", since(o->last_ns, s->from_ns),
	                 "switched_before_ns", since(o->censored_ns, s->from_ns),
	                 "checks_say_down_from_ns", since(o->check_lo_ns, s->from_ns),
	                 "checks_say_down_to_ns", since(o->check_hi_ns, s->from_ns));
}

/* All balancers over one silence. */
struct stops {
	struct stop worst;       /* the one whose last query came latest */
	const struct balancer *by;
	uint64_t misrouted, late, elsewhere;
	bool enough;
};

static struct stops stops_measure(struct judge *j, const struct silence *s,
                                  const struct plan_expect *e, int64_t deadline_ns, json_t *list)
{
	struct stops all = { .worst.last_ns = NEVER, .enough = j->balancer_n > 0 };

	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		struct stop o = stop_measure(j, b, s, e, deadline_ns);
		all.misrouted += o.misrouted;
		all.late += o.late;
		all.elsewhere += o.elsewhere;
		all.enough &= enough(plan_share(b->conf, e->node[0]), o.elsewhere,
		                     expect_miss(e) / j->balancer_n);
		if (all.by == NULL || o.last_ns > all.worst.last_ns) {
			all.worst = o;
			all.by = b;
		}
		json_array_append_new(list, stop_json(j, b, &o, s));
	}
	return all;
}

static void tell_bound(struct text *t, int64_t bound_ns, int64_t slack_ns)
{
	text_add(t, "bound ");
	text_time(t, bound_ns);
	text_add(t, " + ");
	text_time(t, slack_ns);
	text_add(t, " slack");
}

static void tell_stops(struct judge *j, const struct silence *s, const struct stops *a,
                       int64_t bound_ns, struct finding *f)
{
	const char *node = node_name(j, s->fault->node);

	text_add(&f->why, "%s %s at ", plan_fault_name(s->fault->kind), node);
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
	tell_bound(&f->why, bound_ns, j->slack_ns);
	text_add(&f->why, "; ");
	text_count(&f->why, a->misrouted);
	text_add(&f->why, " went to it while it was dead, ");
	text_count(&f->why, a->elsewhere);
	text_add(&f->why, " elsewhere after the bound");
}

void expect_detect(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	bool unchecked, all_enough = true;
	int64_t bound = detect_bound(j, e, &unchecked);
	json_t *list = json_array();
	struct silence s;
	unsigned n = 0;

	text_add(&f->title, "the balancers notice that %s is gone", node_name(j, e->node[0]));
	text_add(&f->claim, "no query to it later than ");
	text_time(&f->claim, bound + j->slack_ns);
	f->verdict = VERDICT_PASS;
	for (; silence_find(j, e->node[0], n, &s); n++) {
		struct stops a = stops_measure(j, &s, e, s.to_ns + bound + j->slack_ns, list);
		if (n > 0)
			text_add(&f->why, "; ");
		tell_stops(j, &s, &a, bound, f);
		if (a.late > 0) {
			f->verdict = VERDICT_FAIL;
			text_add(&f->why, ", and ");
			text_count(&f->why, a.late);
			text_add(&f->why, " to it%s", unchecked ?
			         ": its health isn't checked, by configuration" : "");
		}
		all_enough &= a.enough;
	}
	json_object_set_new(f->measured, "balancers", list);
	json_object_set_new(f->bound, "within_ns", json_integer(bound));
	json_object_set_new(f->bound, "slack_ns", json_integer(j->slack_ns));
	if (f->verdict == VERDICT_PASS && (n == 0 || !all_enough)) {
		f->verdict = VERDICT_INCONCLUSIVE;
		text_add(&f->why, n == 0 ? "it was never seen to go" :
		         ": too few queries after the bound to tell");
	}
}

/* ---- back ---- */

/* What one balancer did after a return. */
struct start {
	int64_t up_ns;          /* first good answer to a probe; NEVER */
	int64_t first_ns;       /* first query to it; NEVER */
	uint32_t first_frame;
	uint64_t others_before; /* to others between the bound and that first query */
	int64_t share_ns;       /* from here on its share was looked at; NEVER: not seen */
	uint64_t own, n;        /* queries to it, and all, from there on */
	uint64_t herd;          /* most of any HERD_WINDOW draws in a row after the first */
	unsigned flaps;         /* times it was down again */
};

static void start_checks(const struct balancer *b, const struct silence *s, int node,
                         struct start *o)
{
	for (size_t i = 0; i < b->probe_n; i++) {
		const struct probe *p = &b->probe[i];
		if (b->conf->server_node[p->server] == node && p->good &&
		    p->answer_ns >= s->back_from_ns && o->up_ns == NEVER)
			o->up_ns = p->answer_ns;
	}
	for (unsigned i = 0; i < b->conf->server_n; i++)
		for (size_t k = 0; k < b->server[i].change_n; k++) {
			const struct change *c = &b->server[i].change[k];
			o->flaps += b->conf->server_node[i] == node && c->state == SERVER_DOWN &&
			            o->up_ns != NEVER && c->lo_ns > o->up_ns &&
			            c->lo_ns < s->over_ns;
		}
}

/*
 * The change point: the e-process from the query after the first on, begun anew whenever it rings
 * before the bound. What is counted from there on is what the share is judged by.
 */
static void start_share(const struct balancer *b, const struct silence *s,
                        const struct plan_expect *e, int64_t deadline_ns, struct start *o)
{
	double w = plan_share(b->conf, e->node[0]), p[2] = { w, 1 - w }, log_e = 0;
	unsigned window[HERD_WINDOW] = { 0 }, at = 0, in_window = 0;
	struct stat_e_set set;

	if (!(w > 0 && w < 1))
		return;
	stat_e_init(&set, 2, p);
	for (size_t i = 0; i < b->draw_n; i++) {
		const struct draw *d = &b->draw[i];
		if (o->first_ns == NEVER || d->frame <= o->first_frame || d->t_ns >= s->over_ns)
			continue;
		unsigned own = to_node(b, d, e->node[0]);
		if (o->share_ns == NEVER)
			o->share_ns = d->t_ns;
		o->own += own;
		o->n++;
		in_window += own - window[at];
		window[at] = own;
		at = (at + 1) % HERD_WINDOW;
		o->herd = in_window > o->herd ? in_window : o->herd;
		log_e += stat_e_draw(&set, !own);
		if (log_e >= stat_e_alarm(expect_flake(e)) && d->t_ns <= deadline_ns) {
			stat_e_init(&set, 2, p);
			log_e = 0;
			o->own = o->n = 0;
			o->share_ns = NEVER;
		}
	}
}

static struct start start_measure(const struct balancer *b, const struct silence *s,
                                  const struct plan_expect *e, int64_t deadline_ns)
{
	struct start o = { .up_ns = NEVER, .first_ns = NEVER, .share_ns = NEVER };

	for (size_t i = 0; i < b->draw_n && o.first_ns == NEVER; i++) {
		const struct draw *d = &b->draw[i];
		if (d->t_ns < s->back_from_ns || d->t_ns >= s->over_ns)
			continue;
		if (to_node(b, d, e->node[0])) {
			o.first_ns = d->t_ns;
			o.first_frame = d->frame;
		} else {
			o.others_before += d->t_ns > deadline_ns;
		}
	}
	start_checks(b, s, e->node[0], &o);
	start_share(b, s, e, deadline_ns, &o);
	return o;
}

static json_t *start_json(const struct judge *j, const struct balancer *b, const struct start *o,
                          const struct silence *s)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:I, s:i}", "name", node_name(j, (int)b->node),
	                 "first_health_answer_ns", since(o->up_ns, s->back_from_ns),
	                 "first_query_ns", since(o->first_ns, s->back_from_ns),
	                 "at_share_from_ns", since(o->share_ns, s->back_from_ns),
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

/* Is the share still not there after the bound? */
static void starts_late(struct starts *a, const struct balancer *b, const struct silence *s,
                         const struct plan_expect *e, int64_t deadline_ns, double *log_e)
{
	double w = plan_share(b->conf, e->node[0]), p[2] = { w, 1 - w };
	struct stat_e_set set;

	if (!(w > 0 && w < 1))
		return;
	stat_e_init(&set, 2, p);
	for (size_t i = 0; i < b->draw_n; i++) {
		const struct draw *d = &b->draw[i];
		if (d->t_ns <= deadline_ns || d->t_ns >= s->over_ns)
			continue;
		*log_e += stat_e_draw(&set, !to_node(b, d, e->node[0]));
		a->log_e_max = *log_e > a->log_e_max ? *log_e : a->log_e_max;
	}
}

static struct starts starts_measure(struct judge *j, const struct silence *s,
                                    const struct plan_expect *e, int64_t deadline_ns,
                                    json_t *list)
{
	struct starts a = { .all_in_time = j->balancer_n > 0 };
	double log_e = 0;

	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		double w = plan_share(b->conf, e->node[0]);
		struct start o = start_measure(b, s, e, deadline_ns);
		bool in_time = o.first_ns != NEVER && o.first_ns <= deadline_ns;
		bool never = !in_time && enough(w, o.others_before,
		                                expect_flake(e) / j->balancer_n);
		if (a.by == NULL || o.first_ns == NEVER ||
		    (a.slowest.first_ns != NEVER && o.first_ns > a.slowest.first_ns)) {
			a.slowest = o;
			a.by = b;
		}
		a.all_in_time &= in_time;
		a.never |= never;
		a.own += o.own;
		a.n += o.n;
		starts_late(&a, b, s, e, deadline_ns, &log_e);
		json_array_append_new(list, start_json(j, b, &o, s));
	}
	return a;
}

static void tell_starts(struct judge *j, const struct silence *s, const struct starts *a,
                        int64_t bound_ns, struct finding *f)
{
	text_add(&f->why, "%s %s at ", plan_fault_name(s->end->kind), node_name(j, s->end->node));
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
	tell_bound(&f->why, bound_ns, j->slack_ns);
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
	int64_t bound = e->within_ns != PLAN_MODEL ? e->within_ns :
	                plan_back_ns(j->plan, e->node[0]);
	json_t *list = json_array();
	struct silence s, next;
	unsigned n = 0;

	text_add(&f->title, "%s %s after its return", node_name(j, e->node[0]),
	         e->to_share ? "gets its share again" : "is asked again");
	text_add(&f->claim, "within ");
	text_time(&f->claim, bound + j->slack_ns);
	f->verdict = VERDICT_PASS;
	for (unsigned i = 0; silence_find(j, e->node[0], i, &s); i++) {
		if (s.end == NULL || j->balancer_n == 0)
			continue;
		struct starts a = starts_measure(j, &s, e, s.back_to_ns + bound + j->slack_ns,
		                                 list);
		if (n++ > 0)
			text_add(&f->why, "; ");
		tell_starts(j, &s, &a, bound, f);
		bool last = !silence_find(j, e->node[0], i + 1, &next) || next.end == NULL;
		enum verdict v = decide_back(j, e, &a, last, f);
		f->verdict = v > f->verdict ? v : f->verdict;
	}
	json_object_set_new(f->measured, "balancers", list);
	json_object_set_new(f->bound, "within_ns", json_integer(bound));
	json_object_set_new(f->bound, "slack_ns", json_integer(j->slack_ns));
	if (n == 0) {
		f->verdict = VERDICT_INCONCLUSIVE;
		text_add(&f->why, "it was never seen to return");
	}
}
