/* SPDX-License-Identifier: BSD-3-Clause */
/* One worker's core takes over from another what is out; see succeed.h. */
#include <string.h>

#include "bal_impl.h"
#include "succeed.h"
#include "tcp_impl.h"

/* ---- second tries, which the new configuration may not have ---- */

static void end_unanswered(struct bal *b, unsigned server, struct idt_query *q)
{
	bal_settle(b, server, q, false);
	b->server[server].timeouts++;
	b->timeouts++;
}

/* Whether a query over UDP is out for its server alone, or its second try is out, which stays. */
static bool is_spare(const struct again *a, unsigned server, uint32_t slot)
{
	struct again_kept *k = again_at(a, server, slot);
	uint32_t twin = k->twin - 1;

	if (k->over)
		return true;
	if (k->twin == 0 || k->len == 0)
		return false;
	again_at(a, twin >> 16, twin & 0xffff)->twin = 0;
	return true;
}

/* Without what again.h keeps, a query that is out twice would be answered twice. */
static void end_second_tries(struct bal *b)
{
	for (unsigned i = 0; i < b->out.queue_n; i++) {
		uint32_t next;
		for (uint32_t ref = b->out.queue[i].oldest; ref != IDT_NONE; ref = next) {
			unsigned server = ref >> 16;
			struct idt_query *q = &b->out.server[server].query[ref & 0xffff];
			next = q->newer;
			if (is_spare(&b->again, server, ref & 0xffff))
				end_unanswered(b, server, q);
		}
	}
}

/* ---- what is out over UDP ---- */

static uint32_t moved(const struct idtable *from, uint32_t was)
{
	return from->server[was >> 16].query[was & 0xffff].older;
}

/* Of two tries of a query, the second to be moved finds where the first has gone. */
static void move_again(struct bal *to, struct bal *from, uint32_t was, uint32_t is)
{
	if (to->again.kept == NULL || from->again.kept == NULL)
		return;
	struct again_kept *k = again_at(&from->again, was >> 16, was & 0xffff);
	struct again_kept *own = again_at(&to->again, is >> 16, is & 0xffff);
	uint32_t twin = k->twin - 1, twin_is;
	own->twin = 0;
	own->over = k->over;
	own->len = k->len;
	memcpy(own->data, k->data, k->len);
	if (k->twin == 0)
		return;
	k->twin = 0;
	if (again_at(&from->again, twin >> 16, twin & 0xffff)->twin != 0)
		return; /* it is still to be moved */
	twin_is = moved(&from->out, twin);
	if (twin_is == IDT_NONE)
		return;
	own->twin = twin_is + 1;
	again_at(&to->again, twin_is >> 16, twin_is & 0xffff)->twin = is + 1;
}

static void move_query(struct bal *to, struct bal *from, const struct bal_succession *s,
                       uint32_t was, uint32_t is)
{
	struct idt_query *q = &to->out.server[is >> 16].query[is & 0xffff];

	q->pool = s->pool[q->pool] & (BAL_POOLS_MAX - 1u);
	move_again(to, from, was, is);
	late_move_asked(&to->late, is >> 16, is & 0xffff, &from->late, was >> 16, was & 0xffff);
	tags_move(&to->rules.tags, is >> 16, is & 0xffff, &from->rules.tags, was >> 16,
	          was & 0xffff);
	if (to->rules.ecs != NULL && from->rules.ecs != NULL)
		*brules_ecs(&to->rules, is >> 16, is & 0xffff) =
			*brules_ecs(&from->rules, was >> 16, was & 0xffff);
	cache_move(&to->cache, is >> 16, is & 0xffff, &from->cache, was >> 16, was & 0xffff,
	           s->pool);
}

static void count_outstanding(const struct bal *b, int32_t sign)
{
	for (unsigned i = 0; i < bal_conf_servers(b->conf); i++)
		atomic_fetch_add_explicit(&b->shared->server[i].outstanding,
		                          sign * (int32_t)b->out.server[i].used,
		                          memory_order_relaxed);
}

static void move_queries(struct bal *to, struct bal *from, const struct bal_succession *s)
{
	uint32_t was;

	idt_move_held(&to->out, &from->out, s->server);
	while (idt_move_one(&to->out, &from->out, s->server, &was)) {
		uint32_t is = moved(&from->out, was);
		bool gone = is == IDT_NONE;
		to->timeouts += gone;
		to->gone.timeouts += gone;
		if (!gone)
			move_query(to, from, s, was, is);
	}
	idt_moved(&to->out);
	count_outstanding(from, -1);
	count_outstanding(to, 1);
}

/* ---- all of it ---- */

/* Counts of a server go to its heir, else to where its queries go. */
static void move_counts(struct bal *to, const struct bal *from, const struct bal_succession *s)
{
	for (unsigned i = 0; i < bal_conf_servers(from->conf); i++) {
		unsigned at = s->server[i];
		for (unsigned k = 0; k < to->conf->server_n; k++)
			at = s->heir[k] == i ? k : at;
		struct bal_server_counts *c = at == BAL_GONE ? &to->gone : &to->server[at];
		c->queries += from->server[i].queries;
		c->responses += from->server[i].responses;
		c->timeouts += from->server[i].timeouts;
	}
}

static void move_pool_counts(struct bal *to, const struct bal *from,
                             const struct bal_succession *s)
{
	for (unsigned i = 0; i < bal_pools(from->conf); i++) {
		struct bal_pool_counts *c = &to->cache.counts[s->pool[i]];
		c->hits += from->cache.counts[i].hits;
		c->misses += from->cache.counts[i].misses;
		c->not_cached += from->cache.counts[i].not_cached;
	}
}

void bal_succeed(struct bal *to, struct bal *from, const struct bal_succession *s)
{
	MUST(from->conf == s->from && to->conf == s->to);
	if (from->again.kept != NULL && to->again.kept == NULL)
		end_second_tries(from);
	to->now_ns = from->now_ns;
	to->random = from->random;
	memcpy(to->count, from->count, sizeof(to->count));
	to->received = from->received;
	to->timeouts = from->timeouts;
	to->counts = from->counts;
	to->gone = from->gone;
	to->rules.random = from->rules.random;
	move_pool_counts(to, from, s);
	late_move(&to->late, &from->late);
	move_counts(to, from, s);
	move_queries(to, from, s);
	if (to->tcp == NULL)
		return;
	for (uint32_t slot = 0; slot < btcp_slots(from->tcp); slot++) {
		cache_move_tcp(&to->cache, &from->cache, slot, s->pool);
		tags_move_tcp(&to->rules.tags, &from->rules.tags, slot);
	}
	btcp_succeed(to->tcp, from->tcp, s);
}

size_t bal_rest(struct bal *b, void **memory)
{
	*memory = b->out.tables;
	return idt_rest(&b->out) ? b->out.tables_len : 0;
}
