/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients' TCP connections, one a query (RFC 7766): connect from the client's address, send the
 * framed query, read one framed answer, close.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io.h"
#include "lib/host/host.h"

enum { FRAME = 2, ANSWER_MAX = FRAME + UINT16_MAX };

struct load_conn {
	int fd;
	uint32_t number;          /* the core's */
	int64_t until_ns;
	struct ep local, peer;
	unsigned out_len, out_at; /* of the framed query */
	unsigned in_len;
	uint8_t out[FRAME + LOAD_QUERY_MAX];
	uint8_t in[ANSWER_MAX];
};

static void drop(struct load_io *io, unsigned slot)
{
	close(io->conn[slot]->fd);
	free(io->conn[slot]);
	io->conn[slot] = NULL;
	io->conn_n--;
	while (io->conn_high > 0 && io->conn[io->conn_high - 1] == NULL)
		io->conn_high--;
}

static void fail(struct load_io *io, unsigned slot)
{
	uint32_t number = io->conn[slot]->number;

	drop(io, slot);
	load_tcp_failed(io->core, host_mono_ns(), number);
}

/* A socket on its way to the server, or -errno. */
static int start_connect(const struct load_io *io, const struct dgram *d, unsigned slot)
{
	struct sockaddr_storage local, peer;
	socklen_t local_len = host_sockaddr(&d->local, &local);
	socklen_t peer_len = host_sockaddr(&d->peer, &peer);
	struct epoll_event e = { .events = EPOLLOUT, .data = { .u32 = LOAD_EVENT_TCP + slot } };
	int fd = socket(local.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&local, local_len) < 0 ||
	    (connect(fd, (struct sockaddr *)&peer, peer_len) < 0 && errno != EINPROGRESS) ||
	    epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static unsigned free_slot(const struct load_io *io)
{
	unsigned slot = 0;

	while (slot < LOAD_CONNS_MAX && io->conn[slot] != NULL)
		slot++;
	return slot;
}

void load_tcp_send(struct load_io *io, const struct dgram *d)
{
	unsigned slot = free_slot(io);
	struct load_conn *c = slot < LOAD_CONNS_MAX ? malloc(sizeof(*c)) : NULL;
	int fd = c != NULL ? start_connect(io, d, slot) : -EMFILE;

	if (fd < 0) {
		free(c);
		load_tcp_failed(io->core, host_mono_ns(), d->conn);
		return;
	}
	c->fd = fd;
	c->number = d->conn;
	c->until_ns = d->t_ns + io->spec->timeout_ns;
	c->local = d->local;
	c->peer = d->peer;
	c->out_len = FRAME + (unsigned)d->len;
	c->out_at = c->in_len = 0;
	dns_put16(c->out, d->len);
	memcpy(c->out + FRAME, d->data, d->len);
	io->conn[slot] = c;
	io->conn_n++;
	io->conn_high = slot + 1 > io->conn_high ? slot + 1 : io->conn_high;
}

/* Goes on sending. Returns 0 or -errno. */
static int push(const struct load_io *io, struct load_conn *c, unsigned slot)
{
	struct epoll_event e = { .events = EPOLLIN, .data = { .u32 = LOAD_EVENT_TCP + slot } };
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->out_at += (unsigned)n;
	if (c->out_at == c->out_len && epoll_ctl(io->epoll, EPOLL_CTL_MOD, c->fd, &e) < 0)
		return -errno;
	return 0;
}

/* Goes on reading. Returns 1 when the answer is whole, 0 when not yet, or -errno. */
static int pull(struct load_conn *c)
{
	unsigned want = c->in_len < FRAME ? FRAME : FRAME + (unsigned)dns_get16(c->in);
	ssize_t n = recv(c->fd, c->in + c->in_len, want - c->in_len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->in_len += (unsigned)n;
	return c->in_len >= FRAME && c->in_len == FRAME + (unsigned)dns_get16(c->in);
}

static void answer(struct load_io *io, unsigned slot)
{
	struct load_conn *c = io->conn[slot];
	int64_t now = host_mono_ns();
	struct dgram d = {
		.data = c->in + FRAME, .len = (uint16_t)(c->in_len - FRAME), .cap = UINT16_MAX,
		.t_ns = now, .local = c->local, .peer = c->peer, .proto = DGRAM_TCP,
		.conn = c->number,
	};

	load_rx(io->core, now, &d, 1);
	if (d.verdict == LOAD_ANSWERED)
		drop(io, slot);
	else
		fail(io, slot);
}

void load_tcp_event(struct load_io *io, unsigned slot)
{
	struct load_conn *c = slot < LOAD_CONNS_MAX ? io->conn[slot] : NULL;

	if (c == NULL)
		return;
	int got = c->out_at < c->out_len ? push(io, c, slot) : pull(c);
	if (got < 0)
		fail(io, slot);
	else if (got == 1)
		answer(io, slot);
}

int64_t load_tcp_expire(struct load_io *io, int64_t now_ns)
{
	int64_t first = INT64_MAX;

	for (unsigned i = 0; io->conn_n > 0 && i < io->conn_high; i++) {
		if (io->conn[i] != NULL && io->conn[i]->until_ns <= now_ns)
			fail(io, i);
		else if (io->conn[i] != NULL && io->conn[i]->until_ns < first)
			first = io->conn[i]->until_ns;
	}
	return first;
}

void load_tcp_close(struct load_io *io)
{
	for (unsigned i = 0; i < LOAD_CONNS_MAX; i++)
		if (io->conn[i] != NULL)
			drop(io, i);
}
