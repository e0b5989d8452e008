/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * roundrobin, exactly. A balancer's turns come from one counter, so draws stand in one order and
 * those that were made within a stretch of time are consecutive: the servers' counts differ by at
 * most 1. When a draw was made isn't seen, only when its query came in and when it left. Several
 * workers that share the counter, and batches that are sent server by server, may change the order
 * of both. So draws that came in before the stretch and left in it, or came in in it and left after
 * it, may belong to it or not, and only counts that no choice among them would level are wrong.
 */
#include "even.h"

/* The first draw that left at t_ns or later. */
static size_t first_since(const struct balancer *lb, int64_t t_ns)
{
	size_t lo = 0, hi = lb->draw_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (lb->draw[mid].t_ns < t_ns)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * The earliest time at which a draw's query may have come in. Where several waited with one
 * question it may have been another one of them.
 */
static int64_t came_in(const struct balancer *lb, const struct draw *d)
{
	int64_t least = d->t_ns - BALANCER_STALE_NS;

	if (d->front == UINT32_MAX)
		return least;
	int64_t t = lb->front[lb->front[d->front].since].t_ns;
	return t > least ? t : least;
}

void turns_stretch(struct even *v, unsigned balancer, const struct stretch *s)
{
	const struct balancer *lb = &v->j->balancer[balancer];
	uint64_t surely[BAL_SERVERS_MAX] = { 0 }, maybe[BAL_SERVERS_MAX] = { 0 };
	uint64_t most = 0, least = UINT64_MAX;

	for (size_t i = first_since(lb, s->from_ns); i < lb->draw_n; i++) {
		const struct draw *d = &lb->draw[i];
		int64_t in_ns = came_in(lb, d);
		if (d->t_ns - BALANCER_STALE_NS >= s->until_ns)
			break;
		if (in_ns >= s->from_ns && d->t_ns < s->until_ns)
			surely[d->server]++;
		else if (in_ns < s->until_ns)
			maybe[d->server]++;
	}
	for (unsigned i = 0; i < lb->conf->server_n; i++) {
		if (s->state[i] != SERVER_UP)
			continue;
		most = surely[i] > most ? surely[i] : most;
		least = surely[i] + maybe[i] < least ? surely[i] + maybe[i] : least;
	}
	if (most > least && most - least > v->spread_max) {
		v->spread_max = most - least;
		v->spread_balancer = balancer;
	}
}
