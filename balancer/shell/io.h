/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The UDP sockets of one worker, and how datagrams come in and go out. A pass of the worker:
 * io_wait fills d[0..n) and event[0..event_n), the core judges in place, io_send sends what the
 * verdicts say. There are two ways, chosen at the start by what the kernel has, and the same in
 * what they do: the plain one waits with epoll and reads and sends with recvmmsg and sendmmsg, in
 * batches of 64; the other leaves reading to io_uring and asks the kernel once a pass. Nothing
 * blocks: what a full socket refuses is counted. Not for anybody but a worker's thread.
 */
#ifndef EK_BALANCER_SHELL_IO_H
#define EK_BALANCER_SHELL_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "balancer/core/conf.h"
#include "lib/dgram.h"
#include "steer.h"

/* What a worker counts besides the core's verdicts. */
#define WORKER_COUNTS(X) \
	X(WORKER_SEND_FULL, "send-full", "datagram dropped: the socket's buffer was full") \
	X(WORKER_SEND_FAILED, "send-failed", "datagram dropped: the kernel refused it") \
	X(WORKER_TOO_BIG, "too-big", "datagram longer than 4096 bytes") \
	X(WORKER_REFUSED, "refused", "error reports of the network about earlier queries") \
	X(WORKER_JOINED, "joined", "datagram handed to the kernel together with others") \
	X(WORKER_SPREADS, "spreads", "times that queries were spread over the workers") \
	X(WORKER_RINGS, "io-uring", "worker that uses io_uring") \
	X(WORKER_PASSES, "wakeups", "times that a worker woke up")

enum worker_count {
#define X(id, name, prose) id,
	WORKER_COUNTS(X)
#undef X
	WORKER_COUNT_N,
};

enum {
	IO_POOL = 512,              /* datagrams that one pass receives */
	IO_OWN = 64,                /* and those that it makes itself */
	IO_ALL = IO_POOL + IO_OWN,
	IO_BUFFER = 4096,           /* bytes of one datagram */
	IO_EVENTS = 64,
};

enum io_choice { IO_AUTO, IO_PLAIN, IO_URING };

struct io_way;
struct io_out;
struct io_socket;
struct io_messages;

struct io {
	const struct io_way *way;
	void *state;                /* the way's own */
	int epoll;                  /* borrowed; also watches what isn't ours */
	int64_t now_ns;             /* of this pass */
	/* out: fronts, those that a reload took away and that answers still leave from (from live_n
	 * on), then the core's ports 1... */
	unsigned live_n, front_n, out_n;
	struct io_out *out;
	struct io_socket *socket;   /* by descriptor */
	unsigned socket_n;
	struct io_messages *messages;
	uint16_t touched_n;
	uint16_t *touched;          /* indices of out with something to send */
	struct steerer steerer;
	uint64_t count[WORKER_COUNT_N];
	uint64_t back_failed;       /* of WORKER_SEND_FAILED, those towards servers */
	unsigned n;                 /* datagrams of this pass */
	unsigned event_n;           /* events of others' descriptors */
	struct dgram d[IO_ALL];
	uint16_t next[IO_ALL];
	uint8_t *own;               /* buffers */
	struct epoll_event event[IO_EVENTS];
};

/*
 * outs: how many sockets may be added. epoll: descriptors that others add to it must come with
 * data.u64 of 2^32 or more. NULL: choice is IO_URING, and the kernel has no io_uring that will do
 * or doesn't let us use it; *err is -errno.
 */
struct io *io_new(unsigned outs, int epoll, enum io_choice choice, int *err);
/*
 * Adds a socket: fronts first, then servers' in the order of the core's ports. fd: -1 for a
 * server's that couldn't be opened; it is tried again when it is needed. s is borrowed. changes:
 * how often the server's state has changed, where it wants fresh sockets after that, else NULL.
 */
void io_add_front(struct io *io, int fd, const struct ep *ep);
void io_add_back(struct io *io, int fd, const struct bal_server *s,
                 const _Atomic uint32_t *changes);
/* True when a front socket of that address is there. */
bool io_has_front(const struct io *io, const struct ep *ep);
/* Before io_start, once: it belongs to worker index of those that steer counts. */
void io_steer(struct io *io, struct steer *steer, unsigned index);
/* In the thread that will use it, once. */
void io_start(struct io *io);
/* Waits until something is there, or until_ns (monotonic; INT64_MAX: for ever). */
void io_wait(struct io *io, int64_t until_ns);
/* Makes descriptors after those that came in ready to be written to. How many there are. */
unsigned io_room(struct io *io);
/* Sends an answer to a client at once. */
void io_send_one(struct io *io, const struct dgram *d);
/* Sends each datagram whose verdict says so. */
void io_send(struct io *io, int64_t now_ns);

#endif
