/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients' connections. One that has nothing in flight must bring a whole query within the receive
 * time-out, however its bytes drip; one that is to end does so when what is in flight is answered.
 */
#include "tcp_impl.h"

uint32_t bal_tcp_place(uint32_t conn)
{
	return (conn & 0xffff) - 1;
}

static uint32_t max_in_flight(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t max = t->conf->listen != NULL ? t->conf->listen[c->owner].max_in_flight : 0;

	return max > 0 ? max : 1;
}

static int64_t deadline(const struct tcp *t, const struct tcp_conn *c)
{
	int64_t due = INT64_MAX;

	if (c->drain)
		return due; /* what is in flight has deadlines of its own */
	if (c->in_flight == 0)
		due = c->since_ns + t->conf->tcp.recv_timeout_ns;
	if (t->conf->tcp.duration_ns > 0 && c->opened_ns + t->conf->tcp.duration_ns < due)
		due = c->opened_ns + t->conf->tcp.duration_ns;
	return due;
}

void btcp_client_settle(struct tcp *t, struct tcp_conn *c)
{
	if (c->state != TCP_CLIENT)
		return;
	if (c->drain && c->first == 0) {
		c->state = TCP_CLOSING;
		c->tell = true;
		btcp_list(t, c);
		btcp_due(t, c, INT64_MAX);
		return;
	}
	btcp_due(t, c, deadline(t, c));
}

void btcp_client_drain(struct tcp *t, struct tcp_conn *c)
{
	c->drain = true;
	btcp_client_settle(t, c);
}

void btcp_client_expire(struct tcp *t, struct tcp_conn *c)
{
	bool idle = c->first == 0 && c->since_ns + t->conf->tcp.recv_timeout_ns <= t->now_ns;

	t->count[idle ? BAL_TCP_IDLE : BAL_TCP_TOO_LONG]++;
	btcp_client_drain(t, c);
}

void btcp_client_lose(struct tcp *t, struct tcp_query *q)
{
	if (q->client == 0)
		return;
	struct tcp_conn *c = &t->conn[q->client - 1];
	c->in_flight--;
	c->since_ns = t->now_ns;
	btcp_client_remove(t, q);
	btcp_client_settle(t, c);
}

void btcp_client_gone(struct tcp *t, struct tcp_conn *c)
{
	btcp_limit_give(t, c->owner, c->uncounted ? NULL : &c->peer.ip);
	c->state = TCP_CLOSING; /* so that losing queries doesn't settle it */
	while (c->first != 0) {
		struct tcp_query *q = &t->query[c->first - 1];
		btcp_client_lose(t, q);
		/* A transfer would go on for nobody; its connection is closed in the middle. */
		if (q->transfer && q->server_conn != 0)
			btcp_server_abandon(t, &t->conn[q->server_conn - 1]);
	}
	t->clients--;
	btcp_conn_free(t, c);
}

static uint32_t refuse(struct tcp *t, enum bal_tcp_count why)
{
	t->count[why]++;
	return 0;
}

uint32_t btcp_accept(struct tcp *t, const struct ep *peer, const struct ep *local, unsigned front)
{
	const struct bal_conf *conf = t->conf;
	bool of_client;

	MUST(front < conf->front_n);
	if (!prefix_any(conf->acl, conf->acl_n, &peer->ip))
		return refuse(t, BAL_TCP_ACL);
	/* A quarter of the places is for connections to servers. */
	if (t->clients >= btcp_conns(t) - btcp_conns(t) / 4)
		return refuse(t, BAL_TCP_LIMIT);
	if (!btcp_limit_take(t, front, &peer->ip, &of_client))
		return refuse(t, of_client ? BAL_TCP_CLIENT_LIMIT : BAL_TCP_LIMIT);
	struct tcp_conn *c = btcp_conn_take(t, TCP_CLIENT);
	if (c == NULL) {
		btcp_limit_give(t, front, &peer->ip);
		return refuse(t, BAL_TCP_LIMIT);
	}
	c->client = true;
	c->owner = (uint16_t)front;
	c->peer = *peer;
	c->local = *local;
	t->clients++;
	t->count[BAL_TCP_ACCEPTED]++;
	btcp_client_settle(t, c);
	return btcp_number(t, c);
}

bool btcp_takes(const struct tcp *t, uint32_t conn)
{
	const struct tcp_conn *c = btcp_conn_find(t, conn);

	return c != NULL && c->state == TCP_CLIENT && !c->drain &&
	       c->in_flight < max_in_flight(t, c);
}

bool btcp_heard(struct tcp *t, uint32_t conn)
{
	struct tcp_conn *c = btcp_conn_find(t, conn);

	if (!btcp_takes(t, conn))
		return false;
	c->queries++;
	c->since_ns = t->now_ns;
	if (t->conf->tcp.queries > 0 && c->queries >= t->conf->tcp.queries)
		c->drain = true;
	return true;
}

void btcp_refused(struct tcp *t, uint32_t conn)
{
	struct tcp_conn *c = btcp_conn_find(t, conn);

	if (c != NULL)
		btcp_client_drain(t, c);
}

void btcp_served(struct tcp *t, uint32_t conn)
{
	struct tcp_conn *c = btcp_conn_find(t, conn);

	if (c != NULL)
		btcp_client_settle(t, c);
}
