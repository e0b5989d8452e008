/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From probes to epochs. Each probe on a balancer's back link comes to a success, a failure or,
 * when its answer came about when its time was up, to either; the result then reaches the program
 * somewhere within an interval. Two copies of the configured state machine run along, one that
 * takes what is open for success and one that takes it for failure. Where they agree a server's
 * state is certain; in between, and within each transition's interval, it is not.
 */
#include <stdlib.h>

#include "inner.h"

struct machine {
	bool known, up;
	unsigned fails, goods;
};

struct outcome {
	int64_t lo_ns, hi_ns;   /* when the program learns it */
	bool may_succeed, may_fail;
	unsigned fails_most;    /* how many failures a program may count for it */
	uint32_t frame;
};

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

static struct outcome probe_outcome(const struct probe *p, const struct bal_check *c,
                                    enum plan_checks checks, int64_t slack_ns)
{
	int64_t limit = p->t_ns + c->timeout_ns;
	bool answered = p->answer_ns != NEVER && p->answer_ns <= limit + slack_ns;
	struct outcome o = { .frame = p->frame, .fails_most = 1 };

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
	o.lo_ns = p->refused_ns != NEVER ? p->refused_ns : limit;
	o.hi_ns = limit + slack_ns;
	if (p->refused_ns != NEVER && checks == PLAN_CHECKS_ROUNDS)
		o.fails_most = 3; /* dnsdist up to 1.7.5 counts a refusal thrice */
	return o;
}

static void add_change(struct server *s, int64_t lo_ns, int64_t hi_ns, enum server_state state,
                       uint32_t frame)
{
	if (s->change_n > 0 && lo_ns < s->change[s->change_n - 1].hi_ns)
		lo_ns = s->change[s->change_n - 1].hi_ns;
	if (hi_ns < lo_ns)
		hi_ns = lo_ns;
	s->change = grow(s->change, s->change_n, &s->change_cap, sizeof(*s->change));
	s->change[s->change_n++] = (struct change){ lo_ns, hi_ns, state, frame };
}

static enum server_state state_of(const struct machine *a, const struct machine *b)
{
	if (!a->known || a->up != b->up)
		return SERVER_UNKNOWN;
	return a->up ? SERVER_UP : SERVER_DOWN;
}

static int outcome_cmp(const void *a, const void *b)
{
	const struct outcome *x = a, *y = b;

	if (x->lo_ns != y->lo_ns)
		return x->lo_ns < y->lo_ns ? -1 : 1;
	return (x->frame > y->frame) - (x->frame < y->frame);
}

static void server_epochs(struct server *s, const struct bal_check *c, const struct outcome *o,
                          size_t n)
{
	struct machine hope = { 0 }, fear = { 0 };
	enum server_state state = SERVER_UNKNOWN;

	for (size_t i = 0; i < n; i++) {
		machine_step(&hope, c, o[i].may_succeed, 1);
		machine_step(&fear, c, !o[i].may_fail, o[i].fails_most);
		enum server_state now = state_of(&hope, &fear);
		if (now != state)
			add_change(s, o[i].lo_ns, now == SERVER_UNKNOWN ? o[i].lo_ns : o[i].hi_ns,
			           now, o[i].frame);
		state = now;
	}
}

void health_epochs(struct balancer *b, enum plan_checks checks, int64_t slack_ns)
{
	struct outcome *o = calloc(b->probe_n + 1, sizeof(*o));

	MUST(o != NULL);
	if (checks != PLAN_CHECKS_EXACT)
		slack_ns += 100000000; /* dnsdist looks at its probes' deadlines every 100 ms */
	for (unsigned i = 0; i < b->conf->server_n; i++) {
		const struct bal_check *c = &b->conf->server[i].check;
		size_t n = 0;
		if (c->mode != BAL_CHECK_AUTO) {
			add_change(&b->server[i], NEVER, NEVER,
			           c->mode == BAL_CHECK_UP ? SERVER_UP : SERVER_DOWN, 0);
			continue;
		}
		for (size_t k = 0; k < b->probe_n; k++)
			if (b->probe[k].server == i)
				o[n++] = probe_outcome(&b->probe[k], c, checks, slack_ns);
		qsort(o, n, sizeof(*o), outcome_cmp);
		server_epochs(&b->server[i], c, o, n);
	}
	free(o);
}

enum server_state server_state_at(const struct server *s, size_t *cursor, int64_t t_ns)
{
	while (*cursor < s->change_n && s->change[*cursor].hi_ns <= t_ns)
		++*cursor;
	if (*cursor < s->change_n && s->change[*cursor].lo_ns <= t_ns)
		return SERVER_UNKNOWN;
	return *cursor > 0 ? s->change[*cursor - 1].state : SERVER_UNKNOWN;
}
