/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * roundrobin, exactly. A balancer's turns come from one counter, so draws stand in one order and
 * those that were made within a stretch of time are consecutive: the servers' counts differ by at
 * most 1. When a draw was made isn't seen, only when its query came in and when it left. Several
 * workers that share the counter, and batches that are sent server by server, may change the order
 * of both. So draws that came in before the stretch and left in it, or came in in it and left after
 * it, may belong to it or not, and only counts that no choice among them would level are wrong.
 */
#include <string.h>

#include "even.h"

/*
 * The earliest time at which a draw's query may have come in. Where several waited with one
 * question it may have been another one of them.
 */
static int64_t came_in(const struct draw *d)
{
	int64_t least = d->t_ns - BALANCER_STALE_NS;

	return d->since_ns > least ? d->since_ns : least;
}

/* A draw that left when the stretch had begun. */
static void count(struct stretch *s, int64_t until_ns, const struct draw *d)
{
	int64_t in_ns = came_in(d);

	if (d->t_ns < s->from_ns)
		return;
	if (in_ns >= s->from_ns && d->t_ns < until_ns)
		s->surely[d->server]++;
	else if (in_ns < until_ns)
		s->maybe[d->server]++;
}

/* Draws of queries first...end-1 at the front, and lone ones, that came in before before_ns. */
static void count_all(const struct balancer *b, struct stretch *s, int64_t until_ns,
                      uint64_t front, uint64_t front_end, uint64_t lone, uint64_t lone_end,
                      int64_t before_ns)
{
	struct draw d;

	for (; front < front_end; front++) {
		const struct front *f = ring_at(&b->front, front);
		if (f->t_ns >= before_ns)
			break;
		d = front_draw(f);
		if (f->server != UINT16_MAX)
			count(s, until_ns, &d);
	}
	for (; lone < lone_end; lone++) {
		d = lone_draw(ring_at(&b->lone, lone));
		if (d.t_ns >= before_ns)
			break;
		count(s, until_ns, &d);
	}
}

static int64_t until(const struct even *v, const struct balancer *b)
{
	int64_t next = health_next(b);

	return next < v->e->during_to_ns ? next : v->e->during_to_ns;
}

/* Counts begin with draws that are told already and left in the stretch all the same. */
void turns_open(struct even *v, const struct balancer *b, struct stretch *s)
{
	memset(s->surely, 0, 2 * b->conf->server_n * sizeof(*s->surely));
	count_all(b, s, until(v, b), b->front.base, b->front_settled, b->lone.base,
	          b->lone_settled, INT64_MAX);
}

void turns_draw(struct even *v, const struct balancer *b, struct stretch *s, const struct draw *d)
{
	count(s, until(v, b), d);
}

/* Counts end with draws that aren't told yet and may have been made in the stretch. */
void turns_close(struct even *v, const struct balancer *b, struct stretch *s, int64_t until_ns)
{
	uint64_t most = 0, least = UINT64_MAX;
	int64_t before = until_ns < INT64_MAX - BALANCER_STALE_NS ? until_ns + BALANCER_STALE_NS :
	                 until_ns;

	count_all(b, s, until_ns, b->front_settled, b->front.next, b->lone_settled, b->lone.next,
	          before);
	for (unsigned i = 0; i < b->conf->server_n; i++) {
		if (b->server[i].state != SERVER_UP)
			continue;
		most = s->surely[i] > most ? s->surely[i] : most;
		uint64_t all = s->surely[i] + s->maybe[i];
		least = all < least ? all : least;
	}
	if (most > least && most - least > v->spread_max) {
		v->spread_max = most - least;
		v->spread_balancer = b->index;
	}
}
