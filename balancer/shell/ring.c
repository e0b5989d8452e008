/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring over its system calls; see ring.h. */
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/host/host.h"

enum {
	FLAGS = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
	        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
	FEATURES = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG |
	           IORING_FEAT_CQE_SKIP,
	COMPLETIONS = 2,            /* places for each submission's */
};

static long do_register(const struct ring *r, unsigned op, void *arg, unsigned n)
{
	return syscall(SYS_io_uring_register, r->fd, op, arg, n) < 0 ? -errno : 0;
}

static void *map(const struct ring *r, size_t len, uint64_t what)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
	            (off_t)what);
}

static int map_all(struct ring *r, const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	uint8_t *at = map(r, sq > cq ? sq : cq, IORING_OFF_SQ_RING);
	void *sqe = map(r, p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);

	if (at == MAP_FAILED || sqe == MAP_FAILED)
		return -errno;
	r->sqe = sqe;
	r->cqe = (void *)(at + p->cq_off.cqes);
	r->sq_head = (void *)(at + p->sq_off.head);
	r->sq_tail = (void *)(at + p->sq_off.tail);
	r->cq_head = (void *)(at + p->cq_off.head);
	r->cq_tail = (void *)(at + p->cq_off.tail);
	r->entries = p->sq_entries;
	r->sq_mask = p->sq_entries - 1;
	r->cq_mask = p->cq_entries - 1;
	unsigned *array = (void *)(at + p->sq_off.array);
	for (unsigned i = 0; i < p->sq_entries; i++)
		array[i] = i;
	return 0;
}

static int add_buffers(struct ring *r, unsigned n)
{
	size_t len = n * sizeof(struct io_uring_buf);
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	r->buffers = p;
	r->buffer_mask = (uint16_t)(n - 1);
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)p, .ring_entries = n };
	return (int)do_register(r, IORING_REGISTER_PBUF_RING, &reg, 1);
}

int ring_open(struct ring *r, unsigned entries, unsigned buffers)
{
	struct io_uring_params p = { .flags = FLAGS, .cq_entries = entries * COMPLETIONS };

	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, entries, &p);
	if (r->fd < 0)
		return -errno;
	int err = (p.features & FEATURES) != FEATURES ? -ENOSYS : map_all(r, &p);
	if (err == 0)
		err = add_buffers(r, buffers);
	if (err < 0)
		ring_close(r);
	return err;
}

void ring_close(struct ring *r)
{
	close(r->fd);
	r->fd = -1;
}

void ring_start(struct ring *r)
{
	struct io_uring_rsrc_update u = { .offset = UINT32_MAX, .data = (unsigned)r->fd };

	MUST(do_register(r, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0);
	r->enter_fd = (unsigned)r->fd;
	if (do_register(r, IORING_REGISTER_RING_FDS, &u, 1) < 0)
		return;
	r->enter_fd = u.offset;
	r->enter_flags = IORING_ENTER_REGISTERED_RING;
}

void ring_offer(struct ring *r, uint16_t id, void *p, unsigned len)
{
	struct io_uring_buf *b = &r->buffers->bufs[r->buffer_tail++ & r->buffer_mask];

	b->addr = (uintptr_t)p; /* not b->resv: the first one's is the tail */
	b->len = len;
	b->bid = id;
}

void ring_publish(struct ring *r)
{
	__atomic_store_n(&r->buffers->tail, r->buffer_tail, __ATOMIC_RELEASE);
}

/* Submits; with until_ns above INT64_MIN it also waits. */
static void enter(struct ring *r, int64_t until_ns)
{
	struct io_uring_getevents_arg arg = { 0 };
	struct __kernel_timespec left;
	unsigned n = r->tail - __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE);
	unsigned flags = r->enter_flags, wait = 0;

	__atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
	if (until_ns > INT64_MIN) {
		flags |= IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
		wait = 1;
	}
	if (wait == 1 && until_ns != INT64_MAX) {
		int64_t left_ns = until_ns - host_mono_ns();
		left_ns = left_ns > 0 ? left_ns : 0;
		left.tv_sec = left_ns / 1000000000;
		left.tv_nsec = left_ns % 1000000000;
		arg.ts = (uintptr_t)&left;
	}
	long got = syscall(SYS_io_uring_enter, r->enter_fd, n, wait, flags,
	                   wait == 1 ? &arg : NULL, wait == 1 ? sizeof(arg) : 0);
	MUST(got >= 0 || errno == ETIME || errno == EINTR || errno == EBUSY || errno == EAGAIN);
}

struct io_uring_sqe *ring_next(struct ring *r)
{
	while (r->tail - __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE) == r->entries)
		enter(r, INT64_MIN);
	struct io_uring_sqe *s = &r->sqe[r->tail++ & r->sq_mask];
	memset(s, 0, sizeof(*s));
	return s;
}

void ring_submit(struct ring *r)
{
	enter(r, INT64_MIN);
}

void ring_enter(struct ring *r, int64_t until_ns)
{
	enter(r, until_ns);
}

const struct io_uring_cqe *ring_peek(const struct ring *r)
{
	unsigned head = *r->cq_head;

	return head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) ? NULL
	                                                             : &r->cqe[head & r->cq_mask];
}

void ring_seen(struct ring *r)
{
	__atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE);
}
