/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP: a client that was told to come over TCP opens a connection. A stream is modelled by
 * connection and message. Nobody whom clients ask listens on TCP yet, so what there is of a
 * connection is its SYN, again after a second, two, four when nothing comes back, and the RST with
 * which a kernel refuses it; a client learns that at once and tries on as its load says.
 */
#include "world.h"

#include <stdlib.h>

enum { SYN = 2, RST = 4, ACK = 16, PORT_LEAST = 56000, PORTS = 9000, RETRIES = 6 };

struct connection {
	unsigned load;
	uint32_t number;    /* the load core's */
	struct ep client, server;
	uint32_t seq;
	int64_t until_ns;   /* its try's deadline */
	unsigned tries;     /* SYNs sent */
	bool open;          /* neither refused nor given up */
};

struct tcp_world {
	struct connection *conn;
	size_t n, cap;
	struct drbg random; /* sequence numbers and ports */
};

static struct tcp_world *tcp_of(struct world *w)
{
	uint8_t seed[DRBG_SEED];

	if (w->tcp != NULL)
		return w->tcp;
	w->tcp = calloc(1, sizeof(*w->tcp));
	MUST(w->tcp != NULL);
	plan_seed(w->plan, seed);
	drbg_init(&w->tcp->random, seed, DRBG_PORTS, UINT32_MAX);
	return w->tcp;
}

void tcp_free_all(struct world *w)
{
	if (w->tcp != NULL)
		free(w->tcp->conn);
	free(w->tcp);
}

static void send_segment(struct world *w, struct host *h, const struct frame *f, uint32_t conn,
                         int64_t t_ns)
{
	uint32_t i = slot_take(w);

	w->slot[i].f = *f;
	w->slot[i].f.kind = FRAME_TCP;
	w->slot[i].f.payload = w->data[i];
	w->slot[i].conn = conn;
	host_send(w, h, i, t_ns);
}

static void send_syn(struct world *w, uint32_t i, int64_t t_ns)
{
	struct connection *c = &w->tcp->conn[i];
	struct frame f = { .src = c->client, .dst = c->server, .tcp_seq = c->seq,
	                   .tcp_flags = SYN };

	send_segment(w, &w->host[w->load[c->load].host], &f, i, t_ns);
	world_push(w, t_ns + (MODEL_SYN_RETRY << c->tries), EVENT_TCP, i);
	c->tries++;
}

/* How many connections a run may open in all; their memory is kept to the end. */
enum { CONNECTIONS_MAX = 1 << 24 };

void tcp_connect(struct world *w, unsigned load, const struct dgram *d)
{
	struct tcp_world *t = tcp_of(w);

	if (t->n == t->cap) {
		t->cap = t->cap * 2 + 64;
		t->conn = realloc(t->conn, t->cap * sizeof(*t->conn));
		MUST(t->conn != NULL);
	}
	if (t->n == CONNECTIONS_MAX) {
		world_trouble(w, "more than %d TCP connections", CONNECTIONS_MAX);
		return;
	}
	t->conn[t->n] = (struct connection){
		.load = load, .number = d->conn, .server = d->peer,
		.client = { d->local.ip, (uint16_t)(PORT_LEAST + drbg_below(&t->random, PORTS)) },
		.seq = drbg_u32(&t->random), .open = true,
		.until_ns = d->t_ns + w->plan->load[load].timeout_ns,
	};
	send_syn(w, (uint32_t)t->n++, w->now_ns + MODEL_SEND);
}

/* Nothing has come back to the last SYN. */
void tcp_retry(struct world *w, uint32_t i)
{
	struct connection *c = &w->tcp->conn[i];

	if (!c->open)
		return;
	if (w->now_ns >= c->until_ns || c->tries > RETRIES)
		c->open = false; /* its try has timed out by itself */
	else
		send_syn(w, i, w->now_ns);
}

void tcp_segment_arrives(struct world *w, struct host *h, uint32_t slot)
{
	const struct slot *s = &w->slot[slot];
	struct connection *c = &w->tcp->conn[s->conn];
	struct frame back = { .src = s->f.dst, .dst = s->f.src, .tcp_ack = s->f.tcp_seq + 1,
	                      .tcp_flags = RST | ACK };

	if (h->role != PLAN_CLIENTS && h->state != HOST_ENDED) {
		send_segment(w, h, &back, s->conn, w->now_ns + MODEL_KERNEL);
	} else if (h->role == PLAN_CLIENTS && c->open) {
		c->open = false;
		load_tcp_failed(w->load[c->load].load, w->now_ns, c->number);
		clients_arm(w, c->load);
	}
	slot_give(w, slot);
}
