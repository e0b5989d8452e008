/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sender's parts share: the UDP sockets (udp.c), the TCP connections (tcp.c) and the loop
 * over both (run.c). Not for others.
 */
#ifndef EK_REPLAY_IO_H
#define EK_REPLAY_IO_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/host/spare.h"
#include "run.h"

enum {
	REPLAY_BATCH = 256,          /* queries of one poll */
	REPLAY_SHORT = 256,          /* bytes that most queries don't have */
	REPLAY_ANSWER_MAX = 512,     /* of an answer over UDP; all that is looked at is less */
	REPLAY_EVENT_TCP = REPLAY_SOCKETS, /* epoll data: sockets by index, then connections */
};

/* Buffers of what is sent, near each other: the first has room for any query. */
struct replay_out {
	struct dgram d[REPLAY_BATCH];
	struct mmsghdr msg[REPLAY_BATCH];
	struct iovec iov[REPLAY_BATCH];
	uint8_t any[UINT16_MAX + 1];
	uint8_t few[REPLAY_BATCH - 1][REPLAY_SHORT];
};

/* And of what comes, from one socket. */
struct replay_in {
	struct dgram d[DGRAM_BATCH];
	struct mmsghdr msg[DGRAM_BATCH];
	struct iovec iov[DGRAM_BATCH];
	union {
		size_t align;
		uint8_t room[CMSG_SPACE(sizeof(struct timespec))];
	} control[DGRAM_BATCH];
	uint8_t bytes[DGRAM_BATCH][REPLAY_ANSWER_MAX + 64];
};

struct replay_tcp;

struct replay_io {
	const struct replay_task *task;
	struct replay *core;
	struct replay_result *result;
	int epoll;
	int udp[REPLAY_SOCKETS];
	bool timed;                  /* not as fast as may be: the kernel says when answers came */
	int64_t real_ns;             /* CLOCK_REALTIME - CLOCK_MONOTONIC */
	int64_t sent_ns;             /* when the last query went out */
	struct spare spare;          /* its lock is the core's and the connections' */
	struct replay_tcp *tcp[REPLAY_CONNECTIONS];
	struct replay_out out;
	struct replay_in in;
};

/* Opens the sockets and puts them into epoll. Returns 0 or -errno. */
int replay_udp_open(struct replay_io *io) MUST_CHECK;
/* Sends the UDP queries among out.d[0..n) and counts how late they were. Under the lock. */
void replay_udp_send(struct replay_io *io, unsigned n);
/* Takes a batch of what socket i holds to the core. True: there may be more. */
bool replay_udp_receive(struct replay_io *io, unsigned i);
void replay_udp_close(struct replay_io *io);

/* Sends d over its connection, opened if need be. All of these under the lock. */
void replay_tcp_send(struct replay_io *io, const struct dgram *d);
/* Opens connection conn, for later. */
void replay_tcp_open(struct replay_io *io, uint32_t conn);
void replay_tcp_event(struct replay_io *io, unsigned slot);
/* The core is done with it. */
void replay_tcp_end(struct replay_io *io, uint32_t conn);
void replay_tcp_close(struct replay_io *io);

#endif
