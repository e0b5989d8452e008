/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A recursor's side: how long after a query came in at its own interface its answer left. Health
 * checks aren't counted: a balancer's check question that came from a balancer's address.
 */
#include <stdlib.h>

#include "inner.h"

static void add_checks(struct recursor *r, const struct plan *p, const struct plan_node *n)
{
	const struct plan_conf *conf = &p->conf[n->conf];

	for (unsigned a = 0; a < n->addr_n; a++)
		for (unsigned i = 0; i < conf->server_n; i++) {
			const struct bal_check *c = &conf->server[i].check;
			uint64_t q = question_hash(c->name, c->name_len, c->type, c->class);
			table_put(&r->checks, key_of(&n->addr[a], 0, 0, q), 1);
		}
}

void recursor_init(struct recursor *r, const struct plan *p, unsigned node)
{
	*r = (struct recursor){ .node = node };
	r->cache = calloc(p->expect_n + 1, sizeof(*r->cache));
	MUST(r->cache != NULL);
	table_init(&r->open, 256);
	table_init(&r->checks, 16);
	for (unsigned i = 0; i < p->node_n; i++)
		if (p->node[i].role == PLAN_BALANCER)
			add_checks(r, p, &p->node[i]);
}

void recursor_free(struct recursor *r)
{
	free(r->cache);
	table_free(&r->open);
	table_free(&r->checks);
}

/* One answer, in time order, to every cache expectation whose window the query lies in. */
static void count_answer(struct recursor *r, const struct plan *p, int64_t query_ns,
                         int64_t took_ns)
{
	r->answers++;
	for (unsigned i = 0; i < p->expect_n; i++) {
		const struct plan_expect *e = &p->expect[i];
		if (e->kind != PLAN_CACHE || query_ns < e->during_from_ns ||
		    query_ns >= e->during_to_ns)
			continue;
		r->cache[i].answers++;
		r->cache[i].hits += took_ns <= e->within_ns;
	}
}

void recursor_tap(struct recursor *r, const struct plan *p, const struct judge_tap *t, bool out)
{
	const struct frame *f = t->frame;
	struct judge_message space;

	if (f->kind != FRAME_UDP || (out ? f->src.port : f->dst.port) != 53)
		return;
	const struct judge_message *m = tap_message(t, &space);
	if (m == NULL || m->answer != out)
		return;
	const struct ep *peer = out ? &f->dst : &f->src;
	uint64_t key = key_of(&peer->ip, peer->port, m->id, m->question);
	if (!out) {
		if (table_find(&r->checks, key_of(&peer->ip, 0, 0, m->question)) != NULL)
			return;
		r->queries++;
		table_put(&r->open, key, (uint64_t)t->t_ns);
		return;
	}
	const uint64_t *arrived = table_find(&r->open, key);
	if (arrived == NULL)
		return;
	count_answer(r, p, (int64_t)*arrived, t->t_ns - (int64_t)*arrived);
	table_drop(&r->open, key);
}
