/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * leastOutstanding, rebuilt. A server's counter goes up when a query is drawn for it, somewhere
 * between the query's arrival and its leaving; it goes down when the answer is handled, between its
 * arrival and its leaving for the client, or when its time is up. So at a moment the count lies
 * between what was surely sent and not yet answered, and what may have been drawn and not yet
 * surely been handled. Servers are compared by these ranges. Latency, which breaks ties, can't be
 * rebuilt: a tie is right whoever wins it.
 */
#include <stdlib.h>
#include <string.h>

#include "rule.h"
#include "stale.h"

void least_init(struct least *l, const struct judge *j, const struct balancer *b)
{
	unsigned n = b->conf->server_n;

	ring_init(&l->flight, sizeof(struct flight));
	ring_init(&l->answer, sizeof(struct over));
	ring_init(&l->relay, sizeof(struct over));
	ring_init(&l->late, sizeof(struct over));
	table_init(&l->by_key, 0);
	l->told = zeroed((size_t)5 * n, sizeof(*l->told));
	l->sent = l->told + n;
	l->maybe_over = l->sent + n;
	l->over = l->maybe_over + n;
	l->soon = l->over + n;
	l->maybe_ns = b->conf->udp_timeout_ns - j->plan->limits.slack_ns;
	l->over_ns = expiry_most_ns(j, b);
}

void least_free(struct least *l)
{
	ring_free(&l->flight);
	ring_free(&l->answer);
	ring_free(&l->relay);
	ring_free(&l->late);
	table_free(&l->by_key);
	free(l->told);
}

/* ---- as packets come ---- */

void track_forward(struct balancer *b, const struct judge_tap *t, const struct front *f,
                   unsigned server)
{
	struct least *l = &b->track->least;
	uint64_t key = f != NULL && !f->shared ? f->key : 0;

	if (key != 0)
		table_put(&l->by_key, key, l->flight.next);
	if (f != NULL && t->t_ns - f->since_ns > l->lag_most)
		l->lag_most = t->t_ns - f->since_ns;
	*(struct flight *)ring_push(&l->flight) = (struct flight){ t->t_ns, key, (uint16_t)server,
	                                                           false, false,
	                                                           t->frame->kind == FRAME_TCP };
}

static void over_push(struct ring *r, int64_t t_ns, uint64_t flight)
{
	*(struct over *)ring_push(r) = (struct over){ t_ns, flight };
}

void track_answer(const struct judge *j, struct balancer *b, int64_t t_ns, uint64_t flight)
{
	struct least *l = &b->track->least;

	if (flight < l->flight.base || flight >= l->flight.next)
		return;
	const struct flight *f = ring_at(&l->flight, flight);
	over_push(&l->answer, t_ns, flight);
	if (f->key == 0)
		over_push(&l->late, t_ns + (b->back_only ? j->lag_ns : health_delay(j)), flight);
}

void track_relay(struct balancer *b, int64_t t_ns, uint64_t key)
{
	struct least *l = &b->track->least;
	struct table_slot *s = table_slot(&l->by_key, key);

	if (s == NULL)
		return;
	over_push(&l->relay, t_ns, s->value);
	table_drop_slot(&l->by_key, s);
}

/* ---- as draws settle ---- */

static void maybe_over(struct least *l, uint64_t flight)
{
	if (flight < l->flight.base)
		return;
	struct flight *f = ring_at(&l->flight, flight);
	l->maybe_over[f->server] += !f->maybe_over;
	f->maybe_over = true;
}

static void surely_over(struct least *l, uint64_t flight)
{
	if (flight < l->flight.base)
		return;
	struct flight *f = ring_at(&l->flight, flight);
	l->over[f->server] += !f->over;
	f->over = true;
}

/* The first of a ring of struct over, when it is before t_ns. */
static const struct over *first_before(const struct ring *r, uint64_t i, int64_t t_ns)
{
	const struct over *o = i < r->next ? ring_at(r, i) : NULL;

	return o != NULL && o->t_ns < t_ns ? o : NULL;
}

static const struct flight *flight_before(const struct least *l, uint64_t i, int64_t after_ns,
                                          int64_t t_ns)
{
	const struct flight *f = i < l->flight.next ? ring_at(&l->flight, i) : NULL;

	return f != NULL && f->out_ns + after_ns < t_ns ? f : NULL;
}

/* After a flight left: its time may be up. Its query may have been drawn some time before. */
static int64_t maybe_after(const struct least *l)
{
	return l->maybe_ns - l->lag_most;
}

static void forget_key(struct least *l, uint64_t flight, uint64_t key)
{
	struct table_slot *s = key != 0 ? table_slot(&l->by_key, key) : NULL;

	if (s != NULL && s->value == flight)
		table_drop_slot(&l->by_key, s);
}

static void sweep_maybe(struct least *l, int64_t t_ns)
{
	const struct over *o;

	for (; (o = first_before(&l->answer, l->answer.base, t_ns + 1)) != NULL; l->answer.base++)
		maybe_over(l, o->flight);
	for (; flight_before(l, l->maybe_at, maybe_after(l), t_ns + 1) != NULL; l->maybe_at++)
		maybe_over(l, l->maybe_at);
}

static void sweep_over(struct least *l, int64_t t_ns, int64_t slack_ns)
{
	const struct flight *f;
	const struct over *o;

	for (; (o = first_before(&l->relay, l->relay.base, t_ns)) != NULL; l->relay.base++)
		surely_over(l, o->flight);
	for (; (o = first_before(&l->late, l->late.base, t_ns)) != NULL; l->late.base++)
		surely_over(l, o->flight);
	for (; (f = flight_before(l, l->over_at, l->over_ns + slack_ns, t_ns)) != NULL;
	     l->over_at++) {
		l->tcp_slow += l->over_at >= l->flight.base && f->tcp && !f->over;
		surely_over(l, l->over_at);
		forget_key(l, l->over_at, f->key);
	}
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void least_take(struct least *l, const struct draw *d, int64_t slack_ns)
{
	const struct flight *f;

	l->told[d->server]++;
	for (; (f = flight_before(l, l->sent_at, 0, d->in_ns)) != NULL; l->sent_at++)
		l->sent[f->server]++;
	sweep_maybe(l, d->in_ns);
	sweep_over(l, d->in_ns, slack_ns);
	l->flight.base = least_of(l->sent_at, least_of(l->maybe_at, l->over_at));
}

/* What may be over by the time at which the query left, and isn't counted as such yet. */
static void look_soon(struct least *l, unsigned server_n, int64_t out_ns)
{
	const struct flight *f;
	const struct over *o;

	memset(l->soon, 0, server_n * sizeof(*l->soon));
	for (uint64_t i = l->answer.base; (o = first_before(&l->answer, i, out_ns + 1)) != NULL;
	     i++)
		if (o->flight >= l->flight.base) {
			f = ring_at(&l->flight, o->flight);
			l->soon[f->server] += !f->maybe_over;
		}
	for (uint64_t i = l->maybe_at;
	     (f = flight_before(l, i, maybe_after(l), out_ns + 1)) != NULL; i++)
		l->soon[f->server] += !f->maybe_over;
}

struct count_range {
	uint64_t least, most;
	int32_t order;
};

static struct count_range range_of(const struct moment *m, unsigned server)
{
	const struct least *l = &m->k->least;
	uint64_t gone = l->maybe_over[server] + l->soon[server];
	uint64_t most = l->told[server] + m->k->ahead[server] - (server == m->server);

	return (struct count_range){
		.least = l->sent[server] > gone ? l->sent[server] - gone : 0,
		.most = most > l->over[server] ? most - l->over[server] : 0,
		.order = m->b->conf->server[server].order,
	};
}

/* Surely before b, by count and then by order. */
static bool before(const struct count_range *a, const struct count_range *b)
{
	return a->most < b->least || (a->most == b->least && a->order < b->order);
}

static bool not_after(const struct count_range *a, const struct count_range *b)
{
	return a->most < b->least || (a->most == b->least && a->order <= b->order);
}

struct opinion least_think(const struct moment *m)
{
	struct opinion o = { .is = OPINION_RIGHT };
	const struct bal_server *s = m->b->conf->server;

	look_soon(&m->k->least, m->b->conf->server_n, m->out_ns);
	struct count_range own = range_of(m, m->server);
	for (unsigned i = 0; i < m->b->conf->server_n; i++) {
		if (i == m->server || m->b->server[i].state != SERVER_UP)
			continue;
		struct count_range r = range_of(m, i);
		if (before(&r, &own))
			return (struct opinion){ .is = OPINION_WRONG, .count = true,
			                         .better = (uint16_t)i, .own = own.least,
			                         .others = r.most };
		if (!not_after(&own, &r))
			o.is = OPINION_OPEN;
		o.telling = o.telling || before(&own, &r);
		o.tie = o.tie || (own.least == r.most && r.least == own.most &&
		                  s[i].order == s[m->server].order);
	}
	o.telling = o.telling && o.is == OPINION_RIGHT;
	o.tie = o.tie && o.is == OPINION_RIGHT;
	return o;
}
