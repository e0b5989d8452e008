/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sender's UDP sockets, connected to the server: the kernel looks its route up once, and lets
 * nobody else's packets in.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "lib/dns.h"
#include "lib/host/host.h"
#include "lib/host/net.h"

enum { BUFFER_BYTES = 4 << 20, FULL_WAIT_MS = 1, TRIES = 5 };

static int open_one(const struct replay_io *io, unsigned i)
{
	struct sockaddr_storage to;
	socklen_t len = host_sockaddr(&io->task->to, &to);
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int size = BUFFER_BYTES, on = 1, err;

	if (fd < 0)
		return -errno;
	/* The kernel caps sizes at its own limits; without privilege that is what there is. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (io->timed) /* without it answers come when they are looked at */
		setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&to, len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	net_watch(io->epoll, fd, i);
	return fd;
}

/* Makes slots [0, n) fit to receive again: the kernel has written over their lengths. */
static void make_room(struct replay_in *b, unsigned n, bool timed)
{
	for (unsigned k = 0; k < n; k++) {
		b->iov[k] = (struct iovec){ b->bytes[k], REPLAY_ANSWER_MAX };
		b->msg[k].msg_hdr = (struct msghdr){
			.msg_iov = &b->iov[k], .msg_iovlen = 1,
		};
		if (!timed)
			continue;
		b->msg[k].msg_hdr.msg_control = &b->control[k];
		b->msg[k].msg_hdr.msg_controllen = sizeof(b->control[k]);
	}
}

int replay_udp_open(struct replay_io *io)
{
	make_room(&io->in, DGRAM_BATCH, io->timed);
	for (unsigned i = 0; i < REPLAY_SOCKETS; i++) {
		io->udp[i] = open_one(io, i);
		if (io->udp[i] < 0)
			return io->udp[i];
	}
	return 0;
}

void replay_udp_close(struct replay_io *io)
{
	for (unsigned i = 0; i < REPLAY_SOCKETS; i++)
		if (io->udp[i] >= 0)
			close(io->udp[i]);
}

/* ---- sending ---- */

static void count_sent(struct replay_io *io, const unsigned *index, int sent)
{
	int64_t now = io->timed ? host_mono_ns() : 0;

	for (int k = 0; k < sent && io->timed; k++)
		hist_add(&io->result->late_ns, now - io->out.d[index[k]].t_ns);
}

/* A socket's error. True: try again. An ICMP error is of some query before, so that one may. */
static bool again(struct replay_io *io, unsigned i, unsigned *tries)
{
	struct pollfd p = { .fd = io->udp[i], .events = POLLOUT };

	if (errno == EINTR)
		return true;
	if (++*tries > TRIES)
		return false;
	if (errno == EAGAIN || errno == ENOBUFS)
		return poll(&p, 1, FULL_WAIT_MS) >= 0;
	io->result->refused++;
	return errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH;
}

/* As sendmmsg does; one message alone is quicker without it. */
static int send_some(int fd, struct mmsghdr *m, unsigned n)
{
	const struct iovec *iov = m->msg_hdr.msg_iov;

	if (n > 1)
		return sendmmsg(fd, m, n, 0);
	return send(fd, iov->iov_base, iov->iov_len, 0) < 0 ? -1 : 1;
}

/* Sends msg[0..n) over socket i; they are of d[index[0..n)]. */
static void send_all(struct replay_io *io, unsigned i, unsigned n, const unsigned *index)
{
	unsigned at = 0, tries = 0;

	while (at < n) {
		int sent = send_some(io->udp[i], io->out.msg + at, n - at);
		if (sent < 0 && again(io, i, &tries))
			continue;
		tries = 0;
		if (sent < 0) {
			const struct dgram *d = &io->out.d[index[at]];
			replay_unsent(io->core, d->port, dns_id(d->data));
			at++;
			continue;
		}
		count_sent(io, index + at, sent);
		at += (unsigned)sent;
	}
}

void replay_udp_send(struct replay_io *io, unsigned n)
{
	struct replay_out *o = &io->out;
	unsigned index[REPLAY_BATCH], m, todo = 0;

	for (unsigned k = 0; k < n; k++)
		if (o->d[k].verdict == REPLAY_SEND && o->d[k].proto == DGRAM_UDP)
			todo |= 1u << o->d[k].port;
	for (; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		m = 0;
		for (unsigned k = 0; k < n; k++) {
			const struct dgram *d = &o->d[k];
			if (d->port != i || d->verdict != REPLAY_SEND || d->proto != DGRAM_UDP)
				continue;
			o->iov[m] = (struct iovec){ d->data, d->len };
			o->msg[m].msg_hdr = (struct msghdr){ .msg_iov = &o->iov[m],
			                                     .msg_iovlen = 1 };
			index[m++] = k;
		}
		send_all(io, i, m, index);
	}
}

/* ---- answers ---- */

/* When a message came, by the kernel's clock if it says so. */
static int64_t arrival(const struct replay_io *io, struct msghdr *h, int64_t now_ns)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		struct timespec ts;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		int64_t t = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - io->real_ns;
		return t < now_ns ? t : now_ns;
	}
	return now_ns;
}

static void count_refused(struct replay_io *io)
{
	pthread_mutex_lock(&io->spare.lock);
	io->result->refused++;
	pthread_mutex_unlock(&io->spare.lock);
}

bool replay_udp_receive(struct replay_io *io, unsigned i)
{
	struct replay_in *b = &io->in;
	int n = recvmmsg(io->udp[i], b->msg, DGRAM_BATCH, MSG_DONTWAIT, NULL);
	int64_t now = host_mono_ns();

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		count_refused(io); /* an ICMP error, which is gone now */
	for (int k = 0; k < n; k++)
		b->d[k] = (struct dgram){
			.data = b->bytes[k], .cap = REPLAY_ANSWER_MAX, .port = (uint16_t)i,
			.t_ns = io->timed ? arrival(io, &b->msg[k].msg_hdr, now) : now,
			.len = (uint16_t)b->msg[k].msg_len, .proto = DGRAM_UDP,
		};
	if (n <= 0)
		return false;
	pthread_mutex_lock(&io->spare.lock);
	replay_rx(io->core, now, b->d, (unsigned)n);
	pthread_mutex_unlock(&io->spare.lock);
	make_room(b, (unsigned)n, io->timed);
	return n == DGRAM_BATCH;
}
