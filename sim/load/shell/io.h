/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the clients' shell share: the UDP sockets with their batches (udp.c), the TCP
 * connections (tcp.c), the loop over both (shell.c) and the second sender (spare.c). Not for
 * others.
 */
#ifndef EK_LOAD_IO_H
#define EK_LOAD_IO_H

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>

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

/* What the loop and the second sender share. */
struct load_spare {
	pthread_mutex_t lock;                /* whoever has it may use the core and the sockets */
	_Atomic int64_t due_ns;              /* the core's deadline */
	_Atomic int loop_cpu;                /* where the loop ran last */
	_Atomic bool over;
	int64_t overdue_ns;                  /* later than this is a case for the second sender */
	bool runs;
	pthread_t thread;
	int policy;                          /* of the loop's thread, as the rest */
	struct sched_param param;
	cpu_set_t allowed;
};

struct load_io {
	const struct plan_load *spec;
	struct load *core;
	struct load_result *result;
	int epoll;
	int udp[LOAD_SOCKETS];
	struct load_spare spare;
	struct load_batch out, in;
	unsigned conn_n;                     /* open ones */
	unsigned conn_high;                  /* none is open from here on */
	struct load_conn *conn[LOAD_CONNS_MAX];
};

/* Exact timers and short slices for the calling thread, where the kernel has them. */
void load_ask_for_punctuality(void);
/* Sends all that is due at now_ns, and says when something will be. Under the lock. */
void load_send_due(struct load_io *io, int64_t now_ns);

/* Begins the second sender, if there are two processors. step_ns: of the loop, or 0. */
void load_spare_start(struct load_io *io, int64_t step_ns);
/* Waits for its end; not under the lock. */
void load_spare_end(struct load_io *io);

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
