/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's UDP through io_uring: each socket has one request that goes on receiving into buffers
 * offered to the kernel, and one system call a pass hands over all that is to be sent and waits.
 * What else a worker watches stays in its epoll, which is itself waited for. Buffers of a pass go
 * back to the kernel after the next call, since what that one sends is still in them; see io.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io_impl.h"
#include "ring.h"

enum {
	BUFFERS = IO_POOL,          /* so a pass can't have more datagrams */
	SUBMISSIONS = 1024,         /* all that a pass sends stays readable until it is checked */
	NAME = 48,                  /* of a sender; with what precedes it one cache line */
	HEAD = sizeof(struct io_uring_recvmsg_out) + NAME,
	OFFERED = HEAD + NET_CONTROL + IO_BUFFER,
};

STATIC_MUST((int)OFFERED <= (int)IO_STRIDE && (int)SUBMISSIONS > (int)IO_ALL);

#define OP_EPOLL_WAIT 59            /* Linux 6.15, newer than many headers */

/* Kinds of requests: user_data is (kind << 32 | descriptor, or place of a submission). */
enum { RECEIVE = 1, SEND, POLL, CANCEL };

struct uring {
	struct ring ring;
	uint8_t *buffer;
	bool polling;               /* the epoll is waited for */
	bool old;                   /* the kernel has no OP_EPOLL_WAIT: poll, then ask */
	uint16_t used_n;
	uint16_t used[BUFFERS];     /* of this pass */
	unsigned rearm_n, rearm_max;
	int *rearm;                 /* descriptors that are to receive, and don't */
	struct msghdr front, wildcard; /* what a front's message looks like */
};

static uint8_t *buffer(const struct uring *u, unsigned id)
{
	return u->buffer + (size_t)id * IO_STRIDE;
}

static uint64_t tag(unsigned kind, unsigned index)
{
	return (uint64_t)kind << 32 | index;
}

/* ---- set-up ---- */

static int take_buffers(struct uring *u)
{
	void *p = mmap(NULL, (BUFFERS + 1u) * IO_STRIDE, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	u->buffer = p;
	for (unsigned i = 0; i < BUFFERS; i++)
		ring_offer(&u->ring, (uint16_t)i, buffer(u, i), OFFERED);
	ring_publish(&u->ring);
	return 0;
}

static int uring_open(struct io *io)
{
	struct uring *u = calloc(1, sizeof(*u));

	MUST(u != NULL);
	int err = ring_open(&u->ring, SUBMISSIONS, BUFFERS);
	if (err < 0) {
		free(u);
		return err;
	}
	err = take_buffers(u);
	u->front.msg_namelen = u->wildcard.msg_namelen = NAME;
	u->wildcard.msg_controllen = NET_CONTROL;
	io->state = u;
	if (err < 0)
		ring_close(&u->ring);
	return err;
}

static void rearm(struct uring *u, int fd)
{
	if (u->rearm_n == u->rearm_max) {
		u->rearm_max = u->rearm_max * 2 + 64;
		u->rearm = realloc(u->rearm, u->rearm_max * sizeof(*u->rearm));
		MUST(u->rearm != NULL);
	}
	u->rearm[u->rearm_n++] = fd;
}

static void forget(struct uring *u, int fd)
{
	for (unsigned i = 0; i < u->rearm_n; i++)
		if (u->rearm[i] == fd)
			u->rearm[i--] = u->rearm[--u->rearm_n];
}

/* io_uring waits for a blocking socket; one that doesn't block would only say EAGAIN. */
static void uring_listen(struct io *io, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	MUST(flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0);
	rearm(io->state, fd);
}

static struct io_uring_sqe *request(struct uring *u, unsigned op, int fd, uint64_t what)
{
	struct io_uring_sqe *s = ring_next(&u->ring);

	s->opcode = (uint8_t)op;
	s->fd = fd;
	s->user_data = what;
	return s;
}

/* A descriptor is closed when its request has ended, and all that is sent on it is submitted. */
static void uring_leave(struct io *io, int fd, bool closes)
{
	struct uring *u = io->state;
	struct io_socket *k = &io->socket[fd];

	forget(u, fd);
	k->closes = closes;
	if (k->armed) {
		struct io_uring_sqe *s = request(u, IORING_OP_ASYNC_CANCEL, -1, tag(CANCEL, 0));
		s->addr = tag(RECEIVE, (unsigned)fd);
	} else if (closes) {
		ring_submit(&u->ring);
		close(fd);
		k->closes = false;
	}
}

static void uring_start(struct io *io)
{
	struct uring *u = io->state;

	ring_start(&u->ring);
}

/* ---- receiving ---- */

static void arm(struct uring *u, struct io *io, int fd)
{
	const struct io_out *o = &io->out[io->socket[fd].place];
	struct io_uring_sqe *s = request(u, o->front ? IORING_OP_RECVMSG : IORING_OP_RECV, fd,
	                                 tag(RECEIVE, (unsigned)fd));

	io->socket[fd].armed = true;
	s->flags = IOSQE_BUFFER_SELECT;
	s->ioprio = IORING_RECV_MULTISHOT;
	if (o->front) {
		s->addr = (uintptr_t)(o->wildcard ? &u->wildcard : &u->front);
		s->len = 1;
	}
}

static void watch_epoll(struct uring *u, struct io *io)
{
	struct io_uring_sqe *s = ring_next(&u->ring);

	s->opcode = u->old ? IORING_OP_POLL_ADD : OP_EPOLL_WAIT;
	s->fd = io->epoll;
	s->user_data = tag(POLL, 0);
	if (u->old) {
		s->poll32_events = EPOLLIN;
	} else {
		s->addr = (uintptr_t)io->event;
		s->len = IO_EVENTS;
	}
	u->polling = true;
}

/* The epoll has something, or its request has failed. */
static void polled(struct io *io, struct uring *u, const struct io_uring_cqe *c)
{
	int n = c->res;

	u->polling = false;
	if (u->old && n > 0)
		n = epoll_wait(io->epoll, io->event, IO_EVENTS, 0);
	else if (n == -EINVAL)
		u->old = true;
	io->event_n = n > 0 ? (unsigned)n : 0;
}

/* After all that is sent: what one of these receives at once goes into buffers that are free. */
static void arm_all(struct uring *u, struct io *io)
{
	while (u->rearm_n > 0)
		arm(u, io, u->rearm[--u->rearm_n]);
	if (u->polling)
		return;
	watch_epoll(u, io);
}

static void from_client(struct io *io, const struct io_out *o, uint8_t *p)
{
	struct io_uring_recvmsg_out head;
	uint8_t *control = p + HEAD;
	size_t room = o->wildcard ? NET_CONTROL : 0;

	memcpy(&head, p, sizeof(head));
	struct msghdr m = { .msg_control = control, .msg_controllen = head.controllen };
	bool cut = (head.flags & MSG_TRUNC) != 0 || head.payloadlen > IO_BUFFER;
	struct dgram *d = io_dgram(io, control + room, cut ? IO_BUFFER + 1 : head.payloadlen);
	io_from_client(d, o, p + sizeof(head), &m);
}

/* The descriptor's request is over. */
static void ended(struct io *io, struct uring *u, int fd)
{
	struct io_socket *k = &io->socket[fd];

	k->armed = false;
	if (k->closes)
		close(fd);
	else if (!io->out[k->place].deaf)
		rearm(u, fd);
	k->closes = false;
}

static void received(struct io *io, struct uring *u, const struct io_uring_cqe *c)
{
	int fd = (int)(uint32_t)c->user_data;
	unsigned id = c->flags >> IORING_CQE_BUFFER_SHIFT, index = io->socket[fd].place;

	if ((c->flags & IORING_CQE_F_MORE) == 0)
		ended(io, u, fd);
	if (c->res < 0 && c->res != -ENOBUFS && c->res != -ECANCELED)
		io->count[WORKER_REFUSED]++;
	if ((c->flags & IORING_CQE_F_BUFFER) != 0)
		u->used[u->used_n++] = (uint16_t)id;
	else
		id = BUFFERS; /* one without a byte takes none of those that are offered */
	if (c->res < 0 || io->n == IO_POOL || index == IO_NONE)
		return;
	if (io->out[index].front)
		from_client(io, &io->out[index], buffer(u, id));
	else
		io_from_server(io, io_dgram(io, buffer(u, id), (size_t)c->res), index);
}

/* A submission that failed stays as it was until the next pass fills its place. */
static void unsent(struct io *io, struct uring *u, const struct io_uring_cqe *c)
{
	const struct io_uring_sqe *s = &u->ring.sqe[(uint32_t)c->user_data];
	struct iovec iov = { (void *)(uintptr_t)s->addr, s->len };
	struct msghdr alone = { .msg_name = (void *)(uintptr_t)s->addr2,
	                        .msg_namelen = s->addr_len, .msg_iov = &iov, .msg_iovlen = 1 };
	const struct msghdr *m = &alone;

	/* its place was needed for more requests, or its socket is gone */
	if (s->user_data != c->user_data || io->socket[s->fd].place == IO_NONE) {
		io->count[WORKER_SEND_FAILED]++;
		return;
	}
	if (s->opcode == IORING_OP_SENDMSG)
		m = (const struct msghdr *)(uintptr_t)s->addr;
	io_unsent(io, &io->out[io->socket[s->fd].place], m, -c->res);
}

static void give_back(struct uring *u, const uint16_t *id, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ring_offer(&u->ring, id[i], buffer(u, id[i]), OFFERED);
	if (n > 0)
		ring_publish(&u->ring);
}

static void uring_wait(struct io *io, int64_t until_ns)
{
	struct uring *u = io->state;
	uint16_t before[BUFFERS];
	unsigned before_n = u->used_n;

	memcpy(before, u->used, before_n * sizeof(*before));
	u->used_n = 0;
	arm_all(u, io);
	ring_enter(&u->ring, until_ns);
	for (const struct io_uring_cqe *c; (c = ring_peek(&u->ring)) != NULL; ring_seen(&u->ring)) {
		unsigned kind = (unsigned)(c->user_data >> 32);
		if (kind == RECEIVE)
			received(io, u, c);
		else if (kind == SEND)
			unsent(io, u, c);
		else if (kind == POLL)
			polled(io, u, c);
	}
	give_back(u, before, before_n);
}

/* ---- sending ---- */

/* Only what fails is told of. */
static void submit(struct uring *u, int fd, const struct msghdr *m)
{
	bool whole = m->msg_controllen == 0;
	unsigned at = u->ring.tail & u->ring.sq_mask;
	struct io_uring_sqe *s = request(u, whole ? IORING_OP_SEND : IORING_OP_SENDMSG, fd,
	                                 tag(SEND, at));

	s->flags = IOSQE_CQE_SKIP_SUCCESS;
	s->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	s->addr = (uintptr_t)(whole ? m->msg_iov->iov_base : m);
	s->len = whole ? (uint32_t)m->msg_iov->iov_len : 1;
	if (whole) {
		s->addr2 = (uintptr_t)m->msg_name;
		s->addr_len = (uint16_t)m->msg_namelen;
	}
}

static void uring_flush(struct io *io, unsigned index)
{
	struct uring *u = io->state;

	for (unsigned i = io_make_messages(io, index); i < io->messages->n; i++)
		submit(u, io->out[index].fd, &io->messages->m[i].msg_hdr);
}

const struct io_way io_uring = {
	.name = "io_uring", .open = uring_open, .listen = uring_listen, .leave = uring_leave,
	.start = uring_start, .wait = uring_wait, .flush = uring_flush,
};
