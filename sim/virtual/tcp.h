/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP in virtual time: streams by connection and message. What kernels do is in tcp.c: handshake,
 * segments with their numbers, acknowledgements, FIN, RST; what programs do with them is in
 * tcp_program.c, around the same cores as in real time. Side 0 has opened the stream.
 *
 * Nothing is sent twice but a SYN: a stream that loses another segment is over, though its ends
 * only learn that from their time-outs. Plans that ask for loss on TCP are refused.
 */
#ifndef EK_VIRTUAL_TCP_H
#define EK_VIRTUAL_TCP_H

#include "world.h"

struct side {
	unsigned node;
	uint32_t generation;    /* of its program */
	struct ep ep;
	uint32_t seq, ack;      /* of the next byte that it sends, and that it expects */
	uint32_t app;           /* its core's number of the connection; 0: none yet */
	unsigned waiting;       /* recursor: answers to come */
	bool gone;              /* its program has no part in it any more */
	bool connected;         /* opener: there, and its program doesn't know yet */
	bool fin_out, fin_in, reset;
	uint8_t *in;            /* not yet taken by its program */
	uint32_t in_len, in_cap;
	int64_t last_ns;        /* when its last segment leaves */
	int64_t active_ns;
};

struct stream {
	struct side side[2];
	uint32_t id;            /* 0: free */
	uint32_t index;         /* its place plus 1; it stays */
	uint32_t next_free;     /* index */
	uint32_t turn;          /* how often it was used */
	bool established;
	unsigned syns;
	unsigned load;          /* of a client's */
	bool more;              /* a client's: other queries follow on it */
	unsigned waiting;       /* a client's: queries without an answer */
	unsigned check;         /* of a balancer's health check: its server's number plus 1 */
	int64_t until_ns;       /* of a client's: its last try's deadline */
	/* A client's or a check's queries, with lengths: sent when it is established. */
	uint8_t *out;
	uint32_t out_len;
};

enum tcp_timer { TCP_TIMER_SYN = 1, TCP_TIMER_UNTIL, TCP_TIMER_IDLE };

/* -- tcp.c: the kernels' part */
/* A new stream from own to peer; its SYN leaves at t_ns. NULL: trouble. */
struct stream *tcp_open(struct world *w, struct host *h, const struct ep *own,
                        const struct ep *peer, int64_t t_ns);
struct stream *tcp_find(struct world *w, uint32_t id);
/* The client's stream of that load and number that its program has open, or NULL. O(streams). */
struct stream *tcp_find_client(struct world *w, unsigned load, uint32_t number);
/* A message of side k, framed, leaves at t_ns or after what it sent before. */
void tcp_write(struct world *w, struct stream *s, unsigned k, const uint8_t *m, uint16_t len,
               int64_t t_ns);
/* Keeps a message of side 0 for when the stream is established; tcp_flush sends what was kept. */
void tcp_keep(struct stream *s, const uint8_t *m, uint16_t len);
void tcp_flush(struct world *w, struct stream *s, int64_t t_ns);
/* The same of bytes that are no message. */
void tcp_write_raw(struct world *w, struct stream *s, unsigned k, const uint8_t *p, size_t n,
                   int64_t t_ns);
/* Side k's program closes; the stream may be over then. */
void tcp_close(struct world *w, struct stream *s, unsigned k, int64_t t_ns);
/* The same with what it has not read: a reset. */
void tcp_abort(struct world *w, struct stream *s, unsigned k, int64_t t_ns);
/* The first message that has come: its length, or -1; *data is the world's until the next. */
int tcp_read(struct world *w, struct side *k, uint8_t **data);
bool tcp_has_message(const struct side *k);
void tcp_timer(struct world *w, uint32_t id, enum tcp_timer what, int64_t t_ns);
/* A source port that isn't in use. */
uint16_t tcp_fresh_port(struct world *w);

/* -- tcp_program.c: the programs' part */
/* Whether its program listens there. */
bool tcp_listens(const struct host *h, const struct ep *dst);
void tcp_client_looks(struct world *w, struct stream *s);
/* The client's last try on the stream is over. */
void tcp_client_until(struct world *w, struct stream *s);
void tcp_probe_looks(struct world *w, struct host *h, struct stream *s);
/* Time is over for what. */
void tcp_idle(struct world *w, struct stream *s);

#endif
