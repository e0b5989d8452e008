/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checks that didn't come, in a foreign capture. One that never left its balancer, because
 * somebody took the server out by hand, or that was lost on the way to where it is captured, or
 * whose connection was refused before it said anything: each time the balancer may know what no
 * packet says. So where a probe was due and none is there, the server isn't known to be up until
 * the next one. That is as soon as one is missing where it may have been lost or refused; on the
 * balancer's own side later, as rounds of checks are as long as their slowest one.
 */
#include "inner.h"

static const int64_t ROUND_NS = 300000000; /* what a program may take beside its timers */

void absent_probe(struct balancer *b, const struct probe *p)
{
	struct server *s = &b->server[p->server];

	s->probe_ns = p->t_ns;
	s->absent = s->absent_told = false;
}

static bool watched(const struct balancer *b, unsigned server)
{
	const struct bal_check *c = &b->conf->server[server].check;

	return c->mode == BAL_CHECK_AUTO && !c->lazy.on && b->server[server].probe_ns != NEVER;
}

/* So long after a probe the next one is surely missing, whatever the program. */
static int64_t surely_ns(const struct bal_check *c)
{
	return 2 * c->interval_ns + c->timeout_ns + ROUND_NS;
}

/* While it is down a check that is lost changes nothing. */
static int64_t missing_ns(const struct balancer *b, unsigned server)
{
	const struct bal_check *c = &b->conf->server[server].check;
	bool lost = (b->back_only || c->tcp) && b->server[server].told != SERVER_DOWN;

	return lost ? c->interval_ns + c->interval_ns / 2 : surely_ns(c);
}

/* The earliest time at which the one that is missing can have been due. */
static int64_t due_ns(const struct balancer *b, unsigned server)
{
	return b->server[server].probe_ns + b->conf->server[server].check.interval_ns / 4 * 3;
}

static void miss(struct judge *j, struct balancer *b, unsigned server, int64_t now_ns)
{
	const struct bal_check *c = &b->conf->server[server].check;
	struct server *s = &b->server[server];
	int64_t due = due_ns(b, server);

	if (!s->absent && now_ns - s->probe_ns > missing_ns(b, server)) {
		struct outcome o = { .lo_ns = due, .hi_ns = due, .sent_ns = due,
		                     .server = (uint16_t)server, .may_succeed = true,
		                     .may_fail = true, .fails_most = UINT8_MAX };
		s->absent = true;
		outcome_add(&b->health, &o);
	}
	if (s->absent_told || now_ns - s->probe_ns <= surely_ns(c) || s->told == SERVER_DOWN)
		return;
	s->absent_told = true;
	changes_add(j, &(struct judge_change){ .lo_ns = due, .hi_ns = due + c->interval_ns,
	                                       .balancer = (uint16_t)b->index,
	                                       .server = (uint16_t)server,
	                                       .by = JUDGE_BY_ABSENCE });
}

void absent_look(struct judge *j, struct balancer *b, int64_t now_ns)
{
	for (unsigned i = 0; i < b->conf->server_n; i++)
		if (watched(b, i))
			miss(j, b, i, now_ns);
}

int64_t absent_until(const struct balancer *b)
{
	int64_t until = INT64_MAX;

	for (unsigned i = 0; i < b->conf->server_n; i++)
		if (watched(b, i) && !b->server[i].absent && due_ns(b, i) < until)
			until = due_ns(b, i);
	return until;
}
