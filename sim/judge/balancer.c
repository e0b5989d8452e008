/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A balancer's two sides, out of the one capture at its interface. A forwarded query is matched to
 * the client's by its question, first in first out where questions repeat; a server's answer by
 * server, port, ID and question. Health checks are told from clients' queries by their question:
 * the check name, sent to a server while no client waits with that question.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

static const uint64_t PROBE_BIT = 1ull << 40;

static uint64_t endpoint_key(const struct ep *e)
{
	return key_of(&e->ip, e->port, 0, 0);
}

void balancer_init(struct balancer *b, const struct plan *p, unsigned node)
{
	const struct plan_conf *conf = &p->conf[p->node[node].conf];

	*b = (struct balancer){ .node = node, .conf = conf };
	b->server = calloc(conf->server_n + 1, sizeof(*b->server));
	b->check = calloc(conf->server_n + 1, sizeof(*b->check));
	MUST(b->server != NULL && b->check != NULL);
	table_init(&b->servers, conf->server_n);
	table_init(&b->waiting, 256);
	table_init(&b->fronts, 256);
	table_init(&b->backs, 256);
	for (unsigned i = 0; i < conf->server_n; i++) {
		const struct bal_check *c = &conf->server[i].check;
		b->check[i] = question_hash(c->name, c->name_len, c->type, c->class);
		table_put(&b->servers, endpoint_key(&conf->server[i].addr), i);
	}
}

void balancer_free(struct balancer *b)
{
	for (unsigned i = 0; i < b->conf->server_n; i++)
		free(b->server[i].change);
	free(b->server);
	free(b->check);
	free(b->draw);
	free(b->probe);
	free(b->front);
	table_free(&b->servers);
	table_free(&b->waiting);
	table_free(&b->fronts);
	table_free(&b->backs);
}

/* Hash of 0 means free in a table. */
static uint64_t question_key(uint64_t question)
{
	return question != 0 ? question : 1;
}

static void front_query(struct balancer *b, const struct judge_tap *t,
                        const struct judge_message *m)
{
	const struct frame *f = t->frame;
	uint64_t key = key_of(&f->src.ip, f->src.port, m->id, m->question);
	uint64_t question = question_key(m->question);

	b->front = grow(b->front, b->front_n, &b->front_cap, sizeof(*b->front));
	uint32_t index = (uint32_t)b->front_n++;
	b->front[index] = (struct front){ .t_ns = t->t_ns, .key = key, .next = UINT32_MAX,
	                                  .last = index, .since = index,
	                                  .server = UINT16_MAX };
	table_put(&b->fronts, key, index);
	const uint64_t *first = table_find(&b->waiting, question);
	if (first == NULL) {
		table_put(&b->waiting, question, index);
		return;
	}
	struct front *head = &b->front[*first];
	b->front[head->last].next = index;
	b->front[head->last].shared = true;
	b->front[index].shared = true;
	b->front[index].since = head->since;
	head->last = index;
}

/* Takes the client's query that waits longest with this question; NULL: none does. */
static struct front *front_take(struct balancer *b, int64_t t_ns, uint64_t question)
{
	uint64_t *first = table_find(&b->waiting, question_key(question));

	while (first != NULL) {
		struct front *head = &b->front[*first];
		bool stale = t_ns - head->t_ns > BALANCER_STALE_NS;
		if (head->next == UINT32_MAX) {
			table_drop(&b->waiting, question_key(question));
			first = NULL;
		} else {
			b->repeated += !stale;
			b->front[head->next].last = head->last;
			*first = head->next;
		}
		if (!stale)
			return head;
	}
	return NULL;
}

static void back_probe(struct balancer *b, const struct judge_tap *t, uint16_t server, uint64_t key)
{
	b->probe = grow(b->probe, b->probe_n, &b->probe_cap, sizeof(*b->probe));
	b->probe[b->probe_n] = (struct probe){
		.t_ns = t->t_ns, .answer_ns = NEVER, .refused_ns = NEVER,
		.frame = (uint32_t)t->number, .server = server,
	};
	table_put(&b->backs, key, b->probe_n++ | PROBE_BIT);
}

/* Our side of a back link: the server's address, our port, the ID and the question. */
static uint64_t back_key(const struct ep *server, const struct ep *own,
                         const struct judge_message *m)
{
	return key_of(&server->ip, own->port, m->id, m->question);
}

static void back_query(struct balancer *b, const struct judge_tap *t, const struct judge_message *m,
                       uint16_t server)
{
	uint64_t key = back_key(&t->frame->dst, &t->frame->src, m);
	struct front *f = front_take(b, t->t_ns, m->question);

	if (f == NULL && m->question == b->check[server]) {
		back_probe(b, t, server, key);
		return;
	}
	if (f != NULL)
		f->server = server;
	b->draw = grow(b->draw, b->draw_n, &b->draw_cap, sizeof(*b->draw));
	b->draw[b->draw_n] = (struct draw){
		.t_ns = t->t_ns, .answer_ns = NEVER, .frame = (uint32_t)t->number,
		.front = f != NULL ? (uint32_t)(f - b->front) : UINT32_MAX, .server = server,
	};
	table_put(&b->backs, key, b->draw_n++);
}

/* True when a health check takes this answer for a good one. */
static bool probe_good(const struct bal_check *c, const struct judge_message *m)
{
	uint16_t rcode = dns_flags(m->m) & DNS_RCODE;

	if (rcode == DNS_SERVFAIL)
		return false;
	return !c->must_resolve || (rcode != DNS_NXDOMAIN && rcode != DNS_REFUSED);
}

static void back_answer(struct balancer *b, const struct judge_tap *t,
                        const struct judge_message *m)
{
	uint64_t key = back_key(&t->frame->src, &t->frame->dst, m);
	const uint64_t *v = table_find(&b->backs, key);

	if (v == NULL) {
		b->answers_unmatched++;
		return;
	}
	if ((*v & PROBE_BIT) != 0) {
		struct probe *p = &b->probe[*v & ~PROBE_BIT];
		p->answer_ns = t->t_ns;
		p->answer_frame = (uint32_t)t->number;
		p->good = probe_good(&b->conf->server[p->server].check, m);
	} else {
		b->draw[*v].answer_ns = t->t_ns;
	}
	table_drop(&b->backs, key);
}

static void front_answer(struct balancer *b, const struct judge_tap *t,
                         const struct judge_message *m)
{
	uint64_t key = key_of(&t->frame->dst.ip, t->frame->dst.port, m->id, m->question);
	const uint64_t *v = table_find(&b->fronts, key);

	b->front_answers++;
	if (v == NULL)
		return;
	b->front[*v].answered = true;
	table_drop(&b->fronts, key);
}

/* Port unreachable: the datagram that was refused stands inside (RFC 792, RFC 4443). */
static void back_refused(struct balancer *b, const struct judge_tap *t)
{
	const struct frame *icmp = t->frame;
	bool v4 = ip_is4(&icmp->src.ip);
	uint8_t inner[14 + 1500];
	struct judge_message m;
	struct frame f;

	if (v4 ? icmp->icmp_type != 3 : icmp->icmp_type != 1)
		return;
	size_t len = icmp->payload_len - 8;
	if (len > sizeof(inner) - 14)
		len = sizeof(inner) - 14;
	memset(inner, 0, 14);
	dns_put16(inner + 12, v4 ? 0x0800 : 0x86dd);
	memcpy(inner + 14, icmp->payload + 8, len);
	if (frame_parse(&f, inner, 14 + len) < 0 || f.kind != FRAME_UDP ||
	    !judge_message_read(&m, f.payload, f.payload_len))
		return;
	const uint64_t *v = table_find(&b->backs, back_key(&f.dst, &f.src, &m));
	if (v != NULL && (*v & PROBE_BIT) != 0)
		b->probe[*v & ~PROBE_BIT].refused_ns = t->t_ns;
}

void balancer_tap(struct balancer *b, const struct judge_tap *t, bool out)
{
	const struct frame *f = t->frame;
	struct judge_message space;

	if (f->kind == FRAME_ICMP && !out)
		back_refused(b, t);
	const uint64_t *server = table_find(&b->servers, endpoint_key(out ? &f->dst : &f->src));
	b->tcp_sent += f->kind == FRAME_TCP && f->payload_len > 0 && out && server != NULL;
	const struct judge_message *m = f->kind == FRAME_UDP ? tap_message(t, &space) : NULL;
	if (m == NULL)
		return;
	if (server != NULL && out && !m->answer)
		back_query(b, t, m, (uint16_t)*server);
	else if (server != NULL && !out && m->answer)
		back_answer(b, t, m);
	else if (server == NULL && !out && !m->answer)
		front_query(b, t, m);
	else if (server == NULL && out && m->answer)
		front_answer(b, t, m);
}
