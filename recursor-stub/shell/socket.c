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
	if (ip_is_any(&ep->ip) && set(fd, level, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1) < 0)
		return -errno;
	return 0;
}

int socket_bind(const struct ep *ep, bool tcp, bool non_local)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);
	int kind = tcp ? SOCK_STREAM | SOCK_NONBLOCK : SOCK_DGRAM;
	int fd = socket(ss.ss_family, kind | SOCK_CLOEXEC, 0);

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

struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_batch {
	struct dgram d[DGRAM_BATCH];
	struct mmsghdr msg[DGRAM_BATCH];
	struct iovec iov[DGRAM_BATCH];
	struct sockaddr_storage peer[DGRAM_BATCH];
	struct control control[DGRAM_BATCH];
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
		.msg_control = wildcard ? &b->control[i] : NULL,
		.msg_controllen = wildcard ? sizeof(b->control[i]) : 0,
	};
}

/* The address that was asked, out of the packet's control message. */
static struct ip asked(struct msghdr *h, const struct ip *otherwise)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		struct ip ip;
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			ip = ip_v4(0, 0, 0, 0);
			memcpy(ip.b + 12, &info.ipi_addr, 4);
			return ip;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(ip.b, &info.ipi6_addr, 16);
			return ip;
		}
	}
	return *otherwise;
}

unsigned udp_read(struct udp_batch *b, const struct udp_socket *s, uint16_t port)
{
	for (unsigned i = 0; i < DGRAM_BATCH; i++)
		want(b, i, s->wildcard);
	int n = recvmmsg(s->fd, b->msg, DGRAM_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	for (int i = 0; i < n; i++) {
		struct dgram *d = &b->d[i];
		*d = (struct dgram){ .data = b->buf[i], .cap = UDP_BUFFER, .port = port };
		d->len = (uint16_t)b->msg[i].msg_len;
		d->peer = host_ep(&b->peer[i]);
		d->local = s->local;
		if (s->wildcard)
			d->local.ip = asked(&b->msg[i].msg_hdr, &s->local.ip);
	}
	return (unsigned)n;
}

/* Says which address of ours the packet comes from. */
static void from(struct msghdr *h, struct control *control, const struct ip *ip)
{
	struct in_pktinfo info4 = { .ipi_ifindex = 0 };
	struct in6_pktinfo info6 = { .ipi6_ifindex = 0 };
	bool v4 = ip_is4(ip);
	size_t size = v4 ? sizeof(info4) : sizeof(info6);

	memset(control, 0, sizeof(*control));
	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(size);
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	c->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(&info4.ipi_spec_dst, ip->b + 12, 4);
	memcpy(&info6.ipi6_addr, ip->b, 16);
	memcpy(CMSG_DATA(c), v4 ? (const void *)&info4 : (const void *)&info6, size);
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
			from(h, &b->control[k], &d[i].local.ip);
		k++;
	}
	while (done < k) {
		int sent = sendmmsg(s->fd, b->msg + done, k - done, 0);
		if (sent < 0 && errno == EINTR)
			continue;
		refused += sent <= 0; /* this one can't be sent; on with the next */
		done += sent > 0 ? (unsigned)sent : 1;
	}
	return refused;
}
