/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients in virtual time: what sim/load/shell is in real time. They are no part of what is
 * tested, so their hosts have all the time and room they need; a query leaves a fixed time after
 * its planned one.
 */
#include "world.h"

enum { BASE_LEAST = 40000, BASES = 1000 };

void clients_arm(struct world *w, unsigned load)
{
	struct client_load *l = &w->load[load];
	int64_t t = load_deadline(l->load);

	t = t > w->now_ns ? t : w->now_ns;
	if (t >= l->armed_ns)
		return;
	l->armed_ns = t;
	world_push(w, t, EVENT_LOAD, load);
}

int clients_start(struct world *w)
{
	const struct virtual_sabotage *s = w->o->sabotage;
	const struct plan *p = w->plan;
	int err = 0;

	if (s != NULL && s->clients != NULL)
		p = s->clients(s->arg, p);
	for (unsigned i = 0; i < p->load_n && err == 0; i++) {
		struct client_load *l = &w->load[i];
		l->host = (unsigned)p->load[i].node;
		l->armed_ns = INT64_MAX;
		l->base = (uint16_t)(BASE_LEAST + LOAD_SOCKETS *
		                     ((drbg_below(&w->host[l->host].ports, BASES) + i) % BASES));
		err = host_arena(&l->arena, load_arena_size(p, i));
		if (err < 0)
			return err;
		l->load = load_init(&l->arena, p, i, w->t0_ns);
		arena_seal(&l->arena);
		clients_arm(w, i);
	}
	return err;
}

void clients_free(struct world *w)
{
	for (unsigned i = 0; i < w->plan->load_n; i++)
		host_arena_free(&w->load[i].arena);
}

bool clients_done(const struct world *w)
{
	for (unsigned i = 0; i < w->plan->load_n; i++)
		if (!load_done(w->load[i].load))
			return false;
	return true;
}

void clients_datagram(struct world *w, struct host *h, uint32_t slot)
{
	const struct frame *f = &w->slot[slot].f;
	unsigned i = 0;

	for (; i < w->plan->load_n && w->t0_ns != 0; i++)
		if (w->load[i].host == h->node && f->dst.port >= w->load[i].base &&
		    f->dst.port < w->load[i].base + LOAD_SOCKETS)
			break;
	if (f->kind == FRAME_UDP && i < w->plan->load_n && w->t0_ns != 0) {
		struct dgram d = {
			.data = w->data[slot], .t_ns = w->now_ns, .peer = f->src,
			.local = { .ip = f->dst.ip }, .len = (uint16_t)f->payload_len,
			.cap = SLOT_BYTES, .port = (uint16_t)(f->dst.port - w->load[i].base),
		};
		load_rx(w->load[i].load, w->now_ns, &d, 1);
		clients_arm(w, i); /* a truncated answer makes work at once */
	}
	slot_give(w, slot);
}

static void send_query(struct world *w, struct client_load *l, uint32_t i, const struct dgram *d)
{
	w->slot[i].f = (struct frame){
		.kind = FRAME_UDP,
		.src = { d->local.ip, (uint16_t)(l->base + d->port) }, .dst = d->peer,
		.payload = w->data[i], .payload_len = d->len,
	};
	host_send(w, &w->host[l->host], i, w->now_ns + host_lag_ns(w));
}

void clients_wake(struct world *w, unsigned load)
{
	struct client_load *l = &w->load[load];

	l->armed_ns = INT64_MAX;
	while (load_deadline(l->load) <= w->now_ns && w->trouble[0] == '\0') {
		uint32_t i = slot_take(w);
		struct dgram d = { .data = w->data[i], .cap = SLOT_BYTES };
		if (load_poll(l->load, w->now_ns, &d, 1) == 0) {
			slot_give(w, i);
			continue;
		}
		if (d.proto == DGRAM_UDP) {
			send_query(w, l, i, &d);
		} else {
			slot_give(w, i);
			tcp_connect(w, load, &d);
		}
	}
	clients_arm(w, load);
}
