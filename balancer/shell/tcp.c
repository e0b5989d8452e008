/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP sockets of one worker; see tcp.h. */
#include "tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "lib/host/net.h"
#include "lib/stream.h"
#include "socket.h"

enum {
	READ = 16384,              /* bytes asked of a socket at once, if no message needs more */
	IN_MAX = READ + STREAM_MAX,
	OUT_MAX = 1 << 18,         /* unsent bytes; above half of it nothing more is read */
	ACCEPTS = 64,              /* of one event */
	FIRST = 512,               /* bytes of a buffer, at least */
};

enum state { FREE = 0, CLIENT, CONNECTING, SERVER, LINGERING };

struct bytes {
	uint8_t *p;                /* NULL: nothing is kept */
	uint32_t at, len, cap;     /* len counts from p + at */
};

struct conn {
	enum state state;
	int fd;
	uint32_t number;           /* the core's */
	uint32_t events;           /* watched */
	bool closing;              /* when all is sent */
	bool eof;                  /* client: it has shut its side */
	bool resumes;              /* in the list of those that may go on */
	uint16_t port;             /* of the core */
	struct ep peer, local;
	struct bytes in, out;
	int64_t stuck_ns;          /* closed then, unless its peer takes a byte before */
};

struct tcp_shell {
	const struct bal_conf *conf;
	struct bal *bal;
	int epoll, spare;
	struct conn *conn;         /* by the core's places */
	uint32_t touched;          /* places ever used */
	uint32_t *resume;          /* clients whose kept messages may be given to the core */
	uint32_t resume_n;
	int *listener;             /* by front; -1: none */
	int64_t now_ns, next_stuck_ns;
	uint64_t stuck;
	uint8_t in[IN_MAX];
	uint8_t work[UINT16_MAX];  /* the message in the core's hands */
};

static void give(struct tcp_shell *t, struct conn *c, const uint8_t *m, uint16_t len);

/* ---- connections ---- */

struct tcp_shell *tcp_shell_new(const struct bal_conf *conf, struct bal *b, int epoll)
{
	struct tcp_shell *t = calloc(1, sizeof(*t));

	MUST(t != NULL);
	t->conf = conf;
	t->bal = b;
	t->epoll = epoll;
	t->next_stuck_ns = INT64_MAX;
	t->conn = calloc(conf->tcp.conns, sizeof(*t->conn));
	t->resume = calloc(conf->tcp.conns, sizeof(*t->resume));
	t->listener = malloc((conf->front_n + 1) * sizeof(*t->listener));
	MUST(t->conn != NULL && t->resume != NULL && t->listener != NULL);
	for (unsigned i = 0; i < conf->front_n; i++)
		t->listener[i] = -1;
	t->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return t;
}

void tcp_shell_listen(struct tcp_shell *t, int fd, unsigned front)
{
	t->listener[front] = fd;
	net_watch(t->epoll, fd, TCP_EVENT_LISTEN | front);
}

static struct conn *find(struct tcp_shell *t, uint32_t number)
{
	struct conn *c = &t->conn[bal_tcp_place(number)];

	return c->state != FREE && c->number == number ? c : NULL;
}

static struct conn *begin(struct tcp_shell *t, uint32_t number, int fd, enum state state,
                          uint32_t events)
{
	struct conn *c = &t->conn[bal_tcp_place(number)];
	struct epoll_event e = { .events = events, .data.u64 = TCP_EVENT_CONN | number };
	bool resumes = c->resumes;

	MUST(c->state == FREE);
	*c = (struct conn){ .state = state, .fd = fd, .number = number, .events = events,
	                    .resumes = resumes, .stuck_ns = INT64_MAX };
	if (bal_tcp_place(number) >= t->touched)
		t->touched = bal_tcp_place(number) + 1;
	MUST(epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e) == 0);
	return c;
}

static void watch(struct tcp_shell *t, struct conn *c, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = TCP_EVENT_CONN | c->number };

	if (c->events == events)
		return;
	c->events = events;
	MUST(epoll_ctl(t->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0);
}

static void forget(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){ 0 };
}

/* Closes it and tells the core. */
static void drop(struct tcp_shell *t, struct conn *c)
{
	close(c->fd);
	forget(&c->in);
	forget(&c->out);
	c->state = FREE;
	bal_tcp_closed(t->bal, t->now_ns, c->number);
}

/* ---- buffers ---- */

static void append(struct bytes *b, const void *p, size_t n)
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
		forget(b);
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
static void finish(struct tcp_shell *t, struct conn *c)
{
	int unread = 0;

	if (c->port == 0 && !c->eof && ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0 &&
	    shutdown(c->fd, SHUT_WR) == 0) {
		c->state = LINGERING;
		start_clock(t, c);
		watch(t, c, EPOLLIN);
		return;
	}
	drop(t, c);
}

/* Sends what it can of what is kept. False: the connection is no more. */
static bool flush(struct tcp_shell *t, struct conn *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->fd, c->out.p + c->out.at, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch(t, c, c->events | EPOLLOUT);
			return true;
		}
		if (n < 0) {
			drop(t, c);
			return false;
		}
		took(&c->out, (size_t)n);
		start_clock(t, c);
	}
	c->stuck_ns = INT64_MAX;
	watch(t, c, c->events & ~(uint32_t)EPOLLOUT);
	if (!c->closing)
		return true;
	finish(t, c);
	return false;
}

/* Sends a message, framed; what the socket doesn't take is kept. */
static void put(struct tcp_shell *t, struct conn *c, const uint8_t *m, uint16_t len)
{
	uint8_t prefix[STREAM_PREFIX];
	struct iovec iov[2] = { { prefix, sizeof(prefix) },
	                        { (void *)(uintptr_t)m, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t sent = 0;

	stream_prefix(prefix, len);
	if (c->out.len == 0) {
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			drop(t, c);
			return;
		}
		sent = n > 0 ? (size_t)n : 0;
		if (sent == sizeof(prefix) + len)
			return;
		start_clock(t, c);
	} else if (c->out.len > OUT_MAX) {
		t->stuck++;
		drop(t, c);
		return;
	}
	if (sent < sizeof(prefix)) {
		append(&c->out, prefix + sent, sizeof(prefix) - sent);
		sent = sizeof(prefix);
	}
	append(&c->out, m + (sent - sizeof(prefix)), len - (sent - sizeof(prefix)));
	watch(t, c, c->events | EPOLLOUT);
}

/* ---- receiving ---- */

static bool may_take(const struct tcp_shell *t, const struct conn *c)
{
	return c->state == SERVER ||
	       (c->state == CLIENT && c->out.len < OUT_MAX / 2 && bal_tcp_takes(t->bal, c->number));
}

/* Gives whole messages of p[0..n) to the core, and keeps the rest. */
static void consume(struct tcp_shell *t, struct conn *c, const uint8_t *p, size_t n)
{
	const uint32_t number = c->number;
	const uint8_t *m;
	size_t at = 0, took_n;
	uint16_t len;

	while (may_take(t, c) && (took_n = stream_first(p + at, n - at, &m, &len)) > 0) {
		at += took_n;
		give(t, c, m, len);
		if (find(t, number) == NULL)
			return;
	}
	if (at < n)
		append(&c->in, p + at, n - at);
}

/* The client may be given more of what is kept. */
static void resume(struct tcp_shell *t, struct conn *c)
{
	size_t n = c->in.len;

	if (n > 0) {
		memcpy(t->in, c->in.p + c->in.at, n);
		forget(&c->in);
		consume(t, c, t->in, n);
	}
	if (c->state == CLIENT && !c->eof && may_take(t, c))
		watch(t, c, c->events | EPOLLIN);
}

static void resume_later(struct tcp_shell *t, struct conn *c)
{
	if (c->resumes || c->state != CLIENT)
		return;
	if (c->in.len == 0 && (c->events & EPOLLIN) != 0)
		return;
	c->resumes = true;
	t->resume[t->resume_n++] = (uint32_t)(c - t->conn);
}

/* What the core makes of a message, sent to where it goes. */
static void give(struct tcp_shell *t, struct conn *c, const uint8_t *m, uint16_t len)
{
	struct dgram d = {
		.data = t->work, .len = len, .cap = UINT16_MAX, .t_ns = t->now_ns, .peer = c->peer,
		.local = c->local, .proto = DGRAM_TCP, .port = c->port, .conn = c->number,
	};

	memcpy(t->work, m, len);
	bal_rx(t->bal, t->now_ns, &d, 1);
	if (!bal_verdict_sends(d.verdict))
		return;
	struct conn *to = find(t, d.conn);
	if (to == NULL)
		return;
	put(t, to, d.data, d.len);
	if (to->state != FREE)
		resume_later(t, to);
}

static bool has_whole(const struct bytes *in)
{
	const uint8_t *m;
	uint16_t len;

	return in->len > 0 && stream_first(in->p + in->at, in->len, &m, &len) > 0;
}

/* The peer sends no more. */
static void end_of_input(struct tcp_shell *t, struct conn *c)
{
	if (c->state == SERVER) {
		drop(t, c);
		return;
	}
	c->eof = true;
	watch(t, c, c->events & ~(uint32_t)EPOLLIN);
	/* What it had sent before and is kept may not be served yet: then that decides. */
	if (!has_whole(&c->in))
		bal_tcp_eof(t->bal, t->now_ns, c->number);
}

static size_t room_for(const struct bytes *in)
{
	size_t need = in->len > 0 ? stream_need(in->p + in->at, in->len) : 0;

	return need > in->len + READ ? need - in->len : READ;
}

static void receive(struct tcp_shell *t, struct conn *c)
{
	size_t kept = c->in.len;

	if (!may_take(t, c)) { /* asked again when that has changed */
		watch(t, c, c->events & ~(uint32_t)EPOLLIN);
		return;
	}
	if (has_whole(&c->in)) { /* first that: so what is kept stays below IN_MAX */
		resume(t, c);
		return;
	}
	ssize_t n = recv(c->fd, t->in + kept, room_for(&c->in), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		drop(t, c);
		return;
	}
	if (n == 0) {
		end_of_input(t, c);
		return;
	}
	if (kept > 0)
		memcpy(t->in, c->in.p + c->in.at, kept);
	c->in.len = 0;
	forget(&c->in);
	consume(t, c, t->in, kept + (size_t)n);
}

/* Reads and forgets, until the client's end. */
static void linger(struct tcp_shell *t, struct conn *c)
{
	ssize_t n = recv(c->fd, t->in, sizeof(t->in), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(t, c);
}

/* ---- opening ---- */

static void connect_done(struct tcp_shell *t, struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err != 0) {
		drop(t, c);
		return;
	}
	c->state = SERVER;
	watch(t, c, EPOLLIN);
	bal_tcp_connected(t->bal, t->now_ns, c->number);
}

static void open_server(struct tcp_shell *t, const struct dgram *d)
{
	int fd = socket_connect(&d->peer);

	if (fd < 0) {
		bal_tcp_closed(t->bal, t->now_ns, d->conn);
		return;
	}
	struct conn *c = begin(t, d->conn, fd, CONNECTING, EPOLLOUT);
	c->port = d->port;
	c->peer = d->peer;
}

static void take_client(struct tcp_shell *t, int fd, const struct ep *peer, unsigned front)
{
	struct ep local = t->conf->front[front];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (ip_is_any(&local.ip) && getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		local = host_ep(&ss);
	uint32_t number = bal_tcp_accept(t->bal, t->now_ns, peer, &local, front);
	if (number == 0) {
		close(fd);
		return;
	}
	socket_prompt(fd);
	struct conn *c = begin(t, number, fd, CLIENT, EPOLLIN);
	c->peer = *peer;
	c->local = local;
}

/* Without a descriptor left, one connection is taken and closed, or it would wake us for ever. */
static void refuse_one(struct tcp_shell *t, int listener)
{
	close(t->spare);
	int fd = accept(listener, NULL, NULL);
	if (fd >= 0)
		close(fd);
	t->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_some(struct tcp_shell *t, unsigned front)
{
	for (unsigned i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		int fd = accept4(t->listener[front], (struct sockaddr *)&ss, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			refuse_one(t, t->listener[front]);
		if (fd < 0)
			return;
		struct ep peer = host_ep(&ss);
		take_client(t, fd, &peer, front);
	}
}

/* ---- the worker's calls ---- */

static void ready(struct tcp_shell *t, struct conn *c, uint32_t events)
{
	uint32_t number = c->number;

	if (c->state == CONNECTING) {
		connect_done(t, c);
		return;
	}
	if ((events & EPOLLERR) != 0) {
		drop(t, c);
		return;
	}
	if ((events & EPOLLOUT) != 0 && !flush(t, c))
		return;
	if ((events & (EPOLLIN | EPOLLHUP)) == 0 || find(t, number) == NULL)
		return;
	if (c->state == LINGERING)
		linger(t, c);
	else if ((events & EPOLLIN) != 0)
		receive(t, c);
	else
		drop(t, c); /* both sides are shut, and nothing is left to read */
	if (find(t, number) != NULL)
		resume_later(t, c);
}

void tcp_shell_event(struct tcp_shell *t, uint64_t what, uint32_t events, int64_t now_ns)
{
	struct conn *c;

	t->now_ns = now_ns;
	if ((what & TCP_EVENT_LISTEN) != 0)
		accept_some(t, (unsigned)(what & ~TCP_EVENT_LISTEN));
	else if ((c = find(t, (uint32_t)what)) != NULL)
		ready(t, c, events);
}

static void carry_out(struct tcp_shell *t, const struct dgram *d)
{
	struct conn *c = find(t, d->conn);

	if (d->verdict == BAL_ORDER_OPEN) {
		open_server(t, d);
	} else if (c == NULL) {
		bal_tcp_closed(t->bal, t->now_ns, d->conn); /* it had never been opened */
	} else if (d->verdict == BAL_ORDER_SEND) {
		put(t, c, d->data, d->len);
	} else if (c->port == 0 && c->out.len > 0) {
		c->closing = true;
		watch(t, c, EPOLLOUT);
	} else {
		finish(t, c);
	}
}

static void close_stuck(struct tcp_shell *t)
{
	t->next_stuck_ns = INT64_MAX;
	for (uint32_t i = 0; i < t->touched; i++) {
		struct conn *c = &t->conn[i];
		if (c->state == FREE)
			continue;
		if (c->stuck_ns <= t->now_ns) {
			t->stuck += c->state != LINGERING;
			drop(t, c);
		} else if (c->stuck_ns < t->next_stuck_ns) {
			t->next_stuck_ns = c->stuck_ns;
		}
	}
}

static bool resume_all(struct tcp_shell *t)
{
	bool any = t->resume_n > 0;

	while (t->resume_n > 0) {
		struct conn *c = &t->conn[t->resume[--t->resume_n]];
		c->resumes = false;
		if (c->state == CLIENT)
			resume(t, c);
		if (c->state == CLIENT && c->eof)
			end_of_input(t, c);
	}
	return any;
}

void tcp_shell_pass(struct tcp_shell *t, int64_t now_ns)
{
	struct dgram d = { .data = t->work, .cap = UINT16_MAX };

	if (t->resume_n == 0 && tcp_shell_deadline(t) > now_ns)
		return;
	t->now_ns = now_ns;
	if (t->next_stuck_ns <= now_ns)
		close_stuck(t);
	do {
		while (bal_tcp_poll(t->bal, t->now_ns, &d))
			carry_out(t, &d);
	} while (resume_all(t));
}

int64_t tcp_shell_deadline(const struct tcp_shell *t)
{
	int64_t due = bal_tcp_deadline(t->bal);

	return due < t->next_stuck_ns ? due : t->next_stuck_ns;
}

uint64_t tcp_shell_stuck(const struct tcp_shell *t)
{
	return t->stuck;
}
