/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the clients' shell share: the UDP sockets with their batches (udp.c), the TCP
 * connections (tcp.c) and the loop over both (shell.c). Not for others.
 */
#ifndef EK_LOAD_IO_H
#define EK_LOAD_IO_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/host/spare.h"
#include "shell.h"

enum {
	LOAD_MESSAGE_MAX = 4096,   /* of an answer over UDP that is kept; more is cut off */
	LOAD_CONNS_MAX = 4096,     /* TCP connections at once; one more fails its try */
	LOAD_EVENT_TCP = LOAD_SOCKETS, /* epoll data: sockets by index, then connections */
};

/* Buffers of one batch; data of the descriptors points into bytes. */
struct load_batch {
	struct dgram d[DGRAM_BATCH];
	struct mmsghdr msg[DGRAM_BATCH];
	struct iovec iov[DGRAM_BATCH];
	struct sockaddr_storage peer[DGRAM_BATCH];
	union {
		size_t align;
		uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control[DGRAM_BATCH];
	uint8_t bytes[DGRAM_BATCH][LOAD_MESSAGE_MAX];
};

struct load_conn;

struct load_io {
	const struct plan_load *spec;
	struct load *core;
	struct load_result *result;
	int epoll;
	int udp[LOAD_SOCKETS];
	struct spare spare;                  /* sends what is overdue; its lock is the core's */
	struct load_batch out, in;
	unsigned conn_n;                     /* open ones */
	unsigned conn_high;                  /* none is open from here on */
	struct load_conn *conn[LOAD_CONNS_MAX];
};

/* Opens the sockets and puts them into epoll. Returns 0 or -errno. */
int load_udp_open(struct load_io *io) MUST_CHECK;
/* Sends the UDP queries among out.d[0..n) and counts their lateness. */
void load_udp_send(struct load_io *io, unsigned n);
/* Takes what socket i holds to the core, at most a batch. */
void load_udp_receive(struct load_io *io, unsigned i);
void load_udp_close(struct load_io *io);

/* Opens a connection for a query from the core; failing is told to the core at once. */
void load_tcp_send(struct load_io *io, const struct dgram *d);
/* Something happened at connection number slot. */
void load_tcp_event(struct load_io *io, unsigned slot);
/* Ends connections whose try is over. Returns when to call again, INT64_MAX: no need. */
int64_t load_tcp_expire(struct load_io *io, int64_t now_ns);
void load_tcp_close(struct load_io *io);

#endif
