/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When is what settled? A draw, when its query can't be forwarded any more, and all probes are over
 * that decide which servers the balancer knew to be up. Draws are told in steps of time, balancer
 * by balancer within a step, so the order doesn't depend on how the taps of nodes interleave.
 */
#include "early.h"
#include "inner.h"

static const int64_t STEP_NS = 100000000;

/* The earliest draw or query of a balancer that isn't settled; INT64_MAX: none. */
static int64_t first_open(const struct balancer *b)
{
	int64_t t = INT64_MAX;

	if (b->front_settled < b->front.next)
		t = ((const struct front *)ring_at(&b->front, b->front_settled))->t_ns;
	if (b->lone_settled < b->lone.next) {
		const struct lone *l = ring_at(&b->lone, b->lone_settled);
		t = l->t_ns < t ? l->t_ns : t;
	}
	return t;
}

/* Puts the servers' states to those of t_ns. */
static void states_at(struct judge *j, struct balancer *b, int64_t t_ns)
{
	int64_t edge = health_next(b);

	if (edge > t_ns)
		return;
	for (unsigned i = 0; i < j->even_n; i++)
		even_epoch_ends(j->even[i], b, edge);
	health_at(b, t_ns);
}

static void tell(struct judge *j, struct balancer *b, const struct draw *d)
{
	states_at(j, b, d->in_ns);
	for (unsigned i = 0; i < j->even_n; i++)
		even_draw(j->even[i], b, d);
	if (j->rule_n > 0)
		rules_draw(j, b, d);
	gones_settled(j, b, d);
}

static void settle_front(struct judge *j, struct balancer *b)
{
	const struct front *f = ring_at(&b->front, b->front_settled);

	if (f->server != UINT16_MAX) {
		struct draw d = front_draw(f);
		if (j->names_wanted)
			d.name = ring_at(&b->name, b->front_settled);
		tell(j, b, &d);
	} else {
		gones_nowhere(j, b, f->t_ns);
		balancer_stale(b, b->front_settled);
	}
	balancer_count(j, b, f);
	b->front_settled++;
}

static void settle_lone(struct judge *j, struct balancer *b)
{
	struct draw d = lone_draw(ring_at(&b->lone, b->lone_settled));

	tell(j, b, &d);
	b->lone_settled++;
}

/* All of a balancer before until_ns, in the order of time. */
static void settle_balancer(struct judge *j, struct balancer *b, int64_t until_ns)
{
	for (;;) {
		const struct front *f = b->front_settled < b->front.next ?
		                        ring_at(&b->front, b->front_settled) : NULL;
		const struct lone *l = b->lone_settled < b->lone.next ?
		                       ring_at(&b->lone, b->lone_settled) : NULL;
		if (l != NULL && l->t_ns < until_ns && (f == NULL || l->t_ns <= f->t_ns))
			settle_lone(j, b);
		else if (f != NULL && f->t_ns < until_ns)
			settle_front(j, b);
		else
			return;
	}
}

/* The end of the step that t_ns lies in. */
static int64_t step_end(int64_t t_ns)
{
	int64_t step = t_ns / STEP_NS - (t_ns % STEP_NS < 0);

	return (step + 1) * STEP_NS;
}

/* Of a foreign capture: what is known of draws before that doesn't change any more. */
static int64_t known_until(const struct judge *j, const struct balancer *b)
{
	int64_t quiet = b->quiet != NULL ? quiet_until(b) : INT64_MAX;
	int64_t absent = j->file != NULL && !j->over ? absent_until(b) : INT64_MAX;

	return quiet < absent ? quiet : absent;
}

/* The same of draws that may settle now, whatever else there is. */
static int64_t first_ready(const struct judge *j, const struct balancer *b)
{
	int64_t t = first_open(b);

	return t < known_until(j, b) ? t : INT64_MAX;
}

/* Whole steps that are over at until_ns. */
static void settle_draws(struct judge *j, int64_t until_ns)
{
	for (;;) {
		int64_t first = INT64_MAX;
		for (unsigned i = 0; i < j->balancer_n; i++) {
			int64_t t = first_ready(j, &j->balancer[i]);
			first = t < first ? t : first;
		}
		if (first == INT64_MAX || step_end(first) > until_ns)
			return;
		for (unsigned i = 0; i < j->balancer_n; i++) {
			struct balancer *b = &j->balancer[i];
			int64_t end = step_end(first), most = known_until(j, b);
			settle_balancer(j, b, most < end ? most : end);
		}
	}
}

/* Where nothing was drawn, time goes on too. */
static void settle_quiet(struct judge *j, struct balancer *b, int64_t until_ns)
{
	int64_t first = first_open(b), t = (first < until_ns ? first : until_ns) - 1;

	states_at(j, b, t);
	for (unsigned i = 0; i < j->even_n; i++)
		even_look(j->even[i], b, t);
}

/* Forgets what nobody looks back at. */
static void release(struct balancer *b, int64_t before_ns)
{
	while (b->front.base < b->front_settled &&
	       ((const struct front *)ring_at(&b->front, b->front.base))->t_ns < before_ns)
		b->front.base++;
	b->name.base = b->front.base;
	while (b->lone.base < b->lone_settled &&
	       ((const struct lone *)ring_at(&b->lone, b->lone.base))->t_ns < before_ns)
		b->lone.base++;
}

/* Outages are told of what was planned before the first query that is open at any client node. */
static void settle_outages(struct judge *j, int64_t t_ns)
{
	for (unsigned i = 0; i < j->client_n && j->outage_n > 0; i++) {
		int64_t t = client_settled(&j->client[i], t_ns);
		t_ns = t < t_ns ? t : t_ns;
	}
	for (unsigned i = 0; i < j->outage_n; i++)
		outage_until(j->outage[i], t_ns);
}

void judge_settle(struct judge *j, int64_t t_ns)
{
	bool all = t_ns == INT64_MAX;
	int64_t probes = all ? t_ns : t_ns - j->check_ns - health_delay(j);
	int64_t draws = all ? t_ns : probes - BALANCER_STALE_NS * (1 + j->ahead);

	j->settled_ns = draws;
	for (unsigned i = 0; i < j->client_n; i++)
		if (all)
			client_finish(j, &j->client[i]);
		else
			client_settle(j, &j->client[i], t_ns);
	settle_outages(j, t_ns);
	for (unsigned i = 0; i < j->balancer_n; i++)
		health_until(j, &j->balancer[i], probes);
	settle_draws(j, draws);
	for (unsigned i = 0; i < j->balancer_n && !all; i++) {
		struct balancer *b = &j->balancer[i];
		int64_t keep = draws - 2 * BALANCER_STALE_NS;
		if (j->turns)
			settle_quiet(j, b, draws);
		release(b, keep < t_ns - j->keep_ns ? keep : t_ns - j->keep_ns);
	}
}
