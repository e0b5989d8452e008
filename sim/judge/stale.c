/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that a balancer passes on although it must have given their query up: setUDPTimeout after
 * the query left for the server its time is over, and what comes then belongs to nobody. Measured
 * at the balancer's interface, from the query's leaving to the answer's coming in, so how long the
 * balancer took with the answer doesn't matter. A query that waited beside another one with the
 * same question isn't looked at: which answer was whose can't be told.
 */
#include "stale.h"

static const int64_t KEEP_NS = 10000000000; /* later answers aren't looked at */
/* dnsdist looks for queries whose time is up once a second, and counts whole seconds. */
static const int64_t FOREIGN_NS = 2000000000;

struct sent {
	int64_t t_ns;
	uint64_t key;       /* of its query at the front; 0: not known */
};

void stale_init(struct balancer *b)
{
	ring_init(&b->sent, sizeof(struct sent));
	aging_init(&b->stale, BALANCER_STALE_NS);
}

void stale_free(struct balancer *b)
{
	ring_free(&b->sent);
	aging_free(&b->stale);
}

int64_t expiry_most_ns(const struct judge *j, const struct balancer *b)
{
	return b->conf->udp_timeout_ns +
	       (j->plan->balancer.checks != PLAN_CHECKS_EXACT ? FOREIGN_NS : 0);
}

void stale_forward(struct balancer *b, int64_t t_ns, const struct front *f)
{
	while (b->sent.base < b->sent.next &&
	       ((const struct sent *)ring_at(&b->sent, b->sent.base))->t_ns < t_ns - KEEP_NS)
		b->sent.base++;
	*(struct sent *)ring_push(&b->sent) =
		(struct sent){ t_ns, f != NULL && !f->shared ? f->key : 0 };
}

void stale_answer(const struct judge *j, struct balancer *b, int64_t t_ns, uint64_t draw)
{
	if (draw < b->sent.base)
		return;
	const struct sent *s = ring_at(&b->sent, draw);
	if (s->key != 0 && t_ns - s->t_ns > expiry_most_ns(j, b) + health_delay(j))
		aging_put(&b->stale, t_ns, s->key, draw);
}

void stale_relay(struct judge *j, struct balancer *b, const struct judge_tap *t, uint64_t key)
{
	uint64_t draw;

	if (aging_n(&b->stale) == 0 || !aging_take(&b->stale, key, &draw))
		return;
	for (unsigned i = 0; i < j->answers_n; i++) {
		struct answers *a = &j->answers[i];
		if (t->t_ns < a->from_ns || t->t_ns >= a->to_ns || a->stale++ > 0)
			continue;
		a->stale_node = b->node;
		a->stale_frame = t->number;
		a->stale_ns = t->t_ns;
	}
}
