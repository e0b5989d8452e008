/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of the balancer's TCP share: a balancer as in bal_rig.h that has TCP too, and a shell
 * for it without sockets, which carries its orders out in memory and lets the test be the servers
 * and the clients.
 */
#ifndef EK_TEST_TCP_RIG_H
#define EK_TEST_TCP_RIG_H

#include "balancer/core/tcp.h"
#include "lib/stream.h"
#include "tests/bal_rig.h"

enum { TRIG_CONNS = 64, TRIG_SENT = 64 };

/* What a server has been sent and hasn't answered. */
struct trig_message {
	uint16_t len;
	uint8_t data[RIG_BYTES];
};

enum trig_state { TRIG_NONE, TRIG_CLIENT, TRIG_OPENING, TRIG_OPEN };

struct trig_conn {
	enum trig_state state;
	uint32_t number;
	unsigned server;
	unsigned sent_n, sent_ever;
	uint16_t head_n;        /* bytes that went before the messages */
	uint8_t head[64];
	struct trig_message sent[TRIG_SENT];
};

struct trig {
	struct rig rig;
	struct ep front;
	struct bal_listen listen;
	struct trig_conn conn[TRIG_CONNS];
	unsigned opened, closed, sends; /* orders that were carried out */
};

/* A balancer of n servers; change t->rig.conf, then rig_start. */
static inline void trig_conf(struct trig *t, unsigned n)
{
	memset(t, 0, sizeof(*t));
	rig_conf(&t->rig, n);
	t->front = (struct ep){ ip_v4(192, 160, 102, 2), 53 };
	t->rig.conf.front_n = 1;
	t->rig.conf.front = &t->front;
	t->rig.conf.listen = &t->listen;
	bal_tcp_defaults(&t->rig.conf.tcp);
	t->rig.conf.tcp.conns = TRIG_CONNS;
}

static inline struct trig_conn *trig_at(struct trig *t, uint32_t number)
{
	return &t->conn[bal_tcp_place(number)];
}

static inline void trig_carry_out(struct trig *t, const struct dgram *d)
{
	struct trig_conn *c = trig_at(t, d->conn);

	switch ((enum bal_order)d->verdict) {
	case BAL_ORDER_OPEN:
		MUST(c->state == TRIG_NONE);
		*c = (struct trig_conn){ .state = TRIG_OPENING, .number = d->conn,
		                         .server = d->port - 1u };
		t->opened++;
		break;
	case BAL_ORDER_SEND:
		MUST(c->state == TRIG_OPEN && c->number == d->conn && c->sent_n < TRIG_SENT);
		c->sent[c->sent_n].len = d->len;
		memcpy(c->sent[c->sent_n++].data, d->data, d->len);
		c->sent_ever++;
		t->sends++;
		break;
	case BAL_ORDER_GREET:
		MUST(c->state == TRIG_OPEN && c->sent_ever == 0 && c->head_n == 0);
		MUST(d->len <= sizeof(c->head));
		c->head_n = d->len;
		memcpy(c->head, d->data, d->len);
		break;
	case BAL_ORDER_CLOSE:
		c->state = TRIG_NONE;
		t->closed++;
		bal_tcp_closed(t->rig.b, t->rig.now_ns, d->conn);
		break;
	}
}

static inline void trig_poll(struct trig *t)
{
	static uint8_t data[UINT16_MAX];
	struct dgram d = { .data = data, .cap = UINT16_MAX };

	while (bal_tcp_poll(t->rig.b, t->rig.now_ns, &d))
		trig_carry_out(t, &d);
	bal_check(t->rig.b);
}

/* A client's connection; 0: refused. */
static inline uint32_t trig_accept(struct trig *t, unsigned client)
{
	struct ep peer = rig_client(client);
	uint32_t n = bal_tcp_accept(t->rig.b, t->rig.now_ns, &peer, &t->front, 0);

	if (n != 0) {
		MUST(trig_at(t, n)->state == TRIG_NONE);
		*trig_at(t, n) = (struct trig_conn){ .state = TRIG_CLIENT, .number = n };
	}
	return n;
}

/* A query of a client over conn, in buf. */
static inline struct dgram trig_query(uint8_t *buf, uint32_t conn, unsigned client, uint16_t id,
                                      const char *name)
{
	struct dgram d = rig_query(buf, client, id, name, false);

	d.proto = DGRAM_TCP;
	d.conn = conn;
	return d;
}

/* Asks and polls. */
static inline enum bal_verdict trig_ask(struct trig *t, uint32_t conn, uint16_t id,
                                        const char *name)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d = trig_query(buf, conn, 0, id, name);
	enum bal_verdict v = rig_rx(&t->rig, &d);

	trig_poll(t);
	return v;
}

/* The connection to a server at place i that is in a state, from place `from` on; NULL: none. */
static inline struct trig_conn *trig_find(struct trig *t, enum trig_state state, unsigned from)
{
	for (unsigned i = from; i < TRIG_CONNS; i++)
		if (t->conn[i].state == state)
			return &t->conn[i];
	return NULL;
}

static inline void trig_connect(struct trig *t, struct trig_conn *c)
{
	c->state = TRIG_OPEN;
	bal_tcp_connected(t->rig.b, t->rig.now_ns, c->number);
	trig_poll(t);
}

/* The server closes, or refuses, the connection; the client resets it. */
static inline void trig_close(struct trig *t, struct trig_conn *c)
{
	c->state = TRIG_NONE;
	bal_tcp_closed(t->rig.b, t->rig.now_ns, c->number);
	trig_poll(t);
}

/* The server answers its message i; *d is what became of it, in buf. */
static inline enum bal_verdict trig_answer(struct trig *t, struct trig_conn *c, unsigned i,
                                           unsigned rcode, uint8_t *buf, struct dgram *d)
{
	struct trig_message *m = &c->sent[i];

	MUST(i < c->sent_n);
	memcpy(buf, m->data, m->len);
	*d = (struct dgram){ .data = buf, .len = m->len, .cap = RIG_BYTES, .proto = DGRAM_TCP,
	                     .port = (uint16_t)(c->server + 1), .conn = c->number,
	                     .peer = t->rig.server[c->server].addr };
	rig_turn(d, rcode);
	memmove(m, m + 1, (c->sent_n - i - 1) * sizeof(*m));
	c->sent_n--;
	enum bal_verdict v = rig_rx(&t->rig, d);
	return v;
}

#endif
