/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients' TCP connections (RFC 7766): connect from the client's address, send the framed
 * query, read one framed answer, close. Captured ones stay open as long as queries follow on them,
 * which don't wait for each other's answers; one that the server has closed is opened again.
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
	bool more;                /* other queries follow */
	unsigned waiting;         /* queries without an answer */
	int64_t until_ns;         /* the last try's end */
	struct ep local, peer;
	unsigned out_len, out_at, out_cap; /* of framed queries */
	unsigned in_len;
	uint8_t *out;
	uint8_t in[ANSWER_MAX];
};

static bool shared(const struct load_conn *c)
{
	return (c->number & LOAD_CONN_SHARED) != 0;
}

static void drop(struct load_io *io, unsigned slot)
{
	close(io->conn[slot]->fd);
	free(io->conn[slot]->out);
	free(io->conn[slot]);
	io->conn[slot] = NULL;
	io->conn_n--;
	while (io->conn_high > 0 && io->conn[io->conn_high - 1] == NULL)
		io->conn_high--;
}

static void fail(struct load_io *io, unsigned slot)
{
	uint32_t number = io->conn[slot]->number;
	bool idle = io->conn[slot]->waiting == 0;

	drop(io, slot);
	if (!idle)
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

/* The slot of the connection of that number, or else a free one; LOAD_CONNS_MAX: none. */
static unsigned slot_for(const struct load_io *io, uint32_t number)
{
	unsigned slot = 0;

	for (; (number & LOAD_CONN_SHARED) != 0 && slot < io->conn_high; slot++)
		if (io->conn[slot] != NULL && io->conn[slot]->number == number)
			return slot;
	for (slot = 0; slot < LOAD_CONNS_MAX && io->conn[slot] != NULL;)
		slot++;
	return slot;
}

/* A connection on its way to the server, or NULL. */
static struct load_conn *open_conn(struct load_io *io, const struct dgram *d, unsigned slot)
{
	struct load_conn *c = malloc(sizeof(*c));
	int fd = c != NULL ? start_connect(io, d, slot) : -ENOMEM;

	if (fd < 0) {
		free(c);
		return NULL;
	}
	c->fd = fd;
	c->number = d->conn;
	c->waiting = 0;
	c->until_ns = 0;
	c->local = d->local;
	c->peer = d->peer;
	c->out = NULL;
	c->out_len = c->out_at = c->out_cap = c->in_len = 0;
	io->conn[slot] = c;
	io->conn_n++;
	io->conn_high = slot + 1 > io->conn_high ? slot + 1 : io->conn_high;
	return c;
}

static void add_query(struct load_conn *c, const struct dgram *d)
{
	unsigned need = c->out_len + FRAME + (unsigned)d->len;

	if (need > c->out_cap) {
		c->out_cap = 2 * need;
		c->out = realloc(c->out, c->out_cap);
		MUST(c->out != NULL);
	}
	dns_put16(c->out + c->out_len, d->len);
	memcpy(c->out + c->out_len + FRAME, d->data, d->len);
	c->out_len = need;
	c->waiting++;
	c->more = d->verdict == LOAD_SEND_MORE;
}

/* Goes on sending. Returns 0 or -errno. */
static int push(const struct load_io *io, struct load_conn *c, unsigned slot)
{
	struct epoll_event e = { .events = EPOLLIN, .data = { .u32 = LOAD_EVENT_TCP + slot } };
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->out_at += (unsigned)n;
	if (c->out_at < c->out_len)
		return 0;
	c->out_at = c->out_len = 0;
	return epoll_ctl(io->epoll, EPOLL_CTL_MOD, c->fd, &e) < 0 ? -errno : 0;
}

/* One more query on a connection, which may be on its way still. Returns 0 or -errno. */
static int send_query(const struct load_io *io, struct load_conn *c, unsigned slot,
                      const struct dgram *d)
{
	struct epoll_event e = { .events = EPOLLOUT, .data = { .u32 = LOAD_EVENT_TCP + slot } };
	bool idle = c->until_ns > 0 && c->out_len == 0; /* connected, and all was sent */
	int64_t until = d->t_ns + io->spec->timeout_ns;

	add_query(c, d);
	c->until_ns = c->until_ns < until || c->until_ns == INT64_MAX ? until : c->until_ns;
	if (!idle)
		return 0;
	int err = push(io, c, slot);
	if (err == 0 && c->out_len > 0 && epoll_ctl(io->epoll, EPOLL_CTL_MOD, c->fd, &e) < 0)
		err = -errno;
	return err;
}

void load_tcp_send(struct load_io *io, const struct dgram *d)
{
	unsigned slot = slot_for(io, d->conn);
	struct load_conn *c = slot < LOAD_CONNS_MAX ? io->conn[slot] : NULL;

	if (c == NULL && slot < LOAD_CONNS_MAX)
		c = open_conn(io, d, slot);
	if (c == NULL)
		load_tcp_failed(io->core, host_mono_ns(), d->conn);
	else if (send_query(io, c, slot, d) < 0)
		fail(io, slot);
	if ((d->conn & LOAD_CONN_SHARED) != 0)
		hist_add(&io->result->late_ns, host_mono_ns() - d->t_ns);
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

/* A whole message has come. */
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
	c->in_len = 0;
	bool late = shared(c) && d.verdict == LOAD_UNMATCHED;
	if (d.verdict != LOAD_ANSWERED && !late) {
		fail(io, slot);
		return;
	}
	c->waiting -= c->waiting > 0;
	if (c->waiting == 0 && !c->more)
		drop(io, slot);
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

/* All tries on it are over. */
static void expire(struct load_io *io, unsigned slot)
{
	struct load_conn *c = io->conn[slot];

	if (!c->more || c->out_len > 0) {
		fail(io, slot);
		return;
	}
	c->waiting = 0;
	c->until_ns = INT64_MAX; /* until the next query */
}

int64_t load_tcp_expire(struct load_io *io, int64_t now_ns)
{
	int64_t first = INT64_MAX;

	for (unsigned i = 0; io->conn_n > 0 && i < io->conn_high; i++) {
		if (io->conn[i] != NULL && io->conn[i]->until_ns <= now_ns)
			expire(io, i);
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
