/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The console's thread; see control.h. A connection is read only while no answer waits to leave, so
 * a client that doesn't read holds itself up. One that hasn't shown that it has the key within
 * PROVE_NS, or doesn't take its answer within TAKE_NS, is closed, so that half-open ones don't use
 * up the places.
 */
#include "control.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "balancer/admin/link.h"
#include "lib/host/host.h"
#include "lib/host/net.h"

#define LISTENER UINT64_MAX
#define SECOND_NS INT64_C(1000000000)
#define PROVE_NS (10 * SECOND_NS)
#define TAKE_NS (30 * SECOND_NS)

enum { IN = 4096, EVENTS = 32 };

struct conn {
	int fd;                 /* -1: free */
	struct link *link;
	int64_t until_ns;       /* closed then; INT64_MAX: not by time */
	bool stop;              /* shutdown() was said: the program ends once the answer has left */
	size_t in_n, in_at;     /* bytes read and not yet eaten */
	uint8_t in[IN];
	uint8_t *out;           /* NULL: nothing waits to leave */
	size_t out_n, out_at;
};

struct control {
	const struct admin *admin;
	struct command *command;
	unsigned generation;    /* of the configuration that command is for */
	int epoll, listener;
	int reserve;            /* of net_accept */
	unsigned conn_n;
	struct conn *conn;
	pthread_t thread;
};

/* While the configuration is held. */
static const struct admin_console *conf_of(const struct control *k)
{
	return &k->admin->config->admin.console;
}

static void end(struct conn *c)
{
	close(c->fd);
	link_free(c->link);
	free(c->out);
	*c = (struct conn){ .fd = -1 };
}

/* Reads when nothing waits to leave, else writes. */
static void watch(const struct control *k, const struct conn *c)
{
	struct epoll_event e = { .events = c->out == NULL ? EPOLLIN : EPOLLOUT,
	                         .data.u64 = (uint64_t)(c - k->conn) };

	MUST(epoll_ctl(k->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0);
}

/* Owns take_bytes from now on. */
static void answer(struct conn *c, uint8_t *take_bytes, size_t n)
{
	c->out = take_bytes;
	c->out_n = n;
	c->out_at = 0;
	c->until_ns = host_mono_ns() + TAKE_NS;
}

static void answer_text(struct conn *c, const char *text, size_t len)
{
	uint8_t *out = malloc(link_sealed(len));

	MUST(out != NULL);
	link_seal(c->link, text, len, out);
	answer(c, out, link_sealed(len));
}

static void obey(struct control *k, struct conn *c, const char *line, size_t len)
{
	char *text;
	size_t n;

	/* its variables may be servers that are gone */
	if (k->generation != k->admin->generation) {
		command_free(k->command);
		k->command = command_new(k->admin);
		MUST(k->command != NULL);
		k->generation = k->admin->generation;
	}
	command_run(k->command, line, len, &text, &n, &c->stop);
	answer_text(c, text, n);
	free(text);
}

/* Eats what was read, up to the first thing to answer. False: the connection must end. */
static bool eat(struct control *k, struct conn *c)
{
	while (c->in_at < c->in_n && c->out == NULL) {
		const char *text = NULL;
		size_t used, len = 0;
		int r = link_eat(c->link, c->in + c->in_at, c->in_n - c->in_at, &used, &text, &len);
		if (r < 0)
			return false;
		c->in_at += used;
		if (r == LINK_TEXT)
			obey(k, c, text, len);
		else if (r == LINK_EMPTY && link_proven(c->link))
			answer(c, calloc(1, LINK_HEAD), LINK_HEAD);
		else if (r == LINK_EMPTY)
			return false; /* to somebody without the key nothing is said */
	}
	return true;
}

static bool read_some(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in, IN, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->in_at = 0;
	c->in_n = (size_t)n;
	return n > 0;
}

static bool write_some(struct conn *c)
{
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_at += (size_t)n;
	if (c->out_at < c->out_n)
		return true;
	free(c->out);
	c->out = NULL;
	c->until_ns = link_proven(c->link) ? INT64_MAX : host_mono_ns() + PROVE_NS;
	if (c->stop)
		kill(getpid(), SIGTERM);
	return true;
}

/* The connection can be read or written, or is broken. */
static void advance(struct control *k, struct conn *c)
{
	bool good = c->out != NULL ? write_some(c) : read_some(c);

	while (good && c->out == NULL && c->in_at < c->in_n) {
		good = eat(k, c);
		if (good && c->out != NULL)
			good = write_some(c);
	}
	if (good)
		watch(k, c);
	else
		end(c);
}

static struct conn *free_conn(const struct control *k)
{
	for (unsigned i = 0; i < k->conn_n; i++)
		if (k->conn[i].fd < 0)
			return &k->conn[i];
	return NULL;
}

static void greet(struct control *k, struct conn *c, int take_fd)
{
	uint8_t nonce[LINK_NONCE];
	const int on = 1;

	(void)setsockopt(take_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(take_fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	randombytes_buf(nonce, sizeof(nonce));
	c->fd = take_fd;
	c->link = link_new(conf_of(k)->key, nonce, LINK_LINE_MAX);
	c->until_ns = host_mono_ns() + PROVE_NS;
	net_watch(k->epoll, c->fd, (uint64_t)(c - k->conn));
	if (send(c->fd, nonce, sizeof(nonce), 0) != sizeof(nonce)) /* an empty buffer has room */
		end(c);
}

static void accept_one(struct control *k)
{
	struct ep peer;
	int fd = net_accept(k->listener, &k->reserve, &peer);

	if (fd < 0)
		return;
	struct conn *c = free_conn(k);
	if (c == NULL || !conf_of(k)->keyed ||
	    !prefix_any(conf_of(k)->acl.prefix, conf_of(k)->acl.n, &peer.ip))
		close(fd);
	else
		greet(k, c, fd);
}

/* When the first connection's time is over. Ends those whose time is. */
static int64_t expire(struct control *k)
{
	int64_t now_ns = host_mono_ns(), first = INT64_MAX;

	for (unsigned i = 0; i < k->conn_n; i++) {
		struct conn *c = &k->conn[i];
		if (c->fd < 0)
			continue;
		if (c->until_ns <= now_ns)
			end(c);
		else if (c->until_ns < first)
			first = c->until_ns;
	}
	return first;
}

static void *run(void *arg)
{
	struct control *k = arg;
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = net_wait(k->epoll, events, EVENTS, expire(k));
		k->admin->hold(k->admin->arg);
		for (int i = 0; i < n; i++) {
			uint64_t what = events[i].data.u64;
			if (what == LISTENER)
				accept_one(k);
			else if (k->conn[what].fd >= 0)
				advance(k, &k->conn[what]);
		}
		k->admin->release(k->admin->arg);
	}
	return NULL;
}

int control_listen(const struct ep *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);
	const int on = 1;
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&ss, len) == 0 && listen(fd, 128) == 0)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

void control_start(const struct admin *admin, int take_fd)
{
	struct control *k = calloc(1, sizeof(*k));

	MUST(k != NULL);
	k->admin = admin;
	k->command = command_new(admin);
	k->conn_n = admin->config->admin.console.connections;
	k->conn = calloc(k->conn_n, sizeof(*k->conn));
	MUST(k->command != NULL && k->conn != NULL);
	for (unsigned i = 0; i < k->conn_n; i++)
		k->conn[i].fd = -1;
	k->listener = take_fd;
	k->reserve = net_reserve();
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	MUST(k->epoll >= 0);
	net_watch(k->epoll, take_fd, LISTENER);
	MUST(pthread_create(&k->thread, NULL, run, k) == 0);
}
