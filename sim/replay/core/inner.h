/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the core's files share: sending and matching (replay.c), the connections (connection.c). Not
 * for others.
 */
#ifndef EK_REPLAY_INNER_H
#define EK_REPLAY_INNER_H

#include "replay.h"

/* A connection of the capture. */
struct replay_captured {
	uint32_t first;      /* its first query's index */
	uint32_t slot;       /* + 1, of ours for the loop at hand; 0: none is open */
	uint32_t early;      /* + 1, of ours for the next loop; 0: none is open */
};

enum replay_state { REPLAY_UNUSED = 0, REPLAY_IN_USE, REPLAY_ENDING };

/* A connection of ours. */
struct replay_connection {
	uint32_t captured;   /* whose queries go over it */
	uint32_t open;       /* out over it */
	uint32_t next;       /* slot + 1 of the next free or closing one; 0: none */
	bool last;           /* no more are to come */
	enum replay_state state;
};

struct replay {
	struct replay_options o;
	struct flight out;
	struct replay_counts n;
	struct hist latency;
	int64_t t0_ns;
	uint64_t next;             /* query of all loops */
	uint64_t end;              /* one behind the last */
	int64_t planned_ns;        /* when next is due by the capture's time */
	int64_t interval_ns;       /* of the limit; 0: there is none */
	int64_t burst_ns;          /* how far it may be run ahead of */
	int64_t allowed_ns;        /* when the limit is used up no more */
	struct replay_captured *captured;     /* by the trace's number of the connection */
	uint64_t ahead_loop;       /* what is to be opened next: of this loop */
	uint32_t ahead;            /* this connection of the trace; 0: nothing more */
	struct replay_connection *connection; /* by slot; conn is slot + 1 */
	uint32_t slots, fresh, free, closing; /* as FLIGHT's; free and closing are slot + 1 */
};

/* UDP's sockets come first in the table of what is out, then connections. */
static inline uint32_t replay_socket_of(uint32_t conn)
{
	return REPLAY_SOCKETS + conn - 1;
}

/* How many connections there can be at once, 0 where the trace has none. */
uint32_t replay_slots(const struct trace *t);
void replay_connections_init(struct replay *r, struct arena *a);
/* The connection for query q, from 1; 0: there are too many. Counts it as out. */
uint32_t replay_connection_for(struct replay *r, const struct trace_query *q);
/* A query over socket isn't out any more. */
void replay_connection_settled(struct replay *r, uint32_t socket);
/* When a connection is to be opened ahead; INT64_MAX: none. */
int64_t replay_connection_ahead_ns(const struct replay *r);
/* Opens those that are due by now, until one is to be told: its number, or 0. */
uint32_t replay_connection_ahead(struct replay *r, int64_t now_ns);
/* One that is to be closed, or 0. */
uint32_t replay_connection_over(struct replay *r);
/* The query at place is settled. */
void replay_settle(struct replay *r, uint32_t place, uint64_t *count);

#endif
