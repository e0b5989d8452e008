/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A balancer's track: what leastOutstanding and firstAvailable knew at the moment of each draw. The
 * draws around it whose order isn't certain are found here, and draws that can't be told from each
 * other, because they ask the same question at the same time, are left open.
 */
#include <stdlib.h>
#include <string.h>

#include "rule.h"

struct track *track_new(const struct judge *j, const struct balancer *b)
{
	struct track *k = zeroed(1, sizeof(*k));

	k->ahead = zeroed(b->conf->server_n, sizeof(*k->ahead));
	k->shared_until_ns = NEVER;
	k->first_wanted = b->conf->policy == BAL_FIRST_AVAILABLE;
	least_init(&k->least, j, b);
	first_init(&k->first, b->conf->server_n);
	return k;
}

void track_free(struct track *take_k)
{
	if (take_k == NULL)
		return;
	least_free(&take_k->least);
	first_free(&take_k->first);
	free(take_k->ahead);
	free(take_k);
}

static size_t ring_n(const struct ring *r)
{
	return (size_t)(r->next - r->base);
}

size_t track_retained(const struct track *k)
{
	const struct least *l = &k->least;

	return ring_n(&l->flight) + ring_n(&l->answer) + ring_n(&l->relay) + ring_n(&l->late) +
	       ring_n(&k->first.recent) + l->by_key.n;
}

/* Counts draws of later queries that may have been made before. False: it can't be told. */
static bool look_ahead(struct track *k, const struct balancer *b, const struct draw *d)
{
	memset(k->ahead, 0, b->conf->server_n * sizeof(*k->ahead));
	if (d->lone || d->shared || k->shared_until_ns >= d->in_ns)
		return false;
	if (b->lone_settled < b->lone.next) {
		const struct lone *l = ring_at(&b->lone, b->lone_settled);
		if (l->t_ns <= d->t_ns + BALANCER_STALE_NS)
			return false;
	}
	for (uint64_t i = b->front_settled + 1; i < b->front.next; i++) {
		const struct front *f = ring_at(&b->front, i);
		if (f->t_ns > d->t_ns)
			return true;
		if (f->shared)
			return false;
		if (f->server != UINT16_MAX)
			k->ahead[f->server]++;
	}
	return true;
}

struct opinion track_draw(const struct judge *j, struct balancer *b, const struct draw *d)
{
	struct track *k = b->track;
	struct moment m = { j, b, k, d->in_ns, d->t_ns, d->server };
	struct opinion o = { .is = OPINION_OPEN };
	bool clear = look_ahead(k, b, d) && d->t_ns < health_next(b);

	least_take(&k->least, d, health_delay(j));
	if (k->first_wanted)
		first_look(&m);
	if (clear && b->health.unknown_n == 0 && b->server[d->server].state == SERVER_UP)
		o = k->first_wanted ? first_think(&m) : least_think(&m);
	if (d->lone)
		m.in_ns = d->t_ns - BALANCER_STALE_NS;
	else if (d->shared)
		m.in_ns = d->since_ns;
	if (k->first_wanted)
		first_take(&m, clear);
	if (d->shared && d->t_ns > k->shared_until_ns)
		k->shared_until_ns = d->t_ns;
	return o;
}
