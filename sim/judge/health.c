/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From probes to epochs. Each probe on a balancer's back link comes to a success, a failure or,
 * when its answer came about when its time was up, to either; the result then reaches the program
 * somewhere within an interval. Two copies of the configured state machine run along, one that
 * takes what is open for success and one that takes it for failure. Where they agree a server's
 * state is certain; in between, and within each transition's interval, it is not; nor as long as a
 * returned server starts slowly. Each change comes to edges: from here on the state isn't known,
 * from there on it is that one.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

/* A program may take this much longer than the slack to act on a health check's result. */
static const int64_t EPOCH_SLACKS = 4;

/* The first result counts as it is; later ones as max_failures and rise say. */
static void machine_step(struct machine *m, const struct bal_check *c, bool good, unsigned weight)
{
	if (!m->known) {
		*m = (struct machine){ .known = true, .up = good };
	} else if (good) {
		m->fails = 0;
		if (!m->up && ++m->goods >= c->rise)
			*m = (struct machine){ .known = true, .up = true };
	} else {
		m->goods = 0;
		m->fails += weight;
		if (m->up && m->fails >= c->max_failures)
			*m = (struct machine){ .known = true, .up = false };
	}
}

/* How long a program may take until it acts on what a probe came to. */
static int64_t act_ns(const struct judge *j)
{
	int64_t slack = judge_slack_ns(j) + EPOCH_SLACKS * j->plan->limits.slack_ns;

	/* dnsdist looks at its probes' deadlines every 100 ms */
	return j->plan->balancer.checks != PLAN_CHECKS_EXACT ? slack + 100000000 : slack;
}

static struct outcome probe_outcome(const struct judge *j, const struct probe *p,
                                    const struct bal_check *c, int64_t slack_ns)
{
	int64_t limit = p->t_ns + c->timeout_ns;
	bool answered = p->answer_ns != NEVER && p->answer_ns <= limit + slack_ns;
	struct outcome o = { .frame = p->frame, .fails_most = 1, .server = p->server,
	                     .sent_ns = p->t_ns };
	bool refused = p->refused_ns != NEVER || j->file != NULL; /* ICMP isn't in foreign ones */

	if (answered) {
		bool close = p->answer_ns > limit - slack_ns && c->timeout_ns > slack_ns;
		o.lo_ns = p->answer_ns < limit ? p->answer_ns : limit;
		o.hi_ns = p->answer_ns + slack_ns;
		o.may_succeed = p->good;
		o.may_fail = !p->good || close;
		o.frame = p->answer_frame;
		return o;
	}
	o.may_fail = true;
	o.lo_ns = p->refused_ns != NEVER ? p->refused_ns : refused ? p->t_ns : limit;
	o.hi_ns = limit + slack_ns;
	if (refused && j->plan->balancer.checks == PLAN_CHECKS_ROUNDS)
		o.fails_most = 3; /* dnsdist up to 1.7.5 counts a refusal thrice */
	return o;
}

/* ---- edges ---- */

/* Puts an edge in its place by time, behind those of its time. */
static void edge_add(struct health *h, int64_t t_ns, unsigned server, unsigned state)
{
	if (h->edge_at > 0 && h->edge_n == h->edge_cap) {
		memmove(h->edge, h->edge + h->edge_at,
		        (h->edge_n - h->edge_at) * sizeof(*h->edge));
		h->edge_n -= h->edge_at;
		h->edge_at = 0;
	}
	h->edge = grow(h->edge, h->edge_n, &h->edge_cap, sizeof(*h->edge));
	size_t i = h->edge_n++;
	for (; i > h->edge_at && h->edge[i - 1].t_ns > t_ns; i--)
		h->edge[i] = h->edge[i - 1];
	h->edge[i] = (struct edge){ t_ns, (uint16_t)server, (uint8_t)state };
}

int64_t health_next(const struct balancer *b)
{
	const struct health *h = &b->health;

	return h->edge_at < h->edge_n ? h->edge[h->edge_at].t_ns : INT64_MAX;
}

static bool unknown(const struct server *s)
{
	return s->state == SERVER_UNKNOWN || (s->quiet && s->state == SERVER_UP);
}

static void edge_apply(struct balancer *b, const struct edge *e)
{
	struct server *s = &b->server[e->server];

	b->health.unknown_n -= unknown(s);
	if (e->state == EDGE_QUIET || e->state == EDGE_HEARD)
		s->quiet = e->state == EDGE_QUIET;
	else
		s->state = (enum server_state)e->state;
	b->health.unknown_n += unknown(s);
	b->health.epoch++;
	b->health.epoch_ns = e->t_ns;
}

void health_at(struct balancer *b, int64_t t_ns)
{
	struct health *h = &b->health;

	while (h->edge_at < h->edge_n && h->edge[h->edge_at].t_ns <= t_ns)
		edge_apply(b, &h->edge[h->edge_at++]);
	if (h->edge_at == h->edge_n)
		h->edge_at = h->edge_n = 0;
}

void health_change(struct judge *j, struct balancer *b, unsigned server, int64_t lo_ns,
                   int64_t hi_ns, enum server_state state)
{
	struct server *s = &b->server[server];

	lo_ns = lo_ns < s->told_ns ? s->told_ns : lo_ns;
	hi_ns = hi_ns < lo_ns ? lo_ns : hi_ns;
	s->told_ns = hi_ns;
	s->told = state;
	if (lo_ns < hi_ns)
		edge_add(&b->health, lo_ns, server, SERVER_UNKNOWN);
	edge_add(&b->health, hi_ns, server, state);
	gones_change(j, b, server, state, lo_ns, hi_ns);
}

void health_quiet(struct balancer *b, unsigned server, int64_t t_ns, bool quiet)
{
	edge_add(&b->health, t_ns, server, quiet ? EDGE_QUIET : EDGE_HEARD);
}

static enum server_state state_of(const struct machine *a, const struct machine *b)
{
	if (!a->known || a->up != b->up)
		return SERVER_UNKNOWN;
	return a->up ? SERVER_UP : SERVER_DOWN;
}

/* ---- outcomes ---- */

static bool outcome_before(const struct outcome *a, const struct outcome *b)
{
	return a->lo_ns != b->lo_ns ? a->lo_ns < b->lo_ns : a->frame < b->frame;
}

void outcome_add(struct health *h, const struct outcome *o)
{
	h->outcome = grow(h->outcome, h->outcome_n, &h->outcome_cap, sizeof(*h->outcome));
	size_t i = h->outcome_n++;
	for (; i > 0 && outcome_before(o, &h->outcome[i - 1]); i--)
		h->outcome[i] = h->outcome[i - 1];
	h->outcome[i] = *o;
}

static void outcome_take(struct judge *j, struct balancer *b, const struct outcome *o)
{
	const struct bal_check *c = &b->conf->server[o->server].check;
	struct server *s = &b->server[o->server];

	if (o->restart) {
		b->health.restart_ns = o->lo_ns;
		s->hope = s->fear = (struct machine){ .known = false };
		flaps_change(j, b, o, SERVER_UNKNOWN);
		if (s->told != SERVER_UNKNOWN)
			health_change(j, b, o->server, o->lo_ns, o->lo_ns, SERVER_UNKNOWN);
		return;
	}
	if (o->sent_ns < b->health.restart_ns)
		return;
	bool first = !s->hope.known;
	machine_step(&s->hope, c, o->may_succeed, 1);
	machine_step(&s->fear, c, !o->may_fail, o->fails_most);
	enum server_state now = state_of(&s->hope, &s->fear);
	if (now == s->told)
		return;
	flaps_change(j, b, o, now);
	int64_t hi_ns = now == SERVER_UNKNOWN ? o->lo_ns : o->hi_ns;
	if (now == SERVER_UP && !first) /* what share it has until then isn't known to the ms */
		hi_ns += b->conf->server[o->server].slow_start_ns;
	health_change(j, b, o->server, o->lo_ns, hi_ns, now);
	if (j->file != NULL && now != SERVER_UNKNOWN)
		changes_add(j, &(struct judge_change){ .lo_ns = o->lo_ns, .hi_ns = hi_ns,
		                                       .balancer = (uint16_t)b->index,
		                                       .server = o->server,
		                                       .up = now == SERVER_UP });
}

void health_restart(struct balancer *b, int64_t t_ns)
{
	for (unsigned i = 0; i < b->conf->server_n; i++) {
		struct outcome o = { .lo_ns = t_ns, .hi_ns = t_ns, .server = (uint16_t)i,
		                     .restart = true };
		if (b->conf->server[i].check.mode == BAL_CHECK_AUTO)
			outcome_add(&b->health, &o);
	}
}

/* A balancer that hangs when an answer comes may find its time to be up when it goes on. */
static void outcome_waits(const struct judge *j, const struct balancer *b, struct outcome *o,
                          int64_t slack_ns)
{
	int64_t until = gones_silent_until(j, (int)b->node, o->lo_ns);

	if (until == o->lo_ns || until == INT64_MAX)
		return;
	o->may_fail = true;
	o->hi_ns = until + slack_ns;
}

/*
 * A later probe's good answer came before this one's time was over, which settles it for our
 * balancer: a probe that was sent late is followed by one that wasn't, so the two overlap.
 */
static bool overtaken(const struct balancer *b, uint64_t i, const struct probe *p, int64_t limit)
{
	for (uint64_t k = i + 1; k < b->probe.next; k++) {
		const struct probe *q = ring_at(&b->probe, k);
		if (q->t_ns > limit)
			return false;
		if (q->server == p->server && q->good && q->answer_ns <= limit)
			return true;
	}
	return false;
}

/* Probes that were sent until t_ns: what they came to. */
static void probes_over(struct judge *j, struct balancer *b, int64_t t_ns)
{
	int64_t slack = act_ns(j);

	while (b->probe_settled < b->probe.next) {
		const struct probe *p = ring_at(&b->probe, b->probe_settled);
		const struct bal_check *c = &b->conf->server[p->server].check;
		if (p->t_ns > t_ns)
			return;
		gones_probe(j, b, p);
		absent_probe(b, p);
		if (c->mode == BAL_CHECK_AUTO) {
			struct outcome o = probe_outcome(j, p, c, slack);
			outcome_waits(j, b, &o, slack);
			if (overtaken(b, b->probe_settled, p, p->t_ns + c->timeout_ns))
				o.may_succeed = true;
			outcome_add(&b->health, &o);
		}
		b->probe.base = ++b->probe_settled;
	}
}

void health_until(struct judge *j, struct balancer *b, int64_t t_ns)
{
	struct health *h = &b->health;
	size_t n = 0;

	probes_over(j, b, t_ns);
	if (j->file != NULL)
		absent_look(j, b, t_ns < j->seen_ns ? t_ns : j->seen_ns);
	while (n < h->outcome_n && h->outcome[n].lo_ns <= t_ns)
		outcome_take(j, b, &h->outcome[n++]);
	if (n == 0)
		return;
	h->outcome_n -= n;
	memmove(h->outcome, h->outcome + n, h->outcome_n * sizeof(*h->outcome));
}

int64_t health_delay(const struct judge *j)
{
	return act_ns(j);
}

void epochs_init(struct balancer *b)
{
	b->flap = flaps_new(b);
	b->health.epoch_ns = b->health.restart_ns = NEVER;
	for (unsigned i = 0; i < b->conf->server_n; i++) {
		enum bal_check_mode mode = b->conf->server[i].check.mode;
		struct server *s = &b->server[i];
		s->told_ns = s->probe_ns = NEVER;
		s->state = s->told = mode == BAL_CHECK_AUTO ? SERVER_UNKNOWN :
		                     mode == BAL_CHECK_UP ? SERVER_UP : SERVER_DOWN;
		b->health.unknown_n += s->state == SERVER_UNKNOWN;
	}
}

void epochs_free(struct balancer *b)
{
	free(b->health.outcome);
	free(b->health.edge);
	free(b->flap);
}
