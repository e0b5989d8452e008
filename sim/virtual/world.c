/* SPDX-License-Identifier: BSD-3-Clause */
/* The world's memory: its queue, its slots, its hosts; see world.h. */
#include "invariant.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/net/fault.h"

enum { KIND_SHIFT = 56 };
static const int64_t BEGIN_NS = 1000000000; /* so that nothing happens at 0, which means never */

void world_push(struct world *w, int64_t t_ns, enum event_kind kind, uint64_t what)
{
	if (w->top_taken) {
		heap_replace(&w->queue, t_ns, (uint64_t)kind << KIND_SHIFT | what);
		w->top_taken = false;
		return;
	}
	if (!heap_push(&w->queue, t_ns, (uint64_t)kind << KIND_SHIFT | what))
		world_trouble(w, "more than %zu events are to come", w->queue.cap);
}

void world_trouble(struct world *w, const char *format, ...)
{
	va_list ap;

	if (w->trouble[0] != '\0')
		return;
	va_start(ap, format);
	vsnprintf(w->trouble, sizeof(w->trouble), format, ap);
	va_end(ap);
}

void world_node_seed(const struct world *w, unsigned node, uint32_t generation,
                     uint8_t out[DRBG_SEED])
{
	uint8_t seed[DRBG_SEED];
	struct drbg r;

	plan_seed(w->plan, seed);
	drbg_init(&r, seed, DRBG_NODE, generation << 16 | node);
	drbg_bytes(&r, out, DRBG_SEED);
}

uint32_t slot_take(struct world *w)
{
	uint32_t i = w->slot_free;

	if (i != NO_SLOT) {
		w->slot_free = w->slot[i].next;
	} else if (w->slot_fresh < SLOTS_MAX) {
		i = w->slot_fresh++;
	} else {
		world_trouble(w, "more than %d frames are under way", SLOTS_MAX - 1);
		return SLOTS_MAX - 1;
	}
	w->slot_used++;
	w->slot[i].next = NO_SLOT;
	w->slot[i].lost = false;
	w->slot[i].question_n = 0;
	return i;
}

void slot_give(struct world *w, uint32_t i)
{
	w->slot[i].next = w->slot_free;
	w->slot_free = i;
	w->slot_used--;
}

void fifo_init(struct fifo *f)
{
	*f = (struct fifo){ NO_SLOT, NO_SLOT, 0 };
}

void fifo_put(struct world *w, struct fifo *f, uint32_t i)
{
	w->slot[i].next = NO_SLOT;
	if (f->first == NO_SLOT)
		f->first = i;
	else
		w->slot[f->last].next = i;
	f->last = i;
	f->n++;
}

uint32_t fifo_get(struct world *w, struct fifo *f)
{
	uint32_t i = f->first;

	MUST(i != NO_SLOT);
	f->first = w->slot[i].next;
	f->n--;
	return i;
}

static int take_memory(struct world *w)
{
	const struct plan *p = w->plan;
	size_t events = SLOTS_MAX + 16u * p->node_n + p->load_n + 2 * p->fault_n;
	size_t size = arena_need(events, sizeof(struct heap_item)) +
	              links_arena_size(p->node_n, 0) + arena_need(SLOTS_MAX, sizeof(*w->slot)) +
	              arena_need(SLOTS_MAX, sizeof(*w->data));
	uint8_t seed[DRBG_SEED];
	int err = host_arena(&w->arena, size);

	if (err < 0)
		return err;
	plan_seed(p, seed);
	heap_init(&w->queue, arena_take(&w->arena, events, sizeof(struct heap_item)), events);
	w->links = links_init(&w->arena, seed, p->node_n, 0);
	w->slot = arena_take(&w->arena, SLOTS_MAX, sizeof(*w->slot));
	w->data = arena_take(&w->arena, SLOTS_MAX, sizeof(*w->data));
	w->slot_free = NO_SLOT;
	w->host = calloc(p->node_n, sizeof(*w->host));
	w->load = calloc(p->load_n, sizeof(*w->load));
	w->fault = calloc(p->fault_n + 1, sizeof(*w->fault));
	w->whens = whens_new(p);
	MUST(w->host != NULL && w->load != NULL && w->fault != NULL);
	return 0;
}

static void init_host(struct world *w, unsigned i)
{
	const struct plan_node *n = &w->plan->node[i];
	struct link_set set = fault_link_planned(&n->link);
	struct host *h = &w->host[i];
	uint8_t seed[DRBG_SEED];

	h->node = i;
	h->role = n->role;
	host_days(h, w->plan, w->day);
	h->armed_ns = INT64_MAX;
	h->icmp.at_ns = INT64_MIN / 2;
	fifo_init(&h->sockets);
	fifo_init(&h->leaving);
	plan_seed(w->plan, seed);
	drbg_init(&h->ports, seed, DRBG_PORTS, i);
	drbg_init(&h->wakes, seed, DRBG_WAKES, i);
	for (unsigned a = n->addr_n; a-- > 0;)
		*(ip_is4(&n->addr[a]) ? &h->own4 : &h->own6) = n->addr[a];
	links_set(w->links, i, LINK_OUT, &set);
	links_set(w->links, i, LINK_IN, &set);
}

static int read_programs(struct world *w, char error[VIRTUAL_ERROR_TEXT])
{
	int err = 0;

	for (unsigned i = 0; i < w->plan->node_n && err == 0; i++) {
		if (w->host[i].role == PLAN_BALANCER)
			err = lb_read(&w->host[i], &w->plan->node[i], error);
		if (w->host[i].role == PLAN_RECURSOR)
			err = stub_read(&w->host[i], &w->plan->node[i], error);
	}
	return err;
}

static int64_t draw_day(const struct plan *p)
{
	uint8_t seed[DRBG_SEED];
	struct drbg r;

	if (p->wake_ns > 0)
		return MODEL_DAY_WORK + MODEL_DAY_LAG * p->wake_ns / MODEL_SEND;
	plan_seed(p, seed);
	drbg_init(&r, seed, DRBG_WAKES, UINT32_MAX);
	return MODEL_DAY_LEAST +
	       (int64_t)drbg_below(&r, (uint64_t)(MODEL_DAY_MOST - MODEL_DAY_LEAST + 1));
}

int world_init(struct world *w, const struct plan *p, const struct virtual_options *o,
               char error[VIRTUAL_ERROR_TEXT])
{
	*w = (struct world){ .plan = p, .o = o, .begin_ns = BEGIN_NS, .now_ns = BEGIN_NS };
	w->early_end = &w->early;
	int err = take_memory(w);

	if (err < 0) {
		snprintf(error, VIRTUAL_ERROR_TEXT, "no memory for the links: %s", strerror(-err));
		return err;
	}
	w->day = draw_day(p);
	routes_init(&w->routes, p);
	for (unsigned i = 0; i < p->node_n; i++)
		init_host(w, i);
	if (o->invariants)
		invariant_init(w);
	err = read_programs(w, error);
	return err == 0 ? tap_open(w, error) : err;
}

void world_fini(struct world *w)
{
	tap_free(w);
	tcp_free_all(w);
	invariant_free(w);
	for (unsigned i = 0; w->host != NULL && i < w->plan->node_n; i++) {
		lb_free(&w->host[i]);
		stub_free(&w->host[i]);
		host_arena_free(&w->host[i].arena);
		table_free(&w->host[i].peers);
		free(w->host[i].peer);
	}
	if (w->load != NULL)
		clients_free(w);
	free(w->host);
	free(w->load);
	free(w->fault);
	whens_free(w->whens);
	routes_fini(&w->routes);
	host_arena_free(&w->arena);
}
