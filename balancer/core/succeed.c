/* SPDX-License-Identifier: BSD-3-Clause */
/* Who goes on as whom, and what all workers share; see succeed.h. */
#include "succeed.h"

#include <errno.h>
#include <string.h>

static bool same_server(const struct bal_server *a, const struct bal_server *b)
{
	return ep_eq(&a->addr, &b->addr) && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->id, b->id) == 0;
}

/* Its sockets can go on as b's. */
static bool same_sockets(const struct bal_server *a, const struct bal_server *b)
{
	return a->sockets == b->sockets && ip_eq(&a->from, &b->from) &&
	       strcmp(a->from_interface, b->from_interface) == 0;
}

/* The first server of from that is s and that nobody has gone on as; BAL_GONE: there is none. */
static uint16_t find_server(const struct bal_succession *p, const struct bal_server *s)
{
	for (unsigned i = 0; i < bal_conf_servers(p->from); i++)
		if (p->server[i] == BAL_GONE && same_server(&p->from->server[i], s))
			return (uint16_t)i;
	return BAL_GONE;
}

/* A server that is leaving has something to finish; those that were leaving before may have. */
static bool has_work(const struct bal_succession *p, const struct bal_shared *shared, unsigned old)
{
	return old < p->from->server_n ||
	       atomic_load_explicit(&shared->server[old].outstanding, memory_order_relaxed) > 0;
}

static void match_servers(struct bal_succession *p)
{
	unsigned n = bal_conf_servers(p->from);

	for (unsigned i = 0; i < n; i++)
		p->server[i] = BAL_GONE;
	for (unsigned i = 0; i < p->to->server_n; i++) {
		uint16_t old = find_server(p, &p->to->server[i]);
		p->heir[i] = old < p->from->server_n ? old : BAL_GONE;
		if (old != BAL_GONE)
			p->server[old] = (uint16_t)i;
	}
	for (unsigned i = 0; i < n; i++)
		if (p->server[i] != BAL_GONE &&
		    !same_sockets(&p->from->server[i], &p->to->server[p->server[i]]))
			p->server[i] = BAL_GONE;
}

static void match_fronts(struct bal_succession *p)
{
	for (unsigned i = 0; i < p->from->front_n; i++) {
		p->front[i] = BAL_GONE;
		for (unsigned k = p->to->front_n; k-- > 0;)
			if (ep_eq(&p->from->front[i], &p->to->front[k]))
				p->front[i] = (uint16_t)k;
	}
}

static void match_pools(struct bal_succession *p)
{
	for (unsigned i = 0; i < bal_pools(p->from); i++) {
		int is = bal_pool_find(p->to, bal_pool_name(p->from, i));
		p->pool[i] = (uint8_t)(is < 0 ? 0 : is);
	}
}

int bal_succession_plan(struct bal_succession *s, const struct bal_conf *from,
                        const struct bal_shared *shared, struct bal_conf *to,
                        struct bal_server *server)
{
	s->from = from;
	s->to = to;
	to->server = server;
	to->leaving_n = 0;
	to->tcp.conns = from->tcp.conns;
	to->late = from->late || (from->rules != NULL && from->rules->delays);
	if (to->max_outstanding < from->max_outstanding)
		to->max_outstanding = from->max_outstanding;
	match_servers(s);
	match_fronts(s);
	match_pools(s);
	for (unsigned i = 0; i < bal_conf_servers(from); i++) {
		if (s->server[i] != BAL_GONE ||
		    (bal_conf_servers(to) > 0 && !has_work(s, shared, i)))
			continue;
		if (bal_conf_servers(to) == BAL_SERVERS_ALL)
			return -E2BIG;
		s->server[i] = (uint16_t)bal_conf_servers(to);
		server[to->server_n + to->leaving_n++] = from->server[i];
	}
	return 0;
}

/* ---- what workers share ---- */

#define COPY_TO(to, from) \
	atomic_store_explicit(&(to), atomic_load_explicit(&(from), memory_order_relaxed), \
	                      memory_order_relaxed)
#define COPY(field) COPY_TO(to->field, from->field)

static void copy_server(struct bal_shared_server *to, const struct bal_shared_server *from,
                        const struct bal_server *was, const struct bal_server *is)
{
	COPY(up);
	COPY(mode);
	COPY(transitions);
	COPY(down);
	COPY(drained);
	COPY(drains);
	COPY(slow_starts);
	COPY(whole_ns);
	COPY(latency_us128);
	COPY(qps_full_ns);
	COPY(timeouts);
	if (was->qps == is->qps)
		COPY(qps);
	if (was->weight == is->weight)
		COPY(weight);
	if (was->order == is->order)
		COPY(order);
}

void bal_shared_succeed(struct bal_shared *to, const struct bal_shared *from,
                        const struct bal_succession *s)
{
	for (unsigned i = 0; i < bal_pools(s->from); i++)
		if (bal_pool_find(s->to, bal_pool_name(s->from, i)) >= 0)
			COPY_TO(to->pool[s->pool[i]].turn, from->pool[i].turn);
	if (s->to->rules != NULL && s->from->rules != NULL)
		limits_succeed(to->limit, s->to->rules, from->limit, s->from->rules);
	for (unsigned i = 0; i < s->to->server_n; i++)
		if (s->heir[i] != BAL_GONE)
			copy_server(&to->server[i], &from->server[s->heir[i]],
			            &s->from->server[s->heir[i]], &s->to->server[i]);
	bal_shared_new_edition(to);
}

void bal_shared_follow(struct bal_shared *from, const struct bal_shared *to,
                       const struct bal_succession *s)
{
	for (unsigned i = 0; i < s->to->server_n; i++)
		if (s->heir[i] != BAL_GONE)
			bal_shared_set_up(from, s->heir[i], bal_shared_up(to, i));
}

bool bal_shared_same_cache(const struct bal_conf *from, const struct bal_conf *to)
{
	if (bal_pools(from) != bal_pools(to))
		return false;
	for (unsigned i = 0; i < bal_pools(from); i++) {
		unsigned a = from->pool_n > 0 ? from->pool[i].shares : 0;
		unsigned b = to->pool_n > 0 ? to->pool[i].shares : 0;
		if (a != b || strcmp(bal_pool_name(from, i), bal_pool_name(to, i)) != 0 ||
		    bal_pool_cache(from, i)->entries != bal_pool_cache(to, i)->entries)
			return false;
	}
	return true;
}
