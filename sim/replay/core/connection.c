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

void replay_connections_init(struct replay *r, struct arena *a)
{
	const struct trace *t = r->o.trace;

	r->slots = replay_slots(t);
	r->ours = arena_take(a, (size_t)t->connection_n + 1, sizeof(*r->ours));
	r->connection = arena_take(a, r->slots, sizeof(*r->connection));
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
	                                                      .state = REPLAY_OPEN };
	r->n.connections++;
	return slot;
}

uint32_t replay_connection_for(struct replay *r, const struct trace_query *q)
{
	uint32_t *ours = &r->ours[q->connection], slot;

	if (*ours == 0)
		*ours = open_one(r, q->connection);
	slot = *ours;
	if (slot == 0)
		return 0;
	if (!q->more) { /* the next loop has one of its own */
		r->connection[slot - 1].last = true;
		*ours = 0;
	}
	r->connection[slot - 1].open++;
	return slot;
}

void replay_connection_settled(struct replay *r, uint32_t socket)
{
	if (socket < REPLAY_SOCKETS)
		return;
	struct replay_connection *c = &r->connection[socket - REPLAY_SOCKETS];
	if (--c->open > 0 || !c->last || c->state != REPLAY_OPEN)
		return;
	c->state = REPLAY_CLOSING;
	c->next = r->closing;
	r->closing = socket - REPLAY_SOCKETS + 1;
}

static void give_back(struct replay *r, uint32_t slot)
{
	struct replay_connection *c = &r->connection[slot - 1];

	c->state = REPLAY_FREE;
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

	if (c->state != REPLAY_OPEN) /* it is told to be closed next, or was */
		return;
	c->state = REPLAY_FREE;      /* so that settling doesn't close it */
	for (uint32_t p; (p = flight_any(&r->out, replay_socket_of(conn))) != FLIGHT_NONE;)
		replay_settle(r, p, &r->n.failed);
	if (r->ours[c->captured] == conn)
		r->ours[c->captured] = 0;
	give_back(r, conn);
}
