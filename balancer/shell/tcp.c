/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP of one worker: accepting, receiving, the core's orders; see tcp.h. */
#include "tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "balancer/core/succeed.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "socket.h"
#include "tcp_conn.h"

static void give(struct tcp_shell *t, struct conn *c, const uint8_t *m, uint16_t len);

/* ---- listening ---- */

void tcp_shell_keep(struct tcp_shell *t, struct recent *r)
{
	t->recent = r;
}

struct tcp_shell *tcp_shell_new(const struct bal_conf *conf, struct bal *b, int epoll,
                                void (*datagram)(void *of, const struct dgram *d), void *of)
{
	struct tcp_shell *t = calloc(1, sizeof(*t));

	MUST(t != NULL);
	t->conf = conf;
	t->bal = b;
	t->epoll = epoll;
	t->datagram = datagram;
	t->of = of;
	t->next_stuck_ns = INT64_MAX;
	t->conn = calloc(conf->tcp.conns, sizeof(*t->conn));
	t->resume = calloc(conf->tcp.conns, sizeof(*t->resume));
	t->send = calloc(conf->tcp.conns, sizeof(*t->send));
	t->listener = malloc((conf->front_n + 1) * sizeof(*t->listener));
	MUST(t->conn != NULL && t->resume != NULL && t->send != NULL && t->listener != NULL);
	for (unsigned i = 0; i < conf->front_n; i++)
		t->listener[i] = -1;
	t->reserve = net_reserve();
	return t;
}

void tcp_shell_listen(struct tcp_shell *t, int fd, unsigned front)
{
	t->listener[front] = fd;
	net_watch(t->epoll, fd, TCP_EVENT_LISTEN | front);
}

/* A listening socket goes on under its address's new number, or is closed. */
static void keep_listener(struct tcp_shell *t, int fd, const struct bal_conf *conf, unsigned front)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = TCP_EVENT_LISTEN | front };

	if (fd < 0)
		return;
	if (front == BAL_GONE || conf->listen[front].udp_only) {
		close(fd);
		return;
	}
	t->listener[front] = fd;
	MUST(epoll_ctl(t->epoll, EPOLL_CTL_MOD, fd, &e) == 0);
}

void tcp_shell_succeed(struct tcp_shell *t, struct bal *b, const struct bal_succession *s,
                       const int *fd)
{
	int *old = t->listener;

	t->listener = malloc((s->to->front_n + 1) * sizeof(*t->listener));
	MUST(t->listener != NULL);
	for (unsigned i = 0; i < s->to->front_n; i++)
		t->listener[i] = -1;
	for (unsigned i = 0; i < s->from->front_n; i++)
		keep_listener(t, old[i], s->to, s->front[i]);
	free(old);
	for (unsigned i = 0; i < s->to->front_n; i++)
		if (fd[i] >= 0)
			tcp_shell_listen(t, fd[i], i);
	for (uint32_t i = 0; i < t->touched; i++) {
		struct conn *c = &t->conn[i];
		if (c->state == FREE || c->port == 0)
			continue;
		unsigned server = s->server[c->port - 1];
		c->port = (uint16_t)(server == BAL_GONE ? 1 : server + 1);
	}
	t->conf = s->to;
	t->bal = b;
}

/* ---- receiving ---- */

/* A transfer, which has its connection to itself, waits for a client that is slower. */
static bool waits(struct tcp_shell *t, const struct conn *c)
{
	struct conn *to = c->sink != 0 ? tconn_find(t, c->sink) : NULL;

	if (to == NULL || to->out.len < OUT_MAX / 2)
		return false;
	to->holds = true;
	return true;
}

static bool may_take(struct tcp_shell *t, const struct conn *c)
{
	if (c->state == SERVER)
		return !waits(t, c);
	return c->state == CLIENT && c->out.len < OUT_MAX / 2 && bal_tcp_takes(t->bal, c->number);
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
		if (tconn_find(t, number) == NULL)
			return;
	}
	if (at < n)
		tconn_append(&c->in, p + at, n - at);
}

/* What is kept of it may be given to the core. */
static void resume(struct tcp_shell *t, struct conn *c)
{
	size_t n = c->in.len;

	if (n > 0) {
		memcpy(t->in, c->in.p + c->in.at, n);
		tconn_forget(&c->in);
		consume(t, c, t->in, n);
	}
	if (!c->eof && (c->state == CLIENT || c->state == SERVER) && may_take(t, c))
		tconn_watch(t, c, c->events | EPOLLIN);
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
	recent_rx(t->recent, t->bal, t->now_ns, &d, 1);
	if (!bal_verdict_sends(d.verdict))
		return;
	if (d.proto == DGRAM_UDP) {
		t->datagram(t->of, &d);
		return;
	}
	struct conn *to = tconn_find(t, d.conn);
	if (to == NULL)
		return;
	if (d.verdict == BAL_TCP_PART)
		c->sink = d.conn;
	tconn_put(t, to, d.data, d.len);
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
		tconn_drop(t, c);
		return;
	}
	c->eof = true;
	tconn_watch(t, c, c->events & ~(uint32_t)EPOLLIN);
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
		tconn_watch(t, c, c->events & ~(uint32_t)EPOLLIN);
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
		tconn_drop(t, c);
		return;
	}
	if (n == 0) {
		end_of_input(t, c);
		return;
	}
	if (kept > 0)
		memcpy(t->in, c->in.p + c->in.at, kept);
	c->in.len = 0;
	tconn_forget(&c->in);
	consume(t, c, t->in, kept + (size_t)n);
}

/* Reads and forgets, until the client's end. */
static void linger(struct tcp_shell *t, struct conn *c)
{
	ssize_t n = recv(c->fd, t->in, sizeof(t->in), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		tconn_drop(t, c);
}

/* ---- opening ---- */

static void connect_done(struct tcp_shell *t, struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err != 0) {
		tconn_drop(t, c);
		return;
	}
	c->state = SERVER;
	tconn_watch(t, c, EPOLLIN);
	bal_tcp_connected(t->bal, t->now_ns, c->number);
}

static void open_server(struct tcp_shell *t, const struct dgram *d)
{
	int fd = socket_connect(&t->conf->server[d->port - 1]);

	if (fd < 0) {
		bal_tcp_closed(t->bal, t->now_ns, d->conn);
		return;
	}
	struct conn *c = tconn_begin(t, d->conn, fd, CONNECTING, EPOLLOUT);
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
	struct conn *c = tconn_begin(t, number, fd, CLIENT, EPOLLIN);
	c->peer = *peer;
	c->local = local;
}

static void accept_some(struct tcp_shell *t, unsigned front)
{
	for (unsigned i = 0; i < ACCEPTS; i++) {
		struct ep peer;
		int fd = net_accept(t->listener[front], &t->reserve, &peer);
		if (fd < 0)
			return;
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
		tconn_drop(t, c);
		return;
	}
	if ((events & EPOLLOUT) != 0 && !tconn_flush(t, c))
		return;
	if ((events & (EPOLLIN | EPOLLHUP)) == 0 || tconn_find(t, number) == NULL)
		return;
	if (c->state == LINGERING)
		linger(t, c);
	else if ((events & EPOLLIN) != 0)
		receive(t, c);
	else
		tconn_drop(t, c); /* both sides are shut, and nothing is left to read */
	if (tconn_find(t, number) != NULL)
		resume_later(t, c);
}

void tcp_shell_event(struct tcp_shell *t, uint64_t what, uint32_t events, int64_t now_ns)
{
	struct conn *c;

	t->now_ns = now_ns;
	if ((what & TCP_EVENT_LISTEN) != 0)
		accept_some(t, (unsigned)(what & ~TCP_EVENT_LISTEN));
	else if ((c = tconn_find(t, (uint32_t)what)) != NULL)
		ready(t, c, events);
}

static void carry_out(struct tcp_shell *t, const struct dgram *d)
{
	struct conn *c = tconn_find(t, d->conn);

	if (d->verdict == BAL_ORDER_OPEN) {
		open_server(t, d);
	} else if (c == NULL) {
		bal_tcp_closed(t->bal, t->now_ns, d->conn); /* it had never been opened */
	} else if (d->verdict == BAL_ORDER_SEND) {
		tconn_put(t, c, d->data, d->len);
	} else if (d->verdict == BAL_ORDER_GREET) {
		tconn_head(t, c, d->data, d->len);
	} else if (c->port == 0 && c->out.len > 0) {
		c->closing = true;
		tconn_watch(t, c, c->sends ? 0 : EPOLLOUT);
	} else {
		tconn_finish(t, c);
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
			tconn_drop(t, c);
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

/* Transfers that waited for clients go on. At most once a quarter of OUT_MAX that one has taken. */
static bool resume_transfers(struct tcp_shell *t)
{
	bool any = t->freed;

	t->freed = false;
	for (uint32_t i = 0; any && i < t->touched; i++) {
		struct conn *c = &t->conn[i];
		if (c->state == SERVER && c->sink != 0 && (c->events & EPOLLIN) == 0)
			resume(t, c);
	}
	return any;
}

void tcp_shell_pass(struct tcp_shell *t, int64_t now_ns)
{
	struct dgram d = { .data = t->work, .cap = UINT16_MAX };

	if (t->resume_n == 0 && t->send_n == 0 && !t->freed && tcp_shell_deadline(t) > now_ns)
		return;
	t->now_ns = now_ns;
	if (t->next_stuck_ns <= now_ns)
		close_stuck(t);
	do {
		while (bal_tcp_poll(t->bal, t->now_ns, &d))
			carry_out(t, &d);
	} while (resume_all(t) || resume_transfers(t) || tconn_send_all(t));
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
