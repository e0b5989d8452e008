/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * outage: the longest time in which somebody waited and nobody got a right answer. It begins when
 * the first query after the latest such answer is due, and ends with the next one. Clients' nodes
 * are settled one after the other, so what happened is put in order once all have got as far.
 */
#include <stdlib.h>

#include "inner.h"
#include "recursor-stub/core/answer.h"
#include "sim/plan/downs.h"

/* A query was due, or one got its answer. */
struct moment {
	int64_t t_ns;
	uint32_t balancer;       /* that it was first sent to */
	bool right;
};

struct silence {
	int64_t since_ns;        /* somebody waits; NEVER */
	int64_t longest_ns, from_ns;
};

struct outage {
	const struct plan_expect *e;
	struct moment *moment;
	size_t n, cap;
	uint64_t due;
	struct silence all, *by; /* by balancer: of the queries that went to it first */
};

struct outage *outage_new(const struct judge *j, const struct plan_expect *e)
{
	struct outage *o = zeroed(1, sizeof(*o));

	o->e = e;
	o->by = zeroed(j->balancer_n, sizeof(*o->by));
	o->all.since_ns = NEVER;
	for (unsigned i = 0; i < j->balancer_n; i++)
		o->by[i].since_ns = NEVER;
	return o;
}

void outage_free(struct outage *take_o)
{
	if (take_o == NULL)
		return;
	free(take_o->moment);
	free(take_o->by);
	free(take_o);
}

static void add(struct outage *o, int64_t t_ns, uint32_t balancer, bool right)
{
	o->moment = grow(o->moment, o->n, &o->cap, sizeof(*o->moment));
	o->moment[o->n++] = (struct moment){ t_ns, balancer, right };
}

void outage_query(struct outage *o, const struct query *q, uint32_t balancer, bool answered)
{
	bool right = answered && (q->match == REC_RIGHT || q->match == REC_TRUNCATED);

	if (q->plan_ns >= o->e->during_from_ns && q->plan_ns < o->e->during_to_ns) {
		add(o, q->plan_ns, balancer, false);
		o->due++;
	}
	if (right && q->answer_ns >= o->e->during_from_ns)
		add(o, q->answer_ns, balancer, true);
}

static int by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	if (x->right != y->right)
		return x->right ? -1 : 1;
	return (x->balancer > y->balancer) - (x->balancer < y->balancer);
}

static void ends(struct silence *s, int64_t t_ns)
{
	if (s->since_ns != NEVER && t_ns - s->since_ns > s->longest_ns) {
		s->longest_ns = t_ns - s->since_ns;
		s->from_ns = s->since_ns;
	}
	s->since_ns = NEVER;
}

static void takes(struct silence *s, const struct moment *m)
{
	if (m->right)
		ends(s, m->t_ns);
	else if (s->since_ns == NEVER)
		s->since_ns = m->t_ns;
}

void outage_until(struct outage *o, int64_t t_ns)
{
	size_t i = 0;

	if (o->n == 0)
		return;
	qsort(o->moment, o->n, sizeof(*o->moment), by_time);
	for (; i < o->n && o->moment[i].t_ns < t_ns; i++) {
		takes(&o->all, &o->moment[i]);
		takes(&o->by[o->moment[i].balancer], &o->moment[i]);
	}
	for (size_t k = i; k < o->n; k++)
		o->moment[k - i] = o->moment[k];
	o->n -= i;
}

static void tell_longest(const struct outage *o, int64_t bound_ns, int64_t slack_ns,
                         struct finding *f)
{
	text_add(&f->why, "the longest time in which somebody waited and nobody got a right answer "
	         "was ");
	text_time(&f->why, o->all.longest_ns);
	if (o->all.longest_ns > 0) {
		text_add(&f->why, ", from ");
		text_time(&f->why, o->all.from_ns);
		text_add(&f->why, " on");
	}
	text_add(&f->why, ", at most ");
	text_time(&f->why, bound_ns);
	text_add(&f->why, " + ");
	text_time(&f->why, slack_ns);
	text_add(&f->why, " slack");
}

void expect_outage(struct judge *j, struct outage *o, struct finding *f)
{
	const struct plan_expect *e = o->e;
	bool model = e->within_ns == PLAN_MODEL;
	int64_t slack = judge_slack_ns(j), bound = !model ? e->within_ns :
	                plan_outage_ns(j->plan, e->during_from_ns, e->during_to_ns,
	                               expect_flake(e));
	json_t *list = json_array();

	outage_until(o, INT64_MAX);
	ends(&o->all, e->during_to_ns);
	for (unsigned i = 0; i < j->balancer_n; i++) {
		ends(&o->by[i], e->during_to_ns);
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}",
			"name", node_name(j, (int)j->balancer[i].node),
			"longest_ns", (json_int_t)o->by[i].longest_ns,
			"from_ns", (json_int_t)o->by[i].from_ns));
	}
	text_add(&f->title, "somebody is always answered");
	text_add(&f->claim, "no longer without a right answer than ");
	text_time(&f->claim, bound + slack);
	tell_longest(o, bound, slack, f);
	if (model) {
		text_add(&f->why, " (");
		text_time(&f->why, plan_dark_ns(j->plan, e->during_from_ns, e->during_to_ns));
		text_add(&f->why, " of them because no query may find a server)");
	}
	json_object_set_new(f->measured, "longest_ns", json_integer(o->all.longest_ns));
	json_object_set_new(f->measured, "from_ns", json_integer(o->all.from_ns));
	json_object_set_new(f->measured, "queries", json_integer((json_int_t)o->due));
	json_object_set_new(f->measured, "balancers", list);
	json_object_set_new(f->bound, "within_ns", json_integer(bound));
	json_object_set_new(f->bound, "slack_ns", json_integer(slack));
	f->verdict = o->all.longest_ns > bound + slack ? VERDICT_FAIL :
	             o->due == 0 ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
	if (o->due == 0)
		text_add(&f->why, ": nobody asked anything");
}
