/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Silences as they are told, and which draws, answers, probes and changes fall into which. A
 * balancer looks only at those that are on; which those are changes at few moments, and is looked
 * up again then.
 */
#include "gone.h"

#include <stdlib.h>

#include "sim/plan/bounds.h"
#include "sim/plan/samples.h"
#include "sim/plan/schema.h"

/* Two links, each as slow as any ever is: kinds of faults add to each other. */
static int64_t longest_way(const struct plan *p)
{
	int64_t hold[FAULT_N] = { 0 }, most = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		int64_t t = plan_link_most_ns(&p->node[i].link);
		most = t > most ? t : most;
	}
	for (unsigned i = 0; i < p->fault_n; i++) {
		int64_t t = plan_fault_holds_ns(&p->fault[i]), *of = &hold[p->fault[i].kind];
		*of = t > *of ? t : *of;
	}
	for (unsigned k = 0; k < FAULT_N; k++)
		most += hold[k];
	return 2 * most;
}

void gones_init(struct judge *j)
{
	const struct plan *p = j->plan;
	struct gones *s = zeroed(1, sizeof(*s));

	s->of_fault = zeroed(p->fault_n, sizeof(*s->of_fault));
	for (unsigned i = 0; i < p->fault_n; i++)
		s->of_fault[i] = -1;
	s->of_node = zeroed(p->node_n, sizeof(*s->of_node));
	s->quiet = zeroed(p->node_n, sizeof(*s->quiet));
	s->way_ns = longest_way(p);
	s->downs = downs_new(p, DOWNS_LOST);
	j->gones = s;
}

void gones_free(struct judge *j)
{
	struct gones *s = j->gones;

	for (size_t i = 0; s != NULL && i < s->n; i++) {
		for (size_t k = 0; k < s->gone[i].watch_n; k++) {
			free(s->gone[i].watch[k].stop);
			free(s->gone[i].watch[k].start);
			free(s->gone[i].watch[k].over);
			free(s->gone[i].watch[k].away);
		}
		free(s->gone[i].watch);
		free(s->gone[i].counted);
	}
	for (unsigned i = 0; s != NULL && i < j->plan->node_n; i++) {
		free(s->of_node[i].at);
		free(s->quiet[i].at);
	}
	if (s == NULL)
		return;
	downs_free(s->downs);
	free(s->gone);
	free(s->of_fault);
	free(s->of_node);
	free(s->quiet);
	free(s);
}

static void list_add(struct list *l, uint32_t v)
{
	l->at = grow(l->at, l->n, &l->cap, sizeof(*l->at));
	l->at[l->n++] = v;
}

struct gone *gone_of_node(const struct judge *j, int node, size_t i)
{
	const struct list *l = &j->gones->of_node[node];

	return i < l->n ? &j->gones->gone[l->at[i]] : NULL;
}

struct watch *gone_watch(const struct gone *g, const struct plan_expect *e)
{
	for (size_t i = 0; i < g->watch_n; i++)
		if (g->watch[i].e == e)
			return &g->watch[i];
	return NULL;
}

static int64_t load_end(const struct plan *p)
{
	int64_t end = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		end = p->load[i].to_ns > end ? p->load[i].to_ns : end;
	return end;
}

/* Balancers that check a server of the node's. */
static unsigned balancers_checking(const struct judge *j, int node)
{
	unsigned n = 0;

	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct plan_conf *c = j->balancer[i].conf;
		unsigned k = 0;
		while (k < c->server_n && c->server_node[k] != node)
			k++;
		n += k < c->server_n;
	}
	return n;
}

static void watch_add(struct judge *j, struct gone *g, const struct plan_expect *e)
{
	g->watch = grow(g->watch, g->watch_n, &g->watch_cap, sizeof(*g->watch));
	struct watch *w = &g->watch[g->watch_n++];
	*w = (struct watch){ .e = e, .bound_ns = INT64_MAX / 4 }; /* until the return is told */
	if (j->plan->node[g->node].role == PLAN_BALANCER)
		away_init(w);
	else if (e->kind == PLAN_DETECT)
		stop_init(j, g, w);
	else if (e->kind == PLAN_OVERSHOOT)
		over_init(j, w);
	else
		start_init(j, g, w);
}

static bool watches(const struct plan_expect *e, int node)
{
	return (e->kind == PLAN_DETECT || e->kind == PLAN_BACK || e->kind == PLAN_OVERSHOOT ||
	        e->kind == PLAN_FAILOVER) && e->node[0] == node;
}

static bool watched_back(const struct gone *g)
{
	for (size_t i = 0; i < g->watch_n; i++)
		if (g->watch[i].start != NULL)
			return true;
	return false;
}

/* Puts the newest silence where it belongs among its node's. */
static void add_to_node(struct gones *s, int node, uint32_t index)
{
	struct list *l = &s->of_node[node];

	list_add(l, index);
	for (size_t i = l->n - 1; i > 0; i--)
		if (s->gone[l->at[i - 1]].fault > s->gone[l->at[i]].fault) {
			uint32_t swap = l->at[i];
			l->at[i] = l->at[i - 1];
			l->at[i - 1] = swap;
		}
	list_add(&s->quiet[node], index);
}

/*
 * When the silence ends, as long as nobody has told: at its planned instant, since an engine that
 * is judged as it goes strikes exactly then, but tells of a start when the program is ready. Where
 * it waits for a trigger, not before it comes.
 */
static int64_t planned_back(const struct judge *j, unsigned fault)
{
	int end = plan_fault_end(j->plan, fault);

	return end != PLAN_NONE && !j->events.fault[end].skipped ? fault_strikes(j, (unsigned)end)
	                                                         : INT64_MAX;
}

/* From when on all others are in use, if they aren't when it returns; by the plan alone. */
static int64_t full_from(const struct judge *j, int node, int64_t back)
{
	int64_t up = back < INT64_MAX ? downs_others_up(j->gones->downs, node, back) : back;

	return up == back ? INT64_MIN : up < INT64_MAX ? up + j->plan->limits.slack_ns : up;
}

static void gone_begins(struct judge *j, unsigned fault)
{
	const struct plan_fault *f = &j->plan->fault[fault];
	const struct fault_seen *seen = &j->events.fault[fault];
	struct gones *s = j->gones;

	s->gone = grow(s->gone, s->n, &s->cap, sizeof(*s->gone));
	struct gone *g = &s->gone[s->n];
	*g = (struct gone){ .fault = fault, .end = PLAN_NONE, .node = f->node,
	                    .from_ns = seen->from_ns, .to_ns = seen->to_ns,
	                    .back_from_ns = planned_back(j, fault),
	                    .back_to_ns = INT64_MAX,
	                    .over_ns = load_end(j->plan),
	                    .full_ns = full_from(j, f->node, planned_back(j, fault)),
	                    .counted = zeroed(j->balancer_n, sizeof(bool)),
	                    .up_wanted = balancers_checking(j, f->node) };
	s->of_fault[fault] = (int)s->n;
	for (unsigned i = 0; i < j->plan->expect_n; i++) {
		const struct plan_expect *e = &j->plan->expect[i];
		if (watches(e, f->node))
			watch_add(j, g, e);
	}
	if (!watched_back(g))
		g->up_wanted = 0;
	add_to_node(s, f->node, (uint32_t)s->n);
	for (unsigned i = 0; i < j->balancer_n; i++) {
		struct balancer *b = &j->balancer[i];
		b->gone = grow(b->gone, b->gone_n, &b->gone_cap, sizeof(*b->gone));
		b->gone[b->gone_n++] = (uint32_t)s->n;
	}
	s->n++;
}

/* Silence k, if it is one, may end the time in which g's return is watched. */
static void over_by(const struct judge *j, struct gone *g, unsigned k)
{
	int64_t at = fault_strikes(j, k);

	if (plan_fault_silences(j->plan->fault[k].kind) && k > g->fault && at > g->back_to_ns &&
	    at < g->over_ns)
		g->over_ns = at;
}

static void gone_ends(struct judge *j, struct gone *g, int end)
{
	const struct plan *p = j->plan;

	g->end = end;
	g->back_from_ns = j->events.fault[end].from_ns;
	g->back_to_ns = j->events.fault[end].to_ns;
	if (p->fault[end].when != PLAN_AT)
		g->full_ns = full_from(j, g->node, g->back_from_ns);
	for (unsigned k = g->fault + 1; k < p->fault_n; k++)
		over_by(j, g, k);
	for (size_t i = 0; i < g->watch_n; i++) {
		struct watch *w = &g->watch[i];
		if (w->start != NULL)
			start_back(j, g, w);
		else if (w->over != NULL)
			w->bound_ns = g->back_to_ns + over_bound(j, w->e);
		else if (w->away != NULL)
			w->bound_ns = g->back_to_ns + w->e->within_ns;
	}
}

void gones_end_known(struct judge *j, unsigned fault)
{
	for (size_t i = 0; i < j->gones->of_node[j->plan->fault[fault].node].n; i++) {
		struct gone *g = gone_of_node(j, j->plan->fault[fault].node, i);
		if (g->end != PLAN_NONE || plan_fault_end(j->plan, g->fault) != (int)fault)
			continue;
		g->back_from_ns = planned_back(j, g->fault);
		g->full_ns = full_from(j, g->node, g->back_from_ns);
	}
}

void gones_fault(struct judge *j, unsigned fault)
{
	const struct plan *p = j->plan;

	if (plan_fault_silences(p->fault[fault].kind)) {
		for (size_t i = 0; i < j->gones->n; i++)
			if (j->gones->gone[i].end != PLAN_NONE)
				over_by(j, &j->gones->gone[i], fault);
		gone_begins(j, fault);
		int end = plan_fault_end(p, fault);
		if (end != PLAN_NONE && j->events.fault[end].told &&
		    !j->events.fault[end].skipped)
			gone_ends(j, &j->gones->gone[j->gones->n - 1], end);
	}
	for (size_t i = 0; i < j->gones->of_node[p->fault[fault].node].n; i++) {
		struct gone *g = gone_of_node(j, p->fault[fault].node, i);
		if (g->end == PLAN_NONE && plan_fault_end(p, g->fault) == (int)fault)
			gone_ends(j, g, (int)fault);
	}
	for (unsigned i = 0; i < j->balancer_n; i++) {
		struct balancer *b = &j->balancer[i];
		b->gone_next_ns = NEVER;
		if (p->fault[fault].kind == PLAN_START && p->fault[fault].node == (int)b->node)
			health_restart(b, j->events.fault[fault].from_ns);
	}
}

/* ---- draws ---- */

/* The draws before a silence are those until its death. */
static void count_before(struct gone *g, const struct balancer *b, int64_t t_ns,
                         const struct draw *d)
{
	bool late = t_ns >= g->from_ns; /* this one is counted already, and isn't one of them */

	if (g->counted[b->index])
		return;
	g->counted[b->index] = true;
	for (unsigned i = 0; i < b->conf->server_n; i++)
		if (b->conf->server_node[i] == g->node)
			g->own_before += b->server_draws[i] - (late && d != NULL && d->server == i);
	g->all_before += b->draws - (late && d != NULL);
}

static int64_t sooner(int64_t t_ns, int64_t after_ns, int64_t best_ns)
{
	return t_ns > after_ns && t_ns < best_ns ? t_ns : best_ns;
}

/* Which silences are on at the time of a draw, and until when. */
static void look_again(struct judge *j, struct balancer *b, const struct draw *d)
{
	int64_t t = d->t_ns, next = INT64_MAX;
	size_t n = 0;

	b->gone_active_n = 0;
	for (size_t i = 0; i < b->gone_n; i++) {
		struct gone *g = &j->gones->gone[b->gone[i]];
		if (t >= g->from_ns)
			count_before(g, b, t, d);
		if (t >= g->back_from_ns && t >= g->over_ns)
			continue;
		b->gone[n++] = b->gone[i];
		next = sooner(g->from_ns, t, sooner(g->to_ns, t, next));
		next = sooner(g->back_from_ns, t, sooner(g->over_ns, t, next));
		if (t < g->to_ns)
			continue;
		b->gone_active = grow(b->gone_active, b->gone_active_n, &b->gone_active_cap,
		                      sizeof(*b->gone_active));
		b->gone_active[b->gone_active_n++] = b->gone[i];
	}
	b->gone_n = n;
	b->gone_next_ns = next;
}

bool balancer_away(const struct judge *j, const struct balancer *b, int64_t from_ns, int64_t to_ns)
{
	const struct downs *d = j->gones->downs;

	return downs_silent_until(d, (int)b->node, from_ns) > from_ns ||
	       downs_silent_until(d, (int)b->node, to_ns) > to_ns ||
	       downs_returned(d, (int)b->node, to_ns) > from_ns;
}

/* Every server but the node's is silent, surely. */
static bool alone(const struct judge *j, const struct balancer *b, int node, int64_t t_ns)
{
	for (unsigned i = 0; i < b->conf->server_n; i++) {
		int other = b->conf->server_node[i];
		if (other != node && !downs_surely_silent(j->gones->downs, other, t_ns))
			return false;
	}
	return true;
}

/* Some other server must be up, and known to be. */
static bool others_up(const struct judge *j, const struct balancer *b, int node, int64_t t_ns)
{
	for (unsigned i = 0; i < b->conf->server_n; i++) {
		int other = b->conf->server_node[i];
		if (other != node &&
		    downs_surely_up(j->gones->downs, other, t_ns - judge_slack_ns(j)))
			return true;
	}
	return false;
}

/*
 * When what is claimed has to be so at this balancer: it may have been away itself, and roundrobin
 * takes turns among all when none is up.
 */
static int64_t deadline(const struct judge *j, const struct balancer *b, const struct gone *g,
                        const struct watch *w, int64_t t_ns)
{
	int64_t slack = judge_slack_ns(j), since = w->stop != NULL ? g->to_ns : g->back_to_ns;
	int64_t bound = w->bound_ns + slack;

	if (t_ns <= bound)
		return bound;
	int64_t back = downs_returned(j->gones->downs, (int)b->node, t_ns);
	if (back > since && back + (w->bound_ns - since) + slack > bound)
		bound = back + (w->bound_ns - since) + slack;
	bool turns = b->conf->policy == BAL_ROUNDROBIN && !others_up(j, b, g->node, t_ns);
	return turns && w->stop != NULL ? INT64_MAX : bound;
}

void gones_nowhere(struct judge *j, struct balancer *b, int64_t t_ns)
{
	int64_t slack = judge_slack_ns(j);

	if (j->gones->n == 0 || balancer_away(j, b, t_ns - slack, t_ns + slack))
		return; /* it is away itself */
	for (size_t i = 0; i < j->gones->n; i++) {
		struct gone *g = &j->gones->gone[i];
		if (t_ns < g->to_ns || g->watch_n == 0 ||
		    j->plan->node[g->node].role != PLAN_RECURSOR || !alone(j, b, g->node, t_ns))
			continue;
		for (size_t k = 0; k < g->watch_n; k++) {
			const struct watch *w = &g->watch[k];
			int64_t until = deadline(j, b, g, w, t_ns);
			if (w->stop != NULL)
				stop_nowhere(g, &w->stop[b->index], t_ns, until);
			else if (w->start != NULL)
				start_nowhere(g, &w->start[b->index], t_ns, until);
		}
	}
}

int64_t gones_silent_until(const struct judge *j, int node, int64_t t_ns)
{
	return downs_silent_until(j->gones->downs, node, t_ns);
}

void gones_lost(struct judge *j, int64_t plan_ns)
{
	for (size_t i = 0; i < j->gones->n; i++) {
		struct gone *g = &j->gones->gone[i];
		g->lost += plan_ns >= g->from_ns && plan_ns < g->back_from_ns;
	}
}

json_t *gones_json(const struct judge *j)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < j->plan->fault_n; i++) {
		if (j->gones->of_fault[i] < 0)
			continue;
		const struct gone *g = &j->gones->gone[j->gones->of_fault[i]];
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I}",
			"name", node_name(j, g->node),
			"kind", plan_fault_name(j->plan->fault[g->fault].kind),
			"at_ns", (json_int_t)g->from_ns, "lost", (json_int_t)g->lost,
			"misrouted", (json_int_t)g->misrouted));
	}
	return list;
}

void gones_draw(struct judge *j, struct balancer *b, const struct draw *d, bool again)
{
	int node = b->conf->server_node[d->server];

	if (d->t_ns >= b->gone_next_ns)
		look_again(j, b, d);
	for (size_t i = 0; i < b->gone_active_n; i++) {
		struct gone *g = &j->gones->gone[b->gone_active[i]];
		bool own = node == g->node;
		g->misrouted += own && d->t_ns >= g->to_ns && d->t_ns < g->back_from_ns;
		for (size_t k = 0; k < g->watch_n; k++) {
			const struct watch *w = &g->watch[k];
			int64_t until = deadline(j, b, g, w, d->t_ns);
			if (again && (!own || w->stop == NULL))
				continue;
			if (w->stop != NULL)
				stop_draw(g, &w->stop[b->index], d, own, until);
			else if (w->over != NULL)
				over_draw(g, &w->over[b->index], d, own, until);
			else if (w->start != NULL)
				start_draw(g, &w->start[b->index], d, own, until);
		}
	}
}

/* ---- answers, probes, changes ---- */

/* What was on its way when a node died may still arrive. */
static int64_t dead_from(const struct judge *j, const struct gone *g)
{
	return g->to_ns + judge_slack_ns(j) + j->gones->way_ns;
}

void gones_answer(struct judge *j, int node, int64_t t_ns)
{
	struct list *l = &j->gones->quiet[node];

	for (size_t i = 0; i < l->n;) {
		struct gone *g = &j->gones->gone[l->at[i]];
		g->answers += t_ns > dead_from(j, g) && t_ns < g->back_from_ns;
		if (g->back_from_ns < j->settled_ns)
			l->at[i] = l->at[--l->n];
		else
			i++;
	}
}

void gones_probe(struct judge *j, struct balancer *b, const struct probe *p)
{
	const struct list *l = &j->gones->of_node[b->conf->server_node[p->server]];

	if (!p->good)
		return;
	for (size_t i = l->n; i-- > 0;) {
		struct gone *g = &j->gones->gone[l->at[i]];
		bool taken = false;
		if (g->up_wanted == 0)
			continue;
		for (size_t k = 0; k < g->watch_n; k++) {
			struct start *o = g->watch[k].start;
			if (o == NULL || p->answer_ns < g->back_from_ns ||
			    o[b->index].up_ns != NEVER)
				continue;
			o[b->index].up_ns = p->answer_ns;
			taken = true;
		}
		g->up_wanted -= taken;
	}
}

static void start_change(const struct gone *g, struct start *o, int64_t lo_ns)
{
	o->flaps += o->up_ns != NEVER && lo_ns > o->up_ns && lo_ns < g->over_ns;
}

void gones_change(struct judge *j, struct balancer *b, unsigned server, enum server_state state,
                  int64_t lo_ns, int64_t hi_ns)
{
	const struct list *l = &j->gones->of_node[b->conf->server_node[server]];

	for (size_t i = 0; i < l->n && state == SERVER_DOWN; i++) {
		struct gone *g = &j->gones->gone[l->at[i]];
		for (size_t k = 0; k < g->watch_n; k++) {
			struct watch *w = &g->watch[k];
			if (w->stop != NULL)
				stop_change(g, &w->stop[b->index], server, lo_ns, hi_ns);
			else if (w->start != NULL)
				start_change(g, &w->start[b->index], lo_ns);
		}
	}
}

/* ---- what gates and lost ask ---- */

static const struct gone *gone_of_fault(const struct judge *j, unsigned fault)
{
	int i = j->gones->of_fault[fault];

	return i >= 0 ? &j->gones->gone[i] : NULL;
}

uint64_t fault_misrouted(const struct judge *j, unsigned fault)
{
	const struct gone *g = gone_of_fault(j, fault);

	return g != NULL ? g->misrouted : 0;
}

uint64_t fault_answers(const struct judge *j, unsigned fault)
{
	const struct gone *g = gone_of_fault(j, fault);

	return g != NULL ? g->answers : 0;
}

/*
 * The share that the recursor had before. A balancer that gives it less than its configuration
 * says is wrong, but that isn't the fault's fault.
 */
static double share_before(const struct judge *j, struct gone *g)
{
	double most = plan_share_least(j->plan, g->node);

	for (unsigned i = 0; i < j->balancer_n; i++)
		count_before(g, &j->balancer[i], NEVER, NULL);
	double share = g->all_before > 0 ? (double)g->own_before / (double)g->all_before : most;
	return share < most ? share : most;
}

uint64_t fault_misrouted_least(const struct judge *j, unsigned fault)
{
	const struct fault_seen *s = &j->events.fault[fault];
	int64_t notice = plan_notice_ns(j->plan, fault);
	int i = j->gones->of_fault[fault];

	if (notice == 0 || !s->told || i < 0)
		return 0;
	return plan_poisson_least(plan_misrouted_mean(j->plan, s->to_ns,
	                                              s->from_ns + notice - judge_slack_ns(j),
	                                              share_before(j, &j->gones->gone[i])),
	                          PLAN_FLAKE);
}
