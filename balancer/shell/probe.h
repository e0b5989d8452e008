/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sockets of probes, for watch.c: a fresh one for each, connected, so that a refusal is heard.
 * Over UDP one message goes out and messages come in; over TCP it connects, sends the framed
 * message and reads until a whole one is there. Decides nothing: what has come, or that nothing
 * can come any more, is the health core's to judge. Never blocks.
 */
#ifndef EK_BALANCER_PROBE_H
#define EK_BALANCER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "balancer/core/health.h"

enum { PROBE_ANSWER = 4096 }; /* bytes of an answer; a longer one is cut off there */

enum probe_state { PROBE_FREE, PROBE_UDP, PROBE_CONNECTING, PROBE_READING };

/* Zero: free. */
struct probe {
	enum probe_state state;
	int fd;
	unsigned server;
	uint32_t conn;         /* of the probe: the core's */
	uint16_t sent_n;       /* bytes of message that were sent, what is before it included */
	uint16_t message_n;
	uint8_t *message;      /* over TCP: what is to be sent; then NULL */
	uint32_t in_n;
	uint8_t *in;           /* over TCP: what has come of the answer */
};

/* What there is to tell after an event. */
enum probe_news {
	PROBE_NOTHING, /* yet */
	PROBE_MESSAGE, /* in answer */
	PROBE_FAILED,  /* refused, ended, or broken: no answer will come */
};

/*
 * Sends the probe d to s, or begins to; behind a PROXY header where s wants one. what: the number
 * of its events on the epoll. False: it couldn't be sent, and p stays free.
 */
bool probe_open(struct probe *p, const struct dgram *d, const struct bal_server *s, int epoll,
                uint64_t what);
/*
 * Something has happened on its socket. Fills answer, and its length, for PROBE_MESSAGE: then call
 * it again, if another one would be of use, for a stream may have brought several.
 */
enum probe_news probe_event(struct probe *p, int epoll, uint64_t what,
                            uint8_t answer[PROBE_ANSWER], uint16_t *len);
void probe_close(struct probe *p);

#endif
