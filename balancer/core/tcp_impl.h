/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the balancer's TCP share: connections and queries in tables of fixed size,
 * linked by places plus 1 (0: none) so that zero pages are empty lists. Not for anybody else.
 */
#ifndef EK_BALANCER_TCP_IMPL_H
#define EK_BALANCER_TCP_IMPL_H

#include "idtable.h"
#include "policy.h"
#include "tcp.h"
#include "transfer.h"

enum {
	TCP_BLOCK = 128,        /* queries' bytes are kept in blocks of so many */
	TCP_BLOCK_BYTES = TCP_BLOCK - 4,
	TCP_PICKS = 8,          /* draws for a server that is another one */
};

enum tcp_state {
	TCP_FREE = 0,
	TCP_CLIENT,             /* a client's */
	TCP_CONNECTING,         /* to a server */
	TCP_OPEN,               /* to a server, there */
	TCP_CLOSING,            /* told to close, or about to be */
};

struct tcp_conn {
	uint16_t turn;          /* how often the place was used: the number's upper half */
	uint8_t state;
	bool client;            /* a client's, whatever its state */
	bool listed;            /* in the list of those with orders */
	bool tell;              /* its open or close is still to be ordered */
	bool drain;             /* client: takes no more queries */
	bool own;               /* server: for one query alone: a transfer, or behind a header */
	bool greet;             /* server: a PROXY header is to go first */
	bool answered;          /* server: has given an answer */
	bool room;              /* server: in its server's list of those with room */
	bool uncounted;         /* client: not among its address's connections (tcp_limit.c) */
	uint16_t owner;         /* server: its index; client: its front's */
	struct ep peer, local;  /* client */
	uint32_t in_flight;     /* queries, transfers among them */
	uint32_t queries;       /* client: ever */
	uint32_t first, last;   /* its queries, in order */
	uint32_t unsent;        /* server: the first that wasn't sent */
	uint32_t next_listed;
	uint32_t before, after; /* free: the next free one; server: list of room */
	uint32_t at;            /* in the heap of deadlines, plus 1 */
	int64_t opened_ns, since_ns, due_ns;
};

struct tcp_link {
	uint32_t before, after;
};

/* A query that waits for its answer. */
struct tcp_query {
	struct idt_query q;     /* what an answer is matched with and given back by: bal.c */
	uint32_t client, server_conn; /* places plus 1; client 0: it is gone */
	uint32_t client_conn;   /* the client's number */
	struct tcp_link of_client, of_server;
	uint32_t next_hash;     /* free: the next free one */
	uint32_t block;         /* its bytes */
	uint16_t len;
	uint16_t server;
	uint16_t id;            /* on its connection to the server */
	uint8_t tries;          /* after the first */
	uint16_t udp_size;      /* bytes that its client takes over UDP; 0: it asked over TCP */
	int64_t delay_ns;       /* its answer goes out so much later, over UDP */
	bool transfer;
	bool begun;             /* transfer: a message went to the client */
	struct transfer seen;   /* of a transfer */
};

struct tcp_block {
	uint32_t next;          /* plus 1 */
	uint8_t data[TCP_BLOCK_BYTES];
};

struct tcp_server {
	uint32_t room_first, room_last; /* connections with room, those used last first */
	uint32_t open;          /* connections */
	uint32_t idle;          /* those without a query */
};

struct tcp {
	const struct bal_conf *conf;
	struct bal_shared *shared;
	struct policy *policy;  /* the balancer's, by pool */
	struct drbg random;
	uint64_t client_key;
	int64_t now_ns;
	struct tcp_conn *conn;
	struct tcp_query *query;
	struct tcp_block *block;
	struct tcp_server *server;
	uint32_t *hash;         /* queries by connection and ID */
	uint32_t *heap;         /* connections by deadline */
	uint32_t heap_n;
	uint32_t conn_free, conn_touched, query_free, query_touched, block_free, block_touched;
	uint32_t listed_first, listed_last;
	uint32_t clients, servers; /* open connections */
	uint32_t used;          /* queries */
	uint64_t count[BAL_TCP_COUNT_N];
};

/* ---- tcp_table.c ---- */

static inline uint32_t btcp_conns(const struct tcp *t)
{
	return t->conf->tcp.conns;
}

static inline uint32_t btcp_at(const struct tcp *t, const struct tcp_conn *c)
{
	return (uint32_t)(c - t->conn) + 1;
}

static inline uint32_t btcp_query_at(const struct tcp *t, const struct tcp_query *q)
{
	return (uint32_t)(q - t->query) + 1;
}

/* Its place, below the number of connections, as long as it waits. */
static inline uint32_t btcp_slot(const struct tcp *t, const struct tcp_query *q)
{
	return (uint32_t)(q - t->query);
}

static inline uint32_t btcp_number(const struct tcp *t, const struct tcp_conn *c)
{
	return (uint32_t)c->turn << 16 | btcp_at(t, c);
}

/* Somebody waits for q's answer: a client's connection that is there, or one over UDP. */
static inline bool btcp_wanted(const struct tcp_query *q)
{
	return q->client != 0 || q->udp_size > 0;
}

/* A free connection in this state, or NULL. */
struct tcp_conn *btcp_conn_take(struct tcp *t, enum tcp_state state);
void btcp_conn_free(struct tcp *t, struct tcp_conn *c);
/* The connection of a number, NULL when it is over. */
struct tcp_conn *btcp_conn_find(const struct tcp *t, uint32_t conn);
/* Puts it behind all that have orders, if it isn't there. */
void btcp_list(struct tcp *t, struct tcp_conn *c);
/* Its deadline; INT64_MAX: none. */
void btcp_due(struct tcp *t, struct tcp_conn *c, int64_t due_ns);

/* A query with a copy of the message, or NULL when there is no room. */
struct tcp_query *btcp_query_take(struct tcp *t, const uint8_t *message, uint16_t len);
void btcp_query_free(struct tcp *t, struct tcp_query *q);
void btcp_query_read(const struct tcp *t, const struct tcp_query *q, uint8_t *out);
/* Draws an ID that is free on c and enters q under it. */
void btcp_id_take(struct tcp *t, struct tcp_query *q, const struct tcp_conn *c);
void btcp_id_free(struct tcp *t, struct tcp_query *q);
struct tcp_query *btcp_id_find(const struct tcp *t, const struct tcp_conn *c, uint16_t id);
/* The end of a connection's list of queries, and out of it. */
void btcp_client_add(struct tcp *t, struct tcp_conn *c, struct tcp_query *q);
void btcp_client_remove(struct tcp *t, struct tcp_query *q);
void btcp_server_add(struct tcp *t, struct tcp_conn *c, struct tcp_query *q);
void btcp_server_remove(struct tcp *t, struct tcp_query *q);

/* ---- tcp_limit.c ---- */

/* Counts one more connection of a client or at a front; false: as many as allowed are there. */
bool btcp_limit_take(struct tcp *t, unsigned front, const struct ip *client, bool *of_client);
/* client NULL: it wasn't counted. */
void btcp_limit_give(struct tcp *t, unsigned front, const struct ip *client);
/* Counts one that is there already, above the limits too. False: without its client. */
bool btcp_limit_keep(struct tcp *t, unsigned front, const struct ip *client);

/* ---- tcp_client.c ---- */

/* Sets the deadline anew; closes what is finished. */
void btcp_client_settle(struct tcp *t, struct tcp_conn *c);
void btcp_client_expire(struct tcp *t, struct tcp_conn *c);
/* Reset: its queries go on without it. */
void btcp_client_gone(struct tcp *t, struct tcp_conn *c);
/* Takes no more, closes once all is answered. */
void btcp_client_drain(struct tcp *t, struct tcp_conn *c);
/* q is over, answered or not: takes it from its client, if that is there. */
void btcp_client_lose(struct tcp *t, struct tcp_query *q);

/* ---- tcp_server.c ---- */

/* Puts q on a connection to server, a new one when fresh. False: no connection is to be had. */
bool btcp_route(struct tcp *t, struct tcp_query *q, unsigned server, bool fresh);
/* An answer to q came, its last when over: then q is gone. */
void btcp_answered(struct tcp *t, struct tcp_query *q, bool over);
/* Nobody wants what it brings any more. */
void btcp_server_abandon(struct tcp *t, struct tcp_conn *c);
void btcp_server_settle(struct tcp *t, struct tcp_conn *c);
void btcp_server_expire(struct tcp *t, struct tcp_conn *c);
void btcp_server_gone(struct tcp *t, struct tcp_conn *c);
/* It is closed, and its queries end without an answer. */
void btcp_server_give_up(struct tcp *t, struct tcp_conn *c);
/* A reload gave its server another configuration, or took it away. */
void btcp_server_moved(struct tcp *t, struct tcp_conn *c);

/* ---- tcp.c: for bal.c ---- */

size_t btcp_arena_size(const struct bal_conf *conf);
/* NULL when the configuration has no TCP. */
struct tcp *btcp_init(struct arena *a, const struct bal_conf *conf, struct bal_shared *shared,
                     struct policy *policy, const uint8_t seed[32], uint32_t worker);
/* Time goes on; what is due happens. */
void btcp_begin(struct tcp *t, int64_t now_ns);
uint32_t btcp_accept(struct tcp *t, const struct ep *peer, const struct ep *local, unsigned front);
bool btcp_takes(const struct tcp *t, uint32_t conn);
/* A message of a client came; false: it is from a connection that takes none. */
bool btcp_heard(struct tcp *t, uint32_t conn);
/* It was refused: its connection ends once all before it is answered. */
void btcp_refused(struct tcp *t, uint32_t conn);
/* It was answered at once. */
void btcp_served(struct tcp *t, uint32_t conn);
/*
 * Keeps a query of a client that was heard, and puts it on a connection to server. NULL: there is
 * no room for it. The caller fills in q->q. udp_size: as in struct tcp_query.
 */
struct tcp_query *btcp_forward(struct tcp *t, const struct dgram *d, unsigned server,
                               bool transfer, uint16_t udp_size);
/* The query that a message from a server, on conn, has the ID of, or NULL. */
struct tcp_query *btcp_find(const struct tcp *t, uint32_t conn, uint16_t id);
/*
 * A message answers q, its last when over; q is gone then. Returns the client's connection, 0 when
 * that is gone or there is none.
 */
uint32_t btcp_take_answer(struct tcp *t, struct tcp_query *q, bool over);
/* Of bal.c: a balancer's TCP; NULL: none. */
struct tcp *btcp_of(const struct bal *b);
/* Places of queries that were ever used. */
static inline uint32_t btcp_slots(const struct tcp *t)
{
	return t->query_touched;
}
/* bal_succeed of TCP; numbers of connections and places stay. tcp_succeed.c. */
struct bal_succession;
void btcp_succeed(struct tcp *to, struct tcp *from, const struct bal_succession *s);
/* Queries in all = answered (the caller's count) + those that ended otherwise + waiting. */
uint64_t btcp_unanswered(const struct tcp *t);
void btcp_check(const struct tcp *t);

#endif
