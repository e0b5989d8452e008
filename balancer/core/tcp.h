/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP in the balancer core. Messages go through bal_rx like datagrams, with proto DGRAM_TCP and the
 * number of their connection in conn; the shell frames (lib/stream.h) and says what happens to
 * connections, and pulls orders: open this one, send that, close it. Nothing depends on how bytes
 * were cut into segments, and nothing here reads a byte of a stream.
 *
 * A query over TCP is chosen a server for as any other and kept, with its bytes, until its answer
 * has come. It goes on a connection to that server that has room, else on a new one; connections
 * that aren't used are kept for the next. When a server closes a kept one (which it may at any
 * time), what was on it goes to the same server on a new one; when a new one fails, or an answer
 * doesn't come in time, to another server: `retries` times, then the client's connection ends. The
 * client of a finished connection loses nothing: what is in flight is answered first. Zone
 * transfers have a connection to a server of their own, and so has each query to a server that
 * wants a PROXY header, which says whose the whole connection is.
 *
 * Numbers of connections are never 0, and a number that is over is never taken for a later one
 * before 65,536 others had its place.
 */
#ifndef EK_BALANCER_TCP_H
#define EK_BALANCER_TCP_H

#include "bal.h"

/* What bal_tcp_poll orders, in d->verdict. */
enum bal_order {
	BAL_ORDER_OPEN = 1,  /* connect d->conn to d->peer; then bal_tcp_connected or _closed */
	BAL_ORDER_SEND,      /* send data[0..len) on d->conn, framed */
	BAL_ORDER_GREET,     /* send data[0..len) on d->conn as it is */
	BAL_ORDER_CLOSE,     /* send what is unsent, close d->conn, then call bal_tcp_closed */
};

/* What becomes of a connection of a client, counted. */
#define BAL_TCP_COUNTS(X) \
	X(BAL_TCP_ACCEPTED, "tcp-accepted", "connection of a client") \
	X(BAL_TCP_ACL, "tcp-acl-drops", "connection refused: outside of the access list") \
	X(BAL_TCP_CLIENT_LIMIT, "tcp-client-limit", "connection refused: its client has enough") \
	X(BAL_TCP_LIMIT, "tcp-limit", "connection refused: its address or worker has enough") \
	X(BAL_TCP_IDLE, "tcp-client-timeouts", "client's connection that was idle or too slow") \
	X(BAL_TCP_TOO_LONG, "tcp-too-long", "client's connection at its longest duration") \
	X(BAL_TCP_OPENED, "tcp-new-connections", "connection to a server") \
	X(BAL_TCP_REUSED, "tcp-reused-connections", "query on a kept connection") \
	X(BAL_TCP_CONNECT_FAILED, "tcp-connect-failed", "connection that a server refused") \
	X(BAL_TCP_CLOSED, "tcp-died", "connection that a server closed with queries on it") \
	X(BAL_TCP_TIMED_OUT, "tcp-server-timeouts", "connection with a query not answered") \
	X(BAL_TCP_RETRIED, "tcp-retries", "query that was sent once more") \
	X(BAL_TCP_TRANSFERRED, "tcp-transfers", "zone transfer that has ended") \
	X(BAL_TCP_FAILED, "tcp-failed", "query without an answer after all its tries") \
	X(BAL_TCP_ABANDONED, "tcp-abandoned", "query whose client was gone before it was answered")

enum bal_tcp_count {
#define X(id, name, prose) id,
	BAL_TCP_COUNTS(X)
#undef X
	BAL_TCP_COUNT_N,
};

/*
 * A client's connection, to conf->front[front]. Returns its number, or 0: refuse it (access list,
 * limits), counted. O(1) plus the access list.
 */
uint32_t bal_tcp_accept(struct bal *b, int64_t now_ns, const struct ep *peer,
                        const struct ep *local, unsigned front);
/*
 * True while the connection's next message may be given to bal_rx; ask before each. False for one
 * that has as many queries in flight as it may, or will be closed. Changes with answers and polls.
 */
bool bal_tcp_takes(const struct bal *b, uint32_t conn);
/* The connection that BAL_ORDER_OPEN asked for is there. */
void bal_tcp_connected(struct bal *b, int64_t now_ns, uint32_t conn);
/* The client will send no more; it still gets its answers. */
void bal_tcp_eof(struct bal *b, int64_t now_ns, uint32_t conn);
/*
 * The connection is over: reset, refused, closed by the server, or at our order. Numbers that are
 * over already are ignored, here and above.
 */
void bal_tcp_closed(struct bal *b, int64_t now_ns, uint32_t conn);
/*
 * The next order, into d; data and cap (65,535) are the caller's. False: there is none. Call until
 * then, after messages and events and at bal_tcp_deadline. O(log connections).
 */
bool bal_tcp_poll(struct bal *b, int64_t now_ns, struct dgram *d);
/* When bal_tcp_poll next has work; INT64_MAX: never. */
int64_t bal_tcp_deadline(const struct bal *b);
/* The place of a connection, below conf->tcp.conns; a closed one's is used again. */
uint32_t bal_tcp_place(uint32_t conn);

uint64_t bal_tcp_count(const struct bal *b, enum bal_tcp_count c);
/* Queries that are waiting for an answer, their clients there or not. */
uint32_t bal_tcp_outstanding(const struct bal *b);
/* Connections that are open: of clients, or to servers. */
uint32_t bal_tcp_open(const struct bal *b, bool to_servers);

#endif
