/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A balancer's two sides, out of the one capture at its interface. A forwarded query is matched to
 * the client's by its question, first in first out where questions repeat; a server's answer by
 * server, port, ID and question. A client's query that is answered while it still waits for its
 * forward has none: it was a hit in the balancer's cache, and draws nothing. Health checks are told
 * from clients' queries by their question: the check name, sent to a server while no client waits
 * with that question. What waits for its match waits for a limited time.
 */
#include <stdlib.h>
#include <string.h>

#include "retry.h"
#include "rule.h"
#include "stale.h"

static const uint64_t PROBE_BIT = 1ull << 63;
static const int64_t BACK_KEEP_NS = 30000000000; /* answers of servers may come this late */
enum { SERVER_SHIFT = 47 };                      /* a back's server, above the probe's number */
enum { TCP_RST = 4 };                            /* without a sequence number: to a SYN */

/* A server's entry; where keys collide, the next odd key's. NULL: no server. */
static uint64_t *server_entry(const struct balancer *b, const struct ep *e, uint64_t *key)
{
	uint64_t *v;

	for (*key = key_of(&e->ip, e->port, 0, 0) | 1; (v = table_find(&b->servers, *key)) != NULL;
	     *key += 2)
		if (b->conf->server[*v].addr.port == e->port &&
		    same_ip(&b->conf->server[*v].addr.ip, &e->ip))
			return v;
	return NULL;
}

/* Of several servers with one endpoint the last counts. */
static void add_server(struct balancer *b, unsigned server)
{
	uint64_t key, *v = server_entry(b, &b->conf->server[server].addr, &key);

	if (v != NULL)
		*v = server;
	else
		table_put(&b->servers, key, server);
}

/* -1: no server. */
static int server_of(const struct balancer *b, const struct ep *e)
{
	uint64_t key;
	const uint64_t *v = server_entry(b, e, &key);

	return v != NULL ? (int)*v : -1;
}

void balancer_init(struct balancer *b, const struct plan *p, unsigned node, unsigned index)
{
	const struct plan_conf *conf = &p->conf[p->node[node].conf];

	*b = (struct balancer){ .node = node, .index = index, .conf = conf,
	                        .bin_end_ns = NEVER, .gone_next_ns = INT64_MAX,
	                        .tcp_refused_ns = NEVER };
	b->server = zeroed(conf->server_n, sizeof(*b->server));
	b->check = zeroed(conf->server_n, sizeof(*b->check));
	b->cache = zeroed(p->expect_n, sizeof(*b->cache));
	b->server_draws = zeroed(conf->server_n, sizeof(*b->server_draws));
	ring_init(&b->front, sizeof(struct front));
	ring_init(&b->lone, sizeof(struct lone));
	ring_init(&b->probe, sizeof(struct probe));
	stale_init(b);
	retry_init(b);
	table_init(&b->servers, conf->server_n * 2);
	table_init(&b->waiting, 0);
	aging_init(&b->backs, BACK_KEEP_NS);
	aging_init(&b->owed, BALANCER_STALE_NS);
	for (unsigned i = 0; i < conf->server_n; i++) {
		const struct bal_check *c = &conf->server[i].check;
		b->check[i] = question_hash(c->name, c->name_len, c->type, c->class);
		add_server(b, i);
	}
	epochs_init(b);
}

void balancer_free(struct balancer *b)
{
	epochs_free(b);
	free(b->server);
	free(b->check);
	free(b->server_draws);
	free(b->cache);
	free(b->gone);
	free(b->gone_active);
	track_free(b->track);
	ring_free(&b->name);
	ring_free(&b->front);
	ring_free(&b->lone);
	ring_free(&b->probe);
	stale_free(b);
	retry_free(b);
	table_free(&b->servers);
	table_free(&b->waiting);
	aging_free(&b->backs);
	aging_free(&b->owed);
	quiet_free(b->quiet);
	tcp_free(b->tcp);
}

static void front_query(struct balancer *b, const struct judge_tap *t,
                        const struct judge_message *m)
{
	const struct frame *f = t->frame;
	uint64_t index = b->front.next;
	struct front *one = ring_push(&b->front);
	struct table_slot *s = table_place(&b->waiting, m->question);

	if (b->name.at != NULL)
		name_of(ring_push(&b->name), m);
	*one = (struct front){
		.t_ns = t->t_ns, .since_ns = t->t_ns, .question = m->question,
		.key = key_of(&f->src.ip, f->src.port, m->id, m->question), .server = UINT16_MAX,
	};
	if (s->key == 0) {
		table_fill(&b->waiting, s, m->question, index);
		return;
	}
	struct front *head = ring_at(&b->front, s->value);
	struct front *last = ring_at(&b->front, s->value + head->last);
	last->next = (uint32_t)(index - s->value - head->last);
	last->shared = one->shared = true;
	one->since_ns = head->since_ns;
	head->last = (uint32_t)(index - s->value);
}

/* Takes the first query that waits with the slot's question out. True when others still wait. */
static bool waiting_shift(struct balancer *b, struct table_slot *s)
{
	const struct front *head = ring_at(&b->front, s->value);

	if (head->next == 0) {
		table_drop_slot(&b->waiting, s);
		return false;
	}
	struct front *next = ring_at(&b->front, s->value + head->next);
	next->last = head->last - head->next;
	s->value += head->next;
	return true;
}

/* Nobody knows who asked: a forward of its own that came in at most lag_ns ago. */
static struct front *front_unseen(struct balancer *b, int64_t t_ns, int64_t lag_ns,
                                  const struct judge_message *m)
{
	struct front *one = ring_push(&b->front);

	if (b->name.at != NULL)
		name_of(ring_push(&b->name), m);
	*one = (struct front){ .t_ns = t_ns - lag_ns, .since_ns = t_ns - lag_ns,
	                       .question = m->question, .server = UINT16_MAX };
	return one;
}

/*
 * Takes the first query with this key out of those that wait with the slot's question; NULL: none.
 * Neighbours are close: what waits was asked within BALANCER_STALE_NS.
 */
static struct front *waiting_take(struct balancer *b, struct table_slot *s, uint64_t key)
{
	uint64_t first = s->value, at = first, before = first;
	struct front *head = ring_at(&b->front, first), *f = head;

	while (f->key != key) {
		if (f->next == 0)
			return NULL;
		before = at;
		at += f->next;
		f = ring_at(&b->front, at);
	}
	if (at == first) {
		waiting_shift(b, s);
		return f;
	}
	struct front *previous = ring_at(&b->front, before);
	if (f->next == 0) {
		previous->next = 0;
		head->last = (uint32_t)(before - first);
	} else {
		previous->next += f->next;
	}
	return f;
}

/* A server has answered this question: some client is owed an answer. */
static void owe(struct balancer *b, int64_t t_ns, uint64_t question)
{
	uint64_t *n = b->conf->cache_entries > 0 ? aging_find(&b->owed, question) : NULL;

	if (n != NULL)
		++*n;
	else if (b->conf->cache_entries > 0)
		aging_put(&b->owed, t_ns, question, 1);
}

/* A client gets an answer to this question. True when a server's is what it was owed. */
static bool pay(struct balancer *b, uint64_t question)
{
	uint64_t *n = b->conf->cache_entries > 0 ? aging_find(&b->owed, question) : NULL, last;

	if (n == NULL)
		return false;
	if (--*n == 0)
		(void)aging_take(&b->owed, question, &last);
	return true;
}

/*
 * An answer leaves for a client. If it is to a query that waits for its forward, there is none. An
 * error or a truncated one may be of the balancer's own making, and where a server's answer to the
 * question hasn't been given on yet this may be it, the queries taken for one another; all others
 * are out of the cache.
 */
static void front_answer(struct judge *j, struct balancer *b, const struct judge_tap *t,
                         const struct judge_message *m)
{
	const struct ep *client = &t->frame->dst;
	struct table_slot *s = table_slot(&b->waiting, m->question);
	unsigned rcode = dns_flags(m->m) & DNS_RCODE;
	uint64_t key = key_of(&client->ip, client->port, m->id, m->question);
	bool owed = pay(b, m->question);

	stale_relay(j, b, t, key);
	if (b->track != NULL)
		track_relay(b, t->t_ns, key);
	if (s == NULL)
		return;
	struct front *f = waiting_take(b, s, key);
	if (f != NULL)
		f->hit = !owed && (rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN) &&
		         (dns_flags(m->m) & DNS_TC) == 0;
}

uint64_t balancer_tcp_unsure(const struct balancer *b)
{
	return b->tcp_again + b->tcp_unfollowed + b->tcp_refused +
	       (b->track != NULL ? b->track->least.tcp_slow : 0);
}

void balancer_count(const struct judge *j, struct balancer *b, const struct front *f)
{
	b->queries++;
	b->hits += f->hit;
	for (unsigned i = 0; i < j->cache_n; i++) {
		const struct plan_expect *e = j->cache[i];
		if (f->t_ns < e->during_from_ns || f->t_ns >= e->during_to_ns)
			continue;
		b->cache[i].answers++;
		b->cache[i].hits += f->hit;
	}
}

/* Takes the client's query that waits longest with this question; NULL: none does. */
static struct front *front_take(struct balancer *b, int64_t t_ns, uint64_t question)
{
	struct table_slot *s = table_slot(&b->waiting, question);

	while (s != NULL) {
		struct front *head = ring_at(&b->front, s->value);
		bool stale = t_ns - head->t_ns > BALANCER_STALE_NS;
		if (!waiting_shift(b, s))
			s = NULL;
		else
			b->repeated += !stale;
		if (!stale)
			return head;
	}
	return NULL;
}

void balancer_stale(struct balancer *b, uint64_t front)
{
	const struct front *f = ring_at(&b->front, front);
	struct table_slot *s = table_slot(&b->waiting, f->question);

	if (s != NULL && s->value == front)
		waiting_shift(b, s);
}

bool balancer_anew(const struct judge *j, const struct balancer *b, int64_t t_ns)
{
	int64_t forgets = b->conf->udp_timeout_ns + BALANCER_STALE_NS + health_delay(j);

	for (unsigned i = 0; i < j->plan->fault_n && j->restarts; i++) {
		const struct plan_fault *f = &j->plan->fault[i];
		const struct fault_seen *s = &j->events.fault[i];
		int64_t at = s->told && s->to_ns > f->at_ns ? s->to_ns : f->at_ns;
		if (f->kind == PLAN_START && f->node == (int)b->node &&
		    t_ns >= plan_fault_earliest(f) && t_ns < at + forgets)
			return true;
	}
	return false;
}

unsigned balancer_starts(const struct judge *j, const struct balancer *b, int64_t from_ns,
                         int64_t t_ns)
{
	unsigned n = 0;

	for (unsigned i = 0; i < j->plan->fault_n && j->restarts; i++) {
		const struct plan_fault *f = &j->plan->fault[i];
		int64_t at = fault_strikes(j, i);
		n += f->kind == PLAN_START && f->node == (int)b->node && at >= from_ns &&
		     at <= t_ns;
	}
	return n;
}

const char *server_asked(const struct judge *j, uint64_t key)
{
	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		for (uint64_t k = b->front.base; k < b->front.next; k++) {
			const struct front *f = ring_at(&b->front, k);
			if (f->key == key && f->server != UINT16_MAX)
				return b->conf->server[f->server].name;
		}
	}
	return NULL;
}

struct draw front_draw(const struct front *f)
{
	return (struct draw){ f->t_ns, f->since_ns, f->draw_ns, f->frame, f->server, false,
	                      f->shared, f->unsure, NULL };
}

struct draw lone_draw(const struct lone *l)
{
	return (struct draw){ l->t_ns, NEVER, l->t_ns, l->frame, l->server, true, false,
	                      false, NULL };
}

uint64_t back_key(const struct ep *server, const struct ep *own, const struct judge_message *m)
{
	return key_of(&server->ip, own->port, m->id, m->question);
}

void back_add_probe(struct balancer *b, const struct judge_tap *t, unsigned server, uint64_t key)
{
	uint64_t index = b->probe.next;

	*(struct probe *)ring_push(&b->probe) = (struct probe){
		.t_ns = t->t_ns, .answer_ns = NEVER, .refused_ns = NEVER, .frame = t->number,
		.server = (uint16_t)server,
	};
	aging_put(&b->backs, t->t_ns, key, PROBE_BIT | (uint64_t)server << SERVER_SHIFT | index);
}

static void back_query(struct judge *j, struct balancer *b, const struct judge_tap *t,
                       const struct judge_message *m, unsigned server)
{
	uint64_t key = back_key(&t->frame->dst, &t->frame->src, m);

	if (t->frame->kind == FRAME_TCP && check_query(b, t, m, server))
		return;
	struct front *f = b->back_only ? NULL : front_take(b, t->t_ns, m->question);
	struct draw d = { .t_ns = t->t_ns, .frame = t->number, .server = (uint16_t)server };
	bool tcp = t->frame->kind == FRAME_TCP, again = false;

	if (f == NULL && m->question == b->check[server]) {
		back_add_probe(b, t, server, key);
		return;
	}
	if (b->back_only && !retry_may_be(b, t->t_ns, m->question, server))
		f = front_unseen(b, t->t_ns, j->lag_ns, m);
	if (f != NULL) {
		f->server = (uint16_t)server;
		f->draw_ns = t->t_ns;
		f->frame = t->number;
		f->unsure = tcp && b->tcp_refused_ns >= f->since_ns;
		f->shared |= !tcp && retry_may_be(b, t->t_ns, m->question, server);
		retry_forward(b, t->t_ns, m->question, server);
	} else if (tcp) {
		b->tcp_again++; /* a later try isn't a draw */
	} else if (retry_may_be(b, t->t_ns, m->question, server)) {
		b->udp_again++;
		again = true;
	} else {
		*(struct lone *)ring_push(&b->lone) = (struct lone){ t->t_ns, t->number,
		                                                     (uint16_t)server };
	}
	aging_put(&b->backs, t->t_ns, key, (uint64_t)server << SERVER_SHIFT | b->draws);
	stale_forward(b, t->t_ns, tcp ? NULL : f);
	if (b->track != NULL)
		track_forward(b, t, f, server);
	b->draws++;
	b->server_draws[server]++;
	d.in_ns = f != NULL ? f->t_ns : t->t_ns;
	if (b->quiet != NULL && !again)
		quiet_draw(j, b, &d);
	series_draw(j, b, b->conf->server_node[server], t->t_ns);
	gones_draw(j, b, &d, again);
}

/* True when a health check takes this answer for a good one. */
static bool probe_good(const struct bal_check *c, const struct judge_message *m)
{
	uint16_t rcode = dns_flags(m->m) & DNS_RCODE;

	if (rcode == DNS_SERVFAIL)
		return false;
	return !c->must_resolve || (rcode != DNS_NXDOMAIN && rcode != DNS_REFUSED);
}

struct probe *back_probe(const struct balancer *b, uint64_t back)
{
	uint64_t index = back & ((1ull << SERVER_SHIFT) - 1);

	return (back & PROBE_BIT) != 0 && index >= b->probe_settled ? ring_at(&b->probe, index) :
	       NULL;
}

static void back_answer(struct judge *j, struct balancer *b, const struct judge_tap *t,
                        const struct judge_message *m)
{
	uint64_t back;

	if (!aging_take(&b->backs, back_key(&t->frame->src, &t->frame->dst, m), &back)) {
		b->answers_unmatched++;
		return;
	}
	struct probe *p = back_probe(b, back);
	unsigned server = (unsigned)((back & ~PROBE_BIT) >> SERVER_SHIFT);
	gones_answer(j, b->conf->server_node[server], t->t_ns);
	if ((back & PROBE_BIT) == 0) {
		retry_answer(b, m->question, server);
		if (b->quiet != NULL)
			quiet_answer(b, server);
		uint64_t draw = back & ((1ull << SERVER_SHIFT) - 1);
		owe(b, t->t_ns, m->question);
		stale_answer(j, b, t->t_ns, draw);
		if (b->track != NULL)
			track_answer(j, b, t->t_ns, draw);
	}
	if (p == NULL)
		return;
	p->answer_ns = t->t_ns;
	p->answer_frame = t->number;
	p->good = probe_good(&b->conf->server[server].check, m);
}

/* Port unreachable: the datagram that was refused stands inside (RFC 792, RFC 4443). */
static void back_refused(struct balancer *b, const struct judge_tap *t)
{
	const struct frame *icmp = t->frame;
	bool v4 = ip_is4(&icmp->src.ip);
	struct judge_message m;
	struct frame f;

	if ((v4 ? icmp->icmp_type != 3 : icmp->icmp_type != 1) ||
	    frame_icmp_inner(&f, icmp->payload, icmp->payload_len) < 0 ||
	    !judge_message_read(&m, f.payload, f.payload_len))
		return;
	const uint64_t *back = aging_find(&b->backs, back_key(&f.dst, &f.src, &m));
	struct probe *p = back != NULL ? back_probe(b, *back) : NULL;
	if (p != NULL)
		p->refused_ns = t->t_ns;
}

/* A message that b's interface saw, from or to a server, or from a client. */
static void message(struct judge *j, struct balancer *b, const struct judge_tap *t, bool out,
                    const struct judge_message *m)
{
	int server = server_of(b, out ? &t->frame->dst : &t->frame->src);

	if (server >= 0 && out && !m->answer)
		back_query(j, b, t, m, (unsigned)server);
	else if (server >= 0 && !out && m->answer)
		back_answer(j, b, t, m);
	else if (server < 0 && !out && !m->answer)
		front_query(b, t, m);
	else if (server < 0 && out && m->answer)
		front_answer(j, b, t, m);
}

struct over_tcp {
	struct judge *j;
	struct balancer *b;
	const struct judge_tap *t;
	bool out;
};

static void tcp_message(void *of, const uint8_t *bytes, size_t len)
{
	const struct over_tcp *o = of;
	struct judge_message m;

	if (judge_message_read(&m, bytes, len))
		message(o->j, o->b, o->t, o->out, &m);
}

static void balancer_tcp(struct judge *j, struct balancer *b, const struct judge_tap *t, bool out)
{
	struct over_tcp o = { j, b, t, out };
	int server = server_of(b, out ? &t->frame->dst : &t->frame->src);

	if (b->tcp == NULL)
		b->tcp = tcp_new();
	bool check = server >= 0 && check_segment(b, t, out, (unsigned)server);
	bool reset = (t->frame->tcp_flags & TCP_RST) != 0 && t->frame->tcp_seq == 0;
	if (!out && server >= 0 && !check && reset) {
		b->tcp_refused++;
		b->tcp_refused_ns = t->t_ns;
	}
	if (!tcp_segment(b->tcp, t->frame, tcp_message, &o) && out && server >= 0)
		b->tcp_unfollowed++;
}

void balancer_tap(struct judge *j, struct balancer *b, const struct judge_tap *t, bool out)
{
	const struct frame *f = t->frame;
	struct judge_message space;

	if (f->kind == FRAME_ICMP && !out)
		back_refused(b, t);
	if (f->kind == FRAME_TCP && t->message == NULL)
		balancer_tcp(j, b, t, out);
	if (f->kind != FRAME_UDP && t->message == NULL)
		return;
	const struct judge_message *m = tap_message(t, &space);
	if (m != NULL)
		message(j, b, t, out, m);
}
