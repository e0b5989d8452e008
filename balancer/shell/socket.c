/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets; see socket.h. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "lib/host/net.h"

enum { BUFFER = 4 << 20 }; /* bytes asked for; without privilege the kernel gives what it may */

static int turn_on(int fd, int level, int option)
{
	const int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

/* Room for what comes in while the thread doesn't run. */
static void widen(int fd)
{
	const int bytes = BUFFER;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int open_tcp(const struct ep *ep)
{
	int family = ip_is4(&ep->ip) ? AF_INET : AF_INET6;

	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

static int open_udp(const struct ep *ep)
{
	int family = ip_is4(&ep->ip) ? AF_INET : AF_INET6;

	return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
}

static int prepare_front(int fd, const struct ep *ep, bool share)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);

	if (share && turn_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return -errno;
	if (!ip_is4(&ep->ip) && turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0)
		return -errno;
	int err = ip_is_any(&ep->ip) ? net_tell_asked(fd, ep) : 0;
	if (err < 0)
		return err;
	widen(fd);
	return bind(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

int socket_front(const struct ep *ep, bool share)
{
	int fd = open_udp(ep);

	if (fd < 0)
		return -errno;
	int err = prepare_front(fd, ep, share);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

/* Sends from where the configuration says that this server is to be talked to from. */
static int set_source(int fd, const struct bal_server *s)
{
	const struct ep from = { .ip = s->from };
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(&from, &ss);
	size_t name = strlen(s->from_interface);

	if (name > 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, s->from_interface,
	                           (socklen_t)name + 1) < 0)
		return -errno;
	if (ip_is_any(&s->from))
		return 0;
	(void)turn_on(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
	return bind(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

/* Towards s from its source. 0, also where that takes its time, or -errno. */
static int go_to(int fd, const struct bal_server *s)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(&s->addr, &ss);
	int err = set_source(fd, s);

	if (err < 0)
		return err;
	return connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS ? 0 : -errno;
}

int socket_back(const struct bal_server *s)
{
	int fd = open_udp(&s->addr);

	if (fd < 0)
		return -errno;
	widen(fd);
	int err = go_to(fd, s);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

void socket_buffers(int fd, int receive, int send)
{
	if (receive > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
	if (send > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof(send));
}

int socket_send(int fd, const struct dgram *d, bool local)
{
	_Alignas(8) uint8_t control[NET_CONTROL] = { 0 };
	struct sockaddr_storage name;
	struct iovec iov = { d->data, d->len };
	struct msghdr m = { .msg_name = &name, .msg_namelen = host_sockaddr(&d->peer, &name),
	                    .msg_iov = &iov, .msg_iovlen = 1 };

	if (local)
		net_leave_from(&m, control, &d->local.ip);
	return sendmsg(fd, &m, 0) < 0 ? -errno : 0;
}

void socket_prompt(int fd)
{
	(void)turn_on(fd, IPPROTO_TCP, TCP_NODELAY);
}

static int prepare_listen(int fd, const struct ep *ep, int queue, bool share)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);

	if (turn_on(fd, SOL_SOCKET, SO_REUSEADDR) < 0 ||
	    (share && turn_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0))
		return -errno;
	if (!ip_is4(&ep->ip) && turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, queue) < 0)
		return -errno;
	return 0;
}

int socket_listen(const struct ep *ep, int queue, bool share)
{
	int fd = open_tcp(ep);

	if (fd < 0)
		return -errno;
	int err = prepare_listen(fd, ep, queue, share);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

int socket_connect(const struct bal_server *s)
{
	int fd = open_tcp(&s->addr);

	if (fd < 0)
		return -errno;
	socket_prompt(fd);
	int err = go_to(fd, s);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}
