/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting queries: a heap by time over places that are chained by question; see wait.h. */
#include "wait.h"

#include <string.h>

#include "lib/must.h"

static uint32_t buckets(uint32_t cap)
{
	uint32_t n = 1;

	while (n < cap)
		n *= 2;
	return n;
}

size_t wait_arena_size(uint32_t cap)
{
	return arena_need(cap, sizeof(struct waiter)) + arena_need(buckets(cap), sizeof(uint32_t)) +
	       arena_need(cap, sizeof(struct heap_item));
}

void wait_init(struct wait *w, uint32_t cap, struct arena *a)
{
	MUST(cap >= 1 && cap <= 65536);
	*w = (struct wait){ .cap = cap, .mask = buckets(cap) - 1 };
	w->waiter = arena_take(a, cap, sizeof(*w->waiter));
	w->bucket = arena_take(a, w->mask + 1, sizeof(*w->bucket));
	heap_init(&w->heap, arena_take(a, cap, sizeof(struct heap_item)), cap);
}

static struct waiter *take(struct wait *w)
{
	if (w->free != 0) {
		struct waiter *x = &w->waiter[w->free - 1];
		w->free = x->next;
		return x;
	}
	return w->used < w->cap ? &w->waiter[w->used++] : NULL;
}

/* Keeps the header, the question and an OPT record without options. */
static void keep_cut(struct waiter *x, const uint8_t *m, const struct dns_question *q,
                     const struct dns_edns *e)
{
	memcpy(x->query, m, q->end);
	memset(x->query + 6, 0, 6);
	x->len = q->end;
	x->cut = true;
	if (!e->present)
		return;
	memcpy(x->query + x->len, m + e->at, 11);
	dns_put16(x->query + x->len + 9, 0);
	dns_put16(x->query + 10, 1);
	x->len = (uint16_t)(x->len + 11);
}

static void keep(struct waiter *x, const struct dgram *d, const struct dns_question *q,
                 const struct dns_edns *e)
{
	x->cut = false;
	x->len = d->len;
	if (d->len > WAIT_QUERY)
		keep_cut(x, d->data, q, e);
	else
		memcpy(x->query, d->data, d->len);
}

struct waiter *wait_add(struct wait *w, const struct dgram *d, const struct dns_question *q,
                        const struct dns_edns *e, uint32_t hash, int64_t due_ns)
{
	struct waiter *x = take(w);

	if (x == NULL)
		return NULL;
	x->due_ns = due_ns;
	x->peer = d->peer;
	x->local = d->local;
	x->conn = d->conn;
	x->port = d->port;
	x->proto = d->proto;
	x->hash = hash;
	keep(x, d, q, e);
	x->next = w->bucket[hash & w->mask];
	w->bucket[hash & w->mask] = (uint32_t)(x - w->waiter) + 1;
	MUST(heap_push(&w->heap, due_ns, (uint64_t)(x - w->waiter)));
	w->n++;
	return x;
}

static bool same_question(const struct waiter *x, const uint8_t *m, const struct dns_question *q)
{
	struct dns_question xq;

	return dns_question(&xq, x->query, x->len) == 0 && dns_question_eq(x->query, &xq, m, q);
}

const struct waiter *wait_find(const struct wait *w, const uint8_t *m, const struct dns_question *q,
                               uint32_t hash, int64_t now_ns)
{
	for (uint32_t i = w->bucket[hash & w->mask]; i != 0; i = w->waiter[i - 1].next) {
		const struct waiter *x = &w->waiter[i - 1];
		if (x->hash == hash && x->miss && x->miss_ns >= now_ns &&
		    same_question(x, m, q))
			return x;
	}
	return NULL;
}

struct waiter *wait_due(const struct wait *w, int64_t now_ns)
{
	bool due = w->n > 0 && heap_first(&w->heap) <= now_ns;

	return due ? &w->waiter[w->heap.item[0].what] : NULL;
}

void wait_remove(struct wait *w, struct waiter *x)
{
	uint32_t me = (uint32_t)heap_pop(&w->heap).what;
	uint32_t *link = &w->bucket[x->hash & w->mask];

	MUST(x == &w->waiter[me]);
#ifndef EK_PLANT
	while (*link != me + 1)
		link = &w->waiter[*link - 1].next;
#endif
	*link = x->next;
	x->next = w->free;
	w->free = me + 1;
	w->n--;
}

void wait_check(const struct wait *w)
{
	uint32_t n_free = 0, chained = 0;

	heap_check(&w->heap);
	for (uint32_t i = w->free; i != 0; i = w->waiter[i - 1].next)
		n_free++;
	for (uint32_t b = 0; b <= w->mask; b++)
		for (uint32_t i = w->bucket[b]; i != 0; i = w->waiter[i - 1].next)
			chained++;
	MUST(w->n == w->heap.n && w->n == chained && w->n + n_free == w->used);
	MUST(w->used <= w->cap);
}
