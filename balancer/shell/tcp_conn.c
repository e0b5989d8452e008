/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP connections of one worker, what they keep, and sending; see tcp_conn.h. */
#include "tcp_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- connections ---- */

struct conn *tconn_find(struct tcp_shell *t, uint32_t number)
{
	struct conn *c = &t->conn[bal_tcp_place(number)];

	return c->state != FREE && c->number == number ? c : NULL;
}

struct conn *tconn_begin(struct tcp_shell *t, uint32_t number, int fd, enum state state,
                          uint32_t events)
{
	struct conn *c = &t->conn[bal_tcp_place(number)];
	struct epoll_event e = { .events = events, .data.u64 = TCP_EVENT_CONN | number };
	bool resumes = c->resumes, sends = c->sends; /* the lists have places, not connections */

	MUST(c->state == FREE);
	*c = (struct conn){ .state = state, .fd = fd, .number = number, .events = events,
	                    .resumes = resumes, .sends = sends, .stuck_ns = INT64_MAX };
	if (bal_tcp_place(number) >= t->touched)
		t->touched = bal_tcp_place(number) + 1;
	MUST(epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e) == 0);
	return c;
}

void tconn_watch(struct tcp_shell *t, struct conn *c, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = TCP_EVENT_CONN | c->number };

	if (c->events == events)
		return;
	c->events = events;
	MUST(epoll_ctl(t->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0);
}

void tconn_forget(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){ 0 };
}

/* Closes it and tells the core. */
void tconn_drop(struct tcp_shell *t, struct conn *c)
{
	close(c->fd);
	tconn_forget(&c->in);
	tconn_forget(&c->out);
	c->state = FREE;
	bal_tcp_closed(t->bal, t->now_ns, c->number);
}

/* ---- buffers ---- */

void tconn_append(struct bytes *b, const void *p, size_t n)
{
	if (b->at > 0 && b->len > 0)
		memmove(b->p, b->p + b->at, b->len);
	b->at = 0;
	if (b->len + n > b->cap) {
		b->cap = b->len + n < FIRST ? FIRST : (uint32_t)(b->len + n) * 2;
		b->p = realloc(b->p, b->cap);
		MUST(b->p != NULL);
	}
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += (uint32_t)n;
}

static void took(struct bytes *b, size_t n)
{
	b->at += (uint32_t)n;
	b->len -= (uint32_t)n;
	if (b->len == 0)
		tconn_forget(b);
}

/* ---- sending ---- */

static int64_t send_timeout(const struct tcp_shell *t, const struct conn *c)
{
	return c->port == 0 ? t->conf->tcp.send_timeout_ns
	                    : t->conf->server[c->port - 1].tcp.send_timeout_ns;
}

static void start_clock(struct tcp_shell *t, struct conn *c)
{
	c->stuck_ns = t->now_ns + send_timeout(t, c);
	if (c->stuck_ns < t->next_stuck_ns)
		t->next_stuck_ns = c->stuck_ns;
}

/*
 * Sends what is kept, and then the end. What the client sent and nobody will read would make the
 * kernel reset the connection, and the answers with it: then its own end is waited for.
 */
void tconn_finish(struct tcp_shell *t, struct conn *c)
{
	int unread = 0;

	if (c->port == 0 && !c->eof && ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0 &&
	    shutdown(c->fd, SHUT_WR) == 0) {
		c->state = LINGERING;
		start_clock(t, c);
		tconn_watch(t, c, EPOLLIN);
		return;
	}
	tconn_drop(t, c);
}

/* Sends what it can of what is kept. False: the connection is no more. */
bool tconn_flush(struct tcp_shell *t, struct conn *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->fd, c->out.p + c->out.at, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (c->stuck_ns == INT64_MAX)
				start_clock(t, c);
			tconn_watch(t, c, c->events | EPOLLOUT);
			return true;
		}
		if (n < 0) {
			tconn_drop(t, c);
			return false;
		}
		took(&c->out, (size_t)n);
		start_clock(t, c);
		if (c->holds && c->out.len < OUT_MAX / 4) {
			c->holds = false;
			t->freed = true;
		}
	}
	c->stuck_ns = INT64_MAX;
	tconn_watch(t, c, c->events & ~(uint32_t)EPOLLOUT);
	if (!c->closing)
		return true;
	tconn_finish(t, c);
	return false;
}

void tconn_put(struct tcp_shell *t, struct conn *c, const uint8_t *m, uint16_t len)
{
	uint8_t prefix[STREAM_PREFIX];

	if (c->out.len > OUT_MAX) {
		t->stuck++;
		tconn_drop(t, c);
		return;
	}
	stream_prefix(prefix, len);
	tconn_append(&c->out, prefix, sizeof(prefix));
	tconn_append(&c->out, m, len);
	if ((c->events & EPOLLOUT) != 0) /* the socket is full */
		return;
	if (c->out.len >= OUT_PASS) {
		(void)tconn_flush(t, c);
		return;
	}
	if (!c->sends) {
		c->sends = true;
		t->send[t->send_n++] = (uint32_t)(c - t->conn);
	}
}

bool tconn_send_all(struct tcp_shell *t)
{
	bool any = t->send_n > 0;

	while (t->send_n > 0) {
		struct conn *c = &t->conn[t->send[--t->send_n]];
		c->sends = false;
		if (c->state != FREE && c->out.len > 0 && (c->events & EPOLLOUT) == 0)
			(void)tconn_flush(t, c);
	}
	return any;
}

void tconn_head(struct tcp_shell *t, struct conn *c, const uint8_t *p, size_t n)
{
	if (c->out.len == 0)
		start_clock(t, c);
	tconn_append(&c->out, p, n);
	tconn_watch(t, c, c->events | EPOLLOUT);
}
