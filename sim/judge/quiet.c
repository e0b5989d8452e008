/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which servers are up, out of the queries that they get, where a capture has no health checks.
 * Each draw falls on a server of share w with probability w, so k draws in a row that don't have
 * probability (1 - w)^k: time says nothing, and a quiet night is nobody's death. There are two
 * thresholds. Beyond the first the server isn't known to be up from its last query on: leaving out
 * what hardly ever happens by chance doesn't shift shares. Beyond the second, which a right
 * balancer's draws exceed anywhere in the capture with the level's probability at most, it is taken
 * for down. That begins somewhere between its last query and the k-th draw after; it ends somewhere
 * between the k-th draw before its next query and that. Both queries are left out, and with them
 * what choosing the ends by the draws themselves would bias: backwards in time as forwards, draws
 * before a stopping time tell nothing of those after it.
 */
#include <stdlib.h>

#include "inner.h"
#include "lib/fmath.h"

/* By chance a server is suspected after one query in a million; it is only left out then. */
static const double SUSPECT = 1e-6;
enum { RUN_MAX = 1 << 16 }; /* a server that takes longer to be missed isn't watched */

/* One server, as one balancer uses it. */
struct missed {
	double per_nat;        /* draws that make it less probable by a factor of e */
	double nats;           /* ln(1 / level) */
	uint64_t hits;         /* queries to it */
	uint64_t last;         /* the number of the last one; 0: none yet */
	int64_t last_ns;
	uint64_t suspect, down;/* draws without it from which on it is */
	uint32_t unanswered;   /* queries since its last answer */
	bool watched;
	bool checked;          /* health checks say who is up */
	enum server_state is;
};

struct quiet {
	unsigned server_n;
	uint64_t n;            /* draws so far */
	struct missed *server;
	struct ring times;     /* int64_t, of the latest draws, by number - 1 */
	uint64_t keep;         /* so many of them */
};

/* At least ln(i (i + 1)): summed over all i, e to the minus that is 1. */
static double spent(uint64_t i)
{
	unsigned bits = 0;

	for (; i >> bits > 0; bits++)
		;
	return 2 * bits * 0.6931471805599454;
}

static uint64_t draws_of(const struct missed *s, double nats)
{
	double k = nats * s->per_nat + 1;

	return k < RUN_MAX ? (uint64_t)k : RUN_MAX;
}

static void thresholds(struct missed *s)
{
	s->down = draws_of(s, s->nats + spent(s->hits + 1));
	s->suspect = draws_of(s, fm_log(1 / SUSPECT));
	s->suspect = s->suspect < s->down ? s->suspect : s->down;
}

static void missed_init(struct missed *s, double w, double level)
{
	*s = (struct missed){ .last_ns = INT64_MIN, .is = SERVER_UP };
	if (!(w > 0) || w >= 1)
		return;
	s->per_nat = -1 / fm_log1p(-w);
	s->nats = fm_log(1 / level);
	/* room for a capture of 2^40 draws */
	s->watched = draws_of(s, s->nats + spent(UINT64_C(1) << 40)) < RUN_MAX;
	thresholds(s);
}

struct quiet *quiet_new(const struct balancer *b, double level)
{
	struct quiet *q = zeroed(1, sizeof(*q));
	const struct plan_conf *c = b->conf;
	double all = 0;

	q->server_n = c->server_n;
	q->server = zeroed(c->server_n, sizeof(*q->server));
	ring_init(&q->times, sizeof(int64_t));
	for (unsigned i = 0; i < c->server_n; i++)
		all += c->policy == BAL_ROUNDROBIN ? 1 : c->server[i].weight;
	for (unsigned i = 0; i < c->server_n; i++) {
		double own = c->policy == BAL_ROUNDROBIN ? 1 : c->server[i].weight;
		missed_init(&q->server[i], own / all, level / c->server_n);
		q->server[i].checked = c->server[i].check.mode == BAL_CHECK_AUTO;
		if (c->server[i].check.mode == BAL_CHECK_DOWN)
			q->server[i].watched = false;
		q->keep = q->server[i].watched ? RUN_MAX : q->keep;
	}
	return q;
}

void quiet_free(struct quiet *take_q)
{
	if (take_q == NULL)
		return;
	ring_free(&take_q->times);
	free(take_q->server);
	free(take_q);
}

/* When draw number n was made, of those that are kept, from 1. */
static int64_t time_of(const struct quiet *q, uint64_t n)
{
	return *(const int64_t *)ring_at(&q->times, n - 1);
}

static uint64_t run_of(const struct quiet *q, const struct missed *s)
{
	return q->n - s->last;
}

/* The draws go on without it. */
static void miss(struct judge *j, struct balancer *b, unsigned server, const struct draw *d)
{
	struct missed *s = &b->quiet->server[server];
	uint64_t run = run_of(b->quiet, s);

	if (run == s->suspect) {
		s->is = SERVER_UNKNOWN;
		if (s->checked)
			health_quiet(b, server, s->last_ns, true);
		else
			health_change(j, b, server, s->last_ns, s->last_ns, SERVER_UNKNOWN);
	}
	if (run != s->down)
		return;
	s->is = SERVER_DOWN;
	if (!s->checked)
		health_change(j, b, server, d->in_ns, d->in_ns, SERVER_DOWN);
	changes_add(j, &(struct judge_change){ .lo_ns = s->last_ns, .hi_ns = d->t_ns,
	                                       .balancer = (uint16_t)b->index,
	                                       .server = (uint16_t)server,
	                                       .by = JUDGE_BY_TRAFFIC });
}

/* A server that is taken for down: how many queries it left unanswered is known at the end. */
static void tell_unanswered(struct judge *j, struct balancer *b, unsigned server)
{
	struct judge_change *c = changes_last(j, b, server);

	if (b->quiet->server[server].is == SERVER_DOWN && c != NULL && !c->up &&
	    j->changes.more == 0)
		c->unanswered = b->quiet->server[server].unanswered;
}

static void hit(struct judge *j, struct balancer *b, const struct draw *d)
{
	unsigned server = d->server;
	struct missed *s = &b->quiet->server[server];
	int64_t in_ns = d->in_ns;

	if (s->is == SERVER_DOWN) {
		int64_t lo = time_of(b->quiet, b->quiet->n - s->down);
		tell_unanswered(j, b, server);
		if (!s->checked)
			health_change(j, b, server, lo, in_ns + 1, SERVER_UP);
		changes_add(j, &(struct judge_change){ .lo_ns = lo, .hi_ns = d->t_ns,
		                                       .balancer = (uint16_t)b->index,
		                                       .server = (uint16_t)server, .up = true,
		                                       .by = JUDGE_BY_TRAFFIC });
		s->unanswered = 0;
	} else if (s->is == SERVER_UNKNOWN && !s->checked) {
		health_change(j, b, server, in_ns + 1, in_ns + 1, SERVER_UP);
	}
	if (s->is != SERVER_UP && s->checked)
		health_quiet(b, server, in_ns + 1, false);
	s->is = SERVER_UP;
	s->hits++;
	s->last = b->quiet->n;
	s->last_ns = in_ns;
	s->unanswered++;
	thresholds(s);
}

void quiet_draw(struct judge *j, struct balancer *b, const struct draw *d)
{
	struct quiet *q = b->quiet;

	if (q->keep == 0)
		return;
	for (unsigned i = 0; i < q->server_n && q->n == 0; i++)
		q->server[i].last_ns = d->in_ns - 1;
	*(int64_t *)ring_push(&q->times) = d->in_ns;
	if (q->times.next - q->times.base > q->keep)
		q->times.base++;
	q->n++;
	for (unsigned i = 0; i < q->server_n; i++)
		if (q->server[i].watched && i != d->server)
			miss(j, b, i, d);
	if (q->server[d->server].watched)
		hit(j, b, d);
}

void quiet_answer(struct balancer *b, unsigned server)
{
	b->quiet->server[server].unanswered = 0;
}

int64_t quiet_until(const struct balancer *b)
{
	const struct quiet *q = b->quiet;
	int64_t until = INT64_MAX;

	for (unsigned i = 0; i < q->server_n; i++) {
		const struct missed *s = &q->server[i];
		int64_t t = s->last_ns;
		if (!s->watched || q->n == 0 || s->is == SERVER_UNKNOWN)
			continue;
		if (s->is == SERVER_DOWN && s->checked)
			continue;
		if (s->is == SERVER_DOWN)
			t = time_of(q, q->n - s->down + 1);
		until = t < until ? t : until;
	}
	return until;
}

/* Whoever may have gone by the end isn't known to be up there: a thousandth is enough. */
void quiet_finish(struct judge *j, struct balancer *b)
{
	struct quiet *q = b->quiet;

	for (unsigned i = 0; i < q->server_n; i++) {
		struct missed *s = &q->server[i];
		tell_unanswered(j, b, i);
		if (!s->watched || s->is != SERVER_UP || run_of(q, s) < draws_of(s, fm_log(1000)))
			continue;
		if (s->checked)
			health_quiet(b, i, s->last_ns, true);
		else
			health_change(j, b, i, s->last_ns, s->last_ns, SERVER_UNKNOWN);
	}
	q->keep = 0;
	q->n = 0;
}
