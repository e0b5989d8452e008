/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A recursor's side: how long after a query came in at its own interface its answer left. Health
 * checks aren't counted: a balancer's check question that came from a balancer's address. An answer
 * that comes more than half a minute later is none.
 */
#include <stdlib.h>

#include "inner.h"

static const int64_t OPEN_KEEP_NS = 30000000000;

static void add_checks(struct recursor *r, const struct plan *p, const struct plan_node *n)
{
	const struct plan_conf *conf = &p->conf[n->conf];

	for (unsigned a = 0; a < n->addr_n; a++)
		for (unsigned i = 0; i < conf->server_n; i++) {
			const struct bal_check *c = &conf->server[i].check;
			uint64_t q = question_hash(c->name, c->name_len, c->type, c->class);
			table_put(&r->checks, key_of(&n->addr[a], 0, 0, q), 1);
			table_put(&r->check_questions, q, 1);
		}
}

void recursor_init(struct recursor *r, const struct judge *j, unsigned node)
{
	const struct plan *p = j->plan;

	*r = (struct recursor){ .node = node };
	r->cache = zeroed(j->cache_n, sizeof(*r->cache));
	aging_init(&r->open, OPEN_KEEP_NS);
	table_init(&r->checks, 0);
	table_init(&r->check_questions, 0);
	for (unsigned i = 0; i < p->node_n; i++)
		if (p->node[i].role == PLAN_BALANCER)
			add_checks(r, p, &p->node[i]);
}

void recursor_free(struct recursor *r)
{
	free(r->cache);
	aging_free(&r->open);
	table_free(&r->checks);
	table_free(&r->check_questions);
}

/* One answer, in time order, to every cache expectation whose window the query lies in. */
static void count_answer(const struct judge *j, struct recursor *r, int64_t query_ns,
                         int64_t took_ns)
{
	for (unsigned i = 0; i < j->cache_n; i++) {
		const struct plan_expect *e = j->cache[i];
		if (e->at_balancers || query_ns < e->during_from_ns ||
		    query_ns >= e->during_to_ns)
			continue;
		r->cache[i].answers++;
		r->cache[i].hits += took_ns <= e->within_ns;
	}
}

/* A balancer's check question from a balancer's address. */
static bool is_check(const struct recursor *r, const struct ip *from, uint64_t question)
{
	return table_find(&r->check_questions, question) != NULL &&
	       table_find(&r->checks, key_of(from, 0, 0, question)) != NULL;
}

void recursor_tap(struct judge *j, struct recursor *r, const struct judge_tap *t, bool out)
{
	const struct frame *f = t->frame;
	struct judge_message space;
	uint64_t arrived;

	if (f->kind != FRAME_UDP || (out ? f->src.port : f->dst.port) != 53 || j->cache_n == 0)
		return;
	const struct judge_message *m = tap_message(t, &space);
	if (m == NULL || m->answer != out)
		return;
	const struct ep *peer = out ? &f->dst : &f->src;
	uint64_t key = key_of(&peer->ip, peer->port, m->id, m->question);
	if (out && aging_take(&r->open, key, &arrived))
		count_answer(j, r, (int64_t)arrived, t->t_ns - (int64_t)arrived);
	else if (!out && !is_check(r, &peer->ip, m->question))
		aging_put(&r->open, t->t_ns, key, (uint64_t)t->t_ns);
}
