/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients' UDP sockets. Each is bound to a port alone; the client's address goes with every
 * packet (IP_PKTINFO, IPV6_PKTINFO), so thousands of clients need sixteen sockets.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io.h"
#include "lib/host/host.h"

enum { BUFFER_BYTES = 4 << 20, FULL_WAIT_MS = 1, FULL_WAITS = 5 };

static int open_one(const struct load_io *io, unsigned i)
{
	bool v4 = io->spec->family == 4;
	int on = 1, size = BUFFER_BYTES, err;
	struct sockaddr_storage any = { .ss_family = (sa_family_t)(v4 ? AF_INET : AF_INET6) };
	struct epoll_event e = { .events = EPOLLIN, .data = { .u32 = i } };
	int fd = socket(any.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* The kernel caps sizes at its own limits; without privilege that is what there is. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on,
	               sizeof(on)) < 0 ||
	    (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    bind(fd, (struct sockaddr *)&any, v4 ? sizeof(struct sockaddr_in) :
	         sizeof(struct sockaddr_in6)) < 0 ||
	    epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Makes slots [0, n) fit to receive again: the kernel has written over their lengths. */
static void make_room(struct load_batch *b, unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		b->iov[k] = (struct iovec){ b->bytes[k], LOAD_MESSAGE_MAX };
		b->msg[k].msg_hdr = (struct msghdr){
			.msg_name = &b->peer[k], .msg_namelen = sizeof(b->peer[k]),
			.msg_iov = &b->iov[k], .msg_iovlen = 1,
			.msg_control = &b->control[k], .msg_controllen = sizeof(b->control[k]),
		};
	}
}

int load_udp_open(struct load_io *io)
{
	make_room(&io->in, DGRAM_BATCH);
	for (unsigned i = 0; i < LOAD_SOCKETS; i++) {
		io->udp[i] = open_one(io, i);
		if (io->udp[i] < 0)
			return io->udp[i];
	}
	return 0;
}

void load_udp_close(struct load_io *io)
{
	for (unsigned i = 0; i < LOAD_SOCKETS; i++)
		if (io->udp[i] >= 0)
			close(io->udp[i]);
}

/* The control message that picks the source address. Returns its length. */
static size_t write_source(struct msghdr *h, const struct ip *ip)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);

	if (ip_is4(ip)) {
		struct in_pktinfo info = { 0 };
		memcpy(&info.ipi_spec_dst, ip->b + 12, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
	struct in6_pktinfo info = { 0 };
	memcpy(&info.ipi6_addr, ip->b, 16);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

static void write_message(struct load_batch *b, unsigned slot, const struct dgram *d)
{
	struct msghdr *h = &b->msg[slot].msg_hdr;

	b->iov[slot] = (struct iovec){ d->data, d->len };
	*h = (struct msghdr){
		.msg_name = &b->peer[slot], .msg_iov = &b->iov[slot], .msg_iovlen = 1,
		.msg_control = &b->control[slot], .msg_controllen = sizeof(b->control[slot]),
	};
	h->msg_namelen = host_sockaddr(&d->peer, &b->peer[slot]);
	h->msg_controllen = write_source(h, &d->local.ip);
}

/* True when the socket takes packets again within a moment. */
static bool wait_for_room(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, FULL_WAIT_MS) > 0;
}

/* Sends msg[0..n) on socket i; due[] are their planned times. */
static void send_all(struct load_io *io, unsigned i, unsigned n, const int64_t *due)
{
	unsigned at = 0, waits = 0;

	while (at < n) {
		int sent = sendmmsg(io->udp[i], io->out.msg + at, n - at, 0);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS) && waits++ < FULL_WAITS) {
			wait_for_room(io->udp[i]);
			continue;
		}
		if (sent < 0) {
			io->result->unsent++;
			at++;
			continue;
		}
		int64_t now = host_mono_ns();
		for (int k = 0; k < sent; k++)
			hist_add(&io->result->late_ns, now - due[at + (unsigned)k]);
		at += (unsigned)sent;
	}
}

/* One after the other, so that a client's captured queries keep their order over its sockets. */
static void send_in_order(struct load_io *io, unsigned n)
{
	int64_t due[DGRAM_BATCH];

	for (unsigned i = 0, m; i < n; i += m) {
		const struct dgram *d = &io->out.d[i];
		for (m = 0; i + m < n && d[m].proto == DGRAM_UDP && d[m].port == d->port; m++) {
			due[m] = d[m].t_ns;
			write_message(&io->out, m, &d[m]);
		}
		if (m > 0)
			send_all(io, d->port, m, due);
		m += m == 0;
	}
}

/* Each socket's in one go. */
static void send_by_socket(struct load_io *io, unsigned n)
{
	int64_t due[DGRAM_BATCH];
	uint32_t todo = 0;

	for (unsigned i = 0; i < n; i++)
		if (io->out.d[i].proto == DGRAM_UDP)
			todo |= 1u << io->out.d[i].port;
	for (; todo != 0; todo &= todo - 1) {
		unsigned socket = (unsigned)__builtin_ctz(todo), m = 0;
		for (unsigned i = 0; i < n; i++) {
			const struct dgram *d = &io->out.d[i];
			if (d->proto != DGRAM_UDP || d->port != socket)
				continue;
			due[m] = d->t_ns;
			write_message(&io->out, m++, d);
		}
		send_all(io, socket, m, due);
	}
}

void load_udp_send(struct load_io *io, unsigned n)
{
	if (io->spec->replay_n > 0)
		send_in_order(io, n);
	else
		send_by_socket(io, n);
}

/* The address that a packet was sent to. */
static struct ip destination(struct msghdr *h)
{
	struct ip ip = ip_v4(0, 0, 0, 0);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(ip.b + 12, &info.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(ip.b, &info.ipi6_addr, 16);
		}
	}
	return ip;
}

void load_udp_receive(struct load_io *io, unsigned i)
{
	struct load_batch *b = &io->in;
	int n = recvmmsg(io->udp[i], b->msg, DGRAM_BATCH, MSG_DONTWAIT, NULL);
	int64_t now = host_mono_ns();

	for (int k = 0; k < n; k++)
		b->d[k] = (struct dgram){
			.data = b->bytes[k], .cap = LOAD_MESSAGE_MAX, .t_ns = now,
			.len = (uint16_t)b->msg[k].msg_len, .peer = host_ep(&b->peer[k]),
			.local = { .ip = destination(&b->msg[k].msg_hdr) },
			.port = (uint16_t)i, .proto = DGRAM_UDP,
		};
	if (n <= 0)
		return;
	load_rx(io->core, now, b->d, (unsigned)n);
	make_room(b, (unsigned)n);
}
