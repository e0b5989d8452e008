/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs that never happened, for tests of the judge: a scenario's planned load goes through
 * balancers and recursors made of a few lines each, in made-up time, and comes out as tap records,
 * captures and events. Each knob breaks one thing. Header only: unit tests, goldens and the bench
 * include it.
 */
#ifndef EK_TESTS_SYNTH_H
#define EK_TESTS_SYNTH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/drbg.h"
#include "lib/host/host.h"
#include "recursor-stub/core/answer.h"
#include "sim/judge/tap.h"
#include "sim/load/core/load.h"
#include "sim/net/pcapw.h"
#include "sim/plan/bounds.h"
#include "sim/plan/plan_io.h"

enum { SYNTH_BALANCERS = 2, SYNTH_SERVERS = 2 };
static const int64_t SYNTH_MS = 1000000, SYNTH_US = 1000, SYNTH_S = 1000000000;
static const int64_t SYNTH_T0 = 1700000000000000000;

/* What is wrong with the run; all zero: nothing. */
struct synth_knobs {
	unsigned skew_permille[SYNTH_BALANCERS]; /* of draws to server 0; 0: as weights say */
	bool dead_still_used;     /* balancers never notice */
	bool never_back;          /* nor return to a recursor that came back */
	bool shy_back;            /* it gets a tenth of its share */
	unsigned favour_each;     /* of roundrobin's turns, the next goes to server 0; 0: none */
	bool turns;               /* servers in turn, whatever the policy */
	bool same_seed;           /* both balancers draw the same numbers */
	bool no_effect;           /* the kill kills nothing */
	bool no_cache;            /* every answer takes the miss's time */
	bool down_ignored_once;   /* one query to a server that is known to be down */
	unsigned wrong_each, swap_each, twice_each, lose_each, error_each, slow_each; /* 0: none */
	unsigned stale_each;      /* answers that a server gives after stale_ns more */
	int64_t stale_ns;
	unsigned stray;           /* answers that nobody asked for */
	int64_t late_ns;          /* each hundredth query is sent this much late */
	int64_t loop_gap_us, clock_step_us, drops;
	int64_t program_wait_us;  /* each node's program waited for a processor; 0: not told */
	unsigned unsent;          /* queries left out */
	bool unverified, fault_untold, no_end, trouble;
	int64_t notice_late_ns;   /* dead servers are used this much too long */
	int64_t struck_early_ns;  /* silences begin before they are told */
	int64_t batch_ns;         /* right: balancers send once in this time, server by server */
	int64_t worker_lag_ns;    /* right: a balancer's other worker is this much behind */
	bool front_cache;         /* right: balancers answer from caches of their own */
	bool hits_take_turns;     /* they choose a server for hits, too */
	unsigned front_drop_each; /* right: a full socket, of queries that aren't hits */
	bool front_error;         /* what they answer on their own is SERVFAIL */
	unsigned probe_lost_each; /* answers to probes of DNS1 that get lost; 0: none */
	int64_t probe_slow_ns;    /* the fourth probe of DNS1 is answered after this */
	int64_t probe_late_ns;    /* right: the last one that dead DNS1 misses is sent this late */
	int64_t dark_from_ns, dark_to_ns; /* nobody gets an answer */
	bool herd;                /* a server that is back gets all for a second */
	bool never_up;            /* nor does a balancer come back */
	bool stubborn;            /* clients ask the same balancer again */
	bool tcp;                 /* right: balancers also ask servers over TCP */
	bool in_virtual;          /* the virtual engine tells what happened */
	unsigned violations;      /* that it saw */
	unsigned queue_drops;     /* of each node's modelled host */
};

struct synth_record {
	int64_t t_ns;
	uint32_t order;
	uint16_t node, len;
	struct ep src, dst;
	uint8_t *data;
	bool tcp;
	uint8_t tcp_flags;
	uint32_t tcp_seq;
};

struct synth {
	struct plan *plan;
	struct synth_knobs knob;
	struct synth_record *record;
	size_t n, cap;
	struct drbg draws[SYNTH_BALANCERS], ids;
	unsigned turn[SYNTH_BALANCERS];
	bool *cached[SYNTH_SERVERS];   /* by rank of name */
	int64_t *front_from[SYNTH_BALANCERS]; /* the same: when its answer is in; 0: never */
	uint64_t front_hits[SYNTH_BALANCERS], forwards[SYNTH_BALANCERS];
	uint64_t front_drops[SYNTH_BALANCERS], misses;
	unsigned client, balancer[SYNTH_BALANCERS];
	uint64_t queries, draws_n, sent;
	uint64_t frames[16];
};

static inline void synth_add(struct synth *s, int64_t t_ns, unsigned node, const struct ep *src,
                             const struct ep *dst, const uint8_t *data, size_t len)
{
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? s->cap * 2 : 4096;
		s->record = realloc(s->record, s->cap * sizeof(*s->record));
		MUST(s->record != NULL);
	}
	uint8_t *copy = malloc(len);
	MUST(copy != NULL);
	memcpy(copy, data, len);
	s->record[s->n] = (struct synth_record){
		.t_ns = t_ns, .order = (uint32_t)s->n, .node = (uint16_t)node,
		.len = (uint16_t)len, .src = *src, .dst = *dst, .data = copy,
	};
	s->n++;
}

/* One datagram from a node to another, 100 us apart. Returns its arrival; it may get lost. */
static inline int64_t synth_send(struct synth *s, int64_t t_ns, unsigned from, unsigned to,
                                 const struct ep *src, const struct ep *dst, const uint8_t *data,
                                 size_t len)
{
	synth_add(s, t_ns, from, src, dst, data, len);
	synth_add(s, t_ns + 100 * SYNTH_US, to, src, dst, data, len);
	return t_ns + 100 * SYNTH_US;
}

static inline struct ep synth_ep(struct ip ip, unsigned port)
{
	return (struct ep){ ip, (uint16_t)port };
}

/* The instants of a server's silence, by plan; INT64_MAX: none. */
static inline void synth_silence(const struct synth *s, unsigned server, int64_t *from,
                                 int64_t *to)
{
	const struct plan *p = s->plan;

	*from = *to = INT64_MAX;
	for (unsigned i = 0; i < p->fault_n; i++) {
		if (p->fault[i].node != p->conf[0].server_node[server])
			continue;
		if (plan_fault_silences(p->fault[i].kind))
			*from = p->fault[i].at_ns - s->knob.struck_early_ns;
		if (plan_fault_returns(p->fault[i].kind))
			*to = p->fault[i].at_ns;
	}
}

static inline bool synth_dead(const struct synth *s, unsigned server, int64_t t_ns)
{
	int64_t from, to;

	synth_silence(s, server, &from, &to);
	return t_ns >= from && t_ns < to && !s->knob.no_effect;
}

/* Phase of a balancer's probes to a server, and when the balancer's view of it changes. */
static inline int64_t synth_phase(unsigned b, unsigned server)
{
	return (int64_t)(137 + 311 * b + 173 * server) * SYNTH_MS;
}

static inline int64_t synth_next_probe(unsigned b, unsigned server, int64_t t_ns)
{
	int64_t phase = synth_phase(b, server);

	return t_ns <= phase ? phase : phase + (t_ns - phase + SYNTH_S - 1) / SYNTH_S * SYNTH_S;
}

static inline bool synth_up(const struct synth *s, unsigned b, unsigned server, int64_t t_ns)
{
	int64_t from, to;

	synth_silence(s, server, &from, &to);
	if (from == INT64_MAX || s->knob.no_effect)
		return true;
	int64_t down = synth_next_probe(b, server, from) + SYNTH_S;
	int64_t up = to == INT64_MAX ? to : synth_next_probe(b, server, to) + 300 * SYNTH_US;
	if (s->knob.dead_still_used)
		return true;
	if (t_ns >= up)
		return !s->knob.never_back;
	return t_ns < down + s->knob.notice_late_ns;
}

static inline bool synth_each(uint64_t n, unsigned each)
{
	return each > 0 && n % each == each - 1;
}

/* True when balancer b's program or network is silent at t_ns. */
static inline bool synth_away(const struct synth *s, unsigned b, int64_t t_ns)
{
	int64_t from = INT64_MAX, to = INT64_MAX;

	for (unsigned i = 0; i < s->plan->fault_n; i++) {
		const struct plan_fault *f = &s->plan->fault[i];
		if (f->node != (int)s->balancer[b] || f->at_ns > t_ns)
			continue;
		if (plan_fault_silences(f->kind))
			from = f->at_ns;
		to = plan_fault_returns(f->kind) ? f->at_ns : INT64_MAX;
	}
	return t_ns >= from && (t_ns < to || s->knob.never_up);
}

/* When the probe that is due at t_ns is sent. */
static inline int64_t synth_probe_sent(const struct synth *s, unsigned server, int64_t t_ns)
{
	int64_t from, to;

	synth_silence(s, server, &from, &to);
	return server == 0 && t_ns < to && t_ns + SYNTH_S >= to ? t_ns + s->knob.probe_late_ns :
	                                                           t_ns;
}

static inline void synth_probes(struct synth *s, unsigned b, unsigned server)
{
	const struct plan_node *n = &s->plan->node[s->balancer[b]];
	const struct bal_server *srv = &s->plan->conf[0].server[server];
	unsigned node = (unsigned)s->plan->conf[0].server_node[server];
	uint8_t query[512], answer[REC_ANSWER_MAX];
	struct dns_question q;

	for (int64_t t = synth_phase(b, server) - SYNTH_S; t < s->plan->end_ns; t += SYNTH_S) {
		if (synth_away(s, b, t))
			continue;
		struct ep own = synth_ep(n->addr[0], 30000 + drbg_u32(&s->ids) % 20000);
		int len = dns_query(query, sizeof(query), drbg_u16(&s->ids), DNS_RD,
		                    srv->check.name, srv->check.name_len, srv->check.type,
		                    DNS_IN, 0);
		MUST(len > 0 && dns_question(&q, query, (size_t)len) == 0);
		int64_t at = synth_send(s, synth_probe_sent(s, server, t), s->balancer[b], node,
		                        &own, &srv->addr, query, (size_t)len);
		unsigned number = (unsigned)((t + 2 * SYNTH_S) / SYNTH_S);
		if (synth_dead(s, server, at) ||
		    (server == 0 && synth_each(number, s->knob.probe_lost_each)))
			continue;
		at += server == 0 && number == 4 ? s->knob.probe_slow_ns : 0;
		len = rec_answer(answer, sizeof(answer), query, (size_t)len, &q, UINT32_MAX);
		MUST(len > 0);
		synth_send(s, at + 30 * SYNTH_US, node, s->balancer[b], &srv->addr, &own, answer,
		           (size_t)len);
	}
}

/* The server that balancer b chooses now; -1: none is up. */
static inline int synth_choose(struct synth *s, unsigned b, int64_t t_ns)
{
	bool up0 = synth_up(s, b, 0, t_ns), up1 = synth_up(s, b, 1, t_ns);
	uint32_t draw = (uint32_t)drbg_below(&s->draws[b], 1000);
	const struct bal_server *w = s->plan->conf[0].server;
	unsigned half = s->knob.skew_permille[b];
	int64_t from, to;

	if (half == 0)
		half = (unsigned)(1000 * w[0].weight / (w[0].weight + w[1].weight));
	synth_silence(s, 0, &from, &to);
	if (s->knob.shy_back && to != INT64_MAX && t_ns >= to)
		half /= 10;
	if (s->knob.down_ignored_once && !up0 && s->turn[b]++ == 400)
		return 0;
	if (s->knob.herd && to != INT64_MAX && up0 && t_ns >= to && t_ns < to + 2 * SYNTH_S)
		return 0;
	if (!up0 || !up1)
		return up0 ? 0 : up1 ? 1 : -1;
	if (synth_each(s->queries, s->knob.favour_each))
		return 0;
	if (s->knob.turns || s->plan->conf[0].policy == BAL_ROUNDROBIN)
		return (int)(s->turn[b]++ % 2);
	return draw < half ? 0 : 1;
}

/* What the recursor says, as the knobs want it. Returns its length. */
static inline size_t synth_answer(struct synth *s, uint8_t out[REC_ANSWER_MAX],
                                  const uint8_t *query, size_t len)
{
	struct dns_question q;
	uint64_t n = s->queries;

	MUST(dns_question(&q, query, len) == 0);
	int got = rec_answer(out, REC_ANSWER_MAX, query, len, &q, UINT32_MAX);
	MUST(got > 0);
	if (synth_each(n, s->knob.wrong_each))
		out[3] ^= DNS_NXDOMAIN; /* no such name turned into no error, or back */
	if (synth_each(n, s->knob.error_each)) {
		out[3] = (uint8_t)((out[3] & 0xf0) | DNS_SERVFAIL);
		dns_put16(out + 6, 0);
		dns_put16(out + 8, 0);
		dns_put16(out + 10, 0);
		got = q.end;
	}
	return (size_t)got;
}

/* From the recursor back to the client, with everything that may go wrong on the way. */
static inline bool synth_way_back(struct synth *s, const struct load_query *q, unsigned b,
                                  unsigned server, int64_t t_ns, const struct ep *back,
                                  const struct ep *client, uint8_t *answer, size_t len)
{
	const struct bal_server *srv = &s->plan->conf[0].server[server];
	unsigned node = (unsigned)s->plan->conf[0].server_node[server];
	uint64_t n = s->queries;

	t_ns = synth_send(s, t_ns, node, s->balancer[b], &srv->addr, back, answer, len);
	dns_put16(answer, q->id);
	if (synth_each(n, s->knob.swap_each))
		dns_put16(answer, (uint16_t)(q->id + 1)); /* somebody else's */
	if (synth_each(n, s->knob.lose_each) ||
	    (t_ns >= s->knob.dark_from_ns && t_ns < s->knob.dark_to_ns))
		return false;
	t_ns += synth_each(n, s->knob.slow_each) ? 3 * SYNTH_S : 20 * SYNTH_US;
	synth_send(s, t_ns, s->balancer[b], s->client, &q->to, client, answer, len);
	if (synth_each(n, s->knob.twice_each))
		synth_send(s, t_ns + 1000, s->balancer[b], s->client, &q->to, client, answer, len);
	if (n == 5 && s->knob.stray > 0) {
		dns_put16(answer, (uint16_t)(q->id ^ 0x5555));
		synth_send(s, t_ns + 2000, s->balancer[b], s->client, &q->to, client, answer, len);
	}
	return true;
}

static inline int64_t synth_cost(struct synth *s, const struct load_query *q, unsigned server)
{
	bool hit = q->number < 100000 && s->cached[server][q->number] && !s->knob.no_cache;

	if (q->number < 100000)
		s->cached[server][q->number] = true;
	return hit ? 30 * SYNTH_US : 20 * SYNTH_MS;
}

/* True when the balancer had the answer, and has given it. */
static inline bool synth_front_hit(struct synth *s, const struct load_query *q, int64_t t_ns,
                                   const struct ep *client, const uint8_t *query, size_t len)
{
	uint8_t answer[REC_ANSWER_MAX];
	struct dns_question question;
	int64_t *from = &s->front_from[q->balancer][q->number];

	if (!s->knob.front_cache)
		return false;
	if (*from == 0 || t_ns < *from) {
		if (*from == 0)
			*from = t_ns + 25 * SYNTH_MS;
		return false;
	}
	if (s->knob.hits_take_turns)
		synth_choose(s, q->balancer, t_ns);
	MUST(dns_question(&question, query, len) == 0);
	int got = rec_answer(answer, sizeof(answer), query, len, &question, UINT32_MAX);
	MUST(got > 0);
	if (s->knob.front_error) {
		answer[3] = (uint8_t)((answer[3] & 0xf0) | DNS_SERVFAIL);
		memset(answer + 6, 0, 6);
		got = question.end;
	}
	synth_send(s, t_ns + 20 * SYNTH_US, s->balancer[q->balancer], s->client, &q->to, client,
	           answer, (size_t)got);
	s->front_hits[q->balancer]++;
	return true;
}

/* When balancer's worker gets to a query that came in at t_ns. */
static inline int64_t synth_handled(const struct synth *s, const struct load_query *q, int64_t t_ns)
{
	if (s->knob.batch_ns > 0)
		t_ns += s->knob.batch_ns - t_ns % s->knob.batch_ns;
	return t_ns + (q->source % 2 != 0 ? s->knob.worker_lag_ns : 0);
}

/* One try. Returns true when it was answered. */
static inline bool synth_try(struct synth *s, const struct load_query *q, int64_t t)
{
	uint8_t query[512], answer[REC_ANSWER_MAX];
	unsigned b = q->balancer;
	int len = dns_query(query, sizeof(query), q->id, DNS_RD, q->name, q->name_len, q->type,
	                    DNS_IN, 0);
	MUST(len > 0);
	struct ep client = synth_ep(q->client, 40000u + q->source);
	t = synth_send(s, t, s->client, s->balancer[b], &client, &q->to, query, (size_t)len);
	if (synth_away(s, b, t))
		return false;
	t = synth_handled(s, q, t);
	if (synth_front_hit(s, q, t, &client, query, (size_t)len))
		return true;
	if (synth_each(s->misses++, s->knob.front_drop_each)) {
		s->front_from[b][q->number] = 0;
		s->front_drops[b]++;
		return false;
	}
	int server = synth_choose(s, b, t);
	if (server < 0)
		return false;
	s->forwards[b]++;
	t += s->knob.batch_ns > 0 ? server * 40 * SYNTH_US : 0;
	struct ep back = synth_ep(s->plan->node[s->balancer[b]].addr[0], 20000u + (unsigned)server);
	const struct bal_server *srv = &s->plan->conf[0].server[server];
	dns_put16(query, drbg_u16(&s->ids));
	if (s->knob.tcp && s->queries == 7) {
		synth_send(s, t, s->balancer[b], (unsigned)s->plan->conf[0].server_node[server],
		           &back, &srv->addr, query, (size_t)len);
		s->record[s->n - 2].tcp = s->record[s->n - 1].tcp = true;
	}
	t = synth_send(s, t + 20 * SYNTH_US, s->balancer[b],
	               (unsigned)s->plan->conf[0].server_node[server], &back, &srv->addr, query,
	               (size_t)len);
	if (synth_dead(s, (unsigned)server, t))
		return false;
	t += synth_cost(s, q, (unsigned)server);
	if (synth_dead(s, (unsigned)server, t))
		return false;
	t += synth_each(s->queries, s->knob.stale_each) ? s->knob.stale_ns : 0;
	size_t got = synth_answer(s, answer, query, (size_t)len);
	return synth_way_back(s, q, b, (unsigned)server, t, &back, &client, answer, got);
}

/* A query with as many tries as it takes, each at the other balancer. */
static inline void synth_query(struct synth *s, const struct load_query *q)
{
	const struct plan_load *l = &s->plan->load[0];
	struct load_query now = *q;

	s->queries++;
	if (s->queries <= s->knob.unsent)
		return;
	s->sent++;
	int64_t t = q->t_ns + 10 * SYNTH_US + (s->queries % 100 == 0 ? s->knob.late_ns : 0);
	for (unsigned k = 0; k < l->tries && !synth_try(s, &now, t); k++) {
		t += l->timeout_ns;
		now.id = drbg_u16(&s->ids);
		if (l->retry == PLAN_SAME || s->knob.stubborn)
			continue;
		now.balancer = 1 - now.balancer;
		now.to.ip = s->plan->node[s->balancer[now.balancer]].addr[0];
	}
}

static int synth_cmp(const void *a, const void *b)
{
	const struct synth_record *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static int synth_cmp_handled(const void *a, const void *b)
{
	const struct load_query *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* The load in the order in which balancers get to it, where each has two workers. */
static inline void synth_load_by_worker(struct synth *s, struct load_gen *g)
{
	struct load_query *all = NULL;
	size_t n = 0, cap = 0;
	int64_t lag = s->knob.worker_lag_ns;

	do {
		if (n == cap) {
			cap = cap > 0 ? 2 * cap : 4096;
			all = realloc(all, cap * sizeof(*all));
			MUST(all != NULL);
		}
	} while (load_gen_next(g, &all[n]) && ++n > 0);
	for (size_t i = 0; i < n; i++)
		all[i].t_ns += all[i].source % 2 != 0 ? lag : 0;
	qsort(all, n, sizeof(*all), synth_cmp_handled);
	for (size_t i = 0; i < n; i++) {
		all[i].t_ns -= all[i].source % 2 != 0 ? lag : 0;
		synth_query(s, &all[i]);
	}
	free(all);
}

static inline void synth_load(struct synth *s)
{
	struct arena a;
	struct load_query q;

	MUST(load_gen_refuses(s->plan, 0) == NULL);
	MUST(host_arena(&a, load_gen_arena_size(s->plan, 0)) == 0);
	struct load_gen *g = load_gen_init(&a, s->plan, 0);
	if (s->knob.worker_lag_ns > 0)
		synth_load_by_worker(s, g);
	while (load_gen_next(g, &q))
		synth_query(s, &q);
	host_arena_free(&a);
}

static inline void synth_init(struct synth *s, const struct synth_knobs *k)
{
	uint8_t seed[DRBG_SEED];
	unsigned b = 0;

	s->knob = *k;
	plan_seed(s->plan, seed);
	drbg_init(&s->ids, seed, DRBG_TEST, 10);
	for (unsigned i = 0; i < s->plan->node_n; i++) {
		if (s->plan->node[i].role == PLAN_CLIENTS)
			s->client = i;
		if (s->plan->node[i].role == PLAN_BALANCER && b < SYNTH_BALANCERS)
			s->balancer[b++] = i;
	}
	for (unsigned i = 0; i < SYNTH_BALANCERS; i++) {
		s->turn[i] = 0;
		s->front_from[i] = calloc(100000, sizeof(int64_t));
		MUST(s->front_from[i] != NULL);
		drbg_init(&s->draws[i], seed, DRBG_TEST, k->same_seed ? 0 : i);
	}
	for (unsigned i = 0; i < SYNTH_SERVERS; i++) {
		s->cached[i] = calloc(100000, sizeof(bool));
		MUST(s->cached[i] != NULL);
	}
}

/* Puts the records in order of time, and counts each node's. */
static inline void synth_sort(struct synth *s)
{
	qsort(s->record, s->n, sizeof(*s->record), synth_cmp);
	for (size_t i = 0; i < s->n; i++)
		s->frames[s->record[i].node]++;
}

/* Makes the run's records, in order of time. plan: borrowed, of two balancers and two recursors. */
static inline void synth_run(struct synth *s, struct plan *plan, const struct synth_knobs *k)
{
	*s = (struct synth){ .plan = plan };
	synth_init(s, k);
	synth_load(s);
	for (unsigned b = 0; b < SYNTH_BALANCERS; b++)
		for (unsigned i = 0; i < SYNTH_SERVERS; i++)
			synth_probes(s, b, i);
	synth_sort(s);
}

static inline void synth_fini(struct synth *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->record[i].data);
	for (unsigned i = 0; i < SYNTH_SERVERS; i++)
		free(s->cached[i]);
	for (unsigned i = 0; i < SYNTH_BALANCERS; i++)
		free(s->front_from[i]);
	free(s->record);
}

/* A scenario's plan with "PATH=VALUE" settings, which end with NULL; ends the test if it can't. */
static inline struct plan *synth_plan(const char *scenario, const char *const *sets,
                                      uint64_t seed)
{
	struct plan_options o = { .seed = &seed, .set = sets };
	char error[PLAN_ERROR_TEXT] = "";
	struct plan *p = plan_load(scenario, &o, error);

	if (p == NULL)
		fprintf(stderr, "%s\n", error);
	MUST(p != NULL);
	return p;
}

#include "tests/judge/synth_told.h"

#endif
