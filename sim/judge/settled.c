/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client's query that is settled: what became of it can't change any more. It counts for the
 * expectations about clients, for the phase and the bin that it was planned in, and is forgotten.
 */
#include "inner.h"

static bool match_wrong(uint8_t match)
{
	return match == REC_WRONG_RCODE || match == REC_WRONG_DATA || match == REC_BROKEN;
}

static bool first_try_answered(const struct client *c, const struct query *q)
{
	return q->answer_ns != NEVER && q->answer_try <= 1 &&
	       q->answer_ns <= q->plan_ns + query_load(c, q)->timeout_ns;
}

static void count_lost(struct judge *j, struct client *c, const struct query *q, bool answered)
{
	struct settled *s = &c->settled;

	s->lost_first += !first_try_answered(c, q);
	if (answered)
		return;
	gones_lost(j, q->plan_ns);
	s->late += q->answer_ns != NEVER;
	s->lost_truncated += q->truncated && q->answer_ns == NEVER;
	if (s->lost++ > 0)
		return;
	s->first_lost_ns = query_left_ns(q);
	s->first_lost_frame = q->sent_frame;
}

static void count_phase(struct judge *j, struct client *c, const struct query *q, bool answered,
                        int64_t took_ns)
{
	unsigned last = j->plan->fault_n, i = c->settled.phase;

	while (i < last && q->plan_ns >= j->phase[i].to_ns)
		i++;
	c->settled.phase = i;
	struct phase *ph = &j->phase[i];
	if (q->plan_ns < ph->from_ns || q->plan_ns >= ph->to_ns)
		return;
	ph->queries++;
	ph->answered += answered;
	ph->lost += !answered;
	ph->late += !answered && q->answer_ns != NEVER;
	ph->error += q->match == REC_ERROR;
	ph->wrong += match_wrong(q->match);
	ph->duplicate += q->duplicate;
	spread_add(&ph->latency, took_ns);
}

static void count_bin(struct judge *j, struct client *c, const struct query *q, bool answered,
                      int64_t took_ns)
{
	size_t i = c->settled.bin;

	while (i < j->bin_n && q->plan_ns >= (int64_t)(i + 1) * j->bin_ns)
		i++;
	c->settled.bin = i;
	if (i == j->bin_n || q->plan_ns < 0)
		return;
	j->bin[i].lost += !answered;
	spread_add(&j->bin[i].latency, took_ns);
}

static void count_latency(struct latency *l, const struct query *q, bool answered, int64_t took_ns)
{
	if (q->plan_ns < l->e->during_from_ns || q->plan_ns >= l->e->during_to_ns)
		return;
	l->queries++;
	l->lost += !answered;
	if (!answered)
		return;
	l->within += took_ns <= l->e->within_ns;
	spread_add(&l->spread, took_ns);
}

static void count_answers(struct answers *a, const struct query *q)
{
	if (q->plan_ns < a->from_ns || q->plan_ns >= a->to_ns)
		return;
	a->answered += q->match != 0;
	a->error += q->match == REC_ERROR;
	a->truncated += q->truncated;
	a->over_tcp += q->truncated && q->answer_ns != NEVER;
}

/* For those who ask about a balancer, or about outages. */
static void tell_balancer(struct judge *j, const struct client *c, const struct query *q,
                          bool answered)
{
	unsigned b = query_balancer(c, q);

	gones_query(j, c->node, (int)j->balancer[b].node, q, answered, first_try_answered(c, q));
	for (unsigned i = 0; i < j->outage_n; i++)
		outage_query(j->outage[i], q, b, answered);
}

void query_settled(struct judge *j, struct client *c, const struct query *q)
{
	struct settled *s = &c->settled;
	bool answered = query_answered(c, q);
	int64_t took_ns = answered ? q->answer_ns - q->plan_ns : INT64_MAX / 2;

	s->planned++;
	if (q->sent_ns == NEVER && !q->tcp)
		return;
	c->tcp_unseen += q->sent_ns == NEVER; /* its connection didn't come about */
	s->sent++;
	if (!q->tcp) /* over TCP a handshake comes before */
		late_add(j->late, q->sent_ns - q->plan_ns);
	count_lost(j, c, q, answered);
	count_phase(j, c, q, answered, took_ns);
	count_bin(j, c, q, answered, took_ns);
	tell_balancer(j, c, q, answered);
	for (unsigned i = 0; i < j->answers_n; i++)
		count_answers(&j->answers[i], q);
	for (unsigned i = 0; i < j->latency_n; i++)
		count_latency(&j->latency[i], q, answered, took_ns);
}
