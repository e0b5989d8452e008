/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of a worker's TCP share: connections by the core's places, their buffers, and
 * sending. Not for anybody else; see tcp.h.
 */
#ifndef EK_BALANCER_SHELL_TCP_CONN_H
#define EK_BALANCER_SHELL_TCP_CONN_H

#include <stddef.h>

#include "lib/stream.h"
#include "tcp.h"

enum {
	READ = 16384,              /* bytes asked of a socket at once, if no message needs more */
	IN_MAX = READ + STREAM_MAX,
	OUT_MAX = 1 << 18,         /* unsent bytes; above half of it nothing more is read */
	OUT_PASS = 1 << 15,        /* bytes that wait for the end of a pass */
	ACCEPTS = 64,              /* of one event */
	FIRST = 512,               /* bytes of a buffer, at least */
};

enum state { FREE = 0, CLIENT, CONNECTING, SERVER, LINGERING };

struct bytes {
	uint8_t *p;                /* NULL: nothing is kept */
	uint32_t at, len, cap;     /* len counts from p + at */
};

struct conn {
	enum state state;
	int fd;
	uint32_t number;           /* the core's */
	uint32_t events;           /* watched */
	bool closing;              /* when all is sent */
	bool eof;                  /* client: it has shut its side */
	bool resumes;              /* in the list of those that may go on */
	bool sends;                /* in the list of those with something new to send */
	bool holds;                /* client: a transfer waits until it has taken more */
	uint32_t sink;             /* server: the client that a transfer goes to; 0: none */
	uint16_t port;             /* of the core */
	struct ep peer, local;
	struct bytes in, out;
	int64_t stuck_ns;          /* closed then, unless its peer takes a byte before */
};

struct tcp_shell {
	const struct bal_conf *conf;
	struct bal *bal;
	struct recent *recent;     /* NULL: nothing is kept */
	int epoll, reserve;        /* the latter net_accept's */
	void (*datagram)(void *of, const struct dgram *d); /* to a client over UDP */
	void *of;
	struct conn *conn;         /* by the core's places */
	uint32_t touched;          /* places ever used */
	uint32_t *resume;          /* clients whose kept messages may be given to the core */
	uint32_t *send;            /* connections that were given messages in this pass */
	uint32_t resume_n, send_n;
	bool freed;                /* one that held transfers up has taken more */
	int *listener;             /* by front; -1: none */
	int64_t now_ns, next_stuck_ns;
	uint64_t stuck;
	uint8_t in[IN_MAX];
	uint8_t work[UINT16_MAX];  /* the message in the core's hands */
};

/* The connection of the core's number; NULL: it is over. */
struct conn *tconn_find(struct tcp_shell *t, uint32_t number);
/* A new one of that number, whose socket is watched. */
struct conn *tconn_begin(struct tcp_shell *t, uint32_t number, int fd, enum state state,
                         uint32_t events);
void tconn_watch(struct tcp_shell *t, struct conn *c, uint32_t events);
/* Closes it and tells the core. */
void tconn_drop(struct tcp_shell *t, struct conn *c);

/* Keeps nothing any more. */
void tconn_forget(struct bytes *b);
/* Keeps n more bytes. */
void tconn_append(struct bytes *b, const void *p, size_t n);

/* All is sent: closes it, or waits for its client's end. */
void tconn_finish(struct tcp_shell *t, struct conn *c);
/* Sends what it can of what is kept. False: the connection is no more. */
bool tconn_flush(struct tcp_shell *t, struct conn *c);
/* Keeps a message, framed, until the end of the pass. The connection may be no more then. */
void tconn_put(struct tcp_shell *t, struct conn *c, const uint8_t *m, uint16_t len);
/* Keeps bytes that go before the next message, in one segment with it. */
void tconn_head(struct tcp_shell *t, struct conn *c, const uint8_t *p, size_t n);
/* Sends what was kept by tconn_put. Returns whether there was any. */
bool tconn_send_all(struct tcp_shell *t);

#endif
