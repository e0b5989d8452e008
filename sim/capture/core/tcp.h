/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS messages out of TCP segments (RFC 9293, RFC 7766), in whatever order they come and however
 * often. Each direction of a connection has the position up to which it was read, and pieces from
 * there on.
 *
 *	connection  two endpoints, from the first segment that is seen of them, or from a SYN with
 *	            another sequence number, to the next such; remembered after its end, as segments
 *	            come again
 *	in frame    it is known where the next message starts: from a SYN on, or because something
 *	            that began with a segment reads as a message with its length
 *	gap         bytes that are missing. They are waited for while pieces behind them come for
 *	            less than three seconds and there is room; then reading goes on behind them, out
 *	            of frame
 *
 * Bounded: connections, pieces of each, pieces of all. Acknowledgements, windows, options and
 * checksums aren't looked at. Messages are pulled, so one segment may give many.
 */
#ifndef EK_CAPTURE_TCP_H
#define EK_CAPTURE_TCP_H

#include "lib/lru.h"
#include "lib/stream.h"
#include "pieces.h"
#include "packet.h"
#include "sim/net/frame.h"

enum { TCP_MESSAGE_MAX = STREAM_MAX };

struct tcp_half {
	uint32_t next;         /* position that comes next */
	uint32_t first;        /* behind the SYN, where one was seen */
	bool known;            /* next is */
	bool begun;            /* first is */
	bool framed;           /* at next a message starts */
	struct pieces pieces;  /* from next on; the start of a message, and what is behind a gap */
	int64_t gap_ns;        /* since when there is a gap; 0: there is none */
};

struct tcp_connection {
	uint64_t number;       /* from 1 */
	bool closed;           /* FIN or RST was seen */
	struct tcp_half half[2]; /* from the lower endpoint, from the higher */
};

struct tcp_streams {
	struct lru table;
	struct tcp_connection *of;
	struct pieces_pool *pool;
	uint64_t *count;       /* by enum capture_count */
	uint64_t connections;  /* so far */
	uint8_t *message;      /* TCP_MESSAGE_MAX bytes: one that came in pieces */
	/* The segment that messages are being pulled out of. */
	struct tcp_connection *now;
	struct tcp_half *half;
	const uint8_t *p;      /* what of it is read on the spot */
	uint32_t n;
	const uint8_t *late;   /* what of it has no room until pieces have been read */
	uint32_t late_n, late_seq;
};

size_t tcp_streams_arena_size(uint32_t connections);
void tcp_streams_init(struct tcp_streams *t, struct arena *a, uint32_t connections, uint64_t seed,
                      struct pieces_pool *pool, uint64_t *count);
/* A TCP frame that came at t_ns, its payload borrowed until tcp_streams_next has said false. */
void tcp_streams_segment(struct tcp_streams *t, int64_t t_ns, const struct frame *f);
/*
 * The next message that the segment made whole, without its length, and its connection's number. It
 * lies in the segment or in t. May be called without end; false: there is no more.
 */
bool tcp_streams_next(struct tcp_streams *t, const uint8_t **m, uint16_t *len,
                      uint64_t *connection);
/* The capture is over: counts what stays unfinished, and forgets it. */
void tcp_streams_end(struct tcp_streams *t);

#endif
