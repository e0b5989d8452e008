/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain way of a worker's UDP: each pass waits with epoll, reads every ready socket with
 * recvmmsg and sends with sendmmsg, in batches of 64; see io.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io_impl.h"

struct plain {
	struct iovec iov[IO_POOL];
	struct mmsghdr front[IO_POOL], back[IO_POOL];
	struct sockaddr_storage name[IO_POOL];
	_Alignas(8) uint8_t control[IO_POOL][NET_CONTROL];
	uint8_t buffer[IO_POOL][IO_STRIDE];
};

static void reset_front(struct plain *p, unsigned i)
{
	p->front[i].msg_hdr.msg_namelen = sizeof(p->name[i]);
	p->front[i].msg_hdr.msg_controllen = NET_CONTROL;
}

static int plain_open(struct io *io)
{
	struct plain *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < IO_POOL; i++) {
		struct msghdr *m = &p->front[i].msg_hdr;
		p->iov[i] = (struct iovec){ p->buffer[i], IO_BUFFER };
		m->msg_iov = p->back[i].msg_hdr.msg_iov = &p->iov[i];
		m->msg_iovlen = p->back[i].msg_hdr.msg_iovlen = 1;
		m->msg_name = &p->name[i];
		m->msg_control = p->control[i];
		reset_front(p, i);
	}
	io->state = p;
	return 0;
}

static void plain_listen(struct io *io, int fd)
{
	net_watch(io->epoll, fd, (unsigned)fd);
}

static void plain_leave(struct io *io, int fd, bool closes)
{
	if (closes)
		close(fd);
	else
		MUST(epoll_ctl(io->epoll, EPOLL_CTL_DEL, fd, NULL) == 0);
}

static void plain_start(struct io *io)
{
	(void)io;
}

/* ---- receiving ---- */

/* How many datagrams there were; 0 also for the network's error reports. */
static unsigned receive(struct io *io, int fd, struct mmsghdr *m)
{
	unsigned room = IO_POOL - io->n;
	int n = recvmmsg(fd, m, room < DGRAM_BATCH ? room : DGRAM_BATCH, 0, NULL);

	if (n >= 0)
		return (unsigned)n;
	if (errno != EAGAIN && errno != EINTR)
		io->count[WORKER_REFUSED]++;
	return 0;
}

static struct dgram *next_dgram(struct io *io, const struct plain *p, const struct mmsghdr *m)
{
	bool cut = (m->msg_hdr.msg_flags & MSG_TRUNC) != 0;

	return io_dgram(io, p->iov[io->n].iov_base, cut ? IO_BUFFER + 1 : m->msg_len);
}

static void receive_front(struct io *io, struct plain *p, const struct io_out *o)
{
	unsigned first = io->n;
	unsigned n = receive(io, o->fd, &p->front[first]);

	for (unsigned i = first; i < first + n; i++) {
		const struct msghdr *m = &p->front[i].msg_hdr;
		io_from_client(next_dgram(io, p, &p->front[i]), o, m->msg_name, m);
		reset_front(p, i);
	}
}

static void receive_back(struct io *io, struct plain *p, unsigned index)
{
	struct mmsghdr *m = &p->back[io->n];
	unsigned n = receive(io, io->out[index].fd, m);

	for (unsigned i = 0; i < n; i++)
		io_from_server(io, next_dgram(io, p, &m[i]), index);
}

static void receive_at(struct io *io, unsigned index)
{
	if (io->out[index].front)
		receive_front(io, io->state, &io->out[index]);
	else
		receive_back(io, io->state, index);
}

static void plain_wait(struct io *io, int64_t until_ns)
{
	struct epoll_event e[IO_EVENTS];
	int n = net_wait(io->epoll, e, IO_EVENTS, until_ns);

	for (int i = 0; i < n; i++) {
		if (e[i].data.u64 > UINT32_MAX)
			io->event[io->event_n++] = e[i];
		else if (io->n < IO_POOL) /* else it stays ready */
			receive_at(io, io->socket[e[i].data.u64].place);
	}
}

/* ---- sending ---- */

static void give_up(struct io *io, const struct mmsghdr *m, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		io->count[WORKER_SEND_FULL] += m[i].msg_hdr.msg_iovlen;
}

/* An error belongs to the first message that wasn't sent. */
static void plain_flush(struct io *io, unsigned index)
{
	struct io_out *o = &io->out[index];
	unsigned first = io_make_messages(io, index), n = io->messages->n - first;
	struct mmsghdr *m = &io->messages->m[first];

	for (unsigned done = 0; done < n;) {
		unsigned left = n - done;
		int sent = sendmmsg(o->fd, m + done, left < DGRAM_BATCH ? left : DGRAM_BATCH, 0);
		if (sent > 0) {
			done += (unsigned)sent;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			give_up(io, m + done, n - done);
			break;
		} else if (errno != EINTR) {
			io_unsent(io, o, &m[done++].msg_hdr, errno);
		}
	}
	io->messages->n = io->messages->iov_n = 0;
}

const struct io_way io_plain = {
	.name = "plain", .open = plain_open, .listen = plain_listen, .leave = plain_leave,
	.start = plain_start, .wait = plain_wait, .flush = plain_flush,
};
