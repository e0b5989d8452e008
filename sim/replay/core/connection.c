/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections: which of ours stands for which of the capture's, and when it is over. A loop has
 * connections of its own; those of the one before end when their last answer has come.
 */
#include "inner.h"

uint32_t replay_slots(const struct trace *t)
{
	return t->connection_n > 0 ? REPLAY_CONNECTIONS : 0;
}

/* Connections are numbered by their first queries, so a first one has the next number. */
void replay_connections_init(struct replay *r, struct arena *a)
{
	const struct trace *t = r->o.trace;
	uint32_t n = 0;

	r->slots = replay_slots(t);
	r->captured = arena_take(a, (size_t)t->connection_n + 1, sizeof(*r->captured));
	r->connection = arena_take(a, r->slots, sizeof(*r->connection));
	for (uint32_t i = 0; i < t->query_n && n < t->connection_n; i++)
		if (t->query[i].connection == n + 1)
			r->captured[++n].first = i;
	r->ahead = t->connection_n > 0 && !r->o.max ? 1 : 0;
}

/* A free slot + 1, or 0. */
static uint32_t take_slot(struct replay *r)
{
	uint32_t slot = r->free;

	if (slot != 0)
		r->free = r->connection[slot - 1].next;
	else if (r->fresh < r->slots)
		slot = ++r->fresh;
	return slot;
}

static uint32_t open_one(struct replay *r, uint32_t captured)
{
	uint32_t slot = take_slot(r);

	if (slot == 0)
		return 0;
	r->connection[slot - 1] = (struct replay_connection){ .captured = captured,
	                                                      .state = REPLAY_IN_USE };
	r->n.connections++;
	return slot;
}

uint32_t replay_connection_for(struct replay *r, const struct trace_query *q)
{
	struct replay_captured *c = &r->captured[q->connection];
	uint32_t slot;

	if (c->slot == 0) {
		c->slot = c->early != 0 ? c->early : open_one(r, q->connection);
		c->early = 0;
	}
	slot = c->slot;
	if (slot == 0)
		return 0;
	if (!q->more) { /* the next loop has one of its own */
		r->connection[slot - 1].last = true;
		c->slot = 0;
	}
	r->connection[slot - 1].open++;
	return slot;
}

/* ---- ahead ---- */

/* The number of the query, of all loops, that is the first on the connection to be opened next. */
static uint64_t first_ahead(const struct replay *r)
{
	return r->ahead_loop * r->o.trace->query_n + r->captured[r->ahead].first;
}

int64_t replay_connection_ahead_ns(const struct replay *r)
{
	if (r->ahead == 0 || r->next >= r->end)
		return INT64_MAX;
	int64_t at_ns = trace_at(r->o.trace, &r->o.pace, first_ahead(r));
	return at_ns < INT64_MAX - r->t0_ns ? r->t0_ns + at_ns - REPLAY_LEAD_NS : INT64_MAX;
}

uint32_t replay_connection_ahead(struct replay *r, int64_t now_ns)
{
	uint32_t slot = 0;

	while (slot == 0 && replay_connection_ahead_ns(r) <= now_ns) {
		struct replay_captured *c = &r->captured[r->ahead];
		if (first_ahead(r) >= r->next && c->early == 0)
			slot = c->early = open_one(r, r->ahead);
		if (r->ahead++ == r->o.trace->connection_n) {
			r->ahead_loop++;
			r->ahead = r->ahead_loop < r->o.pace.loops ? 1 : 0;
		}
	}
	return slot;
}

void replay_connection_settled(struct replay *r, uint32_t socket)
{
	if (socket < REPLAY_SOCKETS)
		return;
	struct replay_connection *c = &r->connection[socket - REPLAY_SOCKETS];
	if (--c->open > 0 || !c->last || c->state != REPLAY_IN_USE)
		return;
	c->state = REPLAY_ENDING;
	c->next = r->closing;
	r->closing = socket - REPLAY_SOCKETS + 1;
}

static void give_back(struct replay *r, uint32_t slot)
{
	struct replay_connection *c = &r->connection[slot - 1];

	c->state = REPLAY_UNUSED;
	c->next = r->free;
	r->free = slot;
}

uint32_t replay_connection_over(struct replay *r)
{
	uint32_t slot = r->closing;

	if (slot == 0)
		return 0;
	r->closing = r->connection[slot - 1].next;
	give_back(r, slot);
	return slot;
}

void replay_tcp_failed(struct replay *r, uint32_t conn)
{
	MUST(conn >= 1 && conn <= r->slots);
	struct replay_connection *c = &r->connection[conn - 1];

	if (c->state != REPLAY_IN_USE) /* it is told to be closed next, or was */
		return;
	c->state = REPLAY_UNUSED;      /* so that settling doesn't close it */
	for (uint32_t p; (p = flight_any(&r->out, replay_socket_of(conn))) != FLIGHT_NONE;)
		replay_settle(r, p, &r->n.failed);
	struct replay_captured *whose = &r->captured[c->captured];
	whose->slot = whose->slot == conn ? 0 : whose->slot;
	whose->early = whose->early == conn ? 0 : whose->early;
	give_back(r, conn);
}
