/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A balancer program in virtual time: what balancer/shell is in real time, around the same two
 * cores. One worker. Its sockets to the servers have ports in a row; each health check has a port
 * of its own, and its answer doesn't wait for the worker.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { PORT_LEAST = 32768, PORTS = 16384, PROBE_LEAST = 49152, PROBE_PORTS = 12288, POLL = 16 };

int lb_read(struct host *h, const struct plan_node *n, char error[VIRTUAL_ERROR_TEXT])
{
	char why[CONFIG_ERROR_TEXT] = "";
	struct balancer_host *lb = calloc(1, sizeof(*lb));

	MUST(lb != NULL);
	h->lb = lb;
	lb->health_armed_ns = INT64_MAX;
	lb->config = config_load(n->config_path, NULL, why);
	if (lb->config == NULL) {
		snprintf(error, VIRTUAL_ERROR_TEXT, "%.1000s", why);
		return -1;
	}
	lb->conf = lb->config->conf;
	lb->answered = calloc(lb->conf.server_n + 1, sizeof(*lb->answered));
	lb->stream = calloc(lb->conf.tcp.conns, sizeof(*lb->stream));
	MUST(lb->answered != NULL && lb->stream != NULL);
	for (unsigned i = 0; i < lb->conf.server_n; i++)
		lb->unanswered_n += lb->conf.server[i].check.mode == BAL_CHECK_AUTO;
	return 0;
}

void lb_free(struct host *h)
{
	if (h->lb == NULL)
		return;
	if (h->lb->config != NULL && h->lb->conf.server != h->lb->config->conf.server)
		free((void *)(uintptr_t)h->lb->conf.server); /* sabotage's copy */
	config_free(h->lb->config);
	free(h->lb->answered);
	free(h->lb->stream);
	free(h->lb->probe);
	free(h->lb);
}

/* Tests only: a configuration that isn't the one that was written. */
static void sabotage_conf(const struct world *w, struct host *h)
{
	const struct virtual_sabotage *s = w->o->sabotage;
	struct balancer_host *lb = h->lb;
	size_t bytes = lb->conf.server_n * sizeof(struct bal_server);

	if (s == NULL || s->conf == NULL || lb->conf.server != lb->config->conf.server)
		return;
	struct bal_server *copy = malloc(bytes + 1);
	MUST(copy != NULL);
	memcpy(copy, lb->conf.server, bytes);
	lb->conf.server = copy;
	s->conf(s->arg, h->node, &lb->conf, copy);
}

int lb_start(struct world *w, struct host *h)
{
	struct balancer_host *lb = h->lb;
	uint8_t seed[DRBG_SEED];

	sabotage_conf(w, h);
	const struct bal_conf *c = &lb->conf;
	size_t size = bal_shared_arena_size(c) + bal_shared_cache_arena_size(c) +
	              bal_arena_size(c) + health_arena_size(c);
	int err = host_arena(&h->arena, size);
	if (err < 0)
		return err;
	world_node_seed(w, h->node, h->generation, seed);
	if (w->o->sabotage != NULL && w->o->sabotage->seed != NULL)
		w->o->sabotage->seed(w->o->sabotage->arg, h->node, seed);
	lb->shared = bal_shared_init(&h->arena, c);
	bal_shared_cache_init(lb->shared, &h->arena, c, seed);
	lb->bal = bal_init(&h->arena, c, lb->shared, seed, 0);
	lb->health = health_init(&h->arena, c, lb->shared, seed, w->now_ns);
	arena_seal(&h->arena);
	lb->back_n = bal_ports(c) - 1;
	lb->back_base = (uint16_t)(PORT_LEAST + drbg_below(&h->ports, PORTS - lb->back_n % PORTS));
	lb->probe_n = 0;
	lb->serves = false;
	lb->health_armed_ns = INT64_MAX;
	lb_health(w, h);
	return 0;
}

static bool is_front(const struct bal_conf *c, const struct ep *dst)
{
	for (unsigned i = 0; i < c->front_n; i++)
		if (c->front[i].port == dst->port &&
		    ip_is4(&c->front[i].ip) == ip_is4(&dst->ip) &&
		    (ip_is_any(&c->front[i].ip) || ip_eq(&c->front[i].ip, &dst->ip)))
			return true;
	return false;
}

static struct probe_socket *find_probe(struct balancer_host *lb, uint16_t port)
{
	for (unsigned i = 0; i < lb->probe_n; i++)
		if (lb->probe[i].port == port)
			return &lb->probe[i];
	return NULL;
}

int lb_port(const struct host *h, const struct ep *dst)
{
	const struct balancer_host *lb = h->lb;

	if (dst->port >= lb->back_base && dst->port < lb->back_base + lb->back_n)
		return 1 + dst->port - lb->back_base;
	if (dst->port >= PROBE_LEAST)
		return find_probe(h->lb, dst->port) != NULL ? -2 : -1;
	return is_front(&lb->conf, dst) ? 0 : -1;
}

/* Tests only: the same frame in another slot. */
static void send_again(struct world *w, struct host *h, uint32_t i, int64_t done_ns)
{
	uint32_t k = slot_take(w);

	memcpy(w->data[k], w->data[i], w->slot[i].f.payload_len);
	w->slot[k].f = w->slot[i].f;
	w->slot[k].f.payload = w->data[k];
	host_send(w, h, k, done_ns);
}

/* Tests only: what is done on purpose to the datagram that is about to be sent. */
static struct sabotage_fate sabotage_sent(const struct world *w, struct host *h, struct dgram *d)
{
	const struct virtual_sabotage *s = w->o->sabotage;

	if (s == NULL || s->sent == NULL)
		return (struct sabotage_fate){ 0 };
	return s->sent(s->arg, h->node, &h->lb->conf, h->lb->shared, d);
}

void lb_send_late(struct world *w, uint32_t i)
{
	struct host *h = &w->host[w->slot[i].from];

	host_send(w, h, i, h->busy_ns > w->now_ns ? h->busy_ns : w->now_ns);
}

/* The datagram that is now in slot i's data, d, leaves at done_ns. */
static void send_judged(struct world *w, struct host *h, uint32_t i, struct dgram *d,
                        int64_t done_ns)
{
	struct sabotage_fate fate = sabotage_sent(w, h, d);
	struct frame *f = &w->slot[i].f;

	f->src = d->local;
	if (d->port != 0) {
		f->src.ip = host_own_ip(h, &d->peer.ip);
		f->src.port = (uint16_t)(h->lb->back_base + d->port - 1);
	}
	f->dst = d->peer;
	f->payload_len = d->len;
	if (fate.twice && !fate.lost)
		send_again(w, h, i, done_ns);
	if (fate.lost) {
		slot_give(w, i);
	} else if (fate.late_ns > 0) {
		w->slot[i].from = (uint16_t)h->node;
		world_push(w, done_ns + fate.late_ns, EVENT_LATE, i);
	} else {
		host_send(w, h, i, done_ns);
	}
}

void lb_answer(struct world *w, struct host *h, const struct dgram *d, int64_t done_ns)
{
	uint32_t i = slot_take(w);
	struct dgram out = *d;

	MUST(d->len <= SLOT_BYTES);
	memcpy(w->data[i], d->data, d->len);
	out.data = w->data[i];
	out.cap = SLOT_BYTES;
	w->slot[i].f = (struct frame){ .kind = FRAME_UDP, .payload = w->data[i] };
	send_judged(w, h, i, &out, done_ns);
}

void lb_datagram(struct world *w, struct host *h, uint32_t i, int port, int64_t done_ns)
{
	struct frame *f = &w->slot[i].f;
	struct dgram d = {
		.data = w->data[i], .t_ns = w->now_ns, .peer = f->src, .local = f->dst,
		.len = (uint16_t)f->payload_len, .cap = SLOT_BYTES, .port = (uint16_t)port,
	};

	/* A connected socket takes nothing from anybody else. */
	if (port > 0 && !ep_eq(&f->src, &h->lb->conf.server[bal_port_server(h->lb->bal,
	                                                    (unsigned)port)].addr)) {
		slot_give(w, i);
		return;
	}
	if (w->o->sabotage != NULL && w->o->sabotage->received != NULL)
		w->o->sabotage->received(w->o->sabotage->arg, h->node, &d);
	bal_rx(h->lb->bal, w->now_ns, &d, 1);
	if (bal_verdict_sends(d.verdict))
		send_judged(w, h, i, &d, done_ns);
	else
		slot_give(w, i);
}

void lb_wake(struct world *w, struct host *h)
{
	uint32_t i = slot_take(w);
	struct dgram d = { .data = w->data[i], .cap = SLOT_BYTES };

	if (bal_poll(h->lb->bal, w->now_ns, &d, 1) == 1) {
		w->slot[i].f = (struct frame){ .kind = FRAME_UDP, .payload = w->data[i] };
		send_judged(w, h, i, &d, w->now_ns + MODEL_BALANCER_PACKET);
	} else {
		slot_give(w, i);
	}
	tcp_lb_orders(w, h, w->now_ns + MODEL_BALANCER_PACKET);
}

/* ---- health checks ---- */

void lb_health_arm(struct world *w, struct host *h)
{
	int64_t t = health_deadline(h->lb->health);

	t = t > w->now_ns ? t : w->now_ns;
	if (t >= h->lb->health_armed_ns)
		return;
	h->lb->health_armed_ns = t;
	world_push(w, t, EVENT_HEALTH, h->node);
}

static void close_ended(struct world *w, struct balancer_host *lb)
{
	for (unsigned i = lb->probe_n; i-- > 0;) {
		const struct probe_socket *p = &lb->probe[i];
		if (health_waits(lb->health, p->server, p->conn))
			continue;
		uint32_t stream = p->stream;
		lb->probe[i] = lb->probe[--lb->probe_n];
		if (stream != 0)
			tcp_probe_close(w, stream);
	}
}

static bool any_up(const struct balancer_host *lb)
{
	for (unsigned i = 0; i < lb->conf.server_n; i++)
		if (bal_shared_up(lb->shared, i))
			return true;
	return false;
}

/* After the health core had something to do: sockets close, clients are served at last. */
static void settle(struct world *w, struct host *h)
{
	struct balancer_host *lb = h->lb;
	struct health_change c;

	close_ended(w, lb);
	while (health_next_change(lb->health, &c))
		fault_marked(w, h, c.server, c.up);
	if (!lb->serves && (health_ready(lb->health) || any_up(lb))) {
		lb->serves = true;
		host_serve_soon(w, h);
	}
	program_ready(w, h);
	lb_health_arm(w, h);
}

static uint16_t fresh_port(struct host *h)
{
	uint16_t port;

	do
		port = (uint16_t)(PROBE_LEAST + drbg_below(&h->ports, PROBE_PORTS));
	while (find_probe(h->lb, port) != NULL);
	return port;
}

static void send_probe(struct world *w, struct host *h, uint32_t i, const struct dgram *d)
{
	struct balancer_host *lb = h->lb;
	const int64_t leaves_ns = w->now_ns + MODEL_BALANCER_PACKET;
	struct probe_socket p = { .server = (uint16_t)(d->port - 1), .conn = d->conn };

	if (lb->probe_n == lb->probe_cap) {
		lb->probe_cap = lb->probe_cap * 2 + 8;
		lb->probe = realloc(lb->probe, lb->probe_cap * sizeof(*lb->probe));
		MUST(lb->probe != NULL);
	}
	if (d->proto == DGRAM_TCP)
		p.stream = tcp_probe(w, h, d, leaves_ns);
	else
		p.port = fresh_port(h);
	lb->probe[lb->probe_n++] = p;
	if (d->proto == DGRAM_TCP) {
		slot_give(w, i);
		return;
	}
	w->slot[i].f = (struct frame){
		.kind = FRAME_UDP, .src = { host_own_ip(h, &d->peer.ip), p.port }, .dst = d->peer,
		.payload = w->data[i], .payload_len = d->len,
	};
	host_send(w, h, i, leaves_ns);
}

void lb_health(struct world *w, struct host *h)
{
	struct balancer_host *lb = h->lb;
	unsigned n;

	if (h->state != HOST_RUNS || (lb->health_armed_ns != INT64_MAX &&
	                              lb->health_armed_ns != w->now_ns))
		return;
	lb->health_armed_ns = INT64_MAX;
	do {
		uint32_t i = slot_take(w);
		struct dgram d = { .data = w->data[i], .cap = SLOT_BYTES };
		n = health_poll(lb->health, w->now_ns, &d, 1);
		if (n == 1)
			send_probe(w, h, i, &d);
		else
			slot_give(w, i);
	} while (n == 1 && w->trouble[0] == '\0');
	settle(w, h);
}

static void note_answered(struct balancer_host *lb, unsigned server)
{
	if (lb->answered[server] || lb->conf.server[server].check.mode != BAL_CHECK_AUTO)
		return;
	lb->answered[server] = true;
	lb->unanswered_n--;
}

void lb_probe_over(struct world *w, struct host *h, unsigned server, uint32_t conn, uint8_t *m,
                   uint16_t len)
{
	struct balancer_host *lb = h->lb;
	struct dgram d = {
		.data = m, .t_ns = w->now_ns, .peer = lb->conf.server[server].addr, .len = len,
		.cap = len, .port = (uint16_t)(1 + server), .conn = conn, .proto = DGRAM_TCP,
	};

	if (m == NULL) {
		health_refused(lb->health, w->now_ns, server, conn);
	} else {
		health_rx(lb->health, w->now_ns, &d, 1);
		note_answered(lb, server);
	}
	settle(w, h);
}

void lb_probe_answer(struct world *w, struct host *h, uint32_t i)
{
	struct balancer_host *lb = h->lb;
	struct frame *f = &w->slot[i].f;
	const struct probe_socket *p = find_probe(lb, f->dst.port);

	if (p != NULL && ep_eq(&f->src, &lb->conf.server[p->server].addr)) {
		unsigned server = p->server;
		struct dgram d = {
			.data = w->data[i], .t_ns = w->now_ns, .peer = f->src, .local = f->dst,
			.len = (uint16_t)f->payload_len, .cap = SLOT_BYTES,
			.port = (uint16_t)(1 + server), .conn = p->conn,
		};
		health_rx(lb->health, w->now_ns, &d, 1);
		note_answered(lb, server);
		settle(w, h);
	}
	slot_give(w, i);
}

void lb_refused(struct world *w, struct host *h, const struct ep *own, const struct ep *peer)
{
	const struct probe_socket *p = find_probe(h->lb, own->port);

	if (p == NULL || !ep_eq(peer, &h->lb->conf.server[p->server].addr))
		return;
	health_refused(h->lb->health, w->now_ns, p->server, p->conn);
	settle(w, h);
}
