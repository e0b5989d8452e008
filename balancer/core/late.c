/* SPDX-License-Identifier: BSD-3-Clause */
/* Delayed answers; see late.h. */
#include "late.h"

#include <string.h>

size_t late_arena_size(const struct bal_conf *conf)
{
	size_t size = 0;

	if (conf->rules == NULL || !conf->rules->delays)
		return 0;
	size += arena_need(BAL_DELAYED_MAX, sizeof(struct heap_item));
	size += arena_need(BAL_DELAYED_MAX, sizeof(struct late_answer));
	size += arena_need(BAL_DELAYED_MAX, sizeof(uint32_t));
	if (conf->rules->delays_servers)
		size += arena_need((size_t)conf->server_n * conf->max_outstanding,
		                   sizeof(uint32_t));
	return size;
}

void late_init(struct late *l, struct arena *a, const struct bal_conf *conf)
{
	*l = (struct late){ .each = conf->max_outstanding };
	if (conf->rules == NULL || !conf->rules->delays)
		return;
	heap_init(&l->due, arena_take(a, BAL_DELAYED_MAX, sizeof(struct heap_item)),
	          BAL_DELAYED_MAX);
	l->answer = arena_take(a, BAL_DELAYED_MAX, sizeof(*l->answer));
	l->free = arena_take(a, BAL_DELAYED_MAX, sizeof(*l->free));
	if (conf->rules->delays_servers)
		l->asked_ms = arena_take(a, (size_t)conf->server_n * conf->max_outstanding,
		                         sizeof(*l->asked_ms));
}

bool late_keep(struct late *l, const struct dgram *d, uint8_t verdict, int64_t due_ns)
{
	if (l->due.n == BAL_DELAYED_MAX || d->len > LATE_BYTES)
		return false;
	uint32_t place = l->free_n > 0 ? l->free[--l->free_n] : l->touched++;
	struct late_answer *to = &l->answer[place];
	to->client = d->peer;
	to->local = d->local;
	to->len = d->len;
	to->verdict = verdict;
	memcpy(to->data, d->data, d->len);
	MUST(heap_push(&l->due, due_ns, place));
	return true;
}

static void put(const struct late_answer *from, int64_t due_ns, struct dgram *d)
{
	MUST(d->cap >= from->len);
	d->peer = from->client;
	d->local = from->local;
	d->len = from->len;
	d->verdict = from->verdict;
	d->port = 0;
	d->proto = DGRAM_UDP;
	d->conn = 0;
	d->t_ns = due_ns;
	memcpy(d->data, from->data, from->len);
}

unsigned late_take(struct late *l, int64_t now_ns, struct dgram *d, unsigned max)
{
	unsigned n = 0;

	for (; n < max && late_due_ns(l) <= now_ns; n++) {
		struct heap_item item = heap_pop(&l->due);
		uint32_t place = (uint32_t)item.what;
		put(&l->answer[place], item.t_ns, &d[n]);
		l->free[l->free_n++] = place;
	}
	return n;
}
