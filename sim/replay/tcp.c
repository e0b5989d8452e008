/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sender's TCP connections (RFC 7766): framed queries out as they are due, one behind the other
 * without waiting, framed answers in, in whatever order. What a connection waits for is bounded.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io.h"
#include "lib/host/host.h"
#include "lib/stream.h"

enum { OUT_FIRST = 1024, OUT_MAX = 1 << 20, IN_FIRST = 2048 };

struct replay_tcp {
	int fd;
	bool up;                /* connected */
	bool wants_out;         /* epoll tells when it can be written to */
	uint8_t *out;           /* framed queries, [at, len) of them not sent */
	size_t out_at, out_len, out_cap;
	uint8_t *in;            /* the start of an answer */
	size_t in_len, in_cap;
};

static void drop(struct replay_io *io, uint32_t conn)
{
	struct replay_tcp *c = io->tcp[conn - 1];

	close(c->fd);
	free(c->out);
	free(c->in);
	free(c);
	io->tcp[conn - 1] = NULL;
}

static void fail(struct replay_io *io, uint32_t conn)
{
	drop(io, conn);
	replay_tcp_failed(io->core, conn);
}

/* A socket on its way to the server, or -errno. */
static int start_connect(const struct replay_io *io, uint32_t conn)
{
	struct sockaddr_storage to;
	socklen_t len = host_sockaddr(&io->task->to, &to);
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT,
	                         .data.u64 = REPLAY_EVENT_TCP + conn - 1 };
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) ||
	    epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static struct replay_tcp *open_one(struct replay_io *io, uint32_t conn)
{
	struct replay_tcp *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->fd = start_connect(io, conn);
	if (c->fd < 0) {
		free(c);
		return NULL;
	}
	c->wants_out = true;
	io->tcp[conn - 1] = c;
	return c;
}

void replay_tcp_open(struct replay_io *io, uint32_t conn)
{
	if (open_one(io, conn) == NULL)
		replay_tcp_failed(io->core, conn);
}

/* Room for n more bytes to send; what was sent goes first. */
static bool make_room(struct replay_tcp *c, size_t n)
{
	if (c->out_at > 0) {
		memmove(c->out, c->out + c->out_at, c->out_len - c->out_at);
		c->out_len -= c->out_at;
		c->out_at = 0;
	}
	size_t cap = c->out_cap > 0 ? c->out_cap : OUT_FIRST;
	while (cap < c->out_len + n)
		cap *= 2;
	if (cap > OUT_MAX)
		return false;
	uint8_t *p = cap > c->out_cap ? realloc(c->out, cap) : c->out;
	if (p == NULL)
		return false;
	c->out = p;
	c->out_cap = cap;
	return true;
}

static int watch(const struct replay_io *io, struct replay_tcp *c, uint32_t conn)
{
	bool wants_out = !c->up || c->out_at < c->out_len;
	struct epoll_event e = { .events = EPOLLIN | (wants_out ? EPOLLOUT : 0),
	                         .data.u64 = REPLAY_EVENT_TCP + conn - 1 };

	if (wants_out == c->wants_out)
		return 0;
	c->wants_out = wants_out;
	return epoll_ctl(io->epoll, EPOLL_CTL_MOD, c->fd, &e) < 0 ? -errno : 0;
}

/* Goes on sending. Returns 0 or -errno. */
static int push(const struct replay_io *io, struct replay_tcp *c, uint32_t conn)
{
	while (c->up && c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		c->out_at += (size_t)n;
	}
	return watch(io, c, conn);
}

void replay_tcp_send(struct replay_io *io, const struct dgram *d)
{
	struct replay_tcp *c = io->tcp[d->conn - 1];

	if (!replay_is_out(io->core, d)) /* failed with one before it, of the same batch */
		return;
	if (c == NULL)
		c = open_one(io, d->conn);
	if (c == NULL) {
		replay_tcp_failed(io->core, d->conn);
		return;
	}
	if (!make_room(c, STREAM_PREFIX + (size_t)d->len)) {
		fail(io, d->conn);
		return;
	}
	stream_prefix(c->out + c->out_len, d->len);
	memcpy(c->out + c->out_len + STREAM_PREFIX, d->data, d->len);
	c->out_len += STREAM_PREFIX + (size_t)d->len;
	if (push(io, c, d->conn) < 0)
		fail(io, d->conn);
	else if (c->out_at < c->out_len)
		io->result->waited++;
	else if (io->timed)
		hist_add(&io->result->late_ns, host_mono_ns() - d->t_ns);
}

/* ---- answers ---- */

/* Takes the whole messages of in to the core and keeps the rest. */
static void take_messages(struct replay_io *io, struct replay_tcp *c, uint32_t conn)
{
	size_t at = 0, used;
	struct dgram d = { .proto = DGRAM_TCP, .conn = conn, .t_ns = host_mono_ns() };
	const uint8_t *m;

	while ((used = stream_first(c->in + at, c->in_len - at, &m, &d.len)) > 0) {
		d.data = c->in + at + STREAM_PREFIX;
		d.cap = d.len;
		replay_rx(io->core, d.t_ns, &d, 1);
		at += used;
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
}

/* Reads what is there, or enough of it for now. Returns 0 or -errno, also at the end. */
static int pull(struct replay_io *io, struct replay_tcp *c, uint32_t conn)
{
	size_t need = c->in_len > 0 ? stream_need(c->in, c->in_len) : IN_FIRST;
	size_t cap = need > IN_FIRST ? need : IN_FIRST;

	if (cap > c->in_cap) {
		uint8_t *p = realloc(c->in, cap);
		if (p == NULL)
			return -ENOMEM;
		c->in = p;
		c->in_cap = cap;
	}
	ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->in_len += (size_t)n;
	take_messages(io, c, conn);
	return 0;
}

void replay_tcp_event(struct replay_io *io, unsigned slot)
{
	struct replay_tcp *c = slot < REPLAY_CONNECTIONS ? io->tcp[slot] : NULL;
	int error = 0, err = 0;
	socklen_t len = sizeof(error);

	if (c == NULL)
		return;
	if (!c->up) { /* connected, or refused */
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
			err = -ECONNREFUSED;
		c->up = true;
	}
	if (err == 0)
		err = push(io, c, slot + 1);
	if (err == 0)
		err = pull(io, c, slot + 1);
	if (err < 0)
		fail(io, slot + 1);
}

void replay_tcp_end(struct replay_io *io, uint32_t conn)
{
	if (io->tcp[conn - 1] != NULL)
		drop(io, conn);
}

void replay_tcp_close(struct replay_io *io)
{
	for (uint32_t conn = 1; conn <= REPLAY_CONNECTIONS; conn++)
		replay_tcp_end(io, conn);
}
