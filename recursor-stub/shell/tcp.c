/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP connections of one worker; see tcp.h. */
#include "tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "lib/host/net.h"

enum {
	IN_BYTES = 2 + 65535,
	OUT_BYTES = 1 << 17,   /* unsent answers; above half of it nothing more is read */
	SLOT_BITS = 16,
};

struct conn {
	int fd;                /* -1: free */
	uint32_t turn;         /* how often the slot was used: the number's upper half */
	struct ep peer, local;
	int64_t active_ns;     /* last byte in or out */
	uint64_t queries;
	unsigned waiting;      /* queries that rec_poll will answer */
	bool eof;              /* the client has shut its side */
	bool closing;          /* it has asked enough: close when everything is answered */
	uint32_t events;       /* watched */
	size_t in_len, out_len;
	uint8_t *in, *out;     /* IN_BYTES and OUT_BYTES, while open */
};

struct tcp {
	const struct stub_conf *conf;
	struct rec *rec;
	int epoll, reserve;    /* the latter net_accept's */
	uint64_t tag;
	_Atomic uint32_t *clients;
	unsigned open;
	int64_t next_ns;       /* no connection is idle for too long before */
	struct conn *conn;     /* conf->tcp_clients of them */
	uint8_t work[IN_BYTES];
};

struct tcp *tcp_new(const struct stub_conf *conf, struct rec *rec, int epoll, uint64_t tag,
                    _Atomic uint32_t *clients)
{
	struct tcp *t = calloc(1, sizeof(*t));

	MUST(t != NULL);
	t->conf = conf;
	t->rec = rec;
	t->epoll = epoll;
	t->reserve = net_reserve();
	t->tag = tag;
	t->clients = clients;
	t->conn = calloc(conf->tcp_clients, sizeof(*t->conn));
	MUST(t->conn != NULL);
	for (unsigned i = 0; i < conf->tcp_clients; i++)
		t->conn[i].fd = -1;
	return t;
}

static void drop(struct tcp *t, struct conn *c)
{
	close(c->fd);
	free(c->in);
	free(c->out);
	c->fd = -1;
	c->turn++;
	t->open--;
	atomic_fetch_sub(t->clients, 1);
}

void tcp_free(struct tcp *t)
{
	for (unsigned i = 0; i < t->conf->tcp_clients; i++)
		if (t->conn[i].fd >= 0)
			drop(t, &t->conn[i]);
	free(t->conn);
	free(t);
}

static uint32_t number(const struct tcp *t, const struct conn *c)
{
	return c->turn << SLOT_BITS | (uint32_t)(c - t->conn + 1);
}

static struct conn *find(struct tcp *t, uint32_t n)
{
	uint32_t slot = (n & ((1u << SLOT_BITS) - 1)) - 1;

	if (slot >= t->conf->tcp_clients || t->conn[slot].fd < 0)
		return NULL;
	return number(t, &t->conn[slot]) == n ? &t->conn[slot] : NULL;
}

static void watch(struct tcp *t, struct conn *c, uint32_t events, int op)
{
	struct epoll_event e = { .events = events, .data.u64 = t->tag | number(t, c) };

	if (op == EPOLL_CTL_MOD && c->events == events)
		return;
	c->events = events;
	MUST(epoll_ctl(t->epoll, op, c->fd, &e) == 0);
}

static struct conn *free_slot(struct tcp *t)
{
	for (unsigned i = 0; i < t->conf->tcp_clients; i++)
		if (t->conn[i].fd < 0)
			return &t->conn[i];
	return NULL;
}

static void open_conn(struct tcp *t, struct conn *c, int fd, const struct ep *peer, int64_t now_ns)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	uint32_t turn = c->turn;

	(void)getsockname(fd, (struct sockaddr *)&ss, &len);
	*c = (struct conn){ .fd = fd, .turn = turn, .peer = *peer, .local = host_ep(&ss),
	                    .active_ns = now_ns };
	c->in = malloc(IN_BYTES);
	c->out = malloc(OUT_BYTES);
	MUST(c->in != NULL && c->out != NULL);
	t->open++;
	t->next_ns = t->open == 1 ? now_ns + t->conf->tcp_timeout_ns : t->next_ns;
	watch(t, c, EPOLLIN, EPOLL_CTL_ADD);
}

void tcp_accept(struct tcp *t, int listener, int64_t now_ns)
{
	for (;;) {
		struct ep peer;
		int fd = net_accept(listener, &t->reserve, &peer);
		if (fd < 0)
			return;
		struct conn *c = free_slot(t);
		bool full = atomic_fetch_add(t->clients, 1) >= t->conf->tcp_clients;
		if (full || c == NULL || !rec_accept(t->rec, &peer.ip)) {
			atomic_fetch_sub(t->clients, 1);
			close(fd);
			continue;
		}
		open_conn(t, c, fd, &peer, now_ns);
	}
}

/* Sends what it can. False when the connection is lost. */
static bool flush(struct conn *c, int64_t now_ns)
{
	while (c->out_len > 0) {
		ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		c->active_ns = now_ns;
		c->out_len -= (size_t)n;
		memmove(c->out, c->out + n, c->out_len);
	}
	return true;
}

/* Puts a message into the output. False when it has no room, which ends the connection. */
static bool put(struct conn *c, const struct dgram *d)
{
	if (c->out_len + 2 + d->len > OUT_BYTES)
		return false;
	dns_put16(c->out + c->out_len, d->len);
	memcpy(c->out + c->out_len + 2, d->data, d->len);
	c->out_len += 2u + d->len;
	return true;
}

static bool may_read(const struct tcp *t, const struct conn *c)
{
	return !c->closing && c->waiting < t->conf->tcp_concurrent && c->out_len < OUT_BYTES / 2;
}

/* Gives one message to the core. False when the connection must end. */
static bool give(struct tcp *t, struct conn *c, const uint8_t *m, uint16_t len, int64_t now_ns)
{
	struct dgram d = { .data = t->work, .len = len, .cap = UINT16_MAX, .t_ns = now_ns,
	                   .peer = c->peer, .local = c->local, .proto = DGRAM_TCP,
	                   .conn = number(t, c) };

	memcpy(t->work, m, len);
	rec_rx(t->rec, now_ns, &d, 1);
	c->queries++;
	c->closing = t->conf->tcp_queries > 0 && c->queries >= t->conf->tcp_queries;
	switch ((enum rec_verdict)d.verdict) {
	case REC_ANSWER: return put(c, &d);
	case REC_WAIT: c->waiting++; return true;
	case REC_DROP_FAULT: case REC_DROP_FULL: return true;
	default: return false;
	}
}

/* Takes whole messages out of the input, as many as may be served now. */
static bool serve(struct tcp *t, struct conn *c, int64_t now_ns)
{
	size_t at = 0;
	bool ok = true;

	while (ok && may_read(t, c) && c->in_len - at >= 2) {
		size_t len = dns_get16(c->in + at);
		if (c->in_len - at < 2 + len)
			break;
		ok = give(t, c, c->in + at + 2, (uint16_t)len, now_ns);
		at += 2 + len;
	}
	c->in_len -= at;
	memmove(c->in, c->in + at, c->in_len);
	return ok;
}

/* Serves, sends, and decides what to wait for; ends the connection when nothing is left to do. */
static void carry_on(struct tcp *t, struct conn *c, int64_t now_ns)
{
	bool ok = serve(t, c, now_ns) && flush(c, now_ns);

	if (!ok || ((c->closing || c->eof) && c->waiting == 0 && c->out_len == 0)) {
		drop(t, c);
		return;
	}
	bool room = may_read(t, c) && !c->eof && c->in_len < IN_BYTES;
	watch(t, c, (room ? EPOLLIN : 0u) | (c->out_len > 0 ? EPOLLOUT : 0u), EPOLL_CTL_MOD);
}

void tcp_ready(struct tcp *t, uint32_t conn, uint32_t events, int64_t now_ns)
{
	struct conn *c = find(t, conn);

	if (c == NULL)
		return;
	if (events & (EPOLLERR | EPOLLHUP)) {
		drop(t, c);
		return;
	}
	if (events & EPOLLIN) {
		ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			drop(t, c);
			return;
		}
		c->eof = n == 0;
		c->in_len += n > 0 ? (size_t)n : 0;
		c->active_ns = now_ns;
	}
	carry_on(t, c, now_ns);
}

void tcp_answer(struct tcp *t, const struct dgram *d, int64_t now_ns)
{
	struct conn *c = find(t, d->conn);

	if (c == NULL)
		return;
	c->waiting--;
	c->active_ns = now_ns;
	if (put(c, d))
		carry_on(t, c, now_ns);
	else
		drop(t, c);
}

void tcp_expire(struct tcp *t, int64_t now_ns)
{
	if (t->open == 0 || now_ns < t->next_ns)
		return;
	t->next_ns = INT64_MAX;
	for (unsigned i = 0; i < t->conf->tcp_clients; i++) {
		struct conn *c = &t->conn[i];
		int64_t end_ns = c->active_ns + t->conf->tcp_timeout_ns;
		if (c->fd < 0)
			continue;
		if (c->waiting > 0)
			end_ns = now_ns + t->conf->tcp_timeout_ns;
		if (end_ns <= now_ns)
			drop(t, c);
		else if (end_ns < t->next_ns)
			t->next_ns = end_ns;
	}
}

int64_t tcp_deadline(const struct tcp *t)
{
	return t->open > 0 ? t->next_ns : INT64_MAX;
}
