/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections to servers: which one a query goes on, and what becomes of the queries of one that
 * fails. Those with room are in a list of their server's, the one used last first, so that few are
 * kept busy and the others grow old and are closed.
 */
#include "tcp_impl.h"

static const struct bal_server_tcp *conf_of(const struct tcp *t, const struct tcp_conn *c)
{
	return &t->conf->server[c->owner].tcp;
}

/* ---- the list of those with room ---- */

static void room_remove(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_server *s = &t->server[c->owner];

	if (!c->room)
		return;
	if (c->before != 0)
		t->conn[c->before - 1].after = c->after;
	else
		s->room_first = c->after;
	if (c->after != 0)
		t->conn[c->after - 1].before = c->before;
	else
		s->room_last = c->before;
	c->room = false;
}

static void room_add(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_server *s = &t->server[c->owner];

	if (c->room)
		return;
	c->before = 0;
	c->after = s->room_first;
	if (s->room_first != 0)
		t->conn[s->room_first - 1].before = btcp_at(t, c);
	else
		s->room_last = btcp_at(t, c);
	s->room_first = btcp_at(t, c);
	c->room = true;
}

static bool has_room(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t max = conf_of(t, c)->max_in_flight;

	return !c->own && (c->state == TCP_CONNECTING || c->state == TCP_OPEN) &&
	       c->in_flight < (max > 0 ? max : 1);
}

/* ---- deadlines ---- */

static int64_t deadline(const struct tcp *t, const struct tcp_conn *c)
{
	if (c->state == TCP_CONNECTING)
		return c->opened_ns + conf_of(t, c)->connect_timeout_ns;
	if (c->first == 0)
		return c->since_ns + t->conf->tcp.idle_ns;
	int64_t from = t->query[c->first - 1].q.sent_ns;
	if (c->own && c->since_ns > from)
		from = c->since_ns;
	return from + conf_of(t, c)->recv_timeout_ns;
}

static void close_it(struct tcp *t, struct tcp_conn *c)
{
	room_remove(t, c);
	c->state = TCP_CLOSING;
	c->tell = true;
	btcp_list(t, c);
	btcp_due(t, c, INT64_MAX);
}

void btcp_server_settle(struct tcp *t, struct tcp_conn *c)
{
	if (c->state != TCP_CONNECTING && c->state != TCP_OPEN)
		return;
	if (has_room(t, c))
		room_add(t, c);
	else
		room_remove(t, c);
	btcp_due(t, c, deadline(t, c));
}

/* ---- opening, and queries put on it ---- */

static struct tcp_conn *open_to(struct tcp *t, unsigned server)
{
	uint32_t max = t->conf->server[server].tcp.max_conns;
	struct tcp_server *s = &t->server[server];

	if (max > 0 && s->open >= max)
		return NULL;
	struct tcp_conn *c = btcp_conn_take(t, TCP_CONNECTING);
	if (c == NULL)
		return NULL;
	c->owner = (uint16_t)server;
	c->tell = true;
	s->open++;
	s->idle++;
	t->servers++;
	t->count[BAL_TCP_OPENED]++;
	btcp_list(t, c);
	return c;
}

static void put_on(struct tcp *t, struct tcp_conn *c, struct tcp_query *q)
{
	t->server[c->owner].idle -= c->in_flight == 0;
	btcp_server_add(t, c, q);
	btcp_id_take(t, q, c);
	q->server = c->owner;
	q->q.sent_ns = t->now_ns;
	c->in_flight++;
	c->own = q->transfer || t->conf->server[c->owner].proxy;
	c->greet = t->conf->server[c->owner].proxy;
	if (c->unsent == 0)
		c->unsent = btcp_query_at(t, q);
	atomic_fetch_add_explicit(&t->shared->server[c->owner].outstanding, 1,
	                          memory_order_relaxed);
	if (c->state == TCP_OPEN)
		btcp_list(t, c);
	btcp_server_settle(t, c);
}

/* Takes q from its connection to a server. */
static void take_off(struct tcp *t, struct tcp_query *q)
{
	struct tcp_conn *c = &t->conn[q->server_conn - 1];

	btcp_id_free(t, q);
	if (c->unsent == btcp_query_at(t, q))
		c->unsent = q->of_server.after;
	btcp_server_remove(t, q);
	c->in_flight--;
	t->server[c->owner].idle += c->in_flight == 0;
	atomic_fetch_sub_explicit(&t->shared->server[c->owner].outstanding, 1,
	                          memory_order_relaxed);
}

bool btcp_route(struct tcp *t, struct tcp_query *q, unsigned server, bool fresh)
{
	struct tcp_server *s = &t->server[server];
	struct tcp_conn *c = NULL;

	if (!fresh && !q->transfer && s->room_first != 0) {
		c = &t->conn[s->room_first - 1];
		t->count[BAL_TCP_REUSED] += c->state == TCP_OPEN;
	}
	if (c == NULL)
		c = open_to(t, server);
	if (c == NULL)
		return false;
	put_on(t, c, q);
	return true;
}

/* ---- another try ---- */

static int another(struct tcp *t, const struct tcp_query *q)
{
	struct policy *p = &t->policy[q->q.pool];
	unsigned not = q->server;

	policy_refresh(p, t->now_ns);
	for (unsigned i = 0; i < TCP_PICKS; i++) {
		int server = policy_pick(p, &t->random, t->now_ns, q->q.name,
		                         q->q.name_len);
		if (server < 0 || (unsigned)server != not)
			return server;
	}
	for (unsigned i = 1; i < t->conf->server_n; i++) {
		unsigned server = (not + i) % t->conf->server_n;
		if (bal_shared_up(t->shared, server) && !bal_shared_drained(t->shared, server) &&
		    bal_pool_has(t->conf, q->q.pool, server))
			return (int)server;
	}
	return (int)not;
}

/* q is over without an answer. */
static void give_up(struct tcp *t, struct tcp_query *q)
{
	uint32_t client = q->client;

	if (!btcp_wanted(q))
		t->count[BAL_TCP_ABANDONED]++;
	else
		t->count[q->begun ? BAL_TCP_TRANSFERRED : BAL_TCP_FAILED]++;
	if (client != 0) {
		t->conn[client - 1].drain = true;
		btcp_client_lose(t, q);
	}
	btcp_query_free(t, q);
}

/* Once more: on a new connection to the same server, or to another one. */
static void try_again(struct tcp *t, struct tcp_query *q, bool same)
{
	uint32_t retries = t->conf->server[q->server].tcp.retries;

	if (!btcp_wanted(q) || q->begun || q->tries >= retries) {
		give_up(t, q);
		return;
	}
	q->tries++;
	t->count[BAL_TCP_RETRIED]++;
	int server = same ? q->server : another(t, q);
	if (server < 0 || !btcp_route(t, q, (unsigned)server, same))
		give_up(t, q);
}

/* The queries of a connection that is no more, in their order. */
static void move_on(struct tcp *t, struct tcp_conn *c, bool same)
{
	while (c->first != 0) {
		struct tcp_query *q = &t->query[c->first - 1];
		take_off(t, q);
		if (!same && btcp_wanted(q))
			lazy_unanswered(t->shared->lazy, q->server);
		try_again(t, q, same);
	}
}

/* ---- what happens to it ---- */

void btcp_server_expire(struct tcp *t, struct tcp_conn *c)
{
	bool connecting = c->state == TCP_CONNECTING;

	if (c->first != 0)
		t->count[connecting ? BAL_TCP_CONNECT_FAILED : BAL_TCP_TIMED_OUT]++;
	close_it(t, c);
	move_on(t, c, false);
}

void btcp_server_gone(struct tcp *t, struct tcp_conn *c)
{
	bool same = c->state == TCP_OPEN && c->answered;

	if (c->state == TCP_CONNECTING)
		t->count[BAL_TCP_CONNECT_FAILED]++;
	else if (c->state == TCP_OPEN && c->first != 0)
		t->count[BAL_TCP_CLOSED]++;
	room_remove(t, c);
	c->state = TCP_CLOSING;
	move_on(t, c, same);
	t->server[c->owner].open--;
	t->server[c->owner].idle--;
	t->servers--;
	btcp_conn_free(t, c);
}

void btcp_server_abandon(struct tcp *t, struct tcp_conn *c)
{
	if (c->state == TCP_CONNECTING || c->state == TCP_OPEN)
		close_it(t, c);
	move_on(t, c, false);
}

void btcp_answered(struct tcp *t, struct tcp_query *q, bool over)
{
	struct tcp_conn *c = &t->conn[q->server_conn - 1];

	c->answered = true;
	c->since_ns = t->now_ns;
	if (!over) {
		btcp_server_settle(t, c);
		return;
	}
	take_off(t, q);
	btcp_query_free(t, q);
	if (c->in_flight == 0 && (c->own || t->server[c->owner].idle > t->conf->tcp.cached))
		close_it(t, c);
	else
		btcp_server_settle(t, c);
}
