/* SPDX-License-Identifier: BSD-3-Clause */
/* One probe's socket; see probe.h. */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/net.h"
#include "lib/proxy.h"
#include "lib/stream.h"
#include "socket.h"

enum { IN = STREAM_PREFIX + PROBE_ANSWER };

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static void listen_for(const struct probe *p, int epoll, uint64_t what, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = what };

	MUST(epoll_ctl(epoll, EPOLL_CTL_MOD, p->fd, &e) == 0);
}

/* A PROXY header, where it is wanted; its length. */
static size_t put_header(uint8_t out[PROXY_LOCAL], const struct bal_server *s)
{
	if (!s->proxy)
		return 0;
	proxy_local(out);
	return PROXY_LOCAL;
}

static bool open_udp(struct probe *p, const struct dgram *d, const struct bal_server *s)
{
	uint8_t out[PROXY_LOCAL + HEALTH_PROBE_MAX];
	size_t n = put_header(out, s);

	p->fd = socket_back(s);
	if (p->fd < 0)
		return false;
	p->state = PROBE_UDP;
	memcpy(out + n, d->data, d->len);
	n += d->len;
	return send(p->fd, out, n, 0) == (ssize_t)n;
}

static bool open_tcp(struct probe *p, const struct dgram *d, const struct bal_server *s)
{
	uint8_t header[PROXY_LOCAL];
	size_t n = put_header(header, s);

	p->fd = socket_connect(s);
	if (p->fd < 0)
		return false;
	p->state = PROBE_CONNECTING;
	p->message_n = (uint16_t)(n + STREAM_PREFIX + d->len);
	p->message = malloc(p->message_n);
	MUST(p->message != NULL);
	memcpy(p->message, header, n);
	stream_prefix(p->message + n, d->len);
	memcpy(p->message + n + STREAM_PREFIX, d->data, d->len);
	return true;
}

bool probe_open(struct probe *p, const struct dgram *d, const struct bal_server *s, int epoll,
                uint64_t what)
{
	*p = (struct probe){ .fd = -1, .server = d->port - 1u, .conn = d->conn };
	if (!(d->proto == DGRAM_TCP ? open_tcp(p, d, s) : open_udp(p, d, s))) {
		probe_close(p);
		return false;
	}
	net_watch(epoll, p->fd, what);
	if (p->state == PROBE_CONNECTING)
		listen_for(p, epoll, what, EPOLLOUT);
	return true;
}

void probe_close(struct probe *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->message);
	free(p->in);
	*p = (struct probe){ .state = PROBE_FREE, .fd = -1 };
}

static enum probe_news receive_udp(const struct probe *p, uint8_t answer[PROBE_ANSWER],
                                   uint16_t *len)
{
	ssize_t n = recv(p->fd, answer, PROBE_ANSWER, 0);

	if (n < 0)
		return again() ? PROBE_NOTHING : PROBE_FAILED;
	*len = (uint16_t)n;
	return PROBE_MESSAGE;
}

/* The connection is there, or isn't to be; what it takes of the message goes out. */
static enum probe_news send_tcp(struct probe *p, int epoll, uint64_t what)
{
	ssize_t n = send(p->fd, p->message + p->sent_n, p->message_n - p->sent_n, MSG_NOSIGNAL);

	if (n < 0)
		return again() ? PROBE_NOTHING : PROBE_FAILED;
	p->sent_n = (uint16_t)(p->sent_n + n);
	if (p->sent_n < p->message_n)
		return PROBE_NOTHING;
	free(p->message);
	p->message = NULL;
	p->state = PROBE_READING;
	listen_for(p, epoll, what, EPOLLIN);
	return PROBE_NOTHING;
}

/* The first message of what has come, or as much of a longer one as there is room for. */
static bool first_message(struct probe *p, uint8_t answer[PROBE_ANSWER], uint16_t *len)
{
	const uint8_t *m;
	size_t took = stream_first(p->in, p->in_n, &m, len);

	if (took == 0 && p->in_n < IN)
		return false;
	if (took == 0) {
		m = p->in + STREAM_PREFIX;
		*len = PROBE_ANSWER;
		took = p->in_n;
	}
	memcpy(answer, m, *len);
	p->in_n -= (uint32_t)took;
	memmove(p->in, p->in + took, p->in_n);
	return true;
}

static enum probe_news receive_tcp(struct probe *p, uint8_t answer[PROBE_ANSWER], uint16_t *len)
{
	if (p->in == NULL) {
		p->in = malloc(IN);
		MUST(p->in != NULL);
	}
	if (first_message(p, answer, len))
		return PROBE_MESSAGE;
	ssize_t n = recv(p->fd, p->in + p->in_n, IN - p->in_n, 0);
	if (n < 0)
		return again() ? PROBE_NOTHING : PROBE_FAILED;
	if (n == 0)
		return PROBE_FAILED;
	p->in_n += (uint32_t)n;
	return first_message(p, answer, len) ? PROBE_MESSAGE : PROBE_NOTHING;
}

enum probe_news probe_event(struct probe *p, int epoll, uint64_t what,
                            uint8_t answer[PROBE_ANSWER], uint16_t *len)
{
	switch (p->state) {
	case PROBE_FREE: return PROBE_NOTHING;
	case PROBE_UDP: return receive_udp(p, answer, len);
	case PROBE_CONNECTING: return send_tcp(p, epoll, what);
	case PROBE_READING: return receive_tcp(p, answer, len);
	}
	return PROBE_NOTHING;
}
