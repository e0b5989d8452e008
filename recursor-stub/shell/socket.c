/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets, recvmmsg and sendmmsg; see socket.h. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "lib/host/net.h"

enum { BACKLOG = 128, BUFFER_BYTES = 4 << 20 };

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int prepare(int fd, const struct ep *ep, bool tcp, bool non_local)
{
	bool v4 = ip_is4(&ep->ip);
	int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;

	if (set(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0 || set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -errno;
	if (!v4 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0)
		return -errno;
	if (non_local && set(fd, level, v4 ? IP_FREEBIND : IPV6_FREEBIND, 1) < 0)
		return -errno;
	if (tcp)
		return 0;
	(void)set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES); /* as much as the system lets us */
	(void)set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
	(void)set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
	return ip_is_any(&ep->ip) ? net_tell_asked(fd, ep) : 0;
}

int socket_bind(const struct ep *ep, bool tcp, bool non_local)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);
	int kind = tcp ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(ss.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int err = prepare(fd, ep, tcp, non_local);
	if (err == 0 && bind(fd, (struct sockaddr *)&ss, len) < 0)
		err = -errno;
	if (err == 0 && tcp && listen(fd, BACKLOG) < 0)
		err = -errno;
	if (err < 0)
		close(fd);
	return err < 0 ? err : fd;
}

struct udp_batch {
	struct dgram d[DGRAM_BATCH];
	struct mmsghdr msg[DGRAM_BATCH];
	struct iovec iov[DGRAM_BATCH];
	struct sockaddr_storage peer[DGRAM_BATCH];
	_Alignas(8) uint8_t control[DGRAM_BATCH][NET_CONTROL];
	uint8_t buf[DGRAM_BATCH][UDP_BUFFER];
};

struct udp_batch *udp_batch_new(void)
{
	struct udp_batch *b = calloc(1, sizeof(*b));

	MUST(b != NULL);
	return b;
}

void udp_batch_free(struct udp_batch *b)
{
	free(b);
}

struct dgram *udp_batch_clear(struct udp_batch *b)
{
	for (unsigned i = 0; i < DGRAM_BATCH; i++)
		b->d[i] = (struct dgram){ .data = b->buf[i], .cap = UDP_BUFFER };
	return b->d;
}

static void want(struct udp_batch *b, unsigned i, bool wildcard)
{
	b->iov[i] = (struct iovec){ b->buf[i], UDP_BUFFER };
	b->msg[i].msg_hdr = (struct msghdr){
		.msg_name = &b->peer[i], .msg_namelen = sizeof(b->peer[i]),
		.msg_iov = &b->iov[i], .msg_iovlen = 1,
		.msg_control = wildcard ? b->control[i] : NULL,
		.msg_controllen = wildcard ? NET_CONTROL : 0,
	};
}

unsigned udp_read(struct udp_batch *b, const struct udp_socket *s, uint16_t port)
{
	for (unsigned i = 0; i < DGRAM_BATCH; i++)
		want(b, i, s->wildcard);
	int n = recvmmsg(s->fd, b->msg, DGRAM_BATCH, 0, NULL);
	if (n <= 0)
		return 0;
	for (int i = 0; i < n; i++) {
		struct dgram *d = &b->d[i];
		*d = (struct dgram){ .data = b->buf[i], .cap = UDP_BUFFER, .port = port };
		d->len = (uint16_t)b->msg[i].msg_len;
		d->peer = host_ep(&b->peer[i]);
		d->local = s->local;
		if (s->wildcard)
			net_asked(&b->msg[i].msg_hdr, &d->local.ip);
	}
	return (unsigned)n;
}

unsigned udp_send(struct udp_batch *b, const struct udp_socket *s, const struct dgram *d,
                  unsigned n, const bool *send)
{
	unsigned k = 0, done = 0, refused = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!send[i])
			continue;
		struct msghdr *h = &b->msg[k].msg_hdr;
		socklen_t len = host_sockaddr(&d[i].peer, &b->peer[k]);
		b->iov[k] = (struct iovec){ d[i].data, d[i].len };
		*h = (struct msghdr){ .msg_name = &b->peer[k], .msg_namelen = len,
		                      .msg_iov = &b->iov[k], .msg_iovlen = 1 };
		if (s->wildcard)
			net_leave_from(h, b->control[k], &d[i].local.ip);
		k++;
	}
	while (done < k) {
		int sent = sendmmsg(s->fd, b->msg + done, k - done, 0);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) /* the socket is full: a worker never blocks */
			return refused + k - done;
		refused += sent <= 0; /* this one can't be sent; on with the next */
		done += sent > 0 ? (unsigned)sent : 1;
	}
	return refused;
}
