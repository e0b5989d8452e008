/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A recursor program in virtual time: what recursor-stub/shell is in real time. One worker. Its
 * caches have room for all that can be asked and not for what recursor.conf allows beyond, so that
 * a run touches as little memory as it can: each bucket that is looked at is a page at first.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "sim/plan/answers.h"

enum { PLACES_LEAST = 1024 }; /* in a cache, besides one for each thing that can be asked */

int stub_read(struct host *h, const struct plan_node *n, char error[VIRTUAL_ERROR_TEXT])
{
	struct settings s;
	int err;

	h->rec = calloc(1, sizeof(*h->rec));
	MUST(h->rec != NULL);
	h->rec->conf = malloc(sizeof(*h->rec->conf));
	MUST(h->rec->conf != NULL);
	settings_init(&s);
	err = settings_file(&s, n->config_path);
	if (err == 0)
		err = conf_read(h->rec->conf, &s);
	if (err == 0 && h->rec->conf->answers[0] != '\0')
		err = settings_fail(&s, SET_STUB_ANSWERS, "expected recursors = { answers = ... } "
		                    "in the scenario");
	if (err < 0)
		snprintf(error, VIRTUAL_ERROR_TEXT, "%s", s.error);
	else
		h->rec->conf->miss = n->miss;
	settings_fini(&s);
	return err;
}

/* Names and types that the plan's loads can ask. */
static double askable(const struct plan *p)
{
	double n = 0;

	for (unsigned i = 0; i < p->load_n; i++) {
		const struct plan_load *l = &p->load[i];
		double names = l->name_n;
		if (l->names == PLAN_UNIQUE)
			names = (double)l->rate_mqps / 1e12 * (double)(l->to_ns - l->from_ns) * 2;
		if (l->replay_n > 0) /* each may be a question of its own */
			names = (double)l->replay->query_n;
		n += names * l->type_n;
	}
	return n;
}

static void bound_caches(struct rec_conf *c, const struct plan *p)
{
	double n = askable(p) + PLACES_LEAST;

	if (n < c->packetcache_entries)
		c->packetcache_entries = (uint32_t)n;
	if (n < c->cache_entries)
		c->cache_entries = (uint32_t)n;
}

void stub_free(struct host *h)
{
	if (h->rec == NULL)
		return;
	free(h->rec->conf);
	free(h->rec);
}

int stub_start(struct world *w, struct host *h)
{
	struct recursor_host *r = h->rec;
	struct rec_conf *c = &r->conf->rec;
	uint8_t seed[DRBG_SEED];

	c->book = plan_book(w->plan);
	c->book_delays = c->book != NULL && w->plan->answers->delays;
	bound_caches(c, w->plan);
	if (w->o->sabotage != NULL && w->o->sabotage->stub != NULL)
		w->o->sabotage->stub(w->o->sabotage->arg, h->node, c);
	size_t size = dist_arena_size(&r->conf->miss) + rec_shared_arena_size(c) +
	              rec_arena_size(c);
	int err = host_arena(&h->arena, size);

	if (err < 0)
		return err;
	world_node_seed(w, h->node, h->generation, seed);
	dist_init(&r->miss, &r->conf->miss, &h->arena);
	c->miss = &r->miss;
	r->shared = rec_shared_init(&h->arena, c, seed);
	r->rec = rec_init(&h->arena, c, r->shared, seed, 0);
	arena_seal(&h->arena);
	return 0;
}

int stub_port(const struct host *h, const struct ep *dst)
{
	const struct stub_conf *c = h->rec->conf;

	for (unsigned i = 0; i < c->listen_n; i++)
		if (c->listen[i].port == dst->port &&
		    ip_is4(&c->listen[i].ip) == ip_is4(&dst->ip) &&
		    (ip_is_any(&c->listen[i].ip) || ip_eq(&c->listen[i].ip, &dst->ip)))
			return (int)i;
	return -1;
}

static void send_answer(struct world *w, struct host *h, uint32_t i, const struct dgram *d,
                        int64_t done_ns)
{
	const struct virtual_sabotage *s = w->o->sabotage;
	struct frame *f = &w->slot[i].f;

	if (s != NULL && s->answered != NULL && s->answered(s->arg, h->node, d)) {
		slot_give(w, i);
		return;
	}
	f->src = d->local;
	f->dst = d->peer;
	f->payload_len = d->len;
	host_send(w, h, i, done_ns);
}

void stub_datagram(struct world *w, struct host *h, uint32_t i, int port, int64_t done_ns)
{
	const struct frame *f = &w->slot[i].f;
	struct dgram d = {
		.data = w->data[i], .t_ns = w->now_ns, .peer = f->src, .local = f->dst,
		.len = (uint16_t)f->payload_len, .cap = SLOT_BYTES, .port = (uint16_t)port,
	};

	rec_rx(h->rec->rec, w->now_ns, &d, 1);
	if (rec_verdict_sends((enum rec_verdict)d.verdict))
		send_answer(w, h, i, &d, done_ns);
	else
		slot_give(w, i);
}

/* Misses that are over: one wake-up, then one after the other. */
void stub_wake(struct world *w, struct host *h)
{
	int64_t done_ns = w->now_ns + host_wake_ns(h, WAKE_TIMER);

	while (rec_deadline(h->rec->rec) <= w->now_ns && w->trouble[0] == '\0') {
		struct dgram d = { .data = w->tcp_out, .cap = UINT16_MAX };
		if (rec_poll(h->rec->rec, w->now_ns, &d, 1) == 0)
			break;
		done_ns += MODEL_RECURSOR_PACKET;
		if (d.proto == DGRAM_TCP) {
			tcp_stub_answer(w, &d, done_ns);
			h->busy_ns = done_ns;
			continue;
		}
		uint32_t i = slot_take(w);
		MUST(d.len <= SLOT_BYTES);
		memcpy(w->data[i], d.data, d.len);
		w->slot[i].f = (struct frame){ .kind = FRAME_UDP, .payload = w->data[i] };
		send_answer(w, h, i, &d, done_ns);
		h->busy_ns = done_ns;
	}
	host_serve_soon(w, h);
}
