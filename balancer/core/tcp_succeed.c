/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP's part of a reload (succeed.h): the tables are copied place by place, so that the shell's
 * numbers of connections stay good; then everything that names a server or an address that listens
 * is given its new index, and every connection meets the new limits.
 */
#include "tcp_impl.h"

#include <string.h>

#include "succeed.h"

static void copy_tables(struct tcp *to, const struct tcp *from)
{
	memcpy(to->conn, from->conn, from->conn_touched * sizeof(*to->conn));
	memcpy(to->query, from->query, from->query_touched * sizeof(*to->query));
	memcpy(to->block, from->block, from->block_touched * sizeof(*to->block));
	memcpy(to->hash, from->hash, btcp_conns(to) * sizeof(*to->hash));
	memcpy(to->heap, from->heap, from->heap_n * sizeof(*to->heap));
	to->now_ns = from->now_ns;
	to->random = from->random;
	to->heap_n = from->heap_n;
	to->conn_free = from->conn_free;
	to->conn_touched = from->conn_touched;
	to->query_free = from->query_free;
	to->query_touched = from->query_touched;
	to->block_free = from->block_free;
	to->block_touched = from->block_touched;
	to->listed_first = from->listed_first;
	to->listed_last = from->listed_last;
	to->clients = from->clients;
	to->servers = from->servers;
	to->used = from->used;
	memcpy(to->count, from->count, sizeof(to->count));
}

/* A server of from that has no place in to has nothing to finish: ends what there still may be. */
static void end_gone(struct tcp *from, const struct bal_succession *s)
{
	for (uint32_t i = 0; i < from->conn_touched; i++) {
		struct tcp_conn *c = &from->conn[i];
		if (c->state != TCP_FREE && !c->client && s->server[c->owner] == BAL_GONE)
			btcp_server_give_up(from, c);
	}
}

static void move_servers(struct tcp *to, struct tcp *from, const struct bal_succession *s)
{
	for (unsigned i = 0; i < bal_conf_servers(s->from); i++)
		if (s->server[i] != BAL_GONE)
			to->server[s->server[i]] = from->server[i];
	for (uint32_t i = 0; i < to->query_touched; i++)
		if (to->query[i].server_conn != 0) { /* else the place is free */
			to->query[i].server = s->server[to->query[i].server];
			to->query[i].q.pool =
				s->pool[to->query[i].q.pool] & (BAL_POOLS_MAX - 1u);
		}
}

static void count_outstanding(struct bal_shared *sh, unsigned server, int32_t n)
{
	atomic_fetch_add_explicit(&sh->server[server].outstanding, n, memory_order_relaxed);
}

static void move_conn(struct tcp *to, struct tcp *from, struct tcp_conn *c,
                      const struct bal_succession *s)
{
	unsigned was = c->owner, is = c->client ? s->front[was] : s->server[was];

	if (c->client) {
		c->drain |= is == BAL_GONE;
		c->owner = (uint16_t)(is == BAL_GONE ? 0 : is);
		c->uncounted = !btcp_limit_keep(to, c->owner, &c->peer.ip);
		return;
	}
	if (is == BAL_GONE) { /* it has nothing and is closing: anybody's, until it is closed */
		is = 0;
		to->server[is].open++;
		to->server[is].idle++;
	}
	c->owner = (uint16_t)is;
	count_outstanding(from->shared, was, -(int32_t)c->in_flight);
	count_outstanding(to->shared, c->owner, (int32_t)c->in_flight);
}

void btcp_succeed(struct tcp *to, struct tcp *from, const struct bal_succession *s)
{
	MUST(btcp_conns(to) == btcp_conns(from));
	end_gone(from, s);
	copy_tables(to, from);
	move_servers(to, from, s);
	for (uint32_t i = 0; i < to->conn_touched; i++)
		if (to->conn[i].state != TCP_FREE)
			move_conn(to, from, &to->conn[i], s);
	for (uint32_t i = 0; i < to->conn_touched; i++) {
		struct tcp_conn *c = &to->conn[i];
		if (c->state != TCP_FREE && c->client)
			btcp_client_settle(to, c);
		else if (c->state != TCP_FREE)
			btcp_server_moved(to, c);
	}
}
