/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As much of io_uring as a worker needs, over the system calls themselves: one submitting thread, a
 * ring of buffers that the kernel fills. Completions are only made while that
 * thread is in ring_enter, after all it submits there (IORING_SETUP_DEFER_TASKRUN), so what is sent
 * is read from its buffers before what comes in is written to any.
 */
#ifndef EK_BALANCER_SHELL_RING_H
#define EK_BALANCER_SHELL_RING_H

#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/must.h"

struct ring {
	int fd;
	unsigned enter_fd, enter_flags;         /* fd, or its registered number */
	unsigned *sq_head, *sq_tail, *cq_head, *cq_tail;
	unsigned sq_mask, cq_mask, entries;
	unsigned tail;                          /* of what was filled in and isn't submitted yet */
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring_buf_ring *buffers;      /* group 0 */
	uint16_t buffer_mask, buffer_tail;
};

/*
 * entries, buffers: powers of two. Only ring_offer and ring_publish may be called before
 * ring_start. Returns 0 or -errno, also for what the kernel is too old for.
 */
int ring_open(struct ring *r, unsigned entries, unsigned buffers) MUST_CHECK;
void ring_close(struct ring *r);
/* The calling thread is the one that uses it from now on. */
void ring_start(struct ring *r);

/* Offers a buffer to the kernel; it takes effect with ring_publish. */
void ring_offer(struct ring *r, uint16_t id, void *p, unsigned len);
void ring_publish(struct ring *r);

/* The next submission, zeroed. Submits those before it when there is no room. */
struct io_uring_sqe *ring_next(struct ring *r);
/* Submits, and comes back. */
void ring_submit(struct ring *r);
/* Submits, and waits for a completion until until_ns (monotonic; INT64_MAX: for ever). */
void ring_enter(struct ring *r, int64_t until_ns);
/* The oldest completion, or NULL; ring_seen when it has been dealt with. */
const struct io_uring_cqe *ring_peek(const struct ring *r);
void ring_seen(struct ring *r);

#endif
